"""Several jobs in one event: all of them are done before any failure is told."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from adapters import job_log, logger
from adapters.events import Ignored, Job, message_jobs, notified_jobs
from adapters.redelivery import delay_s, redeliver
from adapters.worker import worker
from pipeline import InvalidRequest


def notified(document: Any) -> dict[str, Any]:
    """in: an S3 or EventBridge event; out: ``{"results": [...]}``, one for each record."""
    return {"results": _all_done(notified_jobs(document))}


def _all_done(jobs: list[Job | Ignored]) -> list[dict[str, Any]]:
    """What fails for no fault of the photo is raised, once all jobs have had their turn, so that
    Lambda or the queue sends the event again; those done are found done then.
    """
    results, failures = [], []
    for job in jobs:
        try:
            results.append(worker().work(job).as_dict())
        except Exception as error:
            failures.append(error)
    if failures:
        raise failures[0]
    return results


def queued(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """in: an event of SQS; out: the ids of the messages that are to come again."""
    # without the switch a batch of one that fails raises, and is counted as a broken function
    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    response = process_partial_response(event, _message, processor, context)
    return {"batchItemFailures": response["batchItemFailures"]}


def _message(record: SQSRecord) -> None:
    """Does all jobs of a message; one that fails for no fault of its photo comes again."""
    logger.append_keys(message_id=record.message_id)
    max_receives = worker().adapter.max_receives
    receives = _receives(record)
    try:
        jobs = _readable_jobs(record)
        _all_done([_of_message(job, record, receives >= max_receives) for job in jobs])
    except Exception:
        redeliver(record, delay_s(receives, max_receives))
        raise


def _readable_jobs(record: SQSRecord) -> list[Job | Ignored]:
    """A message that nobody can read is left in the queue, which brings it to the dead letters:
    what it was about can be found there, and it is not counted as a photo.
    """
    try:
        return message_jobs(record.body)
    except InvalidRequest as error:
        with job_log.entry(correlation_id=record.message_id) as entry:
            entry.unreadable(error)
        raise


def _receives(record: SQSRecord) -> int:
    """How many times a message was received; 1 where the event does not say."""
    receives = str(record.attributes.get("ApproximateReceiveCount", "1"))
    return int(receives) if re.fullmatch("[1-9][0-9]{0,8}", receives) else 1


def _of_message(job: Job | Ignored, record: SQSRecord, is_last_try: bool) -> Job | Ignored:
    """The job with what its message says of it."""
    job = replace(job, correlation_id=job.correlation_id or record.message_id)
    return job if isinstance(job, Ignored) else replace(job, is_last_try=is_last_try)
