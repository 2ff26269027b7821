"""Every way in which S3 and callers send photos: SNS, archives, closed objects, companions, packed
objects, base64 of every kind, fields of forms, names in any case.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import zlib
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from buckets import INPUT, OUTPUT, Event, keys, object_of, put, s3_event, sqs_event
from calls import FORM, Invoke, call, error_of, form, picture_of
from test_s3_batch import batch_event

from adapters.events import Kind, kind_of, notified_jobs, photo_from_base64
from adapters.jobs import Ignored, Job
from adapters.storage.content_encoding import decode_content
from pipeline import (
    InvalidRequest,
    Options,
    TooManyBytes,
    TruncatedImage,
    UnsupportedVariant,
    companion,
)

DRAWN = ["stylised/a.hayao.jpg", "stylised/a.hayao.json"]


def sns(message: Any) -> dict[str, Any]:
    """What SNS puts into a queue without raw delivery."""
    text = message if isinstance(message, str) else json.dumps(message)
    return {"Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:photos"} | {
        "Subject": "Amazon S3 Notification",
        "Message": text,
    }


def eventbridge(key: str, kind: str = "Object Created") -> dict[str, Any]:
    return {
        "source": "aws.s3",
        "detail-type": kind,
        "id": "an-id",
        "detail": {"bucket": {"name": INPUT}, "object": {"key": key}},
    }


def lambda_sns(message: Any) -> dict[str, Any]:
    """What SNS calls a function with."""
    return {"Records": [{"EventSource": "aws:sns", "Sns": sns(message)}]}


@pytest.mark.parametrize(
    "event",
    [
        sqs_event(sns(s3_event("uploads/a.jpg"))),
        sqs_event(sns(eventbridge("uploads/a.jpg"))),
        sqs_event(s3_event("uploads/a.jpg")),  # raw delivery
        sqs_event(sns(sns(s3_event("uploads/a.jpg")))),
        sqs_event(lambda_sns(s3_event("uploads/a.jpg"))),
        sqs_event(sqs_event(s3_event("uploads/a.jpg"))),
        sqs_event(json.dumps(s3_event("uploads/a.jpg"))),  # text of text
        sqs_event(sns({"bucket": INPUT, "key": "uploads/a.jpg"})),
        lambda_sns(s3_event("uploads/a.jpg")),
        lambda_sns(eventbridge("uploads/a.jpg")),
    ],
)
def test_an_event_within_envelopes_is_drawn(
    s3: Any, invoke: Invoke, photo: bytes, event: Any
) -> None:
    put(s3, "uploads/a.jpg", photo, **{"max-side-px": "64"})
    answer = invoke(event)
    assert answer.get("batchItemFailures", []) == []
    assert keys(s3, OUTPUT) == DRAWN


@pytest.mark.parametrize("name", ["sqs_sns_s3", "sns_s3"])
def test_the_sample_events(load_event: Callable[[str], Event], name: str) -> None:
    event = load_event(name)
    assert kind_of(event) is (Kind.QUEUE if name == "sqs_sns_s3" else Kind.NOTIFICATION)
    (job,) = notified_jobs(event)
    assert isinstance(job, Job)
    assert (job.key, job.notified) == ("uploads/astronaut.jpg", True)


def test_what_sns_sends_beside_events(s3: Any, invoke: Invoke) -> None:
    test = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": INPUT}
    confirmation = {"Type": "SubscriptionConfirmation", "Token": "t", "Message": "You have chosen"}
    assert invoke(sqs_event(sns(test), confirmation)) == {"batchItemFailures": []}
    unreadable = invoke(sqs_event(sns("a letter"), sns({"hello": 1}), sns(s3_event())))
    failed = [item["itemIdentifier"] for item in unreadable["batchItemFailures"]]
    assert failed == ["message-0", "message-1"]
    (told,) = invoke(lambda_sns("a letter"))["results"]
    assert told["status"] == "skipped"
    assert "cannot be read" in told["why"]


def test_envelopes_have_an_end() -> None:
    message: Any = s3_event("uploads/a.jpg")
    for _ in range(12):
        message = sns(message)
    (ignored,) = notified_jobs({"Records": [message]})
    assert isinstance(ignored, Ignored)


# Objects that are there and cannot be read


def test_an_archived_photo_is_refused_for_good_and_drawn_once_it_is_back(
    s3: Any, invoke: Invoke, photo: bytes
) -> None:
    key = "uploads/a.jpg"
    s3.put_object(Bucket=INPUT, Key=key, Body=photo, StorageClass="GLACIER")
    assert invoke(sqs_event(s3_event(key))) == {"batchItemFailures": []}
    record = json.loads(object_of(s3, OUTPUT, "failed/a.jpg.json"))
    assert record["error"]["code"] == "object_archived"
    assert "restore-object" in record["error"]["message"]
    assert key in record["error"]["message"]
    (result,) = invoke(batch_event(key))["results"]
    assert result["resultCode"] == "PermanentFailure"
    assert "object_archived" in result["resultString"]
    put(s3, key, photo)  # as if S3 had brought it back
    event = s3_event(key)
    event["Records"][0]["eventName"] = "ObjectRestore:Completed"
    assert invoke(sqs_event(event)) == {"batchItemFailures": []}
    assert keys(s3, OUTPUT) == DRAWN  # and no record of a failure


def test_restored_objects_are_jobs_and_requested_ones_are_not() -> None:
    event = s3_event("uploads/a.jpg")
    for name, kind in (("Completed", Job), ("Post", Ignored), ("Delete", Ignored)):
        event["Records"][0]["eventName"] = f"ObjectRestore:{name}"
        assert isinstance(notified_jobs(event)[0], kind)
    for name, kind in (("Completed", Job), ("Initiated", Ignored), ("Expired", Ignored)):
        bridged = eventbridge("uploads/a.jpg", f"Object Restore {name}")
        assert isinstance(notified_jobs(bridged)[0], kind)


def answering(status: int, code: str, message: str = "") -> Any:
    """An answer of S3."""
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()

    def fail(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Type", "application/xml")
        request.send_header("Connection", "close")
        request.send_header("Content-Length", "0" if request.command == "HEAD" else str(len(body)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)

    return fail


KMS_MESSAGE = "User: x is not authorized to perform: kms:Decrypt on the resource"


@pytest.mark.parametrize(
    ("status", "code", "message", "named"),
    [
        (400, "InvalidRequest", "stored using a form of Server Side Encryption", "encrypted"),
        (400, "InvalidRequest", "", "encrypted"),
        (400, "KMS.DisabledException", "", "encrypted"),
        (400, "KMS.KMSInvalidStateException", "pending deletion", "encrypted"),
        (400, "KMS.NotFoundException", "", "encrypted"),
        (403, "AccessDenied", KMS_MESSAGE, "encrypted"),
        (403, "AccessDenied", "Access Denied", "forbidden"),
        (403, "InvalidObjectState", "The operation is not valid", "archived"),
    ],
)
def test_what_s3_will_never_give_is_refused_by_name(
    sick_s3: tuple[Any, Any],
    invoke: Invoke,
    photo: bytes,
    status: Any,
    code: str,
    message: Any,
    named: Any,
) -> None:
    s3, server = sick_s3
    server.unlucky = lambda method, path: "/uploads/unlucky" in path
    server.fail = answering(status, code, message)
    for key in ("uploads/unlucky.jpg", "uploads/a.jpg"):
        put(s3, key, photo, **{"max-side-px": "64"})
    events = s3_event("uploads/unlucky.jpg"), s3_event("uploads/a.jpg")
    assert invoke(sqs_event(*events)) == {"batchItemFailures": []}
    assert keys(s3, OUTPUT) == ["failed/unlucky.jpg.json", *DRAWN]
    record = json.loads(object_of(s3, OUTPUT, "failed/unlucky.jpg.json"))
    assert record["error"]["code"] == f"object_{named}"
    assert record["error"]["stage"] == "fetch"
    (result,) = invoke(batch_event("uploads/unlucky.jpg"))["results"]
    assert result["resultCode"] == "PermanentFailure"


@pytest.mark.parametrize(
    ("status", "code", "closed"),
    [
        (403, "AccessDenied", True),  # the bucket lets nobody in: not this photo's matter
        (400, "KMS.ThrottlingException", False),
        (503, "SlowDown", False),
        (500, "InternalError", False),
    ],
)
def test_what_passes_is_tried_again(
    sick_s3: tuple[Any, Any], invoke: Invoke, photo: bytes, status: Any, code: str, closed: Any
) -> None:
    s3, server = sick_s3
    put(s3, "uploads/unlucky.jpg", photo)
    bucket = f"/{INPUT}"
    server.unlucky = lambda method, path: (
        "unlucky" in path or (closed and path.partition("?")[0].rstrip("/") == bucket)
    )
    server.fail = answering(status, code)
    answer = invoke(sqs_event(s3_event("uploads/unlucky.jpg")))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}
    assert keys(s3, OUTPUT) == []


# Companions of photos


COMPANIONS = {
    "uploads/IMG_1.MOV": b"\0\0\0\x14ftypqt  \0\0\0\0qt  ",
    "uploads/IMG_1.AAE": b'<?xml version="1.0"?><plist/>',
    "uploads/._IMG_1.jpg": b"\0\5\x16\7\0\2\0\0Mac OS X",
    "uploads/.DS_Store": b"\0\0\0\1Bud1",
    "uploads/2024/Thumbs.db": b"\xd0\xcf\x11\xe0",
    "uploads/dir_$folder$": b"",
    "uploads/IMG_1.xmp": b"<x:xmpmeta/>",
    "uploads/IMG_1.jpg.json": b'{"title": "IMG_1.jpg"}',
    "uploads/__MACOSX/a.jpg": b"\0\5\x16\7",
}


def test_companions_are_skipped_and_not_counted_as_refused(
    s3: Any, invoke: Invoke, photo: bytes, logged: io.StringIO
) -> None:
    for key, body in COMPANIONS.items():
        put(s3, key, body)
    put(s3, "uploads/IMG_1.HEIC", b"whose moving part the film is")
    put(s3, "uploads/a.jpg", photo, **{"max-side-px": "64"})
    events = [s3_event(key) for key in (*COMPANIONS, "uploads/a.jpg")]
    assert invoke(sqs_event(*events)) == {"batchItemFailures": []}
    assert keys(s3, OUTPUT) == DRAWN
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    skipped = [line for line in lines if line["message"] == "skipped"]
    assert len(skipped) == len(COMPANIONS)
    assert all("it is not a photo but" in line["why"] for line in skipped)
    results = invoke(batch_event(*COMPANIONS))["results"]
    assert {result["resultCode"] for result in results} == {"Succeeded"}
    assert all(result["resultString"].startswith("skipped") for result in results)


@pytest.mark.parametrize("name", ["IMG.HIF", "a.jpg", "mov.jpg", "_.jpg", "photo", "a.json.jpg"])
def test_photos_are_no_companions(name: str) -> None:
    assert companion(f"uploads/{name}") is None


def test_what_is_no_photo_and_no_companion_is_still_refused(s3: Any, invoke: Invoke) -> None:
    put(s3, "uploads/letter.json", b"no JSON at all")
    put(s3, "uploads/letter.txt", b"{}")
    told = invoke(s3_event("uploads/letter.json", "uploads/letter.txt"))["results"]
    assert [outcome["status"] for outcome in told] == ["refused", "refused"]


# Content-Encoding


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("x-gzip", gzip.compress),
        ("aws-chunked,gzip", gzip.compress),
        ("gzip, gzip", lambda body: gzip.compress(gzip.compress(body))),
        ("deflate", zlib.compress),
        ("deflate", lambda body: zlib.compress(body, wbits=-15)),
        ("gzip", lambda body: gzip.compress(body[:99]) + gzip.compress(body[99:])),
        ("gzip", lambda body: body),  # called so, and not packed
        ("aws-chunked", lambda body: body),
    ],
)
def test_a_packed_photo_is_unpacked(
    s3: Any, invoke: Invoke, photo: bytes, encoding: Any, pack: Any
) -> None:
    body = pack(photo)
    named = {"Bucket": INPUT, "Key": "uploads/a.jpg", "Body": body}
    s3.put_object(**named, ContentEncoding=encoding, Metadata={"max-side-px": "64"})
    assert invoke(sqs_event(s3_event("uploads/a.jpg"))) == {"batchItemFailures": []}
    assert keys(s3, OUTPUT) == DRAWN


def test_unpacking_has_limits_and_names() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    with pytest.raises(TooManyBytes) as caught:
        decode_content(bomb, "gzip", 1000)
    assert caught.value.limit == 1000
    assert decode_content(gzip.compress(bytes(1000)), "gzip", 1000) == bytes(1000)
    whole = gzip.compress(bytes(range(256)) * 3)
    for bad in (whole[:-20], whole[:40] + b"damage" + whole[46:]):
        with pytest.raises(TruncatedImage):
            decode_content(bad, "gzip", 1000)
    with pytest.raises(UnsupportedVariant, match="br"):
        decode_content(b"photo", "br", 1000)


# Callers


def uri(photo: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(photo).decode()


@pytest.mark.parametrize(
    "text",
    [
        uri,
        lambda photo: uri(photo).replace("image/jpeg", "image/jpeg;charset=utf-8"),
        lambda photo: "data:;base64," + base64.b64encode(photo).decode(),
        lambda photo: "DATA:image/jpeg;BASE64," + base64.b64encode(photo).decode().rstrip("="),
        lambda photo: base64.urlsafe_b64encode(photo).decode(),
        lambda photo: base64.urlsafe_b64encode(photo).decode().rstrip("="),
        lambda photo: base64.encodebytes(photo).decode(),
    ],
)
def test_base64_of_every_kind(
    no_bucket: pytest.MonkeyPatch, invoke: Invoke, photo: bytes, text: Callable[[bytes], str]
) -> None:
    assert photo_from_base64(text(photo)) == photo
    answer = invoke({"image_base64": text(photo), "max_side_px": 64})
    assert answer["content_type"] == "image/jpeg"


@pytest.mark.parametrize("text", ["data:image/jpeg,abc", "data:text", "a photo", "é", "===", "a"])
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        photo_from_base64(text)


@pytest.mark.parametrize("field", ["image", "file", "photo", "upload"])
def test_the_usual_fields_of_a_form(
    no_bucket: pytest.MonkeyPatch, invoke: Invoke, photo: bytes, field: Any
) -> None:
    body = form({"format": "jpg", "style": "HAYAO"}, {field: ("selfie.jpg", photo)})
    answer = invoke(call("POST", "/v1/stylise", body, {"enhance": "off"}, content_type=FORM))
    assert picture_of(answer).format == "JPEG"


def test_a_form_without_a_photo_or_with_two(
    no_bucket: pytest.MonkeyPatch, invoke: Invoke, photo: bytes
) -> None:
    for files in ({"picture": ("a.jpg", photo)}, {}):
        body = form({"format": "png"}, files)
        answer = invoke(call("POST", "/v1/stylise", body, {}, content_type=FORM))
        assert "image" in error_of(answer)["message"]
    body = form({}, {"image": ("a.jpg", photo), "file": ("b.jpg", photo)})
    answer = invoke(call("POST", "/v1/stylise", body, {}, content_type=FORM))
    assert "twice" in error_of(answer)["message"]


def test_json_with_a_data_uri(no_bucket: pytest.MonkeyPatch, invoke: Invoke, photo: bytes) -> None:
    body = json.dumps({"image_base64": uri(photo), "max_side_px": 64}).encode()
    answer = invoke(call("POST", "/v1/stylise", body, {}, content_type="application/json"))
    assert picture_of(answer).size == (64, 42)


def test_names_in_any_case() -> None:
    given = {"format": "JPG", "faces": "OFF", "enhance": " Classic ", "upscale": "On"}
    options = Options.from_mapping(given)
    assert (options.format, options.faces, options.enhance, options.upscale) == (
        *("jpeg", "off", "classic", "on"),
    )


def test_metadata_in_any_case_and_the_results_name(s3: Any, invoke: Invoke, photo: bytes) -> None:
    metadata = {"Style": "Hayao", "FORMAT": "jpg", "Max-Side-Px": "64", "Faces": "OFF"}
    put(s3, "uploads/a.jpg", photo, **metadata)
    assert invoke(sqs_event(s3_event("uploads/a.jpg"))) == {"batchItemFailures": []}
    assert keys(s3, OUTPUT) == DRAWN
    (told,) = invoke(s3_event("uploads/a.jpg"))["results"]
    assert told["status"] == "already_stylised"
