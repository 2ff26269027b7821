"""What a colouriser learns from: coloured pictures, lines drawn out of them, and wishes.

The wishes are dots of the picture's own colours and the code of its palette; each is left out of
some crops. Where there are wishes, the colours may be exchanged with each other, so that the
network obeys wishes that no picture of the folder has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.domain import RgbImage
from pipeline.lineart.dots import dot_planes
from pipeline.lineart.palette import bin_shares, no_wish, palette_code
from training.data.linework import Hand, Ink, draw_lines, sample_hand
from training.data.photographs import SUFFIXES, Random, read_rgb, resize, sample_crop, split
from training.data.tensors import to_tensor
from training.engine.errors import NoPictures

MIN_SIDE_PX = 128
INK = 0.3  # a dot is not put where there is more
ATTEMPTS = 8  # at a place for a dot
MAX_CHOSEN, CHOSEN_SHARE, CHOSEN_PX = 12, 0.5, 96
MANY_DOTS = 3  # from which they say enough for other colours
HELD_OUT_DOTS = 8
HELD_OUT_HAND = Hand()


class Batch(NamedTuple):
    """float32: lines (N, 1, H, W), hints (N, 7, H, W), palettes (N, P, 1, 1), targets (N, 3, H, W).

    As ``pipeline.architectures.colouriser`` describes them; and of which bins the targets are,
    (N, B, H/4, W/4).
    """

    lines: Tensor
    hints: Tensor
    palette: Tensor
    target: Tensor
    bins: Tensor


@dataclass(frozen=True)
class Wishes:
    """How often a crop comes with wishes.

    Attributes:
        hint_share: of the crops that have dots.
        max_hints: on a crop.
        palette_share: of the crops whose palette is told.
        exchange_share: of those with many dots, whose colours are exchanged.
    """

    hint_share: float
    max_hints: int
    palette_share: float
    exchange_share: float


class Sample(NamedTuple):
    """A crop with its lines, planes of dots (7, H, W) and palette."""

    ink: Ink
    hints: NDArray[np.float32]
    palette: NDArray[np.float32]
    target: RgbImage


@dataclass(frozen=True)
class Folder:
    """Where coloured pictures are.

    Attributes:
        path: searched whole; or a pattern of files in a folder (``illustrations/colour-*.jpg``).
        weight: how often it is sampled, beside other folders.
        pairs: whether its files are those of ``training.data.targets``: the drawing is on the
            right.
    """

    path: Path
    weight: float = 1.0
    pairs: bool = False

    def read(self, validation: bool) -> list[RgbImage]:
        """The pictures that are large enough, without the last tenth of the files or these alone.

        Raises:
            UnreadablePicture: a file is no picture.
        """
        pictures = [read_rgb(file) for file in split(self._files(), validation)]
        if self.pairs:
            pictures = [pair[:, pair.shape[1] // 2 :] for pair in pictures]
        return [picture for picture in pictures if min(picture.shape[:2]) >= MIN_SIDE_PX]

    def _files(self) -> list[Path]:
        if self.path.is_dir():
            return [path for path in self.path.rglob("*") if path.suffix.lower() in SUFFIXES]
        return list(self.path.parent.glob(self.path.name))


class ColouredPictures:
    """Folders of coloured pictures.

    Args:
        folders: each sampled as often as its weight says.
        validation: the last tenth of each instead of the rest.

    Raises:
        NoPictures: there is none of MIN_SIDE_PX a side.
    """

    def __init__(self, folders: Sequence[Folder], validation: bool = False) -> None:
        groups = [(folder.read(validation), folder.weight) for folder in folders]
        groups = [(pictures, weight) for pictures, weight in groups if pictures]
        if not groups:
            paths = ", ".join(str(folder.path) for folder in folders)
            raise NoPictures(f"{paths}: no picture of {MIN_SIDE_PX} px a side")
        self.groups = [pictures for pictures, _ in groups]
        weights = np.array([weight for _, weight in groups])
        self.shares = weights / weights.sum()

    def __len__(self) -> int:
        return sum(map(len, self.groups))

    def sample(self, side_px: int, wishes: Wishes, random: Random) -> Sample:
        """A square crop with what the network is told of it."""
        group = self.groups[random.choice(len(self.groups), p=self.shares)]
        picture = group[random.integers(len(group))]
        least = side_px / min(picture.shape[:2])
        most = max(least, min(1.0, 1.6 * least))  # no smaller a part than a third
        picture = resize(picture, float(random.uniform(least, most)), min_px=side_px)
        target = picture[sample_crop(picture, side_px, random)]
        target = target[:, :: -1 if random.random() < 0.5 else 1]
        count = 0
        if random.random() < wishes.hint_share:
            count = round(float(np.exp(random.uniform(0, np.log(wishes.max_hints)))))
        has_palette = random.random() < wishes.palette_share
        if count >= MANY_DOTS and random.random() < wishes.exchange_share:
            target = exchange(target, random)
        target = np.ascontiguousarray(target)
        ink = draw_lines(target, sample_hand(random), random)
        return Sample(
            ink,
            sample_hints(target, ink, count, random),
            palette_code(target) if has_palette else no_wish(),
            target,
        )

    def bin_frequencies(self) -> NDArray[np.float64]:
        """Mean shares of the palette's bins, (B,), the groups as often as they are sampled."""
        codes = [np.mean([palette_code(p)[1:] ** 2 for p in group], 0) for group in self.groups]
        return np.asarray(np.average(codes, axis=0, weights=self.shares), np.float64)

    def batch(self, size: int, side_px: int, wishes: Wishes, seed: Sequence[int]) -> Batch:
        """Crops, equal for equal seeds."""
        random = np.random.default_rng(seed)
        return stack([self.sample(side_px, wishes, random) for _ in range(size)])

    def held_out(self, longer_side_px: int, multiple_px: int, dots: int) -> list[Sample]:
        """Whole pictures with lines of a middling hand and so many dots, the same each time."""
        samples = []
        for number, picture in enumerate(p for group in self.groups for p in group):
            random = np.random.default_rng((number, dots))
            scale = longer_side_px / max(picture.shape[:2])
            target = resize(picture, scale, multiple_px, multiple_px)
            ink = draw_lines(target, HELD_OUT_HAND, random)
            samples.append(Sample(ink, sample_hints(target, ink, dots, random), no_wish(), target))
        return samples


def open_pictures(
    pictures: Path, drawings: Path | None, drawing_weight: float
) -> tuple[ColouredPictures, ColouredPictures]:
    """The pictures for training, and those held out.

    Args:
        pictures: a folder, or a pattern of files in one.
        drawings: a folder that ``training.data.targets`` made; None for none.
        drawing_weight: how often it is sampled beside the pictures.

    Raises:
        NoPictures: there are no pictures of a useful size.
    """
    folders = [Folder(pictures)]
    if drawings:
        folders.append(Folder(drawings, drawing_weight, pairs=True))
    return ColouredPictures(folders), ColouredPictures([Folder(pictures)], validation=True)


def sample_hints(target: RgbImage, ink: Ink, count: int, random: Random) -> NDArray[np.float32]:
    """Dots of the target's colours, away from its lines, as planes float32 (7, H, W)."""
    dots = np.zeros((*ink.shape, 4), np.float32)
    for y, x in _places(target, ink, count, random):
        around = target[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3].reshape(-1, 3)
        colour = np.median(around, axis=0) / 127.5 - 1
        radius = int(random.integers(2, 7))
        cv2.circle(dots, (x, y), radius, (*(float(c) for c in colour), 1.0), -1)
    return dot_planes(ink, dots)


def _places(target: RgbImage, ink: Ink, count: int, random: Random) -> list[tuple[int, int]]:
    """Rows and columns of dots: a few as a user puts them, one in each colour; others anywhere."""
    if 1 < count <= MAX_CHOSEN and random.random() < CHOSEN_SHARE:
        return chosen_places(target, ink, count)
    places = []
    for _ in range(count):
        for _attempt in range(ATTEMPTS):
            y, x = int(random.integers(ink.shape[0])), int(random.integers(ink.shape[1]))
            if ink[y, x] < INK:
                break
        places.append((y, x))
    return places


def chosen_places(target: RgbImage, ink: Ink, count: int) -> list[tuple[int, int]]:
    """The middles of the widest areas of the picture's main colours, as (row, column).

    Args:
        target: uint8 (H, W, 3).
        ink: (H, W) in 0..1; areas end at lines.
        count: of the colours, at least 1.
    """
    scale = min(1.0, CHOSEN_PX / max(ink.shape))
    small = resize(target, scale)
    height, width = small.shape[:2]
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).reshape(-1, 3).astype(np.float32)
    cv2.setRNGSeed(1)
    stop = (cv2.TERM_CRITERIA_MAX_ITER, 8, 0)
    _, labels, _ = cv2.kmeans(lab, count, None, stop, 1, cv2.KMEANS_PP_CENTERS)
    empty = cv2.resize(ink, (width, height), interpolation=cv2.INTER_AREA) < INK
    places = []
    for number in range(count):
        area = ((labels.reshape(height, width) == number) & empty).astype(np.uint8)
        if area.any():
            depth = cv2.distanceTransform(np.pad(area, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
            y, x = np.unravel_index(int(depth.argmax()), depth.shape)
            places.append((int((y + 0.5) / scale), int((x + 0.5) / scale)))
    return places


def exchange(picture: RgbImage, random: Random) -> RgbImage:
    """Other colours of the same lightness: channels in another order, or all hues turned."""
    if random.random() < 0.5:
        return picture[..., random.permutation(3)]
    hsv = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(int) + int(random.integers(180))) % 180
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def stack(samples: Sequence[Sample]) -> Batch:
    """Samples of one size as tensors."""
    lines = torch.from_numpy(np.stack([1 - 2 * sample.ink for sample in samples]))[:, None]
    hints = torch.from_numpy(np.stack([sample.hints for sample in samples]))
    palette = torch.from_numpy(np.stack([sample.palette for sample in samples]))[..., None, None]
    target = to_tensor([sample.target for sample in samples])
    shares = np.stack([bin_shares(_quarter(sample.target)) for sample in samples])
    bins = torch.from_numpy(shares).permute(0, 3, 1, 2)
    hints = hints.contiguous(memory_format=torch.channels_last)
    return Batch(lines, hints, palette, target, bins)


def _quarter(picture: RgbImage) -> RgbImage:
    """A quarter of the size; of the colours there the middle ones, so that lines count little."""
    height, width = picture.shape[0] // 4, picture.shape[1] // 4
    calm = cv2.medianBlur(picture, 5)
    return cv2.resize(calm, (width, height), interpolation=cv2.INTER_NEAREST)
