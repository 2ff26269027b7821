"""What is asked of an object in a bucket: by the call, by its metadata, or by where it lies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.jobs import Job
from adapters.settings import AdapterSettings
from adapters.storage.objects import Bucket
from adapters.tasks import (
    COLOUR,
    COMPANIONS,
    MAX_COMPANION_BYTES,
    PART,
    STYLISE,
    TASK,
    Companions,
    Order,
    known_options,
    options_of,
    plain_names,
    task_named,
)
from pipeline import InvalidOption


def is_part(job: Job, metadata: Mapping[str, str]) -> bool:
    """Whether an object belongs to a drawing and is none itself, such as a layer of hints."""
    named = _named(job, metadata)
    return isinstance(named, str) and named.strip().lower() == PART


def order_of(
    job: Job, metadata: Mapping[str, str], bucket: Bucket, settings: AdapterSettings
) -> Order:
    """Reads the order of an object.

    The task is the call's, else the metadata's, else that of the prefix under which the object
    lies. Options of the call win over those of the metadata.

    Args:
        job: The call, or the notification.
        metadata: Of the object.
        bucket: Where it lies, and the files that belong to it.
        settings: The prefixes.

    Raises:
        InvalidOption: The task, an option or the key of a companion is invalid.
        ObjectNotFound: A companion is not there.
        TooManyBytes: A companion is too large.
    """
    named = _named(job, metadata)
    if named is None:
        task = COLOUR if job.key.startswith(settings.lineart_prefix) else STYLISE
    else:
        task = task_named(named)
    called = {name: value for name, value in job.options.items() if name != TASK}
    if task != COLOUR:
        return Order(options_of(task, {**known_options(task, metadata), **called}))
    plain = plain_names(metadata)
    beside = {name: plain[name] for name in COMPANIONS if name in plain}
    by_name = {**known_options(task, metadata), **beside, **called}
    keys = {name: by_name.pop(name) for name in COMPANIONS if name in by_name}
    options = options_of(task, by_name)
    files = {name: _companion(name, key, bucket, settings) for name, key in keys.items()}
    return Order(options, Companions(**files))


def _named(job: Job, metadata: Mapping[str, str]) -> Any:
    return job.options.get(TASK, plain_names(metadata).get(TASK))


def _companion(name: str, key: Any, bucket: Bucket, settings: AdapterSettings) -> bytes:
    """A file beside a drawing, which lies where photos and drawings do."""
    prefixes = settings.prefixes
    if not isinstance(key, str) or not key.startswith(prefixes):
        raise InvalidOption(
            f"{name} is no key under {' or '.join(prefixes)} of the drawing's bucket",
            measured=key if isinstance(key, str) else None,
            limit=", ".join(prefixes),
        )
    with bucket.open(key, None) as stored:
        return stored.read(MAX_COMPANION_BYTES)
