"""S3 Batch Operations: one photo of a backfill at a time, each answered with what became of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from adapters.events import task_job
from adapters.worker import Outcome, worker
from pipeline import KireiError

SUCCEEDED, TEMPORARY, PERMANENT = "Succeeded", "TemporaryFailure", "PermanentFailure"
MAX_RESULT_CHARACTERS = 1000


def answered(event: dict[str, Any]) -> dict[str, Any]:
    """in: an event of S3 Batch Operations, whose job's user arguments are options;
    out: a result for each task. What is drawn, was drawn before or is none of ours has succeeded;
    a refused photo has failed for good; what the world is at fault for will be tried again.
    """
    job = event.get("job")
    given = job.get("userArguments") if isinstance(job, dict) else None
    arguments = given if isinstance(given, dict) else {}
    return {
        "invocationSchemaVersion": event["invocationSchemaVersion"],
        "treatMissingKeysAs": PERMANENT,
        "invocationId": event.get("invocationId"),
        "results": [_result(task, arguments, event.get("invocationId")) for task in event["tasks"]],
    }


def _result(task: Any, arguments: dict[str, str], invocation_id: Any) -> dict[str, Any]:
    job = replace(task_job(task, arguments), correlation_id=invocation_id)
    try:
        outcome = worker().work(job)
        code = PERMANENT if outcome.status == "refused" else SUCCEEDED
        text = _said(outcome)
    except Exception as error:
        code = TEMPORARY
        text = error.code if isinstance(error, KireiError) else type(error).__name__
    task_id = task.get("taskId") if isinstance(task, dict) else None
    return {"taskId": task_id, "resultCode": code, "resultString": text}


def _said(outcome: Outcome) -> str:
    """One line for the job's report, which is a CSV file."""
    error = outcome.error or {}
    parts = (outcome.status, error.get("code"), error.get("message"), outcome.why)
    line = " ".join(": ".join(str(part) for part in parts if part).split())
    return line[:MAX_RESULT_CHARACTERS]
