"""Cases that the quality model is trained and measured on: a degraded photo and its measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.architectures.quality import QualityShape
from pipeline.domain import RgbImage
from pipeline.quality_model import model_inputs as inputs_of
from training.data.degradations import (
    KINDS,
    Damage,
    Darken,
    brightening,
    degrade,
    sample_kind,
    sample_steps,
)
from training.data.photographs import (
    Files,
    photographs,
    read_rgb,
    resize,
    sample_photo,
    sample_window,
)
from training.data.tensors import to_tensor
from training.metrics.quality import faults

HELD_OUT_PHOTOS = 24  # for each kind of damage
SIDES_PX = (160, 384)  # of the windows, and shorter ones of whole photographs
STOPS = (0.7, 3.5)  # of photographs that are darkened besides
LONGER_PX = 640  # of whole photos, by which the thresholds are set
OFF_GRID = 0.25  # share of the photos that were cut after they were degraded, blocks and all
# From what on a fault is clearly there: where the score is one half, and where the gate's two
# kinds of error are counted.
CLEARLY = {"blur_px": 1.5, "noise": 10.0, "artefacts": 45.0, "darkness": 1.5}

Inputs = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Case:
    """A degraded photo and what the model is to say of it, in the order of MEASURES."""

    photo: RgbImage
    target: NDArray[np.float32]


@dataclass(frozen=True)
class Shares:
    """How cases are sampled.

    Attributes:
        whole: of whole photographs, the others are windows of some.
        darkened: of those that are darkened besides what else is done to them.
        brightened: of the dark photos, those that are shown after the brightening.
    """

    whole: float
    darkened: float = 0.0
    brightened: float = 0.0


HELD_OUT = Shares(whole=0.4)


def sample_case(files: Files, kind: str | None, shares: Shares, seed: tuple[int, ...]) -> Case:
    """A photo degraded in a way of that kind, or of any; the same for the same seed."""
    random = np.random.default_rng(seed)
    sample = sample_photo if random.random() < shares.whole else sample_window
    clean = sample(files, int(random.integers(*SIDES_PX)), random)
    steps = sample_steps(kind or sample_kind(random), np.random.default_rng(seed))
    if steps and random.random() < shares.darkened:
        steps.insert(int(random.integers(len(steps))), Darken(float(random.uniform(*STOPS))))
    brightened = brightening(steps)
    if brightened and random.random() < shares.brightened:
        steps += brightened
    photo, damage = degrade(clean, steps, seed)
    if random.random() < OFF_GRID:
        y, x = random.integers(8, size=2)
        photo = np.ascontiguousarray(photo[y:, x:])
    return Case(photo, target_of(damage))


def target_of(damage: Damage) -> NDArray[np.float32]:
    """MEASURES of a photo, each within the model's range.

    The score halves with every time that the worst fault is as large as one that is clearly there.
    """
    measures = [
        min(damage.blur_px, 8.0),
        min(damage.noise, 100.0),
        max(damage.jpeg_quality, 25.0),
        float(np.clip(damage.exposure_stops, -5, 5)),
        1.0,
    ]
    target = np.array(measures, np.float32)
    sizes = faults(target[None])
    worst = max(float(sizes[name][0]) / least for name, least in CLEARLY.items())
    target[-1] = 0.5 ** max(0.0, worst)
    return target


def model_inputs(photos: Sequence[RgbImage], shape: QualityShape) -> Inputs:
    """Thumbnails (N, 3, T, T), patches (N * K, 3, P, P) and levels of light (N, LIGHTS)."""
    sizes = (shape.thumbnail_px, shape.patch_px, shape.patches)
    shown = [inputs_of(photo, *sizes) for photo in photos]
    thumbnails, patches, light = zip(*shown, strict=True)
    squares = [patch for of_photo in patches for patch in of_photo]
    return to_tensor(thumbnails), to_tensor(squares), torch.from_numpy(np.stack(light))


def whole_photos(files: Files, count: int) -> list[RgbImage]:
    """Some ``count`` whole photographs, evenly chosen, at most LONGER_PX a side.

    Reduced to multiples of 4. No crops of faces, whose own blur and artefacts are strong.
    """
    paths = [path for kind, of_kind in files.items() if "faces" not in kind for path in of_kind]
    photos = [read_rgb(path) for path in paths[:: max(1, len(paths) // count)][:count]]
    return [
        resize(photo, min(1.0, LONGER_PX / max(photo.shape[:2])), multiple_px=4) for photo in photos
    ]


def held_out_cases(folder: Path) -> dict[str, list[Case]]:
    """Cases of photographs that are never trained on, by kind of damage, always the same."""
    files = photographs(folder, validation=True)
    seeds = range(HELD_OUT_PHOTOS)
    return {
        kind: [sample_case(files, kind, HELD_OUT, (2000 + number, photo)) for photo in seeds]
        for number, kind in enumerate(KINDS)
    }


def targets_by_kind(held_out: Mapping[str, Sequence[Case]]) -> dict[str, NDArray[np.float32]]:
    """(N, 5) of the cases of each kind."""
    return {kind: np.stack([case.target for case in cases]) for kind, cases in held_out.items()}
