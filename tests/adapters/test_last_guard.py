"""What no error of ours has a name for: it gets one, it is tried again, and it is written down when
it comes for the last time. And JSON in the output bucket that is not as we write it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from buckets import INPUT, OUTPUT, Event, keys, object_of, put, s3_event, sqs_event
from calls import Invoke, call, error_of, json_of

from adapters.errors import InternalError
from adapters.process import process_worker
from pipeline import StoreUnavailable

ID = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def broken(s3: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A pipeline with a fault of ours in it, until undo is called."""
    with monkeypatch.context() as patch:
        patch.setattr(process_worker().pipeline, "run", lambda *a, **k: dict[str, Any]()["none"])
        yield patch


def received(event: dict[str, Any], times: int) -> dict[str, Any]:
    """The event as the queue hands it out for so many times."""
    for record in event["Records"]:
        record["attributes"]["ApproximateReceiveCount"] = str(times)
    return event


def test_a_fault_is_tried_again_and_written_down_the_last_time(
    s3: Any, broken: Any, invoke: Invoke, photo: bytes
) -> None:
    put(s3, "uploads/a.jpg", photo)
    again = {"batchItemFailures": [{"itemIdentifier": "message-0"}]}
    for times in (1, 4):
        assert invoke(received(sqs_event(s3_event("uploads/a.jpg")), times)) == again
        assert keys(s3, OUTPUT) == []
    # the message goes to the dead letters all the same, for when the fault is mended
    assert invoke(received(sqs_event(s3_event("uploads/a.jpg")), 5)) == again
    assert keys(s3, OUTPUT) == ["failed/a.jpg.json"]
    record = json.loads(object_of(s3, OUTPUT, "failed/a.jpg.json"))
    assert record["error"]["code"] == "internal_error"
    assert "KeyError" in record["error"]["message"]
    assert record["source"]["key"] == "uploads/a.jpg"
    broken.undo()
    assert invoke(received(sqs_event(s3_event("uploads/a.jpg")), 1)) == {"batchItemFailures": []}
    assert keys(s3, OUTPUT) == ["stylised/a.hayao.jpg", "stylised/a.hayao.json"]


def test_how_often_a_message_comes_is_a_setting(
    s3: Any, environment: pytest.MonkeyPatch, broken: Any, invoke: Invoke, photo: bytes
) -> None:
    put(s3, "uploads/a.jpg", photo)
    environment.setenv("MAX_RECEIVES", "2")
    process_worker.cache_clear()
    broken.setattr(process_worker().pipeline, "run", lambda *a, **k: dict[str, Any]()["none"])
    invoke(received(sqs_event(s3_event("uploads/a.jpg")), 2))
    assert keys(s3, OUTPUT) == ["failed/a.jpg.json"]


def test_the_world_s_faults_leave_no_record(
    s3: Any, invoke: Invoke, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*arguments: Any, **named: Any) -> None:
        raise StoreUnavailable("away")

    put(s3, "uploads/a.jpg", photo)
    monkeypatch.setattr(process_worker().pipeline, "run", away)
    invoke(received(sqs_event(s3_event("uploads/a.jpg")), 5))
    assert keys(s3, OUTPUT) == []


def test_every_door_gives_a_fault_its_name(
    s3: Any, broken: Any, invoke: Invoke, load_event: Callable[[str], Event], photo: bytes
) -> None:
    put(s3, "uploads/a.jpg", photo)
    for event in (
        s3_event("uploads/a.jpg"),
        {"bucket": INPUT, "key": "uploads/a.jpg"},
        {"image_base64": base64.b64encode(photo).decode()},
    ):
        with pytest.raises(InternalError, match="KeyError"):
            invoke(event)
    assert error_of(invoke(call("POST", "/v1/stylise", photo)))["code"] == "internal_error"
    task = load_event("s3_batch")
    put(s3, "uploads/our summer/café + cake.jpg", photo)
    (result,) = invoke(task)["results"]
    assert (result["resultCode"], result["resultString"]) == ("TemporaryFailure", "internal_error")


def test_a_message_nested_without_end_goes_to_the_dead_letters(s3: Any, invoke: Invoke) -> None:
    event = sqs_event({})
    event["Records"][0]["body"] = "[" * 100_000
    message_id = event["Records"][0]["messageId"]
    assert invoke(event) == {"batchItemFailures": [{"itemIdentifier": message_id}]}
    assert not keys(s3, OUTPUT)


def test_a_call_with_what_no_json_holds_leaves_a_record(
    s3: Any, invoke: Invoke, photo: bytes
) -> None:
    put(s3, "uploads/a.jpg", photo)
    nested: Any = []
    for _ in range(500):
        nested = [nested]
    for value in ("\ud800", float("nan"), 10**400, nested, "a" * 100_000):
        answer = invoke({"bucket": INPUT, "key": "uploads/a.jpg", "style": value})
        assert answer["error"]["code"] in ("invalid_option", "unknown_style")
        (key,) = keys(s3, OUTPUT)
        text = object_of(s3, OUTPUT, key)
        assert len(text) < 3000
        assert "style" in json.loads(text, parse_constant=pytest.fail)["options"]


ODD_JSON = [
    b"[" * 100_000,
    b"{" * 100_000,
    b"{}",
    b"null",
    b"9" * 5000,
    b"\xff\xfe",
    b'{"source": [], "output": 3}',
    b'{"source": {}, "output": {}, "fingerprint": null}',
    b'{"error": []}',
    b'{"error": {"code": [1], "message": 3}}',
]


@pytest.mark.parametrize("odd", ODD_JSON, ids=range(len(ODD_JSON)))
def test_odd_json_beside_pictures_is_as_if_it_were_not_there(
    s3: Any, invoke: Invoke, photo: bytes, odd: Any
) -> None:
    put(s3, "uploads/a.jpg", photo)
    s3.put_object(Bucket=OUTPUT, Key="stylised/a.hayao.json", Body=odd)
    s3.put_object(Bucket=OUTPUT, Key=f"stylised/http/{ID}.hayao.json", Body=odd)
    s3.put_object(Bucket=OUTPUT, Key=f"failed/http/{ID}.json", Body=odd)
    (told,) = invoke(s3_event("uploads/a.jpg"))["results"]
    assert told["status"] == "stylised"
    assert error_of(invoke(call("GET", f"/v1/results/{ID}")))["code"] == "object_not_found"
    put(s3, f"uploads/http/{ID}", photo)
    assert json_of(invoke(call("GET", f"/v1/results/{ID}")), 202)["status"] == "waiting"


def test_a_sidecar_that_lost_a_part_is_made_anew(s3: Any, invoke: Invoke, photo: bytes) -> None:
    put(s3, "uploads/a.jpg", photo)
    invoke(s3_event("uploads/a.jpg"))
    whole = json.loads(object_of(s3, OUTPUT, "stylised/a.hayao.json"))
    metadata = s3.head_object(Bucket=OUTPUT, Key="stylised/a.hayao.json")["Metadata"]
    for name, wrong in (
        ("output", None),
        ("output", {"key": 3}),
        ("source", [1]),
        ("decisions", [1]),
        ("timings_ms", "text"),
        ("faces", None),
        ("style", 3),
    ):
        part = json.dumps(whole | {name: wrong}).encode()
        s3.put_object(Bucket=OUTPUT, Key="stylised/a.hayao.json", Body=part, Metadata=metadata)
        (told,) = invoke(s3_event("uploads/a.jpg"))["results"]
        assert told["status"] == "stylised", (name, wrong)
