"""A network of the folder of weights: opened when first used, run on images whole or in tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from threading import Lock
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import Engine, RgbImage, WeightSpec
from pipeline.tiling import Tile, tile_grid

Arrays = Mapping[str, NDArray[Any]]
DEFAULT_TILE_PX = 1024


class Model:
    """One file of a WeightSpec and the engine that runs it.

    Calling it maps an image to an image: ``model(image)``. ``run`` takes and gives arrays, for
    networks whose output is no image. The engine is opened by the first of these calls, and once;
    threads may share a Model.

    Attributes:
        spec: The network as the manifest describes it.
        role: Which of its files this is: "picture", "code", "double" ...
        scale: Side of the output over side of the input.
        tile_px: Side of the tiles that a larger image is cut into.
    """

    def __init__(
        self,
        spec: WeightSpec,
        role: str,
        open_engine: Callable[[], Engine],
        tile_px: int = DEFAULT_TILE_PX,
    ) -> None:
        self.spec = spec
        self.role = role
        self.scale = 2 if role == "double" else spec.scale
        self.tile_px = tile_px
        self._open_engine = open_engine
        self._engine: Engine | None = None
        self._lock = Lock()
        self._before_tile: Callable[[], object] | None = None

    def checked(self, before_tile: Callable[[], object]) -> Model:
        """The same network, with a check between its tiles.

        Args:
            before_tile: Called before each tile; what it raises ends the run.
        """
        model = Model(self.spec, self.role, self.open, self.tile_px)
        model._before_tile = before_tile
        return model

    @property
    def is_open(self) -> bool:
        """Whether the engine has been opened."""
        return self._engine is not None

    def open(self) -> Engine:
        """Opens the engine, unless it is open.

        Raises:
            WeightsInvalid: The file is missing, or is not the one that the manifest lists.
            EngineUnavailable: What runs the network is not installed.
        """
        if self._engine is None:
            with self._lock:
                if self._engine is None:
                    self._engine = self._open_engine()
        return self._engine

    def run(self, inputs: Arrays) -> NDArray[Any]:
        """Named arrays of the network's own types in, its first output out. Raises as ``open``."""
        return self.open().run(inputs)

    def planes(self, image: RgbImage) -> NDArray[np.float32]:
        """The image as the network takes it: see ``to_planes``."""
        return to_planes(image, self.spec.input_range)

    def tile_count(self, width_px: int, height_px: int) -> int:
        """Number of tiles in which an image of that size goes through the network."""
        below, right = self._padding(height_px, width_px)
        return sum(1 for _ in self._tiles(height_px + below, width_px + right))

    def __call__(
        self,
        image: RgbImage,
        *,
        inputs: Mapping[str, NDArray[np.float32]] | None = None,
        guide: RgbImage | None = None,
    ) -> RgbImage:
        """Runs the network on an image, in tiles that give the same as the whole.

        The image is padded by its last row and column to the sides that the network takes; the
        padding is cut off again. So is the guide's.

        Args:
            image: uint8 (H, W, 3) RGB, the network's input "picture".
            inputs: Its other inputs by name, the same for every tile.
            guide: For a network that takes one: uint8 (H * scale, W * scale, 3) RGB.

        Returns:
            uint8 (H * scale, W * scale, 3) RGB.

        Raises:
            ValueError: The guide has another size than the output.
            WeightsInvalid, EngineUnavailable: As ``open``.
        """
        height, width = image.shape[:2]
        scale = self.scale
        if guide is not None and guide.shape[:2] != (height * scale, width * scale):
            raise ValueError(
                f"the guide is {guide.shape[1]}x{guide.shape[0]} px, not "
                f"{width * scale}x{height * scale} px"
            )
        below, right = self._padding(height, width)
        padded = _pad(image, below, right)
        guide = None if guide is None else _pad(guide, below * scale, right * scale)
        rows, columns = padded.shape[:2]
        tiles = list(self._tiles(rows, columns))
        if len(tiles) == 1:
            output = self._run_tile(padded, guide, inputs or {})
        else:
            output = np.empty((rows * scale, columns * scale, 3), np.uint8)
            for tile in tiles:
                guide_tile = None if guide is None else guide[_scaled(tile.inputs, scale)]
                drawn = self._run_tile(padded[tile.inputs], guide_tile, inputs or {})
                output[_scaled(tile.core, scale)] = drawn[_scaled(tile.kept, scale)]
        return output[: height * scale, : width * scale]

    def _padding(self, height_px: int, width_px: int) -> tuple[int, int]:
        """Rows and columns that are missing to sides that the network takes."""
        multiple = self.spec.multiple_of_px
        # twice at least: padding by reflection takes two pixels at a network's smallest scale
        below = max(2 * multiple - height_px, -height_px % multiple)
        return below, max(2 * multiple - width_px, -width_px % multiple)

    def _tiles(self, height_px: int, width_px: int) -> Iterator[Tile]:
        spec = self.spec
        return tile_grid(height_px, width_px, self.tile_px, spec.overlap_px, spec.multiple_of_px)

    def _run_tile(
        self, image: RgbImage, guide: RgbImage | None, inputs: Mapping[str, NDArray[np.float32]]
    ) -> RgbImage:
        """An image whose sides the network takes, in one go."""
        if self._before_tile:
            self._before_tile()
        engine = self.open()
        images = {"picture": image} | ({} if guide is None else {"guide": guide})
        if not getattr(engine, "takes_pixels", False):
            planes = {name: self.planes(pixels) for name, pixels in images.items()}
            return to_image(engine.run({**planes, **inputs}), self.spec.input_range)
        pixels = {name: np.ascontiguousarray(image)[None] for name, image in images.items()}
        drawn: RgbImage = engine.run({**pixels, **inputs})[0]
        if drawn.shape[2] == 4:
            return np.asarray(cv2.cvtColor(drawn, cv2.COLOR_RGBA2RGB), np.uint8)
        return drawn


def to_planes(image: RgbImage, value_range: tuple[float, float]) -> NDArray[np.float32]:
    """uint8 (H, W, 3) to float32 (1, 3, H, W), 0..255 mapped to ``value_range``."""
    gain = (value_range[1] - value_range[0]) / 255
    planes = np.empty((1, 3, *image.shape[:2]), np.float32)
    for number, channel in enumerate(cv2.split(image)):
        np.multiply(channel, np.float32(gain), out=planes[0, number])
    planes += np.float32(value_range[0])
    return planes


def to_image(planes: NDArray[np.float32], value_range: tuple[float, float]) -> RgbImage:
    """The inverse of ``to_planes``, rounded and clipped."""
    gain = 255 / (value_range[1] - value_range[0])
    merged = cv2.merge([np.ascontiguousarray(plane) for plane in planes[0]])
    # |x| would fold values under the range back up, so it is clipped there first
    np.maximum(merged, value_range[0], out=merged)
    return cv2.convertScaleAbs(merged, alpha=gain, beta=-value_range[0] * gain)


def _pad(image: RgbImage, below: int, right: int) -> RgbImage:
    if not below and not right:
        return image
    return cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE)


def _scaled(area: tuple[slice, slice], scale: int) -> tuple[slice, slice]:
    rows, columns = area
    return (
        slice(rows.start * scale, rows.stop * scale),
        slice(columns.start * scale, columns.stop * scale),
    )
