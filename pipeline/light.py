"""Light: sRGB levels, linear light, and stops."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import RgbImage

HIGHLIGHTS = 0.995  # share of the pixels that brightening must leave under white


def brighten(pixels: RgbImage, stops: float) -> RgbImage:
    """Brightens uint8 (H, W, 3) by so many stops, as if twice the light had come in each time."""
    levels = np.arange(256, dtype=np.float32)
    table = to_srgb(np.minimum(1, to_linear(levels) * np.float32(2**stops)))
    return cv2.LUT(pixels, np.clip(table + 0.5, 0, 255).astype(np.uint8))


def headroom_stops(pixels: RgbImage) -> float:
    """By how many stops a picture can be brightened before its highlights are white."""
    brightest = pixels.max(2).ravel()
    counts = np.bincount(brightest, minlength=256)
    level = int(np.searchsorted(np.cumsum(counts), HIGHLIGHTS * len(brightest)))
    light = float(to_linear(np.array([max(1, level)], np.float32))[0])
    return -math.log2(light)


def to_linear(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Levels of sRGB, 0..255, to linear light of 0..1 (IEC 61966-2-1)."""
    encoded = levels / np.float32(255)
    bright = ((np.maximum(encoded, 0.04045) + np.float32(0.055)) / np.float32(1.055)) ** 2.4
    return np.where(encoded <= 0.04045, encoded / np.float32(12.92), bright).astype(np.float32)


def to_srgb(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """The inverse of ``to_linear``."""
    bright = np.float32(1.055) * np.maximum(light, 0.0031308) ** (1 / 2.4) - np.float32(0.055)
    encoded = np.where(light <= 0.0031308, light * np.float32(12.92), bright)
    return (encoded * 255).astype(np.float32)
