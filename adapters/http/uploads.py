"""Photos that do not travel in the request: where to send one, and what became of it.

An upload is an object ``uploads/http/ID`` whose metadata holds the options. The bucket's own event
stylises it, as it does any other; its result has the id in its name. So nothing is kept of an
upload but the objects themselves.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from typing import Any

from adapters.storage.records import read_failure, read_sidecar
from adapters.worker import FAILED, STYLISED, Worker, metadata_options
from pipeline import InvalidRequest, ObjectNotFound, Options, TooManyBytes

FOLDER = "http/"
URL_LIFETIME_S = 900  # of the link to send a photo to
CONTENT_TYPE = re.compile(r"image/[a-z0-9][a-z0-9.+-]{0,60}|application/octet-stream")
META = "x-amz-meta-"


class Uploads:
    """The uploads of one bucket. What the world hinders is StoreUnavailable everywhere."""

    def __init__(self, worker: Worker, bucket: str) -> None:
        self._worker = worker
        self._bucket = bucket

    def offer(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """in: ``content_type``, ``bytes`` and options; out: the form with which to send the photo,
        and where its result will be. Raises InvalidRequest, InvalidOption, UnknownStyle,
        TooManyBytes.
        """
        options = dict(asked)
        content_type, size = options.pop("content_type", None), options.pop("bytes", None)
        if not isinstance(content_type, str) or not CONTENT_TYPE.fullmatch(content_type):
            raise InvalidRequest("content_type is image/... or application/octet-stream")
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size < 10**15:
            raise InvalidRequest("bytes is the photo's size, a whole number from 1 on")
        values = self._checked(options)
        most = self._worker.pipeline.settings.max_input_bytes
        if size > most:
            raise TooManyBytes(
                f"the photo has {size} bytes; at most {most} are taken",
                stage="request",
                measured=size,
                limit=most,
            )
        upload_id = secrets.token_hex(16)
        fields = {"Content-Type": content_type}
        fields |= {META + name: value for name, value in _as_metadata(values).items()}
        url, fields = self._worker.store.presigned_post(
            self._bucket, self._key(upload_id), fields, size, URL_LIFETIME_S
        )
        return {
            "upload_id": upload_id,
            "url": url,
            "fields": fields,
            "max_bytes": size,
            "expires_s": URL_LIFETIME_S,
            "result_url": result_url(upload_id),
        }

    def stylise(self, upload_id: str, named: Mapping[str, Any]) -> str:
        """Has an upload stylised, with other options if such are named; returns the id of the
        result: the same for the same upload and options. Raises ObjectNotFound, InvalidOption.
        """
        values = self._checked(named)
        found = self._worker.store.head(self._bucket, self._key(upload_id))
        if found is None:
            raise _nothing(upload_id)
        own = self._checked(metadata_options(found.metadata))
        values = own | values
        if Options.from_mapping(values) == Options.from_mapping(own):
            return upload_id  # its own event does, or did, just that
        # the event of a copy does the rest
        identity = json.dumps([upload_id, sorted(values.items())])
        result_id = hashlib.sha256(identity.encode()).hexdigest()[:32]
        if self._worker.store.head(self._bucket, self._key(result_id)) is None:
            copy = self._key(result_id)
            metadata = _as_metadata(values)
            self._worker.store.copy(self._bucket, self._key(upload_id), copy, metadata)
        return result_id

    def result(self, upload_id: str) -> dict[str, Any]:
        """What became of an upload: ``status`` is ``waiting``, ``working`` or ``done``; or
        ``{"error": ...}``, the failure as it was written down. Raises ObjectNotFound.
        """
        store, bucket = self._worker.store, self._worker.output_bucket
        lifetime = self._worker.adapter.url_lifetime_s
        for key in store.keys(bucket, f"{STYLISED}{FOLDER}{upload_id}."):
            sidecar = read_sidecar(store, bucket, key) if key.endswith(".json") else None
            if sidecar is not None:
                return {
                    "id": upload_id,
                    "status": "done",
                    "image_url": store.presigned_url(bucket, sidecar["output"]["key"], lifetime),
                    "sidecar_url": store.presigned_url(bucket, key, lifetime),
                    "sidecar": sidecar,
                }
        failure = read_failure(store, bucket, f"{FAILED}{FOLDER}{upload_id}.json")
        if failure is not None:
            return {"error": failure["error"]}
        if store.head(self._bucket, self._key(upload_id)) is None:
            raise _nothing(upload_id)
        return self.progress(upload_id)

    def progress(self, upload_id: str) -> dict[str, Any]:
        """Of an upload that has no result yet. Which of its stages a photo is at, only the
        machine knows that works on it.
        """
        return {"id": upload_id, "status": "waiting", "stage": None}

    def _checked(self, named: Mapping[str, Any]) -> dict[str, str]:
        """The options that were named, as text. Raises InvalidOption, UnknownStyle."""
        options = Options.from_mapping(named)
        self._worker.pipeline.style(options.style)
        return {name: str(getattr(options, name)) for name in named}

    def _key(self, upload_id: str) -> str:
        return f"{self._worker.adapter.input_prefix}{FOLDER}{upload_id}"


def result_url(upload_id: str) -> str:
    """Where to ask what became of an upload."""
    return f"/v1/results/{upload_id}"


def _nothing(upload_id: str) -> ObjectNotFound:
    return ObjectNotFound("nothing was uploaded under this id", stage="request", measured=upload_id)


def _as_metadata(values: Mapping[str, str]) -> dict[str, str]:
    """Options as an object's metadata, whose names have no underscore."""
    return {name.replace("_", "-"): value for name, value in values.items()}
