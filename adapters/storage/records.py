"""The JSON that lies beside pictures and in the place of refused ones, as it is read again.

It is this pipeline's own, and yet whoever may write to the bucket may have replaced it: what has
not all that is relied on here counts as if it were not there.
"""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Any

from adapters.storage.s3 import Store

Shape = type | UnionType | dict[str, "Shape"] | list["Shape"]

NUMBER, TEXT_OR_NONE = int | float, str | NoneType
FILE: dict[str, Shape] = {
    "bucket": TEXT_OR_NONE,
    "format": str,
    "width_px": int,
    "height_px": int,
    "bytes": int,
}
SIDECAR: Shape = {
    "pipeline_version": str,
    "fingerprint": str,
    "source": {**FILE, "key": TEXT_OR_NONE, "version_id": TEXT_OR_NONE, "etag": TEXT_OR_NONE},
    "output": {**FILE, "key": str},
    "style": str,
    "strength": NUMBER,
    "engine": str,
    "decisions": [{"step": str, "ran": bool}],
    "faces": list,
    "timings_ms": dict,
    "warnings": list,
}
FAILURE: Shape = {"error": {"code": str, "message": str}}


def read_sidecar(store: Store, bucket: str, key: str) -> dict[str, Any] | None:
    """A stored sidecar; None where there is none, or something else. Raises StoreUnavailable."""
    return _read(store, bucket, key, SIDECAR)


def read_failure(store: Store, bucket: str, key: str) -> dict[str, Any] | None:
    """The record of a refusal; None where there is none, or something else. Raises
    StoreUnavailable.
    """
    return _read(store, bucket, key, FAILURE)


def _read(store: Store, bucket: str, key: str, shape: Shape) -> dict[str, Any] | None:
    document = store.get_json(bucket, key)
    return document if _has_shape(document, shape) else None


def _has_shape(value: Any, shape: Shape) -> bool:
    """Whether a value has the type, or at least those fields, or such items."""
    if isinstance(shape, dict):
        return isinstance(value, dict) and all(
            name in value and _has_shape(value[name], part) for name, part in shape.items()
        )
    if isinstance(shape, list):
        return isinstance(value, list) and all(_has_shape(item, shape[0]) for item in value)
    return isinstance(value, shape)
