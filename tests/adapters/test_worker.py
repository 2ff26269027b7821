"""Objects in a bucket: the real handler on real events, S3 over HTTP, the real pipeline."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from buckets import INPUT, OUTPUT, Event, keys, object_of, put, s3_event, sqs_event
from calls import Invoke
from PIL import Image

from adapters.storage.objects import OWNER, owner_of
from pipeline import VERSION

ROOT = Path(__file__).resolve().parents[2]
TRICKY = "uploads/our summer/café + cake.jpg"


def sidecar(s3: Any, key: Any) -> Any:
    return json.loads(object_of(s3, OUTPUT, key))


def pixels(data: Any) -> Any:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.int16)


def test_an_uploaded_photo_comes_out_stylised_with_its_sidecar(
    s3: Any, invoke: Invoke, load_event: Callable[[str], Event], photo: bytes
) -> None:
    put(s3, "uploads/astronaut.jpg", photo)
    answer = invoke(load_event("s3_put"))

    assert keys(s3, OUTPUT) == ["stylised/astronaut.hayao.jpg", "stylised/astronaut.hayao.json"]
    drawn = s3.get_object(Bucket=OUTPUT, Key="stylised/astronaut.hayao.jpg")
    assert drawn["ContentType"] == "image/jpeg"
    assert drawn["Metadata"]["kirei"].startswith(f"{VERSION}+")
    result, source = pixels(drawn["Body"].read()), pixels(photo)
    assert result.shape == (340, 512, 3)  # of 256x170: a small photo comes out doubled
    assert np.abs(result[::2, ::2] - source).mean() > 3

    document = sidecar(s3, "stylised/astronaut.hayao.json")
    head = s3.head_object(Bucket=INPUT, Key="uploads/astronaut.jpg")
    assert document["source"]["bucket"] == INPUT
    assert document["source"]["key"] == "uploads/astronaut.jpg"
    assert document["source"]["etag"] == head["ETag"].strip('"')
    assert document["output"]["bucket"] == OUTPUT
    assert document["output"]["key"] == "stylised/astronaut.hayao.jpg"
    assert document["output"]["url"] is None
    assert (document["output"]["width_px"], document["output"]["height_px"]) == (512, 340)
    (told,) = answer["results"]
    assert told["status"] == "stylised"
    assert told["record_key"] == "stylised/astronaut.hayao.json"
    assert told["sidecar"] == document


@pytest.mark.parametrize("name", ["s3_put_tricky_key", "eventbridge_s3"])
def test_a_key_with_space_plus_and_letter(
    s3: Any, invoke: Invoke, load_event: Callable[[str], Event], photo: bytes, name: str
) -> None:
    put(s3, TRICKY, photo)
    answer = invoke(load_event(name))
    assert [told["status"] for told in answer["results"]] == ["stylised"]
    assert keys(s3, OUTPUT) == [
        "stylised/our summer/café + cake.hayao.jpg",
        "stylised/our summer/café + cake.hayao.json",
    ]


def test_a_queue_with_a_test_event_two_records_in_a_body_and_eventbridge(
    s3: Any,
    invoke: Invoke,
    load_event: Callable[[str], Event],
    photo: bytes,
    encoded: Callable[..., bytes],
) -> None:
    put(s3, "uploads/astronaut.jpg", photo)
    put(s3, "uploads/astronaut.png", encoded("PNG"))
    put(s3, TRICKY, photo)
    assert invoke(load_event("sqs_s3")) == {"batchItemFailures": []}
    # the second astronaut took its whole name, for the short one was taken
    assert keys(s3, OUTPUT) == [
        "stylised/astronaut.hayao.jpg",
        "stylised/astronaut.hayao.json",
        "stylised/astronaut.png.hayao.jpg",
        "stylised/astronaut.png.hayao.json",
        "stylised/our summer/café + cake.hayao.jpg",
        "stylised/our summer/café + cake.hayao.json",
    ]
    first = sidecar(s3, "stylised/astronaut.hayao.json")
    assert first["source"]["key"] == "uploads/astronaut.jpg"
    second = sidecar(s3, "stylised/astronaut.png.hayao.json")
    assert second["source"]["key"] == "uploads/astronaut.png"


def test_s3_test_event_is_a_success(
    s3: Any, invoke: Invoke, load_event: Callable[[str], Event]
) -> None:
    (told,) = invoke(load_event("s3_test_event"))["results"]
    assert told["status"] == "skipped"
    assert "test event" in told["why"]
    assert keys(s3, OUTPUT) == []


@pytest.mark.parametrize("event", [{}, [], "text", {"Records": []}, {"detail": {"bucket": 1}}])
def test_an_unknown_event_is_named_and_not_raised(s3: Any, invoke: Invoke, event: Any) -> None:
    answer = invoke(event)
    assert answer["error"]["code"] == "unknown_event"
    assert keys(s3, OUTPUT) == []


@pytest.mark.parametrize("body", ["not JSON", '{"hello": "world"}', "[" * 100_000, ""])
def test_an_unreadable_message_is_left_for_the_dead_letters_and_named(
    s3: Any, invoke: Invoke, logged: io.StringIO, body: Any
) -> None:
    event = sqs_event({})
    event["Records"][0]["body"] = body
    assert invoke(event) == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}
    log = [json.loads(line) for line in logged.getvalue().splitlines()]
    (line,) = [line for line in log if line["message"] != "redelivery_not_set"]  # no queue here
    assert line["message"] == "unreadable"
    assert line["error"]["code"] == "unknown_event"
    assert line["correlation_id"] == "message-0"


def test_a_bad_photo_among_good_ones(s3: Any, invoke: Invoke, photo: bytes) -> None:
    put(s3, "uploads/1.jpg", photo)
    put(s3, "uploads/a/2.jpg", b"this is not an image")
    put(s3, "uploads/3.jpg", photo)
    answer = invoke(s3_event("uploads/1.jpg", "uploads/a/2.jpg", "uploads/3.jpg"))
    assert [told["status"] for told in answer["results"]] == ["stylised", "refused", "stylised"]
    assert keys(s3, OUTPUT) == [
        "failed/a/2.jpg.json",
        "stylised/1.hayao.jpg",
        "stylised/1.hayao.json",
        "stylised/3.hayao.jpg",
        "stylised/3.hayao.json",
    ]
    record = sidecar(s3, "failed/a/2.jpg.json")
    assert record["error"]["code"] == "not_an_image"
    assert record["error"]["stage"] == "decode"
    assert record["source"]["key"] == "uploads/a/2.jpg"
    assert record["source"]["etag"]
    assert record["style"] is None


@pytest.mark.parametrize(
    ("body", "metadata", "variables", "code"),
    [
        (b"", {}, {}, "empty_input"),
        ("truncated", {}, {}, "truncated_image"),
        ("photo", {}, {"KIREI_MAX_INPUT_BYTES": "1000"}, "too_many_bytes"),
        ("photo", {}, {"KIREI_MAX_INPUT_PIXELS": "40000"}, "too_many_pixels"),
        ("photo", {"style": "rococo"}, {}, "unknown_style"),
        ("photo", {"strength": "2"}, {}, "invalid_option"),
    ],
)
def test_a_photo_or_option_at_fault_is_written_down(
    s3: Any,
    invoke: Invoke,
    environment: pytest.MonkeyPatch,
    photo: bytes,
    body: Any,
    metadata: Any,
    variables: Any,
    code: str,
) -> None:
    data = {"photo": photo, "truncated": photo[: len(photo) // 2]}.get(body, body)
    put(s3, "uploads/a.jpg", data, **metadata)
    for name, value in variables.items():
        environment.setenv(name, value)
    (told,) = invoke(s3_event("uploads/a.jpg"))["results"]
    assert told["status"] == "refused"
    assert told["error"]["code"] == code
    assert keys(s3, OUTPUT) == ["failed/a.jpg.json"]
    assert sidecar(s3, "failed/a.jpg.json")["error"] == told["error"]
    # through a queue it is no failure of the message
    assert invoke(sqs_event(s3_event("uploads/a.jpg"))) == {"batchItemFailures": []}


def test_an_object_over_the_limit_says_both_numbers(
    s3: Any, invoke: Invoke, environment: pytest.MonkeyPatch, photo: bytes
) -> None:
    put(s3, "uploads/a.jpg", photo)
    environment.setenv("KIREI_MAX_INPUT_BYTES", "1000")
    (told,) = invoke(s3_event("uploads/a.jpg"))["results"]
    assert (told["error"]["measured"], told["error"]["limit"]) == (len(photo), 1000)
    assert told["error"]["stage"] == "fetch"


def test_an_absent_object(s3: Any, invoke: Invoke) -> None:
    (told,) = invoke(s3_event("uploads/gone.jpg"))["results"]
    assert told["error"]["code"] == "object_not_found"
    assert keys(s3, OUTPUT) == ["failed/gone.jpg.json"]


def test_options_in_the_metadata(s3: Any, invoke: Invoke, photo: bytes) -> None:
    wishes = {"strength": "0", "format": "png", "max-side-px": "128", "camera": "a Leica"}
    put(s3, "uploads/a.jpg", photo, **wishes)
    invoke(s3_event("uploads/a.jpg"))
    assert keys(s3, OUTPUT) == ["stylised/a.hayao.json", "stylised/a.hayao.png"]
    assert pixels(object_of(s3, OUTPUT, "stylised/a.hayao.png")).shape == (85, 128, 3)
    assert sidecar(s3, "stylised/a.hayao.json")["strength"] == 0


def test_the_same_is_not_computed_twice(s3: Any, invoke: Invoke, photo: bytes) -> None:
    put(s3, "uploads/a.jpg", photo)
    event = s3_event("uploads/a.jpg")
    first = invoke(event)["results"][0]
    written = object_of(s3, OUTPUT, "stylised/a.hayao.json")
    again = invoke(event)["results"][0]
    assert again["status"] == "already_stylised"
    assert again["sidecar"] == first["sidecar"]
    assert object_of(s3, OUTPUT, "stylised/a.hayao.json") == written  # with its timings

    put(s3, "uploads/a.jpg", photo, strength="0.5")
    changed = invoke(event)["results"][0]
    assert changed["status"] == "stylised"
    assert changed["record_key"] == first["record_key"]
    assert changed["sidecar"]["strength"] == 0.5

    s3.delete_object(Bucket=OUTPUT, Key="stylised/a.hayao.jpg")
    assert invoke(event)["results"][0]["status"] == "stylised"
    assert "stylised/a.hayao.jpg" in keys(s3, OUTPUT)


def test_a_new_version_is_a_new_photo_and_a_late_event_changes_nothing(
    s3: Any, invoke: Invoke, photo: bytes, encoded: Callable[..., bytes]
) -> None:
    s3.put_bucket_versioning(Bucket=INPUT, VersioningConfiguration={"Status": "Enabled"})
    put(s3, "uploads/a.jpg", photo)
    event = s3_event("uploads/a.jpg")
    first = invoke(event)["results"][0]["sidecar"]["source"]
    put(s3, "uploads/a.jpg", encoded("JPEG", quality=50))
    second = invoke(event)["results"][0]["sidecar"]["source"]
    assert first["version_id"]
    assert second["version_id"] not in (None, first["version_id"])
    assert invoke(event)["results"][0]["status"] == "already_stylised"
    call = {"bucket": INPUT, "key": "uploads/a.jpg", "version_id": first["version_id"]}
    assert invoke(call)["sidecar"]["source"] == first


def test_where_versions_are_suspended_the_etag_tells_photos_apart(
    s3: Any, invoke: Invoke, photo: bytes, encoded: Callable[..., bytes]
) -> None:
    s3.put_bucket_versioning(Bucket=INPUT, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_versioning(Bucket=INPUT, VersioningConfiguration={"Status": "Suspended"})
    event = s3_event("uploads/a.jpg")
    for data in (photo, encoded("JPEG", quality=50)):
        put(s3, "uploads/a.jpg", data)
        (told,) = invoke(event)["results"]
        assert told["status"] == "stylised"
        assert told["sidecar"]["source"]["version_id"] is None


def test_three_photos_that_want_one_name(
    s3: Any, invoke: Invoke, photo: bytes, encoded: Callable[..., bytes]
) -> None:
    put(s3, "uploads/a.jpg", photo)
    put(s3, "uploads/a.png", encoded("PNG"))
    put(s3, "uploads/a.png.jpg", photo)
    event = s3_event("uploads/a.jpg", "uploads/a.png", "uploads/a.png.jpg")
    told = invoke(event)["results"]
    places = [result["record_key"] for result in told]
    assert places == [
        "stylised/a.hayao.json",
        "stylised/a.png.hayao.json",
        "stylised/a.png.jpg.hayao.json",
    ]
    again = invoke(event)["results"]
    assert [result["status"] for result in again] == ["already_stylised"] * 3
    assert [result["record_key"] for result in again] == places


def test_a_name_taken_while_the_photo_was_drawn_is_left_alone(
    s3: Any, invoke: Invoke, photo: bytes
) -> None:
    """The picture of another photo is there, its sidecar is still to come."""
    put(s3, "uploads/a.jpg", photo)
    other = {"kirei": "0.1.0", OWNER: owner_of(INPUT, "uploads/a.png")}
    s3.put_object(Bucket=OUTPUT, Key="stylised/a.hayao.jpg", Body=b"other", Metadata=other)
    (told,) = invoke(s3_event("uploads/a.jpg"))["results"]
    assert told["record_key"] == "stylised/a.jpg.hayao.json"
    assert object_of(s3, OUTPUT, "stylised/a.hayao.jpg") == b"other"


def test_a_half_written_result_is_completed(s3: Any, invoke: Invoke, photo: bytes) -> None:
    put(s3, "uploads/a.jpg", photo)
    invoke(s3_event("uploads/a.jpg"))
    s3.delete_object(Bucket=OUTPUT, Key="stylised/a.hayao.json")
    (told,) = invoke(s3_event("uploads/a.jpg"))["results"]
    assert told["status"] == "stylised"
    assert keys(s3, OUTPUT) == ["stylised/a.hayao.jpg", "stylised/a.hayao.json"]


def test_what_is_not_ours_is_skipped(
    s3: Any, invoke: Invoke, environment: pytest.MonkeyPatch, photo: bytes
) -> None:
    environment.setenv("OUTPUT_BUCKET", INPUT)  # one bucket for both, no prefix: loops are near
    environment.setenv("INPUT_PREFIX", "")
    put(s3, "photos/a.jpg", photo)
    put(s3, "photos/b.jpg", photo, kirei="0.0.1")
    s3.put_object(Bucket=INPUT, Key="photos/")
    (told,) = invoke(s3_event("photos/a.jpg"))["results"]
    assert told["status"] == "stylised"
    before = keys(s3, INPUT)
    event = s3_event("stylised/photos/a.hayao.jpg", "failed/a.json", "photos/b.jpg", "photos/")
    told = invoke(event)["results"]
    assert [result["status"] for result in told] == ["skipped"] * 4
    assert "results are written" in told[0]["why"]
    assert "this pipeline wrote it" in told[2]["why"]
    assert "folder" in told[3]["why"]
    assert keys(s3, INPUT) == before


def test_other_prefixes_are_skipped_unless_asked_for(s3: Any, invoke: Invoke, photo: bytes) -> None:
    put(s3, "private/a.jpg", photo)
    (told,) = invoke(s3_event("private/a.jpg"))["results"]
    assert told["status"] == "skipped"
    assert "uploads/" in told["why"]
    assert keys(s3, OUTPUT) == []
    told = invoke({"bucket": INPUT, "key": "private/a.jpg"})
    assert told["status"] == "stylised"
    assert told["record_key"] == "stylised/private/a.hayao.json"
