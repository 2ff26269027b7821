"""The photographs: which files, which are held out, how they are read, resized and sampled."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from pipeline.domain import RgbImage
from training.engine.errors import NoPictures, UnreadablePicture

SUFFIXES = frozenset(".bmp .jpeg .jpg .png .tif .tiff .webp".split())
VALIDATION_SHARE = 0.1
MAX_PHOTOS = 32  # to calibrate and measure with: more change neither ranges nor metrics
MIN_SIDE_PX = 8
MAX_ATTEMPTS = 20  # at a photograph that is large enough

# How often each kind is sampled. Scenes and portraits are few and matter most; the small face
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

Random = np.random.Generator
Files = dict[str, list[Path]]  # by kind


@dataclass(frozen=True)
class Window:
    """A part of a photograph at some scale: uint8 (H, W, 3) RGB, sides multiples of 8."""

    name: str
    pixels: RgbImage


def split(files: Iterable[Path], validation: bool) -> list[Path]:
    """Holds the last tenth, in name order, out of every training set.

    Args:
        files: in any order.
        validation: the held-out files instead of those for training.
    """
    ordered = sorted(files)
    held_out = len(ordered) - max(1, round(len(ordered) * VALIDATION_SHARE)) if ordered else 0
    return ordered[held_out:] if validation else ordered[:held_out]


def photographs(folder: Path, validation: bool, kinds: Iterable[str] = tuple(KINDS)) -> Files:
    """Finds the photographs for training, or those held out.

    Args:
        folder: the folder of photographs.
        validation: the held-out files instead of those for training.
        kinds: patterns of paths below the folder.

    Returns:
        Files by kind, without the kinds that have none.

    Raises:
        NoPictures: none of the kinds has any.
    """
    files = {kind: split(folder.glob(kind), validation) for kind in kinds}
    files = {kind: paths for kind, paths in files.items() if paths}
    if not files:
        raise NoPictures(f"{folder}: none of {', '.join(kinds)}")
    return files


def read_rgb(path: Path) -> RgbImage:
    """Reads a picture as uint8 (H, W, 3) RGB, turned upright.

    Raises:
        UnreadablePicture: the file is absent, torn or no picture.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except Exception as error:  # Pillow's decoders raise whatever they meet
        raise UnreadablePicture(f"{path}: not a readable picture: {error}") from error


@cache  # some 1.3 GB when all are in it; decoding would take a third of a step
def cached_rgb(path: Path) -> RgbImage:
    """``read_rgb``, once for each file."""
    return read_rgb(path)


def resize(picture: RgbImage, scale: float, min_px: int = 1, multiple_px: int = 1) -> RgbImage:
    """Scales a picture: by area down, by cubic interpolation up.

    Args:
        picture: uint8 (H, W, 3).
        scale: sides of the result over those of the picture.
        min_px: of the result's sides.
        multiple_px: what the result's sides are multiples of.

    Returns:
        The picture itself where its size stays as it is.
    """
    height, width = (
        max(min_px, round(side * scale) // multiple_px * multiple_px) for side in picture.shape[:2]
    )
    if (height, width) == picture.shape[:2]:
        return picture
    way = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    return cv2.resize(picture, (width, height), interpolation=way)


def halve(picture: RgbImage) -> RgbImage:
    """Half the size, by area; an odd row or column counts with its neighbour."""
    height, width = picture.shape[0] // 2, picture.shape[1] // 2
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def sample_crop(picture: RgbImage, side_px: int, random: Random) -> tuple[slice, slice]:
    """Rows and columns of a random square in a picture that is no smaller."""
    y, x = (int(random.integers(side - side_px + 1)) for side in picture.shape[:2])
    return slice(y, y + side_px), slice(x, x + side_px)


def sample_mirror(random: Random) -> slice:
    """Columns as they are or from right to left, as often."""
    return slice(None, None, 1 if random.random() < 0.5 else -1)


def sample_file(files: Files, weights: Mapping[str, float], random: Random) -> tuple[str, Path]:
    """A file and its kind, the kinds as often as their weights say."""
    shares = np.array([weights[kind] for kind in files])
    kind = list(files)[random.choice(len(files), p=shares / shares.sum())]
    return kind, files[kind][random.integers(len(files[kind]))]


def sample_window(files: Files, side_px: int, random: Random) -> RgbImage:
    """A square of a photograph at a random scale, mirrored or not.

    Raises:
        NoPictures: MAX_ATTEMPTS photographs in a row are smaller than the square.
    """
    for _ in range(MAX_ATTEMPTS):
        photo = cached_rgb(sample_file(files, KINDS, random)[1])
        if min(photo.shape[:2]) >= side_px:
            break
    else:
        raise NoPictures(f"no photographs of {side_px} px a side")
    least = side_px / min(photo.shape[:2])
    scale = least ** float(random.random() ** 1.5)  # nearer to the photo's own than to the least
    if scale < 0.95:
        photo = resize(photo, scale, min_px=side_px)
    window = photo[sample_crop(photo, side_px, random)]
    return np.ascontiguousarray(window[:, sample_mirror(random)])


def sample_photo(files: Files, side_px: int, random: Random) -> RgbImage:
    """A whole photograph, mirrored or not, its shorter side reduced to ``side_px``."""
    photo = cached_rgb(sample_file(files, KINDS, random)[1])
    photo = resize(photo, min(1.0, side_px / min(photo.shape[:2])))
    return np.ascontiguousarray(photo[:, sample_mirror(random)])


def windows(
    folder: Path, count: int, side_px: int, seed: int, validation: bool = False
) -> Iterator[Window]:
    """Cuts the windows that the looks are taught on.

    A photo is reduced by a random factor, so that a face or a house is seen at many sizes.

    Args:
        folder: the folder of photographs.
        count: of the windows; those of a smaller count are the first of a larger one's.
        side_px: the longest side.
        seed: the windows are the same for the same seed.
        validation: of the held-out photographs.

    Raises:
        NoPictures: the folder has none of LOOK_KINDS.
    """
    files = photographs(folder, validation, LOOK_KINDS)
    random = np.random.default_rng(seed)
    for number in range(count):
        kind, path = sample_file(files, LOOK_KINDS, random)
        zoom, top, left = random.random(3)
        photo = resize(read_rgb(path), ENLARGED.get(kind, 1.0))
        least = min(1.0, 0.65 * side_px / min(photo.shape[:2]))
        scale = float(np.exp(np.log(least) * zoom))  # log-uniform in [least, 1]
        photo = resize(photo, scale, min_px=8)
        height, width = photo.shape[:2]
        high, wide = (min(side, side_px) // 8 * 8 for side in (height, width))
        y, x = int(top * (height - high)), int(left * (width - wide))
        yield Window(f"{number:05d}-{path.stem}", photo[y : y + high, x : x + wide].copy())


def read_photographs(folder: Path, longer_side_px: int, multiple_of_px: int) -> list[RgbImage]:
    """Reads the photographs that calibrate and measure a network when it is exported.

    Args:
        folder: its photographs are chosen evenly in name order.
        longer_side_px: to which each is reduced.
        multiple_of_px: to multiples of which the sides are cut.

    Returns:
        At most MAX_PHOTOS, uint8 (H, W, 3) RGB.

    Raises:
        NoPictures: none is large enough.
        UnreadablePicture: a file cannot be decoded.
    """
    files = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
    pictures = []
    for path in files[:: max(1, -(-len(files) // MAX_PHOTOS))]:
        photo = read_rgb(path)
        photo = resize(photo, min(1.0, longer_side_px / max(photo.shape[:2])))
        height, width = (side // multiple_of_px * multiple_of_px for side in photo.shape[:2])
        if min(height, width) >= MIN_SIDE_PX:
            pictures.append(photo[:height, :width])
    if not pictures:
        raise NoPictures(f"{folder}: no photograph of at least {MIN_SIDE_PX} px a side")
    return pictures


def halves(photos: Sequence[RgbImage]) -> tuple[list[RgbImage], list[RgbImage]]:
    """Photographs to calibrate with, and others to measure on; fewer than four do both."""
    if len(photos) < 4:
        return list(photos), list(photos)
    return list(photos[::2]), list(photos[1::2])
