"""The quality gate: what is measured on a photo before anything is done to it."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import (
    Engine,
    Photo,
    Picture,
    Plane,
    QualityEstimate,
    QualityReport,
    WeightSpec,
)
from pipeline.light import to_linear
from pipeline.networks import to_planes
from pipeline.settings import Settings
from pipeline.tiling import strips

# J. Immerkaer, "Fast noise variance estimation", CVIU 64(2), 1996: the difference of two
# Laplacians, blind to image structure up to second order; this, across times down.
NOISE_KERNEL = np.array([1, -2, 1], np.float32)

LIGHT_QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 1.0)
LIGHTS = 3 * len(LIGHT_QUANTILES)
LIGHT_PX = 256  # longer side of the photo that the quantiles of light are taken of


def assess(photo: Photo, settings: Settings) -> QualityReport:
    """in: a Photo of any size; out: its measures beside their threshold. Never fails.

    The variance of the Laplacian is measured as published: 3x3 kernel, 8-bit grey. It depends
    on the resolution and grows with noise, so it is measured at the size that will be drawn.
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
    )


def _lightness(pixels: Picture) -> tuple[float, float]:
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


def _blur_variance(grey: Plane) -> float:
    """Of whole numbers, so that strips add up to what the whole gives."""
    total = squares = 0.0
    height, width = grey.shape
    for rows, kept in strips(height, width, 1):
        response = cv2.Laplacian(grey[rows], cv2.CV_16S)[kept]
        total += cv2.sumElems(response)[0]
        squares += cv2.norm(response, cv2.NORM_L2SQR)
    return float(squares / grey.size - (total / grey.size) ** 2)


def _noise_sigma(grey: Plane) -> float:
    height, width = grey.shape
    if height < 3 or width < 3:  # the kernel does not fit
        return 0.0
    total = 0.0
    for rows, _ in strips(height - 2, width, 0):
        seen = grey[rows.start : rows.stop + 2]
        response = cv2.sepFilter2D(seen, cv2.CV_16S, NOISE_KERNEL, NOISE_KERNEL)
        total += cv2.norm(response[1:-1, 1:-1], cv2.NORM_L1)
    return math.sqrt(math.pi / 2) / 6 * total / ((height - 2) * (width - 2))


def estimate(pixels: Picture, spec: WeightSpec, engine: Engine) -> QualityEstimate:
    """in: uint8 (H, W, 3) of any size; out: what the quality model makes of it. Never fails.

    Unlike the variance of the Laplacian, its blur does not grow with noise, nor its noise with
    texture, and what it measures is in pixels of the photo as it is.
    """
    sides = (spec.shape["thumbnail_px"], spec.shape["patch_px"], spec.shape["patches"])
    thumbnail, patches, light = look(pixels, *(int(str(side)) for side in sides))
    planes = [to_planes(patch, spec.input_range) for patch in patches]
    inputs = {
        "thumbnail": to_planes(thumbnail, spec.input_range),
        "patches": np.concatenate(planes),
        "light": light[None],
    }
    blur, noise, jpeg_quality, exposure, score = (float(one) for one in engine.run(inputs)[0])
    return QualityEstimate(blur, noise, jpeg_quality, exposure, score)


def look(
    pixels: Picture, thumbnail_px: int, patch_px: int, count: int
) -> tuple[Picture, list[Picture], NDArray[np.float32]]:
    """What the quality model is shown: the whole, reduced to a square; ``count`` squares of
    native pixels, half of them those of the highest variance of grey, then half those around
    the median; and its ``light_levels``, of the photo reduced to LIGHT_PX: its lamps are still
    in it, most of its noise is not. The squares are cells of a grid; of a photo with fewer, some
    are shown more than once, and one smaller than a cell is mirrored at its border.
    """
    small, scale = pixels, LIGHT_PX / max(pixels.shape[:2])
    if scale < 1:
        size = [max(1, round(side * scale)) for side in pixels.shape[1::-1]]
        small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    thumbnail = cv2.resize(small, (thumbnail_px, thumbnail_px), interpolation=cv2.INTER_AREA)
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
    patches = [inside[y : y + patch_px, x : x + patch_px] for y, x in places]
    return thumbnail, patches, light_levels(small)


def light_levels(pixels: Picture) -> NDArray[np.float32]:
    """uint8 (H, W, 3) to float32 (LIGHTS,): by how many stops quantiles of the light of the
    brightest colour, of grey and of the darkest colour lie below white.
    """
    red, green, blue = cv2.split(pixels)
    brightest, darkest = (join(join(red, green), blue) for join in (cv2.max, cv2.min))
    levels: list[NDArray[np.intp]] = []
    for plane in (brightest, cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), darkest):
        counts = np.cumsum(np.bincount(plane.ravel(), minlength=256))
        levels.append(np.searchsorted(counts, np.array(LIGHT_QUANTILES) * plane.size))
    light: NDArray[np.float32] = to_linear(np.maximum(levels, 1).ravel().astype(np.float32))
    return np.log2(light)


def _cell_variances(pixels: Picture, rows: int, columns: int) -> NDArray[np.float32]:
    """(rows, columns): of grey, within each cell; a row of cells at a time stays in the cache."""
    found = np.empty((rows, columns), np.float32)
    for number, part in enumerate(np.split(pixels, rows)):
        grey = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY).astype(np.float32)
        mean, square = (
            cv2.resize(plane, (columns, 1), interpolation=cv2.INTER_AREA)
            for plane in (grey, grey * grey)
        )
        found[number] = (square - mean**2)[0]
    return found
