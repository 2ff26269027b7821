"""Two servers on one folder, killed at random: in the end every upload that was taken has one
result or one failure record, whole. The fleet's test (test_fleet.py), on one machine.
"""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
from test_fleet import expected_hashes, uploads
from test_serve_command import command, first_line

from adapters.storage.folder import PARTS, PRIVATE, FolderBucket
from adapters.storage.objects import FINGERPRINT

STUCK_S = 300
SWEEP = "import adapters.server.local_worker; adapters.server.local_worker.SWEEP_S = 0.5; "


class Servers:
    """Two `kirei serve`, each started again when it is killed."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self.killed = 0
        self.processes: list[subprocess.Popen[str]] = []
        self.urls: list[str] = []
        for number in range(2):
            self._start(number)

    def _start(self, number: int) -> None:
        process = command(
            "--port", "0", "--folder", str(self._folder), code=SWEEP, KIREI_THREADS="1"
        )
        self._stack.callback(process.communicate)
        self._stack.callback(process.kill)
        self.processes[number : number + 1] = [process]
        self.urls[number : number + 1] = [first_line(process).split()[3].rstrip("/")]

    def kill(self, chance: random.Random) -> None:
        number = chance.randrange(2)
        self.processes[number].kill()
        self.processes[number].wait()
        self._start(number)
        self.killed += 1

    def ask(self, chance: random.Random, method: str, path: str, **more: Any) -> Any:
        """The answer of either, which may be killed meanwhile: then that of the next try."""
        deadline = time.monotonic() + STUCK_S
        while time.monotonic() < deadline:
            try:
                return requests.request(method, chance.choice(self.urls) + path, timeout=60, **more)
            except requests.ConnectionError:
                time.sleep(0.1)
        raise AssertionError(f"nobody answers {method} {path}")


def send(servers: Servers, chance: random.Random, photo: bytes) -> str:
    """The id of one upload, once it was taken."""
    asked = {"content_type": "image/jpeg", "bytes": len(photo)}
    offered = servers.ask(chance, "POST", "/v1/uploads", json=asked).json()
    parts = {name: (None, value) for name, value in offered["fields"].items()}
    sent = servers.ask(
        chance, "POST", offered["url"], files={**parts, "file": ("photo.jpg", photo)}
    )
    assert sent.status_code == 204, sent.text
    return str(offered["upload_id"])


def check(folder: Path, sent: dict[str, bytes]) -> None:
    """Every upload once, picture and sidecar of one run, and no file too many."""
    store = FolderBucket(folder)
    hashes = expected_hashes(sent)
    for name, photo in sent.items():
        records = [
            key
            for place in ("stylised/http/", "failed/http/")
            for key in store.keys(f"{place}{name}.")
            if key.endswith(".json")
        ]
        assert len(records) == 1, (name, records)
        with store.open(records[0]) as found:
            record = json.loads(found.read(found.size_bytes))
        if hashes[photo] is None:
            assert records[0].startswith("failed/")
            continue
        with store.open(record["output"]["key"]) as found:
            content = found.read(found.size_bytes)
            assert found.state.metadata[FINGERPRINT] == record["fingerprint"]
        assert hashlib.sha256(content).hexdigest() == hashes[photo]


def run(folder: Path, count: int, seed: int) -> Servers:
    chance = random.Random(seed)
    sent: dict[str, bytes] = {}
    with ExitStack() as stack:
        servers = Servers(folder, stack)
        for number, photo in enumerate(uploads(count, seed).values()):
            photo = photo or b"-"
            sent[send(servers, chance, photo)] = photo
            if number % 4 == 3:
                servers.kill(chance)
        deadline = time.monotonic() + STUCK_S
        left = set(sent)
        while left:
            assert time.monotonic() < deadline, f"{len(left)} uploads and nothing moves"
            left = {
                name
                for name in left
                if servers.ask(chance, "GET", f"/v1/results/{name}").status_code in (202, 503)
            }
            if left and servers.killed < count // 3:
                servers.kill(chance)
            time.sleep(0.2)
    check(folder, sent)
    return servers


def test_a_few_uploads_and_some_kills(tmp_path: Path) -> None:
    assert run(tmp_path, count=12, seed=3).killed >= 3


@pytest.mark.heavy
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [1, 2])
def test_two_hundred_uploads(tmp_path: Path, seed: int) -> None:
    servers = run(tmp_path, count=200, seed=seed)
    assert servers.killed >= 50
    parts = list((tmp_path / PRIVATE / PARTS).iterdir())
    assert len(parts) <= 2 * servers.killed  # what a kill left; a later start takes it away
    sys.stdout.write(f"\n{servers.killed} kills, {len(parts)} parts left\n")
