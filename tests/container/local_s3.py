"""An S3 for `sam local`: moto's server in a container, on the network that samconfig.toml names.

    python tests/container/local_s3.py

makes the two buckets, puts a photograph under every key that events/*.json name, and serves
until it is interrupted. Meanwhile, in another terminal:

    sam build && sam local invoke StyliseFunction -e events/s3_put.json
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError

ROOT = Path(__file__).resolve().parent.parent.parent
IMAGE = CONTAINER = "kirei-local-s3"
NETWORK, HOST = "kirei-local", "s3"  # as in samconfig.toml
INPUT, OUTPUT = "kirei-input", "kirei-output"  # as in events/*.json and samconfig.toml
KEYS = ("uploads/astronaut.jpg", "uploads/our summer/café + cake.jpg")


def docker(*arguments: str, check: bool = True) -> str:
    """The standard output of a docker command. Raises CalledProcessError with what it said."""
    return subprocess.run(
        ["docker", *arguments], check=check, capture_output=True, text=True
    ).stdout.strip()


@contextmanager
def local_s3(photo: bytes) -> Iterator[Any]:
    """A boto3 client of the server; ``photo`` lies under all KEYS of the input bucket.

    A server of the same name that an earlier run left is replaced.
    """
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    moto = next(line for line in extras["optional-dependencies"]["dev"] if line.startswith("moto["))
    here = Path(__file__).parent
    dockerfile = str(here / "s3.Dockerfile")
    docker("build", "-q", "-t", IMAGE, "--build-arg", f"MOTO={moto}", "-f", dockerfile, str(here))
    _remove()
    docker("network", "create", NETWORK)
    try:
        docker(
            *("run", "--detach", "--name", CONTAINER, "--network", NETWORK),
            *("--network-alias", HOST, "--publish", "127.0.0.1::5000", IMAGE),
        )
        client = boto3.client(
            "s3",
            endpoint_url=f"http://{docker('port', CONTAINER, '5000')}",
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )
        _wait_for(client)
        for bucket in (INPUT, OUTPUT):
            client.create_bucket(Bucket=bucket)
        for key in KEYS:
            client.put_object(Bucket=INPUT, Key=key, Body=photo, ContentType="image/jpeg")
        yield client
        client.close()
    finally:
        _remove()


def _wait_for(client: Any) -> None:
    while True:
        try:
            client.list_buckets()
            return
        except BotoCoreError as error:
            if docker("inspect", "-f", "{{.State.Running}}", CONTAINER) != "true":
                raise RuntimeError(docker("logs", CONTAINER)) from error
            time.sleep(0.2)


def _remove() -> None:
    docker("rm", "--force", CONTAINER, check=False)
    docker("network", "rm", NETWORK, check=False)


def main() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with local_s3((ROOT / "samples" / "astronaut.jpg").read_bytes()) as client:
        sys.stdout.write(f"{client.meta.endpoint_url} has {INPUT} and {OUTPUT}; end with Ctrl-C\n")
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()
