"""The drawing: size, scale, strength, tiles that match the whole, lines that are dark."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import shipped_style
from skimage import data

from pipeline.measure import psnr_db
from pipeline.postprocess import GRAIN, postprocess
from pipeline.scale import WorkingScale, working_scale
from pipeline.settings import Options
from pipeline.stylise import StylisedImage, stylise

STYLE = Options().style
PHOTO = data.chelsea()  # 300x451


def draw(picture: np.ndarray, tile_px: int = 1024) -> StylisedImage:
    """Drawn at the photo's own size."""
    return stylise(picture, picture.shape[1::-1], shipped_style(STYLE, tile_px))


def working_size(width: int, height: int, working_px: int, detail: float) -> tuple[int, int]:
    scale = working_scale(max(width, height), working_px, detail)
    return WorkingScale(scale, "detail", "").size(width, height)


def test_tiles_give_the_same_bytes_as_the_whole() -> None:
    whole = draw(PHOTO)
    for tile_px in (256, 180):
        tiled = draw(PHOTO, tile_px)
        assert tiled.tiles > whole.tiles == 1
        np.testing.assert_array_equal(tiled.pixels, whole.pixels)


@given(height=st.integers(1, 150), width=st.integers(1, 210), tile_px=st.sampled_from([16, 37, 64]))
@settings(max_examples=12, deadline=None)
def test_tiles_of_any_size_give_the_same_bytes(height: int, width: int, tile_px: int) -> None:
    picture = PHOTO[40 : 40 + height, 60 : 60 + width]
    np.testing.assert_array_equal(draw(picture, tile_px).pixels, draw(picture).pixels)


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (3, 2), (37, 61), (300, 5)])
def test_any_size_comes_back_as_it_was(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    before = picture.copy()
    drawn = draw(picture).pixels
    assert drawn.shape == picture.shape and drawn.dtype == np.uint8
    np.testing.assert_array_equal(picture, before)


def test_strength_blends_with_the_photo() -> None:
    drawn = draw(PHOTO).pixels
    plain = {
        strength: postprocess(drawn, PHOTO, (), Options(strength=strength, post_sharpen_weight=0))[
            0
        ]
        for strength in (0, 0.5, 1)
    }
    np.testing.assert_array_equal(plain[0], PHOTO)
    np.testing.assert_array_equal(plain[1], drawn)
    expected = (drawn.astype(float) + PHOTO) / 2
    assert np.abs(plain[0.5] - expected).max() <= 1
    assert psnr_db(drawn, PHOTO) < 30


def test_strength_zero_is_not_sharpened_either() -> None:
    result, decisions = postprocess(PHOTO[::-1], PHOTO, (), Options(strength=0))
    np.testing.assert_array_equal(result, PHOTO)
    assert not decisions[0].ran


def test_repair_sharpens_by_its_weight() -> None:
    dot = np.full((5, 5, 3), 100, np.uint8)
    dot[2, 2] = 120
    sharp, decisions = postprocess(dot, dot, (), Options(post_sharpen_weight=0.3))
    assert sharp[2, 2, 0] == 120 + round(0.3 * 4 * 20) - GRAIN
    faint = np.where(dot == 120, np.uint8(102), dot)
    np.testing.assert_array_equal(
        postprocess(faint, faint, (), Options(post_sharpen_weight=0.3))[0], faint
    )
    assert decisions[0].ran and decisions[0].measured == 0.3


@given(
    width=st.integers(1, 9000),
    height=st.integers(1, 9000),
    detail=st.floats(0, 1),
)
@settings(max_examples=200, deadline=None)
def test_the_working_size_keeps_the_aspect_and_never_exceeds_the_photo(
    width: int, height: int, detail: float
) -> None:
    wide, high = working_size(width, height, 448, detail)
    assert 1 <= wide <= width and 1 <= high <= height
    scale = max(wide, high) / max(width, height)
    assert abs(wide - width * scale) <= 1 and abs(high - height * scale) <= 1


def test_detail_runs_from_drawn_to_the_photos_own_size() -> None:
    sizes = [max(working_size(4000, 3000, 448, detail)) for detail in (0, 0.25, 0.5, 0.75, 1)]
    assert sizes[0] == 448 and sizes[-1] == 4000
    ratios = [b / a for a, b in pairwise(sizes)]
    assert max(ratios) / min(ratios) < 1.01  # equal ratios
    # up to the default size of a result the scale is that of the style, whatever the photo's
    assert working_size(1920, 1080, 448, 0.35)[0] == working_size(1000, 700, 448, 0.35)[0]
