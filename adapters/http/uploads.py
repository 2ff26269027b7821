"""Photos that do not travel in the request: where to send one, and what became of it.

An upload is an object ``uploads/http/ID`` whose metadata holds the options. The bucket's own event
stylises it, like any other object, and the result has the id in its name. So nothing is stored
about an upload except the objects themselves.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from adapters.clips import max_bytes
from adapters.http.request import UPLOAD_ID
from adapters.jobs import Progress
from adapters.keys import FAILED, OVER_HTTP, STYLISED
from adapters.storage.objects import Bucket
from adapters.storage.records import read_failure, read_sidecar
from adapters.tasks import (
    COLOUR,
    COMPANIONS,
    MAX_COMPANION_BYTES,
    PART,
    STYLISE,
    TASK,
    known_options,
    options_of,
    plain_names,
    task_named,
)
from adapters.worker import Worker
from pipeline import InvalidOption, InvalidRequest, ObjectNotFound, Options, TooManyBytes

URL_LIFETIME_S = 900  # of the form that a photo is sent with
MAX_METADATA_BYTES = 2000  # of names and values; S3 keeps 2 kB
CONTENT_TYPE = re.compile(r"(image|video)/[a-z0-9][a-z0-9.+-]{0,60}|application/octet-stream")
META = "x-amz-meta-"


class Uploads:
    """The uploads of one bucket. Any failure of the infrastructure is StoreUnavailable.

    Args:
        worker: Knows the options, the settings and the results.
        bucket: Where photos are sent to.
        progress: Returns how far a photo without a result is, by its key. Only the machine that
            works on the photo knows; None where that is another one.
    """

    def __init__(
        self,
        worker: Worker,
        bucket: Bucket,
        progress: Callable[[str], Progress] | None = None,
    ) -> None:
        self._worker = worker
        self._bucket = bucket
        self._progress = progress

    def create(self, fields: Mapping[str, Any], query: Mapping[str, Any]) -> dict[str, Any]:
        """Prepares an upload.

        Args:
            fields: ``content_type``, ``bytes`` (the photo's size), ``task`` and its options.
                ``part`` as a task is for a file that belongs to a line drawing, which is named by
                its id in ``hint_layer`` or ``reference`` of the drawing's own upload.
            query: Options that those among the fields replace.

        Returns:
            The form to send the photo with, and where its result will be.

        Raises:
            InvalidRequest: The type or the size is invalid.
            InvalidOption: The task or an option is invalid, or the options are too long.
            UnknownStyle: There is no such style.
            TooManyBytes: The photo is too large.
        """
        options = {**query, **fields}
        content_type, size = options.pop("content_type", None), options.pop("bytes", None)
        if not isinstance(content_type, str) or not CONTENT_TYPE.fullmatch(content_type):
            raise InvalidRequest("content_type must be image/... or application/octet-stream")
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size < 10**15:
            raise InvalidRequest("bytes must be the photo's size, a whole number from 1")
        named = options.pop(TASK, STYLISE)
        is_part = named == PART
        task = STYLISE if is_part else task_named(named)
        self._checked(task, {name: query[name] for name in query.keys() - {TASK}})
        values = self._checked(task, options)
        limit = max_bytes(self._worker.pipeline.settings, content_type)
        limit = min(limit, MAX_COMPANION_BYTES) if is_part else limit
        if size > limit:
            raise TooManyBytes(
                f"the file has {size} bytes; the limit is {limit}",
                stage="request",
                measured=size,
                limit=limit,
            )
        upload_id = secrets.token_hex(16)
        form_fields = {"Content-Type": content_type}
        metadata = _as_metadata(PART if is_part else task, values)
        form_fields |= {META + name: value for name, value in metadata.items()}
        url, form_fields = self._bucket.presigned_post(
            self.key(upload_id), form_fields, size, URL_LIFETIME_S
        )
        return {
            "upload_id": upload_id,
            "url": url,
            "fields": form_fields,
            "max_bytes": size,
            "expires_s": URL_LIFETIME_S,
            "result_url": result_url(upload_id),
        }

    def again(self, upload_id: str, task: str, options_by_name: Mapping[str, Any]) -> str:
        """Has an upload drawn, once more if another task or other options are named.

        Args:
            upload_id: The upload.
            task: What is asked of it.
            options_by_name: Options that win over the upload's own, if its task is the same.

        Returns:
            The id of the result: the same for the same upload and order.

        Raises:
            ObjectNotFound: Nothing was uploaded under this id.
            InvalidOption: An option is invalid, or they are too long.
        """
        values = self._checked(task, options_by_name)
        state = self._bucket.head(self.key(upload_id))
        if state is None:
            raise _not_uploaded(upload_id)
        own_task = plain_names(state.metadata).get(TASK, STYLISE)
        own_values: dict[str, str] = {}
        if own_task == task:
            own_values = _options_among(task, state.metadata)
            values = own_values | values
        is_same = own_task == task and _same(task, own_values, values)
        if is_same:
            return upload_id  # the upload's own event does just that
        # the event of a copy does the rest
        identity = json.dumps([upload_id, sorted(values.items()), *([task] * (task != STYLISE))])
        result_id = hashlib.sha256(identity.encode()).hexdigest()[:32]
        if self._bucket.head(self.key(result_id)) is None:
            metadata = _as_metadata(task, values)
            self._bucket.copy(self.key(upload_id), self.key(result_id), metadata)
        return result_id

    def result(self, upload_id: str) -> dict[str, Any]:
        """Returns what became of an upload.

        Returns:
            ``status`` is ``waiting``, ``working`` or ``done``; or ``{"error": ...}``, as it was
            written down.

        Raises:
            ObjectNotFound: Nothing was uploaded under this id.
        """
        output = self._worker.results.bucket
        lifetime_s = self._worker.settings.url_lifetime_s
        for key in output.keys(f"{STYLISED}{OVER_HTTP}{upload_id}."):
            sidecar = read_sidecar(output, key) if key.endswith(".json") else None
            if sidecar is not None:
                return {
                    "id": upload_id,
                    "status": "done",
                    "image_url": output.presigned_url(sidecar["output"]["key"], lifetime_s),
                    "sidecar_url": output.presigned_url(key, lifetime_s),
                    "sidecar": sidecar,
                }
        failure = read_failure(output, f"{FAILED}{OVER_HTTP}{upload_id}.json")
        if failure is not None:
            return {"error": failure["error"]}
        if self._bucket.head(self.key(upload_id)) is None:
            raise _not_uploaded(upload_id)
        key = self.key(upload_id)
        progress = self._progress(key) if self._progress else Progress("waiting")
        return {"id": upload_id, **progress.as_dict()}

    def key(self, upload_id: str) -> str:
        """Returns where an upload lies."""
        return f"{self._worker.settings.input_prefix}{OVER_HTTP}{upload_id}"

    def _checked(self, task: str, options_by_name: Mapping[str, Any]) -> dict[str, str]:
        """The options that were named, as text; companions as the keys of their uploads.

        Raises:
            InvalidOption, UnknownStyle: One of them is invalid.
        """
        by_name = dict(options_by_name)
        keys = {
            name: self._part(name, by_name.pop(name))
            for name in COMPANIONS
            if task == COLOUR and name in by_name
        }
        options = options_of(task, by_name)
        if isinstance(options, Options):
            self._worker.pipeline.style(options.style)
        return {name: str(getattr(options, name)) for name in by_name} | keys

    def _part(self, name: str, value: Any) -> str:
        """Where the upload of a companion lies. Raises InvalidOption."""
        if not isinstance(value, str) or not UPLOAD_ID.fullmatch(value):
            raise InvalidOption(
                f"{name} is the id of an upload with the task {PART}, 32 hexadecimal digits"
            )
        return self.key(value)


def result_url(upload_id: str) -> str:
    """Returns where to ask what became of an upload."""
    return f"/v1/results/{upload_id}"


def _not_uploaded(upload_id: str) -> ObjectNotFound:
    return ObjectNotFound("nothing was uploaded under this id", stage="request", measured=upload_id)


def _as_metadata(task: str, values: Mapping[str, str]) -> dict[str, str]:
    """A task and its options as an object's metadata, whose names have no underscore.

    Raises:
        InvalidOption: They are longer than S3 keeps.
    """
    metadata = {name.replace("_", "-"): value for name, value in values.items()}
    if task != STYLISE:
        metadata[TASK] = task
    size = sum(len(name) + len(value.encode()) for name, value in metadata.items())
    if size > MAX_METADATA_BYTES:
        longest = max(values, key=lambda name: len(values[name]))
        raise InvalidOption(
            f"the options of an upload have {size} bytes, {longest} most of them; the limit is"
            f" {MAX_METADATA_BYTES}: a hint_layer holds any number of dots",
            measured=size,
            limit=MAX_METADATA_BYTES,
        )
    return metadata


def _options_among(task: str, metadata: Mapping[str, str]) -> dict[str, str]:
    """The options, and the keys of companions, that an upload was sent with."""
    plain = plain_names(metadata)
    beside = {name: plain[name] for name in COMPANIONS if task == COLOUR and name in plain}
    return known_options(task, metadata) | beside


def _same(task: str, one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether two orders of one upload ask for the same."""
    options = [
        options_of(task, {name: value for name, value in values.items() if name not in COMPANIONS})
        for values in (one, other)
    ]
    beside = [[values.get(name) for name in COMPANIONS] for values in (one, other)]
    return options[0] == options[1] and beside[0] == beside[1]
