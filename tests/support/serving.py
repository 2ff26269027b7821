"""A server of ours in a thread of the test, over a folder, and requests to it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import requests
import uvicorn

from adapters.serve import LOCAL_NAMES
from adapters.server.asgi import Server
from adapters.server.connection import config
from adapters.server.local_api import LocalApi
from adapters.server.local_worker import LocalWorker
from adapters.storage.folder import FolderBucket
from pipeline import Pipeline


@dataclass
class Serving:
    """A running server."""

    url: str
    worker: LocalWorker
    server: Server

    def get(self, path: str, **more: Any) -> requests.Response:
        return requests.get(self.url + path, timeout=60, allow_redirects=False, **more)

    def post(self, path: str, data: Any = None, **more: Any) -> requests.Response:
        return requests.post(self.url + path, data, timeout=60, allow_redirects=False, **more)

    def offer(self, **asked: Any) -> dict[str, Any]:
        """What POST /v1/uploads answers."""
        body = {"content_type": "image/jpeg", "bytes": 100_000, **asked}
        answer = self.post("/v1/uploads", json=body)
        assert answer.status_code == 201, answer.text
        offered: dict[str, Any] = answer.json()
        return offered

    def send(self, offered: dict[str, Any], photo: bytes, **changed: str) -> requests.Response:
        """Sends a photo with the form that was offered."""
        fields = {**offered["fields"], **changed}
        parts = {name: (None, value) for name, value in fields.items()}
        return self.post(offered["url"], files={**parts, "file": ("photo.jpg", photo)})

    def wait(self, result_url: str) -> requests.Response:
        """The answer once it is no more 202."""
        for _ in range(600):
            answer = self.get(result_url)
            if answer.status_code != 202:
                return answer
            time.sleep(0.05)
        raise AssertionError(answer.text)

    def raw(self, request: bytes) -> tuple[int, dict[str, Any], bytes]:
        """Bytes as they are, and the status, the JSON and whatever else comes back."""
        address = urlsplit(self.url)
        with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
            connection.sendall(request)
            received = b""
            while b"\r\n\r\n" not in received or not received.rstrip().endswith(b"}"):
                piece = connection.recv(65536)
                if not piece:
                    break
                received += piece
        head, _, body = received.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body) if body else {}, head


@contextmanager
def serving(pipeline: Pipeline, folder: Path, token: str | None = None) -> Iterator[Serving]:
    """A server at a free port, until it has stopped in order."""
    worker = LocalWorker(pipeline, FolderBucket(folder), ThreadPoolExecutor(2))
    server = Server(LocalApi(worker, token), worker, LOCAL_NAMES)
    listener = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(config(server))
    thread = Thread(target=running.run, kwargs={"sockets": [listener]})
    thread.start()
    while not running.started:
        time.sleep(0.01)
    try:
        yield Serving("http://127.0.0.1:{}".format(*listener.getsockname()[1:2]), worker, server)
    finally:
        running.should_exit = True
        thread.join()
        listener.close()
