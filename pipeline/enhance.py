"""The classic repair of a bad photo, as published: x2, non-local means, CLAHE, sharpening.

Which of the four runs is decided by the gate (variance of the Laplacian under its threshold)
or by the caller, who can force each on or off. Doubling is by Lanczos resampling in this
version; the learned restoration net is not there yet.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import Decision, Photo, Picture, QualityReport
from pipeline.settings import Options

SHARPEN_KERNEL = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], np.float32)


def enhance(
    photo: Photo, report: QualityReport, options: Options
) -> tuple[Photo, tuple[Decision, ...]]:
    """in: a Photo and what was measured on it; out: the repaired Photo, one Decision a step.

    The photo comes back untouched, the same object, when no step ran. Doubling is left out
    where the result would exceed ``options.max_side_px``.
    """
    decisions = []
    pixels, alpha = photo.pixels, photo.alpha
    for step, repair in STEPS.items():
        decision = _decide(step, getattr(options, step), photo, report, options)
        decisions.append(decision)
        if not decision.ran:
            continue
        pixels = repair(pixels)
        if step == "upscale" and alpha is not None:
            alpha = cv2.resize(alpha, pixels.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    if pixels is photo.pixels:
        return photo, tuple(decisions)
    return Photo(pixels, alpha), tuple(decisions)


def _decide(
    step: str, switch: str, photo: Photo, report: QualityReport, options: Options
) -> Decision:
    measured, threshold = report.blur_variance, report.blur_variance_min
    longer_px = max(photo.width_px, photo.height_px)
    if switch == "off":
        return Decision(step, False, "switched off by the caller")
    if switch == "auto" and options.enhance == "off":
        return Decision(step, False, "enhance is off")
    if switch == "auto" and measured >= threshold:
        return Decision(step, False, "sharp enough", measured, threshold)
    if step == "upscale" and 2 * longer_px > options.max_side_px:
        why = "twice the size would exceed max_side_px"
        return Decision(step, False, why, 2 * longer_px, options.max_side_px)
    if switch == "on":
        return Decision(step, True, "switched on by the caller")
    return Decision(step, True, "blurred", measured, threshold)


def double(pixels: Picture) -> Picture:
    """uint8 (H, W, 3) to (2H, 2W, 3), Lanczos over 8x8 pixels."""
    return cv2.resize(pixels, None, fx=2, fy=2, interpolation=cv2.INTER_LANCZOS4)


def denoise(pixels: Picture) -> Picture:
    """Non-local means (Buades, Coll, Morel, CVPR 2005), strength 10, windows of 7 and 21 px."""
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    clean = cv2.fastNlMeansDenoisingColored(bgr, None, 10, 10, 7, 21)
    return cv2.cvtColor(clean, cv2.COLOR_BGR2RGB)


def equalise(pixels: Picture) -> Picture:
    """CLAHE (Zuiderveld, Graphics Gems IV, 1994) on L of Lab, clip limit 2, 8x8 fields."""
    lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8)).apply(lab[..., 0])
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


def sharpen(pixels: Picture) -> Picture:
    """The published 3x3 kernel: five times the pixel minus its four neighbours."""
    return cv2.filter2D(pixels, -1, SHARPEN_KERNEL)


def brighten(pixels: Picture, stops: float) -> Picture:
    """uint8 (H, W, 3): as if twice the light had come in ``stops`` times."""
    levels = np.arange(256, dtype=np.float32)
    table = to_srgb(np.minimum(1, to_linear(levels) * np.float32(2**stops)))
    return cv2.LUT(pixels, np.clip(table + 0.5, 0, 255).astype(np.uint8))


def to_linear(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """sRGB levels of 0..255 to linear light of 0..1 (IEC 61966-2-1)."""
    encoded = levels / np.float32(255)
    bright = ((np.maximum(encoded, 0.04045) + np.float32(0.055)) / np.float32(1.055)) ** 2.4
    return np.where(encoded <= 0.04045, encoded / np.float32(12.92), bright).astype(np.float32)


def to_srgb(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """The inverse of ``to_linear``."""
    bright = np.float32(1.055) * np.maximum(light, 0.0031308) ** (1 / 2.4) - np.float32(0.055)
    encoded = np.where(light <= 0.0031308, light * np.float32(12.92), bright)
    return (encoded * 255).astype(np.float32)


STEPS: dict[str, Callable[[Picture], Picture]] = {
    "upscale": double,
    "denoise": denoise,
    "clahe": equalise,
    "sharpen": sharpen,
}
