"""What `kirei serve` lets nobody do to the others: requests that are not allowed, senders that are
slow, answers that nobody reads, connections without end.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from calls import FORM
from serving import Serving, serving
from test_serve_command import command, first_line

from adapters.errors import TooManyRequests
from adapters.server import body as body_module
from adapters.server import connection as connection_module
from adapters.server import slots as slots_module
from adapters.server.slots import Slots

TOKEN = "a-token"
PHOTO_LENGTH = 49_000_000
ID = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def closed(pipeline: Any, tmp_path: Path) -> Iterator[Any]:
    """A server that asks for a token."""
    with serving(pipeline, tmp_path, token=TOKEN) as running:
        yield running


def connect(server: Serving, sent: bytes) -> socket.socket:
    address = urlsplit(server.url)
    connection = socket.create_connection((address.hostname, address.port), timeout=30)
    connection.sendall(sent)
    return connection


def head(path: str, length: int = PHOTO_LENGTH, **headers: str) -> bytes:
    """The head of a POST whose body is still to come."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {length}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def answer(connection: socket.socket) -> bytes:
    """One answer of JSON."""
    received = b""
    while not received.endswith(b"}") and (piece := connection.recv(65536)):
        received += piece
    return received


def is_ended(connection: socket.socket, timeout_s: float) -> bool:
    """Whether the other end closes the connection in time."""
    connection.settimeout(timeout_s)
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


def ask_application(server: Serving, scope: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """The answer of the application to a request whose body must not be asked for before."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        assert sent, "the body was read before the request was allowed"
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)
        slots = server.server.slots
        assert slots.photos.total() == slots.held_bytes.total() == 0

    whole = {
        "type": "http",
        "client": ("127.0.0.1", 1),
        "query_string": b"",
        "headers": [],
        **scope,
    }
    whole["headers"] = [(b"host", b"localhost"), *whole["headers"]]
    asyncio.run(server.server(whole, receive, send))
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], json.loads(body)["error"]


@pytest.mark.parametrize(
    ("method", "path", "headers", "code"),
    [
        ("POST", "/v1/stylise", [], "unauthorized"),
        ("POST", "/v1/stylise", [(b"authorization", b"Bearer wrong")], "unauthorized"),
        ("POST", "/v1/stylise", [(b"content-type", FORM.encode())], "unauthorized"),
        ("POST", "/v1/uploads", [], "unauthorized"),
        ("GET", "/v1/styles", [], "unauthorized"),
        ("POST", f"/v1/uploads/{ID}", [(b"content-type", FORM.encode())], "forbidden"),
        ("POST", "/v1/uploads/..", [], "invalid_request"),
        ("GET", "/v1/files/stylised/a.jpg", [], "forbidden"),
        ("POST", "/v1/elsewhere", [], "unknown_route"),
        ("GET", "/wp-login.php", [], "unknown_route"),
        ("PUT", "/v1/stylise", [], "method_not_allowed"),
        ("POST", "/v1/health", [], "method_not_allowed"),
        ("POST", "/v1/stylise", [(b"content-length", b"9" * 5000)], "too_many_bytes"),
        ("POST", "/v1/stylise", [(b"origin", b"https://evil.example")], "forbidden"),
        ("POST", "/v1/stylise", [(b"origin", b"http://[")], "forbidden"),
        ("GET", "/v1/health", [(b"host", b"[")], "forbidden"),
        ("GET", "/v1/health", [(b"host", b"[::1")], "forbidden"),
    ],
)
def test_what_is_not_allowed_costs_nothing(
    closed: Any, method: Any, path: str, headers: Any, code: str
) -> None:
    _, error = ask_application(closed, {"method": method, "path": path, "headers": headers})
    assert error["code"] == code


def test_a_query_without_end_is_refused_by_name(server: Any) -> None:
    answer = server.get("/v1/options?" + "&".join(["a=1"] * 1000))
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_request"


def test_an_upload_needs_its_link_before_its_body_is_read(server: Any, photo: bytes) -> None:
    offered = server.offer()
    path, _, query = offered["url"].partition("?")
    connection = connect(server, head(f"{path}?{query}0", content_type=FORM))
    assert b" 403 " in answer(connection)
    connection.close()
    assert server.send(offered, photo).status_code == 204
    server.wait(offered["result_url"])


def test_sixty_four_slow_senders_leave_the_others_served(
    server: Any, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_module, "RATE_INTERVAL_S", 2.0)
    monkeypatch.setattr(body_module, "MAX_DRAIN_S", 0.2)
    with ExitStack() as connections:
        slow = [
            connections.enter_context(connect(server, head("/v1/stylise") + b"x"))
            for _ in range(64)
        ]
        assert server.get("/v1/health").status_code == 200
        assert server.post("/v1/stylise?max_side_px=64", photo).status_code == 200
        for _ in range(4):  # a byte now and then is not enough
            time.sleep(0.5)
            for connection in slow:
                connection.sendall(b"x")
        assert all(is_ended(connection, 10) for connection in slow)
    assert server.server.slots.held_bytes.total() == 0


def test_a_body_that_never_ends_is_ended(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_module, "MIN_RATE_BYTES", 1)
    monkeypatch.setattr(body_module, "MAX_BODY_S", 1.0)
    monkeypatch.setattr(body_module, "MAX_DRAIN_S", 0.2)
    with connect(server, head("/v1/stylise")) as connection:
        connection.settimeout(0.1)
        received = b""
        for _ in range(50):
            connection.sendall(b"x")
            try:
                received = connection.recv(1000)
                break
            except TimeoutError:
                continue
        assert b" 408 " in received


@pytest.mark.parametrize("sent", [b"", b"GET /v1/he", b"GET / HTTP/1.1\r\nHost: localhost\r\n"])
def test_headers_that_do_not_come_end_the_connection(
    server: Any, monkeypatch: pytest.MonkeyPatch, sent: Any
) -> None:
    monkeypatch.setattr(connection_module, "MAX_HEADERS_S", 1.0)
    with connect(server, sent) as connection:
        for _ in range(4):
            time.sleep(0.2)
            connection.sendall(b"x")
        assert is_ended(connection, 5)


def test_the_time_for_headers_begins_anew_with_each_request(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "MAX_HEADERS_S", 1.0)
    whole = b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connect(server, whole) as connection:
        for _ in range(5):
            assert b"200 OK" in answer(connection)
            time.sleep(0.4)
            connection.sendall(whole)
        assert b"200 OK" in answer(connection)
        connection.sendall(b"GET ")
        assert is_ended(connection, 5)


def test_headers_over_the_limit_and_no_http_get_the_one_shape_of_errors(server: Any) -> None:
    for request in (
        b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: " + b"a" * 40_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1_0\r\n\r\n",
    ):
        status, document, top = server.raw(request)
        assert (status, document["error"]["code"]) == (400, "invalid_request")
        assert b"connection: close" in top.lower()


def test_an_answer_that_nobody_reads_is_thrown_away(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "MAX_UNREAD_S", 1.0)
    server.worker.folder.put("stylised/large", bytes(30_000_000), "image/png", {})
    link = server.worker.folder.presigned_url("stylised/large", 60)
    request = f"GET {link} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with connect(server, request) as connection:
        time.sleep(3)  # what was sent by then lies in the kernel's buffers
        received = 0
        connection.settimeout(5)
        try:
            while piece := connection.recv(1_000_000):
                received += len(piece)
        except ConnectionError:
            pass
        assert received < 30_000_000


def test_more_connections_than_there_is_room_for(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "MAX_CONNECTIONS", 4)
    with ExitStack() as connections:
        for _ in range(4):
            connections.enter_context(connect(server, b""))
        time.sleep(0.2)
        with connect(server, b"") as one_more:
            assert b" 429 " in answer(one_more)
    time.sleep(0.2)
    assert server.get("/v1/health").status_code == 200


def test_no_client_takes_all_slots_where_others_may_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots_module, "MAX_PHOTOS", 4)
    monkeypatch.setattr(slots_module, "MAX_HELD_BYTES", 100)
    slots, nothing = Slots(), Counter[str]()
    for _ in range(2):
        slots.check("192.0.2.1", nothing)
        slots.take("192.0.2.1")
    with pytest.raises(TooManyRequests, match="this address already") as caught:
        slots.check("192.0.2.1", nothing)
    assert (caught.value.measured, caught.value.limit) == (2, 2)
    slots.check("192.0.2.2", nothing)
    with pytest.raises(TooManyRequests):  # what waits elsewhere counts, too
        slots.check("192.0.2.2", Counter({"192.0.2.2": 2}))
    slots.release("192.0.2.1")
    slots.check("192.0.2.1", nothing)

    slots.hold("192.0.2.1", 50)
    with pytest.raises(TooManyRequests):
        slots.hold("192.0.2.1", 1)
    slots.hold("127.0.0.1", 50)
    with pytest.raises(TooManyRequests):
        slots.hold("127.0.0.1", 1)
    slots.let_go("192.0.2.1", 50)
    slots.let_go("127.0.0.1", 50)
    slots.hold("127.0.0.1", 100)
    assert slots.held_bytes == {"127.0.0.1": 100}


def test_uploads_that_wait_are_counted_for_the_client_that_sent_them(
    server: Any, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.worker.threads, "submit", lambda *arguments: None)
    offered = server.offer()
    assert server.send(offered, photo).status_code == 204
    assert server.worker.waiting == {"127.0.0.1": 1}


def test_it_ends_in_time_whatever_hangs(tmp_path: Path, photo: bytes) -> None:
    process = command("--port", "0", "--folder", str(tmp_path))
    url = urlsplit(first_line(process).split()[3])
    with ExitStack() as connections:
        for _ in range(10):
            connection = connections.enter_context(
                socket.create_connection((url.hostname, url.port), timeout=30)
            )
            connection.sendall(head("/v1/stylise") + b"x")
        assert requests.get(f"{url.geturl()}v1/health", timeout=60).status_code == 200
        began_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        assert time.monotonic() - began_s < 10
    assert process.returncode < 0


def test_it_ends_in_time_with_a_thread_that_never_ends(tmp_path: Path, photo: bytes) -> None:
    """As a fault of ours would: a photo's thread that no time limit ends."""
    hanging = "import time; from pipeline.run import Pipeline; "
    hanging += "Pipeline.run = lambda *a, **k: time.sleep(1000); "
    process = command("--port", "0", "--folder", str(tmp_path), code=hanging)
    url = first_line(process).split()[3]
    with pytest.raises(requests.RequestException):
        requests.post(f"{url}v1/stylise", photo, timeout=2)
    began_s = time.monotonic()
    process.send_signal(signal.SIGINT)  # Python waits for its threads then
    process.communicate(timeout=60)
    assert time.monotonic() - began_s < 10.5
