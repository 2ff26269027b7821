"""Tiles for images too large to be drawn in one go, and strips for what is measured on them.

Knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

STRIP_PIXELS = 65_536  # in float32 a plane of 256 kB: a handful of them stay in a core's cache
Area = tuple[slice, slice]  # rows, columns


@dataclass(frozen=True)
class Tile:
    """One tile of an image.

    Attributes:
        inputs: What to cut from the image.
        core: What this tile fills in the image.
        kept: Where the core lies in the tile's own output.
    """

    inputs: Area
    core: Area
    kept: Area


def tile_grid(
    height_px: int, width_px: int, tile_px: int, overlap_px: int, multiple_of_px: int
) -> Iterator[Tile]:
    """Yields tiles whose cores cover the image once, each with a border around its core.

    All sides and positions of tiles are multiples of ``multiple_of_px``. At the image's own
    border a tile ends there, so that a network pads it as it pads the whole image; with an
    overlap of at least the network's receptive radius the result is the same as in one go.

    Args:
        height_px: Height of the image, a multiple of ``multiple_of_px``.
        width_px: Its width, likewise.
        tile_px: Desired side of a core; up to an eighth more is used to avoid narrow tiles.
        overlap_px: Border around each core.
        multiple_of_px: What sides and positions are multiples of.

    Raises:
        ValueError: A side of the image is not such a multiple.
    """
    if height_px % multiple_of_px or width_px % multiple_of_px:
        raise ValueError(f"{width_px}x{height_px} is no multiple of {multiple_of_px} px")
    core_height = _step(height_px, tile_px, multiple_of_px)
    core_width = _step(width_px, tile_px, multiple_of_px)
    overlap = _round_up(overlap_px, multiple_of_px)
    for top in range(0, height_px, core_height):
        rows = _span(top, core_height, overlap, height_px)
        for left in range(0, width_px, core_width):
            columns = _span(left, core_width, overlap, width_px)
            inputs, core, kept = zip(rows, columns, strict=True)
            yield Tile(inputs, core, kept)


def strips(height_px: int, width_px: int, radius_px: int) -> Iterator[tuple[slice, slice]]:
    """Yields strips of about STRIP_PIXELS for a filter that looks ``radius_px`` around a pixel.

    Yields:
        The rows to filter, and which rows of the result count; over all strips every row of the
        image counts once.
    """
    step = max(2 * radius_px, STRIP_PIXELS // max(1, width_px), 1)
    for top in range(0, height_px, step):
        yield _span(top, step, radius_px, height_px)[::2]


def _step(side_px: int, tile_px: int, multiple_of_px: int) -> int:
    """Side of equal cores, at most an eighth larger than asked.

    A sliver at the end, with its overlap, would cost many times its area.
    """
    count = -(-side_px // max(1, tile_px * 9 // 8))
    return _round_up(-(-side_px // count), multiple_of_px)


def _span(start: int, step: int, overlap: int, end: int) -> tuple[slice, slice, slice]:
    """Input, core and kept rows (or columns) of the tile that starts at ``start``."""
    stop = min(start + step, end)
    first, last = max(0, start - overlap), min(end, stop + overlap)
    return slice(first, last), slice(start, stop), slice(start - first, stop - first)


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
