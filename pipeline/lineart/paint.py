"""Colours under lines: the network's, region by region, brought to the drawing's size.

The network colours at about 512 px with the lines in its picture. Here its colours are taken away
from lines only, spread to the middle of the lines within their region, and enlarged from pixels of
the same region: so none crosses a closed line, and none leaves a seam beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import GrayImage, RgbImage
from pipeline.lineart.regions import Labels, Regions, pixel_centres

CLEAN_INK = 0.12  # share of full ink below which the network's colour is the paint's
SPREAD_PX = 10  # working pixels over which colours are spread under lines and hints
WIDE_PIXELS = 12  # from which on a region has room away from its lines
UNEVEN_LEVELS = 4.0  # of the network within one colour
OUTLIER_LEVELS = 40  # from a region's mean; what is further off has no part in its flat
BAND_PX = 600_000  # pixels of the result at once

Colours = NDArray[np.float32]  # (H, W, 3) RGB 0..255


@dataclass(frozen=True, eq=False)
class Paint:
    """Colours at working size that know the region they belong to.

    Attributes:
        colours: float32 (h, w, 3) RGB 0..255, without lines.
        labels: int32 (h, w): region of each of its pixels.
        flats: float32 (count, 3): one colour of each region.
        slits: bool (count,): regions too narrow for a colour of their own, such as the inside of
            a double contour.
        nearest: int32 (h, w): for each pixel the index of the nearest one away from lines.
    """

    colours: Colours
    labels: Labels
    flats: Colours
    slits: NDArray[np.bool_]
    nearest: NDArray[np.int32]


def paint_regions(
    colours: RgbImage, ink: NDArray[np.float32], hinted: NDArray[np.bool_], regions: Regions
) -> Paint:
    """Takes the paint out of the network's picture.

    Args:
        colours: uint8 (h, w, 3) RGB: the picture at working size, lines included.
        ink: float32 (h, w) in 0..1 at that size.
        hinted: bool (h, w): where the network was given a dot or a stroke, which it may have drawn
            as such, and over a line.
        regions: Of the drawing.
    """
    height, width = ink.shape
    labels = regions.sampled((width, height))
    paint = colours.astype(np.float32)
    clean = _clean(ink, labels, regions.count) & ~hinted
    flats, slits = _flats(paint, labels, clean, regions.count)
    paint = _calm(_spread(paint, labels, clean, flats), flats[labels])
    return fill_slits(Paint(paint, labels, flats, slits, _nearest_clean(clean)), regions)


def _calm(paint: Colours, flat: Colours) -> Colours:
    """Takes the network's faint unevenness out of areas of one colour; shading stays."""
    change = paint - flat
    return flat + change - np.clip(change, -UNEVEN_LEVELS, UNEVEN_LEVELS)


def _clean(ink: NDArray[np.float32], labels: Labels, count: int) -> NDArray[np.bool_]:
    """Pixels away from lines; in regions that have few of these, those just off the lines."""
    clean = cv2.dilate(ink, np.ones((7, 7), np.uint8)) < CLEAN_INK
    is_wide = np.bincount(labels[clean], minlength=count) >= WIDE_PIXELS
    beside = cv2.dilate(ink, np.ones((3, 3), np.uint8)) < CLEAN_INK
    return np.asarray(np.where(is_wide[labels], clean, beside), np.bool_)


def _flats(
    paint: Colours, labels: Labels, clean: NDArray[np.bool_], count: int
) -> tuple[Colours, NDArray[np.bool_]]:
    """A colour for each region, the mean of clean pixels without outliers; and which have none."""
    names = labels.ravel()
    pixels = paint.reshape(-1, 3)
    flats, total = _means(names, pixels, clean.ravel().astype(np.float64), count)
    inlier = clean.ravel().copy()
    for channel in range(3):
        inlier &= np.abs(pixels[:, channel] - flats[names, channel]) < OUTLIER_LEVELS
    trimmed, inliers = _means(names, pixels, inlier.astype(np.float64), count)
    flats = np.where(inliers[:, None] > 0, trimmed, flats)
    return flats.astype(np.float32), total == 0


def _nearest_clean(clean: NDArray[np.bool_]) -> NDArray[np.int32]:
    """For each pixel the index of the nearest clean one; its own where there is none."""
    indices = np.arange(clean.size, dtype=np.int32).reshape(clean.shape)
    if not clean.any():
        return indices
    _, names = cv2.distanceTransformWithLabels(
        (~clean).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    of_name = np.zeros(int(names.max()) + 1, np.int32)
    of_name[names[clean]] = indices[clean]
    return np.asarray(of_name[names], np.int32)


def fill_slits(paint: Paint, regions: Regions) -> Paint:
    """Gives slits the colours nearest to them, whatever these are by now.

    Args:
        paint: Whose slits are filled.
        regions: Of the drawing.
    """
    if not paint.slits.any():
        return paint
    near = paint.colours.reshape(-1, 3)[paint.nearest]
    names, count = paint.labels.ravel(), regions.count
    means, total = _means(names, near.reshape(-1, 3), np.ones(names.size), count)
    flats = np.where((paint.slits & (total > 0))[:, None], means, paint.flats)
    missing = np.flatnonzero(total == 0)  # smaller than a pixel of the working picture
    if missing.size:
        flats[missing] = _at_centres(near, regions, missing)
    flats = flats.astype(np.float32)
    colours = np.where(paint.slits[paint.labels][..., None], flats[paint.labels], paint.colours)
    return replace(paint, colours=colours, flats=flats)


def _means(
    names: NDArray[np.int32],
    pixels: Colours,
    weights: NDArray[np.float64],
    count: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    total = np.bincount(names, weights, count).astype(np.float64)
    sums = [np.bincount(names, weights * pixels[:, channel], count) for channel in range(3)]
    return np.stack(sums, -1) / np.maximum(total, 1e-9)[:, None], total


def _at_centres(paint: Colours, regions: Regions, missing: NDArray[np.intp]) -> Colours:
    """The paint at the centres of regions."""
    is_missing = np.zeros(regions.count, np.bool_)
    is_missing[missing] = True
    rows, columns = np.nonzero(is_missing[regions.labels])
    names = regions.labels[rows, columns]
    areas = np.maximum(np.bincount(names, minlength=regions.count), 1)
    height, width = regions.labels.shape
    y = np.bincount(names, rows, regions.count)[missing] / areas[missing] * paint.shape[0] / height
    x = np.bincount(names, columns, regions.count)[missing] / areas[missing]
    x = x * paint.shape[1] / width
    top, left = paint.shape[0] - 1, paint.shape[1] - 1
    return paint[np.minimum(y.astype(int), top), np.minimum(x.astype(int), left)]


def _spread(paint: Colours, labels: Labels, clean: NDArray[np.bool_], flats: Colours) -> Colours:
    """Replaces colours near lines by those of clean neighbours in the same region."""
    height, width = labels.shape
    flat = paint.reshape(-1, 3).copy()
    names = labels.ravel()
    known = clean.ravel().copy()
    open_pixels = np.flatnonzero(~known)
    for _ in range(SPREAD_PX):
        if not open_pixels.size:
            break
        rows, columns = np.divmod(open_pixels, width)
        total = np.zeros((open_pixels.size, 3), np.float32)
        weight = np.zeros(open_pixels.size, np.float32)
        for step, is_inside in (
            (-1, columns > 0),
            (1, columns < width - 1),
            (-width, rows > 0),
            (width, rows < height - 1),
        ):
            beside = np.where(is_inside, open_pixels + step, open_pixels)
            counts = (known[beside] & (names[beside] == names[open_pixels])).astype(np.float32)
            total += flat[beside] * counts[:, None]
            weight += counts
        reached = weight > 0
        flat[open_pixels[reached]] = total[reached] / weight[reached, None]
        known[open_pixels[reached]] = True
        open_pixels = open_pixels[~reached]
    flat[open_pixels] = flats[names[open_pixels]]
    return flat.reshape(height, width, 3)


def enlarge(paint: Paint, regions: Regions, size: tuple[int, int]) -> RgbImage:
    """Brings paint to the drawing's size, from working pixels of the same region alone.

    Args:
        paint: At working size.
        regions: Of the drawing.
        size: Width and height of the result.

    Returns:
        uint8 (H, W, 3) RGB, without lines.
    """
    width, height = size
    small = np.clip(paint.colours.round(), 0, 255).astype(np.uint8)
    picture = cv2.resize(small, size, interpolation=cv2.INTER_LINEAR)
    named = paint.labels.astype(np.float32)
    kernel = np.ones((3, 3), np.uint8)
    is_mixed = (cv2.erode(named, kernel) != cv2.dilate(named, kernel)).astype(np.uint8)
    rows = pixel_centres(height, regions.labels.shape[0])
    columns = pixel_centres(width, regions.labels.shape[1])
    # one pixel wider: a pixel between two of the working picture reads both
    mixed = cv2.resize(cv2.dilate(is_mixed, kernel), size, interpolation=cv2.INTER_NEAREST)
    for top, bottom in _bands(height, width):
        y, x = np.nonzero(mixed[top:bottom])
        names = regions.labels[rows[y + top], columns[x]]
        picture[y + top, x] = _same_region(paint, names, (y + top, x), (height, width))
    return np.asarray(picture, np.uint8)


def enlarge_flats(paint: Paint, regions: Regions, size: tuple[int, int]) -> RgbImage:
    """The flat colour of each region at the drawing's size: uint8 (H, W, 3) RGB."""
    flats = np.clip(paint.flats.round(), 0, 255).astype(np.uint8)
    return flats[regions.sampled(size)]


def _same_region(
    paint: Paint,
    names: Labels,
    at: tuple[NDArray[np.intp], NDArray[np.intp]],
    shape: tuple[int, int],
) -> NDArray[np.uint8]:
    """Bilinear interpolation at pixels, from working pixels of the pixels' own regions."""
    height, width = paint.labels.shape
    colours = paint.colours.reshape(-1, 3)
    working_names = paint.labels.ravel()
    y = np.clip((at[0].astype(np.float32) + 0.5) * (height / shape[0]) - 0.5, 0, height - 1)
    x = np.clip((at[1].astype(np.float32) + 0.5) * (width / shape[1]) - 0.5, 0, width - 1)
    top = np.minimum(y.astype(np.int32), max(height - 2, 0))
    left = np.minimum(x.astype(np.int32), max(width - 2, 0))
    down, along = y - top, x - left
    first = top * width + left
    right, below = int(width > 1), width * int(height > 1)
    sums = np.zeros((names.size, 3), np.float32)
    total = np.zeros(names.size, np.float32)
    for step, share in (
        (0, (1 - down) * (1 - along)),
        (right, (1 - down) * along),
        (below, down * (1 - along)),
        (below + right, down * along),
    ):
        # a little of each, so that the nearest of the same region is taken where only one is
        weight = (share + np.float32(0.02)) * (working_names[first + step] == names)
        sums += colours[first + step] * weight[:, None]
        total += weight
    known = total > 0
    sums[known] /= total[known, None]
    sums[~known] = paint.flats[names[~known]]
    return np.clip(sums + 0.5, 0, 255).astype(np.uint8)


def lay_lines(paint: RgbImage, lines: RgbImage, ink: GrayImage) -> RgbImage:
    """Lays lines over paint: black ink multiplies, coloured ink keeps its own colour.

    Args:
        paint: uint8 (H, W, 3) RGB.
        lines: uint8 (H, W, 3) RGB on white.
        ink: uint8 (H, W): 255 less the darkest channel of the lines.

    Returns:
        uint8 (H, W, 3) RGB; on white paint these are the lines themselves.
    """
    picture = np.empty_like(paint)
    for top, bottom in _bands(*ink.shape):
        through = cv2.merge([255 - ink[top:bottom]] * 3)
        own = cv2.subtract(lines[top:bottom], through)
        picture[top:bottom] = cv2.add(cv2.multiply(paint[top:bottom], through, scale=1 / 255), own)
    return picture


def _bands(height: int, width: int) -> Iterator[tuple[int, int]]:
    """First and last row of bands, so that few of their copies are held at once."""
    rows = max(1, BAND_PX // width)
    for top in range(0, height, rows):
        yield top, min(top + rows, height)
