"""How the picture moved from one frame to the next, and what of it is seen in both.

Dense inverse search: T. Kroeger et al., "Fast optical flow using dense inverse search", ECCV 2016
(OpenCV's DISOpticalFlow). Occlusions by the forward-backward check of N. Sundaram et al., "Dense
point trajectories by GPU-accelerated large displacement optical flow", ECCV 2010, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import GrayImage, RgbImage

FLOW_PX = 960  # longer side at which motion is estimated
STILL_PX = 0.15  # motion of less is the sensor's noise
MIN_FLOW_PX = 32  # of a side: dense inverse search has no coarse scale for less
RELATIVE_ERROR, ABSOLUTE_ERROR = 0.01, 0.5  # of the check, in squares of pixels

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Motion:
    """From a frame to the one before it, at the reduced size.

    Attributes:
        flow: float32 (h, w, 2): what lies at (x, y) was at (x, y) + flow, in reduced pixels.
        seen: float32 (h, w) in 0..1: 1 where it was seen there.
    """

    flow: Floats
    seen: Floats

    def at_size(self, size: tuple[int, int]) -> Floats:
        """The flow float32 (H, W, 2) in pixels of a picture of that width and height."""
        height, width = self.flow.shape[:2]
        flow = cv2.resize(self.flow, size, interpolation=cv2.INTER_LINEAR)
        flow *= np.array([size[0] / width, size[1] / height], np.float32)
        return np.asarray(flow)


class MotionEstimator:
    """Estimates motion between reduced grey frames of one size. Not for several threads."""

    def __init__(self) -> None:
        self._search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def estimate(self, before: GrayImage, after: GrayImage) -> Motion:
        """Motion from a frame to the one before it.

        Args:
            before: uint8 (h, w).
            after: uint8 (h, w).
        """
        height, width = after.shape
        if min(height, width) < MIN_FLOW_PX:
            still = np.zeros((height, width, 2), np.float32)
            return Motion(still, np.ones((height, width), np.float32))
        backward = self._search.calc(after, before, None)
        forward = self._search.calc(before, after, None)
        returned = warp(forward, backward)
        error = backward + returned
        tolerance = RELATIVE_ERROR * (_squares(backward) + _squares(returned)) + ABSOLUTE_ERROR
        x, y = _grid(height, width)
        x, y = x + backward[..., 0], y + backward[..., 1]
        inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
        seen = (inside & (_squares(error) < tolerance)).astype(np.float32)
        backward[np.abs(backward).max(-1) < STILL_PX] = 0
        return Motion(backward, seen)


def reduced(pixels: RgbImage) -> RgbImage:
    """A frame at the size at which motion is estimated: FLOW_PX on its longer side, or its own."""
    height, width = pixels.shape[:2]
    scale = min(1.0, FLOW_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if size == (width, height):
        return pixels
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def warp(
    image: NDArray[np.generic], flow: Floats, interpolation: int = cv2.INTER_LINEAR
) -> NDArray[np.generic]:
    """What lies where the flow points: the frame before, in the places of the frame after.

    Args:
        image: (h, w) or (h, w, c), uint8 or float32, of the frame before.
        flow: float32 (h, w, 2), of the same size.
        interpolation: Of OpenCV.

    Returns:
        Of the image's shape and dtype; beyond the image its border goes on.
    """
    x, y = _grid(*flow.shape[:2])
    return cv2.remap(
        image,
        x + flow[..., 0],
        y + flow[..., 1],
        interpolation,
        borderMode=cv2.BORDER_REPLICATE,
    )


def _grid(height: int, width: int) -> tuple[Floats, Floats]:
    """Columns (1, w) and rows (h, 1) of the pixels."""
    columns = np.arange(width, dtype=np.float32)[None]
    return columns, np.arange(height, dtype=np.float32)[:, None]


def _squares(flow: NDArray[np.generic]) -> Floats:
    x, y = cv2.split(flow)
    return np.asarray(x * x + y * y)
