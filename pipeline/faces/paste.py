"""What makes a patch invisible: the tones of its surroundings, and a border that fades out."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import GrayImage, RgbImage
from pipeline.faces.align import ALIGNED_PX
from pipeline.faces.face import DetectedFace
from pipeline.faces.roi import Roi, warp_to_roi

COARSE_PX = 48  # the side at which tones are compared: a face is then 24 px wide
TONE_SIGMA_PX = 3.0  # at that size: a tone is that of an eighth of a face
FEATHER_SIGMA = 0.033  # of the mask's border, in sides of the aligned square
# Distances from the middle of the aligned square up to which the patch is opaque, and from which
# on it is transparent.
OPAQUE_RADIUS, TRANSPARENT_RADIUS = 0.36, 0.49


def match_tones(patch: RgbImage, reference: RgbImage, features: NDArray[np.float32]) -> RgbImage:
    """Gives a patch the smoothed tones of what it is pasted over.

    Features are not compared: the patch is there because the reference has lost them.

    Args:
        patch: uint8 (H, W, 3) RGB.
        reference: uint8 (H, W, 3) RGB, the same part of the picture.
        features: float32 (h, w) in 0..1 of any size, 1 where features are.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    height, width = patch.shape[:2]
    scale = COARSE_PX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    patch_tones, reference_tones, hidden = (
        cv2.resize(values, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        for values in (patch, reference, features)
    )
    weights = np.maximum(1 - hidden, 1e-3)
    difference = (reference_tones - patch_tones) * weights[..., None]
    offset = _blurred(difference) / _blurred(weights)[..., None]
    offset = cv2.resize(offset, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.clip(patch + offset + 0.5, 0, 255).astype(np.uint8)


def feather_mask(face: DetectedFace, roi: Roi) -> GrayImage:
    """How much of a patch is pasted.

    The whole head is opaque; the mask fades out around it and towards the border of the aligned
    square.

    Args:
        face: An aligned face.
        roi: What the patch covers.

    Returns:
        uint8 (h, w) on the ROI's grid, 0 transparent to 255 opaque.

    Raises:
        ValueError: The face is not aligned.
    """
    head = face.regions.masks["head"].astype(np.float32) / np.float32(255)
    sigma_px = FEATHER_SIGMA * ALIGNED_PX
    soft = cv2.GaussianBlur(head, (0, 0), sigma_px, borderType=cv2.BORDER_REPLICATE)
    opacity = np.minimum(1, 2 * soft) * _window()  # 1 up to the head's own border
    return warp_to_roi(np.rint(opacity * 255).astype(np.uint8), face, roi)


@cache
def _window() -> NDArray[np.float32]:
    """1 in the middle of the aligned square, 0 from its border on, smooth in between."""
    y, x = (np.mgrid[:ALIGNED_PX, :ALIGNED_PX] + 0.5) / ALIGNED_PX - 0.5
    span = TRANSPARENT_RADIUS - OPAQUE_RADIUS
    ramp = np.clip((TRANSPARENT_RADIUS - np.hypot(x, y)) / span, 0, 1)
    return (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)


def _blurred(values: NDArray[np.float32]) -> NDArray[np.float32]:
    blurred = cv2.GaussianBlur(values, (0, 0), TONE_SIGMA_PX, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred)
