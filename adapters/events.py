"""Reads events: which kind one is, and the jobs in it.

Four traps are dealt with here and nowhere else. Keys in S3 records and in tasks of S3 Batch
Operations are URL-encoded, and decoded exactly once; keys in EventBridge events are not encoded. A
queue's first message may be the s3:TestEvent that S3 sends when notifications are configured. What
comes through SNS is text in an envelope, unless the subscription delivers raw messages.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import unquote_plus

from adapters.jobs import Ignored, InlinePhoto, Job
from pipeline import InvalidRequest, UnknownEvent, companion

EVENTBRIDGE_CREATED = "Object Created"
S3_CREATED = "ObjectCreated:"
SURROGATE = re.compile("[\ud800-\udfff]")
# An archived object that S3 has made readable again is treated as a new one.
RESTORED = {"ObjectRestore:Completed", "Object Restore Completed"}
SNS_CONFIRMATIONS = {"SubscriptionConfirmation", "UnsubscribeConfirmation"}
MAX_ENVELOPES = 5  # nested around an event
DATA_URI = re.compile(r"\s*data:[^,]*;base64,", re.IGNORECASE)
URL_ALPHABET = str.maketrans("-_", "+/")
FOLDER_PLACEHOLDER = "the key is a folder placeholder"


class Kind(StrEnum):
    """Who called. ``DIRECT`` is the fallback: its parser reports what is wrong with the event."""

    HTTP = "http"
    QUEUE = "queue"
    NOTIFICATION = "notification"
    S3_BATCH = "tasks"
    CLIP_STEP = "clip_step"
    DIRECT = "direct"


def kind_of(event: Any) -> Kind:
    """Returns the kind of an event. An incomplete event of a kind is a direct call."""
    if not isinstance(event, dict):
        return Kind.DIRECT
    if _is_http(event):
        return Kind.HTTP
    if isinstance(event.get("clip_step"), str):
        return Kind.CLIP_STEP
    records, tasks = event.get("Records"), event.get("tasks")
    if isinstance(records, list) and records and all(isinstance(item, dict) for item in records):
        return Kind.QUEUE if all(map(_is_message, records)) else Kind.NOTIFICATION
    if "invocationSchemaVersion" in event and isinstance(tasks, list):
        return Kind.S3_BATCH
    if event.get("Event") == "s3:TestEvent" or event.get("source") == "aws.s3":
        return Kind.NOTIFICATION
    return Kind.DIRECT


def _is_http(event: dict[str, Any]) -> bool:
    """Whether an event is one of an HTTP API in format 2.0, with all fields that are used."""
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
        and all(_is_text_mapping(mapping) for mapping in (headers, query))
    )


def _is_text_mapping(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _is_message(record: dict[str, Any]) -> bool:
    texts = (record.get(name) for name in ("messageId", "body"))
    return record.get("eventSource") == "aws:sqs" and all(isinstance(text, str) for text in texts)


def _text(value: Any) -> str:
    """Returns a value that can be the name of a bucket, a key or a version.

    Raises:
        TypeError: It is not text, is empty, or holds half of a surrogate pair, which no key can.
    """
    if not isinstance(value, str) or not value or SURROGATE.search(value):
        raise TypeError(f"{value!r} is not a name")
    return value


def _id(value: Any) -> str | None:
    """The sender's correlation id, if any."""
    return value if isinstance(value, str) and value else None


def notified_jobs(document: Any) -> list[Job | Ignored]:
    """Reads a notification of S3, with or without the envelopes of SNS and queues.

    Args:
        document: An S3 event or an EventBridge event, as JSON.

    Returns:
        A job for each object. A malformed record among others is Ignored.

    Raises:
        UnknownEvent: It is neither.
    """
    return _notified(document, MAX_ENVELOPES)


def _notified(document: Any, envelopes: int) -> list[Job | Ignored]:
    if envelopes and isinstance(document, dict):
        if document.get("Event") == "s3:TestEvent":
            return [Ignored("S3 sent its configuration test event", _id(document.get("Bucket")))]
        if document.get("source") == "aws.s3":
            return [_eventbridge_job(document)]
        kind = document.get("Type")
        if isinstance(kind, str) and kind in SNS_CONFIRMATIONS:
            return [Ignored(f"{kind} of SNS names no object")]
        inner = _enveloped(document)
        if inner is not None:
            return _message(inner, envelopes)
        records = document.get("Records")
        if isinstance(records, list):
            return [job for record in records for job in _record_jobs(record, envelopes)]
    raise UnknownEvent("neither S3 records nor an EventBridge event of S3")


def _record_jobs(record: Any, envelopes: int) -> list[Job | Ignored]:
    inner = _enveloped(record) if isinstance(record, dict) else None
    if inner is None:
        return [_s3_job(record)]
    try:
        return _message(inner, envelopes)
    except InvalidRequest as error:
        return [Ignored(f"the record cannot be read: {error.message}")]


def _enveloped(document: Mapping[str, Any]) -> str | None:
    """The text in an envelope: an SNS notification, or a record of SNS or SQS for Lambda."""
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
        response = record.get("responseElements")
    except (AttributeError, KeyError, TypeError):
        return Ignored("the record is not one of S3")
    # events say "ObjectCreated:Put"; the samples of the console and of SNS "s3:ObjectCreated:Put"
    event = str(name).removeprefix("s3:")
    if not event.startswith(S3_CREATED) and event not in RESTORED:
        return Ignored(f"{name} is not {S3_CREATED}*", bucket, key)
    request_id = response.get("x-amz-request-id") if isinstance(response, dict) else None
    return Job(bucket, key, notified=True, correlation_id=_id(request_id))


def _eventbridge_job(event: dict[str, Any]) -> Job | Ignored:
    kind = str(event.get("detail-type"))
    try:
        bucket = _text(event["detail"]["bucket"]["name"])
        key = _text(event["detail"]["object"]["key"])
    except (KeyError, TypeError):
        return Ignored("an EventBridge event without bucket and key")
    if kind != EVENTBRIDGE_CREATED and kind not in RESTORED:
        return Ignored(f"{kind} is not {EVENTBRIDGE_CREATED}", bucket, key)
    return Job(bucket, key, notified=True, correlation_id=_id(event.get("id")))


def message_jobs(body: Any) -> list[Job | Ignored]:
    """Reads the body of a queue's message.

    Args:
        body: A notification, as ``notified_jobs`` reads it, or a direct call for an object, which
            is how a job comes back with its options; as text or already parsed.

    Returns:
        A job for each object.

    Raises:
        UnknownEvent: It is neither.
        InvalidRequest: It is a direct call that is not valid.
    """
    return _message(body, MAX_ENVELOPES)


def _message(body: Any, envelopes: int) -> list[Job | Ignored]:
    if isinstance(body, str) and envelopes:  # even twice: some bridges turn JSON into a string
        try:
            return _message(json.loads(body), envelopes - 1)
        except (ValueError, RecursionError):
            body = None
    if isinstance(body, dict) and {"bucket", "key"} <= body.keys():
        call = direct_call(body)
        if isinstance(call, Job):
            return [call]
    return _notified(body, envelopes)


def batch_task_job(task: Any, options: Mapping[str, str]) -> Job | Ignored:
    """Reads one task of S3 Batch Operations, in schema 1.0 or 2.0.

    The version in the manifest is not used: the photo is drawn as it is now, because a task that
    comes late must not replace a newer picture by an older one.

    Args:
        task: The task.
        options: The user arguments of its batch job.
    """
    try:
        bucket = _text(task.get("s3Bucket") or task["s3BucketArn"].rpartition(":")[2])
        key = unquote_plus(_text(task["s3Key"]))
    except (AttributeError, KeyError, TypeError):
        return Ignored("a task without bucket and key")
    why = not_a_photo(key)
    return Ignored(why, bucket, key) if why else Job(bucket, key, options=options)


def not_a_photo(key: str) -> str | None:
    """Returns why an object is not a photo, judging by its key; None if it may be one."""
    if key.endswith("/"):
        return FOLDER_PLACEHOLDER
    kind = companion(key)
    return f"it is not a photo but {kind}" if kind else None


def direct_call(event: Any) -> Job | InlinePhoto:
    """Reads a direct call.

    Args:
        event: ``{"bucket", "key", "version_id"?, options}`` or ``{"image_base64", options}``.

    Raises:
        UnknownEvent: It is neither.
        InvalidRequest: A field has a wrong value.
    """
    if not isinstance(event, dict) or not ({"bucket", "key", "image_base64"} & event.keys()):
        raise UnknownEvent(
            "unknown kind of event; known are S3, S3 through SNS, SQS or EventBridge, HTTP API"
            ' 2.0, {"bucket": ..., "key": ...} and {"image_base64": ...}'
        )
    options = dict(event)
    if "image_base64" in options:
        return InlinePhoto(photo_from_base64(options.pop("image_base64")), options)
    bucket, key = (options.pop(name, None) for name in ("bucket", "key"))
    version_id = options.pop("version_id", None)
    try:
        bucket, key = _text(bucket), _text(key)
        version_id = None if version_id is None else _text(version_id)
    except TypeError as error:
        raise InvalidRequest(
            "bucket and key are required and must be non-empty text; version_id must be text"
        ) from error
    return Job(bucket, key, version_id, options)


def decode_base64(text: Any) -> bytes:
    """Decodes standard base64, with or without line breaks. Raises InvalidRequest."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (AttributeError, ValueError, binascii.Error) as error:
        raise InvalidRequest("the photo is not base64 text") from error


def photo_from_base64(text: Any) -> bytes:
    """Decodes a photo as callers send it in JSON.

    Args:
        text: Standard base64, base64 in the URL alphabet, either without padding, or a data URI.

    Raises:
        InvalidRequest: It is none of these.
    """
    if not isinstance(text, str):
        return decode_base64(text)
    if text.lstrip()[:5].lower() == "data:":
        match = DATA_URI.match(text)
        if match is None:
            raise InvalidRequest("the photo is a data URI that is not base64")
        text = text[match.end() :]
    if " " not in text.strip():  # otherwise it is prose, or a + became a space
        text = "".join(text.split()).translate(URL_ALPHABET)
        text += "=" * (-len(text) % 4)
    return decode_base64(text)
