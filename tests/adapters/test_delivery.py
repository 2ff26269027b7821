"""Events come twice, at once, out of order and after a crash: there is one result, and it is the
last photo's. The real handler and real workers on an S3 over HTTP.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from buckets import INPUT, OUTPUT, keys, object_of, put, s3_event, sqs_event
from calls import Invoke

from adapters.jobs import Job
from adapters.process import process_worker
from adapters.settings import AdapterSettings
from adapters.storage.objects import FINGERPRINT, OWNER, owner_of
from adapters.storage.s3 import S3, S3Bucket
from adapters.worker import Worker
from pipeline import Pipeline, Settings, StoreUnavailable

ROOT = Path(__file__).resolve().parents[2]
A = Job(INPUT, "uploads/a.jpg", notified=True)
PAIR = ["stylised/a.hayao.jpg", "stylised/a.hayao.json"]


def assert_one_whole_result(s3: Any, name: Any = "stylised/a.hayao", extension: Any = "jpg") -> Any:
    """The sidecar speaks of the picture that lies beside it, and of the photo as it is now."""
    sidecar = json.loads(object_of(s3, OUTPUT, f"{name}.json"))
    picture = s3.get_object(Bucket=OUTPUT, Key=f"{name}.{extension}")
    assert picture["Metadata"][FINGERPRINT] == sidecar["fingerprint"]
    assert picture["ContentLength"] == sidecar["output"]["bytes"]
    source = sidecar["source"]
    now = s3.head_object(Bucket=source["bucket"], Key=source["key"])
    assert source["etag"] == now["ETag"].strip('"')
    return sidecar


class Hooked(S3Bucket):
    """A bucket that calls back before it reads or writes: hooks by the name of the method."""

    def __init__(self, s3: Any, name: Any, hooks: Any) -> None:
        super().__init__(s3, name)
        self.hooks = hooks

    def _called(self, name: Any, key: Any) -> None:
        hook = self.hooks.get(name)
        if hook:
            hook(key)

    def get_json(self, key: Any) -> Any:
        document = super().get_json(key)
        self._called("after_look", key)
        return document

    def put_owned(self, key: Any, *rest: Any) -> Any:
        self._called("before_write", key)
        return super().put_owned(key, *rest)


def hooked_worker(**hooks: Any) -> Any:
    s3, settings = S3(), AdapterSettings.from_environment(os.environ)
    return Worker(Pipeline(Settings()), lambda name: Hooked(s3, name, hooks), settings)


def once(act: Any) -> Any:
    """A hook that acts on its first call only."""
    left = [act]

    def hook(key: Any) -> None:
        if left:
            left.pop()(key)

    return hook


def test_the_same_event_twice(s3: Any, invoke: Invoke, photo: bytes) -> None:
    put(s3, "uploads/a.jpg", photo)
    event = sqs_event(s3_event("uploads/a.jpg"), s3_event("uploads/a.jpg"))
    assert invoke(event) == {"batchItemFailures": []}
    written = s3.head_object(Bucket=OUTPUT, Key=PAIR[0])["LastModified"]
    assert invoke(event) == {"batchItemFailures": []}
    assert keys(s3, OUTPUT) == PAIR
    assert s3.head_object(Bucket=OUTPUT, Key=PAIR[0])["LastModified"] == written
    assert_one_whole_result(s3)


@pytest.mark.parametrize("meet", ["after_look", "before_write"])
def test_the_same_event_twice_at_once(s3: Any, photo: bytes, meet: Any) -> None:
    """Both have looked, and found nothing, before either writes."""
    put(s3, "uploads/a.jpg", photo)
    barrier = Barrier(2, timeout=60)
    workers = [hooked_worker(**{meet: once(lambda key: barrier.wait())}) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        outcomes = list(threads.map(lambda one: one.work(A), workers))
    assert [outcome.status for outcome in outcomes] == ["stylised"] * 2
    assert keys(s3, OUTPUT) == PAIR
    assert_one_whole_result(s3)


CRASH = """
import json, os, signal, sys
from adapters.storage.s3 import S3Bucket
put = S3Bucket.put_owned
def crash(self, key, *rest):
    if key.endswith(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    return put(self, key, *rest)
S3Bucket.put_owned = crash
import calls, handler
handler.lambda_handler(json.loads(sys.argv[2]), calls.Context())
"""


def crash_before(ending: Any, event: Any) -> None:
    """A process that handles the event and is killed before it writes a key of that ending."""
    environment = dict(os.environ) | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'support'}"}
    run = subprocess.run(
        [sys.executable, "-c", CRASH, ending, json.dumps(event)], env=environment, check=False
    )
    assert run.returncode == -signal.SIGKILL


def test_a_crash_between_the_picture_and_the_sidecar(s3: Any, invoke: Invoke, photo: bytes) -> None:
    put(s3, "uploads/a.jpg", photo)
    event = sqs_event(s3_event("uploads/a.jpg"))
    crash_before(".jpg", event)
    assert keys(s3, OUTPUT) == []
    crash_before(".json", event)
    assert keys(s3, OUTPUT) == PAIR[:1]
    assert invoke(event) == {"batchItemFailures": []}
    assert keys(s3, OUTPUT) == PAIR
    assert_one_whole_result(s3)


@pytest.mark.parametrize("moment", ["after_look", "before_write"])
def test_a_photo_replaced_while_it_is_drawn(
    s3: Any, invoke: Invoke, photo: bytes, encoded: Callable[..., bytes], moment: Any
) -> None:
    """The new photo's event is handled whole while the old one's is under way, which ends last."""
    put(s3, "uploads/a.jpg", photo)

    def replace(key: Any) -> None:
        put(s3, "uploads/a.jpg", encoded("JPEG", quality=40))
        invoke(s3_event("uploads/a.jpg"))

    outcome = hooked_worker(**{moment: once(replace)}).work(A)
    assert outcome.status in ("stylised", "already_stylised")
    assert keys(s3, OUTPUT) == PAIR
    sidecar = assert_one_whole_result(s3)
    assert outcome.sidecar["fingerprint"] == sidecar["fingerprint"]


def test_options_changed_while_the_photo_is_drawn(s3: Any, invoke: Invoke, photo: bytes) -> None:
    """The same bytes, so the same etag: the metadata tells."""
    put(s3, "uploads/a.jpg", photo)

    def replace(key: Any) -> None:
        put(s3, "uploads/a.jpg", photo, strength="0.5")
        invoke(s3_event("uploads/a.jpg"))

    hooked_worker(before_write=once(replace)).work(A)
    assert assert_one_whole_result(s3)["strength"] == 0.5


def test_two_calls_with_other_options_at_once_leave_a_pair(s3: Any, photo: bytes) -> None:
    """Picture of the one, then both of the other, then the sidecar of the one."""
    put(s3, "uploads/a.jpg", photo)
    strong = Job(INPUT, "uploads/a.jpg", options={"strength": 1})
    weak = Job(INPUT, "uploads/a.jpg", options={"strength": 0.5})

    written: list[str] = []

    def other(key: str) -> None:
        if key.endswith(".json"):
            written.append(key)
            if len(written) == 1:
                hooked_worker().work(weak)

    assert hooked_worker(before_write=other).work(strong).sidecar["strength"] == 1
    assert len(written) == 2
    assert assert_one_whole_result(s3)["strength"] == 1


def test_a_photo_that_never_rests_is_tried_again_later(
    s3: Any, photo: bytes, encoded: Callable[..., bytes]
) -> None:
    put(s3, "uploads/a.jpg", photo)
    turns = iter(range(100))

    def replace(key: Any) -> None:
        if key.endswith(".json"):
            put(s3, "uploads/a.jpg", encoded("JPEG", quality=40 + next(turns)))

    with pytest.raises(StoreUnavailable, match="replaced each time"):
        hooked_worker(before_write=replace).work(A)
    assert next(turns) == 3


@pytest.mark.parametrize("good_first", [True, False])
def test_a_bad_and_a_good_photo_of_one_key_out_of_order(
    s3: Any, invoke: Invoke, photo: bytes, good_first: Any
) -> None:
    """What holds at the end is the verdict on the last one."""
    first, last = (photo, b"no image") if good_first else (b"no image", photo)
    put(s3, "uploads/a.jpg", first)

    def replace(key: Any) -> None:
        put(s3, "uploads/a.jpg", last)
        invoke(s3_event("uploads/a.jpg"))

    hooked_worker(before_write=once(replace)).work(A)
    if good_first:
        assert "failed/a.jpg.json" in keys(s3, OUTPUT)
    else:
        assert keys(s3, OUTPUT) == PAIR
        assert_one_whole_result(s3)


def test_a_refused_photo_that_is_drawn_later_is_no_failure_any_more(
    s3: Any, invoke: Invoke, photo: bytes
) -> None:
    put(s3, "uploads/a.jpg", b"no image")
    invoke(s3_event("uploads/a.jpg"))
    assert keys(s3, OUTPUT) == ["failed/a.jpg.json"]
    put(s3, "uploads/a.jpg", photo)
    invoke(s3_event("uploads/a.jpg"))
    assert keys(s3, OUTPUT) == PAIR


def test_refusals_of_one_key_in_two_buckets(s3: Any, invoke: Invoke) -> None:
    s3.create_bucket(Bucket="another")
    s3.put_object(Bucket="another", Key="uploads/a.jpg", Body=b"no image")
    put(s3, "uploads/a.jpg", b"nor this")
    told = [invoke({"bucket": name, "key": "uploads/a.jpg"}) for name in (INPUT, "another")]
    places = [outcome["record_key"] for outcome in told]
    assert keys(s3, OUTPUT) == sorted(places) and len(set(places)) == 2
    for name, place in zip((INPUT, "another"), places, strict=True):
        assert json.loads(object_of(s3, OUTPUT, place))["source"]["bucket"] == name
        assert s3.head_object(Bucket=OUTPUT, Key=place)["Metadata"][OWNER] == owner_of(
            name, "uploads/a.jpg"
        )


def test_a_name_lost_to_a_photo_of_another_format_leaves_no_picture(
    s3: Any, invoke: Invoke, photo: bytes, encoded: Callable[..., bytes]
) -> None:
    """a.jpg and a.png want one name but not one picture: the sidecar decides, and the picture of
    the one that comes second is taken away again.
    """
    put(s3, "uploads/a.jpg", photo, format="png")
    put(s3, "uploads/a.png", encoded("PNG"))

    def other(key: Any) -> None:
        invoke(s3_event("uploads/a.png"))

    outcome = hooked_worker(before_write=once(other)).work(A)
    assert outcome.record_key == "stylised/a.jpg.hayao.json"
    assert keys(s3, OUTPUT) == [
        "stylised/a.hayao.jpg",
        "stylised/a.hayao.json",
        "stylised/a.jpg.hayao.json",
        "stylised/a.jpg.hayao.png",
    ]


def test_a_direct_call_through_the_queue(s3: Any, invoke: Invoke, photo: bytes) -> None:
    """How `kirei redrive` brings back a refused photo with the options that it had."""
    put(s3, "uploads/a.jpg", photo)
    call = {"bucket": INPUT, "key": "uploads/a.jpg", "format": "png"}
    assert invoke(sqs_event(call)) == {"batchItemFailures": []}
    assert keys(s3, OUTPUT) == ["stylised/a.hayao.json", "stylised/a.hayao.png"]
    for odd in ({"bucket": 1, "key": "k"}, {"image_base64": "aGVsbG8="}, {**call, "bucket": ""}):
        # nobody can read it: it stays, for the dead letters
        assert invoke(sqs_event(odd)) == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}


def notified_of_all(s3: Any, bucket: Any, known: Any) -> Any:
    """An event for every object of the bucket that is not known yet in its present state."""
    listed = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    fresh = {(item["Key"], item["ETag"]) for item in listed} - known
    known |= fresh
    return s3_event(*sorted(key for key, _ in fresh)) if fresh else None


def test_what_comes_out_and_goes_in_again_ends(
    s3: Any,
    invoke: Invoke,
    environment: pytest.MonkeyPatch,
    photo: bytes,
    encoded: Callable[..., bytes],
) -> None:
    """One bucket for both and no prefix: every object written is an event, until nothing moves."""
    environment.setenv("OUTPUT_BUCKET", INPUT)
    environment.setenv("INPUT_PREFIX", "")
    put(s3, "a.jpg", photo)
    put(s3, "sub/b.png", encoded("PNG"))
    put(s3, "bad.jpg", b"no image")
    known, statuses = set[str](), list[list[str]]()
    while event := notified_of_all(s3, INPUT, known):
        assert len(statuses) < 3, keys(s3, INPUT)
        statuses.append([told["status"] for told in invoke(event)["results"]])
    assert statuses == [["stylised", "refused", "stylised"], ["skipped"] * 5]
    assert len(keys(s3, INPUT)) == 8


@pytest.mark.parametrize("guard", ["mark", "place", "prefix"])
def test_each_guard_holds_alone(
    s3: Any, invoke: Invoke, environment: pytest.MonkeyPatch, photo: bytes, guard: Any
) -> None:
    """mark: pictures copied under the input prefix, as a sync would. place: one bucket without a
    prefix, the metadata lost. prefix: the same, the folder of results renamed.
    """
    put(s3, "uploads/a.jpg", photo)
    invoke(s3_event("uploads/a.jpg"))
    folder = {"mark": "uploads/copied", "place": "stylised", "prefix": "results"}[guard]
    if guard == "place":
        environment.setenv("OUTPUT_BUCKET", INPUT)
        environment.setenv("INPUT_PREFIX", "")
        process_worker.cache_clear()
    for key in PAIR:
        found = s3.get_object(Bucket=OUTPUT, Key=key)
        metadata = found["Metadata"] if guard == "mark" else {}
        copy = f"{folder}/{key.rpartition('/')[2]}"
        s3.put_object(Bucket=INPUT, Key=copy, Body=found["Body"].read(), Metadata=metadata)
    before = keys(s3, INPUT), keys(s3, OUTPUT)
    copies = [key for key in keys(s3, INPUT) if key != "uploads/a.jpg"]
    told = invoke(s3_event(*copies))["results"]
    assert [outcome["status"] for outcome in told] == ["skipped"] * 2
    assert (keys(s3, INPUT), keys(s3, OUTPUT)) == before
