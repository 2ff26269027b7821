"""An emulator of AWS with enforced policies, and the template deployed to it by the real `sam`.

Nothing here skips: without a Docker engine, `sam` and the emulator these tests fail.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from deployed import REGION, ROOT, SAM_PYTHON, STACK_PYTHON, Deployed, environment, wait_for


@pytest.fixture(scope="session")
def built() -> float:
    """`sam build` of the working tree; seconds that it took."""
    began = time.monotonic()
    done = subprocess.run(
        [SAM_PYTHON.with_name("sam"), "build"],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return time.monotonic() - began


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The emulator's address."""
    folder = tmp_path_factory.mktemp("emulator")
    (rapid,) = (ROOT / ".venv-sam").glob("lib/*/site-packages/samcli/local/rapid")
    rie = folder / "rie"
    shutil.copy(rapid / "aws-lambda-rie-x86_64", rie)
    rie.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": REGION,
        "AUTH": "true",
        "LOG_LEVEL": "INFO",
        "LAMBDA_DOCKER_FLAGS": f"-v {rie}:/rie:ro",
    }
    log = folder / "log"
    with log.open("wb") as lines:
        process = subprocess.Popen(
            [STACK_PYTHON, Path(__file__).with_name("emulator.py")],
            cwd=folder,
            env=environment() | settings,
            stdout=lines,
            stderr=subprocess.STDOUT,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: is_up(address, process), 60)
        yield address
    finally:
        process.terminate()
        process.wait(60)
        sys.stdout.write(f"the emulator's log: {log}\n")


def is_up(address: str, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "the emulator ended"
    try:
        return bool(urllib.request.urlopen(f"{address}/_ministack/health").status)
    except (urllib.error.URLError, ConnectionError):
        return False


@pytest.fixture(scope="session")
def client(endpoint: str) -> Callable[[str], Any]:
    """A client of a service, as the account's owner."""
    session: Any = boto3.Session("test", "test", region_name=REGION)

    def of(service: str) -> Any:
        return session.client(service, endpoint_url=endpoint)

    return of


@pytest.fixture(scope="session")
def sam(endpoint: str) -> Callable[..., str]:
    """`sam` with its shipped configuration, and nobody to answer a question; what it prints.

    It is run as the account's owner, or with other credentials.
    """

    def call(*arguments: str, **credentials: str) -> str:
        done = subprocess.run(
            [SAM_PYTHON, Path(__file__).with_name("sam.py"), *arguments],
            cwd=ROOT,
            env=environment() | {"AWS_ENDPOINT_URL": endpoint} | credentials,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, f"sam {arguments}:\n{done.stdout[-6000:]}"
        return done.stdout

    return call


@pytest.fixture(scope="session")
def deploy(
    built: float, sam: Callable[..., str], client: Callable[[str], Any], endpoint: str
) -> Callable[..., Deployed]:
    """Deploys what was built, under a name, with these parameters."""

    def deployed(name: str = "kirei", *arguments: str, **parameters: str) -> Deployed:
        began = time.monotonic()
        given = [f"{key}={value}" for key, value in parameters.items()]
        overrides = ["--parameter-overrides", *given] if given else []
        sam("deploy", "--stack-name", name, *arguments, *overrides)
        (stack,) = client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        assert stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
        outputs = {item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]}
        return Deployed(name, outputs, client, endpoint, time.monotonic() - began)

    return deployed


@pytest.fixture(scope="session")
def stack(deploy: Callable[..., Deployed]) -> Deployed:
    """With the shipped samconfig.toml and no parameter of its own."""
    return deploy()


@pytest.fixture(scope="session")
def photo() -> bytes:
    return (ROOT / "samples" / "chelsea.jpg").read_bytes()


@pytest.fixture(scope="session")
def kirei(endpoint: str) -> Callable[..., str]:
    """A command of `kirei`; what it prints."""

    def call(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "pipeline", *arguments],
            cwd=ROOT,
            env=environment() | {"AWS_ENDPOINT_URL": endpoint},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return call
