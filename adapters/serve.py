"""`kirei serve`: the HTTP API and the page on one machine, over a folder; no AWS is needed."""

from __future__ import annotations

import errno
import os
import resource
import secrets
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from adapters import job_log, logger
from adapters.server.address import network_url, qr_code, url_of, with_token
from adapters.server.asgi import Server
from adapters.server.local_api import LocalApi
from adapters.server.local_worker import LocalWorker
from adapters.server.slots import is_loopback
from adapters.server.terminal_log import write_for_people
from adapters.storage.folder import FolderBucket
from pipeline import MAX_CLIP_MINUTES, MAX_SECONDS, KireiError, Options, Pipeline, Settings

LOCAL_NAMES = frozenset({"127.0.0.1", "::1", "localhost"})
FEW_DESCRIPTORS, MAX_DESCRIPTORS = 256, 65_536
HOUR_S = 3600
TAKEN = (errno.EADDRINUSE, errno.EACCES)  # the port, by another program or by the system


@click.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="address to listen on; 0.0.0.0 lets phones and other machines in the network call",
)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@click.option(
    "--folder",
    default="out",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="where photos and pictures are stored",
)
@click.option(
    "--token",
    envvar="KIREI_SERVE_TOKEN",
    help="callers must send Authorization: Bearer TOKEN; if other machines can call and no token"
    " is given, a random one is generated",
)
@click.option(
    "--max-seconds",
    default=MAX_SECONDS,
    show_default=True,
    type=click.FloatRange(1, 86_400),
    help="time limit for one photo; a photo that would take longer is drawn smaller, or refused",
)
@click.option(
    "--max-clip-minutes",
    default=MAX_CLIP_MINUTES,
    show_default=True,
    type=click.FloatRange(0.1, 1440),
    help="time limit for one clip; a clip that would take longer is drawn smaller and with fewer"
    " drawings a second, or refused",
)
@click.option(
    "--keep-hours",
    default=24.0,
    show_default=True,
    type=click.FloatRange(0, 87_600),
    help="delete uploaded photos and their pictures after this time; 0 keeps them",
)
def serve(host: str, port: int, folder: Path, token: str | None, **limits: float) -> None:
    """Serve the page and the HTTP API on this machine, until Ctrl-C.

    With --host 0.0.0.0 it prints the address for a phone in the same network, with its token, and
    on a terminal a QR code of it for the phone's camera.

    Photos and pictures are stored in the folder, and survive a restart, for a day. Other files in
    the folder are not touched.
    """
    from adapters.server.connection import config, run

    logger.setLevel(os.environ.get("POWERTOOLS_LOG_LEVEL", "WARNING"))
    if sys.stdout.isatty():
        write_for_people(logger.handlers)
    job_log.disable_metrics()
    is_local = is_loopback(host)
    token = _checked_token(token, is_local)
    descriptors = _raise_descriptor_limit()
    if descriptors is not None and descriptors < FEW_DESCRIPTORS:
        click.echo(f"kirei: only {descriptors} open files are allowed (see ulimit -n)", err=True)
    with _listen(host, port) as listener:
        try:
            worker = _open_worker(folder, **limits)
            if not worker.folder.claim_folder():
                click.echo(
                    f"kirei: another kirei serve uses {folder}; they share the waiting photos",
                    err=True,
                )
        except KireiError as error:
            raise click.UsageError(f"{error.code}: {error.message}") from error
        server = Server(LocalApi(worker, token), worker, LOCAL_NAMES if is_local else None)
        _print_addresses(host, listener.getsockname()[1], token)
        try:
            run(config(server), listener)
        except KeyboardInterrupt:  # uvicorn has ended what was in work, and passes the signal on
            click.echo("Kirei has stopped")


def _listen(host: str, port: int) -> socket.socket:
    """Opens the port. Raises ClickException: it is in use, or the address is not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        reason = f"cannot listen on {host}:{port}: {error.strerror}"
        hint = "; --port 0 takes a free one" if error.errno in TAKEN else ""
        raise click.ClickException(f"{reason}{hint}") from error


def _print_addresses(host: str, port: int, token: str | None) -> None:
    """Prints where browsers find the page; KIREI_SERVE_URL is the address outside a container."""
    outside = os.environ.get("KIREI_SERVE_URL")
    url = outside or url_of(host, port)
    click.echo(f"Kirei is at {url} (Ctrl-C stops it)")
    other = url if outside else network_url(host, port)
    if other is None:
        return
    linked = with_token(other, token)
    click.echo(f"With its token: {linked}" if outside else f"From a phone here: {linked}")
    if sys.stdout.isatty() and not outside:
        click.echo(qr_code(linked))


def _checked_token(token: str | None, is_local: bool) -> str | None:
    """The token that callers must send; a random one if other machines can call."""
    if token is None:
        if is_local:
            return None
        token = secrets.token_urlsafe(24)
        click.echo(f"Token, generated for this run: {token}")
    if not token.strip() or token != token.strip():
        raise click.UsageError("the token is empty, or has spaces around it")
    return token


def _open_worker(
    folder: Path, max_seconds: float, max_clip_minutes: float, keep_hours: float
) -> LocalWorker:
    """Raises KireiError if the settings, the weights or the folder are wrong."""
    settings = Settings.from_environment(os.environ)
    pipeline = Pipeline(settings)
    pipeline.preload(Options())
    pipeline.style(Options().style)
    runs = max(2, (os.cpu_count() or 1) // settings.threads)
    threads = ThreadPoolExecutor(runs, thread_name_prefix="run")
    bucket = FolderBucket(folder)
    return LocalWorker(
        pipeline,
        bucket,
        threads,
        max_seconds=max_seconds,
        max_clip_seconds=max_clip_minutes * 60,
        keep_s=keep_hours * HOUR_S or None,
    )


def _raise_descriptor_limit() -> int | None:
    """Raises the limit of open files as far as is sensible; returns it, None for no limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    maximum = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < maximum:
        resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, hard))
        return maximum
    return None if soft == resource.RLIM_INFINITY else soft


if __name__ == "__main__":
    serve(prog_name="kirei serve")
