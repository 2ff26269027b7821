"""What was ever found at a door of tests/support/fuzz_targets.py, made as small as it could be."""

from __future__ import annotations

from typing import Any

from calls import BOUNDARY, FORM

REQUEST: dict[str, Any] = {
    "method": "POST",
    "path": "/v1/stylise",
    "query": {},
    "headers": {},
    "body": b"",
}
S3_EVENT: dict[str, Any] = {
    "eventName": "ObjectCreated:Put",
    "s3": {"bucket": {"name": "kirei-input"}},
}


def request(**changed: Any) -> dict[str, Any]:
    return REQUEST | changed


def part(disposition: str) -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\nx"
    return f"{head}\r\n--{BOUNDARY}--".encode()


FINDS: list[tuple[str, Any]] = [
    # a whole number too long for a float, and for text
    ("options", {"quality": 10**400}),
    ("options", {"quality": 10**5000}),
    ("options", {"quality": [10**5000]}),
    ("metadata", {"quality": "9" * 400}),
    ("function", request(query={"quality": "9" * 400})),
    ("server", request(query={"quality": "9" * 400})),
    ("function", request(path="/v1/uploads", body=b'{"bytes": ' + b"9" * 500 + b"}")),
    # a folder's name that the system cannot have, and a picture's
    ("flags", ("stylise", {"output": "9" * 300}, False)),
    ("flags", ("stylise", {"output": "9" * 300 + ".jpg"}, False)),
    ("flags", ("colour", {"output": "9" * 300 + ".png"}, True)),
    # names that are none
    ("server", request(headers={"host": "["})),
    ("server", request(headers={"origin": "http://["})),
    (
        "function",
        request(headers={"content-type": f"multipart/form-data; boundary*{'9' * 5000}=B"}),
    ),
    # minutes of a parser's time
    ("forms", (FORM, part('x; name="' + ";" * 300_000))),
    ("forms", (FORM, part("x" + "; a=b" * 80_000))),
    # half a character in a key, in an option, in the record of a refusal
    ("events", {"bucket": "kirei-input", "key": "uploads/\ud800"}),
    ("events", {"bucket": "kirei-input", "key": "uploads/a.png", "style": "\ud800"}),
    ("events", {"bucket": "kirei-input", "key": "uploads/a.png", "style": float("nan")}),
    (
        "events",
        {"Records": [{**S3_EVENT, "s3": {**S3_EVENT["s3"], "object": {"key": "uploads/\ud800"}}}]},
    ),
    # a list where a word should be
    (
        "events",
        {
            "source": "aws.s3",
            "detail-type": [],
            "detail": {"bucket": {"name": "kirei-input"}, "object": {"key": "uploads/a.png"}},
        },
    ),
    ("events", {"Records": [{"Sns": {"Message": '{"Type": []}'}}]}),
    # nested without end
    (
        "events",
        {"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": "[" * 100_000}]},
    ),
    ("sidecars", b"[" * 100_000),
    ("sidecars", b'{"source": [], "output": {}}'),
    ("manifests", {"manifest_version": 1, "weights": [{"name": "a", "files": []}]}),
    # a decoding process that somebody took over
    ("decoder", (b"\xff\xff\xff\xff", {}, b"")),
    ("decoder", (b"", {"code": "none"}, b"")),
    ("decoder", (b"", {"code": []}, b"")),
    ("decoder", (b"", {"shape": [10**9, 10**9, 3], "reduced_by": 1}, b"")),
]
