"""Dots and strokes: they fill their region to the lines, and no further."""

from __future__ import annotations

import numpy as np
import pytest
from drawings import circles, photo

from pipeline import InvalidOption
from pipeline.domain import Photo
from pipeline.hints import parse_hints
from pipeline.lineart.intake import LineDrawing, take_lines
from pipeline.lineart.paint import Paint, enlarge, paint_regions
from pipeline.lineart.regions import Regions, find_regions
from pipeline.lineart.wishes import (
    Fill,
    Wish,
    apply_fills,
    find_fills,
    wishes_of_hints,
    wishes_of_layer,
)

PAGE = circles(640, 480)
SIZE = (640, 480)
LEFT, RIGHT, OUTSIDE = (160, 240), (480, 240), (320, 20)


@pytest.fixture
def drawing() -> LineDrawing:
    return take_lines(photo(PAGE))


@pytest.fixture
def regions(drawing: LineDrawing) -> Regions:
    return find_regions(drawing.ink)


def painted(drawing: LineDrawing, regions: Regions) -> Paint:
    """As if the network had coloured everything in one soft gradient."""
    ink = drawing.ink[::2, ::2].astype(np.float32) / np.float32(255)
    colours = np.zeros((*ink.shape, 3), np.uint8)
    colours[..., 0], colours[..., 1] = np.linspace(150, 170, ink.shape[1]), 160
    colours[..., 2] = 140
    return paint_regions(colours, ink, np.zeros(ink.shape, np.bool_), regions)


def drawn(
    wishes: tuple[Wish, ...], drawing: LineDrawing, regions: Regions
) -> tuple[np.ndarray, tuple[Fill, ...]]:
    fills = find_fills(wishes, drawing, regions)
    paint, fills = apply_fills(painted(drawing, regions), fills, drawing, regions)
    return enlarge(paint, regions, drawing.size).astype(int), fills


def test_a_dot_fills_its_region_and_no_other(drawing: LineDrawing, regions: Regions) -> None:
    wishes = wishes_of_hints(parse_hints("160,240,#cc2020"), SIZE, photo(PAGE), drawing)
    before = enlarge(painted(drawing, regions), regions, drawing.size).astype(int)
    after, fills = drawn(wishes, drawing, regions)
    assert fills[0].why is None
    inside = regions.labels == regions.labels[LEFT[1], LEFT[0]]
    paper = drawing.ink == 0
    assert np.abs(after[inside & paper] - (204, 32, 32)).max() < 40
    assert np.abs(after[LEFT[1], LEFT[0]] - (204, 32, 32)).max() <= 3
    assert (after[~inside & paper] == before[~inside & paper]).all()


def test_a_dot_on_a_line_fills_beside_it_and_says_so(
    drawing: LineDrawing, regions: Regions
) -> None:
    row, column = np.argwhere(drawing.ink > 200)[0]
    hints = parse_hints(f"{column + 0.5},{row + 0.5},#00ff00")
    fills = find_fills(wishes_of_hints(hints, SIZE, photo(PAGE), drawing), drawing, regions)
    assert fills[0].regions and "line" in (fills[0].why or "")


def test_contradicting_dots_share_their_region_and_it_is_told(
    drawing: LineDrawing, regions: Regions
) -> None:
    hints = parse_hints("110,240,#d02020;210,240,#2020d0")
    after, fills = drawn(wishes_of_hints(hints, SIZE, photo(PAGE), drawing), drawing, regions)
    assert all("another" in (fill.why or "") for fill in fills)
    assert after[240, 110, 0] > 180 and after[240, 110, 2] < 60
    assert after[240, 210, 2] > 180 and after[240, 210, 0] < 60


def test_shares_and_pixels_mean_the_same_place(drawing: LineDrawing) -> None:
    hints = parse_hints("160,240,#102030;25%,50%,#102030")
    first, second = wishes_of_hints(hints, SIZE, photo(PAGE), drawing)
    assert (first.x, first.y) == (second.x, second.y)


def test_hints_are_of_the_input_even_where_it_was_decoded_smaller() -> None:
    small = photo(PAGE[::2, ::2])
    wishes = wishes_of_hints(parse_hints("160,240,#102030"), SIZE, small, take_lines(small))
    assert (wishes[0].x, wishes[0].y) == (80, 120)


@pytest.mark.parametrize("hint", ["641,10,#ffffff", "10,481,#ffffff", "100.1%,0,#ffffff"])
def test_a_dot_outside_is_refused_by_name(drawing: LineDrawing, hint: str) -> None:
    with pytest.raises(InvalidOption, match="outside"):
        wishes_of_hints(parse_hints(hint), SIZE, photo(PAGE), drawing)


def stroke_layer() -> Photo:
    """Half the drawing's size: a red stroke in the left circle, a blue one outside."""
    pixels, alpha = np.zeros((240, 320, 3), np.uint8), np.zeros((240, 320), np.uint8)
    pixels[118:122, 60:100], alpha[118:122, 60:100] = (200, 20, 20), 255
    pixels[8:12, 140:180], alpha[8:12, 140:180] = (20, 20, 200), 255
    return Photo(pixels, alpha)


def test_strokes_of_a_layer_fill_what_they_lie_in(drawing: LineDrawing, regions: Regions) -> None:
    wishes = wishes_of_layer(stroke_layer(), photo(PAGE), drawing)
    assert {wish.hex for wish in wishes} == {"#c81414", "#1414c8"}
    after, _ = drawn(wishes, drawing, regions)
    assert after[LEFT[1], LEFT[0], 0] > 170 and after[OUTSIDE[1], OUTSIDE[0], 2] > 170
    assert abs(after[RIGHT[1], RIGHT[0], 1] - 160) < 8


def test_a_layer_without_transparency_or_of_another_aspect_is_refused(
    drawing: LineDrawing,
) -> None:
    layer = stroke_layer()
    with pytest.raises(InvalidOption, match="opaque"):
        wishes_of_layer(Photo(layer.pixels), photo(PAGE), drawing)
    assert layer.alpha is not None
    narrow = Photo(layer.pixels[:, :200], layer.alpha[:, :200])
    with pytest.raises(InvalidOption, match="aspect"):
        wishes_of_layer(narrow, photo(PAGE), drawing)
