"""The plan of tiles for pictures too large to be drawn in one go, and of strips for what is
measured on them. Knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

STRIP_PIXELS = 65_536  # in float32 a plane of 256 kB: a handful of them stay in a core's cache
Area = tuple[slice, slice]  # rows, columns


@dataclass(frozen=True)
class Tile:
    """``inputs``: what to cut from the picture; ``core``: what this tile is to fill in it;
    ``kept``: where the core lies in the tile's own output.
    """

    inputs: Area
    core: Area
    kept: Area


def plan(
    height_px: int, width_px: int, tile_px: int, overlap_px: int, multiple_of_px: int
) -> Iterator[Tile]:
    """Tiles whose cores cover the picture once, each with ``overlap_px`` around it.

    Sides of the picture are multiples of ``multiple_of_px``, and so are all the tiles' sides
    and places. At the picture's own border a tile ends there, so that a network pads it as it
    pads the whole picture; with an overlap of at least the network's reach the drawing is then
    the same as in one go. Raises ValueError for sides that are no such multiples.
    """
    if height_px % multiple_of_px or width_px % multiple_of_px:
        raise ValueError(f"{width_px}x{height_px} is no multiple of {multiple_of_px} px")
    high, wide = (_step(side, tile_px, multiple_of_px) for side in (height_px, width_px))
    overlap = _round_up(overlap_px, multiple_of_px)
    for top in range(0, height_px, high):
        rows = _span(top, high, overlap, height_px)
        for left in range(0, width_px, wide):
            columns = _span(left, wide, overlap, width_px)
            inputs, core, kept = zip(rows, columns, strict=True)
            yield Tile(inputs, core, kept)


def strips(height_px: int, width_px: int, reach_px: int) -> Iterator[tuple[slice, slice]]:
    """Rows to look at, and which of these count, so that every row of a picture counts once, with
    ``reach_px`` of what lies around it; about STRIP_PIXELS a strip.
    """
    step = max(2 * reach_px, STRIP_PIXELS // max(1, width_px), 1)
    for top in range(0, height_px, step):
        yield _span(top, step, reach_px, height_px)[::2]


def _step(side_px: int, tile_px: int, multiple_of_px: int) -> int:
    """Equal tiles, at most an eighth larger than asked: a sliver at the end, with its overlap,
    would cost many times its area.
    """
    count = -(-side_px // max(1, tile_px * 9 // 8))
    return _round_up(-(-side_px // count), multiple_of_px)


def _span(start: int, step: int, overlap: int, end: int) -> tuple[slice, slice, slice]:
    stop = min(start + step, end)
    first, last = max(0, start - overlap), min(end, stop + overlap)
    return slice(first, last), slice(start, stop), slice(start - first, stop - first)


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
