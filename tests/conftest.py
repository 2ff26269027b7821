"""What several tests need: an S3 that answers over HTTP, photos, events, the handler."""

from __future__ import annotations

import io
import json
import os
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
from buckets import INPUT, OUTPUT, Event
from calls import context
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write tests/golden/ anew, from what the styles draw now",
    )


@pytest.fixture(scope="session")
def load_event() -> Callable[[str], Event]:
    """An event by its name in events/, read anew each time."""

    def load(name: str) -> Event:
        event: Event = json.loads((ROOT / "events" / f"{name}.json").read_text())
        return event

    return load


@pytest.fixture(scope="session")
def picture() -> Image.Image:
    """A photograph that is not square, 256x170."""
    return Image.open(ROOT / "samples" / "chelsea.jpg").convert("RGB").resize((256, 170))


@pytest.fixture(scope="session")
def encoded(picture: Image.Image) -> Callable[..., bytes]:
    """The photograph as the bytes of a file."""

    def encode(format: str = "JPEG", **options: Any) -> bytes:
        buffer = io.BytesIO()
        picture.save(buffer, format, **options)
        return buffer.getvalue()

    return encode


@pytest.fixture(scope="session")
def photo(encoded: Callable[..., bytes]) -> bytes:
    return encoded("JPEG", quality=90)


@pytest.fixture(scope="session")
def pipeline() -> Any:
    """One that is open already, for tests that do not change it."""
    from pipeline import Pipeline, Settings

    return Pipeline(Settings())


@pytest.fixture
def server(pipeline: Any, tmp_path: Path) -> Iterator[Any]:
    """A server of ours, over a folder of its own."""
    from serving import serving

    with serving(pipeline, tmp_path) as running:
        yield running


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    """moto's S3, a real server on loopback."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The function's environment; whoever changes it gets a worker made from it."""
    from adapters import metrics
    from adapters.process import process_worker

    metrics.clear_metrics()  # of workers that tests before this one called without the handler

    for name in [name for name in os.environ if name.startswith(("AWS_", "KIREI_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("OUTPUT_BUCKET", OUTPUT)
    monkeypatch.setenv("API_AUTH", "none")
    monkeypatch.delenv("INPUT_PREFIX", raising=False)
    process_worker.cache_clear()
    yield monkeypatch
    process_worker.cache_clear()


@pytest.fixture
def s3(moto_endpoint: str, environment: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of an S3 with two empty buckets, which the handler finds there, too."""
    import boto3

    environment.setenv("AWS_ENDPOINT_URL", moto_endpoint)
    request = urllib.request.Request(f"{moto_endpoint}/moto-api/reset", method="POST")
    urllib.request.urlopen(request).close()
    client = boto3.client("s3")
    client.create_bucket(Bucket=INPUT)
    client.create_bucket(Bucket=OUTPUT)
    yield client
    client.close()


@pytest.fixture
def no_bucket(environment: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing is stored, and nobody is asked, for a picture that fits into the answer."""
    environment.delenv("OUTPUT_BUCKET")
    environment.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    return environment


@pytest.fixture
def invoke(environment: pytest.MonkeyPatch) -> Callable[[Any], Any]:
    """The function as Lambda calls it: the event travels as JSON, and so does the answer."""
    from handler import lambda_handler

    def call(event: Any) -> Any:
        answer = lambda_handler(json.loads(json.dumps(event)), context())
        return json.loads(json.dumps(answer))

    return call


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """All that the function logs, as CloudWatch gets it: a JSON object a line."""
    from adapters import logger

    buffer = io.StringIO()
    handler: Any = logger.registered_handler
    before = handler.setStream(buffer)
    yield buffer
    handler.setStream(before)


class _Unlucky(BaseHTTPRequestHandler):
    """Passes requests on, but those that the server calls unlucky fail as it says."""

    protocol_version = "HTTP/1.1"
    server: Sick

    def _pass_on(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if self.server.unlucky(self.command, self.path):
            self.close_connection = True
            self.server.fail(self)
            return
        connection = HTTPConnection(self.server.upstream)
        connection.request(self.command, self.path, body, dict(self.headers))
        answer = connection.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", answer.getheader("Content-Length") or str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        connection.close()

    do_GET = do_PUT = do_HEAD = _pass_on  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""


class Sick(ThreadingHTTPServer):
    """A server between the handler and S3."""

    daemon_threads = True
    upstream: str
    unlucky: Callable[[str, str], bool]
    fail: Callable[[BaseHTTPRequestHandler], None]


def slow_down(request: BaseHTTPRequestHandler) -> None:
    """What S3 answers when it is asked too often."""
    body = (
        b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
    )
    request.send_response(503)
    request.send_header("Content-Type", "application/xml")
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


@pytest.fixture
def sick_s3(
    s3: Any, moto_endpoint: str, environment: pytest.MonkeyPatch
) -> Iterator[tuple[Any, Sick]]:
    """The client of a sound S3, and the server through which alone the handler reaches it; that
    one fails for keys that hold "unlucky", with "503 SlowDown", unless told otherwise.
    """
    server = Sick(("127.0.0.1", 0), _Unlucky)
    server.upstream = urlsplit(moto_endpoint).netloc
    server.unlucky = lambda method, path: "unlucky" in path
    server.fail = slow_down
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    environment.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    environment.setenv("AWS_MAX_ATTEMPTS", "1")
    yield s3, server
    server.shutdown()
    thread.join()
    server.server_close()
