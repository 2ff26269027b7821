"""The quality gate: what is measured on a photo before anything is done to it."""

from __future__ import annotations

import math

import cv2
import numpy as np

from pipeline.domain import GrayImage, Photo, QualityReport, RgbImage
from pipeline.quality_model import QualityEstimator
from pipeline.settings import Settings
from pipeline.tiling import strips

# J. Immerkaer, "Fast noise variance estimation", CVIU 64(2), 1996: the difference of two
# Laplacians, blind to image structure up to second order; this, across times down.
NOISE_KERNEL = np.array([1, -2, 1], np.float32)


def assess(
    photo: Photo, settings: Settings, estimator: QualityEstimator | None = None
) -> QualityReport:
    """Measures a photo. Never fails for a photo.

    The variance of the Laplacian is measured as published: 3x3 kernel, 8-bit grey. It depends on
    the resolution and grows with noise, so it is measured at the size that will be drawn.

    Args:
        photo: A photo of any size.
        settings: ``blur_variance_min`` is reported beside the measure.
        estimator: The quality model, where it is asked.

    Raises:
        WeightsInvalid, EngineUnavailable: The quality model cannot be opened.
    """
    grey = np.asarray(cv2.cvtColor(photo.pixels, cv2.COLOR_RGB2GRAY), np.uint8)
    brightness, contrast = _lightness(photo.pixels)
    return QualityReport(
        blur_variance=_blur_variance(grey),
        blur_variance_min=settings.blur_variance_min,
        noise_sigma=_noise_sigma(grey),
        brightness=brightness,
        contrast=contrast,
        width_px=photo.width_px,
        height_px=photo.height_px,
        estimate=estimator.estimate(photo.pixels) if estimator else None,
    )


def _lightness(pixels: RgbImage) -> tuple[float, float]:
    """Mean and standard deviation of L*, 0..100."""
    total = squares = 0.0
    height, width = pixels.shape[:2]
    for rows, _ in strips(height, width, 0):
        mean, deviation = cv2.meanStdDev(cv2.cvtColor(pixels[rows], cv2.COLOR_RGB2LAB))
        count, first = rows.stop - rows.start, float(mean[0, 0])
        total += count * first
        squares += count * (float(deviation[0, 0]) ** 2 + first**2)
    total, squares = total / len(pixels), squares / len(pixels)
    return total * 100 / 255, math.sqrt(max(0.0, squares - total**2)) * 100 / 255


def _blur_variance(grey: GrayImage) -> float:
    """Of whole numbers, so that strips add up to what the whole gives."""
    total = squares = 0.0
    height, width = grey.shape
    for rows, kept in strips(height, width, 1):
        response = cv2.Laplacian(grey[rows], cv2.CV_16S)[kept]
        total += cv2.sumElems(response)[0]
        squares += cv2.norm(response, cv2.NORM_L2SQR)
    return float(squares / grey.size - (total / grey.size) ** 2)


def _noise_sigma(grey: GrayImage) -> float:
    height, width = grey.shape
    if height < 3 or width < 3:  # the kernel does not fit
        return 0.0
    total = 0.0
    for rows, _ in strips(height - 2, width, 0):
        seen = grey[rows.start : rows.stop + 2]
        response = cv2.sepFilter2D(seen, cv2.CV_16S, NOISE_KERNEL, NOISE_KERNEL)
        total += cv2.norm(response[1:-1, 1:-1], cv2.NORM_L1)
    return math.sqrt(math.pi / 2) / 6 * total / ((height - 2) * (width - 2))
