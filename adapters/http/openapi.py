"""The HTTP API in OpenAPI 3.1, made from the options, the statuses and the sidecar's schema.

python -m adapters.http.openapi > openapi.json

Powertools' own generator is not used, because it knows no body that is an image, and needs
pydantic.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from importlib.resources import files
from typing import Any

import pipeline
from adapters.errors import STATUSES
from adapters.http.options import Schema, kind_names, option_schemas
from adapters.http.request import FORM, JSON, UPLOAD_ID
from adapters.http.uploads import CONTENT_TYPE

PICTURES = ("image/jpeg", "image/png", "image/webp", "image/gif", "video/mp4", "video/webm")
DESCRIPTION = """Photographs into anime pictures. Send small photos to `/v1/stylise`: the picture \
is the response. Send large photos, and those that may take longer than 25 s, with the form that \
`/v1/uploads` returns, and ask `/v1/results/{id}` for the result: API Gateway ends a call after \
30 s and at 10 MB, Lambda at 6 MB each way."""


@cache
def schema_text() -> str:
    """Returns the text of openapi.json."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def document() -> Schema:
    """Returns the OpenAPI document."""
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
            "parameters": _parameters(),
        },
    }


# --- operations ---------------------------------------------------------------------------------


def _stylise() -> Schema:
    binary: Schema = {"schema": {}}
    photo = {"image": {"type": "string", "format": "binary"}}
    form = _object({**photo, **_options_as_text()}, ["image"])
    encoded = _text(contentEncoding="base64")
    inline = _object({"image_base64": encoded, **option_schemas()}, ["image_base64"])
    uploaded = _object({"upload_id": _id(), **option_schemas()}, ["upload_id"])
    fingerprint = {
        "description": "SHA-256 of everything that decides the picture: equal means the same one",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    }
    picture = {
        "description": "The picture; with Accept: application/json, its sidecar with output.url",
        "headers": {"x-kirei-fingerprint": fingerprint},
        "content": {
            **dict.fromkeys(PICTURES, binary),
            JSON: {"schema": _ref("Sidecar")},
        },
    }
    elsewhere = {
        "description": "The picture is too large for the response and lies at Location",
        "headers": {"Location": _header(), "x-kirei-fingerprint": fingerprint},
        "content": {JSON: {"schema": _ref("Sidecar")}},
    }
    waiting = {
        "description": "An upload is being stylised; its result will be at Location",
        "headers": {"Location": _header()},
        "content": {JSON: {"schema": _accepted()}},
    }
    return {
        "operationId": "stylise",
        "summary": "Draw a photo or a clip",
        "parameters": _option_references(),
        "requestBody": {
            "required": True,
            "content": {
                "image/*": binary,
                "video/*": binary,
                "application/octet-stream": binary,
                FORM: {"schema": form},
                JSON: {"schema": {"oneOf": [inline, uploaded]}},
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
    fields = {
        "content_type": _text(pattern=f"^({CONTENT_TYPE.pattern})$"),
        "bytes": {"type": "integer", "minimum": 1, "description": "size of the photo"},
        **option_schemas(),
    }
    form = {
        "upload_id": _id(),
        "url": _text(description="POST a form here: these fields, then the photo as `file`"),
        "fields": {"type": "object", "additionalProperties": {"type": "string"}},
        "max_bytes": {"type": "integer"},
        "expires_s": {"type": "integer", "description": "seconds until the form expires"},
        "result_url": {"type": "string"},
    }
    return {
        "operationId": "offerUpload",
        "summary": "A form to send a photo with, which is then drawn automatically",
        "parameters": _option_references(),
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": _object(fields, ["content_type", "bytes"])}},
        },
        "responses": {
            "201": _response("The link", _object(form, list(form))),
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
        "stage": {"type": ["string", "null"], "description": "null where it is unknown"},
        "frames": {
            **_object({"done": {"type": "integer"}, "total": {"type": "integer"}}),
            "description": "of a clip that is drawn, where it is known: frames drawn, and in all",
        },
    }
    return {
        "operationId": "result",
        "summary": "What became of an upload",
        "parameters": [id_],
        "responses": {
            "200": _response("Done; the links expire", _object(done, list(done))),
            "202": {
                **_response("Not yet", _object(working, list(working))),
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
            "200": {**_response(summary, content), "headers": {"ETag": _header()}},
            "304": {"description": "Not modified since If-None-Match"},
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
            "304": {"description": "Not modified since If-None-Match"},
            **_errors(404, 413, 500),
        },
    }


def _health() -> Schema:
    health = {"status": {"const": "ok"}, "version": {"type": "string"}}
    return {
        "operationId": "health",
        "summary": "Whether the API is up",
        "security": [],
        "responses": {
            "200": _response("It is up", _object(health, list(health))),
            **_errors(413, 500),
        },
    }


# --- schemas ------------------------------------------------------------------------------------


def _styles() -> Schema:
    style = {
        "name": {"type": "string"},
        "title": {"type": "string"},
        "description": {"type": "string"},
        "licence": {"type": "string", "description": "the licence of the style itself"},
        "terms": {
            "type": "array",
            "items": _ref("Terms"),
            "description": "terms of a picture with all other options at their defaults",
        },
        "thumbnail": {"type": ["string", "null"]},
    }
    listed = {"type": "array", "items": _object(style, list(style))}
    return _object({"styles": listed, "default": {"type": "string"}}, ["styles", "default"])


def _options() -> Schema:
    option = {
        "name": {"type": "string"},
        "kind": {"enum": kind_names()},
        "default": {"type": ["string", "number"]},
        "range": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
        "values": {"type": "array", "items": {"type": "string"}},
        "words": {
            "type": "array",
            "items": {"type": "string"},
            "description": "words that are accepted in place of a number",
        },
        "about": {"type": "string"},
    }
    named = ["name", "kind", "default", "about"]
    fields = {
        "options": {"type": "array", "items": _object(option, named)},
        "permanent_errors": {
            "type": "array",
            "items": {"enum": list(STATUSES)},
            "description": "codes of errors that the same photo with the same options always meets",
        },
        "clips": {"type": "boolean", "description": "whether clips can be read here"},
    }
    return _object(fields, list(fields))


def _options_as_text() -> Schema:
    return {name: {"type": "string"} for name in option_schemas()}


def _option_references() -> list[Schema]:
    return [{"$ref": f"#/components/parameters/{name}"} for name in option_schemas()]


def _parameters() -> Schema:
    return {
        name: {"name": name, "in": "query", "schema": schema}
        for name, schema in option_schemas().items()
    }


def _accepted() -> Schema:
    accepted = {
        "id": _id(),
        "status": {"const": "waiting"},
        "result_url": {"type": "string"},
    }
    return _object(accepted, list(accepted))


def _error() -> Schema:
    fields = {
        "code": {"enum": list(STATUSES)},
        "message": {"type": "string"},
        "stage": {"type": "string"},
        "measured": {"type": ["string", "number", "null"]},
        "limit": {"type": ["string", "number", "null"]},
        "request_id": {"type": "string"},
    }
    return _object({"error": _object(fields, list(fields))}, ["error"])


def _errors(*statuses: int) -> Schema:
    responses = {}
    for status in (*statuses, 405):
        codes = ", ".join(f"`{code}`" for code, known in STATUSES.items() if known == status)
        responses[str(status)] = _response(codes, _ref("Error"))
    return dict(sorted(responses.items()))


def _sidecar() -> Schema:
    """The sidecar's own schema, its parts moved to where OpenAPI keeps them."""
    text = (files("pipeline") / "sidecar.schema.json").read_text()
    text = text.replace("#/$defs/", "#/components/schemas/")
    schema: Schema = json.loads(text)
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


def _response(description: str, schema: Schema) -> Schema:
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
