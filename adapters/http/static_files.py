"""Files that are served as they lie there: the page, its thumbnails, and Swagger UI."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path

from adapters.errors import UnknownRoute
from adapters.http.bundle import bundle
from adapters.http.request import JSON

WEB = Path(__file__).resolve().parents[2] / "web"
CONTENT_TYPES = {
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
THUMBNAILS = "thumbnails"
# all modules of a page as one file, built when it is requested, and the module that it begins with
BUNDLES = {"bundle.js": "main", "colour.bundle.js": "colour"}

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
class StaticFile:
    """The bytes of a file, its media type, and whether it is worth compressing."""

    content: bytes
    content_type: str
    compressible: bool


class StaticFiles:
    """The files of one folder. They are listed once, and no other name is ever opened."""

    def __init__(self, folder: Path = WEB) -> None:
        self._folder = folder

    @cached_property
    def _paths(self) -> dict[str, Path]:
        paths = {}
        for path in self._folder.rglob("*"):
            name = path.relative_to(self._folder)
            is_hidden = any(part.startswith(".") for part in name.parts)
            if path.suffix in CONTENT_TYPES and path.is_file() and not is_hidden:
                paths[name.as_posix()] = path
        return paths

    def __contains__(self, name: str) -> bool:
        return name in self._paths

    def read(self, name: str) -> StaticFile:
        """Returns a file by its path below the folder, with slashes. Raises UnknownRoute."""
        if name in BUNDLES:
            content = bundle(BUNDLES[name], self._module).encode()
            return StaticFile(content, CONTENT_TYPES[".js"], True)
        if name not in self._paths:
            raise UnknownRoute(f"there is no file {name}")
        path = self._paths[name]
        return StaticFile(
            path.read_bytes(), CONTENT_TYPES[path.suffix], path.suffix in COMPRESSIBLE
        )

    def _module(self, name: str) -> str:
        return self._paths[f"{name}.js"].read_text()


def swagger_file(name: str) -> StaticFile:
    """Returns a file of Swagger UI, as Powertools contains it: no other host is involved.

    Args:
        name: ``swagger-ui.js``, ``swagger-ui.css``, ``start.js``, or empty for the page.

    Raises:
        UnknownRoute: Another name.
    """
    if name == "":
        return StaticFile(SWAGGER_PAGE.encode(), CONTENT_TYPES[".html"], True)
    if name == "start.js":
        return StaticFile(SWAGGER_START.encode(), CONTENT_TYPES[".js"], True)
    bundled = {"swagger-ui.js": "swagger-ui-bundle.min.js", "swagger-ui.css": "swagger-ui.min.css"}
    if name not in bundled:
        raise UnknownRoute(f"there is no file {name}")
    # the package that holds these files is not imported, because that would import pydantic
    folder = files("aws_lambda_powertools") / "event_handler" / "openapi" / "swagger_ui"
    content = (folder / bundled[name]).read_bytes()
    return StaticFile(content, CONTENT_TYPES[f".{name.rpartition('.')[2]}"], True)
