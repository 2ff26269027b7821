"""What is served as it lies there: the page and its files, thumbnails, the schema's page; and the
headers that let a browser keep answers and keep strangers out.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from aws_lambda_powertools.event_handler import Response

from adapters.errors import UnknownRoute
from adapters.http.bundle import bundle
from adapters.http.request import JSON, Request

WEB = Path(__file__).resolve().parents[2] / "web"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": JSON,
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
COMPRESSIBLE = {".css", ".html", ".js", ".json", ".svg", ".webmanifest"}
REVALIDATED = "no-cache"  # kept, but asked for again each time; the answer is mostly a 304
A_WHILE = "private, max-age=300"
A_DAY = "public, max-age=86400"
THUMBNAILS = "thumbnails"
BUNDLE = "bundle.js"  # all modules of the page as one file, put together when it is asked for

SWAGGER_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Kirei: HTTP API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css"></head>
<body><div id="swagger"></div>
<script src="/docs/swagger-ui.js"></script><script src="/docs/start.js"></script></body></html>
"""
SWAGGER_START = """"use strict";
SwaggerUIBundle({url: "/openapi.json", dom_id: "#swagger", deepLinking: true});
"""


@dataclass(frozen=True)
class Page:
    """The bytes of a file, its type, and whether it is worth compressing."""

    content: bytes
    content_type: str
    compressible: bool


class Pages:
    """The files of one folder, which are listed once: no other name is ever looked for."""

    def __init__(self, folder: Path = WEB) -> None:
        self._folder = folder

    @cached_property
    def _files(self) -> dict[str, Path]:
        found = {}
        for path in self._folder.rglob("*"):
            name = path.relative_to(self._folder)
            hidden = any(part.startswith(".") for part in name.parts)
            if path.suffix in TYPES and path.is_file() and not hidden:
                found[name.as_posix()] = path
        return found

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return name in self._files

    def file(self, name: str) -> Page:
        """in: a path below the folder, with slashes. Raises UnknownRoute."""
        if name == BUNDLE:
            return Page(bundle("main", self._module).encode(), TYPES[".js"], True)
        if name not in self._files:
            raise UnknownRoute(f"there is no file {name}")
        path = self._files[name]
        return Page(path.read_bytes(), TYPES[path.suffix], path.suffix in COMPRESSIBLE)

    def _module(self, name: str) -> str:
        return self._files[f"{name}.js"].read_text()


def swagger(name: str) -> Page:
    """Swagger UI, as Powertools brings it, so that nothing is asked of other hosts. Raises
    UnknownRoute.
    """
    if name == "":
        return Page(SWAGGER_PAGE.encode(), TYPES[".html"], True)
    if name == "start.js":
        return Page(SWAGGER_START.encode(), TYPES[".js"], True)
    bundled = {"swagger-ui.js": "swagger-ui-bundle.min.js", "swagger-ui.css": "swagger-ui.min.css"}
    if name not in bundled:
        raise UnknownRoute(f"there is no file {name}")
    # the package of these files is not imported: that would bring in pydantic
    folder = files("aws_lambda_powertools") / "event_handler" / "openapi" / "swagger_ui"
    content = (folder / bundled[name]).read_bytes()
    return Page(content, TYPES[f".{name.rpartition('.')[2]}"], True)


def cached(request: Request, page: Page, cache_control: str, **headers: str) -> Response[Any]:
    """The answer with an ETag; 304 without a body for whoever has just that."""
    tag = f'"{hashlib.sha256(page.content).hexdigest()[:32]}"'
    # weak: it is the same whether or not the bytes travel compressed
    headers = {"ETag": f"W/{tag}", "Cache-Control": cache_control, **headers}
    if page.compressible:
        headers["Vary"] = "Accept-Encoding"
    asked = request.headers.get("if-none-match", "").split(",")
    if {item.strip().removeprefix("W/") for item in asked} & {tag, "*"}:
        return Response(304, None, b"", headers)
    # JSON as text, for Powertools makes JSON of bytes that are called so
    is_text = page.compressible or page.content_type == JSON
    body = page.content.decode() if is_text else page.content
    return Response(200, page.content_type, body, headers, compress=page.compressible)


def page_headers(origins: tuple[str, ...], *, is_swagger: bool = False) -> dict[str, str]:
    """What a page may load and whom it may call: itself, and the buckets at these origins.
    Swagger UI, besides, writes styles into the page.
    """
    own = " ".join(("'self'", *origins))
    policy = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'" + (" 'unsafe-inline'" if is_swagger else ""),
        f"img-src {own} blob: data:",
        f"connect-src {own}",
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
