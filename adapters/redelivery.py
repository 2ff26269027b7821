"""When a queue brings a message again that failed: soon at first, later each time.

By itself that would be when the queue's visibility timeout runs out, which is six times the
function's timeout, as AWS asks for: half an hour, for a fault that may be over in a second. So the
timeout of the one message is changed
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html,
"Changing the visibility timeout for a message").
"""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from adapters import logger

FIRST_DELAY_S = 15
DELAY_GROWTH = 4  # 15 s, 1 min, 4 min, 16 min: S3's short and longer faults are over by then
MAX_DELAY_S = 3600
TIMEOUT_S = 2.0


def delay_s(receives: int, max_receives: int) -> int:
    """Seconds until the next try.

    Args:
        receives: how many times the message was received, this one included; from 1 on.
        max_receives: after how many the queue gives it up.

    Returns:
        0 after the last try: it only remains to be moved to the dead letters.
    """
    if receives >= max_receives:
        return 0
    return int(min(FIRST_DELAY_S * DELAY_GROWTH ** (receives - 1), MAX_DELAY_S))


def redeliver(record: SQSRecord, seconds: int) -> None:
    """Has the queue bring a message again after a while.

    Where the queue refuses, the message comes when the queue's own visibility timeout is over, and
    the log says so.

    Args:
        record: The message.
        seconds: How long it stays invisible.
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
