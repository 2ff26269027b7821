"""When a queue delivers a failed message again: soon at first, and later each time.

Without this it would be when the queue's visibility timeout ends, which is six times the function's
timeout, as AWS recommends: half an hour, for a fault that may last a second. So the timeout of that
one message is changed
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html,
"Changing the visibility timeout for a message").
"""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from adapters import logger

FIRST_DELAY_S = 15
DELAY_GROWTH = 4  # 15 s, 1 min, 4 min, 16 min: longer than most of S3's faults
MAX_DELAY_S = 3600
TIMEOUT_S = 2.0


def delay_s(receives: int, max_receives: int) -> int:
    """Returns the seconds until the next attempt.

    Args:
        receives: How often the message was received, this time included.
        max_receives: After how many the queue gives it up.

    Returns:
        Seconds; 0 after the last attempt, because it only has to be moved to the dead letters.
    """
    if receives >= max_receives:
        return 0
    return int(min(FIRST_DELAY_S * DELAY_GROWTH ** (receives - 1), MAX_DELAY_S))


def redeliver(record: SQSRecord, seconds: int) -> None:
    """Has the queue deliver a message again after some seconds.

    If that is refused, the message comes when the queue's own visibility timeout ends, and the log
    says so.

    Args:
        record: The message.
        seconds: When it comes again.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        _client(record.aws_region).change_message_visibility(
            QueueUrl=record.queue_url,
            ReceiptHandle=record.receipt_handle,
            VisibilityTimeout=seconds,
        )
    except (BotoCoreError, ClientError) as error:
        logger.warning("redelivery_not_set", error={"message": str(error)}, delay_s=seconds)


@cache
def _client(region: str) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=TIMEOUT_S, read_timeout=TIMEOUT_S, retries={"total_max_attempts": 2}
    )
    return boto3.client("sqs", region_name=region, config=config)
