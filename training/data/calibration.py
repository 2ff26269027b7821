"""The photographs that calibrate and measure a network on its way into the layer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.decode import decode_image, fit
from pipeline.domain import RgbImage
from pipeline.settings import Settings
from training.engine.errors import NoPictures
from training.export.layer import ROOT

SAMPLES = ROOT / "samples"
SUFFIXES = frozenset(".jpg .jpeg .png .webp".split())
MOST_PHOTOS = 32  # more change neither the ranges nor the figures, and each takes seconds
MIN_SIDE_PX = 8


def read_photographs(folder: Path, longer_side_px: int, multiple_of_px: int) -> list[RgbImage]:
    """The photographs of a folder, evenly chosen from it in name order, uint8 (H, W, 3) RGB.

    Each is reduced to ``longer_side_px`` and cut to sides that are multiples. Raises NoPictures
    when none is large enough, and pipeline.decode's errors for a file that is no picture.
    """
    files = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
    step = max(1, -(-len(files) // MOST_PHOTOS))
    found = []
    for path in files[::step]:
        photo, _ = decode_image(path.read_bytes(), Settings())
        pixels = fit(photo, longer_side_px).pixels
        height, width = (side // multiple_of_px * multiple_of_px for side in pixels.shape[:2])
        if min(height, width) >= MIN_SIDE_PX:
            found.append(pixels[:height, :width])
    if not found:
        raise NoPictures(f"{folder}: no photograph of at least {MIN_SIDE_PX} px a side")
    return found


def halves(photos: Sequence[RgbImage]) -> tuple[list[RgbImage], list[RgbImage]]:
    """Photographs to calibrate with, and others to measure on; fewer than four do both."""
    if len(photos) < 4:
        return list(photos), list(photos)
    return list(photos[::2]), list(photos[1::2])
