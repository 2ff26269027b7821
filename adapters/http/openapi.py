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
from adapters.tasks import BASE64, COLOUR, COMPANIONS, OPTIONS, PART, STYLISE, TASK

PICTURES = ("image/jpeg", "image/png", "image/webp")
LAYERED = ("image/tiff", "image/openraster")
SIDECARS = {"Sidecar": "sidecar.schema.json", "ColourSidecar": "colour.schema.json"}
SIDECAR_OF = {STYLISE: "Sidecar", COLOUR: "ColourSidecar"}
SUMMARIES = {STYLISE: "Draw a photo", COLOUR: "Colour a line drawing"}
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
            "/v1/stylise": {"post": _order(STYLISE)},
            "/v1/colour": {"post": _order(COLOUR)},
            "/v1/uploads": {"post": _uploads()},
            "/v1/results/{id}": {"get": _results()},
            "/v1/styles": {"get": _listing("styles", "The styles there are", _styles())},
            "/v1/styles/{name}/thumbnail.jpg": {"get": _thumbnail()},
            "/v1/palettes": {
                "get": _listing(
                    "palettes", "The palettes of line drawings, their options", _palettes()
                )
            },
            "/v1/options": {"get": _listing("options", "The options there are", _options())},
            "/v1/health": {"get": _health()},
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Error": _error(),
                **{name: _sidecar(file) for name, file in SIDECARS.items()},
                **{
                    name: part
                    for file in SIDECARS.values()
                    for name, part in _sidecar_parts(file).items()
                },
            },
            "parameters": _parameters(),
        },
    }


# --- operations ---------------------------------------------------------------------------------


def _order(task: str) -> Schema:
    binary: Schema = {"schema": {}}
    options = _schemas(task)
    companions = COMPANIONS if task == COLOUR else ()
    file = {"type": "string", "format": "binary"}
    as_text = {name: {"type": "string"} for name in options}
    form = _object({"image": file, **dict.fromkeys(companions, file), **as_text}, ["image"])
    encoded = _text(contentEncoding="base64")
    files = {name + BASE64: encoded for name in companions}
    inline = _object({"image_base64": encoded, **files, **options}, ["image_base64"])
    parts = {name: _id() for name in companions}
    uploaded = _object({"upload_id": _id(), **parts, **options}, ["upload_id"])
    fingerprint = {
        "description": "SHA-256 of everything that decides the picture: equal means the same one",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    }
    sidecar = _ref(SIDECAR_OF[task])
    kinds = (*PICTURES, *(LAYERED if task == COLOUR else ()))
    picture = {
        "description": "The picture; with Accept: application/json, its sidecar with output.url",
        "headers": {"x-kirei-fingerprint": fingerprint},
        "content": {**dict.fromkeys(kinds, binary), JSON: {"schema": sidecar}},
    }
    elsewhere = {
        "description": "The picture is too large for the response and lies at Location",
        "headers": {"Location": _header(), "x-kirei-fingerprint": fingerprint},
        "content": {JSON: {"schema": sidecar}},
    }
    waiting = {
        "description": "An upload is being worked on; its result will be at Location",
        "headers": {"Location": _header()},
        "content": {JSON: {"schema": _accepted()}},
    }
    return {
        "operationId": task,
        "summary": SUMMARIES[task],
        "parameters": _option_references(task),
        "requestBody": {
            "required": True,
            "content": {
                "image/*": binary,
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
    }
    of_tasks = [
        _object(
            {**fields, TASK: {"const": task}, **_parts_of(task), **_schemas(task)},
            ["content_type", "bytes", *([TASK] if task != STYLISE else [])],
        )
        for task in OPTIONS
    ]
    part = _object({**fields, TASK: {"const": PART}}, ["content_type", "bytes", TASK])
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
        "parameters": _option_references(STYLISE),
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": {"oneOf": [*of_tasks, part]}}},
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
        "sidecar": {"oneOf": [_ref(name) for name in SIDECARS]},
    }
    working = {
        "id": _id(),
        "status": {"enum": ["waiting", "working"]},
        "stage": {"type": ["string", "null"], "description": "null where it is unknown"},
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
    return _with_permanent_errors({"options": _listed_options()})


def _palettes() -> Schema:
    palette = {
        "name": {"type": "string"},
        "colours": {"type": "array", "items": _text(pattern="^#[0-9a-f]{6}$")},
    }
    listed = {"type": "array", "items": _object(palette, list(palette))}
    return _with_permanent_errors({"palettes": listed, "options": _listed_options()})


def _listed_options() -> Schema:
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
    return {"type": "array", "items": _object(option, named)}


def _with_permanent_errors(fields: Schema) -> Schema:
    codes = {
        "type": "array",
        "items": {"enum": list(STATUSES)},
        "description": "codes of errors that the same photo with the same options always meets",
    }
    fields = {**fields, "permanent_errors": codes}
    return _object(fields, list(fields))


def _schemas(task: str) -> Schema:
    """The schemas of a task's options, by name, as JSON takes them."""
    schemas = option_schemas(OPTIONS[task])
    if "hints" in schemas:
        hints = schemas["hints"]
        number = {"oneOf": [{"type": "number"}, {"type": "string"}]}
        dot = _object(
            {"x": number, "y": number, "colour": _text(), "radius": number}, ["x", "y", "colour"]
        )
        schemas["hints"] = {
            "oneOf": [_text(), {"type": "array", "items": dot}],
            "default": hints["default"],
            "description": hints["description"],
        }
    return schemas


def _parts_of(task: str) -> Schema:
    """The ids of uploads that belong to an upload of this task."""
    return {name: _id() for name in COMPANIONS} if task == COLOUR else {}


def _parameter_name(task: str, option: str) -> str:
    return option if task == STYLISE else f"{task}_{option}"


def _option_references(task: str) -> list[Schema]:
    return [
        {"$ref": f"#/components/parameters/{_parameter_name(task, name)}"}
        for name in option_schemas(OPTIONS[task])
    ]


def _parameters() -> Schema:
    return {
        _parameter_name(task, name): {"name": name, "in": "query", "schema": schema}
        for task, options in OPTIONS.items()
        for name, schema in option_schemas(options).items()
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


def _sidecar(file: str) -> Schema:
    """A sidecar's own schema, its parts moved to where OpenAPI keeps them."""
    text = (files("pipeline") / file).read_text()
    text = text.replace("#/$defs/", "#/components/schemas/")
    schema: Schema = json.loads(text)
    return {name: value for name, value in schema.items() if name not in ("$defs", "$schema")}


def _sidecar_parts(file: str) -> Schema:
    text = (files("pipeline") / file).read_text()
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
