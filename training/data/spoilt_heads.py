"""Bad selfies made of good ones: what cameras, small pictures and messengers leave of heads."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.degradations import Blur, Brighten, Darken, Jpeg, Noise, Step, degrade

CLEAN_SHARE = 0.35
FACE_SHARE = 0.55  # of a window's side
FACE_PX = (22.0, 235.0)  # how wide the face is in the spoilt photo
BLUR = 6 / 128  # of a face's width, at most
SMALL_PX = 48.0  # a face under it is blurred less: nothing would be left of it
NOISE = (1.0, 25.0)  # sigma in grey levels
JPEG_QUALITY = (20, 96)
MAX_STOPS = 2.5  # darker, and brightened again


def spoil(photo: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """in, out: uint8 (S, S, 3), a window with one head; about a third are left as they are."""
    if random.random() < CLEAN_SHARE:
        return photo
    low, high = np.log(FACE_PX)
    return spoil_to(photo, float(np.exp(random.uniform(low, high))), float(random.random()), random)


def spoil_to(
    photo: NDArray[np.uint8], face_px: float, badness: float, random: np.random.Generator
) -> NDArray[np.uint8]:
    """Spoils a head to a degree.

    Args:
        photo: uint8 (S, S, 3) RGB, a window with one head.
        face_px: How wide the face becomes, before it is enlarged again.
        badness: Share of the strongest blur, 0..1. Noise, darkness and JPEG come by chance.
        random: Decides on those.

    Returns:
        uint8 (S, S, 3) RGB.
    """
    side = photo.shape[0]
    small = min(side, max(24, round(face_px / FACE_SHARE)))
    reduced = photo
    if small < side:
        reduced = cv2.resize(photo, (small, small), interpolation=cv2.INTER_AREA)
    face_px = FACE_SHARE * small
    steps: list[Step] = []
    sigma = badness * BLUR * face_px * min(1.0, face_px / SMALL_PX)
    if sigma > 0.3:
        kind = ("gaussian", "motion", "defocus")[random.choice(3, p=(0.6, 0.15, 0.25))]
        steps.append(Blur(sigma, kind, float(random.uniform(0, 180))))
    chance = random.random(3)
    stops = float(random.uniform(0.5, MAX_STOPS)) if chance[0] < 0.15 else 0.0
    if stops:
        steps.append(Darken(stops))
    if chance[1] < 0.5 or stops:
        sigma = float(np.exp(random.uniform(*np.log(NOISE)))) / 2**stops
        steps.append(Noise(sigma, poisson=bool(random.random() < 0.4)))
    if chance[2] < 0.6:
        steps.append(Jpeg(int(random.integers(*JPEG_QUALITY))))
    if stops:
        steps.append(Brighten(stops))
    spoilt, _ = degrade(reduced, steps, int(random.integers(2**31)))
    if small < side:
        way = (cv2.INTER_CUBIC, cv2.INTER_LINEAR, cv2.INTER_LANCZOS4)[random.choice(3)]
        spoilt = cv2.resize(spoilt, (side, side), interpolation=way)
    return spoilt
