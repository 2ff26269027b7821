"""The options of a picture, as the HTTP API lists them and as JSON Schema describes them."""

from __future__ import annotations

from dataclasses import Field, fields
from typing import Any, NamedTuple

from pipeline import ColourOptions, Options

Schema = dict[str, Any]


class Kind(NamedTuple):
    """A kind of option: its name in /v1/options, and its type in JSON Schema."""

    name: str
    schema_type: str


KINDS = {
    float: Kind("number", "number"),
    int: Kind("integer", "integer"),
    str: Kind("text", "string"),
}
CHOICE = "choice"  # the name of a kind that has only certain values


def list_options(kind_of_options: type[Options | ColourOptions]) -> list[dict[str, Any]]:
    """Returns the options in order: name, kind, default, range or values, and one line about it."""
    listed = []
    for item in fields(kind_of_options):
        kind = CHOICE if "values" in item.metadata else _kind(kind_of_options, item).name
        listed.append(
            {"name": item.name, "kind": kind, "default": item.default} | dict(item.metadata)
        )
    return listed


def kind_names() -> list[str]:
    """Returns every name that a kind may have in ``list_options``."""
    return [*(kind.name for kind in KINDS.values()), CHOICE]


def option_schemas(
    kind_of_options: type[Options | ColourOptions] = Options,
) -> dict[str, Schema]:
    """Returns the JSON Schema of each option, by name."""
    return {item.name: _schema(kind_of_options, item) for item in fields(kind_of_options)}


def _schema(kind_of_options: type[Options | ColourOptions], item: Field[Any]) -> Schema:
    schema: Schema = {"type": _kind(kind_of_options, item).schema_type}
    if "range" in item.metadata:
        schema["minimum"], schema["maximum"] = item.metadata["range"]
    if "values" in item.metadata:
        schema["enum"] = list(item.metadata["values"])
    if "words" in item.metadata:
        words = {"type": "string", "enum": list(item.metadata["words"])}
        schema = {"oneOf": [schema, words]}
    return {**schema, "default": item.default, "description": item.metadata["about"]}


def _kind(kind_of_options: type[Options | ColourOptions], item: Field[Any]) -> Kind:
    return KINDS[kind_of_options.kinds()[item.name]]
