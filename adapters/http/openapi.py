"""The HTTP API in OpenAPI 3.1, made from the options, the statuses and the sidecar's schema.

python -m adapters.http.openapi > openapi.json

Powertools' own generator is not used, because it knows no body that is an image, and needs
pydantic.
"""

from __future__ import annotations

import json
import sys
from functools import cache

import pipeline
from adapters.errors import STATUSES
from adapters.http.options import Schema, kind_names
from adapters.http.request import FORM, JSON
from adapters.http.schemas import (
    accepted,
    error,
    errors,
    header,
    object_of,
    option_references,
    parameters,
    parts_of,
    reference,
    response,
    schemas_of,
    sidecar,
    sidecar_parts,
    text,
    upload_id,
)
from adapters.http.uploads import CONTENT_TYPE
from adapters.tasks import BASE64, COLOUR, COMPANIONS, OPTIONS, PART, STYLISE, TASK

PICTURES = ("image/jpeg", "image/png", "image/webp")
CLIPS = ("image/gif", "video/mp4", "video/webm")
LAYERED = ("image/tiff", "image/openraster")
SIDECARS = {"Sidecar": "sidecar.schema.json", "ColourSidecar": "colour.schema.json"}
SIDECAR_OF = {STYLISE: "Sidecar", COLOUR: "ColourSidecar"}
SUMMARIES = {STYLISE: "Draw a photo or a clip", COLOUR: "Colour a line drawing"}
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
                "Error": error(),
                **{name: sidecar(file) for name, file in SIDECARS.items()},
                **{
                    name: part
                    for file in SIDECARS.values()
                    for name, part in sidecar_parts(file).items()
                },
            },
            "parameters": parameters(),
        },
    }


# --- operations ---------------------------------------------------------------------------------


def _order(task: str) -> Schema:
    binary: Schema = {"schema": {}}
    options = schemas_of(task)
    companions = COMPANIONS if task == COLOUR else ()
    file = {"type": "string", "format": "binary"}
    as_text = {name: {"type": "string"} for name in options}
    form = object_of({"image": file, **dict.fromkeys(companions, file), **as_text}, ["image"])
    encoded = text(contentEncoding="base64")
    files = {name + BASE64: encoded for name in companions}
    inline = object_of({"image_base64": encoded, **files, **options}, ["image_base64"])
    parts = {name: upload_id() for name in companions}
    uploaded = object_of({"upload_id": upload_id(), **parts, **options}, ["upload_id"])
    fingerprint = {
        "description": "SHA-256 of everything that decides the picture: equal means the same one",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    }
    sidecar = reference(SIDECAR_OF[task])
    kinds = (*PICTURES, *(LAYERED if task == COLOUR else CLIPS))
    picture = {
        "description": "The picture; with Accept: application/json, its sidecar with output.url",
        "headers": {"x-kirei-fingerprint": fingerprint},
        "content": {**dict.fromkeys(kinds, binary), JSON: {"schema": sidecar}},
    }
    elsewhere = {
        "description": "The picture is too large for the response and lies at Location",
        "headers": {"Location": header(), "x-kirei-fingerprint": fingerprint},
        "content": {JSON: {"schema": sidecar}},
    }
    waiting = {
        "description": "An upload is being worked on; its result will be at Location",
        "headers": {"Location": header()},
        "content": {JSON: {"schema": accepted()}},
    }
    return {
        "operationId": task,
        "summary": SUMMARIES[task],
        "parameters": option_references(task),
        "requestBody": {
            "required": True,
            "content": {
                "image/*": binary,
                **({} if task == COLOUR else {"video/*": binary}),
                "application/octet-stream": binary,
                FORM: {"schema": form},
                JSON: {"schema": {"oneOf": [inline, uploaded]}},
            },
        },
        "responses": {
            "200": picture,
            "202": waiting,
            "303": elsewhere,
            **errors(400, 401, 404, 408, 413, 415, 422, 429, 500, 503),
        },
    }


def _uploads() -> Schema:
    fields = {
        "content_type": text(pattern=f"^({CONTENT_TYPE.pattern})$"),
        "bytes": {"type": "integer", "minimum": 1, "description": "size of the photo"},
    }
    of_tasks = [
        object_of(
            {**fields, TASK: {"const": task}, **parts_of(task), **schemas_of(task)},
            ["content_type", "bytes", *([TASK] if task != STYLISE else [])],
        )
        for task in OPTIONS
    ]
    part = object_of({**fields, TASK: {"const": PART}}, ["content_type", "bytes", TASK])
    form = {
        "upload_id": upload_id(),
        "url": text(description="POST a form here: these fields, then the photo as `file`"),
        "fields": {"type": "object", "additionalProperties": {"type": "string"}},
        "max_bytes": {"type": "integer"},
        "expires_s": {"type": "integer", "description": "seconds until the form expires"},
        "result_url": {"type": "string"},
    }
    return {
        "operationId": "offerUpload",
        "summary": "A form to send a photo with, which is then drawn automatically",
        "parameters": option_references(STYLISE),
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": {"oneOf": [*of_tasks, part]}}},
        },
        "responses": {
            "201": response("The link", object_of(form, list(form))),
            **errors(400, 401, 408, 413, 429, 500, 503),
        },
    }


def _results() -> Schema:
    id_ = {"name": "id", "in": "path", "required": True, "schema": upload_id()}
    done = {
        "id": upload_id(),
        "status": {"const": "done"},
        "image_url": {"type": "string"},
        "sidecar_url": {"type": "string"},
        "sidecar": {"oneOf": [reference(name) for name in SIDECARS]},
    }
    working = {
        "id": upload_id(),
        "status": {"enum": ["waiting", "working"]},
        "stage": {"type": ["string", "null"], "description": "null where it is unknown"},
        "frames": {
            **object_of({"done": {"type": "integer"}, "total": {"type": "integer"}}),
            "description": "of a clip that is drawn, where it is known: frames drawn, and in all",
        },
    }
    return {
        "operationId": "result",
        "summary": "What became of an upload",
        "parameters": [id_],
        "responses": {
            "200": response("Done; the links expire", object_of(done, list(done))),
            "202": {
                **response("Not yet", object_of(working, ["id", "status", "stage"])),
                "headers": {"Retry-After": header()},
            },
            **errors(400, 401, 404, 408, 413, 415, 422, 429, 500, 503),
        },
    }


def _listing(name: str, summary: str, content: Schema) -> Schema:
    return {
        "operationId": name,
        "summary": summary,
        "responses": {
            "200": {**response(summary, content), "headers": {"ETag": header()}},
            "304": {"description": "Not modified since If-None-Match"},
            **errors(401, 413, 500, 503),
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
            **errors(404, 413, 500),
        },
    }


def _health() -> Schema:
    health = {"status": {"const": "ok"}, "version": {"type": "string"}}
    return {
        "operationId": "health",
        "summary": "Whether the API is up",
        "security": [],
        "responses": {
            "200": response("It is up", object_of(health, list(health))),
            **errors(413, 500),
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
            "items": reference("Terms"),
            "description": "terms of a picture with all other options at their defaults",
        },
        "thumbnail": {"type": ["string", "null"]},
    }
    listed = {"type": "array", "items": object_of(style, list(style))}
    return object_of({"styles": listed, "default": {"type": "string"}}, ["styles", "default"])


def _options() -> Schema:
    clips = {"type": "boolean", "description": "whether clips can be read here"}
    return _with_permanent_errors({"options": _listed_options(), "clips": clips})


def _palettes() -> Schema:
    palette = {
        "name": {"type": "string"},
        "colours": {"type": "array", "items": text(pattern="^#[0-9a-f]{6}$")},
    }
    listed = {"type": "array", "items": object_of(palette, list(palette))}
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
    return {"type": "array", "items": object_of(option, named)}


def _with_permanent_errors(fields: Schema) -> Schema:
    codes = {
        "type": "array",
        "items": {"enum": list(STATUSES)},
        "description": "codes of errors that the same photo with the same options always meets",
    }
    fields = {**fields, "permanent_errors": codes}
    return object_of(fields, list(fields))


if __name__ == "__main__":
    sys.stdout.write(schema_text())
