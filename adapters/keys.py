"""Keys in the buckets: where photos, pictures and records lie.

Under the output bucket: ``stylised/REST.STYLE.EXT`` with its ``.json`` for ``uploads/REST.ext``,
``stylised/REST.colour.EXT`` for ``lineart/REST.ext``,
``stylised/http/FINGERPRINT.STYLE.EXT`` for photos without a key, and ``failed/REST.ext.json`` for
refused photos.
"""

from __future__ import annotations

import hashlib

from adapters.storage.objects import owner_of

# the prefixes of photos and of line drawings, where the environment sets no others
UPLOADS, LINEART = "uploads/", "lineart/"
STYLISED, FAILED = "stylised/", "failed/"
SEGMENTS = "segments/"  # of long clips, between the steps that draw and join them
OVER_HTTP = "http/"  # below each of the three: photos that came over the HTTP API
MAX_KEY_BYTES = 1024  # S3's limit; a photo's key may use all of it, and a result's is longer
MAX_SUFFIX_BYTES = len(".json")


def result_names(rest: str, label: str, bucket: str, key: str) -> list[str]:
    """Returns names for a photo's results, without extension, in order of preference.

    ``a/b.jpg`` prefers ``a/b.STYLE``; if ``a/b.png`` has that, ``a/b.jpg.STYLE``; and if that too
    belongs to another photo (of another bucket, say), a name that no other photo has.

    Args:
        rest: The photo's key without the input prefix.
        label: The style's name, or the task's.
        bucket: The photo's bucket.
        key: The photo's whole key.
    """
    folder, slash, file = rest.rpartition("/")
    stem = file.rpartition(".")[0] or file
    unique = f"{file}.{owner_of(bucket, key)[:12]}"
    return [_shorten(f"{STYLISED}{folder}{slash}{name}.{label}") for name in (stem, file, unique)]


def failure_keys(rest: str, bucket: str, key: str) -> list[str]:
    """Returns keys for a photo's failure record, in order of preference.

    The second is for a photo of another bucket with the same key. The arguments are those of
    ``result_names``.
    """
    name = f"{FAILED}{rest}"
    unique = f"{name}.{owner_of(bucket, key)[:12]}"
    return [f"{_shorten(candidate)}.json" for candidate in (name, unique)]


def http_result_name(fingerprint: str, label: str) -> str:
    """Returns the name, without extension, for the results of a photo that has no key."""
    return f"{STYLISED}{OVER_HTTP}{fingerprint}.{label}"


def _shorten(name: str) -> str:
    """Replaces the end of a name that is too long for S3 by a digest of the whole name."""
    encoded, max_bytes = name.encode(), MAX_KEY_BYTES - MAX_SUFFIX_BYTES
    if len(encoded) <= max_bytes:
        return name
    digest = f".{hashlib.sha256(encoded).hexdigest()[:32]}"
    return encoded[: max_bytes - len(digest)].decode(errors="ignore") + digest
