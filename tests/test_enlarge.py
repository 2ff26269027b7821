"""Enlarging: the asked size, crisp lines, flat areas flat, tiles that match the whole."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain import Engine, Picture
from pipeline.engines import open_engine
from pipeline.enlarge import doublings, enlarge
from pipeline.settings import Settings
from pipeline.weights import Layer

LAYER = Layer(Settings().weights_dir, Settings().checkpoints_dir)
SPEC = LAYER.upsampler


@pytest.fixture(scope="module")
def engine() -> Engine:
    return open_engine(LAYER, SPEC, "picture", Settings())


def page() -> Picture:
    """Two flat colours that meet along a slant, and a dark line as a drawing has it."""
    large = np.full((4 * 96, 4 * 144, 3), (230, 200, 170), np.uint8)
    cv2.fillPoly(large, [np.array([[0, 0], [300, 0], [200, 384], [0, 384]])], (120, 150, 200))
    cv2.line(large, (20, 330), (560, 60), (30, 20, 25), 12, cv2.LINE_AA)
    small = cv2.resize(large, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(small, (0, 0), 0.6)


def enlarged(
    engine: Engine, picture: Picture, size: tuple[int, int], tile_px: int = 1024
) -> Picture:
    return enlarge(picture, size, SPEC, lambda: engine, tile_px)[0]


def steepest(picture: Picture) -> float:
    """The steepest step along the middle row, in grey levels."""
    row = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[picture.shape[0] // 2].astype(int)
    return float(np.abs(np.diff(row)).max())


def test_edges_are_steeper_than_interpolated_ones(engine: Engine) -> None:
    picture = page()
    size = (4 * picture.shape[1], 4 * picture.shape[0])
    plain = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
    assert steepest(enlarged(engine, picture, size)) > 1.5 * steepest(plain)


def test_flat_areas_stay_flat(engine: Engine) -> None:
    flat = np.full((40, 60, 3), (230, 200, 170), np.uint8)
    made = enlarged(engine, flat, (240, 160))[16:-16, 16:-16].astype(int)
    assert np.abs(made - flat[0, 0]).max() <= 3


def test_tiles_give_the_same_bytes_as_the_whole(engine: Engine) -> None:
    picture = page()
    size = (2 * picture.shape[1], 2 * picture.shape[0])
    whole = enlarged(engine, picture, size)
    np.testing.assert_array_equal(enlarged(engine, picture, size, tile_px=64), whole)


@pytest.mark.parametrize("size", [(145, 97), (200, 133), (288, 192), (576, 384), (1000, 667)])
def test_the_size_is_the_asked_one(engine: Engine, size: tuple[int, int]) -> None:
    made, decision = enlarge(page(), size, SPEC, lambda: engine, 1024)
    assert made.shape == (size[1], size[0], 3) and made.dtype == np.uint8
    assert decision.ran and decision.measured == pytest.approx(size[0] / 144)


def test_what_has_the_size_is_left_alone_and_opens_nothing() -> None:
    def fail() -> Engine:
        raise AssertionError("opened")

    opened: Callable[[], Engine] = fail
    picture = page()
    made, decision = enlarge(picture, (144, 96), SPEC, opened, 1024)
    assert made is picture and not decision.ran


def test_a_size_a_little_over_a_doubling_is_interpolated() -> None:
    assert [doublings(ratio) for ratio in (1.01, 1.9, 2.4, 2.6, 4.9, 5.1)] == [1, 1, 1, 2, 2, 3]


@given(height=st.integers(1, 120), width=st.integers(1, 160), tile_px=st.sampled_from([8, 30, 64]))
@settings(max_examples=15, deadline=None)
def test_tiles_of_any_size_give_the_same_bytes(
    engine: Engine, height: int, width: int, tile_px: int
) -> None:
    picture = np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)
    size = (2 * width, 2 * height)
    whole = enlarged(engine, picture, size)
    np.testing.assert_array_equal(enlarged(engine, picture, size, tile_px), whole)
