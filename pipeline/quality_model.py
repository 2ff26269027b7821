"""The quality model: what it is shown of a photo, and its estimate."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import QualityEstimate, RgbImage
from pipeline.light import to_linear
from pipeline.model import Model

LIGHT_QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 1.0)
LIGHTS = 3 * len(LIGHT_QUANTILES)
LIGHT_PX = 256  # longer side of the photo that the quantiles of light are taken of


class QualityEstimator:
    """Asks the quality model about photos."""

    def __init__(self, model: Model) -> None:
        self.model = model

    @property
    def thresholds(self) -> Mapping[str, float]:
        """The gate's limits by measure, from the manifest; see ``faults``."""
        return self.model.spec.thresholds

    def estimate(self, pixels: RgbImage) -> QualityEstimate:
        """Estimates blur, noise, JPEG quality and exposure. Never fails for a photo.

        Unlike the variance of the Laplacian, its blur does not grow with noise, nor its noise with
        texture, and what it measures is in pixels of the photo as it is.

        Args:
            pixels: uint8 (H, W, 3) RGB of any size.

        Raises:
            WeightsInvalid, EngineUnavailable: The model cannot be opened.
        """
        shape = self.model.spec.shape
        sides = (int(str(shape[name])) for name in ("thumbnail_px", "patch_px", "patches"))
        thumbnail, patches, light = model_inputs(pixels, *sides)
        inputs = {
            "thumbnail": self.model.planes(thumbnail),
            "patches": np.concatenate([self.model.planes(patch) for patch in patches]),
            "light": light[None],
        }
        blur, noise, jpeg_quality, exposure, score = map(float, self.model.run(inputs)[0])
        return QualityEstimate(blur, noise, jpeg_quality, exposure, score)


def faults(estimate: QualityEstimate) -> dict[str, float]:
    """The measures that the gate has thresholds for; more is worse.

    Returns:
        ``blur_px`` and ``noise`` as estimated, ``artefacts`` as 100 minus the JPEG quality, and
        ``darkness`` in stops.
    """
    return {
        "blur_px": estimate.blur_px,
        "noise": estimate.noise,
        "artefacts": 100 - estimate.jpeg_quality,
        "darkness": -estimate.exposure_stops,
    }


def model_inputs(
    pixels: RgbImage, thumbnail_px: int, patch_px: int, count: int
) -> tuple[RgbImage, list[RgbImage], NDArray[np.float32]]:
    """What the quality model is shown of a photo.

    Patches are cells of a grid at native resolution: half of them those with the highest
    variance of grey, half those around the median. A photo with fewer cells shows some twice; a
    photo smaller than a cell is mirrored at its border. The light is measured on the photo
    reduced to LIGHT_PX: lamps are still in it, most noise is not.

    Args:
        pixels: uint8 (H, W, 3) RGB of any size.
        thumbnail_px: Side of the square thumbnail of the whole.
        patch_px: Side of the patches.
        count: How many patches.

    Returns:
        The thumbnail, uint8 (thumbnail_px, thumbnail_px, 3); the patches, uint8 (patch_px,
        patch_px, 3) each; the ``light_levels``.
    """
    small, scale = pixels, LIGHT_PX / max(pixels.shape[:2])
    if scale < 1:
        size = [max(1, round(side * scale)) for side in pixels.shape[1::-1]]
        small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    thumbnail = cv2.resize(small, (thumbnail_px, thumbnail_px), interpolation=cv2.INTER_AREA)
    below, right = (max(0, patch_px - side) for side in pixels.shape[:2])
    if below or right:
        pixels = cv2.copyMakeBorder(pixels, 0, below, 0, right, cv2.BORDER_REFLECT)
    rows, columns = (side // patch_px for side in pixels.shape[:2])
    grid = pixels[: rows * patch_px, : columns * patch_px]
    order = np.argsort(-_cell_variances(grid, rows, columns).ravel(), kind="stable")
    half = count // 2
    middle = max(0, len(order) // 2 - half // 2)
    cells = [order[n % len(order)] for n in range(half)]
    cells += [order[(middle + n) % len(order)] for n in range(half)]
    corners = [(cell // columns * patch_px, cell % columns * patch_px) for cell in cells]
    patches = [grid[y : y + patch_px, x : x + patch_px] for y, x in corners]
    return thumbnail, patches, light_levels(small)


def light_levels(pixels: RgbImage) -> NDArray[np.float32]:
    """How far below white the light of a photo lies, by quantiles.

    Args:
        pixels: uint8 (H, W, 3) RGB.

    Returns:
        float32 (LIGHTS,), stops below white: the quantiles of the brightest channel, of grey and
        of the darkest channel.
    """
    red, green, blue = cv2.split(pixels)
    brightest, darkest = (join(join(red, green), blue) for join in (cv2.max, cv2.min))
    levels: list[NDArray[np.intp]] = []
    for plane in (brightest, cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), darkest):
        counts = np.cumsum(np.bincount(plane.ravel(), minlength=256))
        levels.append(np.searchsorted(counts, np.array(LIGHT_QUANTILES) * plane.size))
    light: NDArray[np.float32] = to_linear(np.maximum(levels, 1).ravel().astype(np.float32))
    return np.log2(light)


def _cell_variances(pixels: RgbImage, rows: int, columns: int) -> NDArray[np.float32]:
    """(rows, columns): of grey, within each cell; a row of cells at a time stays in the cache."""
    variances = np.empty((rows, columns), np.float32)
    for number, row in enumerate(np.split(pixels, rows)):
        grey = cv2.cvtColor(row, cv2.COLOR_RGB2GRAY).astype(np.float32)
        mean, square = (
            cv2.resize(plane, (columns, 1), interpolation=cv2.INTER_AREA)
            for plane in (grey, grey * grey)
        )
        variances[number] = (square - mean**2)[0]
    return variances
