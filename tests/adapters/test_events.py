"""Events as AWS sends them, and what is read from them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from buckets import Event

from adapters.events import Kind, decode_base64, direct_call, kind_of, notified_jobs
from adapters.jobs import Ignored, InlinePhoto, Job
from pipeline import InvalidRequest, UnknownEvent

TRICKY = "uploads/our summer/café + cake.jpg"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("s3_put", Kind.NOTIFICATION),
        ("s3_put_tricky_key", Kind.NOTIFICATION),
        ("s3_test_event", Kind.NOTIFICATION),
        ("eventbridge_s3", Kind.NOTIFICATION),
        ("sqs_s3", Kind.QUEUE),
        ("http_post_raw", Kind.HTTP),
        ("http_post_json", Kind.HTTP),
        ("direct_bucket", Kind.DIRECT),
        ("direct_base64", Kind.DIRECT),
    ],
)
def test_kind(load_event: Callable[[str], Event], name: str, kind: Any) -> None:
    assert kind_of(load_event(name)) is kind


@pytest.mark.parametrize("event", [{}, [], "text", None, 3, {"Records": []}, {"version": "2.0"}])
def test_an_event_of_no_known_kind_is_named(event: Any) -> None:
    assert kind_of(event) is Kind.DIRECT
    with pytest.raises(UnknownEvent, match="unknown kind of event"):
        direct_call(event)


def test_the_key_of_an_s3_record_is_decoded_once(load_event: Callable[[str], Event]) -> None:
    assert notified_jobs(load_event("s3_put_tricky_key")) == [
        Job("kirei-input", TRICKY, notified=True, correlation_id="C3D13FE58DE4C810")
    ]
    event = load_event("s3_put")
    event["Records"][0]["s3"]["object"]["key"] = "uploads/100%2525+a.jpg"
    assert notified_jobs(event)[0].key == "uploads/100%25 a.jpg"


def test_the_key_of_an_eventbridge_event_is_not_decoded(load_event: Callable[[str], Event]) -> None:
    event = load_event("eventbridge_s3")
    assert notified_jobs(event) == [
        Job("kirei-input", TRICKY, notified=True, correlation_id=event["id"])
    ]
    event["detail"]["object"]["key"] = "uploads/c++/a%20b.jpg"
    assert notified_jobs(event)[0].key == "uploads/c++/a%20b.jpg"


def test_a_queue_message_may_hold_two_records_or_none(load_event: Callable[[str], Event]) -> None:
    bodies = [json.loads(record["body"]) for record in load_event("sqs_s3")["Records"]]
    jobs = [notified_jobs(body) for body in bodies]
    assert isinstance(jobs[0][0], Ignored)
    assert [job.key for job in jobs[1]] == ["uploads/astronaut.jpg", TRICKY]
    assert [job.key for job in jobs[2]] == ["uploads/astronaut.png"]


def test_only_created_objects_are_jobs_and_the_rest_say_why(
    load_event: Callable[[str], Event],
) -> None:
    event = load_event("s3_put")
    record = event["Records"][0]
    names = ["ObjectCreated:Copy", "ObjectRemoved:Delete", "s3:ObjectCreated:Put"]
    event["Records"] = [record | {"eventName": name} for name in names] + [{"s3": None}]
    first, removed, third, broken = notified_jobs(event)
    assert isinstance(first, Job)
    assert isinstance(third, Job)
    assert removed == Ignored(
        "ObjectRemoved:Delete is not ObjectCreated:*", "kirei-input", "uploads/astronaut.jpg"
    )
    assert isinstance(broken, Ignored)
    bridge = load_event("eventbridge_s3") | {"detail-type": "Object Deleted"}
    (ignored,) = notified_jobs(bridge)
    assert isinstance(ignored, Ignored) and "Object Deleted" in ignored.why
    assert isinstance(notified_jobs(bridge | {"detail": {}})[0], Ignored)


@pytest.mark.parametrize("document", [None, "text", [], {}, {"Records": 1}, {"source": "aws.ec2"}])
def test_a_body_of_something_else_is_an_unknown_event(document: Any) -> None:
    with pytest.raises(UnknownEvent):
        notified_jobs(document)


def test_a_direct_call_names_an_object_and_options() -> None:
    call = direct_call({"bucket": "b", "key": "k", "version_id": "7", "strength": 0.5})
    assert call == Job("b", "k", "7", {"strength": 0.5})
    assert direct_call({"image_base64": "/9j/\n", "detail": 1}) == InlinePhoto(
        b"\xff\xd8\xff", {"detail": 1}
    )


@pytest.mark.parametrize(
    "event",
    [
        {"bucket": "b"},
        {"key": "k"},
        {"bucket": "", "key": "k"},
        {"bucket": "b", "key": 3},
        {"bucket": "b", "key": "k", "version_id": 3},
        {"image_base64": "a photo"},
        {"image_base64": 3},
        {"image_base64": None},
        {"image_base64": "é"},
    ],
)
def test_a_direct_call_that_is_not_right_is_refused(event: Any) -> None:
    with pytest.raises(InvalidRequest):
        direct_call(event)


def test_base64_may_have_line_breaks() -> None:
    assert decode_base64("aGVs\r\nbG8=\n") == b"hello"
    assert decode_base64("") == b""
