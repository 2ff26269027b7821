"""A job of S3 Batch Operations, read back: how far it is, and what failed in it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import unquote_plus, urlsplit

from operations.stack import Stack, client

COLUMNS = 7  # of a report: bucket, key, version, status, two codes, message


@dataclass(frozen=True)
class JobState:
    """How far a job is.

    Attributes:
        status: As S3 names it, such as Active or Complete.
        total: Photos in the job; succeeded and failed are parts of it.
        reasons: Why the whole job failed, if it did.
    """

    status: str
    total: int
    succeeded: int
    failed: int
    reasons: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Returns the fields by name."""
        return asdict(self)


@dataclass(frozen=True)
class FailedTask:
    """A photo that S3 gave up: ``code`` as the function answered it, ``message`` what it said."""

    bucket: str
    key: str
    code: str
    message: str

    def as_dict(self) -> dict[str, str]:
        """Returns the fields by name."""
        return asdict(self)


def job_state(stack: Stack, job_id: str) -> JobState:
    """Raises OperationsError where there is no such job."""
    account = stack.output("FunctionArn").split(":")[4]
    job = client("s3control").describe_job(AccountId=account, JobId=job_id)["Job"]
    progress = job.get("ProgressSummary", {})
    reasons = [
        f"{reason.get('FailureCode')}: {reason.get('FailureReason')}"
        for reason in job.get("FailureReasons", [])
    ]
    return JobState(
        status=str(job["Status"]),
        total=int(progress.get("TotalNumberOfTasks", 0)),
        succeeded=int(progress.get("NumberOfTasksSucceeded", 0)),
        failed=int(progress.get("NumberOfTasksFailed", 0)),
        reasons=tuple(reasons),
    )


def failed_tasks(stack: Stack, job_id: str) -> Iterator[FailedTask]:
    """Those of a job's report, which S3 writes when the job has ended and something failed."""
    reports = urlsplit(stack.output("BackfillReports"))
    s3 = client("s3")
    prefix = f"{reports.path.strip('/')}/job-{job_id}/"
    listed = s3.list_objects_v2(Bucket=reports.netloc, Prefix=f"{prefix}manifest.json")
    keys = [item["Key"] for item in listed.get("Contents", [])]
    if f"{prefix}manifest.json" not in keys:
        return
    manifest = json.loads(_read(reports.netloc, f"{prefix}manifest.json"))
    for result in manifest["Results"]:
        if result["TaskExecutionStatus"] == "failed":
            yield from _rows(_read(result["Bucket"], result["Key"]).decode())


def _rows(text: str) -> Iterator[FailedTask]:
    for row in csv.reader(io.StringIO(text)):
        if len(row) != COLUMNS:
            continue
        bucket, key, _, _, first, second, message = row
        # the report's own schema names the error's code first, real reports have it second
        code = second if first.isdecimal() else first
        yield FailedTask(bucket, unquote_plus(key), code, message)


def _read(bucket: str, key: str) -> bytes:
    body: bytes = client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return body
