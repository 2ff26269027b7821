"""A wire between the browser and the server that counts what comes over it."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

CHUNK_BYTES = 65_536


class Wire:
    """Forwards a local port to a server; ``received_bytes`` is what the server sent so far."""

    def __init__(self, server: str) -> None:
        parts = urlsplit(server)
        self._server = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._counting = threading.Lock()
        self.received_bytes = 0
        self.address = "http://127.0.0.1:{1}".format(*self._listener.getsockname())

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.close()
        for end in self._open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                browser, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._open += [browser, server]
                for ends in ((browser, server, False), (server, browser, True)):
                    threading.Thread(target=self._forward, args=ends, daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with suppress(OSError):  # one of the ends is gone
            while content := source.recv(CHUNK_BYTES):
                if counted:
                    with self._counting:
                        self.received_bytes += len(content)
                sink.sendall(content)
            sink.shutdown(socket.SHUT_WR)
