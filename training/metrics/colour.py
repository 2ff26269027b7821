"""What coloured line drawings are worth: decibels, colour differences, colourfulness."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from pipeline.domain import RgbImage
from pipeline.measure import colour_shift, psnr_db


def mean_chroma(picture: RgbImage) -> float:
    """Mean chroma in CIELAB: little where all is grey or brown."""
    lab = cv2.cvtColor(picture.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    return float(np.hypot(lab[..., 1], lab[..., 2]).mean())


def colour_metrics(
    predictions: Sequence[RgbImage], targets: Sequence[RgbImage]
) -> dict[str, float]:
    """Means over pairs: PSNR in dB, CIEDE2000, and chroma over that of the target."""
    pairs = list(zip(predictions, targets, strict=True))
    chroma = [[mean_chroma(picture) for picture in pair] for pair in pairs]
    ours, theirs = np.mean(chroma, axis=0)
    return {
        "psnr_db": float(np.mean([psnr_db(*pair) for pair in pairs])),
        "ciede2000": float(np.mean([colour_shift(*pair) for pair in pairs])),
        "chroma_ratio": float(ours / max(theirs, 1e-6)),
    }
