"""The HTTP API in OpenAPI 3.1, made from the table of options, the statuses and the sidecar's own
schema; openapi.json in the repository is its text.

python -m adapters.http.openapi > openapi.json

Not made by Powertools, whose generator takes no body that is an image, and needs pydantic.
"""

from __future__ import annotations

import json
import sys
from dataclasses import fields
from functools import cache
from importlib.resources import files
from typing import Any

import pipeline
from adapters.errors import STATUSES
from adapters.http.request import FORM, JSON, UPLOAD_ID
from adapters.http.uploads import CONTENT_TYPE
from pipeline import Options

Schema = dict[str, Any]

PICTURES = ("image/jpeg", "image/png", "image/webp")
KINDS = {int: "integer", float: "number", str: "string"}
DESCRIPTION = """Photographs into anime pictures. Small photos go to `/v1/stylise` and come back \
in the answer. What is large, or may take longer than 25 s, is sent to the link that \
`/v1/uploads` gives, and its result is asked for under `/v1/results/{id}`: API Gateway ends a \
call after 30 s and at 10 MB, Lambda at 6 MB each way."""


@cache
def schema_text() -> str:
    """The document as the file holds it: two spaces of indent, a final newline."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def document() -> Schema:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Kirei",
            "version": pipeline.VERSION,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": {
            "/v1/stylise": {"post": _stylise()},
            "/v1/uploads": {"post": _uploads()},
            "/v1/results/{id}": {"get": _results()},
            "/v1/styles": {"get": _listing("styles", "The styles there are", _styles())},
            "/v1/styles/{name}/thumbnail.jpg": {"get": _thumbnail()},
            "/v1/options": {"get": _listing("options", "The options there are", _options())},
            "/v1/health": {"get": _health()},
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Error": _error(), "Sidecar": _sidecar(), **_sidecar_parts()},
            "parameters": dict(_parameters()),
        },
    }


# --- operations ---------------------------------------------------------------------------------


def _stylise() -> Schema:
    binary: Schema = {"schema": {}}
    form = _object({"image": {"type": "string", "format": "binary"}, **_as_text()}, ["image"])
    whole = _object({"image_base64": _text(contentEncoding="base64"), **_by_name()})
    later = _object({"upload_id": _id(), **_by_name()})
    whole["required"], later["required"] = ["image_base64"], ["upload_id"]
    fingerprint = {
        "description": "SHA-256 of all that decides the result: equal means the same picture",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    }
    picture = {
        "description": "The picture; asked for application/json, its sidecar with output.url",
        "headers": {"x-kirei-fingerprint": fingerprint},
        "content": {
            **dict.fromkeys(PICTURES, binary),
            JSON: {"schema": _ref("Sidecar")},
        },
    }
    elsewhere = {
        "description": "The picture is too large for the answer and lies at Location",
        "headers": {"Location": _header(), "x-kirei-fingerprint": fingerprint},
        "content": {JSON: {"schema": _ref("Sidecar")}},
    }
    waiting = {
        "description": "An upload is being stylised; the result will be at Location",
        "headers": {"Location": _header()},
        "content": {JSON: {"schema": _accepted()}},
    }
    return {
        "operationId": "stylise",
        "summary": "Draw a photo",
        "parameters": [
            {"$ref": f"#/components/parameters/{item.name}"} for item in fields(Options)
        ],
        "requestBody": {
            "required": True,
            "content": {
                "image/*": binary,
                "application/octet-stream": binary,
                FORM: {"schema": form},
                JSON: {"schema": {"oneOf": [whole, later]}},
            },
        },
        "responses": {
            "200": picture,
            "202": waiting,
            "303": elsewhere,
            **_errors(400, 401, 404, 408, 413, 415, 422, 429, 500, 503),
        },
    }


def _uploads() -> Schema:
    wanted = {
        "content_type": _text(pattern=f"^({CONTENT_TYPE.pattern})$"),
        "bytes": {"type": "integer", "minimum": 1, "description": "size of the photo"},
        **_by_name(),
    }
    offered = {
        "upload_id": _id(),
        "url": _text(description="POST a form here: these fields, then the photo as `file`"),
        "fields": {"type": "object", "additionalProperties": {"type": "string"}},
        "max_bytes": {"type": "integer"},
        "expires_s": {"type": "integer", "description": "the form is taken for so long"},
        "result_url": {"type": "string"},
    }
    return {
        "operationId": "offerUpload",
        "summary": "A link to send a photo to, which is then drawn by itself",
        "parameters": [
            {"$ref": f"#/components/parameters/{item.name}"} for item in fields(Options)
        ],
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": _object(wanted, ["content_type", "bytes"])}},
        },
        "responses": {
            "201": _answer("The link", _object(offered, list(offered))),
            **_errors(400, 401, 408, 413, 429, 500, 503),
        },
    }


def _results() -> Schema:
    id_ = {"name": "id", "in": "path", "required": True, "schema": _id()}
    done = {
        "id": _id(),
        "status": {"const": "done"},
        "image_url": {"type": "string"},
        "sidecar_url": {"type": "string"},
        "sidecar": _ref("Sidecar"),
    }
    working = {
        "id": _id(),
        "status": {"enum": ["waiting", "working"]},
        "stage": {"type": ["string", "null"], "description": "null where it is not known"},
    }
    return {
        "operationId": "result",
        "summary": "What became of an upload",
        "parameters": [id_],
        "responses": {
            "200": _answer("Done; the links expire", _object(done, list(done))),
            "202": {
                **_answer("Not yet", _object(working, list(working))),
                "headers": {"Retry-After": _header()},
            },
            **_errors(400, 401, 404, 408, 413, 415, 422, 429, 500, 503),
        },
    }


def _listing(name: str, summary: str, content: Schema) -> Schema:
    return {
        "operationId": name,
        "summary": summary,
        "responses": {
            "200": {**_answer(summary, content), "headers": {"ETag": _header()}},
            "304": {"description": "As in If-None-Match"},
            **_errors(401, 413, 500, 503),
        },
    }


def _thumbnail() -> Schema:
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "operationId": "thumbnail",
        "summary": "A sample of a style",
        "security": [],
        "parameters": [name],
        "responses": {
            "200": {"description": "A small picture", "content": {"image/jpeg": {"schema": {}}}},
            "304": {"description": "As in If-None-Match"},
            **_errors(404, 413, 500),
        },
    }


def _health() -> Schema:
    health = {"status": {"const": "ok"}, "version": {"type": "string"}}
    return {
        "operationId": "health",
        "summary": "Whether anyone is there",
        "security": [],
        "responses": {
            "200": _answer("Here", _object(health, list(health))),
            **_errors(413, 500),
        },
    }


# --- schemas ------------------------------------------------------------------------------------


def _styles() -> Schema:
    style = {
        "name": {"type": "string"},
        "title": {"type": "string"},
        "description": {"type": "string"},
        "licence": {"type": "string", "description": "the style's own"},
        "terms": {
            "type": "array",
            "items": _ref("Terms"),
            "description": "what a picture may carry with all other options as they are",
        },
        "thumbnail": {"type": ["string", "null"]},
    }
    listed = {"type": "array", "items": _object(style, list(style))}
    return _object({"styles": listed, "default": {"type": "string"}}, ["styles", "default"])


def _options() -> Schema:
    option = {
        "name": {"type": "string"},
        "kind": {"enum": ["number", "integer", "text", "choice"]},
        "default": {"type": ["string", "number"]},
        "range": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
        "values": {"type": "array", "items": {"type": "string"}},
        "words": {
            "type": "array",
            "items": {"type": "string"},
            "description": "what may stand in place of the number",
        },
        "about": {"type": "string"},
    }
    named = ["name", "kind", "default", "about"]
    listed = {
        "options": {"type": "array", "items": _object(option, named)},
        "permanent_errors": {
            "type": "array",
            "items": {"enum": list(STATUSES)},
            "description": "codes that the same photo with the same options would meet again",
        },
    }
    return _object(listed, list(listed))


def _by_name() -> Schema:
    return {item.name: _option(item) for item in fields(Options)}


def _as_text() -> Schema:
    return {name: {"type": "string"} for name in _by_name()}


def _option(item: Any) -> Schema:
    schema: Schema = {"type": KINDS[Options.kinds()[item.name]]}
    if "range" in item.metadata:
        schema["minimum"], schema["maximum"] = item.metadata["range"]
    if "values" in item.metadata:
        schema["enum"] = list(item.metadata["values"])
    if "words" in item.metadata:
        words = {"type": "string", "enum": list(item.metadata["words"])}
        schema = {"oneOf": [schema, words]}
    return {**schema, "default": item.default, "description": item.metadata["about"]}


def _parameters() -> list[tuple[str, Schema]]:
    return [
        (item.name, {"name": item.name, "in": "query", "schema": _option(item)})
        for item in fields(Options)
    ]


def _accepted() -> Schema:
    accepted = {
        "id": _id(),
        "status": {"const": "waiting"},
        "result_url": {"type": "string"},
    }
    return _object(accepted, list(accepted))


def _error() -> Schema:
    told = {
        "code": {"enum": list(STATUSES)},
        "message": {"type": "string"},
        "stage": {"type": "string"},
        "measured": {"type": ["string", "number", "null"]},
        "limit": {"type": ["string", "number", "null"]},
        "request_id": {"type": "string"},
    }
    return _object({"error": _object(told, list(told))}, ["error"])


def _errors(*statuses: int) -> Schema:
    answers = {}
    for status in (*statuses, 405):
        codes = ", ".join(f"`{code}`" for code, known in STATUSES.items() if known == status)
        answers[str(status)] = _answer(codes, _ref("Error"))
    return dict(sorted(answers.items()))


def _sidecar() -> Schema:
    """The sidecar's own schema, with its parts moved to where OpenAPI keeps them."""
    text = (files("pipeline") / "sidecar.schema.json").read_text()
    moved = text.replace("#/$defs/", "#/components/schemas/")
    schema: Schema = json.loads(moved)
    return {name: value for name, value in schema.items() if name not in ("$defs", "$schema")}


def _sidecar_parts() -> Schema:
    text = (files("pipeline") / "sidecar.schema.json").read_text()
    parts: Schema = json.loads(text.replace("#/$defs/", "#/components/schemas/"))["$defs"]
    return parts


def _object(properties: Schema, required: list[str] | None = None) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": required or [],
        "additionalProperties": False,
    }


def _answer(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {JSON: {"schema": schema}}}


def _text(**more: Any) -> Schema:
    return {"type": "string", **more}


def _header() -> Schema:
    return {"schema": {"type": "string"}}


def _id() -> Schema:
    return {"type": "string", "pattern": f"^{UPLOAD_ID.pattern}$"}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


if __name__ == "__main__":
    sys.stdout.write(schema_text())
