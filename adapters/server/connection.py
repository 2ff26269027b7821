"""Connections to `kirei serve`: limits for what uvicorn does not limit."""

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
from adapters.server.slots import CLIENT_SHARE, is_loopback
from pipeline import InvalidRequest, KireiError

MAX_HEADERS_S = 10.0  # from the first moment of a request to the end of its headers
MAX_UNREAD_S = 120.0  # a response that its client does not read is dropped
MAX_CONNECTIONS = 512  # or half of the open files that are allowed, if that is less
MAX_RESPONSES_S = 5  # for the present requests, when the server is told to stop
MAX_STOP_S = 9  # for everything then: the kernel ends what is left


class Connection(H11Protocol):
    """HTTP/1.1 on one connection. The overridden methods are those of asyncio.Protocol."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuses the connection if there are too many, of all or of this client."""
        super().connection_made(transport)
        self._timers: dict[str, asyncio.TimerHandle] = {}
        others = [cast(Connection, other)._host for other in self.connections if other is not self]
        maximum = _max_connections()
        share = 1 if is_loopback(self._host) else CLIENT_SHARE
        if len(others) >= maximum or others.count(self._host) >= share * maximum:
            message = "too many connections; try again later"
            self._end_with(TooManyRequests(message, limit=maximum))
        else:
            self._start_timer("headers", MAX_HEADERS_S)

    def data_received(self, data: bytes) -> None:
        """Limits the time of a request's headers."""
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._start_timer("headers", MAX_HEADERS_S)
        else:
            self._stop_timer("headers")

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the timers."""
        self._stop_timer("headers")
        self._stop_timer("unread")
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Limits the time of a client that does not read."""
        super().pause_writing()
        self._start_timer("unread", MAX_UNREAD_S)

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        self._stop_timer("unread")

    def send_400_response(self, msg: str) -> None:
        """Refuses what is not HTTP, in the shape that all errors have."""
        del msg  # h11's words for it may quote the request
        self._end_with(InvalidRequest("not a valid HTTP/1.1 request, or its headers are too long"))

    @property
    def _host(self) -> str:
        return self.client[0] if self.client else ""

    def _start_timer(self, name: str, timeout_s: float) -> None:
        """Ends the connection after a time, unless the timer is stopped.

        A timer that runs already goes on: bytes now and then do not reset it.
        """
        if name not in self._timers:
            self._timers[name] = self.loop.call_later(timeout_s, self.transport.abort)

    def _stop_timer(self, name: str) -> None:
        if name in self._timers:
            self._timers.pop(name).cancel()

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


def _max_connections() -> int:
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    unlimited = descriptors == resource.RLIM_INFINITY
    return MAX_CONNECTIONS if unlimited else min(MAX_CONNECTIONS, descriptors // 2)


def config(server: Server) -> uvicorn.Config:
    """Returns how uvicorn serves the application."""
    return uvicorn.Config(
        server,
        http=Connection,
        ws="none",
        lifespan="on",
        log_level="error",  # its warnings are about strangers' requests, one for each
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=MAX_HEADERS_BYTES,
        timeout_graceful_shutdown=MAX_RESPONSES_S,
    )


class _StoppingServer(uvicorn.Server):
    """Ends when it is told to, even if one of its threads does not."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        signal.alarm(MAX_STOP_S)
        super().handle_exit(sig, frame)


def run(config: uvicorn.Config, listener: socket.socket) -> None:
    """Serves until SIGTERM or Ctrl-C, and ends within MAX_STOP_S."""
    _StoppingServer(config).run(sockets=[listener])
