"""A stack on the emulator as its user sees it, and what the emulator cannot do."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SAM_PYTHON = ROOT / ".venv-sam" / "bin" / "python"
STACK_PYTHON = ROOT / ".venv-stack" / "bin" / "python"
REGION = "eu-central-1"
INSIDE = "host.docker.internal"  # the emulator's name in the function's container
WAIT_S = 90.0

NOT_EMULATED = {
    "S3 Batch Operations": "tests/operations has the service's model and a stand-in",
    "alarms on expressions": "tests/deployment/test_alarms.py reckons each with data",
    "percentiles of metrics": "tests/deployment/test_alarms.py",
    "CodeDeploy": "a release's alias is made here, and moves at once",
    "OpenAPI import": "emulator.py makes the routes from the same document",
    "preflight of an API with authorizers": "the emulator answers every OPTIONS by itself",
    "permissions boundaries and VPCs": "are dropped; tests/deployment/test_template.py",
    "redrive of executions": "tests/operations/test_operations.py has the service's answers",
    "JWT authorizers": "they need an issuer; tests/deployment/test_template.py reads the document",
    "signatures (SigV4)": "are looked for and never verified",
    "TLS": "every call counts as encrypted",
    "ECR": "the image is run where it was built: neither push nor manifest is shown",
    "EventBridge and S3 with KMS key policies": "keys are named, nothing is encrypted",
    "Lambda's sandbox": "cold starts, share of processors, arm64 and SnapStart are a container's",
    "CloudFront, WAF, ACM": "stacks/cdn.yaml is made, and nothing passes through it",
    "a deployer's rights within CloudFormation": "tests/deployment/test_deployer.py",
    "rules of lifecycle in a template": "tests/deployment/test_template.py",
    "quotas and bills": "there are none",
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


def wait_for(what: Callable[[], Any], limit_s: float = WAIT_S) -> Any:
    """The first answer that is true, asked for every fifth of a second. Fails after ``limit_s``."""
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        answer = what()
        if answer:
            return answer
        time.sleep(0.2)
    raise AssertionError(f"not within {limit_s:.0f} s")


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
        return (
            f"{self.outputs['HttpApiUrl'].split('/')[2].split('.')[0]}.execute-api.localhost:{port}"
        )

    def ask(
        self, path: str, data: bytes | None = None, token: str | None = None, **headers: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of a call of the API, with the right token or another one."""
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        said |= {
            "Host": self.host,
            "Authorization": f"Bearer {self.token if token is None else token}",
        }
        return fetch(urllib.request.Request(self.endpoint + path, data, said))

    def follow(self, url: str, data: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """Status and body behind a signed address, where the emulator has its name in Docker."""
        host = url.split("/")[2]
        said = {name.replace("_", "-"): value for name, value in headers.items()} | {"Host": host}
        outside = url.replace(host, self.endpoint.removeprefix("http://"), 1)
        status, _, body = fetch(urllib.request.Request(outside, data, said))
        return status, body


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


OPENER = urllib.request.build_opener(_NoRedirects, urllib.request.ProxyHandler({}))


def fetch(request: urllib.request.Request) -> tuple[int, Any, bytes]:
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


def let_read(stack: Deployed, bucket: str) -> None:
    """Adds a bucket to what the stack's function may read."""
    function = stack.client("lambda").get_function_configuration(
        FunctionName=stack.outputs["FunctionName"]
    )
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": resources}
    stack.client("iam").put_role_policy(
        RoleName=function["Role"].rpartition("/")[2],
        PolicyName=f"read-{bucket}",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
