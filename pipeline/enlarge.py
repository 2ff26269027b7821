"""From the size a picture was drawn at to its final size, with lines as crisp as before.

A generator's look depends on how many pixels a thing has, so every photo is drawn at the
style's working scale and the drawing, not the photo, is brought to full size.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from pipeline.domain import Decision, RgbImage
from pipeline.model import Model
from pipeline.tiling import strips

# What whole doublings leave over is interpolated before the last of them, up to this factor.
INTERPOLATED = 1.25
GAIN = 2.5  # of the unsharp mask
PASSES = 2  # of it behind each doubling: with one, a 2048 px picture of 512 is half as soft again
GRAIN = 12.0  # grey levels within 3x3 pixels up to which there is no edge to steepen
MEDIAN_PX = 5  # of the square whose median is taken
AROUND = np.ones((3, 3), np.uint8)


def enlarge(drawn: RgbImage, photo: RgbImage, upsampler: Model) -> tuple[RgbImage, Decision]:
    """Brings a drawing to the size of its photo.

    The upsampler doubles the drawing, as often as needed, guided by the photo at the doubled
    size; it is opened only when it is needed.

    Args:
        drawn: uint8 (h, w, 3) RGB.
        photo: uint8 (H, W, 3) RGB, the photo that it is a drawing of, no smaller.
        upsampler: The network of the kind "upsampler".

    Returns:
        The drawing, uint8 (H, W, 3), the same object where it has that size; and the decision.

    Raises:
        WeightsInvalid, EngineUnavailable: The upsampler cannot be opened.
    """
    size = photo.shape[1::-1]
    ratio = max(size) / max(drawn.shape[:2])
    if drawn.shape[1::-1] == size:
        return drawn, Decision("enlarge", False, "drawn at full size", ratio, 1.0)
    half = ((size[0] + 1) // 2, (size[1] + 1) // 2)
    even = _extended(photo, (2 * half[0], 2 * half[1]))
    for number in range(doublings(ratio)):
        last = number == doublings(ratio) - 1
        # to half of the final size, so that nothing is interpolated after the last doubling; but
        # a drawing itself is never reduced
        if last and (number > 0 or half[0] >= drawn.shape[1]):
            drawn = _resize(drawn, half)
        guide = _resize(even, (2 * drawn.shape[1], 2 * drawn.shape[0]))
        drawn = upsampler(drawn, guide=guide)
        if last and number > 0:
            # earlier doublings left steps on slanted lines, which are wide enough by now for a
            # median to round them off
            drawn = cv2.medianBlur(drawn, MEDIAN_PX)
        drawn = steepen(drawn)
    full = _resize(drawn, even.shape[1::-1])
    full = np.ascontiguousarray(full[: size[1], : size[0]])
    return full, Decision("enlarge", True, "drawn at a smaller scale", ratio, 1.0)


def enlarge_by_itself(drawn: RgbImage, size: tuple[int, int], upsampler: Model) -> RgbImage:
    """Brings a drawing that differs from its photo to a size.

    Where a drawing has dark brows and lashes and the photo has none, a guide that is the photo has
    the upsampler draw its own pattern into them. So the drawing, interpolated, is its own guide.

    Args:
        drawn: uint8 (h, w, 3) RGB.
        size: Width and height, no smaller.
        upsampler: The network of the kind "upsampler".

    Returns:
        uint8 (H, W, 3) RGB, the same object where it has that size.

    Raises:
        WeightsInvalid, EngineUnavailable: The upsampler cannot be opened.
    """
    return enlarge(drawn, _resize(drawn, size), upsampler)[0]


def steepen(drawing: RgbImage) -> RgbImage:
    """Makes edges as steep as they can be without rims.

    An unsharp mask, kept within the range of the 3x3 pixels around; where that range is no more
    than grain, nothing is changed. A network alone does not draw steep edges: their position is
    uncertain, and the mean of steep edges is a soft one. The upsampler was trained with this
    behind it.

    Args:
        drawing: uint8 (H, W, 3) RGB; not written to.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    steep = np.empty_like(drawing)
    height, width = drawing.shape[:2]
    for rows, kept in strips(height, width, 2 * PASSES):
        strip = drawing[rows]
        for _ in range(PASSES):
            soft = cv2.GaussianBlur(strip, (5, 5), 0)
            sharp = cv2.addWeighted(strip, GAIN, soft, 1 - GAIN, 0)
            darkest, lightest = cv2.erode(strip, AROUND), cv2.dilate(strip, AROUND)
            is_edge = cv2.compare(cv2.subtract(lightest, darkest), (GRAIN,) * 3, cv2.CMP_GT)
            sharp = cv2.min(cv2.max(sharp, darkest), lightest)
            strip = cv2.copyTo(sharp, is_edge, strip.copy())
        steep[rows][kept] = strip[kept]
    return steep


def doublings(ratio: float) -> int:
    """How often to double, once at least, for a picture ``ratio`` times as large."""
    return max(1, math.ceil(math.log2(ratio / INTERPOLATED) - 1e-9))


def _resize(picture: RgbImage, size: tuple[int, int]) -> RgbImage:
    if picture.shape[1::-1] == size:
        return picture
    way = cv2.INTER_CUBIC if picture.shape[1] < size[0] else cv2.INTER_AREA
    return cv2.resize(picture, size, interpolation=way)


def _extended(picture: RgbImage, size: tuple[int, int]) -> RgbImage:
    """To that width and height, no smaller, by its last column and row."""
    right, below = size[0] - picture.shape[1], size[1] - picture.shape[0]
    if not right and not below:
        return picture
    return cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REPLICATE)
