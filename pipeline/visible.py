"""What of a photo is visible, and what must not steer how the rest of it is drawn.

That is: colours under full transparency, and bars around a picture.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import WHOLE, Content, Photo, RgbImage

BAR_LEVELS = 20  # by which a bar's pixels may stray from its colour: JPEG does that to black
MAX_STRAYS = 0.03  # of a bar's row or column, that may stray further: specks, the codec's ringing
# A bar ends at a straight edge: of the first lines beside it, one is mostly far from its colour,
# and little of it is still the same; as far as bars at other sides leave room for that, while
# these are not known. A wall behind a bottle and a sky that pales do not end so.
EDGE_ROWS, EDGE_LEVELS, MIN_EDGE, MIN_EDGE_AT_FIRST = 4, 32, 0.45, 0.3
SAME_LEVELS, MAX_SAME = 8, 0.2
MIN_CONTENT = 0.2  # of a side; where less than that is no bar, none of it is

Box = tuple[int, int, int, int]  # the first row and the one behind the last; columns likewise
ALL_SIDES = (0, 1, 2, 3)  # top, bottom, left, right


def fill_transparent(photo: Photo) -> Photo:
    """Fills in colours where alpha is 0, going on from what is visible beside them.

    Pixels of any other alpha stay as they are, and alpha does. Where nothing at all is visible it
    becomes grey. Push-pull interpolation: S. J. Gortler et al., "The Lumigraph", SIGGRAPH 1996,
    section 3.4: averages of what is visible, weighted by alpha, at half the size and half of that,
    until they reach everywhere; then back to full size, each size filling the gaps of the next.

    Returns:
        The filled Photo, the same object where alpha is nowhere 0.
    """
    alpha = photo.alpha
    if alpha is None or alpha.min() > 0:
        return photo
    weighted = cv2.multiply(photo.pixels, cv2.merge([alpha] * 3), scale=1 / 255)
    filled = _filled(np.dstack([weighted, alpha]).astype(np.float32))
    pixels = np.where(alpha[..., None] > 0, photo.pixels, filled)
    return Photo(pixels, alpha)


def _filled(weighted: NDArray[np.float32]) -> RgbImage:
    """(H, W, 4), colours times their weight and the weight, 0..255 all, to colours (H, W, 3).

    Those without weight are interpolated from their neighbours.
    """
    sizes = [weighted]
    while max(sizes[-1].shape[:2]) > 1:
        half = tuple(max(1, (side + 1) // 2) for side in sizes[-1].shape[1::-1])
        sizes.append(cv2.resize(sizes[-1], half, interpolation=cv2.INTER_AREA))
    colours = np.full((1, 1, 3), 127, np.float32)
    for level in reversed(sizes):
        size = level.shape[1::-1]
        coarse = cv2.resize(colours, size, interpolation=cv2.INTER_LINEAR).reshape(*size[::-1], 3)
        share = level[..., 3:] / 255
        known = level[..., :3] / np.maximum(share, 1e-6)
        colours = np.where(share > 0, share * known + (1 - share) * coarse, coarse)
    return np.rint(colours).clip(0, 255).astype(np.uint8)


def detect_content(pixels: RgbImage) -> Content:
    """Detects bars of one colour around a picture (letterbox, pillarbox, frames, also nested).

    A bar reaches across all that the others leave, and ends at a straight edge: a plain
    background is none. Opposite a bar another of its width and colour needs no edge: a picture may
    be as dark there.

    Args:
        pixels: uint8 (H, W, 3) RGB.

    Returns:
        The content within the bars; everything where less than MIN_CONTENT of a side would be left.
    """
    height, width = pixels.shape[:2]
    whole = (0, height, 0, width)
    sides: tuple[int, ...] = ALL_SIDES
    box = _within(pixels, whole, sides)
    while blurred := {
        side for side in sides if box[side] != whole[side] and not _has_edge(pixels, box, side)
    }:
        sides = tuple(side for side in sides if side not in blurred)
        box = _within(pixels, whole, sides)
    for side in ALL_SIDES:
        opposite = side ^ 1
        width_px = abs(box[opposite] - whole[opposite])
        if box[side] == whole[side] and width_px:
            lines, colour = _lines(pixels, box, side), _beside(pixels, box, opposite)
            strays = [_strays(line, colour, BAR_LEVELS).mean() for line in lines[:width_px]]
            if max(strays) <= MAX_STRAYS:
                box = _moved(box, side, width_px)
    top, bottom, left, right = box
    if bottom - top < MIN_CONTENT * height or right - left < MIN_CONTENT * width:
        return WHOLE
    return Content(left / width, top / height, right / width, bottom / height)


def extend(drawn: RgbImage, content: Content, size: tuple[int, int]) -> RgbImage:
    """Places a drawing of a photo's content in the photo's frame.

    Args:
        drawn: uint8 (h, w, 3) RGB.
        content: What it was drawn of.
        size: The photo's width and height.

    Returns:
        uint8 (H, W, 3) RGB, the drawing's border going on to the photo's.
    """
    rows, columns = content.area(*size)
    above, before = rows.start, columns.start
    below, behind = size[1] - rows.stop, size[0] - columns.stop
    if not (above or before or below or behind):
        return drawn
    return cv2.copyMakeBorder(drawn, above, below, before, behind, cv2.BORDER_REPLICATE)


def restore_bars(picture: RgbImage, photo: RgbImage, content: Content) -> RgbImage:
    """Puts the picture's content between the photo's bars.

    Args:
        picture: uint8 (H, W, 3) RGB; not written to.
        photo: The same; not written to.
        content: What lies within the bars.

    Returns:
        uint8 (H, W, 3) RGB; ``picture`` itself where there are no bars.
    """
    if content == WHOLE:
        return picture
    framed = photo.copy()
    content.of(framed)[:] = content.of(picture)
    return framed


def _within(pixels: RgbImage, box: Box, sides: tuple[int, ...]) -> Box:
    """What is left of a box without the bars at these sides of it."""
    before: Box | None = None
    while before != box:
        before = box
        for side in sides:
            box = _moved(box, side, _bar(_lines(pixels, box, side)))
    return box


def _bar(lines: RgbImage) -> int:
    """How many lines from the first on are of its colour, and end at something like an edge."""
    colour = np.median(lines[0], axis=0)
    for count, line in enumerate(lines):
        if _strays(line, colour, BAR_LEVELS).mean() > MAX_STRAYS:
            first = lines[count : count + EDGE_ROWS]
            return count if _is_edge(first, colour, MIN_EDGE_AT_FIRST) else 0
    return 0  # all of it is of one colour


def _moved(box: Box, side: int, count: int) -> Box:
    """The box without so many lines at that side of it."""
    ends = list(box)
    ends[side] += -count if side % 2 else count
    return ends[0], ends[1], ends[2], ends[3]


def _lines(pixels: RgbImage, box: Box, side: int) -> RgbImage:
    """The rows or columns in a box, those at that side of it first."""
    top, bottom, left, right = box
    part = pixels[top:bottom, left:right]
    if side >= 2:
        part = part.transpose(1, 0, 2)
    return part[::-1] if side % 2 else part


def _beside(pixels: RgbImage, box: Box, side: int) -> NDArray[np.float64]:
    """The colour of the line that lies next to a box at that side."""
    return np.asarray(np.median(_lines(pixels, _moved(box, side, -1), side)[0], axis=0))


def _has_edge(pixels: RgbImage, box: Box, side: int) -> bool:
    """Whether the picture in a box ends at that side against the bar beside it."""
    colour = _beside(pixels, box, side)
    first = _lines(pixels, box, side)[:EDGE_ROWS]
    return _is_edge(first, colour, MIN_EDGE) and any(
        _strays(line, colour, SAME_LEVELS).mean() >= 1 - MAX_SAME for line in first
    )


def _is_edge(lines: RgbImage, colour: NDArray[np.float64], share: float) -> bool:
    """Whether that share of one of the lines is far from a colour."""
    return any(_strays(line, colour, EDGE_LEVELS).mean() >= share for line in lines)


def _strays(line: NDArray[np.uint8], colour: NDArray[np.float64], levels: int) -> NDArray[np.bool_]:
    """(N,): which of its pixels are further from that colour than so many levels."""
    return np.asarray((np.abs(line - colour) > levels).any(axis=1))
