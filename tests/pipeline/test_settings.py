"""Options and Settings: one table of names and ranges for every way in."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from pipeline import InvalidOption, Options, Settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("strength", "2"),
        ("strength", "-0.1"),
        ("strength", "nan"),
        ("strength", "inf"),
        ("strength", "much"),
        ("strength", ""),
        ("strength", True),
        ("strength", None),
        ("strength", [1]),
        ("detail", "1.01"),
        ("quality", "0"),
        ("quality", "92.5"),
        ("quality", 92.5),
        ("quality", "9" * 5000),
        ("max_side_px", "8193"),
        ("enhance", "everything"),
        ("format", "bmp"),
        ("style", 3),
        ("clahe", "yes"),
        ("colour", "red"),
    ],
)
def test_a_bad_option_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(InvalidOption) as caught:
        Options.from_mapping({name: value})
    assert name in caught.value.message
    assert caught.value.code == "invalid_option"
    assert caught.value.measured is not None


def test_the_range_stands_in_the_error() -> None:
    with pytest.raises(InvalidOption) as caught:
        Options.from_mapping({"strength": "2"})
    assert (caught.value.measured, caught.value.limit) == (2.0, "0..1")


def test_text_and_numbers_give_the_same_options() -> None:
    text = Options.from_mapping({"strength": " 0.5 ", "quality": "80", "format": "webp"})
    assert text == Options.from_mapping({"strength": 0.5, "quality": 80.0, "format": "webp"})
    assert isinstance(text.quality, int)


def test_every_option_says_what_it_is() -> None:
    for kind in (Options, Settings):
        assert [item.name for item in fields(kind) if not item.metadata.get("about")] == []


def test_settings_read_their_own_variables_only() -> None:
    settings = Settings.from_environment(
        {"KIREI_MAX_INPUT_BYTES": "1000", "KIREI_WEIGHTS_DIR": "/opt/weights", "PATH": "/bin"}
    )
    assert settings.max_input_bytes == 1000
    assert settings.weights_dir == Path("/opt/weights")
    with pytest.raises(InvalidOption):
        Settings.from_environment({"KIREI_ENGINE": "magic"})
