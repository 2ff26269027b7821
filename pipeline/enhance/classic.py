"""The published repair of a bad photo: x2, non-local means, CLAHE, sharpening.

Doubling is ESRGAN's where the layer has its weights, else Lanczos resampling.
"""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.domain import Picture
from pipeline.enhance.tools import Tools
from pipeline.networks import run_on_picture

SHARPEN_KERNEL = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], np.float32)


def repair(pixels: Picture, step: str, tools: Tools) -> Picture:
    """One step of the chain: "upscale", "denoise", "clahe" or "sharpen"."""
    match step:
        case "upscale":
            return double(pixels) if tools.esrgan is None else double_by_net(pixels, tools)
        case "denoise":
            return denoise(pixels)
        case "clahe":
            return equalise(pixels)
        case "sharpen":
            return sharpen(pixels)
    raise KeyError(step)


def double(pixels: Picture) -> Picture:
    """uint8 (H, W, 3) to (2H, 2W, 3), Lanczos over 8x8 pixels."""
    return cv2.resize(pixels, None, fx=2, fy=2, interpolation=cv2.INTER_LANCZOS4)


def double_by_net(pixels: Picture, tools: Tools) -> Picture:
    """The same by ESRGAN; one of another scale is brought to twice the size."""
    if tools.esrgan is None:
        raise ValueError("the layer has no ESRGAN")
    made, _ = run_on_picture(pixels, tools.esrgan, tools.open_esrgan(), tools.tile_px)
    size = (2 * pixels.shape[1], 2 * pixels.shape[0])
    if made.shape[1::-1] == size:
        return made
    way = cv2.INTER_AREA if tools.esrgan.scale > 2 else cv2.INTER_LANCZOS4
    return cv2.resize(made, size, interpolation=way)


def denoise(pixels: Picture) -> Picture:
    """Non-local means (Buades, Coll, Morel, CVPR 2005), strength 10, windows of 7 and 21 px."""
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    clean = cv2.fastNlMeansDenoisingColored(bgr, None, 10, 10, 7, 21)
    return cv2.cvtColor(clean, cv2.COLOR_BGR2RGB)


def equalise(pixels: Picture) -> Picture:
    """CLAHE (Zuiderveld, Graphics Gems IV, 1994) on L of Lab, clip limit 2, 8x8 fields."""
    lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8)).apply(lab[..., 0])
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


def sharpen(pixels: Picture) -> Picture:
    """The published 3x3 kernel: five times the pixel minus its four neighbours."""
    return cv2.filter2D(pixels, -1, SHARPEN_KERNEL)
