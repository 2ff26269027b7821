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
from PIL import Image, ImageDraw
from test_events_hostile import ANY
from test_http_forms import FRAGMENTS
from test_numbers import ODD_TEXTS

from adapters.tasks import COMPANIONS
from pipeline import ColourOptions, Options

ID = "0123456789abcdef0123456789abcdef"


def photo() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (24, 16), "tan").save(file, "PNG")
    return file.getvalue()


def drawing() -> bytes:
    """Boxes of black lines on white paper."""
    file = io.BytesIO()
    paper = Image.new("RGB", (96, 64), "white")
    for left in (8, 52):
        ImageDraw.Draw(paper).rectangle((left, 8, left + 36, 56), outline="black", width=2)
    paper.save(file, "PNG")
    return file.getvalue()


def base64_text(content: bytes) -> str:
    return base64.b64encode(content).decode()


PHOTO, DRAWING = photo(), drawing()
FIELDS = [*fields(Options), *fields(ColourOptions)]
NAMES = [*dict.fromkeys(item.name for item in FIELDS), "task", *COMPANIONS]
WORDS = sorted({v for item in FIELDS for v in item.metadata.get("values", ())} | {"hayao"})
HINT_TEXTS = ["1,2,#f00", "50%,50%,#00ff00,5%", "1,2,#f00;" * 300, "999999,9,#fff,0", "-1,2,#fff"]
TEXTS = st.one_of(
    st.sampled_from([*ODD_TEXTS, *WORDS, *HINT_TEXTS, "0.5", "64", "", "stylise", "colour"]),
    st.text(max_size=12),
)
SENDABLE = TEXTS.map(lambda text: text.encode("utf-8", "replace").decode())
NAMED = st.dictionaries(st.sampled_from([*NAMES, "bytes", "colour"]), TEXTS, max_size=3)
PLAIN = TEXTS | st.integers() | st.floats() | st.none()
HINTS = st.dictionaries(st.sampled_from(["x", "y", "colour", "radius", "z"]), PLAIN)
VALUES = PLAIN | st.lists(st.integers() | HINTS, max_size=2)
LINES = st.sampled_from(FRAGMENTS) | st.binary(max_size=6)
FORM_BODIES = st.lists(LINES, max_size=30).map(b"".join)
JSON_BODIES = st.one_of(
    ANY.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(
        st.sampled_from(
            ["image_base64", "upload_id", "content_type", "bytes", *NAMES]
            + [f"{name}_base64" for name in COMPANIONS]
        ),
        VALUES | st.sampled_from([ID, *map(base64_text, (PHOTO, DRAWING)), "image/png"]),
        max_size=4,
    ).map(lambda value: json.dumps(value).encode()),
    st.sampled_from([b"[" * 50_000, b"9" * 5000, b'{"bytes": ' + b"9" * 500 + b"}", b"\xff"]),
)
BODIES = FORM_BODIES | JSON_BODIES | st.binary(max_size=50) | st.sampled_from([PHOTO, DRAWING])
PATHS = st.sampled_from(
    [
        "/",
        "/v1/stylise",
        "/v1/colour",
        "/v1/uploads",
        f"/v1/uploads/{ID}",
        f"/v1/results/{ID}",
        "/v1/results/..",
        "/v1/styles",
        "/v1/palettes",
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
# what follows a command: flags of either, with any value, and files in their place
FLAGS = st.tuples(
    st.sampled_from(["stylise", "colour", "looks"]),
    st.dictionaries(
        st.sampled_from(
            [name.replace("_", "-") for name in (*NAMES, "hint")]
            + ["existing", "jobs", "max-seconds", "output", "no-such-flag"]
        ),
        SENDABLE.map(lambda text: text.replace("/", "").replace("\0", "")),
        max_size=3,
    ),
    st.booleans(),  # whether it only says what it would draw
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
