"""How well a network draws: the metrics that MODEL_CARD.md states for each style."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from pipeline.domain import RgbImage
from pipeline.enlarge import steepen
from pipeline.measure import psnr_db, ssim

LINE_DEPTH = 30
EDGE_CONTRAST = 40
FLAT_SLOPE = 0.6  # grey levels a pixel, of a photo under a Gaussian of 2 px
MIN_FLAT_PIXELS = 500


def dark_lines(picture: RgbImage) -> RgbImage:
    """Finds thin things that are darker than both their sides.

    The black-hat transform (closing minus picture) of the grey picture with an ellipse of 7 px,
    above LINE_DEPTH grey levels.

    Args:
        picture: uint8 (H, W, 3) RGB.

    Returns:
        uint8 (H, W), 1 where a dark line runs.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    return (cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT, ellipse) > LINE_DEPTH).astype(np.uint8)


def line_f1(prediction: RgbImage, target: RgbImage) -> float:
    """F1 of the prediction's dark lines against the target's, one pixel of tolerance."""
    lines, target_lines = dark_lines(prediction), dark_lines(target)
    if not lines.any() and not target_lines.any():
        return 1.0
    near = np.ones((3, 3), np.uint8)
    precision = (lines & cv2.dilate(target_lines, near)).sum() / max(1, lines.sum())
    recall = (target_lines & cv2.dilate(lines, near)).sum() / max(1, target_lines.sum())
    return float(2 * precision * recall / max(1e-9, precision + recall))


def gradient_ratio(prediction: RgbImage, target: RgbImage) -> float:
    """Mean gradient of the prediction over the target's: under 1 it is softer."""
    return _mean_gradient(prediction) / max(1e-9, _mean_gradient(target))


def _mean_gradient(picture: RgbImage) -> float:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float(np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean())


def edge_width_px(picture: RgbImage, min_contrast: int = EDGE_CONTRAST) -> float:
    """Mean width of the edges across rows and columns: 1 is a step, 4 a ramp of four pixels.

    An edge is a run of pixels that only rise or only fall, by ``min_contrast`` grey levels or
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
        is_edge = contrast >= min_contrast
        widths.append(contrast[is_edge] / steepest[is_edge])
    return float(np.mean(np.concatenate(widths))) if widths else float("nan")


def flat_grain(photo: RgbImage, picture: RgbImage) -> float:
    """Standard deviation of what is finer than 3 px in a picture where its photo is smooth.

    In grey levels, of the picture less a Gaussian of it; NaN where the photo is smooth nowhere.
    """
    calm = cv2.GaussianBlur(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 2)
    slope = np.hypot(cv2.Sobel(calm, -1, 1, 0, scale=0.125), cv2.Sobel(calm, -1, 0, 1, scale=0.125))
    smooth = cv2.erode((slope < FLAT_SLOPE).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), 1.5)
    return float(fine[smooth].std()) if smooth.sum() > MIN_FLAT_PIXELS else float("nan")


def drawing_metrics(
    predictions: Sequence[RgbImage], targets: Sequence[RgbImage]
) -> dict[str, float]:
    """Means over pairs of pictures: psnr_db, ssim, line_f1, gradient_ratio."""
    measures = (psnr_db, ssim, line_f1, gradient_ratio)
    pairs = list(zip(predictions, targets, strict=True))
    return {
        measure.__name__: float(np.mean([measure(*pair) for pair in pairs])) for measure in measures
    }


def upsampling_metrics(
    inputs: list[RgbImage], predictions: list[RgbImage], targets: list[RgbImage]
) -> dict[str, float]:
    """Metrics of steepened predictions, and mean edge widths of all three in pixels of each."""
    steep = [steepen(prediction) for prediction in predictions]
    metrics = drawing_metrics(steep, targets)
    for name, pictures in (("given", inputs), ("made", steep), ("wanted", targets)):
        widths = [edge_width_px(picture) for picture in pictures]
        metrics[f"edge_width_{name}_px"] = float(np.nanmean(widths))
    return metrics
