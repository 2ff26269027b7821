"""What is asked wrongly of a line drawing is refused by name, at every door."""

from __future__ import annotations

import base64
import json
from dataclasses import fields
from typing import Any

import pytest
from buckets import INPUT
from calls import FORM, Invoke, call, error_of, form
from hypothesis import given, settings
from hypothesis import strategies as st
from line_drawings import boxes
from test_numbers import ODD, ODD_VALUES, TEXTS

from adapters.jobs import Job
from adapters.object_orders import is_part
from adapters.tasks import MAX_COMPANION_BYTES, Companions, hints_text, options_of, task_named
from pipeline import ColourOptions, EmptyInput, InvalidOption, KireiError, TooManyBytes

COLOUR = "/v1/colour"
RED = "#d94f70"
NUMBERS = [item.name for item in fields(ColourOptions) if "range" in item.metadata]
CHOICES = [item.name for item in fields(ColourOptions) if "values" in item.metadata]


@pytest.fixture(scope="session")
def drawing() -> bytes:
    return boxes()


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
def test_what_is_no_ordinary_number_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidOption) as caught:
        options_of("colour", {name: value})
    assert caught.value.message.startswith(f"{name} is ")


@settings(max_examples=300, deadline=None, derandomize=True)
@given(name=st.sampled_from([*NUMBERS, *CHOICES, "hints", "strength", "style"]), value=TEXTS)
def test_any_text_is_an_option_or_is_refused_by_name(name: str, value: str) -> None:
    try:
        options = options_of("colour", {name: value})
    except InvalidOption as error:
        assert name in error.message
        json.dumps(error.as_dict())
        return
    assert isinstance(options, ColourOptions)


DOTS = st.fixed_dictionaries(
    {},
    optional={
        name: st.sampled_from([*ODD_VALUES, "5%", "#fff", RED, 3, ",", ";"]) | st.text(max_size=5)
        for name in ("x", "y", "colour", "radius", "more")
    },
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(hints=st.lists(DOTS | st.sampled_from(ODD_VALUES), max_size=3))
def test_any_list_of_dots_is_read_or_refused_by_the_name_of_hints(hints: list[Any]) -> None:
    try:
        options_of("colour", {"hints": hints})
    except InvalidOption as error:
        assert error.message.startswith("hints")


def test_a_dot_cannot_bring_another_one_along() -> None:
    for field, value in (("x", "1;2,3,#fff"), ("colour", "#fff;1,1,#000"), ("radius", "1,1")):
        dot = {"x": 1, "y": 1, "colour": "#fff", field: value}
        with pytest.raises(InvalidOption, match="hints"):
            options_of("colour", {"hints": [dot]})
    assert hints_text([{"x": 1, "y": 2.5, "colour": "#fff"}]) == "1.000,2.500,#fff"


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("text", ["9" * 400, "1_0", "nan"])
def test_the_doors_of_http_refuse_by_name(
    s3: Any, invoke: Invoke, drawing: bytes, name: str, text: str
) -> None:
    encoded = base64.b64encode(drawing).decode()
    upload = {"content_type": "image/png", "bytes": 9, "task": "colour"}
    posted = form({name: text}, {"image": ("a.png", drawing)})
    for event in (
        call("POST", COLOUR, drawing, {name: text}),
        call("POST", COLOUR, posted, content_type=FORM),
        call("POST", COLOUR, {"image_base64": encoded, name: text}),
        call("POST", COLOUR, {"upload_id": "0" * 32, name: text}),
        call("POST", "/v1/uploads", {**upload, name: text}),
    ):
        error = error_of(invoke(event))
        assert error["code"] == "invalid_option"
        assert error["message"].startswith(f"{name} is ")


@pytest.mark.parametrize(
    ("event", "code", "said"),
    [
        ({"hints": "1,2"}, "invalid_option", "hints"),
        ({"hints": 7}, "invalid_option", "hints"),
        ({"hints": [1]}, "invalid_option", "hints"),
        ({"reference_base64": "???"}, "invalid_request", "base64"),
        ({"hint_layer_base64": ""}, "empty_input", "hint_layer"),
        ({"style": "hayao"}, "invalid_option", "style"),
        ({"proposals": 4, "layers": "ora"}, "invalid_option", "layers"),
        ({"palette": "meadow", "reference_base64": "AAAA"}, "invalid_option", "palette"),
    ],
)
def test_what_json_says_wrongly_is_named(
    no_bucket: Any, invoke: Invoke, drawing: bytes, event: Any, code: str, said: str
) -> None:
    encoded = base64.b64encode(drawing).decode()
    error = error_of(invoke(call("POST", COLOUR, {"image_base64": encoded, **event})))
    assert error["code"] == code
    assert said in error["message"]


def test_files_beside_a_drawing_have_limits() -> None:
    with pytest.raises(TooManyBytes, match="reference"):
        Companions(reference=b"0" * (MAX_COMPANION_BYTES + 1))
    with pytest.raises(EmptyInput, match="hint_layer"):
        Companions(hint_layer=b"")


def test_the_options_of_an_upload_must_fit_its_metadata(s3: Any, invoke: Invoke) -> None:
    upload = {"content_type": "image/png", "bytes": 9, "task": "colour"}
    many = ";".join(["50.125%,50.125%,#d94f70"] * 120)
    error = error_of(invoke(call("POST", "/v1/uploads", {**upload, "hints": many})))
    assert error["code"] == "invalid_option"
    assert "hints" in error["message"] and "hint_layer" in error["message"]
    bad = error_of(invoke(call("POST", "/v1/uploads", {**upload, "reference": "lineart/a.png"})))
    assert bad["code"] == "invalid_option" and "reference" in bad["message"]


def test_tasks_have_names() -> None:
    assert (task_named("Colour"), task_named(" color "), task_named("stylise")) == (
        *("colour", "colour"),
        "stylise",
    )
    for name in ("part", "", None, 3, ["colour"], "x" * 5000):
        with pytest.raises(KireiError, match="task is"):
            task_named(name)
    assert is_part(Job(INPUT, "lineart/a.png"), {"Task": "Part"})
    assert not is_part(Job(INPUT, "lineart/a.png", options={"task": "colour"}), {"task": "part"})
