"""The HTTP API: its routes, over Powertools' resolver.

One class serves Lambda behind API Gateway and `kirei serve` (adapters/serve.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.utilities.typing import LambdaContext

import pipeline
from adapters import job_log
from adapters.direct import fits_answer
from adapters.errors import (
    STATUSES,
    InternalError,
    MethodNotAllowed,
    UnknownRoute,
    error_document,
    error_headers,
    permanent_codes,
)
from adapters.http.access import Access, docs_are_open, of_environment, to_all, warn_if_open
from adapters.http.pages import (
    A_DAY,
    A_WHILE,
    REVALIDATED,
    THUMBNAILS,
    Page,
    Pages,
    cached,
    page_headers,
    swagger,
)
from adapters.http.request import JSON, Request, checked_id
from adapters.http.resolver import ThreadedResolver
from adapters.http.uploads import Uploads, result_url
from adapters.worker import Worker, worker
from pipeline import KireiError, Misconfigured, Options

FINGERPRINT = "x-kirei-fingerprint"
POLL_AFTER_S = "1"
SERVICE_WORKER = "sw.js"
KINDS = {int: "integer", float: "number", str: "text"}

Handler = Callable[..., Response[Any]]


@dataclass(frozen=True)
class Route:
    """What lies at paths that match ``rule``, for those that ``access`` does not raise for."""

    method: str
    rule: re.Pattern[str]
    access: Access


class Api:
    """The routes. ``fits`` says whether a picture may be the answer itself."""

    def __init__(
        self,
        worker: Callable[[], Worker],
        access: Access,
        *,
        fits: Callable[[bytes], bool] = fits_answer,
        pages: Pages | None = None,
    ) -> None:
        self.worker = worker
        self._access = access
        self._fits = fits
        self._pages = pages or Pages()
        self._routes: list[Route] = []
        self._app = ThreadedResolver()
        self._app.exception_handler(KireiError)(self._told)
        self._app.exception_handler(Exception)(self._unforeseen)
        self._app.not_found(self._no_route)
        self.route("POST", "/v1/stylise", self._stylise)
        self.route("POST", "/v1/uploads", self._offer)
        self.route("GET", "/v1/results/<upload_id>", self._result)
        self.route("GET", "/v1/styles", self._styles)
        self.route("GET", "/v1/options", self._options)
        self.route("GET", "/v1/styles/<name>/thumbnail.jpg", self._thumbnail, access=to_all)
        self.route("GET", "/v1/health", self._health, access=to_all)
        self.route("GET", "/", self._page, access=to_all)
        self.route("GET", "/app/.+", self._file, access=to_all)
        self.route("GET", "/docs", self._docs, access=to_all)
        self.route("GET", "/docs/<name>", self._docs, access=to_all)
        self.route("GET", "/openapi.json", self._schema, access=to_all)

    def route(
        self, method: str, rule: str, handler: Handler, *, access: Access | None = None
    ) -> None:
        """Adds a route; ``access`` raises for who may not take it, instead of the API's own."""
        check = access or self._access

        # no annotation of what it returns: Powertools would make an OpenAPI schema of it
        def call(**arguments):  # type: ignore[no-untyped-def]
            request = self._request()
            check(request)
            return handler(request, **arguments)

        self._app.route(rule, method)(call)
        pattern = re.compile(re.sub(r"<\w+>", "[^/]+", rule))
        self._routes.append(Route(method, pattern, check))

    def admit(self, event: dict[str, Any]) -> None:
        """in: an event whose body is still to come. Raises what ``answer`` would answer to its
        path, its method or its sender: UnknownRoute, MethodNotAllowed, what the route's access
        raises.
        """
        request = Request(event, event["rawPath"])
        route = self._routes_at(request.path).get(request.method)
        if route is None:
            raise self._absent(request)
        route.access(request)

    def answer(self, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        """in: an event of an HTTP API in format 2.0; out: its response. Never raises."""
        response = self._app.resolve(event, context)
        headers = response["headers"]
        headers.setdefault("Cache-Control", "no-store")
        headers["X-Content-Type-Options"] = "nosniff"
        return response

    def uploads(self, request: Request) -> Uploads:
        """The uploads, in the bucket that the API's stage names. It stands there, and not in the
        environment, because the bucket, which calls the function, must be made after it.
        """
        bucket = request.variables.get("input_bucket")
        if not bucket:
            raise Misconfigured("the stage variable input_bucket is not set: there are no uploads")
        return Uploads(self.worker(), bucket)

    def _request(self) -> Request:
        event = self._app.current_event
        return Request(event.raw_event, event.path)

    # --- photos ---------------------------------------------------------------------------------

    def _stylise(self, request: Request) -> Response[Any]:
        """The picture; or, asked for JSON, its sidecar with the picture's location."""
        with job_log.entry():  # whatever is wrong with it: somebody who may sent a photo
            return self._stylised(request)

    def _stylised(self, request: Request) -> Response[Any]:
        worker = self.worker()
        asked = request.asked(worker.pipeline.settings.max_input_bytes)
        if asked.data is None:
            result_id = self.uploads(request).stylise(str(asked.upload_id), asked.named)
            url = result_url(result_id)
            document = {"id": result_id, "status": "waiting", "result_url": url}
            return _json(202, document, Location=url)
        options = asked.options
        if request.wants_json:
            sidecar = worker.kept(asked.data, options)
            return _json(200, sidecar, **{FINGERPRINT: sidecar["fingerprint"]})
        result = worker.stylise(asked.data, options)
        headers = {FINGERPRINT: result.sidecar.fingerprint}
        if self._fits(result.image):
            return Response(200, result.sidecar.output.content_type, result.image, headers)
        sidecar = worker.keep(result)
        return _json(303, sidecar, **headers, Location=sidecar["output"]["url"])

    def _offer(self, request: Request) -> Response[Any]:
        asked = request.over_query(request.document())
        return _json(201, self.uploads(request).offer(asked))

    def _result(self, request: Request, upload_id: str) -> Response[Any]:
        result = self.uploads(request).result(checked_id(upload_id))
        if "error" in result:
            error = result["error"]
            # the record may be of a version that knew other codes
            status = STATUSES.get(error.get("code"), 422)
            return _json(status, {"error": error | {"request_id": request.id}})
        if result["status"] != "done":
            return _json(202, result, **{"Retry-After": POLL_AFTER_S})
        return _json(200, result)

    # --- what there is --------------------------------------------------------------------------

    def _styles(self, request: Request) -> Response[Any]:
        listed = []
        pipeline = self.worker().pipeline
        for style in pipeline.styles():
            drawn = self._pages.has(f"{THUMBNAILS}/{style.name}.jpg")
            listed.append(
                {
                    "name": style.name,
                    "title": style.title,
                    "description": style.description,
                    "licence": style.licence,
                    "terms": [asdict(terms) for terms in pipeline.terms(style.name)],
                    "thumbnail": f"/v1/styles/{style.name}/thumbnail.jpg" if drawn else None,
                }
            )
        return _cached_json(request, {"styles": listed, "default": Options().style})

    def _options(self, request: Request) -> Response[Any]:
        listed = []
        kinds = Options.kinds()
        for item in fields(Options):
            kind = "choice" if "values" in item.metadata else KINDS[kinds[item.name]]
            about = {"name": item.name, "kind": kind, "default": item.default}
            listed.append(about | dict(item.metadata))
        return _cached_json(request, {"options": listed, "permanent_errors": permanent_codes()})

    def _thumbnail(self, request: Request, name: str) -> Response[Any]:
        return cached(request, self._pages.file(f"{THUMBNAILS}/{name}.jpg"), A_DAY)

    def _health(self, request: Request) -> Response[Any]:
        return _json(200, {"status": "ok", "version": pipeline.VERSION})

    # --- pages ----------------------------------------------------------------------------------

    def _page(self, request: Request) -> Response[Any]:
        return self._of_web(request, "index.html")

    def _file(self, request: Request) -> Response[Any]:
        return self._of_web(request, request.path.removeprefix("/app/"))

    def _of_web(self, request: Request, name: str) -> Response[Any]:
        page = self._pages.file(name)
        # what a browser runs by itself; of scripts, styles and pictures it obeys the page's policy
        is_document = name.endswith((".html", ".svg")) or name == SERVICE_WORKER
        headers = page_headers(self._origins(request)) if is_document else {}
        return cached(request, page, REVALIDATED, **headers)

    def _origins(self, request: Request) -> tuple[str, ...]:
        """Where the page sends photos to and has pictures from, beside here."""
        worker = self.worker()
        buckets = {request.variables.get("input_bucket"), worker.adapter.output_bucket}
        found = set()
        for bucket in buckets - {None, ""}:
            link = urlsplit(worker.store.presigned_url(str(bucket), "any", 60))
            if link.netloc:  # else it is a path here
                found.add(f"{link.scheme}://{link.netloc}")
        return tuple(sorted(found))

    def _docs(self, request: Request, name: str = "") -> Response[Any]:
        if not docs_are_open():
            raise UnknownRoute("the documentation is switched off here (API_DOCS)")
        return cached(request, swagger(name), A_DAY, **page_headers((), is_swagger=True))

    def _schema(self, request: Request) -> Response[Any]:
        if not docs_are_open():
            raise UnknownRoute("the documentation is switched off here (API_DOCS)")
        from adapters.http.openapi import schema_text

        return cached(request, Page(schema_text().encode(), JSON, True), A_WHILE)

    # --- what goes wrong ------------------------------------------------------------------------

    def refused(
        self, error: KireiError, request_id: str, cause: Exception | None = None
    ) -> Response[Any]:
        """The answer that tells of an error, which is logged and counted; or its ``cause`` is."""
        with job_log.entry(is_job=False, request_id=request_id) as entry:
            entry.failed(cause or error)
        document = error_document(error, request_id)
        return _json(STATUSES[error.code], document, **error_headers(error))

    def _told(self, error: KireiError) -> Response[Any]:
        return self.refused(error, self._request().id)

    def _unforeseen(self, error: Exception) -> Response[Any]:
        """A fault of ours: the log has the traceback, the answer has not."""
        message = "something is broken here; the log has it under this request_id"
        return self.refused(InternalError(message), self._request().id, error)

    def _no_route(self, _: NotFoundError) -> Response[Any]:
        request = self._request()
        return self.refused(self._absent(request), request.id)

    def _routes_at(self, path: str) -> dict[str, Route]:
        """By method."""
        return {route.method: route for route in self._routes if route.rule.fullmatch(path)}

    def _absent(self, request: Request) -> KireiError:
        """What is said where no route is."""
        allowed = self._routes_at(request.path)
        if allowed and request.method not in allowed:
            known = ", ".join(allowed)
            message = f"{request.path} does not take {request.method}, but {known}"
            return MethodNotAllowed(message, measured=request.method, limit=known)
        return UnknownRoute(f"no route {request.method} {request.path}")


def _json(status: int, document: dict[str, Any], **headers: str) -> Response[Any]:
    # ASCII: a stranger's half of a character, which UTF-8 has no bytes for, is quoted, too
    return Response(status, JSON, json.dumps(document), headers)


def _cached_json(request: Request, document: dict[str, Any]) -> Response[Any]:
    return cached(request, Page(json.dumps(document).encode(), JSON, True), A_WHILE)


@cache
def api() -> Api:
    """The API of this process in Lambda."""
    warn_if_open()
    return Api(lambda: worker(), of_environment)


def answer(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """in: an event of an HTTP API in format 2.0; out: its response. Never raises."""
    with job_log.entry(is_job=False, correlation_id=event["requestContext"].get("requestId")):
        return api().answer(event, context)
