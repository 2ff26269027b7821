"""The cel renderer: the teacher of the style ``cel``, made of classical filters alone.

A photograph becomes what a painted cel of a television anime is: few flat areas of clean, bright
colour, light in a handful of steps with crisp borders between them, and bold dark contours. It
takes seconds a megapixel and belongs to training only; a student learns to draw in one pass what
this does in many.

Sources: L. Xu et al., "Image smoothing via L0 gradient minimization", SIGGRAPH Asia 2011;
H. Kang et al., "Coherent line drawing", NPAR 2007 (flow and flow-based differences of
Gaussians); H. Winnemöller et al., "XDoG", Computers & Graphics 36, 2012, section 2 (soft
threshold) and "Real-time video abstraction", SIGGRAPH 2006 (lightness in steps).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from itertools import pairwise

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

GrayImage = NDArray[np.float32]
BETA_MOST = 1e5  # where the auxiliary gradients count as equal to the picture's
SKIN_HUE_DEGREES = 44.0  # in CIELAB, of dark skin as of light
STROKE_INK = 0.03  # a pixel with more ink is part of a stroke


@dataclass(frozen=True)
class CelSettings:
    """What the look is made of.

    Lengths in px of a picture drawn at 448 to 1024 px, lightness in 0..1.
    """

    calm_px: float = 3.0  # sigma of the bilateral filter in front of all else
    flatness: float = 0.012  # lambda of the L0 smoothing of areas
    levels: tuple[float, ...] = (0.16, 0.34, 0.53, 0.72, 0.88)  # lightness where a step lies
    level_smooth_px: float = 1.6  # sigma: how round the borders of light and shadow are
    level_spread_px: float = 20.0  # sigma: over how much of an area its lightness is one
    level_contrast: float = 1.25  # between the steps within an area
    least_slope: float = 0.001  # lightness a px: slower changes have soft borders
    line_flatness: float = 0.004  # lambda of the L0 smoothing under the contours
    line_sigma_px: float = 1.1
    line_gain: float = 14.0  # slope of the soft threshold
    line_threshold: float = 0.012
    line_threshold_on_skin: float = 0.032
    line_opacity: float = 0.92  # of a contour at its darkest
    stroke_px: float = 13.0  # a shorter stroke is left out
    flow_sigma_px: float = 2.0
    flow_length_px: float = 2.0  # sigma to each side along a contour
    edge_length_px: float = 2.0  # sigma of the smoothing along the borders of areas
    lift: float = 0.80  # exponent on lightness: under 1 brightens
    vividness: float = 1.4

    def scaled(self, factor: float) -> CelSettings:
        """The same drawing for a photo ``factor`` times as large, above 0.

        The L0 smoothing weighs the pixels of edges, which grow with the factor, against those of
        areas, which grow with its square.
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        lengths = {name: factor * v for name, v in values.items() if name.endswith("_px")}
        return replace(
            self,
            **lengths,
            flatness=factor * self.flatness,
            line_flatness=factor * self.line_flatness,
            least_slope=self.least_slope / factor,
        )


def render(photo: NDArray[np.uint8], settings: CelSettings | None = None) -> NDArray[np.uint8]:
    """in, out: uint8 (H, W, 3) RGB."""
    look = settings or CelSettings()
    calm = np.asarray(photo, np.float32) / np.float32(255)
    for _ in range(2):
        calm = np.asarray(cv2.bilateralFilter(calm, 0, 0.07, look.calm_px), np.float32)
    along, _ = flow(calm, look.flow_sigma_px)
    flat, fine = (
        cv2.cvtColor(smooth_lines(areas, along, look.edge_length_px), cv2.COLOR_RGB2LAB)
        for areas in (smooth_l0(calm, look.flatness), calm)
    )
    skin = skin_share(flat)
    stepped = np.dstack([100 * step_lightness(flat[..., 0] / 100, look), flat[..., 1:]])
    # eyes and lips lie amid skin, but have other colours: faces stay clear where they are kept
    amid_skin = 1.6 * cv2.GaussianBlur(skin, (0, 0), look.level_spread_px / 3) - 0.2
    kept = np.clip(amid_skin, 0, 1) * (0.85 - 0.5 * skin)
    colours = grade(stepped + kept[..., None] * (fine - stepped), skin, look)
    ink = contours(smooth_l0(calm, look.line_flatness), look)[..., None]
    # ink takes the colour of what it bounds: nearly black, never dead black
    opacity = np.array([look.line_opacity, 0.6, 0.6], np.float32)  # of lightness, a, b
    opacity = opacity * (1 - 0.5 * kept[..., None])
    rgb = cv2.cvtColor(colours * (1 - ink * opacity), cv2.COLOR_LAB2RGB)
    return np.clip(rgb * 255 + 0.5, 0, 255).astype(np.uint8)


def skin_share(lab: GrayImage) -> GrayImage:
    """How like skin, dark or light, a colour is: float32 (H, W, 3) CIELAB to (H, W) in 0..1.

    Hue within 30 to 44 degrees of SKIN_HUE_DEGREES, chroma from 5 to 11 up to 38 to 50.
    """
    hue = np.degrees(np.arctan2(lab[..., 2], lab[..., 1]))
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    in_hue = np.clip((44 - np.abs(hue - SKIN_HUE_DEGREES)) / 14, 0, 1)
    in_chroma = np.clip((chroma - 5) / 6, 0, 1) * np.clip((50 - chroma) / 12, 0, 1)
    return np.asarray(in_hue * in_chroma, np.float32)


def step_lightness(lightness: GrayImage, look: CelSettings) -> GrayImage:
    """Lightness in 0..1, (H, W), to areas of one lightness with crisp borders.

    A border runs where the lightness passes one of the levels, and is a pixel wide however slow
    the change that it replaces. Between two borders the lightness is the mean of what lies
    around between them, so that no tone moves; the steps are then set a little apart.
    """
    smooth = cv2.GaussianBlur(lightness, (0, 0), look.level_smooth_px)
    dx = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=0.125)
    dy = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=0.125)
    slope = np.maximum(np.hypot(dx, dy), np.float32(look.least_slope))
    above = [np.clip((smooth - level) / slope + 0.5, 0, 1) for level in look.levels]
    above = [np.ones_like(smooth), *above, np.zeros_like(smooth)]
    sigma = look.level_spread_px
    around = cv2.GaussianBlur(lightness, (0, 0), sigma)
    stepped = np.zeros_like(lightness)
    for share in (low - high for low, high in pairwise(above)):
        weight = np.maximum(cv2.GaussianBlur(share, (0, 0), sigma), 1e-4)
        mean = cv2.GaussianBlur(share * lightness, (0, 0), sigma) / weight
        stepped += share * (around + look.level_contrast * (mean - around))
    return np.clip(stepped, 0, 1)


def grade(lab: GrayImage, skin: GrayImage, look: CelSettings) -> GrayImage:
    """CIELAB to CIELAB: clean and bright, shadows lifted, whites kept, skin nearly as it was."""
    lightness = np.clip(lab[..., 0], 0, 100)
    lifted = 100 * (lightness / 100) ** np.float32(look.lift)
    vividness = 1 + (look.vividness - 1) * (1 - 0.7 * skin)
    return np.dstack(
        [lifted + 0.5 * skin * (lightness - lifted), lab[..., 1:] * vividness[..., None]]
    )


def contours(picture: GrayImage, look: CelSettings) -> GrayImage:
    """float32 (H, W, 3) in 0..1 to ink, float32 (H, W) in 0..1.

    The differences of Gaussians act on lightness normalised by the local contrast, else dark
    areas would fill with ink and pale ones would have no lines.
    """
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)
    lightness, window_px = lab[..., 0] / 100, 9 * look.line_sigma_px
    mean = cv2.GaussianBlur(lightness, (0, 0), window_px)
    square = cv2.GaussianBlur(lightness * lightness, (0, 0), window_px)
    spread = np.sqrt(np.maximum(square - mean * mean, 0))
    normalised = (lightness - mean) / (spread + 0.2)
    along, across = flow(picture, look.flow_sigma_px)
    narrow = smooth_lines(normalised, across, look.line_sigma_px)
    wide = smooth_lines(normalised, across, 1.6 * look.line_sigma_px)
    difference = smooth_lines(wide - narrow, along, look.flow_length_px)
    more = look.line_threshold_on_skin - look.line_threshold
    threshold = look.line_threshold + more * skin_share(lab)
    ink = np.tanh(look.line_gain * np.maximum(difference - threshold, 0))
    return np.asarray(ink * in_strokes(ink, look.stroke_px), np.float32)


def in_strokes(ink: GrayImage, length_px: float) -> GrayImage:
    """(H, W) to 1 on strokes whose bounding box has a diagonal of ``length_px``, else 0."""
    _, labels, boxes, _ = cv2.connectedComponentsWithStats((ink > STROKE_INK).astype(np.uint8))
    diagonals = np.hypot(boxes[:, cv2.CC_STAT_WIDTH], boxes[:, cv2.CC_STAT_HEIGHT])
    kept = (diagonals >= length_px).astype(np.float32)
    kept[0] = 0  # what is no stroke at all
    return kept[labels]


def flow(picture: GrayImage, sigma_px: float) -> tuple[GrayImage, GrayImage]:
    """Unit vectors (H, W, 2) as (x, y) along and across the edges.

    From the smoothed structure tensor over all channels.
    """
    dx = cv2.Sobel(picture, cv2.CV_32F, 1, 0, scale=0.25)
    dy = cv2.Sobel(picture, cv2.CV_32F, 0, 1, scale=0.25)
    tensors = [(dx * dx).sum(2), (dx * dy).sum(2), (dy * dy).sum(2)]
    xx, xy, yy = (cv2.GaussianBlur(t, (0, 0), sigma_px) for t in tensors)
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)  # of the gradient
    across = np.dstack([np.cos(angle), np.sin(angle)]).astype(np.float32)
    along = np.dstack([-across[..., 1], across[..., 0]])
    return along, across


def smooth_lines(plane: GrayImage, direction: GrayImage, sigma_px: float) -> GrayImage:
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


def _sample(values: GrayImage, place: GrayImage) -> GrayImage:
    return cv2.remap(values, place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def smooth_l0(picture: GrayImage, strength: float, growth: float = 2.5) -> GrayImage:
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
