"""Twenty clients at once, one request in five a bad one: nothing breaks, nothing is lost, and the
memory stays as it was.
"""

from __future__ import annotations

import base64
import io
import json
import random
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image
from shipped import another_style
from test_serve_command import command, first_line

CLIENTS, REQUESTS = 20, 200
WARM_UP = 20  # one a client: until every network is open

Call = Callable[[requests.Session, str], None]


def resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    (kilobytes,) = re.findall(r"VmRSS:\s+(\d+) kB", status)
    return int(kilobytes) * 1024


def good_calls(photo: bytes) -> list[Call]:
    """One of each kind; every answer is looked at."""

    def is_picture(content: bytes) -> None:
        assert Image.open(io.BytesIO(content)).width > 0

    def raw(session: requests.Session, url: str) -> None:
        answer = session.post(f"{url}/v1/stylise?style=cel", photo, timeout=300)
        assert answer.status_code == 200
        is_picture(answer.content)

    def form(session: requests.Session, url: str) -> None:
        options, file = {"format": "webp"}, {"image": ("a.jpg", photo)}
        answer = session.post(f"{url}/v1/stylise", options, files=file, timeout=300)
        assert answer.status_code == 200
        is_picture(answer.content)

    def as_json(session: requests.Session, url: str) -> None:
        body: dict[str, Any] = {
            "image_base64": base64.b64encode(photo).decode(),
            "strength": random.random(),
        }
        headers = {"accept": "application/json"}
        sidecar = session.post(f"{url}/v1/stylise", json=body, headers=headers, timeout=300).json()
        is_picture(session.get(url + sidecar["output"]["url"], timeout=300).content)

    def upload(session: requests.Session, url: str) -> None:
        asked: dict[str, Any] = {
            "content_type": "image/jpeg",
            "bytes": len(photo),
            "style": another_style(),
        }
        offered = session.post(f"{url}/v1/uploads", json=asked, timeout=300).json()
        parts: dict[str, Any] = {name: (None, value) for name, value in offered["fields"].items()}
        parts["file"] = ("a.jpg", photo)
        assert session.post(url + offered["url"], files=parts, timeout=300).status_code == 204
        while (done := session.get(url + offered["result_url"], timeout=300)).status_code == 202:
            threading.Event().wait(0.2)
        assert done.json()["status"] == "done"
        is_picture(session.get(url + done.json()["image_url"], timeout=300).content)

    def listing(session: requests.Session, url: str) -> None:
        assert session.get(f"{url}/v1/styles", timeout=300).json()["default"] == "hayao"

    return [raw, form, as_json, upload, listing]


def bad_calls(photo: bytes) -> list[Call]:
    """What is wrong, and the status that it must get."""
    wrong: list[tuple[int, dict[str, Any]]] = [
        (415, {"data": b"a letter, not a photo"}),
        (422, {"data": photo[: len(photo) // 2]}),
        (400, {"data": b"[]", "headers": {"content-type": "application/json"}}),
        (400, {"data": photo, "headers": {"content-type": "multipart/form-data"}}),
        (400, {"data": photo, "params": {"strength": "7"}}),
    ]

    def call_with(status: int, given: dict[str, Any]) -> Call:
        def call(session: requests.Session, url: str) -> None:
            answer = session.post(f"{url}/v1/stylise", timeout=300, **given)
            assert answer.status_code == status, answer.text
            assert answer.json()["error"]["request_id"]

        return call

    return [call_with(status, given) for status, given in wrong]


@pytest.mark.heavy
@pytest.mark.timeout(0)
def test_load_breaks_nothing_loses_nothing_and_leaves_the_memory_flat(
    tmp_path: Path, photo: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    process = command("--port", "0", "--folder", str(tmp_path))
    url = first_line(process).split()[3].rstrip("/")
    good, bad = good_calls(photo), bad_calls(photo)
    calls = [
        (bad if number % 5 == 4 else good)[number // 5 % 5] for number in range(WARM_UP + REQUESTS)
    ]
    sessions = threading.local()

    def one(call: Call) -> int:
        if not hasattr(sessions, "own"):
            sessions.own = requests.Session()
        call(sessions.own, url)
        return resident_bytes(process.pid)

    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(one, calls[:WARM_UP]))
        memory = list(clients.map(one, calls[WARM_UP:]))
    process.terminate()
    _, errors = process.communicate(timeout=120)
    assert "Traceback" not in errors

    assert len(memory) == REQUESTS
    first, last = (sum(part) / len(part) for part in (memory[:100], memory[100:]))
    with capsys.disabled():
        print(json.dumps({"first_mb": round(first / 1e6), "last_mb": round(last / 1e6)}))  # noqa: T201
    assert abs(last - first) <= 0.1 * first
