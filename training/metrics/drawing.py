"""How well a student draws: the figures that MODEL_CARD.md states for each style."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.measure import psnr_db, ssim

LINE_DEPTH = 30
EDGE_CONTRAST = 40
FLAT_SLOPE = 0.6  # grey levels a pixel, of a photo under a Gaussian of 2 px
LEAST_FLAT_PIXELS = 500


def dark_lines(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """in: uint8 (H, W, 3) RGB; out: uint8 (H, W), 1 where a dark line runs.

    The black-hat transform (closing minus picture) of the grey picture with an ellipse of
    7 px, above 30 grey levels: thin things darker than both their sides.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    return (cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT, ellipse) > LINE_DEPTH).astype(np.uint8)


def line_f1(drawing: NDArray[np.uint8], target: NDArray[np.uint8]) -> float:
    """F1 of the drawing's dark lines against the target's, one pixel of tolerance."""
    found, wanted = dark_lines(drawing), dark_lines(target)
    if not found.any() and not wanted.any():
        return 1.0
    near = np.ones((3, 3), np.uint8)
    precision = (found & cv2.dilate(wanted, near)).sum() / max(1, found.sum())
    recall = (wanted & cv2.dilate(found, near)).sum() / max(1, wanted.sum())
    return float(2 * precision * recall / max(1e-9, precision + recall))


def gradient_ratio(drawing: NDArray[np.uint8], target: NDArray[np.uint8]) -> float:
    """Mean gradient of the drawing over the target's: under 1 it is softer."""
    return _mean_gradient(drawing) / max(1e-9, _mean_gradient(target))


def _mean_gradient(picture: NDArray[np.uint8]) -> float:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float(np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean())


def edge_width_px(picture: NDArray[np.uint8], least_contrast: int = EDGE_CONTRAST) -> float:
    """Mean width of the edges across rows and columns: 1 is a step, 4 a ramp of four pixels.

    An edge is a run of pixels that only rise or only fall, by ``least_contrast`` grey levels or
    more in all; its width is that contrast over its steepest step. After P. Marziliano et al.,
    "A no-reference perceptual blur metric", ICIP 2002, which takes the run's length: dividing
    by the steepest step instead makes a long faint tail count little. NaN without an edge.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.int16)
    widths = []
    for lines in (grey, grey.T):
        steps = np.diff(lines, axis=1)
        steps = np.pad(steps, ((0, 0), (0, 1))).ravel()  # a zero ends every line
        starts = np.flatnonzero(np.diff(np.sign(steps), prepend=0))
        if not len(starts):
            continue
        contrast = np.abs(np.add.reduceat(steps.astype(np.int32), starts))
        steepest = np.maximum.reduceat(np.abs(steps), starts)
        is_edge = contrast >= least_contrast
        widths.append(contrast[is_edge] / steepest[is_edge])
    return float(np.mean(np.concatenate(widths))) if widths else float("nan")


def flat_grain(photo: NDArray[np.uint8], picture: NDArray[np.uint8]) -> float:
    """What is finer than 3 px in a picture where its photo is smooth: the standard deviation, in
    grey levels, of the picture less a Gaussian of it. NaN where the photo is smooth nowhere.
    """
    calm = cv2.GaussianBlur(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 2)
    slope = np.hypot(cv2.Sobel(calm, -1, 1, 0, scale=0.125), cv2.Sobel(calm, -1, 0, 1, scale=0.125))
    smooth = cv2.erode((slope < FLAT_SLOPE).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), 1.5)
    return float(fine[smooth].std()) if smooth.sum() > LEAST_FLAT_PIXELS else float("nan")


def figures(pairs: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]) -> dict[str, float]:
    """Means over (drawing, target) pairs: psnr_db, ssim, line_f1, gradient_ratio."""
    rows = [(psnr_db(d, t), ssim(d, t), line_f1(d, t), gradient_ratio(d, t)) for d, t in pairs]
    names = ("psnr_db", "ssim", "line_f1", "gradient_ratio")
    return {name: float(mean) for name, mean in zip(names, np.mean(rows, axis=0), strict=True)}
