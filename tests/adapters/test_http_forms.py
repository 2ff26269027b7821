"""Photos that come in forms and in other wrappings, good and bad."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pillow_heif
import pytest
from calls import BOUNDARY, FORM, Invoke, body_of, call, error_of, form, picture_of
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from adapters.http.multipart import form_parts
from pipeline import InvalidRequest

STYLISE = "/v1/stylise"


@pytest.fixture
def send(no_bucket: pytest.MonkeyPatch, invoke: Invoke) -> Any:
    """A form to /v1/stylise, whose photo is not to be repaired; returns the answer."""

    def post(body: Any, content_type: Any = FORM, **query: Any) -> Any:
        query.setdefault("enhance", "off")
        return invoke(call("POST", STYLISE, body, query, content_type=content_type))

    return post


def test_a_form_with_options_draws_what_a_raw_body_draws(
    invoke: Invoke, send: Any, photo: bytes
) -> None:
    fields = {"strength": "0.5", "format": "png", "max-side-px": "64"}
    wrong = error_of(send(form(fields, {"image": ("a.jpg", photo)})))
    assert wrong["code"] == "invalid_option" and "max_side_px" in wrong["message"]

    fields = {"strength": "0.5", "format": "png"}
    answer = send(form(fields, {"image": ("a.jpg", photo)}), max_side_px="128")
    assert picture_of(answer).size == (128, 85)
    raw = invoke(call("POST", STYLISE, photo, fields | {"max_side_px": "128", "enhance": "off"}))
    assert body_of(answer) == body_of(raw)


def test_a_form_wins_over_the_query(send: Any, photo: bytes) -> None:
    body = form({"format": "webp"}, {"image": ("a.jpg", photo)})
    assert picture_of(send(body, format="png")).format == "WEBP"


@pytest.mark.parametrize(
    "name", ["photo.txt", "photo", "photo.svg", "../../etc/passwd", "照片.exe"]
)
def test_a_right_photo_under_a_wrong_name(send: Any, photo: bytes, name: str) -> None:
    assert picture_of(send(form({}, {"image": (name, photo)}))).size == (256, 170)


def test_a_wrong_file_under_a_right_name(send: Any) -> None:
    answer = send(form({}, {"image": ("photo.jpg", b"this is a letter, not a photo")}))
    assert error_of(answer)["code"] == "not_an_image"


def test_a_heic_of_a_phone(invoke: Invoke, send: Any, picture: Image.Image) -> None:
    file = io.BytesIO()
    heif = pillow_heif.from_pillow(picture)
    heif.save(file, quality=80)
    assert picture_of(send(form({}, {"image": ("IMG_0001.HEIC", file.getvalue())}))).size == (
        256,
        170,
    )
    assert picture_of(
        invoke(call("POST", STYLISE, file.getvalue(), content_type="image/heic"))
    ).format == ("JPEG")


END = f"--{BOUNDARY}--\r\n".encode()
STYLE_OPEN = form({"style": "cel"}, {}).removesuffix(END)  # one field, and no end

BROKEN = {
    "no boundary": ("multipart/form-data", None),
    "an empty boundary": ('multipart/form-data; boundary=""', None),
    "a boundary of 71": (f"multipart/form-data; boundary={'a' * 71}", None),
    "another boundary": ("multipart/form-data; boundary=another", None),
    "not form-data": (f"multipart/mixed; boundary={BOUNDARY}", None),
    "no body": (FORM, b""),
    "no end": (FORM, f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"\r\n\r\nx'),
    "no end of a part's headers": (FORM, f"--{BOUNDARY}\r\nContent-Disposition\r\n--{BOUNDARY}--"),
    "a part without a name": (FORM, f"--{BOUNDARY}\r\nA: b\r\n\r\nx\r\n--{BOUNDARY}--"),
    "nothing but the end": (FORM, f"--{BOUNDARY}--"),
    "a field twice": (FORM, STYLE_OPEN + form({"style": "cel"}, {"image": ("a", b"x")})),
    "no image": (FORM, form({"style": "cel"}, {})),
    "too many parts": (FORM, form({f"a{i}": "x" for i in range(65)}, {})),
    "a field that is no text": (FORM, form({"style": b"\xff\xfe"}, {"image": ("a", b"x")})),
    "a field too long": (FORM, form({"style": "a" * 9000}, {"image": ("a", b"x")})),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_form(send: Any, photo: bytes, case: Any) -> None:
    content_type, body = BROKEN[case]
    if body is None:
        body = form({}, {"image": ("a.jpg", photo)})
    answer = send(body.encode() if isinstance(body, str) else body, content_type)
    assert error_of(answer)["code"] == "invalid_request"


def test_two_photos_in_one_form(send: Any, photo: bytes) -> None:
    once = form({}, {"image": ("a.jpg", photo)})
    twice = once.removesuffix(END) + once
    assert "twice" in error_of(send(twice))["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'["image_base64"]',
        b'"text"',
        b"null",
        b"7",
        b"[" * 100_000,
        b'{"image_base64": "\\ud800"}',
        b'{"image_base64": "%%%%"}',
        b'{"image_base64": ["x"]}',
        b'{"image_base64": "QUJD", "upload_id": "x"}',
        b'{"upload_id": "../../etc/passwd"}',
        b'{"upload_id": null}',
        b"\xff\xfe",
        b"{",
        b"",
    ],
)
def test_json_that_is_no_request(no_bucket: pytest.MonkeyPatch, invoke: Invoke, body: Any) -> None:
    answer = invoke(call("POST", STYLISE, body, content_type="application/json; charset=utf-8"))
    assert error_of(answer)["code"] == "invalid_request"


@pytest.mark.parametrize("option", ["\ud800", "a" * 1_000_000, "\0", "\u202e"])
def test_what_a_stranger_wrote_comes_back_short_and_whole(
    no_bucket: pytest.MonkeyPatch, invoke: Invoke, photo: bytes, option: Any
) -> None:
    body = {"image_base64": base64.b64encode(photo).decode(), "style": option}
    answer = invoke(call("POST", STYLISE, body))
    assert error_of(answer)["code"] == "unknown_style"
    assert len(answer["body"]) < 3000


def test_a_photo_over_the_limit_is_not_even_decoded(
    no_bucket: pytest.MonkeyPatch, invoke: Invoke, photo: bytes
) -> None:
    no_bucket.setenv("KIREI_MAX_INPUT_BYTES", "1000")
    body = form({}, {"image": ("a.jpg", photo)})
    as_json = {"image_base64": base64.b64encode(photo).decode()}
    for event in (
        call("POST", STYLISE, photo),
        call("POST", STYLISE, body, content_type=FORM),
        call("POST", STYLISE, as_json),
    ):
        answer = invoke(event)
        error = error_of(answer)
        assert (error["code"], error["limit"]) == ("too_many_bytes", 1000)
        assert answer["statusCode"] == 413


SVG = b"""<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="64" height="64">
<script>alert(document.domain)</script><image href="http://169.254.169.254/"/></svg>"""


@pytest.mark.parametrize("kind", ["image/svg+xml", "image/png", "image/jpeg"])
def test_svg_is_no_photo_whatever_it_is_called(
    no_bucket: pytest.MonkeyPatch, invoke: Invoke, kind: Any
) -> None:
    answer = invoke(call("POST", STYLISE, SVG, content_type=kind))
    assert error_of(answer)["code"] == "not_an_image"
    assert "script" not in answer["body"]


def test_nothing_of_a_polyglot_survives(
    no_bucket: pytest.MonkeyPatch,
    invoke: Invoke,
    encoded: Callable[..., bytes],
    picture: Image.Image,
) -> None:
    """A JPEG with a comment, a PNG with a text, both with an archive behind them."""
    payload = b"<script>alert(1)</script><?php system('id'); ?>"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("run.php", payload)
    exif = Image.Exif()
    exif[0x010E] = payload.decode()
    jpeg = encoded("JPEG", comment=payload, exif=exif.tobytes()) + archive.getvalue() + payload
    png = encoded("PNG", exif=exif.tobytes()) + archive.getvalue() + payload
    for polyglot in (jpeg, png):
        assert payload in polyglot and zipfile.is_zipfile(io.BytesIO(polyglot))
        for format in ("jpeg", "png", "webp"):
            answer = invoke(call("POST", STYLISE, polyglot, {"format": format, "enhance": "off"}))
            drawn = body_of(answer)
            assert picture_of(answer).size == picture.size
            assert payload not in drawn and b"<script" not in drawn and b"<?php" not in drawn
            assert b"PK\x03\x04" not in drawn
            assert not zipfile.is_zipfile(io.BytesIO(drawn))


FRAGMENTS = [f"--{BOUNDARY}".encode(), b"--", b"\r\n", b"\n", b"Content-Disposition: form-data; "]
FRAGMENTS += [b'name="a"', b"name*=utf-8''%ff", b"\0", b": ", b";", b'"', b"\xff"]


@given(st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=4), max_size=40).map(b"".join))
def test_any_bytes_are_a_form_or_are_refused_by_name(body: Any) -> None:
    with suppress(InvalidRequest):
        for part in form_parts(FORM, body):
            assert isinstance(part.name, str) and part.data in body


@given(st.text(max_size=80))
def test_any_header_names_its_boundary_or_is_refused_by_name(header: Any) -> None:
    with suppress(InvalidRequest):
        form_parts(f"multipart/form-data; {header}", b"--x\r\n\r\n")


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_what_is_put_into_a_form_comes_out(contents: Any) -> None:
    names = [f"field {number}" for number in range(len(contents))]
    body = form({}, {name: ("a.jpg", data) for name, data in zip(names, contents, strict=True)})
    assume(all(BOUNDARY.encode() not in data for data in contents))
    found = form_parts(FORM, body)
    assert [(part.name, part.data) for part in found] == list(zip(names, contents, strict=True))
    assert all(part.filename == "a.jpg" for part in found)
