"""Responses: JSON, files that a browser keeps, and the headers that keep strangers out."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from aws_lambda_powertools.event_handler import Response

from adapters.http.request import JSON, Request
from adapters.http.static_files import StaticFile

# Values of Cache-Control.
REVALIDATED = "no-cache"  # kept, but checked each time; the response is mostly a 304
MINUTES = "private, max-age=300"
A_DAY = "public, max-age=86400"


def json_response(status: int, document: dict[str, Any], **headers: str) -> Response[Any]:
    """Returns a document as JSON in ASCII, in which half of a surrogate pair is escaped."""
    return Response(status, JSON, json.dumps(document), headers)


def cached_json(request: Request, document: dict[str, Any]) -> Response[Any]:
    """Returns a document that a browser may keep for some minutes."""
    return cached_file(request, StaticFile(json.dumps(document).encode(), JSON, True), MINUTES)


def cached_file(
    request: Request, file: StaticFile, cache_control: str, **headers: str
) -> Response[Any]:
    """Returns a file with an ETag.

    Args:
        request: May name the ETag that the browser already has.
        file: The file.
        cache_control: How long the browser may keep it.
        **headers: More headers.

    Returns:
        The file; 304 without a body if the browser has it.
    """
    tag = f'"{hashlib.sha256(file.content).hexdigest()[:32]}"'
    # weak, because it is the same whether or not the bytes travel compressed
    headers = {"ETag": f"W/{tag}", "Cache-Control": cache_control, **headers}
    if file.compressible:
        headers["Vary"] = "Accept-Encoding"
    known_tags = request.headers.get("if-none-match", "").split(",")
    if {item.strip().removeprefix("W/") for item in known_tags} & {tag, "*"}:
        return Response(304, None, b"", headers)
    # JSON is passed as text: Powertools would serialise bytes of that type once more
    is_text = file.compressible or file.content_type == JSON
    body = file.content.decode() if is_text else file.content
    return Response(200, file.content_type, body, headers, compress=file.compressible)


def page_headers(origins: tuple[str, ...], *, is_swagger: bool = False) -> dict[str, str]:
    """Returns the headers that restrict what a page may load and whom it may call.

    Args:
        origins: The buckets' origins, beside the page's own.
        is_swagger: Swagger UI also writes styles into its page.
    """
    allowed = " ".join(("'self'", *origins))
    policy = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'" + (" 'unsafe-inline'" if is_swagger else ""),
        f"img-src {allowed} blob: data:",
        f"media-src {allowed} blob:",
        f"connect-src {allowed}",
        "manifest-src 'self'",
        "worker-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Service-Worker-Allowed": "/",
    }
