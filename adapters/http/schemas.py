"""JSON Schema for the OpenAPI document: its small parts, options, errors, sidecars."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from adapters.errors import STATUSES
from adapters.http.options import Schema, option_schemas
from adapters.http.request import JSON, UPLOAD_ID
from adapters.tasks import COLOUR, COMPANIONS, OPTIONS, STYLISE


def object_of(properties: Schema, required: list[str] | None = None) -> Schema:
    """An object with these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": required or [],
        "additionalProperties": False,
    }


def response(description: str, schema: Schema) -> Schema:
    """A response whose body is JSON."""
    return {"description": description, "content": {JSON: {"schema": schema}}}


def text(**more: Any) -> Schema:
    """A string, with more keywords of JSON Schema."""
    return {"type": "string", **more}


def header() -> Schema:
    """A header that is text."""
    return {"schema": {"type": "string"}}


def upload_id() -> Schema:
    """The id of an upload."""
    return {"type": "string", "pattern": f"^{UPLOAD_ID.pattern}$"}


def reference(name: str) -> Schema:
    """A reference to one of the components."""
    return {"$ref": f"#/components/schemas/{name}"}


def error() -> Schema:
    """The one shape that errors have."""
    fields = {
        "code": {"enum": list(STATUSES)},
        "message": {"type": "string"},
        "stage": {"type": "string"},
        "measured": {"type": ["string", "number", "null"]},
        "limit": {"type": ["string", "number", "null"]},
        "request_id": {"type": "string"},
    }
    return object_of({"error": object_of(fields, list(fields))}, ["error"])


def errors(*statuses: int) -> Schema:
    """The responses of these statuses, and of 405, with the codes that have them."""
    responses = {}
    for status in (*statuses, 405):
        codes = ", ".join(f"`{code}`" for code, known in STATUSES.items() if known == status)
        responses[str(status)] = response(codes, reference("Error"))
    return dict(sorted(responses.items()))


def sidecar(file: str) -> Schema:
    """A sidecar's own schema, its parts moved to where OpenAPI keeps them."""
    text = (files("pipeline") / file).read_text()
    text = text.replace("#/$defs/", "#/components/schemas/")
    schema: Schema = json.loads(text)
    return {name: value for name, value in schema.items() if name not in ("$defs", "$schema")}


def sidecar_parts(file: str) -> Schema:
    """The schemas that a sidecar's own refers to, by name."""
    text = (files("pipeline") / file).read_text()
    parts: Schema = json.loads(text.replace("#/$defs/", "#/components/schemas/"))["$defs"]
    return parts


def schemas_of(task: str) -> Schema:
    """The schemas of a task's options, by name, as JSON takes them."""
    schemas = option_schemas(OPTIONS[task])
    if "hints" in schemas:
        hints = schemas["hints"]
        number = {"oneOf": [{"type": "number"}, {"type": "string"}]}
        dot = object_of(
            {"x": number, "y": number, "colour": text(), "radius": number}, ["x", "y", "colour"]
        )
        schemas["hints"] = {
            "oneOf": [text(), {"type": "array", "items": dot}],
            "default": hints["default"],
            "description": hints["description"],
        }
    return schemas


def parts_of(task: str) -> Schema:
    """The ids of uploads that belong to an upload of this task."""
    return {name: upload_id() for name in COMPANIONS} if task == COLOUR else {}


def _parameter_name(task: str, option: str) -> str:
    return option if task == STYLISE else f"{task}_{option}"


def option_references(task: str) -> list[Schema]:
    """The parameters of a task's query."""
    return [
        {"$ref": f"#/components/parameters/{_parameter_name(task, name)}"}
        for name in option_schemas(OPTIONS[task])
    ]


def parameters() -> Schema:
    """The options of all tasks as parameters of a query, by name."""
    return {
        _parameter_name(task, name): {"name": name, "in": "query", "schema": schema}
        for task, options in OPTIONS.items()
        for name, schema in option_schemas(options).items()
    }


def accepted() -> Schema:
    """What is told of an upload that is being worked on."""
    fields = {
        "id": upload_id(),
        "status": {"const": "waiting"},
        "result_url": {"type": "string"},
    }
    return object_of(fields, list(fields))
