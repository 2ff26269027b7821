"""The Lambda function: finds out what kind of event came, and passes it to its adapter."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from adapters import direct, job_log, logger, long_clips, notifications, s3_batch
from adapters.deadline import Deadline
from adapters.events import Kind, kind_of
from adapters.http import api as http_api


# The event itself is never logged, because it may hold photos.
@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """Handles one event.

    Args:
        event: Of S3, of SQS or EventBridge about S3, of S3 Batch Operations, of an HTTP API, a step
            of the state machine for long clips, or a direct call.
        context: Lambda's.

    Returns:
        What the event's sender expects.

    Raises:
        TransientError: The sender should try again.
    """
    try:
        return _handle(event, context)
    finally:
        job_log.flush_metrics()


def _handle(event: Any, context: LambdaContext) -> dict[str, Any]:
    kind = kind_of(event)
    logger.append_keys(event_kind=kind.value)
    logger.set_correlation_id(context.aws_request_id)  # until the sender's own id is known
    deadline = Deadline.of_invocation(context, over_http=kind is Kind.HTTP)
    match kind:
        case Kind.HTTP:
            return http_api.handle(event, context, deadline)
        case Kind.QUEUE:
            return notifications.handle_queue(event, context, deadline)
        case Kind.NOTIFICATION:
            return notifications.handle_notification(event, deadline)
        case Kind.S3_BATCH:
            return s3_batch.handle(event, deadline)
        case Kind.CLIP_STEP:
            return long_clips.handle(event, deadline)
        case Kind.DIRECT:
            return direct.handle(event, deadline)
