"""The network that colours: what it is given, at the size it works at, and what it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import GrayImage, RgbImage
from pipeline.lineart.dots import dot_planes
from pipeline.lineart.likely import Scores
from pipeline.lineart.palette import palette_code
from pipeline.lineart.wishes import Wish
from pipeline.model import Model

WORKING_PX = 512  # longer side at which a drawing is coloured
MIN_WORKING_PX = 256  # to which a smaller drawing is enlarged
MIN_SHORTER_PX = 64
MAX_WORKING_PX = 2560  # of a drawing far longer than wide
DOT_PX = (3.0, 8.0)  # radius of a dot at working size
BLOCK_PX = 4  # what the network's output has as channels
COLOUR_PLANES = 3 * BLOCK_PX**2
FAINT = 0.05
FULL_INK = 0.9  # what the darkest tenth of the lines becomes
MAX_GAIN = 6.0


@dataclass(frozen=True, eq=False)
class WorkingLines:
    """A drawing's lines at working size.

    Attributes:
        ink: float32 (h, w) in 0..1, full ink near 1 however faint or thin the lines are.
        size: Width and height of the drawing.
    """

    ink: NDArray[np.float32]
    size: tuple[int, int]


def working_size(size: tuple[int, int]) -> tuple[int, int]:
    """Width and height at which a drawing of that width and height is coloured."""
    longer, shorter = max(size), min(size)
    target = float(np.clip(longer, MIN_WORKING_PX, WORKING_PX))
    target = min(max(target, MIN_SHORTER_PX * longer / shorter), MAX_WORKING_PX)
    return max(1, round(size[0] * target / longer)), max(1, round(size[1] * target / longer))


def working_lines(ink: GrayImage) -> WorkingLines:
    """Brings lines to working size, as dark there as the network knows them.

    Args:
        ink: uint8 (H, W): 0 paper to 255 black.
    """
    size = ink.shape[1], ink.shape[0]
    working = working_size(size)
    is_smaller = working[0] < size[0]
    method = cv2.INTER_AREA if is_smaller else cv2.INTER_LINEAR
    small = cv2.resize(ink, working, interpolation=method).astype(np.float32) / np.float32(255)
    drawn = small[small > FAINT]
    gain = FULL_INK / float(np.percentile(drawn, 90)) if drawn.size else 1.0
    return WorkingLines(np.minimum(small * np.float32(np.clip(gain, 1, MAX_GAIN)), 1), size)


def colour(
    model: Model, lines: WorkingLines, dots: NDArray[np.float32], palette: RgbImage
) -> tuple[RgbImage, Scores]:
    """Runs the network.

    Args:
        model: The colouriser.
        lines: At working size.
        dots: As ``hint_planes`` draws them.
        palette: uint8 (H, W, 3): pixels of the colours that are wanted.

    Returns:
        uint8 (h, w, 3) RGB at working size, lines included; and scores of the palette's bins,
        float32 (BINS, h / 4, w / 4), rounded up.
    """
    height, width = lines.ink.shape
    multiple = model.spec.multiple_of_px
    below, right = -height % multiple, -width % multiple
    ink = cv2.copyMakeBorder(lines.ink, 0, below, 0, right, cv2.BORDER_REPLICATE)
    dots = cv2.copyMakeBorder(dots, 0, below, 0, right, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
    code = palette_code(palette)
    answer = model.run(
        {
            "lines": 1 - 2 * ink[None, None],
            "hints": dot_planes(ink, dots)[None],
            "palette": code.reshape(1, -1, 1, 1),
        }
    )[0]
    rows, columns = answer.shape[1:]
    blocks = answer[:COLOUR_PLANES].reshape(3, BLOCK_PX, BLOCK_PX, rows, columns)
    picture = blocks.transpose(3, 1, 4, 2, 0).reshape(rows * BLOCK_PX, columns * BLOCK_PX, 3)
    levels = (picture[:height, :width] + 1) * np.float32(127.5) + np.float32(0.5)
    scores = answer[COLOUR_PLANES:, : -(-height // BLOCK_PX), : -(-width // BLOCK_PX)]
    return np.asarray(np.clip(levels, 0, 255), np.uint8), scores


def hint_planes(lines: WorkingLines, wishes: Sequence[Wish]) -> NDArray[np.float32]:
    """Draws wishes as the network knows them.

    Returns:
        float32 (h, w, 4): RGB in [-1, 1] inside of dots, 0 outside; then 1 inside, 0 outside.
    """
    height, width = lines.ink.shape
    scale = np.array([width / lines.size[0], height / lines.size[1]])
    planes = np.zeros((height, width, 4), np.float32)
    for wish in wishes:
        red, green, blue = (level / 127.5 - 1 for level in wish.colour)
        radius = round(float(np.clip(wish.radius_px * scale[0], *DOT_PX)))
        if len(wish.points) > 1:
            radius = round(DOT_PX[0])
        for x, y in wish.points[:: max(1, len(wish.points) // 2000)] * scale:
            cv2.circle(planes, (int(x), int(y)), radius, (red, green, blue, 1), cv2.FILLED)
    return planes
