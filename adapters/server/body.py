"""The body of a request to `kirei serve`, read no further and no longer than allowed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from adapters.errors import RequestTimeout
from adapters.server.slots import Slots
from pipeline import TooManyBytes

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

# An unfinished body must bring so many bytes in each interval: 6.5 kB/s, a tenth of what a slow
# phone sends. Without a minimum, one byte now and then would hold a connection, and its memory.
RATE_INTERVAL_S, MIN_RATE_BYTES = 10.0, 65_536
MAX_BODY_S = 600.0  # for the whole body: 50 MB at 87 kB/s
MAX_DRAIN_S, MAX_DRAIN_BYTES = 2, 64 * 1024 * 1024
MAX_LENGTH_DIGITS = 18


class ClientGone(Exception):
    """The client closed the connection: nobody waits for the response."""


class Body:
    """One body, whose bytes count in ``slots`` for ``client`` until ``close``.

    Args:
        receive: ASGI's function for the next message.
        max_bytes: Limit of the body.
        slots: Counts the bytes.
        client: Who sends it.
    """

    def __init__(self, receive: Receive, max_bytes: int, slots: Slots, client: str) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._slots = slots
        self._client = client
        self._is_read = False
        self._held_bytes = 0

    def check_length(self, content_length: str) -> None:
        """Checks the header Content-Length, if it is a number. Raises TooManyBytes."""
        if content_length.isascii() and content_length.isdecimal():
            digits = content_length.lstrip("0")[: MAX_LENGTH_DIGITS + 1]
            self._check_size(int(digits or "0"))

    async def read(self) -> bytes:
        """Returns the whole body.

        Raises:
            TooManyBytes: As soon as that is known.
            TooManyRequests: Other requests fill the memory.
            RequestTimeout: The sender is too slow.
            ClientGone: The connection was closed.
        """
        content = bytearray()
        try:
            async with asyncio.timeout(MAX_BODY_S):
                while not self._is_read:
                    await self._read_some(content)
        except TimeoutError as error:
            raise RequestTimeout(
                f"the body did not arrive within {MAX_BODY_S:g} s", measured=len(content)
            ) from error
        return bytes(content)

    async def _read_some(self, content: bytearray) -> None:
        """Reads MIN_RATE_BYTES or more, or up to the end."""
        goal = len(content) + MIN_RATE_BYTES
        try:
            async with asyncio.timeout(RATE_INTERVAL_S):
                while not self._is_read and len(content) < goal:
                    content += await self._next_piece(len(content))
        except TimeoutError as error:
            raise RequestTimeout(
                f"fewer than {MIN_RATE_BYTES} bytes arrived in {RATE_INTERVAL_S:g} s",
                measured=len(content),
            ) from error

    async def _next_piece(self, size_before: int) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece: bytes = message.get("body", b"")
        self._is_read = not message.get("more_body", False)
        self._check_size(size_before + len(piece))
        self._slots.hold(self._client, len(piece))
        self._held_bytes += len(piece)
        return piece

    def close(self) -> None:
        """Stops counting the bytes."""
        self._slots.let_go(self._client, self._held_bytes)
        self._held_bytes = 0

    def abandon(self) -> None:
        """Reads nothing more, not even to discard it."""
        self._is_read = True

    async def drain(self) -> None:
        """Discards what still arrives, for a short time.

        A client that is still sending would lose the response if the connection was closed at once.
        """
        drained = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(MAX_DRAIN_S):
                while not self._is_read and drained < MAX_DRAIN_BYTES:
                    message = await self._receive()
                    drained += len(message.get("body", b""))
                    self._is_read = not message.get("more_body", False)

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self._max_bytes:
            raise TooManyBytes(
                f"the body has at least {size_bytes} bytes; the limit is {self._max_bytes}",
                stage="request",
                measured=size_bytes,
                limit=self._max_bytes,
            )
