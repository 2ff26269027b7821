"""The image as `sam build` makes it, an S3 that its containers reach, and ways to call it."""

from __future__ import annotations

import io
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from local_s3 import INPUT, KEYS, OUTPUT, ROOT, docker, local_s3
from PIL import Image

IMAGE = "stylisefunction:latest"  # as `sam build` names it


@pytest.fixture(scope="session")
def sam() -> Callable[..., str]:
    """A sam command in the repository's root; returns its standard output."""
    environment = {name: value for name, value in os.environ.items() if name[:4] != "AWS_"} | {
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "SAM_CLI_TELEMETRY": "0",
    }

    def call(*arguments: str) -> str:
        done = subprocess.run(
            ["sam", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"sam {arguments}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return call


@pytest.fixture(scope="session")
def photo_file() -> bytes:
    """A photograph that is not square, 512x400, as a JPEG."""
    buffer = io.BytesIO()
    sample = Image.open(ROOT / "samples" / "astronaut.jpg")
    sample.crop((0, 0, 512, 400)).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def image(sam: Callable[..., str]) -> str:
    """The function's image, built from the working tree."""
    sam("build")
    return IMAGE


@pytest.fixture(scope="session")
def server(image: str, photo_file: bytes) -> Iterator[Any]:
    with local_s3(photo_file) as client:
        yield client


@pytest.fixture
def s3(server: Any, photo_file: bytes) -> Any:
    """A client of the S3 that the function sees: the photo under all keys, no results."""
    for bucket in (INPUT, OUTPUT):
        for item in server.list_objects_v2(Bucket=bucket).get("Contents", []):
            server.delete_object(Bucket=bucket, Key=item["Key"])
    for key in KEYS:
        server.put_object(Bucket=INPUT, Key=key, Body=photo_file)
    return server


@pytest.fixture
def invoke(sam: Callable[..., str], s3: Any) -> Callable[[str], Any]:
    """`sam local invoke` with an event of events/; returns the function's answer."""

    def call(event: str) -> Any:
        return json.loads(sam("local", "invoke", "StyliseFunction", "-e", f"events/{event}.json"))

    return call


@pytest.fixture
def event_file() -> Callable[[str], Any]:
    return lambda name: json.loads(Path(ROOT, "events", f"{name}.json").read_text())


@pytest.fixture
def run_python(image: str) -> Callable[..., str]:
    """A Python program in the image, with further options of `docker run`; what it prints."""

    def call(program: str, *options: str) -> str:
        return docker("run", "--rm", *options, "--entrypoint", "python", image, "-c", program)

    return call
