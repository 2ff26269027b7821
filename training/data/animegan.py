"""AnimeGAN's data: photographs, frames of a style, and the same frames with smoothed edges.

Source: J. Chen, G. Liu, X. Chen, "AnimeGAN: a novel lightweight GAN for photo animation"
(ISICA 2019), section 3.1, and the scripts of github.com/TachibanaYoshino/AnimeGANv2
(edge smoothing, data mean).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.domain import RgbImage
from training.data.photographs import SUFFIXES, Random, read_rgb, resize, sample_crop
from training.data.tensors import to_tensor
from training.engine.errors import NoPictures

FEW_PICTURES = 50  # under this many frames the discriminator soon knows them by heart
CANNY_THRESHOLDS = (100, 200)
EDGE_REACH = np.ones((5, 5), np.uint8)


class Batch(NamedTuple):
    """float32 (N, 3, crop, crop) each, in [-1, 1]; ``anime`` may leave it by the mean shift.

    ``grey`` and ``smooth`` have three equal channels and are of the same crops as ``anime``.
    """

    photo: Tensor
    anime: Tensor
    grey: Tensor
    smooth: Tensor


class AnimeData:
    """The pictures of two folders in memory, and batches of crops by seed and step.

    Every file is decoded once, so that a bad one is found before the first step. Pictures are
    reduced until the shorter side is ``side_px``, or enlarged until it is ``crop_px``.

    Attributes:
        notes: lines about what is in the folders.
        warned: those that deserve attention.

    Raises:
        NoPictures: a folder has no pictures.
        UnreadablePicture: it names a bad file.
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
        paths = sorted(folder.rglob("*")) if folder.is_dir() else []
        files = [p for p in paths if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
        if not files:
            raise NoPictures(f"{folder}: no {what} ({', '.join(sorted(SUFFIXES))})")
        pictures, small = [], []
        for path in files:
            picture = read_rgb(path)
            shorter = min(picture.shape[:2])
            if shorter < self.crop_px:
                small.append(path.name)
            scale = min(max(shorter, self.crop_px), side_px) / shorter
            pictures.append(resize(picture, scale, min_px=self.crop_px))
        if small:
            self.warned.append(
                f"{folder}: {len(small)} of {len(files)} {what} are smaller than the crop of "
                f"{self.crop_px} px and are enlarged: {', '.join(small[:5])}"
                + (" ..." if len(small) > 5 else "")
            )
        return pictures

    def batch(self, size: int, seed: tuple[int, int], shift_colours: bool) -> Batch:
        """Crops of each kind, mirrored at random, the same for the same seed.

        Args:
            size: how many of each kind.
            seed: of all that is sampled.
            shift_colours: adds the data mean shift to ``anime``, as AnimeGANv2 does.
        """
        random = np.random.default_rng(seed)
        photos = [self._crop(random, self.photos)[0] for _ in range(size)]
        frames = [self._crop(random, self.anime, self.smooth) for _ in range(size)]
        anime = to_tensor([frame for frame, _ in frames])
        if shift_colours:
            anime += torch.from_numpy(self.mean_shift / 127.5).view(1, 3, 1, 1)
        grey = [_three_channels(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)) for frame, _ in frames]
        smooth = [_three_channels(grey_frame) for _, grey_frame in frames]
        return Batch(to_tensor(photos), anime, to_tensor(grey), to_tensor(smooth))

    def _crop(self, random: Random, *kinds: Sequence[RgbImage]) -> list[RgbImage]:
        """The same part of one picture in each of ``kinds``."""
        number = int(random.integers(len(kinds[0])))
        crop = sample_crop(kinds[0][number], self.crop_px, random)
        mirror = slice(None, None, -1 if random.random() < 0.5 else 1)
        return [pictures[number][crop][:, mirror] for pictures in kinds]

    def samples(self, count: int) -> list[RgbImage]:
        """The middle crops of the first photographs, for sheets."""
        crops = []
        for photo in self.photos[:count]:
            y, x = ((side - self.crop_px) // 2 for side in photo.shape[:2])
            crops.append(photo[y : y + self.crop_px, x : x + self.crop_px])
        return crops


def smooth_edges(grey: RgbImage) -> RgbImage:
    """A frame without the clear edges of anime, as an example of what not to draw.

    Args:
        grey: uint8 (H, W).

    Returns:
        The same, blurred by a 5x5 Gaussian within two pixels of an edge, and only there.
    """
    near = cv2.dilate(cv2.Canny(grey, *CANNY_THRESHOLDS), EDGE_REACH)
    return np.where(near > 0, cv2.GaussianBlur(grey, (5, 5), 0), grey)


def mean_shift(pictures: Sequence[RgbImage]) -> NDArray[np.float32]:
    """What makes the data grey on average when added, (3,) in levels.

    The overall mean minus the mean of R, of G and of B. It keeps the discriminator from asking
    for a colour cast.
    """
    means = np.mean([picture.mean((0, 1)) for picture in pictures], axis=0)
    return (means.mean() - means).astype(np.float32)


def _three_channels(grey: RgbImage) -> RgbImage:
    return np.repeat(grey[..., None], 3, axis=2)
