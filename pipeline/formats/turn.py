"""EXIF orientation."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def turned(plane: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Brings (H, W) or (H, W, 3), stored with EXIF's orientation 1 to 8, upright."""
    if orientation >= 5:
        plane = np.asarray(cv2.transpose(plane), np.uint8)
    flips = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}
    if orientation in flips:
        plane = np.asarray(cv2.flip(plane, flips[orientation]), np.uint8)
    return plane
