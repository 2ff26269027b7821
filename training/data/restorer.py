"""Pairs that the restorer is trained and measured on: a degraded photo, and the photo it was.

Some photos are left clean, so that good ones stay as they are. Reduced by half, a photograph gives
a pair for both scales; cut as it is, one for the same size alone, so that the network knows photos
as cameras give them. Dark ones are brightened first, as the pipeline does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline.domain import RgbImage
from training.data.degradations import (
    KINDS,
    Damage,
    brightening,
    degrade,
    sample_kind,
    sample_steps,
)
from training.data.photographs import Files, halve, photographs, sample_window

HELD_OUT_PHOTOS = 8  # for each kind of damage
HELD_OUT_PX = 192  # of the input


@dataclass(frozen=True)
class Pair:
    """A degraded photo and what it is to become.

    Attributes:
        input: uint8 (h, w, 3).
        damage: what the input suffers from.
        target: of the same size.
        doubled: the target at twice the size, where it is known.
    """

    input: RgbImage
    damage: Damage
    target: RgbImage
    doubled: RgbImage | None = None


def pair_of(target: RgbImage, doubled: RgbImage | None, kind: str, seed: tuple[int, ...]) -> Pair:
    """Degrades a photo in a way of that kind, and brightens it again where it was darkened."""
    steps = sample_steps(kind, np.random.default_rng(seed))
    degraded, damage = degrade(target, [*steps, *brightening(steps)], seed)
    return Pair(degraded, damage, target, doubled)


def sample_pair(files: Files, doubled: bool, side_px: int, seed: tuple[int, ...]) -> Pair:
    """A pair of training, the same for the same seed.

    Args:
        files: the training photographs by kind.
        doubled: whether the target is known at twice the size.
        side_px: of the input, a square.
        seed: of all that is sampled.
    """
    random = np.random.default_rng(seed)
    large = sample_window(files, 2 * side_px, random) if doubled else None
    target = sample_window(files, side_px, random) if large is None else halve(large)
    return pair_of(target, large, sample_kind(random), seed)


def held_out_pairs(folder: Path) -> dict[str, list[Pair]]:
    """Pairs of photographs that are never trained on, by kind of damage, always the same."""
    files = photographs(folder, validation=True)
    pairs: dict[str, list[Pair]] = {}
    for number, kind in enumerate(KINDS):
        for photo in range(HELD_OUT_PHOTOS):
            random = np.random.default_rng((7, photo))  # the same photos for every kind
            large = sample_window(files, 2 * HELD_OUT_PX, random)
            pair = pair_of(halve(large), large, kind, (1000 + number, photo))
            pairs.setdefault(kind, []).append(pair)
    return pairs


def levels(damages: list[Damage]) -> Tensor:
    """What the network is told of the damage, (N, 3, 1, 1); see pipeline.architectures.restorer."""
    rows = [(damage.blur_px, damage.noise, 100 - damage.jpeg_quality) for damage in damages]
    return torch.tensor(rows, dtype=torch.float32)[..., None, None]
