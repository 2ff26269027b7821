"""How far the result is from the photo. Pure functions over uint8 pictures."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import Metrics, Picture

COLOUR_SIDE_PX = 256


def measure(photo: Picture, result: Picture) -> Metrics:
    """in: uint8 (H, W, 3) RGB both, the photo of any size: it is brought to the result's."""
    height, width = result.shape[:2]
    if photo.shape != result.shape:
        smaller = width < photo.shape[1]
        way = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
        photo = cv2.resize(photo, (width, height), interpolation=way)
    return Metrics(
        psnr_db=psnr_db(photo, result),
        ssim=ssim(photo, result),
        colour_shift_ciede2000=colour_shift(photo, result),
        edge_preservation=edge_preservation(photo, result),
    )


def psnr_db(a: Picture, b: Picture) -> float:
    """Peak signal-to-noise ratio of two uint8 pictures of one shape, in dB; 100 when equal."""
    return min(100.0, float(cv2.PSNR(a, b)))


def ssim(a: Picture, b: Picture) -> float:
    """Mean structural similarity of the grey pictures, -1..1; 1 when equal.

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


def edge_preservation(a: Picture, b: Picture) -> float:
    """Correlation (Pearson) of the two gradient magnitudes (Sobel on grey), -1..1; 1 when equal.

    After the edge preservation index of Sattar et al., IEEE TIP 1997, which correlates
    Laplacians; gradients forgive the change of an edge into a line.
    """
    x, y = _gradient(a), _gradient(b)
    (mean_x, spread_x), (mean_y, spread_y) = cv2.meanStdDev(x), cv2.meanStdDev(y)
    spread = float(spread_x.item() * spread_y.item())
    if spread < 1e-6:  # no edge in one of them: preserved only if in neither
        return 1.0 if max(spread_x.item(), spread_y.item()) < 1e-3 else 0.0
    covariance = cv2.mean(x * y)[0] - mean_x.item() * mean_y.item()
    return float(np.clip(covariance / spread, -1, 1))


def _gradient(picture: Picture) -> NDArray[np.float32]:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    return cv2.magnitude(across, down)


def colour_shift(a: Picture, b: Picture) -> float:
    """Mean CIEDE2000 difference of the pictures reduced to at most 256 px a side.

    Reduced, because it is meant to say how colours moved, not how lines did. About 1 is just
    noticeable side by side.
    """
    height, width = a.shape[:2]
    scale = min(1.0, COLOUR_SIDE_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = [cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in (a, b)]
    lab = [cv2.cvtColor(p.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) for p in small]
    return float(ciede2000(lab[0], lab[1]).mean())


def ciede2000(lab1: NDArray[np.float32], lab2: NDArray[np.float32]) -> NDArray[np.float64]:
    """float (..., 3) L*, a*, b* both; the difference dE00, same leading shape.

    Sharma, Wu, Dalal, "The CIEDE2000 color-difference formula", Color Res. Appl. 30(1), 2005.
    """
    l1, a1, b1 = np.moveaxis(lab1.astype(np.float64), -1, 0)
    l2, a2, b2 = np.moveaxis(lab2.astype(np.float64), -1, 0)
    chroma_power = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    gain = 1.5 - 0.5 * np.sqrt(chroma_power / (chroma_power + 25.0**7))
    a1, a2 = a1 * gain, a2 * gain
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    grey = c1 * c2 == 0
    turn = np.where(grey, 0.0, (h2 - h1 + 180) % 360 - 180)
    # half a turn apart, the formula keeps the sign of the plain difference
    turn = np.where((turn == -180) & (h2 > h1), 180.0, turn)
    delta_hue = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn) / 2)
    far = np.abs(h1 - h2) > 180
    hue_sum = h1 + h2
    mean_hue = np.where(far, np.where(hue_sum < 360, hue_sum + 360, hue_sum - 360), hue_sum) / 2
    mean_hue = np.where(grey, hue_sum, mean_hue)
    mean_l, mean_c = (l1 + l2) / 2, (c1 + c2) / 2

    def cosine(factor: float, offset: float) -> NDArray[np.float64]:
        return np.asarray(np.cos(np.radians(factor * mean_hue + offset)))

    tint = (
        1 - 0.17 * cosine(1, -30) + 0.24 * cosine(2, 0) + 0.32 * cosine(3, 6)
        - 0.20 * cosine(4, -63)
    )  # fmt: skip
    weight_l = 1 + 0.015 * (mean_l - 50) ** 2 / np.sqrt(20 + (mean_l - 50) ** 2)
    weight_c = 1 + 0.045 * mean_c
    weight_h = 1 + 0.015 * mean_c * tint
    rotation = 30 * np.exp(-(((mean_hue - 275) / 25) ** 2))
    blue = 2 * np.sqrt(mean_c**7 / (mean_c**7 + 25.0**7))
    cross = -np.sin(np.radians(2 * rotation)) * blue
    parts = ((l2 - l1) / weight_l, (c2 - c1) / weight_c, delta_hue / weight_h)
    square = parts[0] ** 2 + parts[1] ** 2 + parts[2] ** 2 + cross * parts[1] * parts[2]
    return np.asarray(np.sqrt(np.maximum(square, 0)))
