"""From the size a picture was drawn at to the size it is wanted in, lines as crisp as before.

A generator's look depends on how many pixels a thing has, so every photo is drawn at the
style's working scale and the drawing, not the photo, is brought to full size.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2

from pipeline.domain import Decision, Engine, Picture, WeightSpec
from pipeline.networks import run_on_picture

# What is left after whole doublings is interpolated: up to this factor, else reduced after one
# doubling more. The interpolation makes edges wider by this factor at most.
INTERPOLATED = 1.25


def enlarge(
    drawn: Picture,
    size: tuple[int, int],
    spec: WeightSpec,
    open_engine: Callable[[], Engine],
    tile_px: int,
) -> tuple[Picture, Decision]:
    """in: uint8 (h, w, 3) RGB and the wanted width and height, no smaller; out: uint8
    (height, width, 3).

    The upsampler, applied until its doublings reach the size or nearly, then an interpolation.
    It is opened only when it is needed.
    """
    ratio = max(size) / max(drawn.shape[:2])
    if drawn.shape[1::-1] == size:
        return drawn, Decision("enlarge", False, "drawn at full size", ratio, 1.0)
    for _ in range(doublings(ratio)):
        drawn, _ = run_on_picture(drawn, spec, open_engine(), tile_px)
    way = cv2.INTER_CUBIC if drawn.shape[1] < size[0] else cv2.INTER_AREA
    drawn = cv2.resize(drawn, size, interpolation=way)
    return drawn, Decision("enlarge", True, "drawn at a smaller scale", ratio, 1.0)


def doublings(ratio: float) -> int:
    """How often to double, once at least, for a picture ``ratio`` times as large."""
    return max(1, math.ceil(math.log2(ratio / INTERPOLATED) - 1e-9))
