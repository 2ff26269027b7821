"""How far the result is from the photo. Pure functions over uint8 pictures.

What looks at neighbours goes strip by strip, which fit into a core's cache: on 24 megapixels
that takes a third of the time of whole planes, and next to no memory.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import GrayImage, RgbImage
from pipeline.result import Metrics
from pipeline.tiling import strips

COLOUR_SIDE_PX = 256
SSIM_REACH_PX, SOBEL_REACH_PX = 5, 1
Floats = NDArray[np.floating[Any]]


def measure(photo: RgbImage, result: RgbImage, threads: int = 1) -> Metrics:
    """Compares the result with the photo.

    Args:
        photo: uint8 (H, W, 3) RGB of any size: it is brought to the result's.
        result: uint8 (H, W, 3) RGB.
        threads: How many of the four measures are taken at a time.
    """
    height, width = result.shape[:2]
    if photo.shape != result.shape:
        smaller = width < photo.shape[1]
        way = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
        photo = cv2.resize(photo, (width, height), interpolation=way)
    greys = _grey(photo), _grey(result)
    with ThreadPoolExecutor(threads, thread_name_prefix="measure") as pool:
        similarity = pool.submit(_ssim, *greys)  # takes the longest, so it is first
        edges = pool.submit(_edge_preservation, *greys)
        colours = pool.submit(colour_shift, photo, result)
        return Metrics(
            psnr_db=psnr_db(photo, result),
            ssim=similarity.result(),
            colour_shift_ciede2000=colours.result(),
            edge_preservation=edges.result(),
        )


def psnr_db(a: RgbImage, b: RgbImage) -> float:
    """Peak signal-to-noise ratio of two uint8 pictures of one shape, in dB; 100 when equal."""
    return min(100.0, float(cv2.PSNR(a, b)))


def ssim(a: RgbImage, b: RgbImage) -> float:
    """Mean structural similarity of the grey pictures, -1..1; 1 when equal.

    Wang et al., "Image quality assessment", IEEE TIP 2004: Gaussian window of 11 px, sigma 1.5.
    """
    return _ssim(_grey(a), _grey(b))


def edge_preservation(a: RgbImage, b: RgbImage) -> float:
    """Correlation (Pearson) of the two gradient magnitudes (Sobel on grey), -1..1; 1 when equal.

    After the edge preservation index of Sattar et al., IEEE TIP 1997, which correlates
    Laplacians; gradients forgive the change of an edge into a line.
    """
    return _edge_preservation(_grey(a), _grey(b))


def _grey(picture: RgbImage) -> GrayImage:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


def _ssim(a: GrayImage, b: GrayImage) -> float:
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    total = 0.0
    height, width = a.shape
    for rows, kept in strips(height, width, SSIM_REACH_PX):
        x, y = a[rows].astype(np.float32), b[rows].astype(np.float32)
        # the sum of the two variances is all that is wanted of them
        planes = (x, y, cv2.multiply(x, y), x * x + y * y)
        means = (cv2.GaussianBlur(plane, (11, 11), 1.5)[kept] for plane in planes)
        mean_x, mean_y, mean_product, mean_squares = means
        product, squares = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
        score = (2 * product + c1) * (2 * (mean_product - product) + c2)
        score /= (squares + c1) * (mean_squares - squares + c2)
        total += cv2.sumElems(score)[0]
    return total / a.size


def _edge_preservation(a: GrayImage, b: GrayImage) -> float:
    sums = np.zeros(5)
    height, width = a.shape
    for rows, kept in strips(height, width, SOBEL_REACH_PX):
        x, y = _gradient(a[rows])[kept], _gradient(b[rows])[kept]
        squares = (cv2.norm(x, cv2.NORM_L2SQR), cv2.norm(y, cv2.NORM_L2SQR))
        apart = cv2.norm(x, y, cv2.NORM_L2SQR)
        sums += (cv2.sumElems(x)[0], cv2.sumElems(y)[0], *squares, apart)
    mean_x, mean_y, square_x, square_y, apart = sums / a.size
    spread_x = math.sqrt(max(0.0, square_x - mean_x**2))
    spread_y = math.sqrt(max(0.0, square_y - mean_y**2))
    if spread_x * spread_y < 1e-6:  # no edge in one of them: preserved only if in neither
        return 1.0 if max(spread_x, spread_y) < 1e-3 else 0.0
    covariance = (square_x + square_y - apart) / 2 - mean_x * mean_y
    return float(np.clip(covariance / (spread_x * spread_y), -1, 1))


def _gradient(grey: GrayImage) -> NDArray[np.float32]:
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    return np.asarray(cv2.magnitude(across, down), np.float32)


def colour_shift(a: RgbImage, b: RgbImage) -> float:
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


def ciede2000(lab1: Floats, lab2: Floats) -> Floats:
    """The colour difference dE00.

    Sharma, Wu, Dalal, "The CIEDE2000 color-difference formula", Color Res. Appl. 30(1), 2005.

    Args:
        lab1: float (..., 3), L*, a*, b*.
        lab2: The same.

    Returns:
        Of the same leading shape and dtype.
    """
    l1, a1, b1 = np.moveaxis(lab1, -1, 0)
    l2, a2, b2 = np.moveaxis(lab2, -1, 0)
    chroma_power = _seventh_power((_length(a1, b1) + _length(a2, b2)) / 2)
    gain = 1.5 - 0.5 * np.sqrt(chroma_power / (chroma_power + 25.0**7))
    a1, a2 = a1 * gain, a2 * gain
    c1, c2 = _length(a1, b1), _length(a2, b2)
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

    def cosine(factor: float, offset: float) -> Floats:
        return np.asarray(np.cos(np.radians(factor * mean_hue + offset)))

    tint = (
        1 - 0.17 * cosine(1, -30) + 0.24 * cosine(2, 0) + 0.32 * cosine(3, 6)
        - 0.20 * cosine(4, -63)
    )  # fmt: skip
    weight_l = 1 + 0.015 * (mean_l - 50) ** 2 / np.sqrt(20 + (mean_l - 50) ** 2)
    weight_c = 1 + 0.045 * mean_c
    weight_h = 1 + 0.015 * mean_c * tint
    rotation = 30 * np.exp(-(((mean_hue - 275) / 25) ** 2))
    chroma_power = _seventh_power(mean_c)
    blue = 2 * np.sqrt(chroma_power / (chroma_power + 25.0**7))
    cross = -np.sin(np.radians(2 * rotation)) * blue
    parts = ((l2 - l1) / weight_l, (c2 - c1) / weight_c, delta_hue / weight_h)
    square = parts[0] ** 2 + parts[1] ** 2 + parts[2] ** 2 + cross * parts[1] * parts[2]
    return np.asarray(np.sqrt(np.maximum(square, 0)))


def _length(x: Floats, y: Floats) -> Floats:
    """As np.hypot, which takes ten times as long to be safe from an overflow."""
    return np.asarray(np.sqrt(x * x + y * y))


def _seventh_power(x: Floats) -> Floats:
    """As x**7, which goes through a logarithm."""
    cube = x * x * x
    return cube * cube * x
