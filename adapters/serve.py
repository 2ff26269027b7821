"""`kirei serve`: the HTTP API and the page on one machine, over a folder; no AWS is needed."""

from __future__ import annotations

import os
import resource
import secrets
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
from aws_lambda_powertools.event_handler import Response

from adapters import job_log, logger
from adapters.errors import Forbidden
from adapters.http.access import with_token
from adapters.http.api import Api
from adapters.http.multipart import form_parts
from adapters.http.pages import A_WHILE, Page, cached
from adapters.http.request import FORM, MARGIN_BYTES, Request, checked_id
from adapters.http.uploads import FOLDER, META
from adapters.server.asgi import Server
from adapters.server.local_worker import BUCKET, SETTINGS, LocalUploads, LocalWorker
from adapters.server.slots import is_loopback
from adapters.storage.folder import FILES, UPLOADS, FolderStore
from pipeline import MAX_SECONDS, InvalidRequest, KireiError, Options, Pipeline, Settings

LOCAL_NAMES = frozenset({"127.0.0.1", "::1", "localhost"})
FEW_DESCRIPTORS, MANY_DESCRIPTORS = 256, 65_536
AN_HOUR_S = 3600


class LocalApi(Api):
    """The API, and what S3 does beside it: it takes uploads and gives pictures to whoever has a
    link.
    """

    def __init__(self, worker: LocalWorker, token: str | None) -> None:
        super().__init__(lambda: worker, with_token(token), fits=lambda picture: True)
        self._local = worker
        self.route("POST", "/v1/uploads/<upload_id>", self._take, access=self._has_upload_link)
        self.route("GET", "/v1/files/.+", self._give, access=self._has_link)

    def uploads(self, request: Request) -> LocalUploads:
        return LocalUploads(self._local)

    def _has_upload_link(self, request: Request) -> None:
        upload_id, query = request.path.removeprefix(UPLOADS), request.query
        self._local.folder.check_upload_link(
            _upload_key(upload_id), query.get("expires", ""), query.get("signature", "")
        )

    def _has_link(self, request: Request) -> None:
        key, query = request.path.removeprefix(FILES), request.query
        self._local.folder.check_link(key, query.get("expires", ""), query.get("signature", ""))

    def _take(self, request: Request, upload_id: str) -> Response[Any]:
        """A form as `POST /v1/uploads` gave it out, the photo last, in the field ``file``."""
        key = _upload_key(upload_id)
        if request.content_type != FORM:
            raise InvalidRequest(f"an upload is {FORM}")
        most = self._local.pipeline.settings.max_input_bytes + MARGIN_BYTES
        parts = form_parts(request.headers["content-type"], request.body(most))
        fields = {part.name: part.text for part in parts[:-1]}
        if len(fields) != len(parts) - 1 or parts[-1].name != "file":
            raise InvalidRequest("the form has each field once, and the photo last, as file")
        file = parts[-1]
        self._local.folder.check_post(fields, len(file.data))
        if fields["key"] != key:
            raise Forbidden("the form is another upload's")
        metadata = {k.removeprefix(META): v for k, v in fields.items() if k.startswith(META)}
        self._local.put_upload(key, file.data, fields["Content-Type"], metadata, request.client)
        return Response(204)

    def _give(self, request: Request) -> Response[Any]:
        """A picture or its sidecar, for a link as presigned_url made it."""
        key, folder = request.path.removeprefix(FILES), self._local.folder
        with folder.open(BUCKET, key) as found:
            content = found.read(found.size_bytes)
        page = Page(content, folder.content_type(key), compressible=False)
        return cached(request, page, A_WHILE)


def _upload_key(upload_id: str) -> str:
    """Where an upload lies. Raises InvalidRequest."""
    return f"{SETTINGS.input_prefix}{FOLDER}{checked_id(upload_id)}"


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="address to listen at")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@click.option(
    "--folder",
    default="out",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="where photos and pictures lie",
)
@click.option(
    "--token",
    envvar="KIREI_SERVE_TOKEN",
    help="what callers must send, Authorization: Bearer TOKEN; where others than this machine can "
    "call and none is given, one is made up",
)
@click.option(
    "--max-seconds",
    default=MAX_SECONDS,
    show_default=True,
    type=click.FloatRange(1, 86_400),
    help="for one photo; what would take longer is drawn smaller, or refused",
)
@click.option(
    "--keep-hours",
    default=24.0,
    show_default=True,
    type=click.FloatRange(0, 87_600),
    help="photos that were sent, and their pictures, are deleted after that; 0 keeps them",
)
def serve(
    host: str, port: int, folder: Path, token: str | None, max_seconds: float, keep_hours: float
) -> None:
    """Serve the HTTP API and the page on this machine, until Ctrl-C.

    Photos and pictures lie in the folder, and are there again after a restart, for a day. Other
    files in the folder are left alone.
    """
    from adapters.server.connection import config, run_until_told

    logger.setLevel(os.environ.get("POWERTOOLS_LOG_LEVEL", "WARNING"))
    job_log.switch_figures_off()  # nobody collects them here
    if token is not None and (not token.strip() or token != token.strip()):
        raise click.UsageError("the token is empty, or has blanks around it")
    is_ours = is_loopback(host)
    if token is None and not is_ours:
        token = secrets.token_urlsafe(24)
        click.echo(f"Token, made up for this run: {token}")
    descriptors = _raise_descriptor_limit()
    if descriptors is not None and descriptors < FEW_DESCRIPTORS:
        click.echo(f"kirei: only {descriptors} open files are allowed here (ulimit -n)", err=True)
    try:
        worker = _worker(folder, max_seconds, keep_hours * AN_HOUR_S or None)
        if not worker.folder.claim_folder():
            click.echo(
                f"kirei: another kirei serve works on {folder}; they share what waits there",
                err=True,
            )
        listener = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=256
        )
    except KireiError as error:
        raise click.UsageError(f"{error.code}: {error.message}") from error
    except OSError as error:
        raise click.UsageError(f"{host}:{port} cannot be listened at: {error.strerror}") from error
    server = Server(LocalApi(worker, token), worker, LOCAL_NAMES if is_ours else None)
    port = listener.getsockname()[1]
    click.echo(f"Kirei is at http://{f'[{host}]' if ':' in host else host}:{port}/ (Ctrl-C ends)")
    run_until_told(config(server), listener)


def _worker(folder: Path, max_seconds: float, keep_s: float | None) -> LocalWorker:
    """Raises KireiError for settings, weights or a folder that are not as they should be."""
    settings = Settings.from_environment(os.environ)
    runs = max(2, (os.cpu_count() or 1) // settings.threads)
    found = Pipeline(settings)
    found.preload(Options())
    found.style(Options().style)
    pool = ThreadPoolExecutor(runs, thread_name_prefix="run")
    store = FolderStore(folder)
    return LocalWorker(found, store, pool, max_seconds=max_seconds, keep_s=keep_s)


def _raise_descriptor_limit() -> int | None:
    """To what this process may have, and no absurd number of them; returns how many that are, None
    for any.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MANY_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MANY_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return None if soft == resource.RLIM_INFINITY else soft
