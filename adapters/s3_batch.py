"""S3 Batch Operations: a backfill's photos, one at a time, each with its result."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from adapters.deadline import Deadline
from adapters.events import batch_task_job
from adapters.jobs import Outcome
from adapters.process import process_worker
from pipeline import KireiError

SUCCEEDED, TEMPORARY, PERMANENT = "Succeeded", "TemporaryFailure", "PermanentFailure"
MAX_RESULT_CHARACTERS = 1000


def handle(event: dict[str, Any], deadline: Deadline) -> dict[str, Any]:
    """Handles an event of S3 Batch Operations.

    Args:
        event: The event; the user arguments of its batch job are options.
        deadline: Of this invocation.

    Returns:
        A result for each task. New, already stylised and ignored objects count as succeeded;
        refused photos have failed permanently; transient failures are retried.
    """
    batch_job = event.get("job")
    arguments = batch_job.get("userArguments") if isinstance(batch_job, dict) else None
    options = arguments if isinstance(arguments, dict) else {}
    return {
        "invocationSchemaVersion": event["invocationSchemaVersion"],
        "treatMissingKeysAs": PERMANENT,
        "invocationId": event.get("invocationId"),
        "results": [_result(task, options, event, deadline) for task in event["tasks"]],
    }


def _result(
    task: Any, options: dict[str, str], event: dict[str, Any], deadline: Deadline
) -> dict[str, Any]:
    job = replace(batch_task_job(task, options), correlation_id=event.get("invocationId"))
    try:
        outcome = process_worker().work(job, deadline)
        code = PERMANENT if outcome.status == "refused" else SUCCEEDED
        text = _summary(outcome)
    except Exception as error:  # noqa: BLE001  a task is answered, whatever happens to it
        code = TEMPORARY
        text = error.code if isinstance(error, KireiError) else type(error).__name__
    task_id = task.get("taskId") if isinstance(task, dict) else None
    return {"taskId": task_id, "resultCode": code, "resultString": text}


def _summary(outcome: Outcome) -> str:
    """One line for the batch job's report, which is a CSV file."""
    error = outcome.error or {}
    parts = (outcome.status, error.get("code"), error.get("message"), outcome.why)
    line = " ".join(": ".join(str(part) for part in parts if part).split())
    return line[:MAX_RESULT_CHARACTERS]
