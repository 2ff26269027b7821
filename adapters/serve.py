"""`kirei serve`: the HTTP API and the page on one machine, over a folder; no AWS is needed."""

from __future__ import annotations

import ipaddress
import os
import secrets
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
from aws_lambda_powertools.event_handler import Response

from adapters import logger, metrics
from adapters.api_access import with_token
from adapters.api_asgi import Server
from adapters.api_errors import Forbidden
from adapters.api_multipart import form_parts
from adapters.api_pages import A_WHILE, Page, cached
from adapters.api_request import FORM, MARGIN_BYTES, Request, checked_id
from adapters.api_uploads import FOLDER, META
from adapters.folder import FILES, FolderStore
from adapters.http import Api
from adapters.local import BUCKET, SETTINGS, LocalUploads, LocalWorker
from pipeline import InvalidRequest, KireiError, Options, Pipeline, Settings

LOCAL_NAMES = frozenset({"127.0.0.1", "::1", "localhost"})
STOP_S = 30  # for requests in hand, when it is told to stop


class LocalApi(Api):
    """The API, and what S3 does beside it: it takes uploads and gives pictures to whoever has a
    link.
    """

    def __init__(self, worker: LocalWorker, token: str | None) -> None:
        super().__init__(lambda: worker, with_token(token), fits=lambda picture: True)
        self._local = worker
        self.route("POST", "/v1/uploads/<upload_id>", self._take, to_all=True)
        self.route("GET", "/v1/files/.+", self._give, to_all=True)

    def uploads(self, request: Request) -> LocalUploads:
        return LocalUploads(self._local)

    def _take(self, request: Request, upload_id: str) -> Response[Any]:
        """A form as `POST /v1/uploads` gave it out, the photo last, in the field ``file``."""
        key = f"{SETTINGS.input_prefix}{FOLDER}{checked_id(upload_id)}"
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
        self._local.folder.put(key, file.data, fields["Content-Type"], metadata)
        return Response(204)

    def _give(self, request: Request) -> Response[Any]:
        """A picture or its sidecar, for a link as presigned_url made it."""
        key = request.path.removeprefix(FILES)
        folder, query = self._local.folder, request.query
        folder.check_link(key, query.get("expires", ""), query.get("signature", ""))
        with folder.open(BUCKET, key) as found:
            content = found.read(found.size_bytes)
        page = Page(content, folder.content_type(key), compressible=False)
        return cached(request, page, A_WHILE)


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
def serve(host: str, port: int, folder: Path, token: str | None) -> None:
    """Serve the HTTP API and the page on this machine, until Ctrl-C.

    Photos and pictures lie in the folder, and are there again after a restart.
    """
    import uvicorn

    logger.setLevel(os.environ.get("POWERTOOLS_LOG_LEVEL", "WARNING"))
    # nobody collects them here, and they are kept in one place for all threads
    metrics.add_metric = _not_counted  # type: ignore[method-assign]
    if token is not None and (not token.strip() or token != token.strip()):
        raise click.UsageError("the token is empty, or has blanks around it")
    is_ours = _is_loopback(host)
    if token is None and not is_ours:
        token = secrets.token_urlsafe(24)
        click.echo(f"Token, made up for this run: {token}")
    try:
        worker = _worker(folder)
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
    config = uvicorn.Config(
        server,
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=STOP_S,
    )
    uvicorn.Server(config).run(sockets=[listener])


def _worker(folder: Path) -> LocalWorker:
    """Raises KireiError for settings, weights or a folder that are not as they should be."""
    settings = Settings.from_environment(os.environ)
    runs = max(2, (os.cpu_count() or 1) // settings.threads)
    found = Pipeline(settings)
    found.open_ahead(Options())
    found.style(Options().style)
    pool = ThreadPoolExecutor(runs, thread_name_prefix="run")
    return LocalWorker(found, FolderStore(folder), pool)


def _not_counted(*arguments: Any, **named: Any) -> None:
    """In the place of metrics."""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
