"""The quality gate: what is measured on a photo before anything is done to it."""

from __future__ import annotations

import math

import cv2
import numpy as np

from pipeline.domain import Photo, QualityReport
from pipeline.settings import Settings

# J. Immerkaer, "Fast noise variance estimation", CVIU 64(2), 1996: the difference of two
# Laplacians, blind to image structure up to second order.
NOISE_KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def assess(photo: Photo, settings: Settings) -> QualityReport:
    """in: a Photo of any size; out: its measures beside their threshold. Never fails.

    The variance of the Laplacian is measured as published: 3x3 kernel, 8-bit grey. It depends
    on the resolution and grows with noise, so it is measured at the size that will be drawn.
    """
    grey = cv2.cvtColor(photo.pixels, cv2.COLOR_RGB2GRAY)
    lightness = cv2.cvtColor(photo.pixels, cv2.COLOR_RGB2LAB)[..., 0]
    mean, deviation = (float(value.item()) * 100 / 255 for value in cv2.meanStdDev(lightness))
    return QualityReport(
        blur_variance=float(cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_64F))[1].item() ** 2),
        blur_variance_min=settings.blur_variance_min,
        noise_sigma=_noise_sigma(grey),
        brightness=mean,
        contrast=deviation,
        width_px=photo.width_px,
        height_px=photo.height_px,
    )


def _noise_sigma(grey: np.ndarray) -> float:
    height, width = grey.shape
    if height < 3 or width < 3:  # the kernel does not fit
        return 0.0
    response = cv2.filter2D(grey, cv2.CV_32F, NOISE_KERNEL)[1:-1, 1:-1]
    return float(math.sqrt(math.pi / 2) / 6 * np.abs(response).mean())
