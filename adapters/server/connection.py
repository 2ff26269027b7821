"""Connections to a server of ours: what uvicorn leaves without a limit has one here."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import socket
import uuid
from types import FrameType
from typing import Any, cast

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from adapters.errors import STATUSES, TooManyRequests, error_document
from adapters.server.asgi import MAX_HEADERS_BYTES, Server
from adapters.server.slots import SHARE_OF_ONE, is_loopback
from pipeline import InvalidRequest, KireiError

HEADERS_S = 10.0  # from the first moment of a request to the end of its headers
UNREAD_S = 120.0  # an answer that its client does not read is thrown away
MAX_CONNECTIONS = 512  # or half of the open files that are allowed, where these are fewer
ANSWERS_S = 5  # for requests in hand, when the server is told to stop
STOP_S = 9  # for everything then: the kernel ends what is still there


class Connection(H11Protocol):
    """HTTP/1.1 on one connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._timers: dict[str, asyncio.TimerHandle] = {}
        others = [cast(Connection, other)._host for other in self.connections if other is not self]
        most = _most_connections()
        share = 1 if is_loopback(self._host) else SHARE_OF_ONE
        if len(others) >= most or others.count(self._host) >= share * most:
            self._end_with(TooManyRequests("too many connections; try again", limit=most))
        else:
            self._start("headers", HEADERS_S)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._start("headers", HEADERS_S)
        else:
            self._stop("headers")

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop("headers")
        self._stop("unread")
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start("unread", UNREAD_S)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop("unread")

    def send_400_response(self, msg: str) -> None:
        """For what is no HTTP: in the shape that all errors have."""
        self._end_with(
            InvalidRequest("this is no request of HTTP/1.1, or its headers are too long")
        )

    @property
    def _host(self) -> str:
        return self.client[0] if self.client else ""

    def _start(self, timer: str, timeout_s: float) -> None:
        """Ends the connection then, unless the timer is stopped. One that runs already goes on:
        bytes now and then do not set it back.
        """
        if timer not in self._timers:
            self._timers[timer] = self.loop.call_later(timeout_s, self.transport.abort)

    def _stop(self, timer: str) -> None:
        if timer in self._timers:
            self._timers.pop(timer).cancel()

    def _end_with(self, error: KireiError) -> None:
        status = STATUSES[error.code]
        body = json.dumps(error_document(error, uuid.uuid4().hex)).encode()
        headers: Any = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        for event in (
            h11.Response(status_code=status, headers=headers),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def _most_connections() -> int:
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    unlimited = descriptors == resource.RLIM_INFINITY
    return MAX_CONNECTIONS if unlimited else min(MAX_CONNECTIONS, descriptors // 2)


def config(server: Server) -> uvicorn.Config:
    """How an application of ours is served."""
    return uvicorn.Config(
        server,
        http=Connection,
        ws="none",
        lifespan="on",
        log_level="error",  # its warnings are of strangers' requests, one for each
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=MAX_HEADERS_BYTES,
        timeout_graceful_shutdown=ANSWERS_S,
    )


class _UntilTold(uvicorn.Server):
    """Ends when it is told to, even if a thread of it does not."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        signal.alarm(STOP_S)
        super().handle_exit(sig, frame)


def run_until_told(config: uvicorn.Config, listener: socket.socket) -> None:
    """Serves until SIGTERM or Ctrl-C, and has ended STOP_S later."""
    _UntilTold(config).run(sockets=[listener])
