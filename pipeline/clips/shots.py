"""The shots of a clip: where one picture is cut off and another begins."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import RgbImage

THUMBNAIL_PX = 192  # longer side at which frames are compared
CELLS = 3  # rows and columns of a frame that have a histogram each
BINS = 16  # of a channel
# Share of pixels whose colour is another from one drawn frame to the next: 0.02 to 0.2 with a
# moving camera, 0.5 to 1 at a cut.
MIN_CUT = 0.42

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Signature:
    """What frames are compared by.

    Attributes:
        histograms: float32 (CELLS * CELLS, 3, BINS): of lightness and two opponent colours in each
            cell; each sums to 1.
        sharpness: Variance of the Laplacian of the thumbnail; black and blurred frames have little.
    """

    histograms: Floats
    sharpness: float

    def distance(self, other: Signature) -> float:
        """Share of pixels whose colour changed, 0..1: the most changed channel of each cell."""
        apart = np.abs(self.histograms - other.histograms).sum(-1) / 2
        return float(apart.max(-1).mean())


def signature(pixels: RgbImage) -> Signature:
    """The signature of a frame, uint8 (H, W, 3) RGB."""
    height, width = pixels.shape[:2]
    scale = min(1.0, THUMBNAIL_PX / max(height, width))
    size = (max(CELLS, round(width * scale)), max(CELLS, round(height * scale)))
    thumbnail = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(thumbnail, cv2.COLOR_RGB2LAB)
    rows, columns = (np.array_split(np.arange(side), CELLS) for side in lab.shape[:2])
    cells = (lab[np.ix_(row, column)] for row in rows for column in columns)
    grey = cv2.cvtColor(thumbnail, cv2.COLOR_RGB2GRAY)
    sharpness = float(cv2.Laplacian(grey, cv2.CV_32F).var())
    return Signature(np.stack([_histograms(cell) for cell in cells]), sharpness)


def is_cut(before: Signature, after: Signature) -> bool:
    """Whether another shot begins between two frames."""
    return before.distance(after) > MIN_CUT


def _histograms(cell: RgbImage) -> Floats:
    """float32 (3, BINS) of a part of a Lab thumbnail.

    Smoothed, so that light that changes a little does not jump from one bin to the next; and
    colours in finer bins around grey, where they mostly are.
    """
    spans = ((0, 256), (96, 160), (96, 160))
    channels = []
    for number, (low, high) in enumerate(spans):
        values = np.clip(cell[..., number].ravel(), low, high - 1)
        counts = np.histogram(values, BINS, (low, high))[0].astype(np.float32)
        padded = np.pad(counts, 1, mode="edge")
        smooth = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
        channels.append(smooth / max(1.0, float(smooth.sum())))
    return np.stack(channels)
