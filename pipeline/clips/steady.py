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

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.clips.flow import Floats, Motion, MotionEstimator, reduced, warp
from pipeline.domain import GrayImage, RgbImage

MAX_SHARE = 0.9  # of what came before, in a drawing
MAX_DIFFERENCE = 6.0  # grey levels by which two photos of one thing differ in flat areas
SHIFT_PX = 1.0  # of texture, that is forgiven
LIGHT_SHARE = 1 / 80  # of the longer side: the sigma of what counts as light
WARM_UP = 16  # drawings after which the first has no part left in the average


@dataclass(frozen=True, eq=False)
class Moment:
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

    def __call__(self, photo: RgbImage, is_first: bool) -> Moment:
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
        return Moment(small, grey, motion)


@dataclass(frozen=True, eq=False)
class Past:
    """The frame before.

    Attributes:
        drawing: uint8 (H, W, 3) RGB, as it was given back.
        reduced: uint8 (h, w, 3) RGB each: the frame, its drawing, its steadied drawing.
    """

    drawing: RgbImage
    reduced: tuple[RgbImage, RgbImage, RgbImage]


class Steadier:
    """Takes the flicker out of successive drawings.

    Args:
        steady: 0..1; 0 gives the drawings back as they are.

    Attributes:
        errors: How much the clip and its drawings differ from frame to frame.
    """

    def __init__(self, steady: float) -> None:
        self._share = MAX_SHARE * steady
        self._past: Past | None = None
        self.errors = WarpingErrors()

    def __call__(self, drawing: RgbImage, moment: Moment) -> RgbImage:
        """Steadies the next drawing.

        Args:
            drawing: uint8 (H, W, 3) RGB.
            moment: The frame that it is a drawing of.

        Returns:
            uint8 (H, W, 3) RGB.
        """
        past, steadied = self._past, drawing
        if past is not None and moment.motion is not None and self._share > 0:
            steadied = self._averaged(drawing, past, moment, moment.motion)
        size = (moment.photo.shape[1], moment.photo.shape[0])
        raw, after = (
            np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
            for picture in (drawing, steadied)
        )
        if past is not None and moment.motion is not None:
            pairs = zip(past.reduced, (moment.photo, raw, after), strict=True)
            self.errors.add(moment.motion, *pairs)
        self._past = Past(steadied, (moment.photo, raw, after))
        return steadied

    def _averaged(self, drawing: RgbImage, past: Past, moment: Moment, motion: Motion) -> RgbImage:
        before = warp(past.reduced[0], motion.flow)
        change = moment.photo.astype(np.float32) - before.astype(np.float32)
        light = _light(change, motion.seen)
        share = self._share * agreement(change - light, moment.grey) * motion.seen
        share = cv2.blur(share, (3, 3))
        size = (drawing.shape[1], drawing.shape[0])
        moved = warp(past.drawing, motion.at_size(size), cv2.INTER_LANCZOS4)
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
    return np.asarray(np.exp(-((apart / forgiven) ** 2)))


def _light(change: Floats, seen: Floats) -> Floats:
    """How the light changed from one photo to the next, float32 (h, w, 3) in grey levels."""
    sigma = LIGHT_SHARE * max(seen.shape)
    weight = cv2.GaussianBlur(seen, (0, 0), sigma)[..., None] + np.float32(0.02)
    return np.asarray(cv2.GaussianBlur(change * seen[..., None], (0, 0), sigma) / weight)


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

    def add(self, motion: Motion, *pairs: tuple[RgbImage, RgbImage]) -> None:
        """Adds one frame.

        Args:
            motion: Of the clip, from the frame to the one before.
            *pairs: The frame before and the frame, uint8 (h, w, 3) RGB of the motion's size: of
                the clip, of the drawings, of the steadied drawings.
        """
        self._sums += [warping_error(before, after, motion) for before, after in pairs]
        self.count += 1

    @property
    def means(self) -> tuple[float, float, float]:
        """Of the clip, of its drawings, of its steadied drawings; in L*."""
        source, before, after = self._sums / max(1, self.count)
        return float(source), float(before), float(after)


def warping_error(before: RgbImage, after: RgbImage, motion: Motion) -> float:
    """Mean absolute difference in L* of a frame and the one before it, moved; where seen in both.

    Args:
        before: uint8 (h, w, 3) RGB.
        after: uint8 (h, w, 3) RGB.
        motion: From ``after`` to ``before``, of this size.
    """
    moved = warp(_lightness(before), motion.flow, cv2.INTER_LANCZOS4)
    difference = np.abs(np.asarray(moved, np.float32) - _lightness(after))
    return float((difference * motion.seen).sum() / max(1.0, float(motion.seen.sum())))


def _lightness(picture: NDArray[np.uint8]) -> Floats:
    """L*, float32 (h, w) in 0..100."""
    return np.asarray(
        cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)[..., 0].astype(np.float32) * (100 / 255)
    )
