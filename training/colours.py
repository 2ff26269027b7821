"""The colours of a distillation target: the teacher's drawing in the photograph's colours."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

TEACHER_CHROMA_SHARE = 0.3


def reconstruct_colours(
    photo: NDArray[np.uint8],
    drawing: NDArray[np.uint8],
    teacher_chroma_share: float = TEACHER_CHROMA_SHARE,
) -> NDArray[np.uint8]:
    """Lightness of ``drawing`` at the photo's mean, chroma mostly the photo's.

    in: two uint8 (H, W, 3) RGB of one size; out: uint8 (H, W, 3) RGB.

    The idea is the colour reconstruction loss of AnimeGAN (Chen et al., ISICA 2019, section
    3.2) applied to the target, since AnimeGANv2's Hayao weights turn reds to pink and yellows
    to green and darken the picture. The photo's chroma is smoothed within its edges, so that
    areas the drawing made flat stay flat in colour too, and the mixture keeps the photo's mean
    chroma, which averaging two hues would lower.
    """
    photo_lab = cv2.cvtColor(photo.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    drawing_lab = cv2.cvtColor(drawing.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    lightness = drawing_lab[..., 0] * (photo_lab[..., 0].mean() / drawing_lab[..., 0].mean())
    photo_chroma = np.dstack([np.zeros_like(lightness), photo_lab[..., 1:]])
    photo_chroma = cv2.bilateralFilter(photo_chroma, 9, 20.0, 4.0)[..., 1:]
    chroma = (1 - teacher_chroma_share) * photo_chroma + teacher_chroma_share * drawing_lab[..., 1:]
    lost = _mean_chroma(photo_chroma) / max(_mean_chroma(chroma), 1e-3)
    chroma *= np.clip(lost, 1.0, 1.3)
    lab = np.dstack([np.clip(lightness, 0, 100), chroma]).astype(np.float32)
    rgb = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
    return np.clip(rgb * 255 + 0.5, 0, 255).astype(np.uint8)


def _mean_chroma(chroma: NDArray[np.float32]) -> float:
    return float(np.hypot(chroma[..., 0], chroma[..., 1]).mean())
