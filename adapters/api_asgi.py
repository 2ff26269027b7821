"""The HTTP API on a server of ours: ASGI requests to events, and no more of them than there is
room for.
"""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext

from adapters.api_errors import Forbidden, RequestTimeout, TooManyRequests
from adapters.api_request import JSON, MARGIN_BYTES
from adapters.http import Api
from adapters.local import LocalWorker
from pipeline import KireiError, TooManyBytes

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_WAITING = 64  # photos that wait to be drawn, or are on their way here
MAX_HELD_BYTES = 512 * 1024 * 1024  # of bodies, all requests together
PAUSE_S = 30  # between two pieces of a body
DRAIN_S, DRAIN_BYTES = 2, 64 * 1024 * 1024
STYLISE, UPLOADS = "/v1/stylise", "/v1/uploads/"


class Server:
    """An ASGI application. Photos are drawn in the worker's threads, everything else is answered
    in a few others, so that a result can be asked for while photos are drawn.

    ``hosts``: the names by which it may be called, None for any. A page of another site that
    bends its own name to this machine's address is told apart by that.
    """

    def __init__(self, api: Api, worker: LocalWorker, hosts: frozenset[str] | None) -> None:
        self._api = api
        self._worker = worker
        self._hosts = hosts
        self._light = ThreadPoolExecutor(4, thread_name_prefix="light")
        self._photos = 0  # requests that bring a photo, from their first byte to the answer
        self._held_bytes = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            photo = scope["method"] == "POST" and scope["path"].startswith((STYLISE, UPLOADS))
            self._photos += photo
            try:
                await self._serve(scope, receive, send, photo)
            finally:
                self._photos -= photo

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._worker.resume()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        # what runs ends; what waits lies in the folder and is taken up by the next start
        self._worker.runs.shutdown(wait=True, cancel_futures=True)
        self._light.shutdown(wait=True)
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: Message, receive: Receive, send: Send, photo: bool) -> None:
        request_id = uuid.uuid4().hex
        headers = _headers(scope)
        body = Body(receive, self._most_bytes(scope, headers, photo))
        try:
            try:
                self._let_in(scope, headers, photo)
                async for piece in body.pieces(headers.get("content-length", "")):
                    self._held_bytes += len(piece)
                    if self._held_bytes > MAX_HELD_BYTES:
                        raise TooManyRequests("other requests fill the memory; try again")
            except KireiError as error:
                await body.refuse(self._api.refused(error, request_id), send)
                return
            event = _event(scope, headers, bytes(body.content), request_id)
            pool = self._worker.runs if scope["path"] == STYLISE else self._light
            loop = asyncio.get_running_loop()
            answer = await loop.run_in_executor(pool, self._api.answer, event, LambdaContext())
            await _send(answer, send)
        except ClientGone:
            return
        finally:
            self._held_bytes -= len(body.content)

    def _let_in(self, scope: Message, headers: dict[str, str], photo: bool) -> None:
        host = headers.get("host", "")
        if self._hosts is not None and urlsplit(f"//{host}").hostname not in self._hosts:
            raise Forbidden(f"this server does not answer for {host!r}", measured=host)
        origin = headers.get("origin")
        if origin is not None and scope["method"] != "GET" and urlsplit(origin).netloc != host:
            raise Forbidden(f"a page of {origin!r} may not call this server", measured=origin)
        if photo and self._photos + self._worker.waiting > MAX_WAITING:
            raise TooManyRequests(
                "too many photos wait already; try again",
                measured=self._photos + self._worker.waiting - 1,
                limit=MAX_WAITING,
            )

    def _most_bytes(self, scope: Message, headers: dict[str, str], photo: bool) -> int:
        """Of a body; that a photo itself is within its limit is looked at later."""
        if not photo:
            return MARGIN_BYTES
        most = self._worker.pipeline.settings.max_input_bytes
        is_json = headers.get("content-type", "").startswith(JSON)
        return (most * 4 // 3 if is_json else most) + MARGIN_BYTES


class ClientGone(Exception):
    """Nobody is there to hear the answer."""


class Body:
    """The body of a request, read piece by piece and never further than its limit."""

    def __init__(self, receive: Receive, most_bytes: int) -> None:
        self.content = bytearray()
        self._receive = receive
        self._most_bytes = most_bytes
        self._is_read = False

    async def pieces(self, announced: str) -> AsyncIterator[bytes]:
        """Raises TooManyBytes as soon as it is known, RequestTimeout, ClientGone."""
        if announced.isdecimal():
            self._bound(int(announced))
        while not self._is_read:
            try:
                message = await asyncio.wait_for(self._receive(), PAUSE_S)
            except TimeoutError as error:
                raise RequestTimeout(
                    f"nothing came for {PAUSE_S} s", measured=len(self.content)
                ) from error
            if message["type"] == "http.disconnect":
                raise ClientGone
            piece = message.get("body", b"")
            self._is_read = not message.get("more_body", False)
            self._bound(len(self.content) + len(piece))
            self.content += piece
            yield piece

    def _bound(self, size: int) -> None:
        if size > self._most_bytes:
            raise TooManyBytes(
                f"the body has {size} bytes or more; at most {self._most_bytes} are taken",
                stage="request",
                measured=size,
                limit=self._most_bytes,
            )

    async def refuse(self, answer: Response[Any], send: Send) -> None:
        """Answers at once, and then lets the rest of the body go by for a little while: a
        connection closed on a client that is still sending loses it the answer.
        """
        headers = {**answer.headers, "Connection": "close"}
        body = str(answer.body).encode()
        await send(_start(answer.status_code, headers, len(body)))
        await send({"type": "http.response.body", "body": body, "more_body": True})
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await self._drain()
        await send({"type": "http.response.body", "body": b""})

    async def _drain(self) -> None:
        drained = 0
        while not self._is_read and drained < DRAIN_BYTES:
            message = await self._receive()
            drained += len(message.get("body", b""))
            self._is_read = not message.get("more_body", False)


def _headers(scope: Message) -> dict[str, str]:
    """Names in lower case, those that came several times joined, as API Gateway does."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def _event(scope: Message, headers: dict[str, str], body: bytes, request_id: str) -> dict[str, Any]:
    """The event that API Gateway would send, in format 2.0, but for the body, which stays bytes."""
    text = scope.get("query_string", b"").decode("latin-1")
    query: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query else value
    # a server answers HEAD as it does GET, and leaves the body out
    method = "GET" if scope["method"] == "HEAD" else scope["method"]
    return {
        "version": "2.0",
        "rawPath": scope["path"],
        "rawQueryString": text,
        "headers": headers,
        "queryStringParameters": query,
        "requestContext": {
            "http": {"method": method, "path": scope["path"]},
            "requestId": request_id,
            "stage": "$default",
        },
        "body": body,
        "isBase64Encoded": False,
    }


async def _send(answer: dict[str, Any], send: Send) -> None:
    body = answer["body"] or ""
    content = base64.b64decode(body) if answer["isBase64Encoded"] else body.encode()
    await send(_start(answer["statusCode"], answer["headers"], len(content)))
    await send({"type": "http.response.body", "body": content})


def _start(status: int, headers: Mapping[str, Any], length: int) -> Message:
    listed = [(name.lower().encode(), str(value).encode()) for name, value in headers.items()]
    if status not in (204, 304):
        listed.append((b"content-length", str(length).encode()))
    return {"type": "http.response.start", "status": status, "headers": listed}
