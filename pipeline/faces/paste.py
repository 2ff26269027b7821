"""What makes a patch invisible: the tones of what is around it, and a border that fades out."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import Picture, Plane
from pipeline.faces.align import ALIGNED_PX, by_middles
from pipeline.faces.place import Found, Place, chained

COARSE_PX = 48  # the side at which tones are compared: a face is then 24 px wide
TONE_REACH_PX = 3.0  # sigma, there: a tone is that of an eighth of a face
FADE = 0.033  # sigma of the border, in sides of the aligned square
WHOLE, NOTHING = 0.36, 0.49  # distances from its middle where all, and nothing, is pasted


def matched(patch: Picture, around: Picture, features: NDArray[np.float32]) -> Picture:
    """in: two uint8 (H, W, 3) of the same part and a mask (h, w) of its features, of any size;
    out: the patch with the tones that ``around`` has, smoothed. Features are not compared: the
    patch is there because the other has lost them.
    """
    height, width = patch.shape[:2]
    scale = COARSE_PX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    mine, theirs, hidden = (
        cv2.resize(values, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        for values in (patch, around, features)
    )
    counts = np.maximum(1 - hidden, 1e-3)
    offset = _blurred((theirs - mine) * counts[..., None]) / _blurred(counts)[..., None]
    offset = cv2.resize(offset, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.clip(patch + offset + 0.5, 0, 255).astype(np.uint8)


def weight_of(one: Found, place: Place) -> Plane:
    """uint8 (H, W): how much of a patch of that place is pasted. All of the head; around it a
    fading border; nothing where the aligned square ends.
    """
    if one.regions is None:
        raise ValueError("the face was not aligned")
    head = one.regions.masks["head"].astype(np.float32) / np.float32(255)
    soft = cv2.GaussianBlur(head, (0, 0), FADE * ALIGNED_PX, borderType=cv2.BORDER_REPLICATE)
    weight = np.minimum(1, 2 * soft) * _window()  # 1 up to the head's own border
    matrix = by_middles(chained(one.regions.to_photo, place.to_grid))
    plane = np.rint(weight * 255).astype(np.uint8)
    return cv2.warpAffine(plane, matrix, (place.width_px, place.height_px), flags=cv2.INTER_LINEAR)


@cache
def _window() -> NDArray[np.float32]:
    """1 in the middle of the aligned square, 0 from its border on, smooth in between."""
    y, x = (np.mgrid[:ALIGNED_PX, :ALIGNED_PX] + 0.5) / ALIGNED_PX - 0.5
    part = np.clip((NOTHING - np.hypot(x, y)) / (NOTHING - WHOLE), 0, 1)
    return (part * part * (3 - 2 * part)).astype(np.float32)


def _blurred(values: NDArray[np.float32]) -> NDArray[np.float32]:
    blurred = cv2.GaussianBlur(values, (0, 0), TONE_REACH_PX, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred)
