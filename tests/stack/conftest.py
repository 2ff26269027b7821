"""An emulator of AWS with enforced policies, and the template deployed to it by the real `sam`.

Nothing here skips: without a Docker engine, `sam` and the emulator these tests fail. What the emulator
cannot do stands in NOT_EMULATED, and nowhere else.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

ROOT = Path(__file__).resolve().parents[2]
SAM_PYTHON = ROOT / ".venv-sam" / "bin" / "python"
STACK_PYTHON = ROOT / ".venv-stack" / "bin" / "python"
REGION = "eu-central-1"
INSIDE = "host.docker.internal"  # the emulator's name in the function's container
WAIT_S = 90.0

NOT_EMULATED = {
    "S3 Batch Operations": "tests/test_backfill_job.py holds the request against the service's model",
    "alarms on expressions": "tests/test_alarms.py reckons each with data",
    "percentiles of metrics": "tests/test_alarms.py",
    "CodeDeploy": "a release's alias is made here, and moves at once",
    "OpenAPI import": "emulator.py makes the routes from the same document",
    "preflight of an API with authorizers": "the emulator answers every OPTIONS by itself",
    "JWT authorizers": "they need an issuer; the document is tested in tests/test_template.py",
    "signatures (SigV4)": "are looked for and never verified",
    "TLS": "every call counts as encrypted",
    "ECR": "the image is run where it was built: neither push nor manifest is shown",
    "EventBridge and S3 with KMS key policies": "keys are named, nothing is encrypted",
    "Lambda's sandbox": "cold starts, share of processors, arm64 and SnapStart are a container's",
    "CloudFront, WAF, ACM": "stacks/cdn.yaml passes cfn-lint and checkov alone",
    "quotas and bills": "none",
}


def environment() -> dict[str, str]:
    """That of a machine without an AWS profile."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAM_CLI_TELEMETRY": "0",
    }


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


def wait_for(what: Callable[[], Any], limit_s: float = WAIT_S) -> Any:
    """The first answer that is true, asked for every fifth of a second. Fails after ``limit_s``."""
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        answer = what()
        if answer:
            return answer
        time.sleep(0.2)
    raise AssertionError(f"not within {limit_s:.0f} s")


@pytest.fixture(scope="session")
def client(endpoint: str) -> Callable[[str], Any]:
    """A client of a service, as the account's owner."""
    session = boto3.Session("test", "test", region_name=REGION)

    def of(service: str) -> Any:
        return session.client(service, endpoint_url=endpoint)

    return of


@pytest.fixture(scope="session")
def sam(endpoint: str) -> Callable[..., str]:
    """`sam` with its shipped configuration, and nobody to answer a question; what it prints."""

    def call(*arguments: str) -> str:
        done = subprocess.run(
            [SAM_PYTHON, Path(__file__).with_name("sam.py"), *arguments],
            cwd=ROOT,
            env=environment() | {"AWS_ENDPOINT_URL": endpoint},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, f"sam {arguments}:\n{done.stdout[-6000:]}"
        return done.stdout

    return call


@dataclass(frozen=True)
class Deployed:
    """A stack: its outputs, and ways to its buckets, queues and API."""

    name: str
    outputs: Mapping[str, str]
    client: Callable[[str], Any]
    endpoint: str
    seconds: float

    def upload(self, key: str, data: bytes, **metadata: str) -> None:
        self.client("s3").put_object(
            Bucket=self.outputs["InputBucket"], Key=key, Body=data, Metadata=metadata
        )

    def keys(self, prefix: str = "") -> list[str]:
        """Of the output bucket."""
        answer = self.client("s3").list_objects_v2(
            Bucket=self.outputs["OutputBucket"], Prefix=prefix
        )
        return sorted(item["Key"] for item in answer.get("Contents", []))

    def read(self, key: str) -> bytes:
        bucket = self.outputs["OutputBucket"]
        body: bytes = self.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    def drawn(self, name: str) -> dict[str, Any]:
        """The sidecar of a result, once it is there; the picture lies beside it."""
        wait_for(lambda: f"{name}.json" in self.keys("stylised/"))
        sidecar: dict[str, Any] = json.loads(self.read(f"{name}.json"))
        assert len(self.read(sidecar["output"]["key"])) == sidecar["output"]["bytes"]
        return sidecar

    @property
    def token(self) -> str:
        secret = self.outputs["ApiTokenSecret"]
        answer = self.client("secretsmanager").get_secret_value(SecretId=secret)
        return str(answer["SecretString"])

    @property
    def host(self) -> str:
        """Of the API: the emulator knows it by that name."""
        port = self.endpoint.rpartition(":")[2]
        return f"{self.outputs['HttpApiUrl'].split('/')[2].split('.')[0]}.execute-api.localhost:{port}"

    def ask(
        self, path: str, data: bytes | None = None, token: str | None = None, **headers: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of a call of the API; with the right token unless another is given."""
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        said |= {"Host": self.host, "Authorization": f"Bearer {self.token if token is None else token}"}
        return fetch(urllib.request.Request(self.endpoint + path, data, said))

    def follow(self, url: str, data: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """Status and body behind a signed address, which has the emulator's name inside of Docker."""
        host = url.split("/")[2]
        said = {name.replace("_", "-"): value for name, value in headers.items()} | {"Host": host}
        outside = url.replace(host, self.endpoint.removeprefix("http://"), 1)
        status, _, body = fetch(urllib.request.Request(outside, data, said))
        return status, body


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


OPENER = urllib.request.build_opener(_NoRedirects, urllib.request.ProxyHandler({}))


def fetch(request: urllib.request.Request) -> tuple[int, Mapping[str, str], bytes]:
    try:
        with OPENER.open(request, timeout=WAIT_S) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def form(fields: Mapping[str, str], name: str, data: bytes) -> tuple[bytes, str]:
    """A multipart form with a JPEG as its last field, and its content type."""
    edge = uuid.uuid4().hex
    parts = [
        f'--{edge}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in fields.items()
    ]
    head = f'--{edge}\r\nContent-Disposition: form-data; name="{name}"; filename="a.jpg"\r\n'
    head += "Content-Type: image/jpeg\r\n\r\n"
    body = "".join(parts).encode() + head.encode() + data + f"\r\n--{edge}--\r\n".encode()
    return body, f"multipart/form-data; boundary={edge}"


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
