"""The JSON beside pictures, and the JSON of refused photos, as they are read back.

Kirei wrote them, but whoever may write to the bucket may have replaced them: a document that lacks
a field that is used here counts as absent.
"""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Any

from adapters.storage.objects import Bucket

Shape = type | UnionType | dict[str, "Shape"] | list["Shape"]

NUMBER, TEXT_OR_NONE = int | float, str | NoneType
FILE: dict[str, Shape] = {
    "bucket": TEXT_OR_NONE,
    "format": str,
    "width_px": int,
    "height_px": int,
    "bytes": int,
}
# of every task
COMMON: dict[str, Shape] = {
    "pipeline_version": str,
    "fingerprint": str,
    "source": {**FILE, "key": TEXT_OR_NONE, "version_id": TEXT_OR_NONE, "etag": TEXT_OR_NONE},
    "output": {**FILE, "key": str},
    "engine": str,
    "decisions": [{"step": str, "ran": bool}],
    "timings_ms": dict,
    "warnings": list,
}
SIDECAR: Shape = {**COMMON, "style": str, "strength": NUMBER, "faces": list}
COLOUR_SIDECAR: Shape = {**COMMON, "task": str, "palette": str, "hints": list}
FAILURE: Shape = {"error": {"code": str, "message": str}}


def read_sidecar(bucket: Bucket, key: str) -> dict[str, Any] | None:
    """Returns a stored sidecar; None if it is absent or incomplete. Raises StoreUnavailable."""
    return _read(bucket, key, SIDECAR, COLOUR_SIDECAR)


def read_failure(bucket: Bucket, key: str) -> dict[str, Any] | None:
    """Returns a stored failure record; None if it is absent or incomplete.

    Raises:
        StoreUnavailable: The bucket could not be read.
    """
    return _read(bucket, key, FAILURE)


def _read(bucket: Bucket, key: str, *shapes: Shape) -> dict[str, Any] | None:
    document = bucket.get_json(key)
    return document if any(_has_shape(document, shape) for shape in shapes) else None


def _has_shape(value: Any, shape: Shape) -> bool:
    """Whether a value has the type, at least these fields, or items of this shape."""
    if isinstance(shape, dict):
        return isinstance(value, dict) and all(
            name in value and _has_shape(value[name], part) for name, part in shape.items()
        )
    if isinstance(shape, list):
        return isinstance(value, list) and all(_has_shape(item, shape[0]) for item in value)
    return isinstance(value, shape)
