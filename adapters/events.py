"""What kind of event came, and the jobs in it.

Four traps are met here and nowhere else: keys in S3 records and in tasks of S3 Batch Operations
are URL-encoded and decoded exactly once, keys in EventBridge events are not encoded at all, a
queue's first message may be the s3:TestEvent that S3 sends when a notification is set up, and what
comes by way of SNS is text within an envelope, unless the subscription delivers it raw.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import unquote_plus

from pipeline import InvalidRequest, UnknownEvent, companion

EVENTBRIDGE_CREATED = "Object Created"
S3_CREATED = "ObjectCreated:"
HALF_CHARACTER = re.compile("[\ud800-\udfff]")
# An archived object that S3 has made readable again is as good as a new one
RESTORED = {"ObjectRestore:Completed", "Object Restore Completed"}
SNS_CONFIRMATIONS = {"SubscriptionConfirmation", "UnsubscribeConfirmation"}
MAX_LAYERS = 5  # of text around an event
DATA_URI = re.compile(r"\s*data:[^,]*;base64,", re.IGNORECASE)
URL_ALPHABET = str.maketrans("-_", "+/")


class Kind(StrEnum):
    """Who called. ``DIRECT`` is also what nobody else sent: its reader names what is wrong."""

    HTTP = "http"
    QUEUE = "queue"
    NOTIFICATION = "notification"
    TASKS = "tasks"
    DIRECT = "direct"


@dataclass(frozen=True)
class Job:
    """One object to stylise. ``options`` win over those in the object's metadata.

    ``notified``: a bucket said that the object is there, nobody asked for it by name. Such a job
    has no version: notifications come twice and out of order, so the object is read as it is now,
    and a late one finds it done.
    """

    bucket: str
    key: str
    version_id: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    notified: bool = False
    correlation_id: str | None = None  # under which its sender knows it
    is_last_try: bool = False  # its sender gives it up if it fails once more


@dataclass(frozen=True)
class Ignored:
    """A record that asks for nothing, and why it does not."""

    why: str
    bucket: str | None = None
    key: str | None = None
    correlation_id: str | None = None


@dataclass(frozen=True)
class Upload:
    """A photo that came within the event itself."""

    data: bytes
    options: Mapping[str, Any]


def kind_of(event: Any) -> Kind:
    """Never raises: whatever has no other kind, or is no whole event of it, is a direct call."""
    if not isinstance(event, dict):
        return Kind.DIRECT
    if _is_http(event):
        return Kind.HTTP
    records, tasks = event.get("Records"), event.get("tasks")
    if isinstance(records, list) and records and all(isinstance(one, dict) for one in records):
        return Kind.QUEUE if all(map(_is_message, records)) else Kind.NOTIFICATION
    if "invocationSchemaVersion" in event and isinstance(tasks, list):
        return Kind.TASKS
    if event.get("Event") == "s3:TestEvent" or event.get("source") == "aws.s3":
        return Kind.NOTIFICATION
    return Kind.DIRECT


def _is_http(event: dict[str, Any]) -> bool:
    """Whether an event of an HTTP API in format 2.0 has all that its reader relies on."""
    context = event.get("requestContext")
    http = context.get("http") if isinstance(context, dict) else None
    headers, query = event.get("headers"), event.get("queryStringParameters") or {}
    return (
        event.get("version") == "2.0"
        and isinstance(context, dict)
        and isinstance(http, dict)
        and all(isinstance(http.get(name), str) for name in ("method", "path"))
        and all(isinstance(context.get(name), str) for name in ("requestId", "stage"))
        and isinstance(event.get("rawPath"), str)
        and isinstance(event.get("body") or "", str)
        and all(_is_texts(fields) for fields in (headers, query))
    )


def _is_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _is_message(record: dict[str, Any]) -> bool:
    texts = (record.get(name) for name in ("messageId", "body"))
    return record.get("eventSource") == "aws:sqs" and all(isinstance(text, str) for text in texts)


def _text(value: Any) -> str:
    """The value, if it is text that is not empty, and has no half of a character, which no key can
    have. Raises TypeError.
    """
    if not isinstance(value, str) or not value or HALF_CHARACTER.search(value):
        raise TypeError(f"{value!r} is no text")
    return value


def _id(value: Any) -> str | None:
    """Under what its sender knows a job, if it says so."""
    return value if isinstance(value, str) and value else None


def notified_jobs(document: Any) -> list[Job | Ignored]:
    """The jobs of an S3 event, of an EventBridge event or of a queue message's body, each as it is
    or within what SNS and queues wrap around it.

    Raises UnknownEvent when it is none of these; one bad record among others is Ignored.
    """
    return _notified(document, MAX_LAYERS)


def _notified(document: Any, layers: int) -> list[Job | Ignored]:
    if layers and isinstance(document, dict):
        if document.get("Event") == "s3:TestEvent":
            return [Ignored("s3:TestEvent: S3 only tries the way", _id(document.get("Bucket")))]
        if document.get("source") == "aws.s3":
            return [_eventbridge_job(document)]
        if document.get("Type") in SNS_CONFIRMATIONS:
            return [Ignored(f"{document['Type']} of SNS brings no object")]
        inner = _enveloped(document)
        if inner is not None:
            return _message(inner, layers)
        records = document.get("Records")
        if isinstance(records, list):
            return [job for record in records for job in _record_jobs(record, layers)]
    raise UnknownEvent("neither S3 records nor an EventBridge event of S3")


def _record_jobs(record: Any, layers: int) -> list[Job | Ignored]:
    inner = _enveloped(record) if isinstance(record, dict) else None
    if inner is None:
        return [_s3_job(record)]
    try:
        return _message(inner, layers)
    except InvalidRequest as error:
        return [Ignored(f"a record whose text nobody can read: {error.message}")]


def _enveloped(document: Mapping[str, Any]) -> str | None:
    """The text within an envelope: a notification of SNS, a record of SNS for Lambda, or of SQS."""
    if document.get("Type") == "Notification":
        text = document.get("Message")
    elif isinstance(document.get("Sns"), dict):
        text = document["Sns"].get("Message")
    elif document.get("eventSource") == "aws:sqs":
        text = document.get("body")
    else:
        return None
    return text if isinstance(text, str) else ""


def _s3_job(record: Any) -> Job | Ignored:
    try:
        name = record["eventName"]
        bucket = _text(record["s3"]["bucket"]["name"])
        key = unquote_plus(_text(record["s3"]["object"]["key"]))
        answer = record.get("responseElements")
    except (AttributeError, KeyError, TypeError):
        return Ignored("a record that is not one of S3")
    # events say "ObjectCreated:Put", the console's and SNS's samples "s3:ObjectCreated:Put"
    event = str(name).removeprefix("s3:")
    if not event.startswith(S3_CREATED) and event not in RESTORED:
        return Ignored(f"{name} is not {S3_CREATED}*", bucket, key)
    sent = answer.get("x-amz-request-id") if isinstance(answer, dict) else None
    return Job(bucket, key, notified=True, correlation_id=_id(sent))


def _eventbridge_job(event: dict[str, Any]) -> Job | Ignored:
    kind = event.get("detail-type")
    try:
        bucket = _text(event["detail"]["bucket"]["name"])
        key = _text(event["detail"]["object"]["key"])
    except (KeyError, TypeError):
        return Ignored("an EventBridge event without bucket and key")
    if kind != EVENTBRIDGE_CREATED and kind not in RESTORED:
        return Ignored(f"{kind} is not {EVENTBRIDGE_CREATED}", bucket, key)
    return Job(bucket, key, notified=True, correlation_id=_id(event.get("id")))


def message_jobs(body: Any) -> list[Job | Ignored]:
    """The jobs of a queue's message, as text or read already: what notified_jobs reads, or a direct
    call for an object, which is how a job comes back with its options.

    Raises UnknownEvent for anything else, InvalidRequest for a call that is not right.
    """
    return _message(body, MAX_LAYERS)


def _message(body: Any, layers: int) -> list[Job | Ignored]:
    if isinstance(body, str) and layers:  # even twice, as some bridges make text of JSON
        try:
            return _message(json.loads(body), layers - 1)
        except (ValueError, RecursionError):
            body = None
    if isinstance(body, dict) and {"bucket", "key"} <= body.keys():
        call = direct_call(body)
        if isinstance(call, Job):
            return [call]
    return _notified(body, layers)


def task_job(task: Any, arguments: Mapping[str, str]) -> Job | Ignored:
    """The job of one task of S3 Batch Operations, in schema 1.0 or 2.0; ``arguments``: the job's
    own, which are options.

    The version in the manifest is left aside: the photo is drawn as it lies there now, for a
    task that comes late must not put an older picture in the place of a newer one.
    """
    try:
        bucket = _text(task.get("s3Bucket") or task["s3BucketArn"].rpartition(":")[2])
        key = unquote_plus(_text(task["s3Key"]))
    except (AttributeError, KeyError, TypeError):
        return Ignored("a task without bucket and key")
    if key.endswith("/"):
        return Ignored("it is the mark of a folder", bucket, key)
    what = companion(key)
    if what:
        return Ignored(f"it is no photo but {what}", bucket, key)
    return Job(bucket, key, options=arguments)


def direct_call(event: Any) -> Job | Upload:
    """``{"bucket", "key", "version_id"?, options}`` or ``{"image_base64", options}``.

    Raises UnknownEvent for anything else, InvalidRequest where these are not what they should be.
    """
    if not isinstance(event, dict) or not ({"bucket", "key", "image_base64"} & event.keys()):
        raise UnknownEvent(
            "an event of no known kind: known are S3, S3 by SNS, SQS or EventBridge, HTTP API 2.0,"
            ' {"bucket": ..., "key": ...} and {"image_base64": ...}'
        )
    options = dict(event)
    if "image_base64" in options:
        return Upload(photo_from_base64(options.pop("image_base64")), options)
    bucket, key = (options.pop(name, None) for name in ("bucket", "key"))
    version_id = options.pop("version_id", None)
    try:
        bucket, key = _text(bucket), _text(key)
        version_id = None if version_id is None else _text(version_id)
    except TypeError as error:
        raise InvalidRequest(
            "bucket and key are both needed, as text that is not empty; version_id is text"
        ) from error
    return Job(bucket, key, version_id, options)


def decode_base64(text: Any) -> bytes:
    """The bytes of standard base64, with or without line breaks. Raises InvalidRequest."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (AttributeError, ValueError, binascii.Error) as error:
        raise InvalidRequest("the photo is not base64 text") from error


def photo_from_base64(text: Any) -> bytes:
    """The bytes of a photo as callers send it in JSON: base64 as decode_base64 takes it, in the
    alphabet for URLs, without padding, or a data URI as browsers make it. Raises InvalidRequest.
    """
    if not isinstance(text, str):
        return decode_base64(text)
    if text.lstrip()[:5].lower() == "data:":
        match = DATA_URI.match(text)
        if match is None:
            raise InvalidRequest("the photo is a data URI, but not in base64")
        text = text[match.end() :]
    if " " not in text.strip():  # else it is words, or a + was lost
        text = "".join(text.split()).translate(URL_ALPHABET)
        text += "=" * (-len(text) % 4)
    return decode_base64(text)
