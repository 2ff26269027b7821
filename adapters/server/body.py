"""The body of a request to a server of ours, read no further and no longer than allowed."""

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

# A body that does not end brings this much in each pause: 6.5 kB/s, a tenth of a slow phone's.
# Without a least rate one byte now and then would keep a connection, and its memory, for ever.
PAUSE_S, LEAST_BYTES = 10.0, 65_536
BODY_S = 600.0  # for all of it: 50 MB at 87 kB/s
DRAIN_S, DRAIN_BYTES = 2, 64 * 1024 * 1024
MAX_LENGTH_DIGITS = 18


class ClientGone(Exception):
    """Nobody is there to hear the answer."""


class Body:
    """One body, whose bytes are counted in ``slots`` for ``client`` until ``close``."""

    def __init__(self, receive: Receive, most_bytes: int, slots: Slots, client: str) -> None:
        self._receive = receive
        self._most_bytes = most_bytes
        self._slots = slots
        self._client = client
        self._is_read = False
        self._held_bytes = 0

    def check_length(self, announced: str) -> None:
        """in: the header Content-Length. Raises TooManyBytes; one that is no number is left to
        what is counted.
        """
        if announced.isascii() and announced.isdecimal():
            digits = announced.lstrip("0")[: MAX_LENGTH_DIGITS + 1]
            self._bound(int(digits or "0"))

    async def read(self) -> bytes:
        """All of it. Raises TooManyBytes and TooManyRequests as soon as it is known, RequestTimeout
        for a sender that is too slow, ClientGone.
        """
        content = bytearray()
        try:
            async with asyncio.timeout(BODY_S):
                while not self._is_read:
                    await self._read_some(content)
        except TimeoutError as error:
            raise RequestTimeout(
                f"the body is not here after {BODY_S:g} s", measured=len(content)
            ) from error
        return bytes(content)

    async def _read_some(self, content: bytearray) -> None:
        """At least LEAST_BYTES, or the end."""
        wanted = len(content) + LEAST_BYTES
        try:
            async with asyncio.timeout(PAUSE_S):
                while not self._is_read and len(content) < wanted:
                    content += await self._piece(len(content))
        except TimeoutError as error:
            raise RequestTimeout(
                f"fewer than {LEAST_BYTES} bytes came in {PAUSE_S:g} s", measured=len(content)
            ) from error

    async def _piece(self, before: int) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece: bytes = message.get("body", b"")
        self._is_read = not message.get("more_body", False)
        self._bound(before + len(piece))
        self._slots.hold(self._client, len(piece))
        self._held_bytes += len(piece)
        return piece

    def close(self) -> None:
        """Its bytes are held no more."""
        self._slots.let_go(self._client, self._held_bytes)
        self._held_bytes = 0

    def give_up(self) -> None:
        """Nothing more of it is looked at, not even to let it go by."""
        self._is_read = True

    async def drain(self) -> None:
        """Lets what still comes go by for a little while: a connection closed on a client that is
        still sending loses it the answer.
        """
        drained = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while not self._is_read and drained < DRAIN_BYTES:
                    message = await self._receive()
                    drained += len(message.get("body", b""))
                    self._is_read = not message.get("more_body", False)

    def _bound(self, size: int) -> None:
        if size > self._most_bytes:
            raise TooManyBytes(
                f"the body has {size} bytes or more; at most {self._most_bytes} are taken",
                stage="request",
                measured=size,
                limit=self._most_bytes,
            )
