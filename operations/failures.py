"""What failed: dead letters, calls that failed for good, and refused photos."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from adapters.events import Ignored, Job, message_jobs
from operations.queues import Message, looked_at
from operations.stack import Stack, client
from pipeline import InvalidRequest, UnknownEvent

FAILED = "failed/"


@dataclass(frozen=True)
class Failure:
    """``kind``: dead_letter, failed_event or refused. ``at``: UTC, ISO 8601, when it was sent or
    written. ``why``: the error where it is known; a dead letter's stands in the log.
    """

    kind: str
    at: str
    bucket: str | None
    key: str | None
    code: str | None
    why: str

    def as_dict(self) -> dict[str, str | None]:
        return asdict(self)


@dataclass(frozen=True)
class Refusal:
    """A record of a refused photo: ``call`` is the direct call that asks for the photo again."""

    at: str
    call: Mapping[str, Any]
    error: Mapping[str, Any]


def failures(stack: Stack, most: int) -> Iterator[Failure]:
    """All that failed and waits, at most so many of each kind."""
    for message in looked_at(stack.output("DeadLettersUrl"), most):
        why = message.error or f"every try failed; the log has message {message.id}"
        for bucket, key in _objects(message.body):
            code = None if key else UnknownEvent.code
            yield Failure("dead_letter", message.sent_at, bucket, key, code, why)
    for message in looked_at(stack.output("FailedEventsUrl"), most):
        yield from _failed_event(message)
    for refusal in islice(refusals(stack), most):
        call, error = refusal.call, refusal.error
        yield Failure(
            *("refused", refusal.at, call["bucket"], call["key"]),
            *(error.get("code"), str(error.get("message"))),
        )


def refusals(stack: Stack, code: str | None = None) -> Iterator[Refusal]:
    """The records below failed/ of the output bucket; with a code, those of this error."""
    bucket = stack.output("OutputBucket")
    s3 = client("s3")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=FAILED):
        for item in page.get("Contents", []):
            record = _record(s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read())
            if record is None or code not in (None, record["error"].get("code")):
                continue
            source = record["source"]
            call = {**record.get("options", {}), "bucket": source["bucket"], "key": source["key"]}
            yield Refusal(item["LastModified"].isoformat(), call, record["error"])


def _record(data: bytes) -> dict[str, Any] | None:
    """A failure's record; None where the object is something else."""
    try:
        record: dict[str, Any] = json.loads(data)
        whole = record["source"]["bucket"] and record["source"]["key"] and record["error"]["code"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return record if whole else None


def _objects(body: Any) -> list[tuple[str | None, str | None]]:
    """Bucket and key of all that a message is about."""
    try:
        jobs: list[Job | Ignored] = message_jobs(body)
    except InvalidRequest:
        return [(None, None)]
    return [(job.bucket, job.key) for job in jobs]


def _failed_event(message: Message) -> Iterator[Failure]:
    """Lambda's record of a call that failed: the event, and the error of the last time."""
    body = message.body if isinstance(message.body, dict) else {}
    condition = (body.get("requestContext") or {}).get("condition")
    error = body.get("responsePayload")
    said = error if isinstance(error, dict) else {}
    why = f"{condition or 'unknown'}: {said.get('errorMessage') or 'no answer'}"
    for bucket, key in _objects(body.get("requestPayload")):
        code = said.get("errorType")
        yield Failure("failed_event", message.sent_at, bucket, key, code, " ".join(why.split()))
