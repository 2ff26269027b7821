"""After the drawing: faces laid over it, mixed with the photo, and sharpened."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from pipeline.domain import Decision, FacePatch, RgbImage
from pipeline.settings import Options
from pipeline.tiling import strips

GRAIN = 3  # levels by which sharpening changes nothing


def postprocess(
    drawn: RgbImage, photo: RgbImage, patches: Sequence[FacePatch], options: Options
) -> tuple[RgbImage, tuple[Decision, ...]]:
    """Finishes a drawing.

    ``strength`` mixes the drawing with the photo: 0 gives the photo's pixels. Sharpening is the
    published kernel of ``enhance`` mixed in by ``post_sharpen_weight``, and by ``strength`` too,
    so that strength 0 gives the photo back. Its first few levels are left out, which in flat
    areas are the network's own grain.

    Args:
        drawn: uint8 (H, W, 3) RGB; not written to.
        photo: uint8 (H, W, 3) RGB; not written to.
        patches: Faces to lay over the drawing.
        options: ``strength`` and ``post_sharpen_weight`` are read.

    Returns:
        The finished drawing of the same size, and one Decision a step.
    """
    drawn = _pasted(drawn, patches)
    if options.strength < 1:
        drawn = cv2.addWeighted(drawn, options.strength, photo, 1 - options.strength, 0)
    weight = options.post_sharpen_weight * options.strength
    if weight == 0:
        return drawn, (Decision("post_sharpen", False, "its weight is 0", 0.0, 0.0),)
    sharp = _sharpened(drawn, weight)
    return sharp, (Decision("post_sharpen", True, "weight above 0", weight, 0.0),)


def _sharpened(drawn: RgbImage, weight: float) -> RgbImage:
    kernel = np.array(
        [[0, -weight, 0], [-weight, 4 * weight, -weight], [0, -weight, 0]], np.float32
    )
    sharp = np.empty_like(drawn)
    height, width = drawn.shape[:2]
    for rows, kept in strips(height, width, 1):
        part = drawn[rows]
        above = cv2.filter2D(part, cv2.CV_8U, kernel, delta=-GRAIN)
        below = cv2.filter2D(part, cv2.CV_8U, -kernel, delta=-GRAIN)
        inside = slice(rows.start + kept.start, rows.start + kept.stop)
        sharp[inside] = cv2.subtract(cv2.add(part, above), below)[kept]
    return sharp


def _pasted(drawn: RgbImage, patches: Sequence[FacePatch]) -> RgbImage:
    """The drawing with the patches laid over it.

    Where they overlap they share, so that their order makes no difference: whole numbers are added.
    """
    if not patches:
        return drawn
    pasted = drawn.copy()
    for group in _touching(patches):
        _paste(pasted, group)
    return pasted


def _touching(patches: Sequence[FacePatch]) -> list[list[FacePatch]]:
    """Groups patches that may overlap.

    Only what holds such a group is summed with wider integers, which for a whole large picture
    would take longer than its drawing.
    """
    groups: list[tuple[list[FacePatch], tuple[int, int, int, int]]] = []
    for patch in patches:
        together, bounds = [patch], _bounds([patch])
        apart = []
        for others, others_bounds in groups:
            if (
                bounds[0] < others_bounds[2]
                and others_bounds[0] < bounds[2]
                and (bounds[1] < others_bounds[3] and others_bounds[1] < bounds[3])
            ):
                together += others
                bounds = _bounds(together)
            else:
                apart.append((others, others_bounds))
        groups = [*apart, (together, bounds)]
    return [group for group, _ in groups]


def _bounds(patches: Sequence[FacePatch]) -> tuple[int, int, int, int]:
    """Top, left, bottom and right of what holds them all."""
    return (
        min(patch.top_px for patch in patches),
        min(patch.left_px for patch in patches),
        max(patch.top_px + patch.weight.shape[0] for patch in patches),
        max(patch.left_px + patch.weight.shape[1] for patch in patches),
    )


def _paste(picture: RgbImage, patches: Sequence[FacePatch]) -> None:
    """Lays the patches over a picture, which is written to."""
    top, left, bottom, right = _bounds(patches)
    part = picture[top:bottom, left:right]
    areas = [_area(patch, top, left) for patch in patches]
    total = np.zeros(part.shape[:2], np.int32)
    for patch, area in zip(patches, areas, strict=True):
        total[area] += patch.weight
    sums = part.astype(np.int16)
    for patch, area in zip(patches, areas, strict=True):
        share = patch.weight / np.maximum(total[area], 255).astype(np.float32)
        change = (patch.pixels - part[area].astype(np.float32)) * share[..., None]
        sums[area] += np.rint(change).astype(np.int16)
    part[:] = np.clip(sums, 0, 255)


def _area(patch: FacePatch, top_px: int, left_px: int) -> tuple[slice, slice]:
    """Where a patch lies in what begins at this row and column."""
    height, width = patch.weight.shape
    top, left = patch.top_px - top_px, patch.left_px - left_px
    return slice(top, top + height), slice(left, left + width)
