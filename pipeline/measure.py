"""The measures (draft)."""
from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def psnr_db(a: Picture, b: Picture) -> float:
    """Peak signal-to-noise ratio of two uint8 pictures of one shape, in dB; 100 when equal."""
    return min(100.0, float(cv2.PSNR(a, b)))


def ssim(a: Picture, b: Picture) -> float:
    """Mean structural similarity of the lightness of two uint8 (H, W, 3) RGB pictures, -1..1.

    Wang et al., "Image quality assessment", IEEE TIP 2004: Gaussian window of 11 px, sigma 1.5.
    """
    x = cv2.cvtColor(a, cv2.COLOR_RGB2GRAY).astype(np.float32)
    y = cv2.cvtColor(b, cv2.COLOR_RGB2GRAY).astype(np.float32)

    def blur(image: NDArray[np.float32]) -> NDArray[np.float32]:
        return cv2.GaussianBlur(image, (11, 11), 1.5)

    mean_x, mean_y = blur(x), blur(y)
    variance_x = blur(x * x) - mean_x * mean_x
    variance_y = blur(y * y) - mean_y * mean_y
    covariance = blur(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    score = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
        (mean_x * mean_x + mean_y * mean_y + c1) * (variance_x + variance_y + c2)
    )
    return float(score.mean())
