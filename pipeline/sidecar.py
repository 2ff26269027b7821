"""The JSON beside a picture, the JSON in place of one, and their schema.

python -m pipeline.sidecar > pipeline/sidecar.schema.json
python -m pipeline.sidecar colour > pipeline/colour.schema.json
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pipeline.clips.result import ClipSidecar
from pipeline.errors import MAX_TEXT, KireiError
from pipeline.lineart.result import ColourSidecar
from pipeline.origin import Origin
from pipeline.result import Sidecar
from pipeline.settings import CLIP_OPTIONS, MAX_NUMBER, ColourOptions, Options, shown

SCHEMA_VERSION = "1.2"


def fingerprint(
    pipeline_version: str,
    options: Options | ColourOptions,
    origin: Origin,
    companions: Mapping[str, bytes | None] | None = None,
) -> str:
    """SHA-256, in hexadecimal, of all that decides the result: equal means computed before.

    The version of an object is its version id, or its etag where the bucket has no versions.
    Options of clips count where they are not at their defaults: so what was drawn before they
    existed keeps its fingerprint.

    Args:
        pipeline_version: See ``Pipeline.version``.
        options: What the caller asked for.
        origin: Where the file came from.
        companions: Other files that have a part in the result, by their names; None for one that
            is not there.
    """
    version = origin.version_id or origin.etag
    chosen = {
        name: value
        for name, value in asdict(options).items()
        if name not in CLIP_OPTIONS or value != getattr(Options, name)
    }
    digests = [
        f"{name} {hashlib.sha256(file).hexdigest()}"
        for name, file in (companions or {}).items()
        if file is not None
    ]
    identity = [pipeline_version, origin.bucket, origin.key, version, chosen, *digests]
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def sidecar_document(sidecar: Sidecar | ColourSidecar) -> dict[str, Any]:
    """The sidecar as JSON has it: numbers with four decimals."""
    document: dict[str, Any] = _rounded(asdict(sidecar))
    return document


def failure_document(
    error: KireiError,
    *,
    pipeline_version: str,
    origin: Origin,
    style: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What is written, alone, for a photo that was refused.

    Args:
        error: Why.
        pipeline_version: See ``Pipeline.version``.
        origin: Where the photo came from.
        style: As the call gave it.
        options: As the call gave them.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "pipeline_version": pipeline_version,
        "source": asdict(origin),
        "style": _recorded(style),
        "options": {name: _recorded(value) for name, value in (options or {}).items()},
        "error": error.as_dict(),
    }


def to_json(document: Mapping[str, Any]) -> bytes:
    """UTF-8, two spaces of indent, a final newline.

    Half of a character, which UTF-8 has no bytes for, becomes JSON's escape for it.
    """
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace")


def to_json_line(document: Mapping[str, Any]) -> str:
    """The document on one line, for a log or JSON Lines."""
    return json.dumps(document, ensure_ascii=False)


def _recorded(value: Any) -> Any:
    """An option's value as JSON can hold it: untrusted input may be anything."""
    if isinstance(value, str):
        return value[:MAX_TEXT]
    is_number = isinstance(value, int | float) and -MAX_NUMBER < value < MAX_NUMBER
    return value if is_number or value is None else shown(value)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value


def schema(of: type[ClipSidecar] | type[ColourSidecar] = ClipSidecar) -> dict[str, Any]:
    """The JSON Schema of a sidecar, made from the dataclasses; needs pydantic (extra dev).

    A clip's sidecar is a photo's with ``clip`` beside it.
    """
    from pydantic import TypeAdapter

    document = TypeAdapter(of).json_schema(mode="serialization")
    if of is ClipSidecar:
        document["required"].remove("clip")
        _describe(document)
        document["description"] = (
            "The JSON beside every picture and, with `clip` in it, beside every clip."
        )
    for definition in document["$defs"].values():
        _describe(definition)
    return document | {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Kirei sidecar" if of is ClipSidecar else "Kirei sidecar of a coloured drawing",
    }


def _describe(definition: dict[str, Any]) -> None:
    """Moves what a docstring says of the attributes to the properties themselves."""
    summary, _, attributes = definition.get("description", "").partition("\n\nAttributes:\n")
    if not attributes:
        return
    definition["description"] = summary
    for line in re.split(r"\n(?=    \w)", attributes):
        name, _, about = line.strip().partition(": ")
        definition["properties"][name]["description"] = " ".join(about.split())


if __name__ == "__main__":
    sys.stdout.buffer.write(to_json(schema(ColourSidecar if "colour" in sys.argv else ClipSidecar)))
