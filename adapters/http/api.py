"""The HTTP API: its routes, over Powertools' resolver.

One class serves Lambda behind API Gateway and `kirei serve` (adapters/server/local_api.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache, partial
from typing import Any
from urllib.parse import urlsplit

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.utilities.typing import LambdaContext

from adapters import job_log
from adapters.clips import max_bytes
from adapters.deadline import Deadline
from adapters.direct import fits_response
from adapters.errors import (
    STATUSES,
    InternalError,
    MethodNotAllowed,
    UnknownRoute,
    error_document,
    error_headers,
    permanent_codes,
)
from adapters.http.access import Access, check_environment, docs_are_open, public, warn_if_open
from adapters.http.options import list_options
from adapters.http.request import JSON, Request, check_upload_id
from adapters.http.resolver import ThreadedResolver
from adapters.http.responses import (
    A_DAY,
    MINUTES,
    REVALIDATED,
    cached_file,
    cached_json,
    json_response,
    page_headers,
)
from adapters.http.static_files import THUMBNAILS, StaticFile, StaticFiles, swagger_file
from adapters.http.uploads import Uploads, result_url
from adapters.process import process_worker
from adapters.tasks import COLOUR, STYLISE
from adapters.worker import Worker
from pipeline import VERSION, ColourOptions, KireiError, Misconfigured, Options

FINGERPRINT = "x-kirei-fingerprint"
POLL_AFTER_S = "1"
SERVICE_WORKER = "sw.js"

RouteHandler = Callable[..., Response[Any]]


@dataclass(frozen=True)
class Route:
    """What lies at the paths that match ``pattern``; ``access`` raises for who may not call it."""

    method: str
    pattern: re.Pattern[str]
    access: Access


class Api:
    """The routes.

    Args:
        get_worker: Returns the worker; called once a request needs it.
        access: Raises for a call that is not allowed; public routes have another.
        fits: Tells whether a picture may be the response itself.
        static_files: The page and its files.
    """

    def __init__(
        self,
        get_worker: Callable[[], Worker],
        access: Access,
        *,
        fits: Callable[[bytes], bool] = fits_response,
        static_files: StaticFiles | None = None,
    ) -> None:
        self._get_worker = get_worker
        self._access = access
        self._fits = fits
        self._static_files = static_files or StaticFiles()
        self._routes: list[Route] = []
        self._resolver = ThreadedResolver()
        self._resolver.exception_handler(KireiError)(self._on_named_error)
        self._resolver.exception_handler(Exception)(self._on_unnamed_error)
        self._resolver.not_found(self._on_no_route)
        self.add_route("POST", "/v1/stylise", partial(self._order, task=STYLISE))
        self.add_route("POST", "/v1/colour", partial(self._order, task=COLOUR))
        self.add_route("POST", "/v1/uploads", self._create_upload)
        self.add_route("GET", "/v1/results/<upload_id>", self._result)
        self.add_route("GET", "/v1/styles", self._styles)
        self.add_route("GET", "/v1/palettes", self._palettes)
        self.add_route("GET", "/v1/options", self._options)
        self.add_route("GET", "/v1/styles/<name>/thumbnail.jpg", self._thumbnail, access=public)
        self.add_route("GET", "/v1/health", self._health, access=public)
        self.add_route("GET", "/", partial(self._page, name="index.html"), access=public)
        self.add_route("GET", "/colour", partial(self._page, name="colour.html"), access=public)
        self.add_route("GET", "/app/.+", self._page_file, access=public)
        self.add_route("GET", "/docs", self._docs, access=public)
        self.add_route("GET", "/docs/<name>", self._docs, access=public)
        self.add_route("GET", "/openapi.json", self._openapi, access=public)

    def add_route(
        self, method: str, rule: str, handler: RouteHandler, *, access: Access | None = None
    ) -> None:
        """Adds a route.

        Args:
            method: The HTTP method.
            rule: The path, with parameters as Powertools writes them.
            handler: Called with the Request and the parameters of the path.
            access: Raises for who may not call; the API's own check if None.
        """
        check = access or self._access

        # no annotation of the result: Powertools would make an OpenAPI schema of it
        def call(**arguments):  # type: ignore[no-untyped-def]
            request = self._request()
            check(request)
            return handler(request, **arguments)

        self._resolver.route(rule, method)(call)
        pattern = re.compile(re.sub(r"<\w+>", "[^/]+", rule))
        self._routes.append(Route(method, pattern, check))

    def admit(self, event: dict[str, Any]) -> None:
        """Checks path, method and sender of a request whose body has not arrived yet.

        Args:
            event: An event of an HTTP API in format 2.0.

        Raises:
            UnknownRoute: There is nothing at this path.
            MethodNotAllowed: The path has other methods.
            KireiError: Whatever the route's access raises.
        """
        request = Request(event, event["rawPath"])
        route = self._routes_at(request.path).get(request.method)
        if route is None:
            raise self._no_route_error(request)
        route.access(request)

    def handle(
        self, event: dict[str, Any], context: LambdaContext, deadline: Deadline
    ) -> dict[str, Any]:
        """Handles one request. Never raises.

        Args:
            event: An event of an HTTP API in format 2.0.
            context: Lambda's.
            deadline: When the response must be ready.

        Returns:
            The response.
        """
        self._resolver.context["deadline"] = deadline
        response = self._resolver.resolve(event, context)
        headers = response["headers"]
        headers.setdefault("Cache-Control", "no-store")
        headers["X-Content-Type-Options"] = "nosniff"
        return response

    def refuse(
        self, error: KireiError, request_id: str, cause: Exception | None = None
    ) -> Response[Any]:
        """Returns the response for an error, and logs the error, or its ``cause``."""
        with job_log.entry(is_job=False, request_id=request_id) as entry:
            entry.fail(cause or error)
        document = error_document(error, request_id)
        return json_response(STATUSES[error.code], document, **error_headers(error))

    def uploads(self, request: Request) -> Uploads:
        """Returns the uploads of the bucket that the API's stage names.

        The environment cannot name it, because the bucket, whose events call the function, is
        created after the function.
        """
        bucket = request.variables.get("input_bucket")
        if not bucket:
            raise Misconfigured("the stage variable input_bucket is not set: there are no uploads")
        worker = self._get_worker()
        return Uploads(worker, worker.open_bucket(bucket))

    def _request(self) -> Request:
        event = self._resolver.current_event
        return Request(event.raw_event, event.path, self._resolver.context["deadline"])

    # --- photos ---------------------------------------------------------------------------------

    def _order(self, request: Request, task: str) -> Response[Any]:
        """The picture; or, for a caller that accepts JSON, its sidecar with a link."""
        with job_log.entry():  # whatever is wrong with it, its sender may send photos
            return self._job(request, task)

    def _job(self, request: Request, task: str) -> Response[Any]:
        worker = self._get_worker()
        limit = max_bytes(worker.pipeline.settings, request.content_type)
        photo = request.order(limit, task)
        if photo.data is None:
            uploads = self.uploads(request)
            result_id = uploads.again(str(photo.upload_id), task, photo.options_by_name)
            url = result_url(result_id)
            document = {"id": result_id, "status": "waiting", "result_url": url}
            return json_response(202, document, Location=url)
        order = photo.order
        if request.wants_json:
            sidecar = worker.stylise_stored(photo.data, order, request.deadline)
            return json_response(200, sidecar, **{FINGERPRINT: sidecar["fingerprint"]})
        picture = worker.stylise(photo.data, order, deadline=request.deadline)
        headers = {FINGERPRINT: picture.fingerprint}
        if self._fits(picture.image):
            return Response(200, picture.content_type, picture.image, headers)
        sidecar = worker.store(picture)
        return json_response(303, sidecar, **headers, Location=sidecar["output"]["url"])

    def _create_upload(self, request: Request) -> Response[Any]:
        return json_response(201, self.uploads(request).create(request.document(), request.query))

    def _result(self, request: Request, upload_id: str) -> Response[Any]:
        result = self.uploads(request).result(check_upload_id(upload_id))
        if "error" in result:
            error = result["error"]
            # the record may be of a version that had other codes
            status = STATUSES.get(error.get("code"), 422)
            return json_response(status, {"error": error | {"request_id": request.id}})
        if result["status"] != "done":
            return json_response(202, result, **{"Retry-After": POLL_AFTER_S})
        return json_response(200, result)

    # --- what there is --------------------------------------------------------------------------

    def _styles(self, request: Request) -> Response[Any]:
        listed = []
        pipeline = self._get_worker().pipeline
        for style in pipeline.styles():
            has_thumbnail = f"{THUMBNAILS}/{style.name}.jpg" in self._static_files
            listed.append(
                {
                    "name": style.name,
                    "title": style.title,
                    "description": style.description,
                    "licence": style.licence,
                    "terms": [asdict(terms) for terms in pipeline.terms(style.name)],
                    "thumbnail": f"/v1/styles/{style.name}/thumbnail.jpg"
                    if has_thumbnail
                    else None,
                }
            )
        return cached_json(request, {"styles": listed, "default": Options().style})

    def _options(self, request: Request) -> Response[Any]:
        from pipeline import clips_available  # it brings in numpy, which a cold start does without

        document = {
            "options": list_options(Options),
            "permanent_errors": permanent_codes(),
            "clips": clips_available(),
        }
        return cached_json(request, document)

    def _palettes(self, request: Request) -> Response[Any]:
        palettes = self._get_worker().pipeline.palettes()
        document = {
            "palettes": [{"name": name, "colours": list(palettes[name])} for name in palettes],
            "options": list_options(ColourOptions),
            "permanent_errors": permanent_codes(),
        }
        return cached_json(request, document)

    def _thumbnail(self, request: Request, name: str) -> Response[Any]:
        return cached_file(request, self._static_files.read(f"{THUMBNAILS}/{name}.jpg"), A_DAY)

    def _health(self, _request: Request) -> Response[Any]:
        return json_response(200, {"status": "ok", "version": VERSION})

    # --- pages ----------------------------------------------------------------------------------

    def _page(self, request: Request, name: str) -> Response[Any]:
        return self._web_file(request, name)

    def _page_file(self, request: Request) -> Response[Any]:
        return self._web_file(request, request.path.removeprefix("/app/"))

    def _web_file(self, request: Request, name: str) -> Response[Any]:
        file = self._static_files.read(name)
        # what a browser runs by itself; of scripts, styles and pictures it obeys the page's policy
        is_document = name.endswith((".html", ".svg")) or name == SERVICE_WORKER
        headers = page_headers(self._origins(request)) if is_document else {}
        return cached_file(request, file, REVALIDATED, **headers)

    def _origins(self, request: Request) -> tuple[str, ...]:
        """The other origins that the page sends photos to and gets pictures from."""
        worker = self._get_worker()
        names = {request.variables.get("input_bucket"), worker.settings.output_bucket}
        origins = set()
        for name in names - {None, ""}:
            link = urlsplit(worker.open_bucket(str(name)).presigned_url("any", 60))
            if link.netloc:  # a link without a host leads to this server
                origins.add(f"{link.scheme}://{link.netloc}")
        return tuple(sorted(origins))

    def _docs(self, request: Request, name: str = "") -> Response[Any]:
        _check_docs_are_open()
        return cached_file(request, swagger_file(name), A_DAY, **page_headers((), is_swagger=True))

    def _openapi(self, request: Request) -> Response[Any]:
        _check_docs_are_open()
        from adapters.http.openapi import schema_text

        return cached_file(request, StaticFile(schema_text().encode(), JSON, True), MINUTES)

    # --- errors ---------------------------------------------------------------------------------

    def _on_named_error(self, error: KireiError) -> Response[Any]:
        return self.refuse(error, self._request().id)

    def _on_unnamed_error(self, error: Exception) -> Response[Any]:
        """A fault of Kirei's own: the log has the traceback, the response does not."""
        message = "internal error; see the log entry with this request_id"
        return self.refuse(InternalError(message), self._request().id, error)

    def _on_no_route(self, _: NotFoundError) -> Response[Any]:
        request = self._request()
        return self.refuse(self._no_route_error(request), request.id)

    def _routes_at(self, path: str) -> dict[str, Route]:
        """The routes at a path, by method."""
        return {route.method: route for route in self._routes if route.pattern.fullmatch(path)}

    def _no_route_error(self, request: Request) -> KireiError:
        routes = self._routes_at(request.path)
        if routes and request.method not in routes:
            methods = ", ".join(routes)
            message = f"{request.path} does not support {request.method}, only {methods}"
            return MethodNotAllowed(message, measured=request.method, limit=methods)
        return UnknownRoute(f"no route {request.method} {request.path}")


def _check_docs_are_open() -> None:
    if not docs_are_open():
        raise UnknownRoute("the documentation is switched off here (API_DOCS)")


@cache
def process_api() -> Api:
    """Returns the API of this process in Lambda."""
    warn_if_open()
    return Api(lambda: process_worker(), check_environment)


def handle(event: dict[str, Any], context: LambdaContext, deadline: Deadline) -> dict[str, Any]:
    """Handles one request in Lambda, see Api.handle. Never raises."""
    request_id = event["requestContext"].get("requestId")
    with job_log.entry(is_job=False, correlation_id=request_id):
        return process_api().handle(event, context, deadline)
