"""Lines drawn out of coloured pictures, in many hands: what a colouriser learns from.

Differences of Gaussians with a soft threshold (Winnemöller et al., "XDoG", Computers & Graphics 36,
2012) find the lines that an artist drew; the Canny detector in all channels of CIELAB finds borders
between colours, where a painter has none. A hand mixes them and gives them its width, pressure,
grain and gaps.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import RgbImage
from training.data.photographs import Random

Ink = NDArray[np.float32]  # (H, W) in 0..1, 1 where the line is darkest


@dataclass(frozen=True)
class Hand:
    """How somebody draws lines.

    Attributes:
        sigma_px: of the finer Gaussian.
        gain: slope of the soft threshold.
        threshold: lightness in 0..1 from which a difference is a line.
        calm_px: sigma of the smoothing under the borders.
        edges: opacity of borders between colours; 0 leaves them out.
        edge_contrast: of CIELAB, from which a border is drawn.
        width_px: sigma by which the borders are widened.
        grain: share of the ink that pencil leaves out, at most.
        gap_share: share of the picture in which lines are missing.
        pressure: opacity of the darkest line.
    """

    sigma_px: float = 1.0
    gain: float = 14.0
    threshold: float = 0.02
    calm_px: float = 1.2
    edges: float = 0.8
    edge_contrast: float = 28.0
    width_px: float = 0.6
    grain: float = 0.0
    gap_share: float = 0.0
    pressure: float = 1.0


def sample_hand(random: Random) -> Hand:
    """A hand between a fine pen and a soft pencil."""
    pencil = random.random() < 0.35
    return Hand(
        sigma_px=float(random.uniform(0.6, 1.4)),
        gain=float(random.uniform(8, 24)),
        threshold=float(random.uniform(0.008, 0.04)),
        calm_px=float(random.uniform(0.8, 2.0)),
        edges=float(random.uniform(0.5, 1.0)) if random.random() < 0.8 else 0.0,
        edge_contrast=float(random.uniform(16, 45)),
        width_px=float(random.uniform(0.35, 0.9)),
        grain=float(random.uniform(0.2, 0.7)) if pencil else 0.0,
        gap_share=float(random.uniform(0, 0.12)) if random.random() < 0.4 else 0.0,
        pressure=float(random.uniform(0.55, 1.0)),
    )


def draw_lines(picture: RgbImage, hand: Hand, random: Random) -> Ink:
    """Draws the lines of a picture.

    Args:
        picture: uint8 (H, W, 3) RGB.
        hand: how.
        random: of grain and gaps.

    Returns:
        float32 (H, W) in 0..1.
    """
    lab = cv2.cvtColor(picture.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    ink = _dark_lines(lab[..., 0] / np.float32(100), hand)
    if hand.edges:
        ink = np.maximum(ink, hand.edges * _borders(lab, hand))
    if hand.grain:
        ink *= 1 - hand.grain * _noise(ink.shape, 0.7, random)
    if hand.gap_share:
        clouds = _noise(ink.shape, 6.0, random)
        ink *= np.clip((clouds - np.quantile(clouds, hand.gap_share)) * 8, 0, 1)
    return np.asarray(np.clip(ink, 0, 1) * hand.pressure, np.float32)


def _dark_lines(lightness: Ink, hand: Hand) -> Ink:
    """Where it is darker than around."""
    fine, coarse = (
        cv2.GaussianBlur(lightness, (0, 0), hand.sigma_px * factor) for factor in (1.0, 1.6)
    )
    depth = coarse - fine - np.float32(hand.threshold)
    return np.asarray(np.tanh(np.maximum(depth, 0) * hand.gain * 2), np.float32)


def _borders(lab: NDArray[np.float32], hand: Hand) -> Ink:
    """Thin lines between colours."""
    calm = cv2.GaussianBlur(lab, (0, 0), hand.calm_px)
    edges = np.zeros(lab.shape[:2], np.uint8)
    scales = (
        2.0,
        1.5,
        1.5,
    )  # chroma counts less than lightness, for shades of one thing differ in it
    for plane, scale in zip(np.moveaxis(calm, 2, 0), scales, strict=True):
        whole = np.clip(plane * scale + 128 * (scale < 2), 0, 255).astype(np.uint8)
        strong = hand.edge_contrast * 4  # Sobel's gain for an edge as wide as the smoothing
        edges |= cv2.Canny(whole, strong / 2, strong)
    lines = cv2.GaussianBlur(edges.astype(np.float32) / np.float32(255), (0, 0), hand.width_px)
    peak = 1 / (np.sqrt(2 * np.pi) * hand.width_px)  # of a line a pixel wide
    return np.asarray(np.clip(lines / min(peak, 1.0), 0, 1), np.float32)


def _noise(shape: tuple[int, ...], sigma_px: float, random: Random) -> Ink:
    """Smooth noise in 0..1."""
    noise = random.random(shape, np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), sigma_px)
    low, high = float(smooth.min()), float(smooth.max())
    return np.asarray((smooth - low) / max(high - low, 1e-6), np.float32)
