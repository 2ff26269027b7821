"""Whether a picture is a line drawing, by measures of its ink."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import RgbImage
from pipeline.errors import NotALineDrawing
from pipeline.lineart.intake import CameAs, LineDrawing, ink_of
from pipeline.lineart.regions import Regions, ink_darkness

FOREIGN_LEVELS = 36.0  # distance in RGB of a colour that is not the ink's
MEASURED_PX = 768  # longer side at which a drawing is measured


MIN_COVERAGE = 0.0008
MIN_LETTERS = 60
Limit = tuple[float, float]  # from where on it is warned of, and refused


@dataclass(frozen=True)
class Limits:
    """Limits of what is measured; see Examination."""

    tones: Limit
    colours: Limit
    areas: Limit
    text: Limit = (0.35, 0.6)


PAPER = Limits(tones=(0.04, 0.08), colours=(0.02, 0.06), areas=(0.6, 0.8))
# what an even colour surrounds is more likely drawn on purpose
EVEN = Limits(tones=(0.06, 0.2), colours=(0.02, 0.1), areas=(2.0, 9.0))
LIMITS: dict[CameAs, Limits] = {
    "photograph": PAPER,
    "scan": PAPER,
    "digital": EVEN,
    "transparent": EVEN,
    "inverted": Limits(tones=(0.05, 0.12), colours=(0.02, 0.1), areas=(0.75, 0.98)),
}


@dataclass(frozen=True)
class Examination:
    """What was measured on a drawing.

    Attributes:
        coverage: Share that ink covers, each pixel by how dark it is.
        line_width_px: Median width of lines, in pixels of the drawing.
        tones: Share of pixels that lie in areas which are neither paper nor full ink.
        colours: Share of pixels that lie in coloured areas.
        solids: Share of pixels that lie in areas of full ink.
        letters: Share of the ink that lies in pieces of a letter's size.
        letter_count: Number of these pieces.
        ink_colour: RGB 0..255.
    """

    coverage: float
    line_width_px: float
    tones: float
    colours: float
    solids: float
    letters: float
    letter_count: int
    ink_colour: tuple[int, int, int]

    @property
    def area_share(self) -> float:
        """Areas over ink: near 1 where there are hardly any lines."""
        return (self.tones + self.solids) / max(self.coverage, 1e-6)

    @property
    def text_share(self) -> float:
        """Share of the ink in letters, where there are many."""
        return self.letters if self.letter_count >= MIN_LETTERS else 0.0


def examine(drawing: LineDrawing, regions: Regions) -> Examination:
    """Measures a drawing.

    Args:
        drawing: As it was taken in.
        regions: Of it.
    """
    ink = drawing.ink
    scale = min(1.0, MEASURED_PX / max(ink.shape))
    size = (max(1, round(ink.shape[1] * scale)), max(1, round(ink.shape[0] * scale)))
    lines = cv2.resize(drawing.lines, size, interpolation=cv2.INTER_AREA)
    small = ink_of(lines)
    darkness = ink_darkness(ink)
    is_line = (small >= min(regions.line_level, 0.25 * darkness)).astype(np.uint8)
    width = _line_width(is_line)
    # what is wider than lines are, opened away, leaves areas
    span = 2 * max(2, round(0.75 * min(width, 8.0))) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (span, span))
    areas = cv2.morphologyEx(is_line, cv2.MORPH_OPEN, kernel) > 0
    ink_colour = _ink_colour(lines, small, darkness)
    full = small > 0.75 * max(darkness, 128.0)
    letters, letter_count = _letters(is_line)
    return Examination(
        coverage=float(small.mean() / 255),
        line_width_px=float(width / scale),
        tones=float((areas & ~full).mean()),
        colours=float((areas & _is_foreign(lines, ink_colour)).mean()),
        solids=float((areas & full).mean()),
        letters=letters,
        letter_count=letter_count,
        ink_colour=ink_colour,
    )


def _line_width(is_line: NDArray[np.uint8]) -> float:
    """Median over the lines' middles of twice the distance to their edge."""
    if not is_line.any():
        return 0.0
    depth = cv2.distanceTransform(cv2.copyMakeBorder(is_line, 1, 1, 1, 1, 0), cv2.DIST_L2, 3)
    middle = (depth >= cv2.dilate(depth, np.ones((3, 3), np.uint8))) & (depth > 0)
    return float(2 * np.median(depth[middle]) - 1)


def _letters(is_line: NDArray[np.uint8]) -> tuple[float, int]:
    """Share of the ink in small pieces of like height, and their number."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(is_line, connectivity=8)
    if count < 2:
        return 0.0, 0
    pieces = stats[1:]
    heights = pieces[:, cv2.CC_STAT_HEIGHT]
    sides = np.maximum(heights, pieces[:, cv2.CC_STAT_WIDTH])
    is_letter = (heights >= 4) & (sides <= 0.06 * max(is_line.shape))
    if not is_letter.any():
        return 0.0, 0
    typical = float(np.median(heights[is_letter]))
    is_letter &= (heights > 0.4 * typical) & (heights < 2.2 * typical)
    areas = pieces[:, cv2.CC_STAT_AREA]
    return float(areas[is_letter].sum() / areas.sum()), int(np.count_nonzero(is_letter))


def _ink_colour(
    lines: NDArray[np.uint8], ink: NDArray[np.uint8], darkness: float
) -> tuple[int, int, int]:
    """The median colour of the darkest parts of the lines."""
    drawn = lines[ink >= 0.8 * darkness]
    red, green, blue = np.median(drawn, axis=0).astype(int) if len(drawn) else (0, 0, 0)
    return int(red), int(green), int(blue)


def _is_foreign(lines: RgbImage, ink: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Whether a pixel is far from every mixture of white and the ink's colour."""
    towards_ink = np.array(ink, np.float32) - 255
    towards_ink /= max(float(np.linalg.norm(towards_ink)), 1.0)
    red, green, blue = (channel.astype(np.float32) - 255 for channel in cv2.split(lines))
    along = red * towards_ink[0] + green * towards_ink[1] + blue * towards_ink[2]
    across2 = red * red + green * green + blue * blue - along * along
    return np.asarray(across2 > FOREIGN_LEVELS**2, np.bool_)


def refuse(examination: Examination, came_as: CameAs, is_strict: bool) -> tuple[str, ...]:
    """Refuses what is no line drawing, and warns of what is hardly one.

    The limits were set on the training nine tenths of 100 line drawings, 468 coloured ones and 600
    photographs; `make eval-lineart` counts both kinds of error on the rest.

    Args:
        examination: Of the drawing.
        came_as: See LineDrawing.
        is_strict: False: only what is blank is refused, the rest is a warning.

    Returns:
        Warnings in words.

    Raises:
        NotALineDrawing: The picture is blank, a photograph, coloured already, or text.
    """
    if examination.coverage < MIN_COVERAGE:
        raise NotALineDrawing(
            "the picture is blank: there are no lines to colour between",
            measured=round(examination.coverage, 5),
            limit=MIN_COVERAGE,
        )
    limits = LIMITS[came_as]
    warnings = []
    painted = "is a photograph or painted: much of it is neither paper nor line"
    for reason, measured, (warned, refused) in (
        (painted, examination.tones, limits.tones),
        ("is coloured already", examination.colours, limits.colours),
        ("has areas rather than lines", examination.area_share, limits.areas),
        ("is a page of text", examination.text_share, limits.text),
    ):
        if measured > refused and is_strict:
            raise NotALineDrawing(
                f"the picture {reason}; check=off colours it all the same",
                measured=round(measured, 4),
                limit=refused,
            )
        if measured > warned:
            warnings.append(f"this may be no line drawing: it {reason} ({measured:.2f})")
    return tuple(warnings)
