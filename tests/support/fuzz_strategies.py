"""What is sent to the doors of tests/support/fuzz_targets.py: nearly right, and nothing like it."""

from __future__ import annotations

import base64
import copy
import io
import json
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from calls import BOUNDARY, FORM
from hypothesis import strategies as st
from PIL import Image
from test_events_hostile import ANY
from test_http_forms import FRAGMENTS
from test_numbers import ODD_TEXTS

from pipeline import Options

ID = "0123456789abcdef0123456789abcdef"


def photo() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (24, 16), "tan").save(file, "PNG")
    return file.getvalue()


PHOTO = photo()
NAMES = [item.name for item in fields(Options)]
WORDS = sorted({v for item in fields(Options) for v in item.metadata.get("values", ())} | {"hayao"})
TEXTS = st.sampled_from([*ODD_TEXTS, *WORDS, "0.5", "64", ""]) | st.text(max_size=12)
SENDABLE = TEXTS.map(lambda text: text.encode("utf-8", "replace").decode())
NAMED = st.dictionaries(st.sampled_from([*NAMES, "bytes", "colour"]), TEXTS, max_size=3)
VALUES = TEXTS | st.integers() | st.floats() | st.none() | st.lists(st.integers(), max_size=2)
LINES = st.sampled_from(FRAGMENTS) | st.binary(max_size=6)
FORM_BODIES = st.lists(LINES, max_size=30).map(b"".join)
JSON_BODIES = st.one_of(
    ANY.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(
        st.sampled_from(["image_base64", "upload_id", "content_type", "bytes", *NAMES]),
        VALUES | st.sampled_from([ID, base64.b64encode(PHOTO).decode(), "image/png"]),
        max_size=4,
    ).map(lambda value: json.dumps(value).encode()),
    st.sampled_from([b"[" * 50_000, b"9" * 5000, b'{"bytes": ' + b"9" * 500 + b"}", b"\xff"]),
)
BODIES = FORM_BODIES | JSON_BODIES | st.binary(max_size=50) | st.just(PHOTO)
PATHS = st.sampled_from(
    [
        "/",
        "/v1/stylise",
        "/v1/uploads",
        f"/v1/uploads/{ID}",
        f"/v1/results/{ID}",
        "/v1/results/..",
        "/v1/styles",
        "/v1/styles/hayao/thumbnail.jpg",
        "/v1/options",
        "/v1/health",
        "/v1/files/uploads/a.png",
        "/app/index.html",
        "/docs",
        "/openapi.json",
    ]
) | st.text(max_size=12).map(lambda text: "/" + text)
METHODS = st.sampled_from(["GET", "POST", "HEAD", "PUT", "OPTIONS", "get", ""])
HEADER_VALUES = st.sampled_from(
    [
        FORM,
        f'multipart/form-data; boundary="{BOUNDARY}"',
        "multipart/form-data",
        "multipart/form-data; boundary*" + "9" * 5000 + "=B",
        "application/json",
        "image/png",
        "localhost",
        "[",
        "[::1",
        "http://[",
        "null",
        "9" * 30,
        "-1",
        "Bearer x",
        "\xb2",
    ]
) | st.text(st.characters(max_codepoint=255), max_size=12)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["content-type", "accept", "host", "origin", "content-length", "authorization", "range"]
    ),
    HEADER_VALUES,
    max_size=4,
)
REQUESTS = st.fixed_dictionaries(
    {
        "method": METHODS,
        "path": PATHS,
        "query": st.dictionaries(SENDABLE, SENDABLE, max_size=3),
        "headers": HEADERS,
        "body": BODIES,
    }
)
ANSWERS = (
    ANY
    | st.fixed_dictionaries(
        {
            "shape": st.lists(st.integers(-1, 80) | st.just(10**9) | ANY, max_size=4)
            | st.tuples(st.integers(1, 64), st.integers(1, 64), st.just(3)),
            "alpha": st.booleans() | ANY,
            "source": st.dictionaries(
                st.sampled_from(["format", "mode", "bytes"]), ANY, max_size=3
            ),
            "reduced_by": st.sampled_from([1, 2, 3, None, "1"]),
        }
    )
    | st.fixed_dictionaries(
        {
            "code": st.sampled_from(["not_an_image", "too_costly", "none", None]) | ANY,
            "message": st.text(max_size=5) | ANY,
        },
        optional={"stage": ANY, "measured": ANY, "limit": ANY, "more": ANY},
    )
)
CONTENT_TYPES = (
    st.just(FORM)
    | HEADER_VALUES
    | st.text(max_size=60).map(lambda text: f"multipart/form-data; {text}")
)


@st.composite
def odd_sidecars(draw: st.DrawFn, whole: Callable[[], dict[str, Any]]) -> bytes:
    """A whole sidecar with one of its parts replaced."""
    document = copy.deepcopy(whole())
    parent, step = document, draw(st.sampled_from(sorted(document)))
    while isinstance(parent[step], dict) and parent[step] and draw(st.booleans()):
        parent = parent[step]
        step = draw(st.sampled_from(sorted(parent)))
    parent[step] = draw(ANY)
    return json.dumps(document).encode()
