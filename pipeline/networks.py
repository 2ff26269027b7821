"""A network over a picture: to planes and back, whole or in tiles that match the whole."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import Engine, Picture, WeightSpec
from pipeline.tiling import plan


def run_on_picture(
    picture: Picture,
    spec: WeightSpec,
    engine: Engine,
    tile_px: int,
    more: Mapping[str, NDArray[np.float32]] | None = None,
    guide: Picture | None = None,
) -> tuple[Picture, int]:
    """in: uint8 (H, W, 3) RGB and what else the network takes; out: uint8 (H, W, 3) times
    ``spec.scale``, and the number of tiles it took. ``guide``, for a network that takes one, is a
    picture of the output's size.

    The picture is padded to the sides that the network takes, by its last row and column, and
    the padding is cut off again; so is the guide. The network's first input is named "picture".
    Raises ValueError for a guide of another size.
    """
    height, width = picture.shape[:2]
    multiple, scale = spec.multiple_of_px, spec.scale
    if guide is not None and guide.shape[:2] != (height * scale, width * scale):
        raise ValueError(
            f"the guide is {guide.shape[1]}x{guide.shape[0]} px, not "
            f"{width * scale}x{height * scale} px"
        )
    # twice at least: padding by reflection takes two pixels at a network's smallest scale
    below = max(2 * multiple - height, -height % multiple)
    right = max(2 * multiple - width, -width % multiple)
    padded = _padded(picture, below, right)
    guide = None if guide is None else _padded(guide, below * scale, right * scale)
    rows, columns = padded.shape[:2]
    tiles = list(plan(rows, columns, tile_px, spec.overlap_px, multiple))
    if len(tiles) == 1:
        made = _run(padded, guide, spec, engine, more or {})
    else:
        made = np.empty((rows * scale, columns * scale, 3), np.uint8)
        for tile in tiles:
            part_of_guide = None if guide is None else guide[_times(tile.inputs, scale)]
            part = _run(padded[tile.inputs], part_of_guide, spec, engine, more or {})
            made[_times(tile.core, scale)] = part[_times(tile.kept, scale)]
    return made[: height * scale, : width * scale], len(tiles)


def _padded(picture: Picture, below: int, right: int) -> Picture:
    if not below and not right:
        return picture
    return cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REPLICATE)


def _run(
    picture: Picture,
    guide: Picture | None,
    spec: WeightSpec,
    engine: Engine,
    more: Mapping[str, NDArray[np.float32]],
) -> Picture:
    """A picture whose sides the network takes through it in one go."""
    pictures = {"picture": picture} | ({} if guide is None else {"guide": guide})
    if not getattr(engine, "takes_pixels", False):
        planes = {name: to_planes(pixels, spec.input_range) for name, pixels in pictures.items()}
        return _to_picture(engine.run({**planes, **more}), spec.input_range)
    whole = {name: np.ascontiguousarray(pixels)[None] for name, pixels in pictures.items()}
    drawn: Picture = engine.run({**whole, **more})[0]
    if drawn.shape[2] == 4:
        return np.asarray(cv2.cvtColor(drawn, cv2.COLOR_RGBA2RGB), np.uint8)
    return drawn


def to_planes(picture: Picture, span: tuple[float, float]) -> NDArray[np.float32]:
    """uint8 (H, W, 3) to float32 (1, 3, H, W), 0..255 mapped to ``span``."""
    gain = (span[1] - span[0]) / 255
    planes = np.empty((1, 3, *picture.shape[:2]), np.float32)
    for number, channel in enumerate(cv2.split(picture)):
        np.multiply(channel, np.float32(gain), out=planes[0, number])
    planes += np.float32(span[0])
    return planes


def _to_picture(planes: NDArray[np.float32], span: tuple[float, float]) -> Picture:
    """The inverse of ``to_planes``, rounded and clipped."""
    gain = 255 / (span[1] - span[0])
    merged = cv2.merge([np.ascontiguousarray(plane) for plane in planes[0]])
    # |x| would fold values under the range back up, so it is clipped there first
    np.maximum(merged, span[0], out=merged)
    return cv2.convertScaleAbs(merged, alpha=gain, beta=-span[0] * gain)


def _times(part: tuple[slice, slice], scale: int) -> tuple[slice, slice]:
    rows, columns = part
    return (
        slice(rows.start * scale, rows.stop * scale),
        slice(columns.start * scale, columns.stop * scale),
    )
