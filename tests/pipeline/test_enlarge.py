"""Enlarging: the photo's size, crisp lines, flat areas flat, tiles that match the whole."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import STORE, closed_model, shipped_model

from pipeline.domain import RgbImage
from pipeline.enlarge import doublings, enlarge, steepen
from pipeline.measure import psnr_db

SPEC = STORE.require("upsampler")


def page() -> tuple[RgbImage, RgbImage]:
    """A drawing, two flat colours that meet along a slant and a dark line; and the photo of it,
    four times as large, in other colours, its line not black, with light from one side and grain.
    """
    drawing = np.full((4 * 96, 4 * 144, 3), (230, 200, 170), np.uint8)
    photo = np.full_like(drawing, (170, 160, 150))
    for large, colour, line in (
        (drawing, (120, 150, 200), (30, 20, 25)),
        (photo, (100, 120, 150), (80, 75, 70)),
    ):
        cv2.fillPoly(large, [np.array([[0, 0], [300, 0], [200, 384], [0, 384]])], colour)
        cv2.line(large, (20, 330), (560, 60), line, 12, cv2.LINE_AA)
    small = cv2.resize(drawing, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    light = np.linspace(0.8, 1.2, photo.shape[1])[None, :, None]
    grain = np.random.default_rng(3).normal(0, 4, photo.shape)
    lit = np.clip(photo * light + grain, 0, 255).astype(np.uint8)
    return cv2.GaussianBlur(small, (0, 0), 0.6), lit


def enlarged(picture: RgbImage, photo: RgbImage, tile_px: int = 1024) -> RgbImage:
    return enlarge(picture, photo, shipped_model(SPEC.name, tile_px=tile_px))[0]


def steepest(picture: RgbImage) -> float:
    """The steepest step along the middle row, in grey levels."""
    row = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[picture.shape[0] // 2].astype(int)
    return float(np.abs(np.diff(row)).max())


def test_edges_are_steeper_than_interpolated_ones() -> None:
    picture, photo = page()
    plain = cv2.resize(picture, photo.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    assert steepest(enlarged(picture, photo)) > 1.5 * steepest(plain)


def test_edges_have_no_rims() -> None:
    """No pixel is lighter or darker, by more than a few levels, than the drawing is around."""
    picture, photo = page()
    made = enlarged(picture, photo)
    around = np.ones((5, 5), np.uint8)
    lightest, darkest = (
        cv2.resize(way(picture, around), photo.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        for way in (cv2.dilate, cv2.erode)
    )
    over = np.maximum(made.astype(int) - lightest, darkest.astype(int) - made)
    assert over.max() <= 20 and (over > 6).mean() < 0.004  # but for the tips of a line


def test_a_slanted_line_is_straight() -> None:
    """Where its left edge crosses half of its contrast, row by row: no staircase."""
    picture, photo = page()
    grey = cv2.cvtColor(enlarged(picture, photo), cv2.COLOR_RGB2GRAY)
    rows = np.arange(30, 140)
    places = []
    for row in rows:
        line = grey[row, 180:330].astype(float)  # where the two colours meet
        middle = (line[:20].mean() + line[-20:].mean()) / 2
        at = int(np.argmax((line > middle) == (line[-1] > middle)))
        places.append(at - 1 + (middle - line[at - 1]) / (line[at] - line[at - 1]))
    straight = np.polyval(np.polyfit(rows, places, 1), rows)
    assert np.abs(places - straight).max() < 1.25  # px at four times the size; repeated pixels: 1.9


@pytest.mark.parametrize("texture", [6, 25])
def test_flat_areas_stay_flat_whatever_the_photo_has(texture: int) -> None:
    flat = np.full((40, 60, 3), (230, 200, 170), np.uint8)
    noise = np.random.default_rng(1).normal(0, texture, (80, 120, 3))
    photo = np.clip(noise + np.array([180, 170, 150]), 0, 255).astype(np.uint8)
    made = enlarged(flat, photo)[16:-16, 16:-16].astype(int)
    assert np.abs(made - flat[0, 0]).max() <= 6 and made.std((0, 1)).max() < 1.5


def test_grain_of_a_drawing_becomes_no_texture() -> None:
    grain = np.random.default_rng(2).normal(0, 3, (96, 144, 1)).astype(np.float32)
    soft = cv2.GaussianBlur(grain, (0, 0), 0.7)[..., None]
    drawing = np.clip(soft * (3 / soft.std()) + (200, 170, 150), 0, 255).astype(np.uint8)
    photo = np.full((192, 288, 3), (190, 160, 140), np.uint8)
    plain = cv2.resize(drawing, (288, 192), interpolation=cv2.INTER_CUBIC)
    made = enlarged(drawing, photo)
    assert _grain(made) < 0.85 * _grain(plain)


def _grain(picture: RgbImage) -> float:
    """What is finer than 3 px, in grey levels."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float((grey - cv2.GaussianBlur(grey, (0, 0), 1.5)).std())


def test_steepening_is_the_same_in_strips_and_keeps_within_what_is_around() -> None:
    random = np.random.default_rng(4)
    tall = cv2.GaussianBlur(random.integers(0, 256, (1500, 90, 3), np.uint8), (0, 0), 1.5)
    steep = steepen(tall)
    np.testing.assert_array_equal(steepen(tall[700:1400])[8:-8], steep[708:1392])
    around = np.ones((5, 5), np.uint8)
    assert (steep <= cv2.dilate(tall, around)).all() and (steep >= cv2.erode(tall, around)).all()
    assert (
        np.abs(np.diff(steep.astype(int), axis=0)).mean()
        > 1.2 * np.abs(np.diff(tall.astype(int), axis=0)).mean()
    )


def test_tiles_give_the_same_bytes_as_the_whole() -> None:
    picture, photo = page()
    whole = enlarged(picture, photo)
    np.testing.assert_array_equal(enlarged(picture, photo, tile_px=64), whole)


@pytest.mark.parametrize("size", [(145, 97), (200, 133), (288, 192), (576, 384), (1000, 667)])
def test_the_size_is_that_of_the_photo(size: tuple[int, int]) -> None:
    picture, photo = page()
    photo = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    made, decision = enlarge(picture, photo, shipped_model(SPEC.name))
    assert made.shape == (size[1], size[0], 3) and made.dtype == np.uint8
    assert decision.ran and decision.measured == pytest.approx(size[0] / 144)


def test_a_guide_of_another_size_is_refused() -> None:
    picture, photo = page()
    with pytest.raises(ValueError, match="the guide is 576x384 px, not 288x192 px"):
        shipped_model(SPEC.name)(picture, guide=photo)


def test_the_graph_is_the_module() -> None:
    pytest.importorskip("torch")
    picture, photo = page()
    photo = cv2.resize(photo, (288, 192), interpolation=cv2.INTER_AREA)
    graph, module = (shipped_model(SPEC.name, engine=engine) for engine in ("onnx", "torch"))
    made, wanted = graph(picture, guide=photo), module(picture, guide=photo)
    assert psnr_db(np.ascontiguousarray(made), np.ascontiguousarray(wanted)) > 40


def test_the_file_is_small() -> None:
    assert SPEC.files["picture"].bytes <= 300_000


def test_what_has_the_size_is_left_alone_and_opens_nothing() -> None:
    picture, photo = page()
    photo = cv2.resize(photo, (144, 96), interpolation=cv2.INTER_AREA)
    made, decision = enlarge(picture, photo, closed_model(SPEC))
    assert made is picture and not decision.ran


def test_a_size_a_little_over_a_doubling_is_interpolated() -> None:
    assert [doublings(ratio) for ratio in (1.01, 1.9, 2.4, 2.6, 4.9, 5.1)] == [1, 1, 1, 2, 2, 3]


@given(height=st.integers(1, 120), width=st.integers(1, 160), tile_px=st.sampled_from([8, 30, 64]))
@settings(max_examples=15, deadline=None)
def test_tiles_of_any_size_give_the_same_bytes(height: int, width: int, tile_px: int) -> None:
    random = np.random.default_rng(height * width)
    picture = random.integers(0, 256, (height, width, 3), np.uint8)
    photo = random.integers(0, 256, (2 * height, 2 * width, 3), np.uint8)
    whole = enlarged(picture, photo)
    np.testing.assert_array_equal(enlarged(picture, photo, tile_px), whole)
