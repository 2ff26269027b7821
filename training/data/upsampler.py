"""Pairs that the upsampler learns from: a large drawing, and it small with a student's faults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from torch import Tensor

from pipeline.domain import RgbImage
from training.data.photographs import halve, read_rgb, resize, sample_crop
from training.data.tensors import to_tensor
from training.engine.errors import NoPictures

DrawnPair = tuple[RgbImage, RgbImage]  # a photograph and its drawing, of one size


class Batch(NamedTuple):
    """Small drawings (N, 3, h, w); photographs and large drawings (N, 3, 2h, 2w)."""

    input: Tensor
    guide: Tensor
    target: Tensor


@dataclass(frozen=True)
class Faults:
    """What a student's drawing suffers from.

    Attributes:
        blur_px: sigma in its own pixels.
        grain: sigma of smooth noise in grey levels.
        beads: sigma of noise along edges, as a share of their contrast, since lines of one or two
            pixels come out uneven.
        grid: sigma in grey levels of a repeated pattern of 4x4 pixels, which pixel-shuffles leave.
    """

    blur_px: float
    grain: float
    beads: float
    grid: float


@dataclass(frozen=True)
class FaultLimits:
    """From none to the largest, but for the blur; ``photo_noise``: grey levels, of the guide."""

    blur_px: tuple[float, float]
    grain: float
    beads: float
    grid: float
    photo_noise: float

    def sample(self, random: np.random.Generator) -> tuple[Faults, float]:
        """Faults of a drawing, and the noise of its guide."""
        limits = (self.grain, self.beads, self.grid, self.photo_noise)
        grain, beads, grid, noise = (float(random.uniform(0, limit)) for limit in limits)
        return Faults(float(random.uniform(*self.blur_px)), grain, beads, grid), noise

    def middling(self) -> Faults:
        """Halfway, to measure with."""
        return Faults(sum(self.blur_px) / 2, self.grain / 2, self.beads / 2, self.grid / 2)


def drawn_pairs(folder: Path, reduced: float, min_px: int = 0) -> list[DrawnPair]:
    """Reads the photographs and drawings that ``training.data.upsampler_targets`` made.

    Args:
        folder: of the pairs.
        reduced: scale at which those with thin contours are there a second time.
        min_px: smaller pairs are left out.

    Returns:
        Pairs whose sides are multiples of 4.

    Raises:
        NoPictures: there are none.
    """
    pairs = []
    for path in sorted(folder.glob("*-?????-*.png")):
        pair = np.split(read_rgb(path), 2, axis=1)
        for scale in (1.0, reduced) if path.name.startswith("thin-") else (1.0,):
            photo, drawing = (resize(picture, scale, multiple_px=4) for picture in pair)
            pairs.append((photo, drawing))
    if not pairs:
        raise NoPictures(f"{folder}: no pairs; run python -m training.data.upsampler_targets first")
    return [pair for pair in pairs if min(pair[0].shape[:2]) >= min_px]


def degrade_drawing(drawing: RgbImage, faults: Faults, seed: tuple[int, ...]) -> RgbImage:
    """Halves a drawing and gives it the faults; the same for the same seed."""
    small = cv2.GaussianBlur(halve(drawing).astype(np.float32), (0, 0), faults.blur_px)
    height, width = small.shape[:2]
    around = np.ones((3, 3), np.uint8)
    contrast = (cv2.dilate(small, around) - cv2.erode(small, around)).max(2, keepdims=True)
    random = np.random.default_rng(seed)
    grain = cv2.GaussianBlur(random.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 0.7)
    grain *= faults.grain / max(1e-6, float(grain.std()))
    beads = random.normal(0, faults.beads, (height, width, 1)).astype(np.float32)
    tile = random.normal(0, faults.grid, (4, 4, 3)).astype(np.float32)
    grid = np.tile(tile, (height // 4 + 1, width // 4 + 1, 1))[:height, :width]
    noisy = small + grain[..., None] + contrast * beads + grid
    return np.clip(noisy + 0.5, 0, 255).astype(np.uint8)


def sample_batch(
    pairs: list[DrawnPair], size: int, crop_px: int, limits: FaultLimits, seed: tuple[int, int]
) -> Batch:
    """Crops of random pairs, turned and mirrored, the same for the same seed.

    The colours are exchanged at random: a look has a palette, an upsampler has none.
    """
    random = np.random.default_rng(seed)
    inputs, guides, targets = [], [], []
    for number in range(size):
        pair = pairs[random.integers(len(pairs))]
        crop = sample_crop(pair[0], crop_px, random)
        turns, mirrored, colours = int(random.integers(4)), random.random() < 0.5, np.arange(3)
        if random.random() < 0.5:
            colours = random.permutation(3)
        photo, drawing = (
            np.ascontiguousarray(np.rot90(p[crop], turns)[:, :: -1 if mirrored else 1, colours])
            for p in pair
        )
        faults, noise = limits.sample(random)
        inputs.append(degrade_drawing(drawing, faults, (*seed, number)))
        noisy = photo + random.normal(0, noise, photo.shape)
        guides.append(np.clip(noisy + 0.5, 0, 255).astype(np.uint8))
        targets.append(drawing)
    return Batch(to_tensor(inputs), to_tensor(guides), to_tensor(targets))
