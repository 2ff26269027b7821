"""Tiles cover a picture once, and a local filter drawn by tiles is the filter of the whole."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.tiling import tile_grid

sides = st.integers(1, 40).map(lambda n: 4 * n)


@given(height=sides, width=sides, tile=st.integers(1, 90), overlap=st.integers(0, 20))
@settings(max_examples=80, deadline=None)
def test_cores_cover_every_pixel_once(height: int, width: int, tile: int, overlap: int) -> None:
    count = np.zeros((height, width), int)
    for part in tile_grid(height, width, tile, overlap, 4):
        count[part.core] += 1
        rows, columns = part.inputs
        assert (rows.stop - rows.start) % 4 == 0 and (columns.stop - columns.start) % 4 == 0
        kept = np.empty((rows.stop - rows.start, columns.stop - columns.start))[part.kept]
        assert kept.shape == count[part.core].shape
    assert (count == 1).all()


@given(height=sides, width=sides, tile=st.integers(4, 60), radius=st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_a_local_filter_by_tiles_is_exact(height: int, width: int, tile: int, radius: int) -> None:
    picture = np.random.default_rng(height * width).integers(0, 255, (height, width), np.uint8)

    def local(part: np.ndarray) -> np.ndarray:
        side = 2 * radius + 1
        return cv2.boxFilter(part, cv2.CV_32F, (side, side), borderType=cv2.BORDER_CONSTANT)

    result = np.empty((height, width), np.float32)
    for part in tile_grid(height, width, tile, radius, 4):
        result[part.core] = local(picture[part.inputs])[part.kept]
    np.testing.assert_array_equal(result, local(picture))


def test_sides_must_be_multiples() -> None:
    with pytest.raises(ValueError, match="30x21"):
        list(tile_grid(21, 30, 16, 4, 4))
