"""The HTTP API: POST /v1/stylise and GET /v1/styles."""

from __future__ import annotations

import json
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.utilities.typing import LambdaContext

from adapters import journal
from adapters.direct import fits_answer
from adapters.events import decode_base64
from adapters.worker import worker
from pipeline import InvalidRequest, KireiError, Options

JSON = "application/json"
RETRY_AFTER_S = "5"
FINGERPRINT = "x-kirei-fingerprint"

# the one table of statuses, by the code of the error
STATUSES = {
    "invalid_request": 400,
    "unknown_event": 400,
    "invalid_option": 400,
    "unknown_style": 400,
    "empty_input": 400,
    "unknown_route": 404,
    "object_not_found": 404,
    "too_many_bytes": 413,
    "too_many_pixels": 413,
    "too_much_memory": 413,
    "not_an_image": 415,
    "truncated_image": 422,
    "extreme_aspect": 422,
    "too_costly": 422,
    "internal_error": 500,
    "misconfigured": 500,
    "store_unavailable": 503,
    "weights_invalid": 503,
    "engine_unavailable": 503,
    "out_of_time": 503,
    "decoder_lost": 503,
}

app = APIGatewayHttpResolver()


def answer(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """in: an event of an HTTP API in format 2.0; out: its response. Never raises."""
    with journal.entry(correlation_id=event["requestContext"].get("requestId")):
        return app.resolve(event, context)


# no return annotations on the routes: Powertools would make an OpenAPI schema of them, and cannot
@app.post("/v1/stylise")
def stylise():  # type: ignore[no-untyped-def]
    """The picture; or, asked for JSON, its sidecar with the picture's location."""
    data, options = _photo()
    if _wants_json():
        sidecar = worker().kept(data, options)
        return Response(200, JSON, _text(sidecar), {FINGERPRINT: sidecar["fingerprint"]})
    result = worker().stylise(data, options)
    headers = {FINGERPRINT: result.sidecar.fingerprint}
    if fits_answer(result.image):
        return Response(200, result.sidecar.output.content_type, result.image, headers)
    sidecar = worker().keep(result)
    return Response(303, JSON, _text(sidecar), headers | {"Location": sidecar["output"]["url"]})


@app.get("/v1/styles")
def styles():  # type: ignore[no-untyped-def]
    """The styles there are, with the licence of each one's pictures."""
    listed = [
        {"name": style.name, "title": style.title, "licence": style.licence}
        for style in worker().pipeline.styles()
    ]
    return Response(200, JSON, _text({"styles": listed}))


def _photo() -> tuple[bytes, Options]:
    """The photo's bytes and the options, from the query and, where the body is JSON, from it."""
    event = app.current_event
    content_type = event.headers.get("content-type", "").partition(";")[0].strip().lower()
    options: dict[str, Any] = dict(event.query_string_parameters)
    if content_type.startswith("multipart/"):
        raise InvalidRequest("send the photo as the body itself, or as JSON with image_base64")
    data = _body(event.body or "", bool(event.is_base64_encoded))
    if content_type != JSON:
        return data, Options.from_mapping(options)
    try:
        document = json.loads(data)
    except ValueError as error:
        raise InvalidRequest("the body is not JSON") from error
    if not isinstance(document, dict) or "image_base64" not in document:
        raise InvalidRequest("the body is a JSON object with image_base64")
    data = decode_base64(document.pop("image_base64"))
    return data, Options.from_mapping(options | document)


def _body(body: str, is_base64: bool) -> bytes:
    """The bytes that were sent. Not event.decoded_body: it takes every body for UTF-8 text.

    Local emulators of API Gateway may pass base64 without saying so: no photo is text that
    happens to be valid base64, and no JSON object is, so that such a body is taken for it.
    """
    try:
        return decode_base64(body)
    except InvalidRequest:
        if is_base64:
            raise
        return body.encode("utf-8", "replace")


def _wants_json() -> bool:
    accepted = app.current_event.headers.get("accept", "").split(",")
    return any(part.partition(";")[0].strip().lower() == JSON for part in accepted)


@app.exception_handler(KireiError)  # type: ignore[untyped-decorator]
def _told(error: KireiError) -> Response[str]:
    with journal.entry() as entry:
        entry.failed(error)
    headers = {"Retry-After": RETRY_AFTER_S} if STATUSES[error.code] == 503 else {}
    return _error(error.as_dict(), headers)


@app.not_found
def _no_route(_: NotFoundError) -> Response[str]:
    event = app.current_event
    message = f"no route {event.http_method} {event.path}"
    return _error({"code": "unknown_route", "message": message, "stage": "request"})


@app.exception_handler(Exception)  # type: ignore[untyped-decorator]
def _unforeseen(error: Exception) -> Response[str]:
    """A fault of ours: the log has the traceback, the answer has not."""
    with journal.entry() as entry:
        entry.failed(error)
    message = "something is broken here; the log has it under this request_id"
    return _error({"code": "internal_error", "message": message, "stage": "request"})


def _error(told: dict[str, Any], headers: dict[str, str] | None = None) -> Response[str]:
    request_id = app.current_event.request_context.request_id
    told = {"measured": None, "limit": None} | told | {"request_id": request_id}
    return Response(STATUSES[told["code"]], JSON, _text({"error": told}), headers)


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False)
