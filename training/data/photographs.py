"""The training photographs: which files, which are held out, and windows cut at many scales."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

VALIDATION_SHARE = 0.1

# How often each kind is drawn. Scenes and portraits are few and matter most; the small face
# crops, 100 to 150 px, only teach what a soft face looks like.
KINDS = {
    "photos/scene-*.jpg": 0.22,
    "photos/bsds-*.jpg": 0.22,
    "photos/imagenet-*.jpg": 0.24,
    "portraits/portrait-*.jpg": 0.28,
    "faces/face-*.jpg": 0.04,
}
# What the looks are taught on: scenes near full size and sharp faces besides.
LOOK_KINDS = {
    "hd/hd-*.jpg": 0.2,
    "photos/scene-*.jpg": 0.12,
    "photos/bsds-*.jpg": 0.14,
    "photos/imagenet-*.jpg": 0.18,
    "portraits/portrait-*.jpg": 0.2,
    "faces256/face2-*.jpg": 0.14,
    "faces/face-*.jpg": 0.02,
}
# The sharp face crops are enlarged until a face is as wide as the looks draw it: 250 px.
ENLARGED = {"faces256/face2-*.jpg": 1.75}


@dataclass(frozen=True)
class Window:
    """A part of a photograph at some scale: uint8 (H, W, 3) RGB, sides multiples of 8."""

    name: str
    pixels: NDArray[np.uint8]


def split(files: list[Path], validation: bool) -> list[Path]:
    """The last tenth, in name order, is held out of every training set."""
    files = sorted(files)
    held_out = len(files) - max(1, round(len(files) * VALIDATION_SHARE)) if files else 0
    return files[held_out:] if validation else files[:held_out]


def windows(
    folder: Path, count: int, side_px: int, seed: int, validation: bool = False
) -> Iterator[Window]:
    """``count`` windows, the same for the same seed, at most ``side_px`` a side.

    A photo is reduced by a random factor, so that a face or a house is seen at many sizes, and
    a window is cut from it. Raises FileNotFoundError when ``folder`` has none of the kinds.
    """
    lists = {kind: split(list(folder.glob(kind)), validation) for kind in LOOK_KINDS}
    lists = {kind: files for kind, files in lists.items() if files}
    if not lists:
        raise FileNotFoundError(f"{folder}: none of {', '.join(LOOK_KINDS)}")
    weights = np.array([LOOK_KINDS[kind] for kind in lists])
    random = np.random.default_rng(seed)
    for number in range(count):
        kind = list(lists)[random.choice(len(lists), p=weights / weights.sum())]
        path = lists[kind][random.integers(len(lists[kind]))]
        zoom, top, left = random.random(3)
        photo = read_rgb(path)
        if kind in ENLARGED:
            factor = ENLARGED[kind]
            photo = cv2.resize(photo, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        height, width = photo.shape[:2]
        least = min(1.0, 0.65 * side_px / min(height, width))
        scale = float(np.exp(np.log(least) * zoom))  # log-uniform in [least, 1]
        if scale < 1:
            size = (max(8, round(width * scale)), max(8, round(height * scale)))
            photo = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
            height, width = photo.shape[:2]
        high, wide = min(height, side_px) // 8 * 8, min(width, side_px) // 8 * 8
        y, x = int(top * (height - high)), int(left * (width - wide))
        yield Window(f"{number:05d}-{path.stem}", photo[y : y + high, x : x + wide].copy())


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """uint8 (H, W, 3) RGB. Raises ValueError for a file that is not a picture."""
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ValueError(f"{path}: not a readable picture")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
