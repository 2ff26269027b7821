"""The colours of a distillation target: the teacher's drawing in the photograph's colours."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

QUANTILES = np.linspace(0.02, 0.98, 9)


@dataclass(frozen=True)
class Colours:
    """How far a target's colours follow the teacher.

    ``teacher_chroma``: share of its chroma, 0..1. ``tone``: 1 gives the drawing the photo's own
    distribution of lightness, 0 only its mean. ``vividness``: gain of the chroma.
    """

    teacher_chroma: float = 0.1
    tone: float = 0.8
    vividness: float = 1.08


def reconstruct_colours(
    photo: NDArray[np.uint8], drawing: NDArray[np.uint8], colours: Colours
) -> NDArray[np.uint8]:
    """The lightness of ``drawing`` in the photo's tones, with chroma mostly the photo's.

    in: two uint8 (H, W, 3) RGB of one size; out: uint8 (H, W, 3) RGB.

    The idea is the colour reconstruction loss of AnimeGAN (Chen et al., ISICA 2019, section
    3.2) applied to the target, since AnimeGANv2's Hayao weights turn reds to pink, yellows to
    green and whites to grey. The photo's chroma is smoothed within its edges, so that areas the
    drawing made flat stay flat in colour too, and the mixture keeps the photo's mean chroma,
    which averaging two hues would lower.
    """
    photo_lab = cv2.cvtColor(photo.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    drawing_lab = cv2.cvtColor(drawing.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    lightness = drawing_lab[..., 0]
    at_mean = lightness * (photo_lab[..., 0].mean() / max(1e-3, float(lightness.mean())))
    matched = match_tones(lightness, photo_lab[..., 0])
    lightness = colours.tone * matched + (1 - colours.tone) * at_mean
    photo_chroma = np.dstack([np.zeros_like(at_mean), photo_lab[..., 1:]])
    photo_chroma = cv2.bilateralFilter(photo_chroma, 9, 20.0, 4.0)[..., 1:]
    share = colours.teacher_chroma
    chroma = (1 - share) * photo_chroma + share * drawing_lab[..., 1:]
    lost = _mean_chroma(photo_chroma) / max(_mean_chroma(chroma), 1e-3)
    chroma *= np.clip(lost, 1.0, 1.3) * colours.vividness
    lab = np.dstack([np.clip(lightness, 0, 100), chroma]).astype(np.float32)
    rgb = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
    return np.clip(rgb * 255 + 0.5, 0, 255).astype(np.uint8)


def match_tones(lightness: NDArray[np.float32], wanted: NDArray[np.float32]) -> NDArray[np.float32]:
    """``lightness`` through the monotone curve that gives it the quantiles of ``wanted``.

    Only nine quantiles: a full histogram matching would amplify grain in flat areas. Beyond the
    outermost the curve goes on with slope 0.6, so that drawn contours stay darker than all else.
    """
    from_values = np.quantile(lightness, QUANTILES) + 1e-3 * np.arange(len(QUANTILES))
    to_values = np.quantile(wanted, QUANTILES)
    from_values = np.concatenate([[from_values[0] - 50], from_values, [from_values[-1] + 50]])
    to_values = np.concatenate([[to_values[0] - 30], to_values, [to_values[-1] + 30]])
    return np.interp(lightness, from_values, to_values).astype(np.float32)


def _mean_chroma(chroma: NDArray[np.float32]) -> float:
    return float(np.hypot(chroma[..., 0], chroma[..., 1]).mean())
