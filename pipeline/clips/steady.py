"""Flicker taken out of drawings: motion-compensated averaging over time.

Each drawing is averaged with what came before it, moved to where it is now. What is averaged is
the drawing itself but for its light, which follows the photo: averages of the plain difference
between drawing and photo give the drawing back the photo's own texture and noise, and were
measured to leave half as much flicker again.

An average shows ghosts where it takes in what is no longer there. So a place counts as far as the
two photos agree in it: by the forward-backward check of the flow, and by what differs between the
photo and the one before it, moved. In front of texture a difference is forgiven that a shift by
SHIFT_PX would make; in flat areas, where ghosts are seen, next to none is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.clips.flow import Floats, Motion, MotionEstimator, reduced, warp
from pipeline.domain import GrayImage, RgbImage

MAX_SHARE = 0.9  # of what came before, in a drawing
MAX_DIFFERENCE = 6.0  # grey levels by which two photos of one thing differ in flat areas
SHIFT_PX = 1.0  # of texture, that is forgiven
LIGHT_SHARE = 1 / 80  # of the longer side: the sigma of what counts as light
LIGHT_REDUCED = 4  # times, for it
LUMINANCE = np.array([[0.2126, 0.7152, 0.0722]], np.float32)  # of linear sRGB
DARK = 216 / 24389  # luminance up to which L* is linear
WARM_UP = 16  # drawings after which the first has no part left in the average


@dataclass(frozen=True, eq=False)
class ObservedFrame:
    """What the steadying sees of a frame.

    Attributes:
        photo: uint8 (h, w, 3) RGB, the frame of the clip, reduced.
        grey: uint8 (h, w), the same.
        motion: From it to the frame before; None for the first of a shot.
    """

    photo: RgbImage
    grey: GrayImage
    motion: Motion | None


class Observer:
    """Sees the frames of a clip in their order, and how they move. Not for several threads."""

    def __init__(self) -> None:
        self._estimator = MotionEstimator()
        self._grey: GrayImage | None = None

    def __call__(self, photo: RgbImage, is_first: bool) -> ObservedFrame:
        """The next frame.

        Args:
            photo: uint8 (H, W, 3) RGB.
            is_first: Whether a shot begins with it.
        """
        small = reduced(photo)
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
        motion = None
        if self._grey is not None and not is_first:
            motion = self._estimator.estimate(self._grey, grey)
        self._grey = grey
        return ObservedFrame(small, grey, motion)


@dataclass(frozen=True, eq=False)
class PreviousFrame:
    """The frame before.

    Attributes:
        drawing: uint8 (H, W, 3) RGB, as it was given back.
        photo: uint8 (h, w, 3) RGB, the frame of the clip, reduced.
        lightness: float32 (h, w) each: of the frame, its drawing, its steadied drawing.
    """

    drawing: RgbImage
    photo: RgbImage
    lightness: tuple[Floats, Floats, Floats]


class Steadier:
    """Takes the flicker out of successive drawings.

    Args:
        steady: 0..1; 0 gives the drawings back as they are.

    Attributes:
        errors: How much the clip and its drawings differ from frame to frame.
    """

    def __init__(self, steady: float) -> None:
        self._share = MAX_SHARE * steady
        self._previous: PreviousFrame | None = None
        self.errors = WarpingErrors()

    def __call__(self, drawing: RgbImage, observed: ObservedFrame) -> RgbImage:
        """Steadies the next drawing.

        Args:
            drawing: uint8 (H, W, 3) RGB.
            observed: The frame that it is a drawing of.

        Returns:
            uint8 (H, W, 3) RGB.
        """
        previous, steadied = self._previous, drawing
        if previous is not None and observed.motion is not None and self._share > 0:
            steadied = self._averaged(drawing, previous, observed, observed.motion)
        size = (observed.photo.shape[1], observed.photo.shape[0])
        levels = (
            lightness(observed.photo),
            lightness(cv2.resize(drawing, size, interpolation=cv2.INTER_AREA)),
            lightness(cv2.resize(steadied, size, interpolation=cv2.INTER_AREA)),
        )
        if previous is not None and observed.motion is not None:
            self.errors.add(observed.motion, *zip(previous.lightness, levels, strict=True))
        self._previous = PreviousFrame(steadied, observed.photo, levels)
        return steadied

    def _averaged(
        self, drawing: RgbImage, previous: PreviousFrame, observed: ObservedFrame, motion: Motion
    ) -> RgbImage:
        before = warp(previous.photo, motion.flow)
        change = observed.photo.astype(np.float32) - before.astype(np.float32)
        light = _light(change, motion.seen)
        share = self._share * agreement(change - light, observed.grey) * motion.seen
        share = cv2.blur(share, (3, 3))
        size = (drawing.shape[1], drawing.shape[0])
        moved = warp(previous.drawing, motion.at_size(size), cv2.INTER_LANCZOS4)
        moved = _brightened(np.asarray(moved, np.uint8), light, size)
        share = cv2.resize(share, size, interpolation=cv2.INTER_LINEAR)
        return np.asarray(cv2.blendLinear(moved, drawing, share, 1 - share), np.uint8)


def agreement(difference: Floats, grey: GrayImage) -> Floats:
    """How far two photos show the same, float32 (h, w) in 0..1.

    Args:
        difference: float32 (h, w, 3) in grey levels, of the photo and the one before it, moved.
        grey: uint8 (h, w), the photo.
    """
    apart = cv2.blur(np.abs(difference).mean(-1), (3, 3))
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=1 / 8)
    texture = cv2.blur(cv2.magnitude(across, down), (3, 3))
    forgiven = MAX_DIFFERENCE + SHIFT_PX * texture
    return np.asarray(np.exp(-((apart / forgiven) ** 4)))


def _light(change: Floats, seen: Floats) -> Floats:
    """How the light changed from one photo to the next, float32 (h, w, 3) in grey levels."""
    height, width = seen.shape
    coarse = (max(1, width // LIGHT_REDUCED), max(1, height // LIGHT_REDUCED))
    sigma = LIGHT_SHARE * max(coarse)
    weighted = cv2.resize(change * seen[..., None], coarse, interpolation=cv2.INTER_AREA)
    weights = cv2.resize(seen, coarse, interpolation=cv2.INTER_AREA)
    weighted = cv2.GaussianBlur(weighted, (0, 0), sigma)
    weights = cv2.GaussianBlur(weights, (0, 0), sigma) + np.float32(0.02)
    light = weighted / weights[..., None]
    return np.asarray(cv2.resize(light, (width, height), interpolation=cv2.INTER_LINEAR))


def _brightened(picture: RgbImage, light: Floats, size: tuple[int, int]) -> RgbImage:
    if np.abs(light).max() < 0.5:
        return picture
    light = cv2.resize(light, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.add(picture, light, dtype=cv2.CV_8U), np.uint8)


class WarpingErrors:
    """Sums of the warping errors of a clip; see ``Steadiness``."""

    def __init__(self) -> None:
        self.count = 0
        self._sums = np.zeros(3)

    def add(self, motion: Motion, *pairs: tuple[Floats, Floats]) -> None:
        """Adds one frame.

        Args:
            motion: Of the clip, from the frame to the one before.
            *pairs: The lightness, float32 (h, w) of the motion's size, of the frame before and of
                the frame: of the clip, of the drawings, of the steadied drawings.
        """
        self._sums += [warping_error(before, after, motion) for before, after in pairs]
        self.count += 1

    @property
    def means(self) -> tuple[float, float, float]:
        """Of the clip, of its drawings, of its steadied drawings; in L*."""
        source, before, after = self._sums / max(1, self.count)
        return float(source), float(before), float(after)


def warping_error(before: Floats, after: Floats, motion: Motion) -> float:
    """Mean absolute difference in L* of a frame and the one before it, moved; where seen in both.

    Args:
        before: float32 (h, w), L* of the frame before.
        after: float32 (h, w), L* of the frame.
        motion: From ``after`` to ``before``, of this size.
    """
    moved = np.asarray(warp(before, motion.flow, cv2.INTER_LANCZOS4), np.float32)
    difference = cv2.absdiff(moved, after)
    seen = max(1.0, float(motion.seen.sum()))
    return float(cv2.multiply(difference, motion.seen).sum(dtype=np.float64)) / seen


def lightness(picture: NDArray[np.uint8]) -> Floats:
    """L* (CIE 1976) of uint8 (h, w, 3) RGB in sRGB, float32 (h, w) in 0..100.

    In floating point: of what is nearly still, the steps of 8 bits would be most of the error.
    """
    light = cv2.transform(cv2.LUT(picture, _linear()), LUMINANCE)
    root = np.cbrt(light)
    return np.asarray(np.where(light > DARK, 116 * root - 16, 903.3 * light), np.float32)


@cache
def _linear() -> Floats:
    """float32 (256,): sRGB's levels to light, IEC 61966-2-1."""
    levels = np.arange(256) / 255
    return np.asarray(
        np.where(levels > 0.04045, ((levels + 0.055) / 1.055) ** 2.4, levels / 12.92), np.float32
    )
