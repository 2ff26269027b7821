"""How much of a face a photo really shows: its width less what blur and noise took from it."""

from __future__ import annotations

import math

from pipeline.domain import QualityEstimate, RgbImage
from pipeline.faces.align import ALIGNED_PX, FACE_SHARE, Matrix, affine_scale, crop
from pipeline.quality_model import QualityEstimator

MAX_DETAIL_PX = 64.0  # more is not measured: such a face lacks nothing
# Under it eyes are blots, which no style draws as eyes: seen side by side, MODEL_CARD.md.
MIN_DETAIL_PX = 36.0
# A picture reduced f times and enlarged again is as blurred as by a Gaussian of this times
# sqrt(f^2 - 1) px; see training/data/degradations.py, where it was measured.
RESIZE_BLUR = 0.45
TOLERATED_NOISE = 8.0  # grey levels; more is averaged over as many pixels as that takes


def detail_px(photo: RgbImage, to_aligned: Matrix, estimator: QualityEstimator) -> float:
    """Measures the width, in pixels, that a sharp picture with the same detail would have.

    Args:
        photo: uint8 (H, W, 3) RGB.
        to_aligned: 2x3, from its pixels to the aligned square of a face.
        estimator: Tells blur and noise of the part around the face.

    Returns:
        MAX_DETAIL_PX at most; for a sharp face that is less wide, its width.
    """
    width_px = min(FACE_SHARE * ALIGNED_PX / affine_scale(to_aligned), MAX_DETAIL_PX)
    side = max(2, round(width_px / FACE_SHARE))
    square = crop(photo, to_aligned * (side / ALIGNED_PX), side)
    return width_px / lost_scale(estimator.estimate(square))


def lost_scale(estimate: QualityEstimate) -> float:
    """How many times a picture could be reduced without losing detail, at least 1."""
    of_blur = math.sqrt(1 + (estimate.blur_px / RESIZE_BLUR) ** 2)
    return of_blur * max(1.0, estimate.noise / TOLERATED_NOISE)
