"""What the colouriser is told: the palette's code, and what a dot fills."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import cv2
import numpy as np
import pytest

from pipeline.lineart.dots import PLANES, dot_planes
from pipeline.lineart.intake import LineDrawing
from pipeline.lineart.likely import likely_dots
from pipeline.lineart.paint import Paint
from pipeline.lineart.palette import (
    BINS,
    CODE_LENGTH,
    NAMED,
    bin_colours,
    bin_shares,
    main_colours,
    mixed,
    named_palette,
    no_wish,
    palette_code,
    sampled_palettes,
)
from pipeline.lineart.regions import Regions
from pipeline.lineart.wishes import Fill, Wish, apply_fills


def painted(*colours: Sequence[int]) -> np.ndarray:
    return np.repeat(np.array(colours, np.uint8)[:, None], 20, 1)


def test_a_code_tells_hues_apart_and_not_places() -> None:
    red_blue, blue_red = (palette_code(painted(*p)) for p in (
        ((200, 30, 30), (30, 30, 200)), ((30, 30, 200), (200, 30, 30)),
    ))  # fmt: skip
    green = palette_code(painted((30, 160, 40), (90, 200, 60)))
    assert red_blue == pytest.approx(blue_red)
    assert np.abs(red_blue - green).max() > 0.4
    assert (red_blue[1:] ** 2).sum() == pytest.approx(1, abs=1e-5)


def test_grey_is_of_no_hue() -> None:
    code = palette_code(painted((40, 40, 40), (128, 128, 128), (240, 240, 240)))
    assert (code[1:-3] == 0).all() and (code[-3:] > 0).all()


def test_palettes_are_given_by_name_by_seed_or_not_at_all() -> None:
    swatches = [named_palette(name) for name in NAMED] + sampled_palettes(7, 4)
    codes = [*map(palette_code, swatches), no_wish()]
    assert all(code.shape == (CODE_LENGTH,) and code.dtype == np.float32 for code in codes)
    apart = [np.abs(a - b).max() for n, a in enumerate(codes) for b in codes[:n]]
    assert min(apart) > 0.1
    again, other = sampled_palettes(7, 2), sampled_palettes(8, 2)
    assert all((a == b).all() for a, b in zip(again, swatches[len(NAMED) :], strict=False))
    assert (again[0] != other[0]).any()


def test_a_bin_has_the_colour_that_falls_into_it() -> None:
    shares = bin_shares(bin_colours()[:, None])[:, 0]
    assert (shares.argmax(1) == np.arange(BINS)).all() and shares.diagonal().min() > 0.5


def test_the_main_colours_of_a_palette_are_its_own_and_of_a_picture_few() -> None:
    colours, shares = main_colours(painted((200, 30, 30), (30, 30, 200), (30, 30, 200)))
    assert sorted(map(tuple, colours.tolist())) == [(30, 30, 200), (200, 30, 30)]
    assert sorted(shares) == pytest.approx([1 / 3, 2 / 3])
    ramp = np.linspace((250, 200, 180), (20, 40, 90), 4000).reshape(40, 100, 3).astype(np.uint8)
    colours, shares = main_colours(ramp)
    assert len(colours) == 12 and shares.sum() == pytest.approx(1) and shares.min() > 0.02


def test_mixed_palettes_have_colours_of_both() -> None:
    both = mixed(painted((200, 30, 30)), painted((30, 30, 200)))
    assert {tuple(int(level) for level in swatch) for swatch in both[:, 0]} == {
        (200, 30, 30),
        (30, 30, 200),
    }


def test_each_region_gets_a_dot_but_where_somebody_wished() -> None:
    labels = np.zeros((48, 64), np.int32)
    labels[:, 24:40], labels[:, 40:] = 1, 2
    scores = np.zeros((BINS, 48, 64), np.float32)
    sky, red = 3 * 6 + 2, 1
    scores[sky], scores[sky, :, 24:40], scores[red, :, 24:40] = 9, 0, 9
    wished = np.array([False, False, True])
    palette = painted(*bin_colours()[[sky, sky, red]].tolist())  # a background gets the main one
    dots = likely_dots(scores, labels, wished, (256, 192), palette)
    assert not dots[:, 160:].any()
    for part, number in ((np.s_[:, :96], sky), (np.s_[:, 96:160], red)):
        colours = (dots[part][dots[part][..., 3] > 0][:, :3] + 1) * 127.5
        assert len(colours) and np.abs(colours - bin_colours()[number]).max() < 6


def test_a_palette_is_shared_out_as_the_scores_prefer() -> None:
    labels = np.repeat(np.repeat(np.arange(16, dtype=np.int32).reshape(4, 4), 12, 0), 16, 1)
    blue, red = (painted(c, c) for c in ((40, 60, 200), (200, 40, 40)))
    of_blue = int(bin_shares(blue).mean((0, 1)).argmax())
    scores = np.zeros((BINS, 48, 64), np.float32)
    scores[of_blue, :24] = 0.3  # hardly above the others
    palette = np.concatenate([blue, red])
    dots = likely_dots(scores, labels, np.zeros(16, np.bool_), (256, 192), palette)
    is_blue = dots[..., 2] > dots[..., 0]
    put = dots[..., 3] > 0
    assert is_blue[:96][put[:96]].all() and not is_blue[96:][put[96:]].any()
    assert put[:96].any() and put[96:].any()


def test_a_dot_fills_to_the_line_and_another_the_rest() -> None:
    ink = np.zeros((96, 128), np.float32)
    cv2.circle(ink, (64, 48), 30, 1.0, 2)
    dots = np.zeros((96, 128, 4), np.float32)
    cv2.circle(dots, (60, 50), 3, (1.0, -1.0, -1.0, 1.0), -1)
    cv2.circle(dots, (5, 5), 3, (-1.0, -1.0, 1.0, 1.0), -1)
    planes = dot_planes(ink, dots)
    inside = np.zeros(ink.shape, np.uint8)
    cv2.circle(inside, (64, 48), 27, 1, -1)
    outside = np.ones(ink.shape, np.uint8)
    cv2.circle(outside, (64, 48), 33, 0, -1)
    assert planes.shape == (PLANES, 96, 128)
    assert (planes[4][inside > 0] == 1).all() and (planes[6][outside > 0] == 1).all()
    assert (planes[:4] == np.moveaxis(dots, 2, 0)).all()


def test_a_dot_of_one_pixel_fills_and_none_fills_nothing() -> None:
    ink = np.zeros((33, 47), np.float32)
    dots = np.zeros((33, 47, 4), np.float32)
    assert not dot_planes(ink, dots).any()
    dots[11, 46] = (0.5, 0.5, -0.5, 1)
    assert (dot_planes(ink, dots)[4] == 0.5).all()


def test_a_background_gets_the_main_colour_whatever_the_scores_prefer() -> None:
    labels = np.zeros((48, 64), np.int32)
    labels[:, 40:52], labels[:, 52:] = 1, 2
    blue, red = (40, 60, 200), (200, 40, 40)
    palette = painted(blue, blue, blue, red, red)
    scores = np.zeros((BINS, 48, 64), np.float32)
    scores[int(bin_shares(painted(red)).mean((0, 1)).argmax())] = 9
    dots = likely_dots(scores, labels, np.zeros(3, np.bool_), (256, 192), palette)
    background = dots[:, :160][dots[:, :160, 3] > 0]
    assert len(background) and (background[:, 2] > background[:, 0]).all()


def test_a_dot_fills_a_large_closed_region_whole_and_not_what_is_open() -> None:
    labels = np.zeros((64, 64), np.int32)
    labels[4:60, 4:60] = 1
    colours = np.full((64, 64, 3), 200, np.float32)
    colours[:, 32:] = (20, 30, 160)  # what the network made of one half
    areas = np.bincount(labels.ravel())
    regions = Regions(labels, 2, areas, np.array([True, False]), 64)
    flats, slits = np.full((2, 3), 128, np.float32), np.zeros(2, np.bool_)
    nearest = np.arange(labels.size, dtype=np.int32).reshape(labels.shape)
    paint = Paint(colours, labels, flats, slits, nearest)
    drawing = cast(LineDrawing, SimpleNamespace(size=(64, 64)))
    for region, (x, y), is_whole in ((1, (16, 32), True), (0, (2, 32), False)):
        wish = Wish((220, 60, 60), x, y, 2, np.array([[x, y]], np.float32))
        filled, _ = apply_fills(paint, (Fill(wish, (region,)),), drawing, regions)
        other_half = (labels == region) & (np.arange(64) >= 40)
        is_red = filled.colours[other_half][:, 0] > filled.colours[other_half][:, 2]
        assert is_red.all() == is_whole
