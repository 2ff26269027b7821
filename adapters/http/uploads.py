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
from adapters.jobs import Progress
from adapters.keys import FAILED, OVER_HTTP, STYLISED
from adapters.storage.objects import Bucket
from adapters.storage.records import read_failure, read_sidecar
from adapters.worker import Worker, metadata_options
from pipeline import InvalidRequest, ObjectNotFound, Options, TooManyBytes

URL_LIFETIME_S = 900  # of the form that a photo is sent with
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

    def create(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Prepares an upload.

        Args:
            fields: ``content_type``, ``bytes`` (the photo's size) and options.

        Returns:
            The form to send the photo with, and where its result will be.

        Raises:
            InvalidRequest: The type or the size is invalid.
            InvalidOption: An option is invalid.
            UnknownStyle: There is no such style.
            TooManyBytes: The photo is too large.
        """
        options = dict(fields)
        content_type, size = options.pop("content_type", None), options.pop("bytes", None)
        if not isinstance(content_type, str) or not CONTENT_TYPE.fullmatch(content_type):
            raise InvalidRequest("content_type must be image/... or application/octet-stream")
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size < 10**15:
            raise InvalidRequest("bytes must be the photo's size, a whole number from 1")
        values = self._checked(options)
        limit = max_bytes(self._worker.pipeline.settings, content_type)
        if size > limit:
            raise TooManyBytes(
                f"the file has {size} bytes; the limit is {limit}",
                stage="request",
                measured=size,
                limit=limit,
            )
        upload_id = secrets.token_hex(16)
        form_fields = {"Content-Type": content_type}
        form_fields |= {META + name: value for name, value in _as_metadata(values).items()}
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

    def stylise(self, upload_id: str, options_by_name: Mapping[str, Any]) -> str:
        """Has an upload stylised, once more if other options are named.

        Args:
            upload_id: The upload.
            options_by_name: Options that win over the upload's own.

        Returns:
            The id of the result: the same for the same upload and options.

        Raises:
            ObjectNotFound: Nothing was uploaded under this id.
            InvalidOption: An option is invalid.
        """
        values = self._checked(options_by_name)
        state = self._bucket.head(self.key(upload_id))
        if state is None:
            raise _not_uploaded(upload_id)
        own_values = self._checked(metadata_options(state.metadata))
        values = own_values | values
        if Options.from_mapping(values) == Options.from_mapping(own_values):
            return upload_id  # the upload's own event does just that
        # the event of a copy does the rest
        identity = json.dumps([upload_id, sorted(values.items())])
        result_id = hashlib.sha256(identity.encode()).hexdigest()[:32]
        if self._bucket.head(self.key(result_id)) is None:
            self._bucket.copy(self.key(upload_id), self.key(result_id), _as_metadata(values))
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

    def _checked(self, options_by_name: Mapping[str, Any]) -> dict[str, str]:
        """The options that were named, as text. Raises InvalidOption, UnknownStyle."""
        options = Options.from_mapping(options_by_name)
        self._worker.pipeline.style(options.style)
        return {name: str(getattr(options, name)) for name in options_by_name}


def result_url(upload_id: str) -> str:
    """Returns where to ask what became of an upload."""
    return f"/v1/results/{upload_id}"


def _not_uploaded(upload_id: str) -> ObjectNotFound:
    return ObjectNotFound("nothing was uploaded under this id", stage="request", measured=upload_id)


def _as_metadata(values: Mapping[str, str]) -> dict[str, str]:
    """Options as an object's metadata, whose names have no underscore."""
    return {name.replace("_", "-"): value for name, value in values.items()}
