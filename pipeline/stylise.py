"""The drawing: the photo at the style's working scale, drawn, and brought to its full size.

A generator's look depends on how many pixels a thing has: a face 250 px wide becomes contours
and flat areas, one of 1000 px a smoothed photo. So the photo is reduced to a working scale,
drawn there, whole or in tiles that match the whole exactly, and enlarged with the photo's own
lightness edges as guide.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import Drawing, Engine, Photo, Picture, WeightSpec
from pipeline.settings import Options
from pipeline.tiling import plan

PHOTOGRAPHIC_PX = 1920  # the working side for detail 1, where the photo itself is no larger
GUIDE_WINDOW_PX = 5
GRAIN = (4, 4, 4, 0)  # levels that sharpening an enlarged drawing leaves alone
GUIDE_SHARE = 0.5  # of the photo's detail: all of it makes drawn lines ragged
GUIDE_EPSILON = 60.0  # grey levels squared: edges of the photo under 8 levels do not count


def stylise(
    photo: Photo,
    style: WeightSpec,
    picture_engine: Engine,
    code_engine: Engine | None,
    options: Options,
    tile_px: int,
) -> tuple[Picture, Drawing]:
    """in: a Photo; out: the drawing, uint8 (H, W, 3) RGB of the photo's size, and how it was
    made. ``options.strength`` 0 gives the photo's pixels, ``options.detail`` sets the working
    scale between ``style.working_px`` and the photo's own, never above it. A style that is not
    tileable is drawn whole, so its working scale ends at ``tile_px``. ``code_engine`` is None
    for a style without a code.
    """
    height, width = photo.pixels.shape[:2]
    size = working_size(width, height, style.working_px, options.detail)
    if not style.tileable and max(size) > tile_px:
        size = working_size(width, height, tile_px, 0)
    small = photo.pixels
    if size != (width, height):
        small = cv2.resize(small, size, interpolation=cv2.INTER_AREA)
    drawn, tiles = _draw(small, style, picture_engine, code_engine, tile_px)
    if size != (width, height):
        drawn = enlarge(drawn, small, photo.pixels)
    if options.strength < 1:
        drawn = cv2.addWeighted(drawn, options.strength, photo.pixels, 1 - options.strength, 0)
    return drawn, Drawing(*size, tiles)


def working_size(width_px: int, height_px: int, working_px: int, detail: float) -> tuple[int, int]:
    """Width and height to draw at: the longer side runs from ``working_px`` (detail 0) to the
    photo's own (detail 1) by equal ratios, and is never larger than the photo's.
    """
    longer = max(width_px, height_px)
    most = max(longer, PHOTOGRAPHIC_PX)
    scale = min(1.0, working_px * (most / working_px) ** detail / longer)
    return max(1, round(width_px * scale)), max(1, round(height_px * scale))


def _draw(
    picture: Picture,
    style: WeightSpec,
    picture_engine: Engine,
    code_engine: Engine | None,
    tile_px: int,
) -> tuple[Picture, int]:
    """The network over the picture at the size it has; the number of tiles it took."""
    height, width = picture.shape[:2]
    inputs: dict[str, NDArray[np.float32]] = {}
    if code_engine is not None:
        side = (style.thumbnail_px, style.thumbnail_px)
        thumbnail = cv2.resize(picture, side, interpolation=cv2.INTER_AREA)
        code = code_engine.run({"thumbnail": _to_planes(thumbnail, style.input_range)})
        inputs["code"] = code
    multiple = style.multiple_of_px
    # twice at least: padding by reflection takes two pixels at a network's smallest scale
    below = max(2 * multiple - height, -height % multiple)
    right = max(2 * multiple - width, -width % multiple)
    padded = cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REPLICATE)
    drawn = np.empty_like(padded)
    tiles = 0
    for tile in plan(height + below, width + right, tile_px, style.overlap_px, multiple):
        planes = _to_planes(padded[tile.inputs], style.input_range)
        output = picture_engine.run({"picture": planes, **inputs})
        drawn[tile.core] = _to_picture(output, style.input_range)[tile.kept]
        tiles += 1
    return drawn[:height, :width], tiles


def _to_planes(picture: NDArray[np.uint8], span: tuple[float, float]) -> NDArray[np.float32]:
    """uint8 (H, W, 3) to float32 (1, 3, H, W), 0..255 mapped to ``span``."""
    gain = (span[1] - span[0]) / 255
    planes = np.empty((1, 3, *picture.shape[:2]), np.float32)
    for number, channel in enumerate(cv2.split(picture)):
        np.multiply(channel, np.float32(gain), out=planes[0, number])
    planes += np.float32(span[0])
    return planes


def _to_picture(planes: NDArray[np.float32], span: tuple[float, float]) -> Picture:
    """The inverse of ``_to_planes``, rounded and clipped."""
    gain = 255 / (span[1] - span[0])
    merged = cv2.merge([np.ascontiguousarray(plane) for plane in planes[0]])
    # |x| would fold values under the range back up, so it is clipped there first
    np.maximum(merged, span[0], out=merged)
    return cv2.convertScaleAbs(merged, alpha=gain, beta=-span[0] * gain)


def enlarge(drawn: Picture, small: Picture, photo: Picture) -> Picture:
    """in: the drawing and the photo it was made from, both (h, w, 3), and the photo at full
    size (H, W, 3); out: the drawing at (H, W, 3).

    A bicubic enlargement, to which half the photo's fine lightness detail is added where, and as
    far as, the drawing's lightness follows the photo's: the local slope of one over the other (the
    first coefficient of the guided filter, He, Sun, Tang, ECCV 2010). Along kept edges the slope
    is about one and the edge gets sharper; in areas drawn flat it is about zero
    and the photo's texture stays out. Drawn lines, which the photo does not have, are made
    crisp by a sharpening of their own.
    """
    height, width = photo.shape[:2]
    guide = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    slope = _slope(guide, cv2.cvtColor(drawn, cv2.COLOR_RGB2GRAY))
    full = cv2.resize(drawn, (width, height), interpolation=cv2.INTER_CUBIC)
    detail = cv2.subtract(
        cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY),
        cv2.resize(guide, (width, height), interpolation=cv2.INTER_CUBIC),
        dtype=cv2.CV_32F,
    )
    detail *= GUIDE_SHARE * cv2.resize(slope, (width, height), interpolation=cv2.INTER_LINEAR)
    detailed = cv2.add(full, cv2.merge([detail] * 3), dtype=cv2.CV_8U)
    return _crisp(detailed, full, width / drawn.shape[1])


def _slope(guide: NDArray[np.uint8], lightness: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Local regression of ``lightness`` on ``guide``, clipped to 0..1; float32 (h, w)."""
    x, y = guide.astype(np.float32), lightness.astype(np.float32)
    window = (GUIDE_WINDOW_PX, GUIDE_WINDOW_PX)
    mean_x, mean_y = cv2.blur(x, window), cv2.blur(y, window)
    covariance = cv2.blur(x * y, window) - mean_x * mean_y
    variance = cv2.blur(x * x, window) - mean_x * mean_x
    return np.clip(covariance / (variance + GUIDE_EPSILON), 0, 1).astype(np.float32)


def _crisp(picture: Picture, plain: Picture, ratio: float) -> Picture:
    """Sharpens what was enlarged ``ratio`` times, within the local range of ``plain``, which is
    the same before anything was added.

    The limit is what makes it fit for drawings: edges and lines get steeper, but no pixel gets
    lighter or darker than its surroundings were, so no halo appears beside a line. Differences
    of a few levels are left alone: in areas drawn flat they are the network's own grain.
    """
    soft = cv2.GaussianBlur(picture, (0, 0), 0.7 * ratio)
    above = cv2.subtract(cv2.subtract(picture, soft), GRAIN)
    below = cv2.subtract(cv2.subtract(soft, picture), GRAIN)
    sharp = cv2.subtract(cv2.add(picture, above), below)
    side = 2 * round(0.75 * ratio) + 1
    around = np.ones((side, side), np.uint8)
    return cv2.min(cv2.max(sharp, cv2.erode(plain, around)), cv2.dilate(plain, around))
