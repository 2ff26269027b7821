"""The drawing: the photo at the style's working scale, drawn whole or in tiles.

A generator's look depends on how many pixels a thing has: a face 250 px wide becomes contours
and flat areas, one of 1000 px a smoothed photo. So the photo is reduced to a working scale
and drawn there; pipeline/enlarge.py brings the drawing to full size.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import Drawing, Engine, Photo, Picture, WeightSpec
from pipeline.networks import run_on_picture, to_planes
from pipeline.settings import Options

PHOTOGRAPHIC_PX = 1920  # the working side for detail 1, where the photo itself is no larger


def stylise(
    photo: Photo,
    style: WeightSpec,
    picture_engine: Engine,
    code_engine: Engine | None,
    options: Options,
    tile_px: int,
) -> tuple[Picture, Drawing]:
    """in: a Photo; out: the drawing at its working scale, uint8 (h, w, 3) RGB, and how it was
    made. ``options.detail`` sets the working scale between ``style.working_px`` and the photo's
    own, never above it. A style that is not tileable is drawn whole, so its working scale ends
    at ``tile_px``. ``code_engine`` is None for a style without a code.
    """
    small = _at_working_scale(photo.pixels, style, options, tile_px)
    code = _code(small, style, code_engine)
    drawn, tiles = run_on_picture(small, style, picture_engine, tile_px, code)
    return drawn, Drawing(small.shape[1], small.shape[0], tiles)


def part_by_part(
    photo: Photo,
    style: WeightSpec,
    picture_engine: Engine,
    code_engine: Engine | None,
    options: Options,
    tile_px: int,
) -> Callable[[Picture], Picture]:
    """As ``stylise``, but out: what draws parts of the photo, uint8 (h, w, 3) of any size and as
    they are, in the tones of the whole.
    """
    code = _code(_at_working_scale(photo.pixels, style, options, tile_px), style, code_engine)
    return lambda part: run_on_picture(part, style, picture_engine, tile_px, code)[0]


def _at_working_scale(
    pixels: Picture, style: WeightSpec, options: Options, tile_px: int
) -> Picture:
    height, width = pixels.shape[:2]
    size = working_size(width, height, style.working_px, options.detail)
    if not style.tileable and max(size) > tile_px:
        size = working_size(width, height, tile_px, 0)
    if size == (width, height):
        return pixels
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def working_size(width_px: int, height_px: int, working_px: int, detail: float) -> tuple[int, int]:
    """Width and height to draw at: the longer side runs from ``working_px`` (detail 0) to the
    photo's own (detail 1) by equal ratios, and is never larger than the photo's.
    """
    longer = max(width_px, height_px)
    most = max(longer, PHOTOGRAPHIC_PX)
    scale = min(1.0, working_px * (most / working_px) ** detail / longer)
    return max(1, round(width_px * scale)), max(1, round(height_px * scale))


def _code(
    picture: Picture, style: WeightSpec, engine: Engine | None
) -> dict[str, NDArray[np.float32]]:
    """What the network is told of the whole picture; nothing for a style without a code."""
    if engine is None:
        return {}
    side = (style.thumbnail_px, style.thumbnail_px)
    thumbnail = cv2.resize(picture, side, interpolation=cv2.INTER_AREA)
    return {"code": engine.run({"thumbnail": to_planes(thumbnail, style.input_range)})}
