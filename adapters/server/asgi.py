"""The HTTP API over ASGI: requests become events, and no more of them than there is room for."""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext

from adapters.clips import VIDEO, max_bytes
from adapters.errors import Forbidden, TooManyRequests
from adapters.http.api import Api
from adapters.http.request import JSON, MAX_FIELDS_BYTES
from adapters.server.body import Body, ClientGone, Message, Receive
from adapters.server.local_worker import LocalWorker
from adapters.server.slots import Slots
from adapters.storage.links import UPLOADS
from pipeline import InvalidRequest, KireiError

Send = Callable[[Message], Awaitable[None]]

MAX_HEADERS_BYTES = 32_768  # of one request, with its path and query
MAX_QUERY_FIELDS = 100
STOP_S = 2.0  # for photos that are being drawn, once nobody waits for a response any more
DRAWN_HERE = ("/v1/stylise", "/v1/colour")  # in the worker's threads; an upload's turn comes later


@dataclass(frozen=True)
class Head:
    """A request before its body: ASGI's scope, the headers, an id, and the client's address."""

    scope: Message
    headers: dict[str, str]
    request_id: str
    client: str

    @property
    def brings_photo(self) -> bool:
        """Whether the body is a photo."""
        brings = (*DRAWN_HERE, UPLOADS)
        return self.scope["method"] == "POST" and self.scope["path"].startswith(brings)


class Server:
    """An ASGI application.

    Photos are drawn in the worker's threads. Everything else is done in a few other threads, so
    that results can be asked for while photos are drawn.

    Nothing costs before it is allowed: the headers say who sends a request, where to and how much,
    and no byte of the body is read before all of that is checked.

    Attributes:
        slots: What is held for each client.

    Args:
        api: Handles the requests.
        worker: Draws the photos.
        hosts: The names by which the server may be called; None for any. They tell apart a page of
            another site that lets its own name point to this machine's address.
    """

    def __init__(self, api: Api, worker: LocalWorker, hosts: frozenset[str] | None) -> None:
        self.slots = Slots()
        self._api = api
        self._worker = worker
        self._hosts = hosts
        self._light_threads = ThreadPoolExecutor(4, thread_name_prefix="light")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serves a request, or the lifespan of the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._worker.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        # what is being drawn gets a moment; what waits lies in the folder, for the next start
        await asyncio.to_thread(self._worker.stop, STOP_S)
        self._light_threads.shutdown(wait=False, cancel_futures=True)
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        client = (scope.get("client") or ("",))[0]
        head = Head(scope, _headers(scope), uuid.uuid4().hex, client)
        body = Body(receive, self._max_body_bytes(head), self.slots, client)
        error: KireiError
        try:
            event = self._admit(head, body)
            event["body"] = await body.read()
            if head.brings_photo:  # there may be less room than when it began to arrive
                self.slots.check(client, self._worker.waiting)
            response = await self._respond(event, head)
        except ClientGone:
            return
        except KireiError as caught:
            error = caught
        except asyncio.CancelledError:  # the server was told to stop, and this took too long
            error = TooManyRequests("the server is stopping; send it again later")
            body.abandon()
        else:
            await _send(response, send)
            return
        finally:
            body.close()
        await _refuse(self._api.refuse(error, head.request_id), body, send)

    def _admit(self, head: Head, body: Body) -> dict[str, Any]:
        """The event of a request whose body may come. Raises KireiError if it may not."""
        _check_headers_size(head.scope)
        self._check_caller(head.scope["method"], head.headers)
        body.check_length(head.headers.get("content-length", ""))
        event = _event(head)
        self._api.admit(event)
        if head.brings_photo:
            self.slots.check(head.client, self._worker.waiting)
        return event

    async def _respond(self, event: dict[str, Any], head: Head) -> dict[str, Any]:
        threads = self._worker.threads if event["rawPath"] in DRAWN_HERE else self._light_threads
        if head.brings_photo:
            self.slots.take(head.client)
        try:
            return await asyncio.get_running_loop().run_in_executor(threads, self._handle, event)
        finally:
            if head.brings_photo:
                self.slots.release(head.client)

    def _handle(self, event: dict[str, Any]) -> dict[str, Any]:
        """Runs in a thread: the photo's time begins when its turn comes."""
        return self._api.handle(event, LambdaContext(), self._worker.deadline())

    def _check_caller(self, method: str, headers: dict[str, str]) -> None:
        """Raises Forbidden for a call by another name, or from a page of another site."""
        host = headers.get("host", "")
        if self._hosts is not None and _hostname(host) not in self._hosts:
            raise Forbidden(f"this server is not called {host!r}", measured=host)
        origin = headers.get("origin")
        if origin is not None and method != "GET" and _netloc(origin) != host:
            raise Forbidden(f"a page of {origin!r} may not call this server", measured=origin)

    def _max_body_bytes(self, head: Head) -> int:
        """Limit of the body; the photo's own limit is checked later."""
        if not head.brings_photo:
            return MAX_FIELDS_BYTES
        content_type = head.headers.get("content-type", "").lower()
        is_upload = head.scope["path"].startswith(UPLOADS)
        limit = max_bytes(self._worker.pipeline.settings, VIDEO if is_upload else content_type)
        return (limit * 4 // 3 if content_type.startswith(JSON) else limit) + MAX_FIELDS_BYTES


def _hostname(host: str) -> str | None:
    """The name in a Host header; None if it has none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _netloc(origin: str) -> str | None:
    """The host and port in an Origin header; None if it has none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _check_headers_size(scope: Message) -> None:
    """Raises InvalidRequest for headers over the limit.

    uvicorn has the same limit, but applies it only to headers that are still incomplete.
    """
    size = len(scope.get("raw_path", b"")) + len(scope.get("query_string", b""))
    size += sum(len(name) + len(value) for name, value in scope["headers"])
    if size > MAX_HEADERS_BYTES:
        raise InvalidRequest(
            f"the request's headers have {size} bytes; the limit is {MAX_HEADERS_BYTES}",
            measured=size,
            limit=MAX_HEADERS_BYTES,
        )


def _headers(scope: Message) -> dict[str, str]:
    """Headers by name in lower case; repeated ones are joined, as API Gateway does."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def _event(head: Head) -> dict[str, Any]:
    """The event that API Gateway would send, in format 2.0, without its body.

    Raises InvalidRequest.
    """
    scope = head.scope
    text = scope.get("query_string", b"").decode("latin-1")
    try:
        fields = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS)
    except ValueError as error:
        raise InvalidRequest(
            f"the query has more than {MAX_QUERY_FIELDS} fields", limit=MAX_QUERY_FIELDS
        ) from error
    query: dict[str, str] = {}
    for name, value in fields:
        query[name] = f"{query[name]},{value}" if name in query else value
    # uvicorn leaves the body out of a response to HEAD
    method = "GET" if scope["method"] == "HEAD" else scope["method"]
    return {
        "version": "2.0",
        "rawPath": scope["path"],
        "rawQueryString": text,
        "headers": head.headers,
        "queryStringParameters": query,
        "requestContext": {
            "http": {"method": method, "path": scope["path"], "sourceIp": head.client},
            "requestId": head.request_id,
            "stage": "$default",
        },
        "body": b"",
        "isBase64Encoded": False,
    }


async def _refuse(response: Response[Any], body: Body, send: Send) -> None:
    """Responds at once, and then discards the rest of the body."""
    headers = {**response.headers, "Connection": "close"}
    content = str(response.body).encode()
    await send(_start(response.status_code, headers, len(content)))
    await send({"type": "http.response.body", "body": content, "more_body": True})
    await body.drain()
    await send({"type": "http.response.body", "body": b""})


async def _send(response: dict[str, Any], send: Send) -> None:
    body = response["body"] or ""
    content = base64.b64decode(body) if response["isBase64Encoded"] else body.encode()
    await send(_start(response["statusCode"], response["headers"], len(content)))
    await send({"type": "http.response.body", "body": content})


def _start(status: int, headers: Mapping[str, Any], length: int) -> Message:
    listed = [(name.lower().encode(), str(value).encode()) for name, value in headers.items()]
    if status not in (204, 304):
        listed.append((b"content-length", str(length).encode()))
    return {"type": "http.response.start", "status": status, "headers": listed}
