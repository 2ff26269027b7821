"""The HTTP API of one machine, with what S3 does beside it: it takes uploads and serves files."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler import Response

from adapters.clips import VIDEO, max_bytes
from adapters.errors import Forbidden
from adapters.http.access import with_token
from adapters.http.api import Api
from adapters.http.multipart import form_parts
from adapters.http.request import FORM, MAX_FIELDS_BYTES, Request, check_upload_id
from adapters.http.responses import MINUTES, cached_file
from adapters.http.static_files import StaticFile
from adapters.http.uploads import META, Uploads
from adapters.server.local_worker import LocalWorker
from adapters.storage.links import FILES, UPLOADS
from pipeline import InvalidRequest


class LocalApi(Api):
    """The API over a folder.

    Args:
        worker: Draws the photos, and has the folder.
        token: What callers must send; None if anyone may call.
    """

    def __init__(self, worker: LocalWorker, token: str | None) -> None:
        super().__init__(lambda: worker, with_token(token), fits=_always)
        self._folder = worker.folder
        self._worker = worker
        self._uploads = Uploads(worker, worker.folder, worker.progress)
        self.add_route(
            "POST", f"{UPLOADS}<upload_id>", self._take_upload, access=self._check_upload_link
        )
        self.add_route("GET", f"{FILES}.+", self._file, access=self._check_file_link)

    def uploads(self, _request: Request) -> Uploads:
        """Returns the folder's uploads."""
        return self._uploads

    def _check_upload_link(self, request: Request) -> None:
        key = self._upload_key(request.path.removeprefix(UPLOADS))
        self._folder.links.check_upload(key, *_signature(request))

    def _check_file_link(self, request: Request) -> None:
        key = request.path.removeprefix(FILES)
        self._folder.links.check_download(key, *_signature(request))

    def _take_upload(self, request: Request, upload_id: str) -> Response[Any]:
        """Takes a form as `POST /v1/uploads` returned it, with the photo last, as ``file``."""
        key = self._upload_key(upload_id)
        if request.content_type != FORM:
            raise InvalidRequest(f"an upload must be {FORM}")
        # the form states the size that was offered: a larger file does not pass below
        limit = max_bytes(self._worker.pipeline.settings, VIDEO) + MAX_FIELDS_BYTES
        parts = form_parts(request.headers["content-type"], request.body(limit))
        fields = {part.name: part.text for part in parts[:-1]}
        if len(fields) != len(parts) - 1 or parts[-1].name != "file":
            raise InvalidRequest("the form must have each field once, and the photo last, as file")
        file = parts[-1]
        self._folder.links.check_form(fields, len(file.data))
        if fields["key"] != key:
            raise Forbidden("the form belongs to another upload")
        metadata = {k.removeprefix(META): v for k, v in fields.items() if k.startswith(META)}
        self._worker.put_upload(key, file.data, fields["Content-Type"], metadata, request.client)
        return Response(204)

    def _file(self, request: Request) -> Response[Any]:
        """A picture or its sidecar."""
        key = request.path.removeprefix(FILES)
        with self._folder.open(key) as stored:
            content = stored.read(stored.size_bytes)
        file = StaticFile(content, self._folder.content_type(key), compressible=False)
        return cached_file(request, file, MINUTES)

    def _upload_key(self, upload_id: str) -> str:
        """Where an upload lies. Raises InvalidRequest."""
        return self._uploads.key(check_upload_id(upload_id))


def _always(_picture: bytes) -> bool:
    """Whether a picture may be the response itself: here, whatever its size."""
    return True


def _signature(request: Request) -> tuple[str, str]:
    """When a link expires, and its signature."""
    return request.query.get("expires", ""), request.query.get("signature", "")
