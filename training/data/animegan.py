"""AnimeGAN's data: photographs, frames of a style, and the same frames with smoothed edges.

Source: J. Chen, G. Liu, X. Chen, "AnimeGAN: a novel lightweight GAN for photo animation"
(ISICA 2019), section 3.1, and the scripts of github.com/TachibanaYoshino/AnimeGANv2
(edge smoothing, data mean).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from pipeline.domain import RgbImage
from training.data.tensors import to_tensor
from training.engine.errors import NoPictures, UnreadablePicture

SUFFIXES = frozenset(".bmp .jpeg .jpg .png .tif .tiff .webp".split())
FEW_PICTURES = 50  # under this many frames the discriminator soon knows them by heart
CANNY_THRESHOLDS = (100, 200)
EDGE_REACH = np.ones((5, 5), np.uint8)


@dataclass(frozen=True)
class Batch:
    """float32 (N, 3, crop, crop) each, in [-1, 1]; ``anime`` may leave it by the mean shift.

    ``grey`` and ``smooth`` have three equal channels and are of the same crops as ``anime``.
    """

    photo: Tensor
    anime: Tensor
    grey: Tensor
    smooth: Tensor

    def to(self, device: str) -> Batch:
        return Batch(*(part.to(device) for part in vars(self).values()))


class AnimeData:
    """The pictures of two folders in memory, and batches of crops by seed and step.

    Every file is decoded once, so that a bad one is found before the first step. Pictures are
    reduced until the shorter side is ``side_px``, or enlarged until it is ``crop_px``.
    ``notes`` are lines about what was found; those of ``warned`` deserve attention.

    Raises NoPictures for a folder without pictures, UnreadablePicture naming a bad file.
    """

    def __init__(self, photos: Path, style: Path, crop_px: int, side_px: int) -> None:
        self.crop_px = crop_px
        self.notes: list[str] = []
        self.warned: list[str] = []
        self.photos = self._read_all(photos, "photographs", side_px)
        self.anime = self._read_all(style, "style pictures", side_px)
        self.smooth = [smooth_edges(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY)) for p in self.anime]
        self.mean_shift = mean_shift(self.anime)
        if len(self.anime) < FEW_PICTURES:
            self.warned.append(
                f"{style}: only {len(self.anime)} style pictures; with fewer than {FEW_PICTURES} "
                "the style is learned from accidents of these few"
            )
        size = sum(p.nbytes for p in [*self.photos, *self.anime, *self.smooth])
        self.notes.append(
            f"{len(self.photos)} photographs, {len(self.anime)} style pictures, "
            f"{size / 1e6:.0f} MB in memory"
        )

    def _read_all(self, folder: Path, what: str, side_px: int) -> list[RgbImage]:
        found = sorted(folder.rglob("*")) if folder.is_dir() else []
        files = [p for p in found if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
        if not files:
            raise NoPictures(f"{folder}: no {what} ({', '.join(sorted(SUFFIXES))})")
        pictures, small = [], []
        for path in files:
            picture = read_picture(path)
            if min(picture.shape[:2]) < self.crop_px:
                small.append(path.name)
            pictures.append(fit(picture, self.crop_px, side_px))
        if small:
            self.warned.append(
                f"{folder}: {len(small)} of {len(files)} {what} are smaller than the crop of "
                f"{self.crop_px} px and are enlarged: {', '.join(small[:5])}"
                + (" ..." if len(small) > 5 else "")
            )
        return pictures

    def batch(self, size: int, seed: int, step: int, shift_colours: bool) -> Batch:
        """``size`` crops of each kind, mirrored at random; the same for the same seed and step.

        ``shift_colours`` adds the data mean shift to ``anime``, as AnimeGANv2 does.
        """
        random = np.random.default_rng((seed, step))
        photos = [self._crop(random, self.photos)[0] for _ in range(size)]
        frames = [self._crop(random, self.anime, self.smooth) for _ in range(size)]
        anime = to_tensor([frame for frame, _ in frames])
        if shift_colours:
            anime += torch.from_numpy(self.mean_shift / 127.5).view(1, 3, 1, 1)
        grey = to_tensor([_three_channels(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY)) for f, _ in frames])
        smooth = to_tensor([_three_channels(grey_frame) for _, grey_frame in frames])
        return Batch(to_tensor(photos), anime, grey, smooth)

    def _crop(self, random: np.random.Generator, *kinds: Sequence[RgbImage]) -> list[RgbImage]:
        """The same part of one picture in each of ``kinds``."""
        number = int(random.integers(len(kinds[0])))
        height, width = kinds[0][number].shape[:2]
        y = random.integers(height - self.crop_px + 1)
        x = random.integers(width - self.crop_px + 1)
        mirror = -1 if random.random() < 0.5 else 1
        part = (slice(y, y + self.crop_px), slice(x, x + self.crop_px))
        return [pictures[number][part][:, ::mirror] for pictures in kinds]

    def samples(self, count: int) -> list[RgbImage]:
        """The middle crops of the first photographs, for sheets."""
        found = []
        for photo in self.photos[:count]:
            y, x = ((side - self.crop_px) // 2 for side in photo.shape[:2])
            found.append(photo[y : y + self.crop_px, x : x + self.crop_px])
        return found


def read_picture(path: Path) -> RgbImage:
    """uint8 (H, W, 3) RGB, turned upright. Raises UnreadablePicture, for a torn file too."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                upright = ImageOps.exif_transpose(image)
                return np.array(upright.convert("RGB"))
    except Exception as error:  # Pillow's decoders raise whatever they meet
        raise UnreadablePicture(f"{path}: not a readable picture: {error}") from error


def fit(picture: RgbImage, least_px: int, most_px: int) -> RgbImage:
    """The picture with its shorter side in [least_px, most_px], its proportions kept."""
    height, width = picture.shape[:2]
    shorter = min(height, width)
    scale = min(max(shorter, least_px), most_px) / shorter
    if scale == 1:
        return picture
    size = (max(least_px, round(width * scale)), max(least_px, round(height * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(picture, size, interpolation=way)


def smooth_edges(grey: RgbImage) -> RgbImage:
    """uint8 (H, W) to the same, blurred by a 5x5 Gaussian within two pixels of an edge, and
    only there: a frame without the clear edges of anime, as an example of what not to draw.
    """
    near = cv2.dilate(cv2.Canny(grey, *CANNY_THRESHOLDS), EDGE_REACH)
    return np.where(near > 0, cv2.GaussianBlur(grey, (5, 5), 0), grey)


def mean_shift(pictures: Sequence[RgbImage]) -> NDArray[np.float32]:
    """What makes the data grey on average when added: (3,) in levels, the overall mean minus
    the mean of R, of G and of B. It keeps the discriminator from asking for a colour cast.
    """
    means = np.mean([picture.mean((0, 1)) for picture in pictures], axis=0)
    return (means.mean() - means).astype(np.float32)


def _three_channels(grey: RgbImage) -> RgbImage:
    return np.repeat(grey[..., None], 3, axis=2)
