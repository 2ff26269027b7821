"""The drawing: the photo at its working scale (pipeline/scale.py), drawn whole or in tiles;
pipeline/enlarge.py brings the drawing to full size.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import Engine, Picture, WeightSpec
from pipeline.networks import run_on_picture, to_planes


def stylise(
    pixels: Picture,
    size: tuple[int, int],
    style: WeightSpec,
    picture_engine: Engine,
    code_engine: Engine | None,
    tile_px: int,
) -> tuple[Picture, int]:
    """in: uint8 (H, W, 3) RGB and the width and height to draw it at, no larger than it is; out:
    the drawing of that size, uint8 (height, width, 3), and the number of tiles it took.
    ``code_engine`` is None for a style without a code.
    """
    small = _reduced(pixels, size)
    code = _code(small, style, code_engine)
    return run_on_picture(small, style, picture_engine, tile_px, code)


def part_by_part(
    pixels: Picture,
    size: tuple[int, int],
    style: WeightSpec,
    picture_engine: Engine,
    code_engine: Engine | None,
    tile_px: int,
) -> Callable[[Picture], Picture]:
    """As ``stylise``, but out: what draws parts of the picture, uint8 (h, w, 3) of any size and as
    they are, in the tones of the whole.
    """
    code = _code(_reduced(pixels, size), style, code_engine)
    return lambda part: run_on_picture(part, style, picture_engine, tile_px, code)[0]


def _reduced(pixels: Picture, size: tuple[int, int]) -> Picture:
    if size == pixels.shape[1::-1]:
        return pixels
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def _code(
    picture: Picture, style: WeightSpec, engine: Engine | None
) -> dict[str, NDArray[np.float32]]:
    """What the network is told of the whole picture; nothing for a style without a code."""
    if engine is None:
        return {}
    side = (style.thumbnail_px, style.thumbnail_px)
    thumbnail = cv2.resize(picture, side, interpolation=cv2.INTER_AREA)
    return {"code": engine.run({"thumbnail": to_planes(thumbnail, style.input_range)})}
