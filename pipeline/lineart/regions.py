"""Regions of a line drawing: what lines enclose, where small gaps count as closed."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import GrayImage

MAX_LABEL_PX = 2048  # longer side at which regions are found
FAINT_INK = 20  # levels: less is not counted when the ink's darkness is measured
LINE_SHARE = 0.15  # of that darkness: from here on a pixel is line
MIN_LINE_LEVEL = 14
BALL_SHARE = 0.004  # radius of the largest ball over the longer side; gaps it cannot pass are shut
MIN_BALL_PX, MAX_BALL_PX = 1.5, 9.0
SMALLER_BALLS = (0.5, 0.25)  # of that radius, for what the larger ones do not fit into
MIN_REGION_PX = 6

Labels = NDArray[np.int32]  # (H, W): the region of each pixel, from 0


@dataclass(frozen=True, eq=False)
class Regions:
    """The regions of a drawing.

    Attributes:
        labels: int32 (H, W), from 0 to count - 1; under lines too, to their middle. Its longer side
            is at most MAX_LABEL_PX: a whole divisor of the drawing's, rounded up.
        count: Number of regions.
        areas: int64 (count,), pixels of ``labels``.
        at_border: bool (count,): whether a region reaches the drawing's edge.
        line_level: Ink from which on a pixel is line, 0..255.
    """

    labels: Labels
    count: int
    areas: NDArray[np.int64]
    at_border: NDArray[np.bool_]
    line_level: int

    @property
    def closed_count(self) -> int:
        """Number of regions that lines enclose."""
        return int(np.count_nonzero(~self.at_border & (self.areas >= MIN_REGION_PX)))

    def sampled(self, size: tuple[int, int]) -> Labels:
        """The labels at the pixels' centres of a picture of that width and height."""
        rows = pixel_centres(size[1], self.labels.shape[0])
        columns = pixel_centres(size[0], self.labels.shape[1])
        return np.ascontiguousarray(self.labels[rows][:, columns])


def pixel_centres(count: int, side_px: int) -> NDArray[np.intp]:
    """Where the centres of so many pixels lie among those of a side: indices, (count,)."""
    return np.minimum(((np.arange(count) + 0.5) * side_px / count).astype(np.intp), side_px - 1)


def ink_darkness(ink: GrayImage) -> float:
    """How dark full ink is, 1..255: the 90th percentile of what is not faint."""
    sample = ink[:: max(1, ink.shape[0] // 1024), :: max(1, ink.shape[1] // 1024)]
    drawn = sample[sample > FAINT_INK]
    return float(max(np.percentile(drawn, 90), 1.0)) if drawn.size else 255.0


def find_regions(ink: GrayImage) -> Regions:
    """Finds the regions of a drawing.

    Balls of falling radius are rolled between the lines; where one fits, what it reaches without
    passing a narrower place is the core of a region (trapped-ball segmentation: Zhang et al.,
    "Vectorizing cartoon animations", IEEE TVCG 15, 2009). A watershed on the ink lets the cores
    grow until they meet under the lines, or in the middle of a gap.

    Args:
        ink: uint8 (H, W): 0 paper to 255 black.
    """
    line_level = max(MIN_LINE_LEVEL, round(LINE_SHARE * ink_darkness(ink)))
    ink = _reduced(ink)
    free = (ink < line_level).astype(np.uint8)
    room = cv2.distanceTransform(free, cv2.DIST_L2, 3)
    ball = float(np.clip(BALL_SHARE * max(ink.shape), MIN_BALL_PX, MAX_BALL_PX))
    radii = [ball, *(ball * share for share in SMALLER_BALLS if ball * share > 1), 0.0]
    count, markers = 0, np.zeros(ink.shape, np.int32)
    for radius in radii:
        count = _add_cores(markers, room, radius, count)
    if not count:
        markers[:], count = 1, 1
    else:
        cv2.watershed(cv2.merge([ink] * 3), markers)
        _fill_borders(markers)
    return _numbered(markers, count, line_level)


def _add_cores(markers: Labels, room: NDArray[np.float32], radius: float, count: int) -> int:
    """Marks each place where a ball fits and that no larger one reached; returns the new count."""
    number, cores, stats, _ = cv2.connectedComponentsWithStats(
        (room > radius).astype(np.uint8), connectivity=4, ltype=cv2.CV_32S
    )
    is_new = stats[:, cv2.CC_STAT_AREA] >= (1 if radius else MIN_REGION_PX)
    is_new[0] = False
    if count:
        is_new[cores[markers > 0]] = False
    names = np.zeros(number, np.int32)
    names[is_new] = count + 1 + np.arange(np.count_nonzero(is_new))
    np.maximum(markers, names[cores], out=markers)
    return count + int(np.count_nonzero(is_new))


def _fill_borders(markers: Labels) -> None:
    """Gives the pixels between two basins, and those along the edge, to a neighbour."""
    for _ in range(4):
        open_pixels = markers < 1
        if not open_pixels.any():
            return
        grown = cv2.dilate(markers.astype(np.float32), np.ones((3, 3), np.uint8))
        markers[open_pixels] = grown[open_pixels].astype(np.int32)
    markers[markers < 1] = 1


def _numbered(markers: Labels, count: int, line_level: int) -> Regions:
    labels = markers - 1
    edges = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    at_border = np.zeros(count, np.bool_)
    at_border[edges] = True
    areas = np.bincount(labels.ravel(), minlength=count)
    return Regions(labels, count, areas, at_border, line_level)


def _reduced(ink: GrayImage) -> GrayImage:
    """The ink at most MAX_LABEL_PX large: of each block the darkest, so that no line opens."""
    step = -(-max(ink.shape) // MAX_LABEL_PX)
    if step == 1:
        return ink
    below, right = -ink.shape[0] % step, -ink.shape[1] % step
    padded = cv2.copyMakeBorder(ink, 0, below, 0, right, cv2.BORDER_REPLICATE)
    rows, columns = padded.shape[0] // step, padded.shape[1] // step
    blocks = padded.reshape(rows, step, columns, step)
    return np.ascontiguousarray(blocks.max(axis=(1, 3)))
