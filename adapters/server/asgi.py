"""The HTTP API on a server of ours: ASGI requests to events, and no more of them than there is
room for.
"""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext

from adapters.errors import Forbidden, TooManyRequests
from adapters.http.api import Api
from adapters.http.request import JSON, MARGIN_BYTES
from adapters.server.body import Body, ClientGone, Message, Receive
from adapters.server.local_worker import LocalWorker
from adapters.server.slots import Slots
from pipeline import InvalidRequest, KireiError

Send = Callable[[Message], Awaitable[None]]

MAX_HEADERS_BYTES = 32_768  # of one request, its path and query with them
MAX_QUERY_FIELDS = 100
STOP_S = 2.0  # for photos in hand, once nobody waits for an answer any more
STYLISE, UPLOADS = "/v1/stylise", "/v1/uploads/"


class Server:
    """An ASGI application. Photos are drawn in the worker's threads, everything else is answered
    in a few others, so that a result can be asked for while photos are drawn.

    What a request costs, it costs only once it is allowed: its headers say who sends it, whereto
    and how much, and no byte of its body is read before all of that is checked. ``hosts``: the
    names by which it may be called, None for any. A page of another site that bends its own name to
    this machine's address is told apart by that.
    """

    def __init__(self, api: Api, worker: LocalWorker, hosts: frozenset[str] | None) -> None:
        self.slots = Slots()
        self._api = api
        self._worker = worker
        self._hosts = hosts
        self._light = ThreadPoolExecutor(4, thread_name_prefix="light")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._worker.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        # what runs has a moment to end; what waits lies in the folder, for the next start
        await asyncio.to_thread(self._worker.stop, STOP_S)
        self._light.shutdown(wait=False, cancel_futures=True)
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        request_id = uuid.uuid4().hex
        client = (scope.get("client") or ("",))[0]
        is_photo = scope["method"] == "POST" and scope["path"].startswith((STYLISE, UPLOADS))
        headers = _headers(scope)
        body = Body(receive, self._most_bytes(headers, is_photo), self.slots, client)
        error: KireiError
        try:
            event = self._allowed(scope, headers, body, request_id, client, is_photo)
            event["body"] = await body.read()
            if is_photo:  # there may be less room than when it began to come
                self.slots.check(client, self._worker.waiting)
            answer = await self._answer(event, client, is_photo)
        except ClientGone:
            return
        except KireiError as caught:
            error = caught
        except asyncio.CancelledError:  # told to stop, and it took too long
            error = TooManyRequests("the server is being stopped; send it again later")
            body.give_up()
        else:
            await _send(answer, send)
            return
        finally:
            body.close()
        await _refuse(self._api.refused(error, request_id), body, send)

    def _allowed(
        self,
        scope: Message,
        headers: dict[str, str],
        body: Body,
        request_id: str,
        client: str,
        is_photo: bool,
    ) -> dict[str, Any]:
        """The event of a request whose body may come. Raises what speaks against it."""
        _check_size(scope)
        self._check_caller(scope["method"], headers)
        body.check_length(headers.get("content-length", ""))
        event = _event(scope, headers, request_id, client)
        self._api.admit(event)
        if is_photo:
            self.slots.check(client, self._worker.waiting)
        return event

    async def _answer(self, event: dict[str, Any], client: str, is_photo: bool) -> dict[str, Any]:
        pool = self._worker.runs if event["rawPath"] == STYLISE else self._light
        if is_photo:
            self.slots.take(client)
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(pool, self._api.answer, event, LambdaContext())
        finally:
            if is_photo:
                self.slots.release(client)

    def _check_caller(self, method: str, headers: dict[str, str]) -> None:
        """Raises Forbidden for a call by another name, or from the page of another site."""
        host = headers.get("host", "")
        if self._hosts is not None and _hostname(host) not in self._hosts:
            raise Forbidden(f"this server does not answer for {host!r}", measured=host)
        origin = headers.get("origin")
        if origin is not None and method != "GET" and _netloc(origin) != host:
            raise Forbidden(f"a page of {origin!r} may not call this server", measured=origin)

    def _most_bytes(self, headers: dict[str, str], is_photo: bool) -> int:
        """Of a body; that a photo itself is within its limit is looked at later."""
        if not is_photo:
            return MARGIN_BYTES
        most = self._worker.pipeline.settings.max_input_bytes
        is_json = headers.get("content-type", "").startswith(JSON)
        return (most * 4 // 3 if is_json else most) + MARGIN_BYTES


def _hostname(host: str) -> str | None:
    """The name in a Host header; None where it is none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _netloc(origin: str) -> str | None:
    """The host, with its port, of an Origin header; None where it has none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _check_size(scope: Message) -> None:
    """Raises InvalidRequest for headers that are longer than uvicorn's own limit: it looks at what
    is still to be completed only.
    """
    size = len(scope.get("raw_path", b"")) + len(scope.get("query_string", b""))
    size += sum(len(name) + len(value) for name, value in scope["headers"])
    if size > MAX_HEADERS_BYTES:
        raise InvalidRequest(
            f"the request's headers have {size} bytes; at most {MAX_HEADERS_BYTES} are taken",
            measured=size,
            limit=MAX_HEADERS_BYTES,
        )


def _headers(scope: Message) -> dict[str, str]:
    """Names in lower case, those that came several times joined, as API Gateway does."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def _event(scope: Message, headers: dict[str, str], request_id: str, client: str) -> dict[str, Any]:
    """The event that API Gateway would send, in format 2.0, its body still empty: bytes follow.
    Raises InvalidRequest.
    """
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
    # a server answers HEAD as it does GET, and leaves the body out
    method = "GET" if scope["method"] == "HEAD" else scope["method"]
    return {
        "version": "2.0",
        "rawPath": scope["path"],
        "rawQueryString": text,
        "headers": headers,
        "queryStringParameters": query,
        "requestContext": {
            "http": {"method": method, "path": scope["path"], "sourceIp": client},
            "requestId": request_id,
            "stage": "$default",
        },
        "body": b"",
        "isBase64Encoded": False,
    }


async def _refuse(answer: Response[Any], body: Body, send: Send) -> None:
    """Answers at once, and then lets the rest of the body go by."""
    headers = {**answer.headers, "Connection": "close"}
    content = str(answer.body).encode()
    await send(_start(answer.status_code, headers, len(content)))
    await send({"type": "http.response.body", "body": content, "more_body": True})
    await body.drain()
    await send({"type": "http.response.body", "body": b""})


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
