"""A proxy before S3 that breaks one answer in ten in each of four ways.

Errors of the server and lost connections come before the request is done or after it: then it is
done, and the caller does not know. Slow answers dribble, truncated ones end within the body.
Writes are passed on one at a time: S3 decides on conditions of one key atomically, and moto, with
its threads, does not.
"""

from __future__ import annotations

import random
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from urllib.parse import urlsplit

FAULTS = ("error", "reset", "slow", "truncated")
SHARE = 0.1  # of all answers, each fault
DRIBBLES, PAUSE_S = 5, 0.05
ERRORS = ((500, "InternalError"), (503, "SlowDown"), (503, "ServiceUnavailable"))


class _Faulty(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultProxy

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault, is_after, error = self.server.draw()
        if fault in ("error", "reset") and not is_after:
            self._break(fault, error)
            return
        answer, content = self._ask(body)
        if fault in ("error", "reset"):
            self._break(fault, error)
        elif fault == "truncated" and len(content) > 1:
            self._answer(answer, content, content[: len(content) // 2])
            self.close_connection = True
        elif fault == "slow":
            self._answer(answer, content, b"")
            step = max(1, len(content) // DRIBBLES)
            for start in range(0, len(content), step):
                time.sleep(PAUSE_S)
                self.wfile.write(content[start : start + step])
        else:
            self._answer(answer, content, content)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _pass_on  # noqa: N815

    def _ask(self, body: bytes) -> tuple[HTTPResponse, bytes]:
        connection = HTTPConnection(self.server.upstream)
        try:
            writes = self.command in ("PUT", "DELETE")
            with self.server.writing if writes else self.server.nothing():
                connection.request(self.command, self.path, body, dict(self.headers))
                answer = connection.getresponse()
                return answer, answer.read()
        finally:
            connection.close()

    def _answer(self, answer: HTTPResponse, content: bytes, sent: bytes) -> None:
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        self.wfile.write(sent)

    def _break(self, fault: str, error: tuple[int, str]) -> None:
        self.close_connection = True
        if fault == "reset":
            linger = struct.pack("ii", 1, 0)  # closing then sends RST
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            return
        status, code = error
        body = f"<Error><Code>{code}</Code><Message>again</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle(self) -> None:
        """The other side may be killed at any time, and we close connections ourselves."""
        try:
            super().handle()
        except (OSError, ValueError):
            self.close_connection = True

    def finish(self) -> None:
        try:
            super().finish()
        except (OSError, ValueError):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


class FaultProxy(ThreadingHTTPServer):
    """Draws a fault for each request; ``drawn`` counts them, None where there was none."""

    daemon_threads = True

    def __init__(self, upstream: str, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), _Faulty)
        self.upstream = upstream
        self.writing = Lock()
        self.drawn: Counter[str | None] = Counter()
        self._chance = random.Random(seed)
        self._drawing = Lock()

    def draw(self) -> tuple[str | None, bool, tuple[int, str]]:
        """The fault, whether it comes after the request was done, and which error it is."""
        with self._drawing:
            number = int(self._chance.random() / SHARE)
            fault = FAULTS[number] if number < len(FAULTS) else None
            self.drawn[fault] += 1
            return fault, self._chance.random() < 0.5, self._chance.choice(ERRORS)

    @contextmanager
    def nothing(self) -> Iterator[None]:
        """What reading waits for."""
        yield

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def faulty(endpoint: str, seed: int) -> Iterator[FaultProxy]:
    """A running proxy before an endpoint."""
    proxy = FaultProxy(urlsplit(endpoint).netloc, seed)
    thread = Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()
