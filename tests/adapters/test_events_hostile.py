"""Events that nobody sends, keys and metadata that somebody may: named answers, nothing else."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from buckets import OUTPUT, keys, object_of, put, s3_event, sqs_event
from calls import Invoke
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.events import batch_task_job, direct_call, kind_of, message_jobs, notified_jobs
from adapters.jobs import Ignored, InlinePhoto, Job
from pipeline import InvalidRequest, KireiError, PermanentError

ROOT = Path(__file__).parents[2]
EVENTS = {path.stem: json.loads(path.read_text()) for path in (ROOT / "events").glob("*.json")}
TEXTS = st.sampled_from(["", "%", "%00", "%ff", "a%2Fb", "é", "\0", "..", "aws:sqs", "aws.s3"])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | TEXTS
ANY = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value of a document."""
    found = [path]
    parts: Iterable[tuple[Any, Any]] = document.items() if isinstance(document, dict) else []
    parts = enumerate(document) if isinstance(document, list) else parts
    for name, part in parts:
        found += places(part, (*path, name))
    return found


@st.composite
def changed_events(draw: st.DrawFn) -> Any:
    """A real event with one or two of its values gone or replaced."""
    event = copy.deepcopy(EVENTS[draw(st.sampled_from(sorted(EVENTS)))])
    for _ in range(draw(st.integers(1, 2))):
        *way, last = draw(st.sampled_from(places(event)[1:]))
        parent = event
        for step in way:
            parent = parent[step]
        if draw(st.booleans()):
            parent[last] = draw(ANY)
        else:
            del parent[last]
        if not places(event)[1:]:
            break
    return event


@settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=QUIET)
@given(event=ANY | changed_events())
def test_every_reader_of_events_answers_or_names_what_is_wrong(event: Any) -> None:
    kind_of(event)
    for read in (notified_jobs, message_jobs):
        try:
            jobs = read(event)
        except InvalidRequest:
            continue
        for job in jobs:
            assert isinstance(job, Job | Ignored)
            if isinstance(job, Job):
                assert isinstance(job.bucket, str)
                assert isinstance(job.key, str)
            assert isinstance(job.correlation_id, str | None)
    try:
        assert isinstance(direct_call(event), Job | InlinePhoto)
    except InvalidRequest as error:
        assert error.stage == "request"
    task = batch_task_job(event, {})
    assert isinstance(task, Job | Ignored)
    if isinstance(task, Job):
        assert isinstance(task.bucket, str)
        assert isinstance(task.key, str)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=QUIET)
@given(event=ANY | changed_events())
def test_the_function_answers_every_event(s3: Any, invoke: Any, event: Any) -> None:
    try:
        text = json.dumps(event)  # what is no JSON never gets here
    except ValueError:
        return
    try:
        answer = invoke(json.loads(text))
    except KireiError as error:
        assert not isinstance(error, PermanentError)
        return
    assert isinstance(answer, dict)
    assert answer.get("statusCode") != 500


KEYS = {
    "up": "uploads/../../stylised/a.jpg",
    "dots": "uploads/.../..jpg",
    "only an ending": "uploads/.jpg",
    "no ending": "uploads/photo",
    "slashes": "uploads//a///b.jpg",
    "backslash": "uploads/..\\..\\windows\\a.jpg",
    "tab": "uploads/a\tb.jpg",
    "quotes": "uploads/\"'`$(id);|&<script>.jpg",
    "percent": "uploads/%2e%2e%2f%00%25.jpg",
    "plus": "uploads/c++ + d.jpg",
    "question": "uploads/a?versionId=1#b.jpg",
    "right to left": "uploads/\u202egpj.exe",
    "emoji": "uploads/\U0001f338\U0001f1ef\U0001f1f5.jpg",
    "half": "uploads/e\u0301.jpg",
    "results inside": "uploads/stylised/failed/a.hayao.json",
    "long": "uploads/" + "x" * 1012 + ".jpg",
    "long in bytes": "uploads/" + "é" * 506 + ".jpg",
    "long folder": "uploads/" + "d" * 1010 + "/a.jpg",
}


def test_a_photo_of_any_key_has_one_result(s3: Any, invoke: Invoke, photo: bytes) -> None:
    for key in KEYS.values():
        assert len(key.encode()) <= 1024
        put(s3, key, photo, **{"max-side-px": "64"})
    bodies = [s3_event(key) for key in KEYS.values()]
    assert invoke(sqs_event(*bodies)) == {"batchItemFailures": []}
    written = keys(s3, OUTPUT)
    sidecars = [key for key in written if key.endswith(".json")]
    assert len(written) == 2 * len(sidecars) == 2 * len(KEYS)
    assert all(key.startswith("stylised/") and len(key.encode()) <= 1024 for key in written)
    documents = [json.loads(object_of(s3, OUTPUT, key)) for key in sidecars]
    assert {document["source"]["key"] for document in documents} == set(KEYS.values())
    assert {document["output"]["key"] for document in documents} == {*written} - {*sidecars}
    again = invoke(s3_event(*KEYS.values()))["results"]
    assert {told["status"] for told in again} == {"already_stylised"}


def test_a_bad_photo_of_any_key_has_one_record(s3: Any, invoke: Invoke) -> None:
    for key in KEYS.values():
        put(s3, key, b"no image")
    bodies = [s3_event(key) for key in KEYS.values()]
    assert invoke(sqs_event(*bodies)) == {"batchItemFailures": []}
    written = keys(s3, OUTPUT)
    assert all(key.startswith("failed/") and len(key.encode()) <= 1024 for key in written)
    records = [json.loads(object_of(s3, OUTPUT, key)) for key in written]
    assert sorted(record["source"]["key"] for record in records) == sorted(KEYS.values())


METADATA = {
    "style": ["../../etc/passwd", "x" * 1500, ""],
    "strength": ["nan", "inf", "-inf", "1e999", "0x1", "1_0", "one", "-1", " 1 ", ""],
    "max-side-px": ["0", "-64", "64.5", "1e9", "9" * 300],
    "format": ["exe", "JPEG", "../png"],
    "quality": ["0", "101", "true"],
    "enhance": ["off;rm", "auto,off"],
}
CASES = [(name, value) for name, values in METADATA.items() for value in values]


def test_metadata_of_any_kind_is_taken_or_refused_by_name(
    s3: Any, invoke: Invoke, photo: bytes
) -> None:
    for number, (name, value) in enumerate(CASES):
        put(s3, f"uploads/{number}.jpg", photo, **{"max-side-px": "64"} | {name: value})
    told = invoke(s3_event(*[f"uploads/{number}.jpg" for number in range(len(CASES))]))["results"]
    for (name, value), outcome in zip(CASES, told, strict=True):
        if outcome["status"] == "refused":
            assert outcome["error"]["code"] in ("invalid_option", "unknown_style"), (name, value)
            assert len(json.dumps(outcome["error"])) < 2500
        else:
            assert outcome["status"] == "stylised"
            assert value.strip() in ("1", "JPEG")  # a name is taken in any case
    assert len(keys(s3, OUTPUT)) == len(CASES) + sum(one["status"] == "stylised" for one in told)
