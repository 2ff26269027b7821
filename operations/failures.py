"""What failed: dead letters, failed asynchronous calls, long clips, and refused photos."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from adapters.events import message_jobs
from adapters.keys import FAILED
from operations.long_clips import failed_clips
from operations.queues import Message, peek
from operations.stack import Stack, client
from pipeline import InvalidRequest, UnknownEvent


@dataclass(frozen=True)
class Failure:
    """Something that failed and was not replayed yet.

    Attributes:
        kind: ``dead_letter``, ``failed_event``, ``long_clip`` or ``refused``.
        at: When it was sent or written: UTC, ISO 8601.
        bucket: The photo's bucket, if it is known.
        key: The photo's key, if it is known.
        code: The error's code, if it is known.
        why: The error's message; that of a dead letter is in the log.
    """

    kind: str
    at: str
    bucket: str | None
    key: str | None
    code: str | None
    why: str

    def as_dict(self) -> dict[str, str | None]:
        """Returns the fields by name."""
        return asdict(self)


@dataclass(frozen=True)
class Refusal:
    """The record of a refused photo; ``call`` is the direct call that draws the photo again."""

    at: str
    call: Mapping[str, Any]
    error: Mapping[str, Any]


def list_failures(stack: Stack, maximum: int) -> Iterator[Failure]:
    """Yields what failed, at most ``maximum`` of each kind. Nothing is changed."""
    for message in peek(stack.output("DeadLettersUrl"), maximum):
        why = message.error or f"every try failed; the log has message {message.id}"
        for bucket, key in _objects(message.body):
            code = None if key else UnknownEvent.code
            yield Failure("dead_letter", message.sent_at, bucket, key, code, why)
    for message in peek(stack.output("FailedEventsUrl"), maximum):
        yield from _failed_event(message)
    for clip in islice(failed_clips(stack), maximum):
        yield Failure("long_clip", clip.at, clip.bucket, clip.key, clip.code, clip.why)
    for refusal in islice(list_refusals(stack), maximum):
        bucket, key = refusal.call["bucket"], refusal.call["key"]
        code, why = refusal.error.get("code"), str(refusal.error.get("message"))
        yield Failure("refused", refusal.at, bucket, key, code, why)


def list_refusals(stack: Stack, code: str | None = None) -> Iterator[Refusal]:
    """Yields the records of refused photos in the output bucket.

    Args:
        stack: The stack.
        code: If set, only records with this error code.
    """
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
    """A failure's record; None if the object is something else."""
    try:
        record: dict[str, Any] = json.loads(data)
        source = record["source"]
        is_complete = source["bucket"] and source["key"] and record["error"]["code"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return record if is_complete else None


def _objects(body: Any) -> list[tuple[str | None, str | None]]:
    """Bucket and key of every object that a message names."""
    try:
        jobs = message_jobs(body)
    except InvalidRequest:
        return [(None, None)]
    return [(job.bucket, job.key) for job in jobs]


def _failed_event(message: Message) -> Iterator[Failure]:
    """Reads Lambda's record of a failed call: the event, and the error of the last attempt."""
    body = message.body if isinstance(message.body, dict) else {}
    condition = (body.get("requestContext") or {}).get("condition")
    response = body.get("responsePayload")
    error = response if isinstance(response, dict) else {}
    why = f"{condition or 'unknown'}: {error.get('errorMessage') or 'no response'}"
    for bucket, key in _objects(body.get("requestPayload")):
        code = error.get("errorType")
        yield Failure("failed_event", message.sent_at, bucket, key, code, " ".join(why.split()))
