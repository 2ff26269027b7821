"""What of a photo is to be seen: colours under full transparency, and bars round a picture, must
not steer how the rest of it is drawn.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import WHOLE, Content, Photo, Picture

BAR_LEVELS = 12  # by which a bar's pixels may stray from its colour: JPEG does that to black
MAX_STRAYS = 0.02  # of a bar's row or column, that may stray further: specks, the codec's ringing
# A bar ends where most of a row is of other colours; a plain background, in which things stand or
# a sky that pales, goes on beside what is first seen of them. So many rows are looked at.
MIN_EDGE, EDGE_ROWS = 0.5, 4
MIN_CONTENT = 0.2  # of a side; where less than that is no bar, none of it is


def fill_transparent(photo: Photo) -> Photo:
    """in: a Photo; out: the same with colours that go on from what is visible beside them where
    alpha is 0; the same object where it nowhere is. Pixels of any other alpha stay as they are,
    and alpha does. Where nothing at all is visible it becomes grey.

    Push-pull interpolation: S. J. Gortler et al., "The Lumigraph", SIGGRAPH 1996, section 3.4:
    averages of what is visible, weighted by alpha, at half the size and half of that, until they
    reach everywhere; then back to full size, each size filling the gaps of the next.
    """
    alpha = photo.alpha
    if alpha is None or alpha.min() > 0:
        return photo
    weighted = cv2.multiply(photo.pixels, cv2.merge([alpha] * 3), scale=1 / 255)
    filled = _filled(np.dstack([weighted, alpha]).astype(np.float32))
    pixels = np.where(alpha[..., None] > 0, photo.pixels, filled)
    return Photo(pixels, alpha)


def _filled(weighted: NDArray[np.float32]) -> Picture:
    """(H, W, 4), colours times their weight and the weight, 0..255 all: to the colours, those of
    no weight taken from their neighbours.
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


def content_of(photo: Photo) -> Content:
    """in: a Photo; out: where its picture lies within bars of one colour (letterbox, pillarbox,
    frames, one within the other) and rows and columns of which nothing is visible.

    A bar reaches across all that the ones before it have left, and ends at a straight edge: a
    plain background is none. Everything is content where less than MIN_CONTENT of a side would be.
    """
    height, width = photo.pixels.shape[:2]
    top, bottom, left, right = _visible_rows(photo)
    before: tuple[int, ...] = ()
    while before != (top, bottom, left, right):
        before = (top, bottom, left, right)
        part = photo.pixels[top:bottom, left:right]
        top, bottom = top + _bar(part), bottom - _bar(part[::-1])
        part = photo.pixels[top:bottom, left:right].transpose(1, 0, 2)
        left, right = left + _bar(part), right - _bar(part[::-1])
    if bottom - top < MIN_CONTENT * height or right - left < MIN_CONTENT * width:
        return WHOLE
    return Content(left / width, top / height, right / width, bottom / height)


def keep_bars(drawn: Picture, photo: Picture, content: Content) -> Picture:
    """in: two pictures, uint8 (H, W, 3) both, and what of them is content; out: the drawn content
    within the photo's own bars. Nothing given is written to.
    """
    if content == WHOLE:
        return drawn
    framed = photo.copy()
    content.of(framed)[:] = content.of(drawn)
    return framed


def _visible_rows(photo: Photo) -> tuple[int, int, int, int]:
    """The first row of which something is visible, the one behind the last; columns likewise."""
    height, width = photo.pixels.shape[:2]
    if photo.alpha is None or not photo.alpha.any():
        return 0, height, 0, width
    left, top, wide, high = cv2.boundingRect(photo.alpha)
    return top, top + high, left, left + wide


def _bar(rows: Picture) -> int:
    """How many rows from the first on are a bar of its colour."""
    colour = np.median(rows[0], axis=0)
    for number, row in enumerate(rows):
        if _strays(row, colour).mean() > MAX_STRAYS:
            edge = rows[number : number + EDGE_ROWS]
            return number if any(_is_edge(_strays(each, colour)) for each in edge) else 0
    return 0  # all of it is of one colour


def _strays(row: NDArray[np.uint8], colour: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(W,): which of its pixels are not of that colour."""
    return np.asarray((np.abs(row - colour) > BAR_LEVELS).any(axis=1))


def _is_edge(strays: NDArray[np.bool_]) -> bool:
    """Whether a row is of other colours, but for its ends, which may be those of other bars."""
    places = np.flatnonzero(strays)
    if not places.size:
        return False
    inside = strays[places[0] : places[-1] + 1]
    return bool(inside.size >= MIN_CONTENT * strays.size and inside.mean() >= MIN_EDGE)
