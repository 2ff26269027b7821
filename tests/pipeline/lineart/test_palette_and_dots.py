"""What the colouriser is told: the palette's code, and what a dot fills."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pipeline.lineart.dots import PLANES, dot_planes
from pipeline.lineart.palette import (
    CODE_LENGTH,
    NAMED,
    named_palette,
    no_wish,
    palette_code,
    sampled_palettes,
)


def painted(*colours: tuple[int, int, int]) -> np.ndarray:
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
    codes = [named_palette(name) for name in NAMED] + sampled_palettes(7, 4) + [no_wish()]
    assert all(code.shape == (CODE_LENGTH,) and code.dtype == np.float32 for code in codes)
    apart = [np.abs(a - b).max() for n, a in enumerate(codes) for b in codes[:n]]
    assert min(apart) > 0.1
    again, other = sampled_palettes(7, 2), sampled_palettes(8, 2)
    assert all((a == b).all() for a, b in zip(again, codes[len(NAMED) :], strict=False))
    assert (again[0] != other[0]).any()


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
