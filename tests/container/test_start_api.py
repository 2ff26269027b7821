"""`sam local start-api`: page and API in the image, behind a stand-in for API Gateway."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from local_s3 import ROOT
from shipped import shipped_styles

pytestmark = [pytest.mark.container, pytest.mark.timeout(0)]

Ask = Callable[..., tuple[int, dict[str, str], bytes]]


@pytest.fixture(scope="module")
def ask(image: str, server: Any) -> Iterator[Ask]:
    """A request; returns status, headers and body."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name[:4] != "AWS_"}
    local = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    process = subprocess.Popen(
        ["sam", "local", "start-api", "--port", str(port), "--warm-containers", "LAZY"],
        cwd=ROOT,
        env=environment | local | {"SAM_CLI_TELEMETRY": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def request(path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        data = None if body is None else json.dumps(body).encode()
        if data:
            headers["content-type"] = "application/json"
        made = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers)
        try:
            with urllib.request.urlopen(made) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()

    while True:
        try:
            request("/v1/health")
            break
        except (urllib.error.URLError, ConnectionError):
            assert process.poll() is None, "sam local start-api ended"
            time.sleep(0.5)
    yield request
    process.terminate()
    process.wait()


def test_page_api_and_errors_are_served(ask: Ask, event_file: Callable[[str], Any]) -> None:
    status, _, body = ask("/v1/health")
    assert (status, json.loads(body)["status"]) == (200, "ok")
    styles = json.loads(ask("/v1/styles")[2])["styles"]
    assert [style["name"] for style in styles] == shipped_styles()
    for style in styles:
        assert ask(style["thumbnail"])[2][:2] == b"\xff\xd8"
    status, headers, body = ask("/")
    assert status == 200 and b"<html" in body
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    photo = event_file("http_post_raw")["body"]
    status, headers, body = ask("/v1/stylise", {"image_base64": photo})
    assert (status, headers["Content-Type"]) == (200, "image/jpeg")
    assert body[:2] == b"\xff\xd8" and body != base64.b64decode(photo)
    offered = json.loads(ask("/v1/uploads", {"content_type": "image/jpeg", "bytes": 9})[2])
    assert offered["url"].endswith("/InputBucket")  # sam local names a bucket as the template does
    for path, code in (("/v1/paint", "unknown_route"), ("/none", "unknown_route")):
        status, _, body = ask(path)
        assert (status, json.loads(body)["error"]["code"]) == (404, code)
