"""The Lambda function: tells what kind of event came and hands it to its adapter."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from adapters import deadline, direct, job_log, logger, notifications, s3_batch
from adapters.events import Kind, kind_of
from adapters.http import api as http_api


# The event itself is never logged: it holds photos.
@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """Answers one event.

    Args:
        event: Of S3, of SQS or EventBridge about S3, of S3 Batch Operations, of an HTTP API, or a
            direct call.
        context: Lambda's.

    Returns:
        What the sender expects.

    Raises:
        TransientError: The sender should try again.
    """
    try:
        return _answer(event, context)
    finally:
        job_log.flush()


def _answer(event: Any, context: LambdaContext) -> dict[str, Any]:
    kind = kind_of(event)
    logger.append_keys(event_kind=kind.value)
    logger.set_correlation_id(context.aws_request_id)  # where the sender gives none of its own
    deadline.start(context, answers=kind is Kind.HTTP)
    if kind is Kind.HTTP:
        return http_api.answer(event, context)
    if kind is Kind.QUEUE:
        return notifications.queued(event, context)
    if kind is Kind.NOTIFICATION:
        return notifications.notified(event)
    if kind is Kind.TASKS:
        return s3_batch.answered(event)
    return direct.called(event)
