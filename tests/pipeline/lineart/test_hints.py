"""Hints in text: what is read, and what is refused by name."""

from __future__ import annotations

import pytest

from pipeline import ColourOptions, InvalidOption
from pipeline.hints import MAX_HINTS, parse_hints


def test_numbers_are_pixels_and_percent_are_shares() -> None:
    first, second = parse_hints("120,80.5,#FF8800,6; 25%,50%,#0af,1.5%;")
    assert (first.x.px(1000), first.y.px(1000)) == (120, 80.5)
    assert first.colour == (255, 136, 0)
    assert first.radius is not None and first.radius.px(1000) == 6
    assert (second.x.px(1000), second.y.px(400)) == (250, 200)
    assert second.colour == (0, 170, 255)
    assert second.radius is not None and second.radius.px(1000) == 15


def test_no_text_is_no_hints() -> None:
    assert parse_hints("") == parse_hints(" ; ") == ()


@pytest.mark.parametrize(
    "text",
    [
        "12,13",
        "12,13,red",
        "12,13,#12345",
        "12,13,#1234567",
        "-1,2,#ffffff",
        "1,2,#ffffff,3,4",
        "nan,2,#ffffff",
        "1e5,2,#ffffff",
        "1,2,#ffffff 3,4,#000000",
        "\u0661,2,#ffffff",
    ],
)
def test_what_is_no_hint_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidOption, match="hints") as caught:
        ColourOptions(hints=text)
    assert caught.value.measured


def test_more_dots_than_the_limit_are_refused() -> None:
    assert len(parse_hints("1,1,#000;" * MAX_HINTS)) == MAX_HINTS
    with pytest.raises(InvalidOption) as caught:
        ColourOptions(hints="1,1,#000;" * (MAX_HINTS + 1))
    assert (caught.value.measured, caught.value.limit) == (MAX_HINTS + 1, MAX_HINTS)


def test_layers_of_a_sheet_are_refused() -> None:
    with pytest.raises(InvalidOption, match="layers"):
        ColourOptions(layers="ora", proposals=4)
    assert ColourOptions(layers="ora", proposals=4, choice=2).choice == 2
