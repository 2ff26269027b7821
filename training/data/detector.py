"""Pictures with faces at many scales, that the detector is trained on.

Photographs and portraits as they are, reduced, turned and mirrored; and faces pasted into scenes,
so that there are small ones and crowds.

Nobody marks where the faces are: the teacher sees every picture after all this was done to it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import RgbImage
from pipeline.faces.detect import PADDING
from training.data.degradations import degrade, log_uniform, sample_kind, sample_steps
from training.data.photographs import (
    Files,
    Random,
    cached_rgb,
    photographs,
    resize,
    sample_mirror,
)

SCENES, PORTRAITS, FACES = "photos/*.jpg", "portraits/*.jpg", "faces/*.jpg"
PORTRAIT_SHARE, CLOSE_SHARE = 0.45, 0.1  # of all pictures: a portrait; one face crop, large
PASTED_SHARE = 0.65  # of the others, and of a fifth of the portraits: faces pasted in
MAX_PASTED = 10
PASTED_PX = (20, 260)  # the longer side of a pasted face crop
TURNED_SHARE, MAX_TURN = 0.4, 30.0  # more than a little; degrees
SLIGHT_TURN = 4.0


def face_photographs(folder: Path, validation: bool) -> Files:
    """Finds the files for training by kind, or those held out; see ``photographs``."""
    return photographs(folder, validation, (SCENES, PORTRAITS, FACES))


def sample_picture(files: Files, size: tuple[int, int], seed: tuple[int, ...]) -> RgbImage:
    """A clean picture, the same for the same seed.

    Args:
        files: by kind.
        size: height and width of the picture.
        seed: of all that is sampled.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    random = np.random.default_rng(seed)
    chance = random.random()
    if chance < PORTRAIT_SHARE and PORTRAITS in files:
        kind, scale, paste = PORTRAITS, log_uniform(random, 0.3, 1.6), 0.2 * PASTED_SHARE
    elif chance < PORTRAIT_SHARE + CLOSE_SHARE and FACES in files:
        kind, scale, paste = FACES, log_uniform(random, 0.5, 3.5), 0.0
    else:
        kind = SCENES if SCENES in files else next(iter(files))
        scale, paste = log_uniform(random, 0.6, 1.5), PASTED_SHARE
    canvas = _window(_any_of(files[kind], random), scale, size, random)
    if random.random() < paste:
        for _ in range(math.ceil(MAX_PASTED * random.random() ** 2)):
            canvas = _with_face(canvas, files, random)
    return _recoloured(canvas, random)


def sample_damaged(picture: RgbImage, share: float, seed: tuple[int, ...]) -> RgbImage:
    """The picture with blur, noise, darkness or JPEG artefacts, in that share of all cases."""
    random = np.random.default_rng((*seed, 1))
    if random.random() >= share:
        return picture
    return degrade(picture, sample_steps(sample_kind(random), random), (*seed, 2))[0]


def sample_pictures(
    files: Files, side_px: int, damaged: float, seeds: Sequence[tuple[int, ...]]
) -> tuple[list[RgbImage], list[RgbImage]]:
    """Clean squares, one for each seed, and the same with that share of them damaged."""
    clean = [sample_picture(files, (side_px, side_px), seed) for seed in seeds]
    pairs = zip(clean, seeds, strict=True)
    return clean, [sample_damaged(picture, damaged, seed) for picture, seed in pairs]


def _any_of(paths: list[Path], random: Random) -> RgbImage:
    return cached_rgb(paths[int(random.integers(len(paths)))])


def _reduced(photo: RgbImage, scale: float) -> RgbImage:
    """Reduced, where it is to be: what follows interpolates between neighbours alone."""
    return photo if scale >= 0.95 else resize(photo, scale, min_px=8)


def _turn(random: Random) -> float:
    most = MAX_TURN if random.random() < TURNED_SHARE else SLIGHT_TURN
    return float(random.uniform(-most, most))


def _window(photo: RgbImage, scale: float, size: tuple[int, int], random: Random) -> RgbImage:
    """A part of the photo at that scale, turned, a little stretched, mirrored or not.

    Beyond its borders it is mirrored or grey.
    """
    photo = _reduced(photo[:, sample_mirror(random)], scale)
    zoom = max(1.0, scale)
    height, width = size
    stretch = log_uniform(random, 0.9, 1.1)
    matrix = cv2.getRotationMatrix2D((photo.shape[1] / 2, photo.shape[0] / 2), _turn(random), zoom)
    matrix[0] *= stretch
    # where the photo's middle comes to lie: anywhere that leaves as much of it in as can be
    for axis, (room, side) in enumerate(
        ((width, photo.shape[1] * zoom), (height, photo.shape[0] * zoom))
    ):
        middle = matrix[axis] @ (photo.shape[1] / 2, photo.shape[0] / 2, 1)
        free = (room - side) / 2
        matrix[axis, 2] += room / 2 + random.uniform(-1, 1) * free - middle
    border = cv2.BORDER_REFLECT_101 if random.random() < 0.7 else cv2.BORDER_CONSTANT
    return cv2.warpAffine(
        photo,
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=border,
        borderValue=PADDING,
    )


def _with_face(canvas: RgbImage, files: Files, random: Random) -> RgbImage:
    """A face crop somewhere on the picture, turned, its border soft or hard."""
    crop = _any_of(files[FACES] if FACES in files else next(iter(files.values())), random)
    side = log_uniform(random, *PASTED_PX)
    scale = side / max(crop.shape[:2])
    crop = _reduced(crop[:, sample_mirror(random)], scale)
    zoom = side / max(crop.shape[:2])
    high, wide = crop.shape[:2]
    height, width = canvas.shape[:2]
    matrix = cv2.getRotationMatrix2D((wide / 2, high / 2), _turn(random), zoom)
    x, y = random.random() * width, random.random() * height
    matrix[:, 2] += np.array([x - wide / 2, y - high / 2])
    mask = _mask(high, wide, bool(random.random() < 0.5))
    # only the part of the picture that the crop covers
    reach = math.ceil(0.75 * side) + 2
    left, top = max(0, int(x) - reach), max(0, int(y) - reach)
    right, bottom = min(width, int(x) + reach), min(height, int(y) + reach)
    matrix[:, 2] -= np.array([left, top])
    size = (right - left, bottom - top)
    flags, border = cv2.INTER_LINEAR, cv2.BORDER_REPLICATE
    face = cv2.warpAffine(crop, matrix, size, flags=flags, borderMode=border)
    share = cv2.warpAffine(mask, matrix, size, flags=flags)[..., None]
    canvas = canvas.copy()
    part = canvas[top:bottom, left:right]
    part[:] = (part + (face.astype(np.float32) - part) * share + 0.5).astype(np.uint8)
    return canvas


def _mask(height: int, width: int, soft: bool) -> NDArray[np.float32]:
    """(H, W) of 0..1: a rectangle, or an ellipse that fades out."""
    if not soft:
        return np.ones((height, width), np.float32)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return np.clip((1.05 - np.hypot(x, y)) * 5, 0, 1).astype(np.float32)


def _recoloured(picture: RgbImage, random: Random) -> RgbImage:
    """Other light: a gain for each colour, contrast, brightness; sometimes no colour."""
    if random.random() < 0.1:
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        picture = cv2.merge([grey, grey, grey])
    if random.random() < 0.3:
        return picture
    gamma = log_uniform(random, 0.65, 1.5)
    contrast = random.uniform(0.7, 1.2)
    gains = random.uniform(0.88, 1.12, 3)
    shift = random.uniform(-20, 20)
    levels = (np.arange(256) / 255)[:, None] ** gamma * 255
    table = (levels - 127) * contrast * gains + 127 + shift
    return cv2.LUT(picture, np.clip(table + 0.5, 0, 255).astype(np.uint8).reshape(1, 256, 3))
