"""Events come twice, at once, out of order and after a crash: there is one result, and it is the
last photo's. The real handler and real workers on an S3 over HTTP.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from urllib.parse import quote_plus

import pytest
from buckets import INPUT, OUTPUT, keys, object_of, put, s3_event, sqs_event

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


def assert_one_whole_result(s3, name="stylised/a.hayao", extension="jpg"):
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

    def __init__(self, s3, name, hooks):
        super().__init__(s3, name)
        self.hooks = hooks

    def _called(self, name, key):
        hook = self.hooks.get(name)
        if hook:
            hook(key)

    def get_json(self, key):
        document = super().get_json(key)
        self._called("after_look", key)
        return document

    def put_owned(self, key, *rest):
        self._called("before_write", key)
        return super().put_owned(key, *rest)


def hooked_worker(**hooks):
    s3, settings = S3(), AdapterSettings.from_environment(os.environ)
    return Worker(Pipeline(Settings()), lambda name: Hooked(s3, name, hooks), settings)


def once(act):
    """A hook that acts on its first call only."""
    left = [act]

    def hook(key):
        if left:
            left.pop()(key)

    return hook


def test_the_same_event_twice(s3, invoke, photo):
    put(s3, "uploads/a.jpg", photo)
    event = sqs_event(s3_event("uploads/a.jpg"), s3_event("uploads/a.jpg"))
    assert invoke(event) == {"batchItemFailures": []}
    written = s3.head_object(Bucket=OUTPUT, Key=PAIR[0])["LastModified"]
    assert invoke(event) == {"batchItemFailures": []}
    assert keys(s3, OUTPUT) == PAIR
    assert s3.head_object(Bucket=OUTPUT, Key=PAIR[0])["LastModified"] == written
    assert_one_whole_result(s3)


@pytest.mark.parametrize("meet", ["after_look", "before_write"])
def test_the_same_event_twice_at_once(s3, photo, meet):
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
import conftest, handler
handler.lambda_handler(json.loads(sys.argv[2]), conftest.Context())
"""


def crash_before(ending, event):
    """A process that handles the event and is killed before it writes a key of that ending."""
    environment = dict(os.environ) | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'support'}"}
    run = subprocess.run(
        [sys.executable, "-c", CRASH, ending, json.dumps(event)], env=environment, check=False
    )
    assert run.returncode == -signal.SIGKILL


def test_a_crash_between_the_picture_and_the_sidecar(s3, invoke, photo):
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
def test_a_photo_replaced_while_it_is_drawn(s3, invoke, photo, encoded, moment):
    """The new photo's event is handled whole while the old one's is under way, which ends last."""
    put(s3, "uploads/a.jpg", photo)

    def replace(key):
        put(s3, "uploads/a.jpg", encoded("JPEG", quality=40))
        invoke(s3_event("uploads/a.jpg"))

    outcome = hooked_worker(**{moment: once(replace)}).work(A)
    assert outcome.status in ("stylised", "already_stylised")
    assert keys(s3, OUTPUT) == PAIR
    sidecar = assert_one_whole_result(s3)
    assert outcome.sidecar["fingerprint"] == sidecar["fingerprint"]


def test_options_changed_while_the_photo_is_drawn(s3, invoke, photo):
    """The same bytes, so the same etag: the metadata tells."""
    put(s3, "uploads/a.jpg", photo)

    def replace(key):
        put(s3, "uploads/a.jpg", photo, strength="0.5")
        invoke(s3_event("uploads/a.jpg"))

    hooked_worker(before_write=once(replace)).work(A)
    assert assert_one_whole_result(s3)["strength"] == 0.5


def test_two_calls_with_other_options_at_once_leave_a_pair(s3, photo):
    """Picture of the one, then both of the other, then the sidecar of the one."""
    put(s3, "uploads/a.jpg", photo)
    strong = Job(INPUT, "uploads/a.jpg", options={"strength": 1})
    weak = Job(INPUT, "uploads/a.jpg", options={"strength": 0.5})

    def other(key):
        if key.endswith(".json"):
            other.times += 1
            if other.times == 1:
                hooked_worker().work(weak)

    other.times = 0
    assert hooked_worker(before_write=other).work(strong).sidecar["strength"] == 1
    assert other.times == 2
    assert assert_one_whole_result(s3)["strength"] == 1


def test_a_photo_that_never_rests_is_tried_again_later(s3, photo, encoded):
    put(s3, "uploads/a.jpg", photo)
    turns = iter(range(100))

    def replace(key):
        if key.endswith(".json"):
            put(s3, "uploads/a.jpg", encoded("JPEG", quality=40 + next(turns)))

    with pytest.raises(StoreUnavailable, match="replaced each time"):
        hooked_worker(before_write=replace).work(A)
    assert next(turns) == 3


@pytest.mark.parametrize("good_first", [True, False])
def test_a_bad_and_a_good_photo_of_one_key_out_of_order(s3, invoke, photo, good_first):
    """What holds at the end is the verdict on the last one."""
    first, last = (photo, b"no image") if good_first else (b"no image", photo)
    put(s3, "uploads/a.jpg", first)

    def replace(key):
        put(s3, "uploads/a.jpg", last)
        invoke(s3_event("uploads/a.jpg"))

    hooked_worker(before_write=once(replace)).work(A)
    if good_first:
        assert "failed/a.jpg.json" in keys(s3, OUTPUT)
    else:
        assert keys(s3, OUTPUT) == PAIR
        assert_one_whole_result(s3)


def test_a_refused_photo_that_is_drawn_later_is_no_failure_any_more(s3, invoke, photo):
    put(s3, "uploads/a.jpg", b"no image")
    invoke(s3_event("uploads/a.jpg"))
    assert keys(s3, OUTPUT) == ["failed/a.jpg.json"]
    put(s3, "uploads/a.jpg", photo)
    invoke(s3_event("uploads/a.jpg"))
    assert keys(s3, OUTPUT) == PAIR


def test_refusals_of_one_key_in_two_buckets(s3, invoke):
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


def test_a_name_lost_to_a_photo_of_another_format_leaves_no_picture(s3, invoke, photo, encoded):
    """a.jpg and a.png want one name but not one picture: the sidecar decides, and the picture of
    the one that comes second is taken away again.
    """
    put(s3, "uploads/a.jpg", photo, format="png")
    put(s3, "uploads/a.png", encoded("PNG"))

    def other(key):
        invoke(s3_event("uploads/a.png"))

    outcome = hooked_worker(before_write=once(other)).work(A)
    assert outcome.record_key == "stylised/a.jpg.hayao.json"
    assert keys(s3, OUTPUT) == [
        "stylised/a.hayao.jpg",
        "stylised/a.hayao.json",
        "stylised/a.jpg.hayao.json",
        "stylised/a.jpg.hayao.png",
    ]


def test_a_direct_call_through_the_queue(s3, invoke, photo):
    """How `kirei redrive` brings back a refused photo with the options that it had."""
    put(s3, "uploads/a.jpg", photo)
    call = {"bucket": INPUT, "key": "uploads/a.jpg", "format": "png"}
    assert invoke(sqs_event(call)) == {"batchItemFailures": []}
    assert keys(s3, OUTPUT) == ["stylised/a.hayao.json", "stylised/a.hayao.png"]
    for odd in ({"bucket": 1, "key": "k"}, {"image_base64": "aGVsbG8="}, {**call, "bucket": ""}):
        # nobody can read it: it stays, for the dead letters
        assert invoke(sqs_event(odd)) == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}


def notified_of_all(s3, bucket, known):
    """An event for every object of the bucket that is not known yet in its present state."""
    listed = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    fresh = {(item["Key"], item["ETag"]) for item in listed} - known
    known |= fresh
    return s3_event(*sorted(key for key, _ in fresh)) if fresh else None


def test_what_comes_out_and_goes_in_again_ends(s3, invoke, environment, photo, encoded):
    """One bucket for both and no prefix: every object written is an event, until nothing moves."""
    environment.setenv("OUTPUT_BUCKET", INPUT)
    environment.setenv("INPUT_PREFIX", "")
    put(s3, "a.jpg", photo)
    put(s3, "sub/b.png", encoded("PNG"))
    put(s3, "bad.jpg", b"no image")
    known, statuses = set(), []
    while event := notified_of_all(s3, INPUT, known):
        assert len(statuses) < 3, keys(s3, INPUT)
        statuses.append([told["status"] for told in invoke(event)["results"]])
    assert statuses == [["stylised", "refused", "stylised"], ["skipped"] * 5]
    assert len(keys(s3, INPUT)) == 8


@pytest.mark.parametrize("guard", ["mark", "place", "prefix"])
def test_each_guard_holds_alone(s3, invoke, environment, photo, guard):
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


def batch_event(*names, arguments=None, schema="2.0"):
    place = {"s3Bucket": INPUT} if schema == "2.0" else {"s3BucketArn": f"arn:aws:s3:::{INPUT}"}
    return {
        "invocationSchemaVersion": schema,
        "invocationId": "an-id",
        "job": {"id": "a-job"} | ({"userArguments": arguments} if arguments else {}),
        "tasks": [
            {"taskId": f"task-{number}", "s3Key": quote_plus(name, safe="/"), "s3VersionId": None}
            | place
            for number, name in enumerate(names)
        ],
    }


def test_a_task_of_s3_batch_operations(s3, invoke, load_event, photo):
    event = load_event("s3_batch")
    put(s3, "uploads/our summer/café + cake.jpg", photo, detail="0.9")
    answer = invoke(event)
    assert answer == {
        "invocationSchemaVersion": "2.0",
        "treatMissingKeysAs": "PermanentFailure",
        "invocationId": event["invocationId"],
        "results": [
            {
                "taskId": event["tasks"][0]["taskId"],
                "resultCode": "Succeeded",
                "resultString": "stylised",
            }
        ],
    }
    name = "stylised/our summer/café + cake.hayao"
    assert keys(s3, OUTPUT) == [f"{name}.jpg", f"{name}.json"]
    assert json.loads(object_of(s3, OUTPUT, f"{name}.json"))["detail"] == 0.2
    assert invoke(event)["results"][0]["resultString"] == "already_stylised"


@pytest.mark.parametrize("schema", ["1.0", "2.0"])
def test_every_end_of_a_task(sick_s3, invoke, photo, schema):
    s3, _ = sick_s3
    put(s3, "old/a.jpg", photo)  # a prefix of its own: who backfills asks for it by name
    put(s3, "old/bad.jpg", b"no\nimage")
    put(s3, "old/unlucky.jpg", photo)
    put(s3, "old/ours.jpg", photo, kirei="0.1.0")
    names = ("old/a.jpg", "old/bad.jpg", "old/unlucky.jpg", "old/ours.jpg", "old/", "old/gone.jpg")
    answer = invoke(batch_event(*names, schema=schema))
    assert answer["invocationSchemaVersion"] == schema
    told = {result["taskId"]: result for result in answer["results"]}
    codes = [told[f"task-{number}"]["resultCode"] for number in range(6)]
    assert codes == [
        *("Succeeded", "PermanentFailure", "TemporaryFailure"),
        *("Succeeded", "Succeeded", "PermanentFailure"),
    ]
    assert told["task-1"]["resultString"].startswith("refused: not_an_image: ")
    assert told["task-2"]["resultString"] == "store_unavailable"
    assert not any("\n" in result["resultString"] for result in answer["results"])
    assert "failed/old/bad.jpg.json" in keys(s3, OUTPUT)


def test_a_wrong_option_of_a_job_refuses_and_a_broken_task_is_ignored(s3, invoke, photo):
    put(s3, "uploads/a.jpg", photo)
    (result,) = invoke(batch_event("uploads/a.jpg", arguments={"strength": "7"}))["results"]
    assert result["resultCode"] == "PermanentFailure"
    assert "invalid_option" in result["resultString"]
    record = json.loads(object_of(s3, OUTPUT, "failed/a.jpg.json"))
    assert record["options"] == {"strength": "7"}
    event = batch_event("uploads/a.jpg")
    event["tasks"] = [{"taskId": "t"}, "text"]
    assert [r["resultCode"] for r in invoke(event)["results"]] == ["Succeeded"] * 2


def test_a_late_task_does_not_put_an_old_version_in_place_of_a_new_one(s3, invoke, photo, encoded):
    s3.put_bucket_versioning(Bucket=INPUT, VersioningConfiguration={"Status": "Enabled"})
    put(s3, "uploads/a.jpg", photo)
    old = s3.head_object(Bucket=INPUT, Key="uploads/a.jpg")["VersionId"]
    put(s3, "uploads/a.jpg", encoded("JPEG", quality=40))
    invoke(s3_event("uploads/a.jpg"))
    event = batch_event("uploads/a.jpg")
    event["tasks"][0]["s3VersionId"] = old
    assert invoke(event)["results"][0]["resultString"] == "already_stylised"
    assert_one_whole_result(s3)
