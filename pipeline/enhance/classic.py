"""The published restoration of a bad photo: x2, non-local means, CLAHE, sharpening.

Doubling is ESRGAN's where the folder of weights has one, else Lanczos resampling.
"""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.domain import RgbImage
from pipeline.enhance.models import RestorationModels
from pipeline.model import Model

SHARPEN_KERNEL = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], np.float32)


def run_step(step: str, pixels: RgbImage, models: RestorationModels) -> RgbImage:
    """Runs one step of the chain: "upscale", "denoise", "clahe" or "sharpen"."""
    match step:
        case "upscale":
            esrgan = models.esrgan
            return double_by_esrgan(pixels, esrgan) if esrgan else double(pixels)
        case "denoise":
            return denoise(pixels)
        case "clahe":
            return equalise(pixels)
        case "sharpen":
            return sharpen(pixels)
    raise KeyError(step)


def double(pixels: RgbImage) -> RgbImage:
    """uint8 (H, W, 3) to (2H, 2W, 3), Lanczos over 8x8 pixels."""
    return cv2.resize(pixels, None, fx=2, fy=2, interpolation=cv2.INTER_LANCZOS4)


def double_by_esrgan(pixels: RgbImage, model: Model) -> RgbImage:
    """uint8 (H, W, 3) to (2H, 2W, 3) by ESRGAN; one of another scale is resized to that."""
    enlarged = model(pixels)
    size = (2 * pixels.shape[1], 2 * pixels.shape[0])
    if enlarged.shape[1::-1] == size:
        return enlarged
    interpolation = cv2.INTER_AREA if model.scale > 2 else cv2.INTER_LANCZOS4
    return cv2.resize(enlarged, size, interpolation=interpolation)


def denoise(pixels: RgbImage) -> RgbImage:
    """Non-local means (Buades, Coll, Morel, CVPR 2005), strength 10, windows of 7 and 21 px."""
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    clean = cv2.fastNlMeansDenoisingColored(bgr, None, 10, 10, 7, 21)
    return cv2.cvtColor(clean, cv2.COLOR_BGR2RGB)


def equalise(pixels: RgbImage) -> RgbImage:
    """CLAHE (Zuiderveld, Graphics Gems IV, 1994) on L of Lab, clip limit 2, 8x8 fields."""
    lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8)).apply(lab[..., 0])
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


def sharpen(pixels: RgbImage) -> RgbImage:
    """The published 3x3 kernel: five times the pixel minus its four neighbours."""
    return cv2.filter2D(pixels, -1, SHARPEN_KERNEL)
