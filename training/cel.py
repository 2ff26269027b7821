"""The cel renderer: the teacher of the style ``cel``, made of classical filters alone.

Photographs become flat areas of clean bright colour, shaded in few soft steps, with contours
that follow the forms. It takes seconds a megapixel and belongs to training only; a student
learns to draw in one pass what this does in many.

Sources: L. Xu et al., "Image smoothing via L0 gradient minimization", SIGGRAPH Asia 2011;
H. Kang et al., "Coherent line drawing", NPAR 2007 (flow and flow-based differences of
Gaussians); H. Winnemöller et al., "XDoG", Computers & Graphics 36, 2012, section 2 (soft
threshold) and "Real-time video abstraction", SIGGRAPH 2006 (soft steps of lightness).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

Plane = NDArray[np.float32]
BETA_MOST = 1e5  # where the auxiliary gradients count as equal to the picture's


@dataclass(frozen=True)
class CelSettings:
    """What the look is made of. Lengths in px, lightness in 0..1 where not said otherwise."""

    flatness: float = 0.008  # lambda of the L0 smoothing
    steps: int = 9  # of lightness, from black to white
    step_softness: float = 0.45  # 0: hard steps, 1: none
    line_sigma_px: float = 0.9
    line_gain: float = 16.0  # slope of the soft threshold
    line_threshold: float = 0.045
    line_share: float = 0.85  # opacity of a contour at its darkest
    flow_sigma_px: float = 2.5
    flow_length_px: int = 5  # to each side along the flow
    edge_length_px: float = 3.0  # smoothing along the edges of areas
    lift: float = 0.86  # exponent on lightness: under 1 brightens
    vividness: float = 1.15


def render(photo: NDArray[np.uint8], settings: CelSettings | None = None) -> NDArray[np.uint8]:
    """in, out: uint8 (H, W, 3) RGB."""
    look = settings or CelSettings()
    picture = photo.astype(np.float32) / 255
    calm = cv2.bilateralFilter(picture, 7, 0.08, 3.0)
    flat = smooth_l0(calm, look.flatness)
    lab = cv2.cvtColor(flat, cv2.COLOR_RGB2LAB)
    lightness = grade(step_lightness(lab[..., 0] / 100, look), look)
    ink = contours(calm, look)
    chroma = lab[..., 1:] * look.vividness
    # ink takes the colour of what it bounds: nearly black, never dead black
    lightness = lightness * (1 - look.line_share * ink)
    chroma = chroma * (1 - 0.4 * ink)[..., None]
    lab = np.dstack([100 * lightness, chroma]).astype(np.float32)
    rgb = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
    along, _ = flow(calm, 1.5)
    rgb = _smooth(rgb, along, look.edge_length_px / 2)
    return np.clip(rgb * 255 + 0.5, 0, 255).astype(np.uint8)


def step_lightness(lightness: Plane, look: CelSettings) -> Plane:
    """Soft stairs: flat treads, risers whose steepness ``step_softness`` sets."""
    scaled = lightness * look.steps
    tread = np.floor(scaled)
    inside = scaled - tread - 0.5
    slope = 1 / max(1e-3, look.step_softness)
    riser = 0.5 * np.tanh(2 * slope * inside) / np.tanh(slope)
    return np.asarray((tread + 0.5 + riser) / look.steps, np.float32)


def grade(lightness: Plane, look: CelSettings) -> Plane:
    """Clean and bright: shadows lifted, whites kept."""
    return np.clip(lightness, 0, 1) ** np.float32(look.lift)


def contours(picture: Plane, look: CelSettings) -> Plane:
    """float32 (H, W, 3) in 0..1 to ink, float32 (H, W) in 0..1.

    The differences of Gaussians act on lightness normalised by the local contrast, else dark
    areas would fill with ink and pale ones would have no lines.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    mean = cv2.GaussianBlur(grey, (0, 0), 8)
    spread = np.sqrt(np.maximum(cv2.GaussianBlur(grey * grey, (0, 0), 8) - mean * mean, 0))
    normalised = (grey - mean) / (spread + 0.12)
    along, across = flow(picture, look.flow_sigma_px)
    narrow = _smooth(normalised, across, look.line_sigma_px)
    wide = _smooth(normalised, across, 1.6 * look.line_sigma_px)
    difference = _smooth(0.98 * wide - 0.98 * narrow, along, look.flow_length_px / 2)
    ink = np.tanh(look.line_gain * np.maximum(difference - look.line_threshold, 0))
    return np.asarray(ink, np.float32)


def flow(picture: Plane, sigma_px: float) -> tuple[Plane, Plane]:
    """Unit vectors (H, W, 2) as (x, y) along and across the edges, from the smoothed structure
    tensor over all channels.
    """
    dx = cv2.Sobel(picture, cv2.CV_32F, 1, 0, scale=0.25)
    dy = cv2.Sobel(picture, cv2.CV_32F, 0, 1, scale=0.25)
    tensors = [(dx * dx).sum(2), (dx * dy).sum(2), (dy * dy).sum(2)]
    xx, xy, yy = (cv2.GaussianBlur(t, (0, 0), sigma_px) for t in tensors)
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)  # of the gradient
    across = np.dstack([np.cos(angle), np.sin(angle)]).astype(np.float32)
    along = np.dstack([-across[..., 1], across[..., 0]])
    return along, across


def _smooth(plane: Plane, direction: Plane, sigma_px: float) -> Plane:
    """Gaussian of ``sigma_px`` along the lines that follow ``direction`` to both sides.

    ``plane``: (H, W) or (H, W, C).
    """
    height, width = plane.shape[:2]
    start = np.dstack(np.meshgrid(np.arange(width), np.arange(height))).astype(np.float32)
    total, weights = plane.copy(), 1.0
    reach = max(1, round(2 * sigma_px))
    for sign in (1, -1):
        place, step = start + sign * direction, sign * direction
        for distance in range(1, reach + 1):
            weight = float(np.exp(-(distance**2) / (2 * sigma_px**2)))
            total += weight * _sample(plane, place)
            weights += weight
            if distance < reach:
                turned = _sample(direction, place)
                # directions are known up to their sign: go on, not back
                turned *= np.sign((turned * step).sum(2, keepdims=True))
                step = turned
                place = place + step
    return total / np.float32(weights)


def _sample(values: Plane, place: Plane) -> Plane:
    return cv2.remap(values, place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def smooth_l0(picture: Plane, strength: float, growth: float = 2.5) -> Plane:
    """float32 (H, W, 3) in 0..1: few edges kept whole, all small gradients removed.

    Half-quadratic splitting in the Fourier domain (Xu et al., algorithm 1), on a picture
    mirrored at its borders, since the transform takes it as periodic.
    """
    height, width = picture.shape[:2]
    border = 16
    around = np.pad(picture, ((border, border), (border, border), (0, 0)), "reflect")
    rows, columns = around.shape[:2]
    fx = 2 - 2 * np.cos(2 * np.pi * np.arange(columns // 2 + 1) / columns)
    fy = 2 - 2 * np.cos(2 * np.pi * np.arange(rows) / rows)
    signal = torch.from_numpy(around).permute(2, 0, 1)
    powers = torch.from_numpy(fx[None] + fy[:, None]).float()
    spectrum = torch.fft.rfft2(signal)
    smooth, beta = signal, 2 * strength
    while beta < BETA_MOST:
        dx, dy = smooth.roll(-1, 2) - smooth, smooth.roll(-1, 1) - smooth
        kept = (dx * dx + dy * dy).sum(0) >= strength / beta
        dx, dy = dx * kept, dy * kept
        divergence = dx.roll(1, 2) - dx + dy.roll(1, 1) - dy
        numerator = spectrum + beta * torch.fft.rfft2(divergence)
        smooth = torch.fft.irfft2(numerator / (1 + beta * powers), s=(rows, columns))
        beta *= growth
    result = smooth.permute(1, 2, 0).numpy()
    return np.ascontiguousarray(result[border : border + height, border : border + width])
