"""Requests to the HTTP API, as events of API Gateway, and what comes back."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Mapping
from typing import Any

from buckets import INPUT, Event
from PIL import Image

from adapters.errors import STATUSES

Invoke = Callable[[Any], Any]  # the function, as the fixture calls it


class Context:
    """What Lambda passes beside the event, as far as Powertools reads it."""

    function_name = "kirei"
    memory_limit_in_mb = 2048
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:kirei"
    aws_request_id = "7c9f2d7e-4f0a-4b3a-9c55-0d6c1a2b3c4d"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000  # the most there is: slow machines test the same


def context() -> Any:
    """A Context, for whoever asks for Lambda's own class."""
    return Context()


REQUEST_ID = "JKJaXmPLvHcESHA="
BOUNDARY = "----a-boundary"


def call(
    method: str,
    path: str,
    body: bytes | Mapping[str, Any] = b"",
    query: Mapping[str, str] | None = None,
    **headers: str,
) -> Event:
    """An event in format 2.0; a mapping travels as JSON, ``content_type`` is a header."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if isinstance(body, Mapping):
        body = json.dumps(body).encode()
        named.setdefault("content-type", "application/json")
    return {
        "version": "2.0",
        "rawPath": path,
        "headers": named,
        "queryStringParameters": dict(query or {}),
        "requestContext": {
            "http": {"method": method, "path": path},
            "requestId": REQUEST_ID,
            "stage": "$default",
        },
        "stageVariables": {"input_bucket": INPUT},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


def form(fields: Mapping[str, str | bytes], files: Mapping[str, tuple[str, bytes]]) -> bytes:
    """The body of multipart/form-data with BOUNDARY: fields, then files by (name, content)."""
    lines = []
    for name, value in fields.items():
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
        lines += [head.encode(), value if isinstance(value, bytes) else value.encode(), b"\r\n"]
    for name, (filename, content) in files.items():
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; '
        head += f'filename="{filename}"\r\nContent-Type: image/jpeg\r\n\r\n'
        lines += [head.encode(), content, b"\r\n"]
    return b"".join([*lines, f"--{BOUNDARY}--\r\n".encode()])


FORM = f"multipart/form-data; boundary={BOUNDARY}"


def body_of(answer: Mapping[str, Any]) -> bytes:
    """The bytes of an answer."""
    body: str = answer["body"]
    return base64.b64decode(body) if answer["isBase64Encoded"] else body.encode()


def json_of(answer: Mapping[str, Any], status: int = 200) -> Any:
    """The JSON of an answer of that status."""
    assert answer["statusCode"] == status, answer
    assert answer["headers"]["Content-Type"] == "application/json"
    assert answer["headers"]["X-Content-Type-Options"] == "nosniff"
    return json.loads(body_of(answer))


def picture_of(answer: Mapping[str, Any]) -> Image.Image:
    """The picture of an answer."""
    assert answer["statusCode"] == 200, answer
    assert answer["isBase64Encoded"] is True
    return Image.open(io.BytesIO(body_of(answer)))


def error_of(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The error of an answer, which has the one shape that errors have."""
    assert answer["headers"]["Content-Type"] == "application/json"
    document = json.loads(body_of(answer))
    assert document.keys() == {"error"}
    error: dict[str, Any] = document["error"]
    assert error.keys() == {"code", "message", "stage", "measured", "limit", "request_id"}
    assert error["request_id"] == REQUEST_ID
    assert answer["statusCode"] == STATUSES[error["code"]]
    return error
