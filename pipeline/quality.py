"""The quality gate: what is measured on a photo before anything is done to it."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import Engine, Photo, Picture, QualityEstimate, QualityReport, WeightSpec
from pipeline.networks import to_planes
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


def estimate(pixels: Picture, spec: WeightSpec, engine: Engine) -> QualityEstimate:
    """in: uint8 (H, W, 3) of any size; out: what the quality model makes of it. Never fails.

    Unlike the variance of the Laplacian, its blur does not grow with noise, nor its noise with
    texture, and what it measures is in pixels of the photo as it is.
    """
    sides = (spec.shape["thumbnail_px"], spec.shape["patch_px"], spec.shape["patches"])
    thumbnail, patches = look(pixels, *(int(str(side)) for side in sides))
    planes = [to_planes(patch, spec.input_range) for patch in patches]
    inputs = {
        "thumbnail": to_planes(thumbnail, spec.input_range),
        "patches": np.concatenate(planes),
    }
    blur, noise, jpeg_quality, exposure, score = (float(one) for one in engine.run(inputs)[0])
    return QualityEstimate(blur, noise, jpeg_quality, exposure, score)


def look(
    pixels: Picture, thumbnail_px: int, patch_px: int, count: int
) -> tuple[Picture, list[Picture]]:
    """What the quality model is shown: the whole, reduced to a square, and ``count`` squares of
    native pixels, half of them those of the highest variance of grey, then half those around
    the median. They are cells of a grid; of a photo with fewer, some are shown more than once,
    and one smaller than a cell is mirrored at its border.
    """
    thumbnail = cv2.resize(pixels, (thumbnail_px, thumbnail_px), interpolation=cv2.INTER_AREA)
    below, right = (max(0, patch_px - side) for side in pixels.shape[:2])
    if below or right:
        pixels = cv2.copyMakeBorder(pixels, 0, below, 0, right, cv2.BORDER_REFLECT)
    rows, columns = (side // patch_px for side in pixels.shape[:2])
    inside = pixels[: rows * patch_px, : columns * patch_px]
    order = np.argsort(-_cell_variances(inside, rows, columns).ravel(), kind="stable")
    half = count // 2
    middle = max(0, len(order) // 2 - half // 2)
    chosen = [order[n % len(order)] for n in range(half)]
    chosen += [order[(middle + n) % len(order)] for n in range(half)]
    places = [(cell // columns * patch_px, cell % columns * patch_px) for cell in chosen]
    return thumbnail, [inside[y : y + patch_px, x : x + patch_px] for y, x in places]


def _cell_variances(pixels: Picture, rows: int, columns: int) -> NDArray[np.float32]:
    """(rows, columns): of grey, within each cell."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    means = [
        cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_AREA)
        for plane in (grey, grey * grey)
    ]
    return np.asarray(means[1] - means[0] ** 2)
