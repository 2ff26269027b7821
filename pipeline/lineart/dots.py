"""Dots of colour as the colouriser takes them: where they are, and what each would fill."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

PLANES = 7  # red, green, blue and mask of the dots; red, green and blue of what they fill
FILL_SCALE = 0.5  # of the size at which the fill is found


def dot_planes(ink: NDArray[np.float32], dots: NDArray[np.float32]) -> NDArray[np.float32]:
    """Adds to dots what they would fill if there were no other wish.

    Every pixel gets the colour of the dot from which it is reached over the least ink: a watershed
    of the ink with the dots as markers (F. Meyer, "Color image segmentation", ICIP 1992). A network
    of convolutions would need many layers to carry a colour that far, and to stop it at a line.

    Args:
        ink: float32 (H, W) in 0..1, 1 where a line is darkest.
        dots: float32 (H, W, 4): RGB in [-1, 1] inside of dots and 0 outside; 1 inside, 0 outside.

    Returns:
        float32 (PLANES, H, W); all zeros without dots.
    """
    height, width = ink.shape
    planes = np.zeros((PLANES, height, width), np.float32)
    mask = (dots[..., 3] > 0).astype(np.uint8)
    if not mask.any():
        return planes
    planes[:4] = np.moveaxis(dots, 2, 0)
    _, labels = cv2.connectedComponents(mask)
    _, firsts = np.unique(labels, return_index=True)
    colours = dots.reshape(-1, 4)[firsts, :3]
    colours[0] = 0  # of the ridges between two fills
    size = (max(1, round(width * FILL_SCALE)), max(1, round(height * FILL_SCALE)))
    # the outermost pixels are never reached by OpenCV's watershed
    markers = np.pad(_reduced(labels, size), 1)
    small = np.pad(cv2.resize(ink, size, interpolation=cv2.INTER_AREA), 1)
    levels = np.repeat((255 * small.clip(0, 1)).astype(np.uint8)[..., None], 3, 2)
    regions = np.maximum(cv2.watershed(levels, markers), 0)[1:-1, 1:-1]
    ridges = regions == 0
    around = cv2.dilate(regions.astype(np.float32), np.ones((3, 3), np.uint8)).astype(np.int32)
    regions[ridges] = around[ridges]
    fill = cv2.resize(colours[regions], (width, height), interpolation=cv2.INTER_NEAREST)
    planes[4:] = np.moveaxis(fill, 2, 0)
    return planes


def _reduced(labels: NDArray[np.int32], size: tuple[int, int]) -> NDArray[np.int32]:
    """Labels at a smaller size, every one of them kept."""
    small = cv2.resize(labels.astype(np.float32), size, interpolation=cv2.INTER_NEAREST)
    reduced = small.astype(np.int32)
    ys, xs = np.nonzero(labels)
    scale_y, scale_x = size[1] / labels.shape[0], size[0] / labels.shape[1]
    rows = np.minimum((ys * scale_y).astype(int), size[1] - 1)
    columns = np.minimum((xs * scale_x).astype(int), size[0] - 1)
    reduced[rows, columns] = labels[ys, xs]
    return reduced
