"""The HTTP API: the real handler on events as an HTTP API sends them."""

from __future__ import annotations

import base64
import io
import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from buckets import OUTPUT, Event, keys, object_of
from calls import Invoke, error_of, picture_of
from PIL import Image
from shipped import shipped_styles

import pipeline
from adapters import errors as errors_module
from adapters.errors import STATUSES
from adapters.process import process_worker


@pytest.fixture
def request_event(load_event: Callable[[str], Event]) -> Any:
    """A POST of the shipped event with another body, type, query or headers."""

    def make(
        body: Any = b"",
        content_type: Any = "image/jpeg",
        query: Any = None,
        text: Any = None,
        **headers: Any,
    ) -> Any:
        event = load_event("http_post_raw")
        event["headers"] |= {"content-type": content_type, **headers}
        event["queryStringParameters"] = {"enhance": "off"} if query is None else query
        event["body"] = base64.b64encode(body).decode() if text is None else text
        event["isBase64Encoded"] = text is None
        return event

    return make


def test_a_raw_photo_comes_back_stylised(
    no_bucket: pytest.MonkeyPatch, invoke: Invoke, load_event: Callable[[str], Event]
) -> None:
    event = load_event("http_post_raw")
    event["queryStringParameters"] |= {"enhance": "off"}  # which would double so small a photo
    answer = invoke(event)
    drawn = picture_of(answer)
    assert answer["headers"]["Content-Type"] == "image/jpeg"
    assert len(answer["headers"]["x-kirei-fingerprint"]) == 64
    sent = Image.open(io.BytesIO(base64.b64decode(event["body"])))
    assert (drawn.format, drawn.size) == ("JPEG", sent.size)
    difference = np.asarray(drawn, np.int16) - np.asarray(sent, np.int16)
    assert np.abs(difference).mean() > 3


def test_json_with_base64_and_options(
    no_bucket: pytest.MonkeyPatch, invoke: Invoke, load_event: Callable[[str], Event]
) -> None:
    answer = invoke(load_event("http_post_json"))
    assert picture_of(answer).format == "PNG"
    assert answer["headers"]["Content-Type"] == "image/png"


def test_options_in_the_query(
    no_bucket: pytest.MonkeyPatch, invoke: Invoke, request_event: Any, photo: bytes
) -> None:
    query = {"format": "webp", "max_side_px": "128", "strength": "0.5"}
    drawn = picture_of(invoke(request_event(photo, query=query)))
    assert (drawn.format, drawn.size) == ("WEBP", (128, 85))


@pytest.mark.parametrize("kind", ["application/octet-stream", "IMAGE/PNG; charset=binary", ""])
def test_the_bytes_say_what_the_photo_is_not_the_header(
    no_bucket: pytest.MonkeyPatch, invoke: Invoke, request_event: Any, photo: bytes, kind: Any
) -> None:
    assert picture_of(invoke(request_event(photo, kind))).size == (256, 170)


def test_base64_that_a_local_emulator_did_not_announce(
    no_bucket: pytest.MonkeyPatch, invoke: Invoke, request_event: Any, photo: bytes
) -> None:
    text = base64.b64encode(photo).decode()
    assert picture_of(invoke(request_event(text=text))).size == (256, 170)


def test_the_same_photo_has_the_same_fingerprint_and_bytes(
    no_bucket: pytest.MonkeyPatch, invoke: Invoke, request_event: Any, photo: bytes
) -> None:
    first, again = (invoke(request_event(photo)) for _ in range(2))
    assert first == again
    other = invoke(request_event(photo, query={"strength": "0.9"}))
    name = "x-kirei-fingerprint"
    assert other["headers"][name] != first["headers"][name]


def test_the_sidecar_with_the_pictures_location(
    s3: Any, invoke: Invoke, request_event: Any, photo: bytes
) -> None:
    event = request_event(photo, accept="application/json;q=0.9, text/plain")
    answer = invoke(event)
    assert answer["statusCode"] == 200
    assert answer["headers"]["Content-Type"] == "application/json"
    sidecar = json.loads(answer["body"])
    name = f"stylised/http/{sidecar['fingerprint']}.hayao"
    assert answer["headers"]["x-kirei-fingerprint"] == sidecar["fingerprint"]
    assert keys(s3, OUTPUT) == [f"{name}.jpg", f"{name}.json"]
    output = sidecar["output"]
    assert (output["bucket"], output["key"]) == (OUTPUT, f"{name}.jpg")
    with urllib.request.urlopen(output["url"]) as response:
        drawn = response.read()
    assert len(drawn) == output["bytes"]
    assert Image.open(io.BytesIO(drawn)).size == (256, 170)

    # no URL is stored: it would let in whoever reads the sidecar
    stored = json.loads(object_of(s3, OUTPUT, f"{name}.json"))
    assert stored["output"]["url"] is None
    assert stored == sidecar | {"output": output | {"url": None}}
    # and asked again it is looked up: the timings are those of the first time
    again = json.loads(invoke(event)["body"])
    assert again["timings_ms"] == sidecar["timings_ms"]


def test_a_picture_too_large_for_the_answer_is_elsewhere(
    s3: Any, invoke: Invoke, request_event: Any
) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (1400, 1400, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG", quality=60)
    query = {"format": "png", "strength": "0", "enhance": "off"}
    answer = invoke(request_event(buffer.getvalue(), query=query))
    assert answer["statusCode"] == 303
    sidecar = json.loads(answer["body"])
    assert answer["headers"]["Location"] == sidecar["output"]["url"]
    with urllib.request.urlopen(answer["headers"]["Location"]) as response:
        assert Image.open(io.BytesIO(response.read())).size == (1400, 1400)


def test_a_location_needs_a_bucket(
    no_bucket: pytest.MonkeyPatch, invoke: Invoke, request_event: Any, photo: bytes
) -> None:
    error = error_of(invoke(request_event(photo, accept="application/json")))
    assert error["code"] == "misconfigured"
    assert "OUTPUT_BUCKET" in error["message"]


def test_the_styles(
    no_bucket: pytest.MonkeyPatch, invoke: Invoke, load_event: Callable[[str], Event]
) -> None:
    event = load_event("http_post_raw")
    del event["body"]
    event["rawPath"] = event["requestContext"]["http"]["path"] = "/v1/styles"
    event["requestContext"]["http"]["method"] = "GET"
    answer = invoke(event)
    assert answer["statusCode"] == 200
    styles = json.loads(answer["body"])["styles"]
    assert [style["name"] for style in styles] == shipped_styles()
    told = {"name", "title", "description", "licence", "terms", "thumbnail"}
    assert all(style.keys() == told for style in styles)
    for style in styles:
        assert style["description"] and style["title"]
        assert {"weights": style["name"], "licence": style["licence"]} == style["terms"][0]
        assert {"upsampler", "restorer"} < {terms["weights"] for terms in style["terms"]}


@pytest.mark.parametrize(
    ("query", "code", "said"),
    [
        ({"style": "rococo"}, "unknown_style", "hayao"),
        ({"strength": "2"}, "invalid_option", "between 0 and 1"),
        ({"strength": "0.5,0.6"}, "invalid_option", "strength"),
        ({"strength": "nan"}, "invalid_option", "strength"),
        ({"format": "tiff"}, "invalid_option", "webp"),
        ({"colour": "pink"}, "invalid_option", "unknown option 'colour'"),
    ],
)
def test_an_option_at_fault(
    no_bucket: pytest.MonkeyPatch,
    invoke: Invoke,
    request_event: Any,
    photo: bytes,
    query: Any,
    code: str,
    said: Any,
) -> None:
    error = error_of(invoke(request_event(photo, query=query)))
    assert error["code"] == code
    assert said in error["message"]


@pytest.mark.parametrize(
    ("data", "code", "status"),
    [
        (b"", "empty_input", 400),
        (b"this is not an image", "not_an_image", 415),
        ("truncated", "truncated_image", 422),
    ],
)
def test_a_photo_at_fault(
    no_bucket: pytest.MonkeyPatch,
    invoke: Invoke,
    request_event: Any,
    photo: bytes,
    data: Any,
    code: str,
    status: Any,
) -> None:
    data = photo[: len(photo) // 2] if data == "truncated" else data
    answer = invoke(request_event(data))
    assert error_of(answer)["code"] == code
    assert answer["statusCode"] == status


@pytest.mark.parametrize(
    ("variable", "limit", "code"),
    [
        ("KIREI_MAX_INPUT_BYTES", 1000, "too_many_bytes"),
        ("KIREI_MAX_INPUT_PIXELS", 40_000, "too_many_pixels"),
        ("KIREI_MAX_ASPECT", 1.25, "extreme_aspect"),
    ],
)
def test_a_photo_over_a_limit(
    no_bucket: pytest.MonkeyPatch,
    invoke: Invoke,
    request_event: Any,
    photo: bytes,
    variable: Any,
    limit: Any,
    code: str,
) -> None:
    no_bucket.setenv(variable, str(limit))
    error = error_of(invoke(request_event(photo)))
    assert error["code"] == code
    assert error["limit"] == limit
    assert error["measured"] > limit


@pytest.mark.parametrize(
    "text",
    [
        "not JSON",
        "[]",
        "{}",
        "null",
        '{"image": "abcd"}',
        '{"image_base64": 7}',
        '{"image_base64": "a photo"}',
    ],
)
def test_json_at_fault(
    no_bucket: pytest.MonkeyPatch, invoke: Invoke, request_event: Any, text: str
) -> None:
    error = error_of(invoke(request_event(text=text, content_type="application/json")))
    assert error["code"] == "invalid_request"


def test_json_options_are_checked_as_those_of_the_query(
    no_bucket: pytest.MonkeyPatch, invoke: Invoke, request_event: Any, photo: bytes
) -> None:
    image = base64.b64encode(photo).decode()
    for wrong in ({"strength": 2}, {"strength": True}, {"style": 3}, {"quality": [1]}):
        text = json.dumps({"image_base64": image} | wrong)
        answer = invoke(request_event(text=text, content_type="application/json"))
        assert error_of(answer)["code"] == "invalid_option"


def test_an_unknown_route(
    no_bucket: pytest.MonkeyPatch, invoke: Invoke, load_event: Callable[[str], Event]
) -> None:
    event = load_event("http_post_raw")
    event["rawPath"] = event["requestContext"]["http"]["path"] = "/v1/paint"
    error = error_of(invoke(event))
    assert error["code"] == "unknown_route"
    assert error["message"] == "no route POST /v1/paint"


def test_a_transient_error_asks_to_come_again(
    no_bucket: pytest.MonkeyPatch, invoke: Invoke, request_event: Any, photo: bytes, tmp_path: Path
) -> None:
    no_bucket.setenv("KIREI_WEIGHTS_DIR", str(tmp_path))
    answer = invoke(request_event(photo))
    assert answer["statusCode"] == 503
    assert error_of(answer)["code"] == "weights_invalid"
    assert int(answer["headers"]["Retry-After"]) > 0


def test_an_s3_that_is_away(
    no_bucket: pytest.MonkeyPatch, invoke: Invoke, request_event: Any, photo: bytes
) -> None:
    no_bucket.setenv("OUTPUT_BUCKET", OUTPUT)
    no_bucket.setenv("AWS_MAX_ATTEMPTS", "1")
    answer = invoke(request_event(photo, accept="application/json"))
    assert error_of(answer)["code"] == "store_unavailable"
    assert answer["statusCode"] == 503


def test_a_fault_of_ours_has_no_traceback_in_the_answer(
    no_bucket: pytest.MonkeyPatch,
    invoke: Invoke,
    request_event: Any,
    photo: bytes,
    monkeypatch: pytest.MonkeyPatch,
    logged: io.StringIO,
) -> None:
    monkeypatch.setattr(process_worker(), "pipeline", None)
    answer = invoke(request_event(photo))
    assert answer["statusCode"] == 500
    assert error_of(answer)["code"] == "internal_error"
    assert "NoneType" not in answer["body"]
    assert "AttributeError" in logged.getvalue()


def test_no_photo_and_no_url_is_logged(
    s3: Any,
    invoke: Invoke,
    request_event: Any,
    photo: bytes,
    capsys: pytest.CaptureFixture[str],
    logged: io.StringIO,
) -> None:
    event = request_event(photo, accept="application/json")
    url = json.loads(invoke(event)["body"])["output"]["url"]
    captured = capsys.readouterr()
    printed = captured.out + captured.err + logged.getvalue()
    assert event["body"][:60] not in printed
    assert url.partition("?")[2] not in printed


def test_every_error_has_a_status() -> None:
    errors = [getattr(pipeline, name) for name in pipeline.__all__]
    codes = {error.code for error in errors if isinstance(error, type) and hasattr(error, "code")}
    own = {error.code for error in vars(errors_module).values() if hasattr(error, "code")}
    assert (codes | own) - {"error"} == STATUSES.keys()
