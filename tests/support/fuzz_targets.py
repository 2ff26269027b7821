"""The doors that strangers' bytes come through, each with what is sent there and what must hold.

A target's check raises AssertionError where something came out that has no name, or that took more
than MAX_S; hypothesis makes what it is given smaller then. `make fuzz` sends for as long as it is
told, tests/repository/test_fuzz.py a little with every run, and all that was ever found.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import os
import socket
import struct
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

from calls import context
from click.testing import CliRunner
from fuzz_strategies import (
    ANSWERS,
    CONTENT_TYPES,
    DRAWING,
    FLAGS,
    FORM_BODIES,
    JSON_BODIES,
    NAMES,
    PHOTO,
    REQUESTS,
    SENDABLE,
    VALUES,
    odd_sidecars,
)
from hypothesis import strategies as st
from test_events_hostile import ANY, changed_events
from test_manifest import odd_manifests

from adapters import direct, job_log, logger, notifications, s3_batch
from adapters.http import api as http_api
from adapters.http.multipart import form_parts
from adapters.jobs import Job
from adapters.serve import LOCAL_NAMES
from adapters.server.asgi import Server
from adapters.server.local_api import LocalApi
from adapters.server.local_worker import LocalWorker
from adapters.settings import AdapterSettings
from adapters.storage import records
from adapters.storage.folder import FolderBucket
from adapters.tasks import OPTIONS, options_of
from adapters.worker import Worker
from pipeline import (
    KireiError,
    Options,
    PermanentError,
    Pipeline,
    Settings,
    TransientError,
    WeightsInvalid,
)
from pipeline.cli import main
from pipeline.decoder import _answer
from pipeline.weights import WeightStore

MAX_S = 10.0
BUCKET = "kirei-input"


@dataclass(frozen=True)
class Target:
    """``check`` takes what ``strategy`` makes."""

    strategy: st.SearchStrategy[Any]
    check: Callable[[Any], None]


@cache
def pipeline() -> Pipeline:
    return Pipeline(Settings(threads=1))


@cache
def folder() -> FolderBucket:
    """In the place of S3, with one photo."""
    store = FolderBucket(Path(tempfile.mkdtemp(prefix="fuzz")), BUCKET)
    store.put("uploads/a.png", PHOTO, "image/png", {})
    return store


@cache
def process_worker() -> Worker:
    logger.setLevel("CRITICAL")
    job_log.disable_metrics()
    return Worker(pipeline(), folder().named, AdapterSettings(BUCKET, "uploads/", 3600))


def send_to_function(request: dict[str, Any]) -> None:
    """The HTTP API in Lambda: an answer, and none of 500."""
    event = {
        "version": "2.0",
        "rawPath": request["path"],
        "headers": {"host": "localhost", **request["headers"]},
        "queryStringParameters": request["query"],
        "requestContext": {
            "http": {"method": request["method"], "path": request["path"]},
            "requestId": "fuzz",
            "stage": "$default",
        },
        "stageVariables": {"input_bucket": BUCKET},
        "body": base64.b64encode(request["body"]).decode(),
        "isBase64Encoded": True,
    }
    answer = invoke(event)
    assert 200 <= answer["statusCode"] < 500, answer


def send_to_server(request: dict[str, Any]) -> None:
    """`kirei serve`, from the scope on."""
    headers = {"host": "localhost", **request["headers"]}
    query = "&".join(f"{name}={value}" for name, value in request["query"].items())
    scope = {
        "type": "http",
        "method": request["method"],
        "path": request["path"],
        "query_string": query.encode(),
        "client": ("127.0.0.1", 1),
        "headers": [(n.encode("latin-1"), v.encode("latin-1")) for n, v in headers.items()],
    }
    pieces = [request["body"][:7], request["body"][7:]]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if not pieces:
            return {"type": "http.disconnect"}
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(server()(scope, receive, send))
    assert 200 <= sent[0]["status"] < 500, sent
    assert not sent[-1].get("more_body")
    assert server().slots.held_bytes.total() == server().slots.photos.total() == 0


@cache
def server() -> Server:
    process_worker()  # the log is silent
    own = LocalWorker(
        pipeline(),
        FolderBucket(Path(tempfile.mkdtemp(prefix="fuzz"))),
        ThreadPoolExecutor(1),
    )
    return Server(LocalApi(own, None), own, LOCAL_NAMES)


def send_event(event: Any) -> None:
    """Any event of Lambda's: an answer, or a TransientError."""
    try:
        text = json.dumps(event)  # what is no JSON never gets there
    except ValueError:
        return
    try:
        answer = invoke(json.loads(text))
    except TransientError as error:
        assert error.code != "internal_error", error
        return
    assert isinstance(answer, dict)
    assert answer.get("statusCode") != 500, answer


def invoke(event: Any) -> Any:
    from handler import lambda_handler

    process_worker()
    http_api.process_api.cache_clear()
    with mock.patch.dict(os.environ, {"API_AUTH": "none"}), redirect_stdout(io.StringIO()):
        for module in (notifications, direct, http_api, s3_batch):
            module.process_worker = process_worker  # type: ignore[attr-defined]
        return lambda_handler(event, context())


def send_metadata(metadata: dict[str, str]) -> None:
    """A photo with any metadata: a picture, or a record of why there is none."""
    key = f"uploads/{time.monotonic_ns()}.png"
    folder().put(key, DRAWING if "task" in metadata else PHOTO, "image/png", metadata)
    outcome = process_worker().work(Job(BUCKET, key, notified=True))
    assert outcome.status in ("stylised", "refused"), outcome
    record = json.loads(folder()._path(str(outcome.record_key)).read_bytes())
    assert record["source"]["key"] == key


def read_options(named: dict[str, Any]) -> None:
    for task in OPTIONS:
        read_options_of(task, named)


def read_options_of(task: str, named: dict[str, Any]) -> None:
    try:
        options = options_of(task, named)
    except PermanentError as error:
        json.dumps(error.as_dict(), allow_nan=False)
        return
    for item in fields(options):
        low, high = item.metadata.get("range", (0, 0))
        value = getattr(options, item.name)
        is_free = "range" not in item.metadata or value in item.metadata.get("words", ())
        assert is_free or low <= value <= high


def run_command(asked: tuple[str, dict[str, str], bool]) -> None:
    """The command line with flags of any value: a picture, or a line that says why not."""
    command, flags, is_dry = asked
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        Path("photo.png").write_bytes(DRAWING if command == "colour" else PHOTO)
        arguments = [f"--{flag}={text}" for flag, text in flags.items()]
        if is_dry and command != "looks":
            arguments.append("--dry-run")
        run = CliRunner().invoke(main, [command, "photo.png", *arguments])
    if run.exception is not None and not isinstance(run.exception, SystemExit):
        raise run.exception
    assert run.exit_code in (0, 1, 2), run.output
    assert "internal_error" not in run.output and "Traceback" not in run.output, run.output
    assert run.exit_code == 0 or run.output.strip()


def read_form(sent: tuple[str, bytes]) -> None:
    content_type, body = sent
    try:
        parts = form_parts(content_type, body)
    except PermanentError:
        return
    for part in parts:
        assert isinstance(part.name, str)
        assert part.data in body


def read_records(content: bytes) -> None:
    """JSON in the output bucket, as its readers take it."""
    bucket = mock.Mock(spec=FolderBucket)
    bucket.get_json = lambda key: FolderBucket.get_json(bucket, key)
    stored = mock.Mock(read=lambda max_bytes: content)
    bucket.open = mock.MagicMock()
    bucket.open.return_value.__enter__.return_value = stored
    bucket.open.return_value.__exit__.return_value = False
    sidecar = records.read_sidecar(bucket, "k")
    if sidecar is not None:
        job_log._summary(sidecar)
    failure = records.read_failure(bucket, "k")
    assert failure is None or isinstance(failure["error"]["code"], str)


@cache
def sidecar() -> dict[str, Any]:
    from pipeline import sidecar_document, to_json

    result = pipeline().run(PHOTO, Options(max_side_px=64, enhance="off"))
    document: dict[str, Any] = json.loads(to_json(sidecar_document(result.sidecar)))
    return document


def read_manifest(document: Any) -> None:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "manifest.json").write_text(json.dumps(document))
        try:
            specs = WeightStore(place, place).specs
        except WeightsInvalid:
            return
        assert all(
            Path(f.file).name == f.file for spec in specs.values() for f in spec.files.values()
        )


def read_decoders_message(sent: tuple[bytes, Any, bytes]) -> None:
    """What a decoding process that somebody took over may tell its parent."""
    length, told, rest = sent
    text = json.dumps(told).encode()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(MAX_S)
        theirs.sendall((length or struct.pack(">I", len(text))) + text + rest[:50_000])
        theirs.shutdown(socket.SHUT_WR)
        try:
            decoded = _answer(ours, 64)
        except (KireiError, OSError):
            return
        assert max(decoded.photo.pixels.shape) <= 64


TARGETS: dict[str, Target] = {
    "events": Target(ANY | changed_events(), send_event),
    "function": Target(REQUESTS, send_to_function),
    "server": Target(REQUESTS, send_to_server),
    "metadata": Target(
        st.dictionaries(
            st.sampled_from([*NAMES, "max-side-px", "Style", "kirei-source", "x"]),
            SENDABLE,
            max_size=3,
        ),
        send_metadata,
    ),
    "options": Target(st.dictionaries(st.sampled_from([*NAMES, "x"]), VALUES), read_options),
    "flags": Target(FLAGS, run_command),
    "forms": Target(st.tuples(CONTENT_TYPES, FORM_BODIES), read_form),
    "sidecars": Target(odd_sidecars(sidecar) | JSON_BODIES | st.binary(), read_records),
    "manifests": Target(ANY | odd_manifests(), read_manifest),
    "decoder": Target(
        st.tuples(st.just(b"") | st.binary(min_size=4, max_size=4), ANSWERS, st.binary()),
        read_decoders_message,
    ),
}


def check(target: str, sent: Any) -> None:
    """Raises AssertionError, or whatever has no name; also where it took too long."""
    began_s = time.thread_time()
    TARGETS[target].check(sent)
    assert time.thread_time() - began_s < MAX_S
