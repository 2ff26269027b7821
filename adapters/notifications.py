"""Notifications of new objects: from S3, from EventBridge, or in the messages of a queue.

All jobs of an event are done before a failure is raised: S3, EventBridge and the queue then send
the event again, and the jobs that succeeded are found done.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from adapters import job_log, logger
from adapters.deadline import Deadline
from adapters.events import message_jobs, notified_jobs
from adapters.jobs import Ignored, Job
from adapters.process import process_worker
from adapters.redelivery import delay_s, redeliver
from pipeline import InvalidRequest


def handle_notification(document: Any, deadline: Deadline) -> dict[str, Any]:
    """Handles an S3 or EventBridge event.

    Args:
        document: The event.
        deadline: Of this invocation.

    Returns:
        ``{"results": [...]}``, an Outcome for each record.

    Raises:
        TransientError: A job must be tried again.
    """
    return {"results": _work_all(notified_jobs(document), deadline)}


def handle_queue(
    event: dict[str, Any], context: LambdaContext, deadline: Deadline
) -> dict[str, Any]:
    """Handles a batch of messages from SQS.

    Args:
        event: The event.
        context: Lambda's.
        deadline: Of this invocation.

    Returns:
        ``{"batchItemFailures": [...]}``, the ids of the messages that the queue delivers again.
    """
    # without the switch, a batch of one that fails raises, and counts as a broken function
    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    handler = partial(_work_message, deadline=deadline)
    response = process_partial_response(event, handler, processor, context)
    return {"batchItemFailures": response["batchItemFailures"]}


def _work_all(jobs: list[Job | Ignored], deadline: Deadline) -> list[dict[str, Any]]:
    results, failures = [], []
    for job in jobs:
        try:
            results.append(process_worker().work(job, deadline).as_dict())
        except Exception as error:  # noqa: BLE001  raised below, once all have had their turn
            failures.append(error)
    if failures:
        raise failures[0]
    return results


def _work_message(record: SQSRecord, deadline: Deadline) -> None:
    """Does the jobs of one message. If one must be tried again, the queue delivers it later."""
    logger.append_keys(message_id=record.message_id)
    max_receives = process_worker().settings.max_receives
    receives = _receives(record)
    is_last_try = receives >= max_receives
    try:
        jobs = [_with_message(job, record, is_last_try) for job in _readable_jobs(record)]
        _work_all(jobs, deadline)
    except Exception:
        redeliver(record, delay_s(receives, max_receives))
        raise


def _readable_jobs(record: SQSRecord) -> list[Job | Ignored]:
    """The jobs of a message.

    An unreadable message stays in the queue, which moves it to the dead letters, where an operator
    finds it. It does not count as a photo.
    """
    try:
        return message_jobs(record.body)
    except InvalidRequest as error:
        with job_log.entry(correlation_id=record.message_id) as entry:
            entry.fail_unreadable(error)
        raise


def _receives(record: SQSRecord) -> int:
    """How often a message was received, this time included; 1 if the event does not say."""
    receives = str(record.attributes.get("ApproximateReceiveCount", "1"))
    return int(receives) if re.fullmatch("[1-9][0-9]{0,8}", receives) else 1


def _with_message(job: Job | Ignored, record: SQSRecord, is_last_try: bool) -> Job | Ignored:
    """The job with the message's id, and whether the queue delivers it again."""
    job = replace(job, correlation_id=job.correlation_id or record.message_id)
    return job if isinstance(job, Ignored) else replace(job, is_last_try=is_last_try)
