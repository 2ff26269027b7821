"""Numbers as strangers write them, through every door: a number of ordinary length, or a refusal
that names the option.
"""

from __future__ import annotations

import base64
import json
from dataclasses import fields
from typing import Any

import pytest
from buckets import INPUT, keys, object_of, put, s3_event, sqs_event
from calls import FORM, call, error_of, form
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from serving import serving

from pipeline import InvalidOption, Options, Pipeline, Settings
from pipeline.cli import main

NAMES = [item.name for item in fields(Options) if "range" in item.metadata]
# what Python's own int() or float() takes, and what it breaks on
ODD_TEXTS = [
    "9" * 309,
    "9" * 400,
    "9" * 4300,
    "9" * 5000,
    "-" + "9" * 400,
    "1" + "0" * 400,
    "1e400",
    "-1e400",
    "1e999999999",
    "0." + "0" * 5000 + "1",
    "1_0",
    "0_1",
    "\uff19\uff12",
    "٣",
    "0x1f",
    "0b1",
    "nan",
    "NaN",
    "-nan",
    "inf",
    "Infinity",
    "-Infinity",
    "1,5",
    "1 0",
    "--1",
    "+-1",
    "1e",
    "e1",
    ".",
    "+",
    "½",
    "¹",
    "1\x00",
    "\ud800",
    "\u2212" + "1",
]
ODD_VALUES: list[Any] = [
    10**309,
    10**400,
    10**5000,
    -(10**5000),
    1e309,
    float("nan"),
    float("-inf"),
    True,
    None,
    [],
    [10**5000],
    {"a": 10**5000},
    b"1",
    1j,
]
TEXTS = st.sampled_from(ODD_TEXTS) | st.text(max_size=20) | st.from_regex(r"[0-9eE_+.-]{1,30}")
VALUES = (
    TEXTS
    | st.sampled_from(ODD_VALUES)
    | st.integers()
    | st.floats()
    | st.integers(min_value=10**300)
)


ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)
ODD = [*ODD_TEXTS, *ODD_VALUES, ENDLESS]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
def test_what_is_no_ordinary_number_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidOption) as caught:
        Options.from_mapping({name: value})
    told = json.dumps(caught.value.as_dict())
    assert caught.value.message.startswith(f"{name} is ")
    assert len(told) < 1000


@settings(max_examples=500, deadline=None, derandomize=True)
@given(name=st.sampled_from(NAMES), value=VALUES)
def test_any_value_is_a_number_in_its_range_or_is_refused_by_name(name: str, value: Any) -> None:
    try:
        options = Options.from_mapping({name: value})
    except InvalidOption as error:
        assert name in error.message
        json.dumps(error.as_dict())
        return
    low, high = next(item.metadata["range"] for item in fields(Options) if item.name == name)
    assert low <= getattr(options, name) <= high


@pytest.mark.parametrize("value", [10**400, 10**5000, float("nan"), float("inf")], ids=range(4))
def test_options_and_settings_made_directly_are_checked_too(value: float) -> None:
    for make in (lambda: Options(quality=value), lambda: Settings(threads=value)):  # type: ignore[arg-type]
        with pytest.raises(InvalidOption):
            make()


@pytest.mark.parametrize(("text", "value"), [("92", 92), (" +92 ", 92), ("9.2e1", 92), ("92.", 92)])
def test_numbers_as_people_write_them_are_taken(text: str, value: int) -> None:
    assert Options.from_mapping({"quality": text}).quality == value


def is_json(text: str) -> bool:
    try:
        json.loads(text, parse_int=str)
    except ValueError:
        return False
    return True


def events_of(name: str, text: str, photo: bytes) -> list[dict[str, Any]]:
    """The option in the query, in a form, and in JSON as text and bare, of a photo or an upload."""
    quoted = json.dumps(text)
    photo_64 = base64.b64encode(photo).decode()
    bare = text if is_json(text) else quoted
    return [
        call("POST", "/v1/stylise", photo, {name: text}),
        call(
            "POST",
            "/v1/stylise",
            form({name: text.encode("utf-8", "replace")}, {"image": ("a", photo)}),
            content_type=FORM,
        ),
        *[
            call(
                "POST",
                path,
                f'{{"{name}": {value}, {rest}}}'.encode(),
                content_type="application/json",
            )
            for path, rest in (
                ("/v1/stylise", f'"image_base64": "{photo_64}"'),
                ("/v1/stylise", f'"upload_id": "{"0" * 32}"'),
                ("/v1/uploads", '"content_type": "image/jpeg", "bytes": 100'),
            )
            for value in (quoted, bare)
        ],
    ]


@pytest.mark.parametrize("text", ODD_TEXTS, ids=range(len(ODD_TEXTS)))
def test_the_doors_of_http(s3: Any, invoke: Any, photo: bytes, text: str) -> None:
    for event in events_of("quality", text, photo):
        error = error_of(invoke(event))
        assert error["code"] == "invalid_option", error
        assert error["message"].startswith("quality is ")


@pytest.mark.parametrize("text", ["9" * 400, "9" * 5000, "1e400", "NaN", '"1_0"', "[1]", "true"])
def test_the_size_of_an_upload(s3: Any, invoke: Any, text: str) -> None:
    body = f'{{"content_type": "image/jpeg", "bytes": {text}}}'.encode()
    error = error_of(invoke(call("POST", "/v1/uploads", body, content_type="application/json")))
    assert error["code"] == "invalid_request"
    assert "bytes" in error["message"]


@pytest.mark.parametrize("text", ["9" * 400, "9" * 1500, "1_0", "nan", "0x1f"])
def test_the_doors_of_events(s3: Any, invoke: Any, photo: bytes, text: str) -> None:
    """Each leaves the record of a refusal, and nothing that would come again."""
    put(s3, "uploads/a.jpg", photo, quality=text)
    put(s3, "uploads/b.jpg", photo)

    def record() -> dict[str, Any]:
        (key,) = keys(s3, "kirei-output")
        found: dict[str, Any] = json.loads(object_of(s3, "kirei-output", key))
        s3.delete_object(Bucket="kirei-output", Key=key)
        return found["error"]

    (told,) = invoke(s3_event("uploads/a.jpg"))["results"]
    assert (told["status"], record()["code"]) == ("refused", "invalid_option")
    assert invoke(sqs_event(s3_event("uploads/a.jpg"))) == {"batchItemFailures": []}
    assert record()["message"].startswith("quality is ")
    for quality in (text, 10**400):
        call_ = {"bucket": INPUT, "key": "uploads/b.jpg", "quality": quality}
        assert invoke(call_)["error"]["code"] == "invalid_option"
        assert record()["stage"] == "request"
        assert invoke(sqs_event(call_)) == {"batchItemFailures": []}
        record()


@pytest.mark.parametrize("text", ODD_TEXTS[:-2], ids=range(len(ODD_TEXTS[:-2])))
def test_the_command_line_and_the_environment(text: str, monkeypatch: Any) -> None:
    said = CliRunner().invoke(main, ["stylise", "none.jpg", f"--quality={text}"])
    assert (said.exit_code, "invalid_option: quality is" in said.output) == (2, True)
    with pytest.raises(InvalidOption, match="threads is"):
        Settings.from_environment({"KIREI_THREADS": text})


def test_a_server_of_ours(tmp_path: Any, photo: bytes) -> None:
    with serving(Pipeline(Settings()), tmp_path) as server:
        for text in ODD_TEXTS:
            if "\ud800" in text:
                continue
            answer = server.post("/v1/stylise", photo, params={"quality": text})
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_option")
