"""A little fleet: workers poll a queue and run the function on an S3 that fails four requests in
ten, and are killed at random. In the end every upload has one result or one failure record, whole.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from buckets import INPUT, OUTPUT, keys, object_of, put, s3_event
from faults import FaultProxy, faulty
from PIL import Image

from adapters.storage.objects import FINGERPRINT
from pipeline import Options, Pipeline, Settings

ROOT = Path(__file__).parents[2]
VISIBILITY_S = 60  # after that the message of a killed worker comes again
BAD_SHARE = 10  # one upload in so many is bad
KILLED_AFTER = (3, 12)  # results, from one kill to the next
STUCK_S = 600  # without anything new: nothing moves any more


def uploads(count: int, seed: int) -> dict[str, bytes]:
    """Photos of 64 to 96 px by their keys, one in ten bad; some want one name."""
    chance = random.Random(seed)
    photo = Image.open(ROOT / "samples" / "chelsea.jpg").convert("RGB")
    good = []
    for number in range(20):
        left, top = chance.randrange(150), chance.randrange(60)
        side = chance.randrange(64, 97)
        file = io.BytesIO()
        format = ("JPEG", "PNG", "WEBP")[number % 3]
        photo.crop((left, top, left + 2 * side, top + 2 * side)).resize((side, side - 6)).save(
            file, format
        )
        good.append((format.lower(), file.getvalue()))
    bad = [b"", b"no image", good[0][1][:-300], b"\xff\xd8\xff" + bytes(500), good[1][1][:60]]
    found = {}
    for number in range(count):
        is_bad = number % BAD_SHARE == BAD_SHARE - 1
        ending, data = ("jpg", chance.choice(bad)) if is_bad else chance.choice(good)
        # every third wants the name that the one before it has
        name = number - 1 if number % 3 == 1 and not is_bad else number
        key = f"uploads/{name % 7}/photo {name}.{ending}"
        if key in found:
            key = f"uploads/{name % 7}/photo {name}.{ending}.{ending}"
        found[key] = data
    return found


class Fleet:
    """Workers that are replaced when they are killed; all they print is kept."""

    def __init__(self, size: int, queue_url: str, log: Path, endpoint: str, proxy: str) -> None:
        self._command = [
            sys.executable,
            str(ROOT / "tests" / "support" / "fleet_worker.py"),
            queue_url,
        ]
        # the queue's own client is boto3's, in the environment of the test
        self._environment = os.environ | {
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'support'}",
            "AWS_ENDPOINT_URL_S3": proxy,
            "AWS_ENDPOINT_URL_SQS": endpoint,
            "KIREI_THREADS": "1",
        }
        self._log = log.open("ab")
        self.workers = [self._start() for _ in range(size)]
        self.killed = 0

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command, env=self._environment, stdout=self._log, stderr=self._log, cwd=ROOT
        )

    def kill(self, chance: random.Random) -> None:
        """One of them, in the middle of whatever it does."""
        number = chance.randrange(len(self.workers))
        self.workers[number].kill()
        self.workers[number].wait()
        self.workers[number] = self._start()
        self.killed += 1

    def stop(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()
        self._log.close()


@contextmanager
def running(*arguments: Any) -> Iterator[Fleet]:
    fleet = Fleet(*arguments)
    try:
        yield fleet
    finally:
        fleet.stop()


def until_empty(sqs: Any, queue_url: str, fleet: Fleet, s3: Any, chance: random.Random) -> None:
    """Kills workers while they work, until the queue holds nothing, waiting or in work."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    next_kill, moved, before = chance.randint(*KILLED_AFTER), time.monotonic(), (-1, -1)
    while True:
        told = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
        waiting = sum(int(told[name]) for name in names)
        if waiting == 0:
            return
        written = len(all_keys(s3))
        if (waiting, written) != before:
            before, moved = (waiting, written), time.monotonic()
        assert time.monotonic() - moved < STUCK_S, f"{waiting} messages and nothing moves"
        if written >= next_kill:
            fleet.kill(chance)
            next_kill = written + chance.randint(*KILLED_AFTER)
        time.sleep(chance.uniform(0, 0.3))


def all_keys(s3: Any) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=OUTPUT)
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


def expected_hashes(photos: dict[str, bytes]) -> dict[bytes, str | None]:
    """SHA-256 of each photo's picture, None for one that is refused."""
    from pipeline import PermanentError

    pipeline, found = Pipeline(Settings(threads=1)), dict[bytes, str | None]()
    for data in set(photos.values()):
        try:
            found[data] = hashlib.sha256(pipeline.run(data, Options()).image).hexdigest()
        except PermanentError:
            found[data] = None
    return found


def check(s3: Any, photos: dict[str, bytes]) -> None:
    """Every upload once, picture and sidecar of one run, and nothing else in the bucket."""
    hashes = expected_hashes(photos)
    left = set(all_keys(s3))
    ends: Counter[str] = Counter()
    for key in sorted(name for name in left if name.endswith(".json")):
        record = json.loads(object_of(s3, OUTPUT, key))
        left.discard(key)
        source = record["source"]["key"]
        ends[source] += 1
        wanted = hashes[photos[source]]
        assert key.startswith("failed/" if wanted is None else "stylised/"), source
        if wanted is None:
            assert record["error"]["code"] in ("empty_input", "not_an_image", "truncated_image")
            continue
        output = record["output"]
        picture = s3.get_object(Bucket=OUTPUT, Key=output["key"])
        content = picture["Body"].read()
        left.discard(output["key"])
        assert len(content) == output["bytes"], source
        assert hashlib.sha256(content).hexdigest() == wanted, source
        assert picture["Metadata"][FINGERPRINT] == record["fingerprint"], source
    lost, doubled = set(photos) - set(ends), {key for key, count in ends.items() if count > 1}
    assert (lost, doubled, left) == (set(), set(), set())


def run_fleet(
    s3: Any, endpoint: str, tmp_path: Path, *, count: int, size: int, seed: int
) -> tuple[Fleet, FaultProxy, list[dict[str, Any]]]:
    """From the uploads to an empty queue; the fleet, the proxy and what was logged."""
    chance = random.Random(seed)
    sqs = boto3.client("sqs", endpoint_url=endpoint)
    attributes = {"VisibilityTimeout": str(VISIBILITY_S)}
    queue_url = sqs.create_queue(QueueName=f"fleet-{seed}", Attributes=attributes)["QueueUrl"]
    photos = uploads(count, seed)
    assert len(photos) == count
    for key, data in photos.items():
        put(s3, key, data)
    messages = [*photos, *chance.sample(sorted(photos), count // 20)]  # some come twice
    for key in chance.sample(messages, len(messages)):
        sqs.send_message(QueueUrl=queue_url, MessageBody=json.dumps(s3_event(key)))
    log = tmp_path / "log"
    with faulty(endpoint, seed) as proxy:
        with running(size, queue_url, log, endpoint, proxy.url) as fleet:
            until_empty(sqs, queue_url, fleet, s3, chance)
        check(s3, photos)
    sqs.close()
    lines = [line for line in log.read_text().splitlines() if line.startswith("{")]
    return fleet, proxy, [json.loads(line) for line in lines]


def check_log(lines: list[dict[str, Any]], count: int) -> Counter[str]:
    """What the workers said of jobs: each ended one is there, and no secret."""
    jobs = [line for line in lines if line.get("message") in ENDS]
    ends = Counter(line["message"] for line in jobs)
    assert len({line["key"] for line in jobs if line["message"] != "failed"}) == count
    assert all("function_request_id" in line and "correlation_id" in line for line in jobs)
    return ends


ENDS = ("stylised", "already_stylised", "refused", "failed")


def test_a_few_uploads_and_two_kills(
    s3: Any, moto_endpoint: str, tmp_path: Path, environment: pytest.MonkeyPatch
) -> None:
    environment.setattr(sys.modules[__name__], "KILLED_AFTER", (2, 4))
    environment.setattr(sys.modules[__name__], "VISIBILITY_S", 5)
    fleet, proxy, lines = run_fleet(s3, moto_endpoint, tmp_path, count=10, size=2, seed=5)
    assert fleet.killed >= 2
    assert sum(count for fault, count in proxy.drawn.items() if fault) > 10
    check_log(lines, 10)
    assert len(keys(s3, INPUT)) == 10


@pytest.mark.heavy
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_three_hundred_uploads(
    s3: Any, moto_endpoint: str, tmp_path: Path, environment: pytest.MonkeyPatch, seed: Any
) -> None:
    fleet, proxy, lines = run_fleet(s3, moto_endpoint, tmp_path, count=300, size=3, seed=seed)
    ends = check_log(lines, 300)
    requests = sum(proxy.drawn.values())
    for fault in ("error", "reset", "slow", "truncated"):
        assert 0.07 < proxy.drawn[fault] / requests < 0.13
    assert fleet.killed >= 20
    sys.stdout.write(f"\n{fleet.killed} kills, {requests} requests, {dict(ends)}\n")
