"""Pairs of photo and drawing that a student learns from, in memory, and the crops of a step."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.architectures.student import StudentShape
from pipeline.domain import RgbImage
from training.data.degradations import brightening, degrade, sample_kind, sample_steps
from training.data.heads import face_models
from training.data.photographs import Random, read_rgb, sample_crop
from training.data.spoilt_heads import spoil
from training.data.tensors import to_tensor
from training.engine.errors import NoPictures
from training.engine.recipe import InvalidSetting
from training.looks.grade import grade_drawing
from training.looks.skin import keep_skin
from training.looks.styles import STUDENTS

TargetTransform = Callable[[RgbImage, RgbImage], RgbImage]  # photo, drawing -> target
InputTransform = Callable[[RgbImage, Random], RgbImage]  # photo -> what the student sees of it

NO_FEATURES = np.zeros((1, 1), np.float32)
# centres and sigmas of eyes and mouth in a head's window, in sides of it
FEATURES = {
    (0.373, 0.463): (0.06, 0.045),
    (0.625, 0.463): (0.06, 0.045),
    (0.5, 0.715): (0.07, 0.04),
}


class Batch(NamedTuple):
    """Crops (N, 3, crop, crop) and the thumbnails (N, 3, T, T) of the windows they are of."""

    input: Tensor
    target: Tensor
    thumbnail: Tensor
    feature_weight: Tensor  # (N, 1, crop, crop), 1 where a face's features are, else 0


class Flaws(NamedTuple):
    """What crops suffer from that a student is not to draw; shares are of the crops.

    Attributes:
        wall_share: areas of one colour with noise. No photograph has areas as flat as a drawing's
            sky; students that never saw one leave grain and their pixel-shuffle's pattern there.
        noise_share: with a camera's noise on the photo.
        noise_sigma: grey levels, at most.
    """

    wall_share: float = 0.0
    noise_share: float = 0.0
    noise_sigma: float = 0.0


class StudentPairs:
    """The windows of a folder that ``training.data.targets`` made, and their targets.

    Windows smaller than a crop (of the smallest photographs) are left out.

    Args:
        folder: NUMBER-NAME.png files, a photo on the left and its drawing on the right.
        thumbnail_px: side of the thumbnails.
        crop_px: side of the crops.
        target_transform: makes the target of a photo and its drawing, a grade for example.
        heads: whether the windows are heads, whose eyes and mouths are known to lie alike.
        input_transform: changes the whole window that a crop and its thumbnail are taken of, and
            not the target: a student that is to draw a bad photo as the good one.

    Raises:
        NoPictures: the folder has no windows.
    """

    def __init__(
        self,
        folder: Path,
        thumbnail_px: int,
        crop_px: int,
        target_transform: TargetTransform | None = None,
        input_transform: InputTransform | None = None,
        heads: bool = False,
    ) -> None:
        self.crop_px, self.thumbnail_px, self.heads = crop_px, thumbnail_px, heads
        self.input_transform = input_transform
        self.names: list[str] = []
        self.inputs: list[RgbImage] = []
        self.targets: list[RgbImage] = []
        for path in sorted(folder.glob("?????-*.png")):
            photo, drawing = np.split(read_rgb(path), 2, axis=1)
            if min(photo.shape[:2]) < crop_px:
                continue
            self.names.append(path.stem)
            self.inputs.append(photo)
            self.targets.append(target_transform(photo, drawing) if target_transform else drawing)
        if not self.inputs:
            raise NoPictures(f"{folder}: no targets; run python -m training.data.targets first")
        self.thumbnails = [thumbnail_of(photo, thumbnail_px) for photo in self.inputs]

    def batch(self, size: int, flaws: Flaws, seed: tuple[int, ...]) -> Batch:
        """Crops of random windows, the same for the same seed."""
        random = np.random.default_rng(seed)
        inputs, targets, thumbnails, weights = [], [], [], []
        for number in random.integers(len(self.inputs), size=size):
            window, thumbnail = self.inputs[number], self.thumbnails[number]
            crop = sample_crop(window, self.crop_px, random)
            mirror = slice(None, None, -1 if random.random() < 0.5 else 1)
            if self.input_transform:
                window = self.input_transform(window, random)
                thumbnail = thumbnail_of(window, self.thumbnail_px)
            photo, target = window[crop], self.targets[number][crop]
            weight = feature_weight(window.shape[0])[crop] if self.heads else NO_FEATURES
            if random.random() < flaws.wall_share:
                photo, target = _wall(self.crop_px, flaws.noise_sigma, random)
                weight = 1 - NO_FEATURES if self.heads else NO_FEATURES
            elif random.random() < flaws.noise_share:
                photo = _noisy(photo, flaws.noise_sigma, random)
            inputs.append(photo[:, mirror])
            targets.append(target[:, mirror])
            thumbnails.append(thumbnail[:, mirror])
            weights.append(np.broadcast_to(weight, photo.shape[:2])[:, mirror])
        weighed = torch.from_numpy(np.stack(weights))[:, None]
        return Batch(to_tensor(inputs), to_tensor(targets), to_tensor(thumbnails), weighed)


@cache
def feature_weight(side_px: int) -> NDArray[np.float32]:
    """Where the eyes and the mouth of a head of ``training.data.heads`` are, (S, S) in 0..1."""
    y, x = (np.mgrid[:side_px, :side_px] + 0.5) / side_px
    total = np.zeros((side_px, side_px))
    for (centre_x, centre_y), (sigma_x, sigma_y) in FEATURES.items():
        total += np.exp(-(((x - centre_x) / sigma_x) ** 2 + ((y - centre_y) / sigma_y) ** 2) / 2)
    return total.clip(0, 1).astype(np.float32)


def graded_pairs(folder: Path, style: str | None, crop_px: int) -> StudentPairs:
    """The windows of a folder for today's student, their targets in the colours of a style.

    Heads are spoilt on their way in.

    Raises:
        InvalidSetting: there is no such style.
        NoPictures: the folder has no windows.
    """
    if style is not None and style not in STUDENTS:
        raise InvalidSetting(f"no style {style!r}; there are {', '.join(STUDENTS)}")
    look = STUDENTS[style] if style else None
    transform: TargetTransform | None = None
    if look and look.grade:
        transform = partial(grade_drawing, grade=look.grade)
    elif look and look.heads and look.heads.photo_share:
        parse = face_models().parser.parse
        transform = partial(keep_skin, parse=parse, photo_share=look.heads.photo_share)
    of_heads = bool(look and look.heads)
    return StudentPairs(
        folder,
        StudentShape().thumbnail_px,
        crop_px,
        transform,
        spoil if of_heads else None,
        of_heads,
    )


def thumbnail_of(photo: RgbImage, side_px: int) -> RgbImage:
    """The whole photo as a square, uint8 (S, S, 3)."""
    return cv2.resize(photo, (side_px, side_px), interpolation=cv2.INTER_AREA)


def degraded(share: float) -> InputTransform:
    """An input transform that degrades that share of the windows as the restorer's photos are.

    Dark ones are brightened, as the pipeline does before it draws.
    """

    def transform(photo: RgbImage, random: Random) -> RgbImage:
        if random.random() >= share:
            return photo
        steps = sample_steps(sample_kind(random), random)
        return degrade(photo, [*steps, *brightening(steps)], int(random.integers(2**31)))[0]

    return transform


def _wall(side_px: int, sigma: float, random: Random) -> tuple[RgbImage, RgbImage]:
    """A crop of one colour with a camera's noise, and without it."""
    clean = np.empty((side_px, side_px, 3), np.uint8)
    clean[:] = random.integers(0, 256, 3)
    return _noisy(clean, sigma, random), clean


def _noisy(photo: RgbImage, most_sigma: float, random: Random) -> RgbImage:
    """The photo with a camera's noise."""
    noise = random.normal(0, random.uniform(0, most_sigma), photo.shape)
    return np.clip(photo + noise + 0.5, 0, 255).astype(np.uint8)
