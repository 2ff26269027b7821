"""The colours of a portrait's target: the teacher's lines and eyes, the photo's skin.

AnimeGANv3's face models paint every skin nearly white. What they add to a region of the head on
the whole, and smoothly within it, is taken back region by region, so that skin keeps its tone and
neither the dark of eyes and lips nor that of the hair bleeds into it.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.faces.align import ALIGNED_PX
from pipeline.faces.parse import REGIONS

Parse = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
Floats = NDArray[np.float32]

SKIN = ("skin", "nose", "left_ear", "right_ear", "neck")
FEATURES = (
    "left_eye", "right_eye", "left_brow", "right_brow", "glasses", "mouth", "upper_lip",
    "lower_lip",
)  # fmt: skip
HAIR = ("hair", "hat", "earring")
BRIGHT = ("left_eye", "right_eye", "mouth")  # their whites stay whiter than the skin around

SIGMA = 18 / 448  # of the low frequencies, in sides of the window
PHOTO_SHARE = 0.85  # of the low frequencies
BRIGHT_SHARE = 0.4  # of what the skin is changed by
FEATURE_MARGIN = 4 / 448
# Small unevenness of the skin is not drawn, a beard and the shade of a lamp are: what deviates
# from the skin's mean by less than the first keeps MIN_UNEVENNESS of it, by the second all of it.
UNEVENNESS = (3.0, 12.0)  # of L
MIN_UNEVENNESS = 0.35
UNEVEN_CHROMA = 0.5
REDUCED = 4


def keep_skin(photo: NDArray[np.uint8], drawing: NDArray[np.uint8], parse: Parse) -> Floats:
    """The target of a head.

    Args:
        photo: uint8 (S, S, 3) RGB, a head as ``training.heads`` cuts it.
        drawing: the teacher's drawing of it, of the same size.
        parse: gives float32 (19, S, S), the probabilities of a head's regions.

    Returns:
        uint8 (S, S, 3) RGB.
    """
    side = photo.shape[0]
    of_photo, of_drawing = (_parsed(pixels, parse) for pixels in (photo, drawing))
    skin, features, hair = (_both(of_photo, of_drawing, n) for n in (SKIN, FEATURES, HAIR))
    margin = 2 * round(FEATURE_MARGIN * side) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (margin, margin))
    hidden = cv2.dilate(np.maximum(*features), disc)
    photo_lab, drawing_lab = _to_lab(photo), _to_lab(drawing)
    change = photo_lab - drawing_lab
    sigma = SIGMA * side
    of_skin = _smooth_within(change, np.minimum(*skin) * (1 - hidden), sigma, even=True)
    of_hair = _smooth_within(change, np.minimum(*hair), sigma)
    covered = [s + f + h for s, f, h in zip(skin, features, hair, strict=True)]
    around = np.clip(1 - np.maximum(*covered), 0, 1)
    of_around = _smooth_within(change, around, sigma)

    share = [_soft(skin[1] + features[1]), _soft(hair[1])]
    share.append(np.clip(1 - share[0] - share[1], 0, 1))
    bright = _soft(_of(of_drawing, BRIGHT))
    of_face = of_skin * (1 - (1 - BRIGHT_SHARE) * bright)
    total = share[0] * of_face + share[1] * of_hair + share[2] * of_around
    total /= share[0] + share[1] + share[2]
    lab = drawing_lab + PHOTO_SHARE * total
    lab = np.clip(lab, (0, -127, -127), (100, 127, 127)).astype(np.float32)
    rgb = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
    return np.clip(rgb * 255 + 0.5, 0, 255).astype(np.uint8)


def _smooth_within(change: Floats, mask: Floats, sigma: float, even: bool = False) -> Floats:
    """float32 (S, S, 3): the smooth part of a change where the mask is, from there alone; away
    from it a smoother part, and at last its mean. ``even``: small unevenness is taken out.
    """
    if mask.sum() < 50:
        return np.zeros_like(change)
    height, width = mask.shape
    size = (width // REDUCED, height // REDUCED)  # what is smooth needs no more pixels
    weighed = cv2.resize(change * mask[..., None], size, interpolation=cv2.INTER_AREA)
    mask = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    sigma /= REDUCED
    mean = weighed.sum((0, 1)) / mask.sum()
    smooth = np.broadcast_to(mean, weighed.shape).astype(np.float32)
    for wide, trusted in ((3 * sigma, 0.01), (sigma, 0.05)):
        weight = cv2.GaussianBlur(mask, (0, 0), wide)[..., None]
        part = cv2.GaussianBlur(weighed, (0, 0), wide) / np.maximum(weight, 1e-4)
        trust = np.clip(weight / trusted, 0, 1)
        smooth = trust * part + (1 - trust) * smooth
    if even:
        deviation = smooth - mean
        least, most = UNEVENNESS
        large = np.clip((np.abs(deviation[..., :1]) - least) / (most - least), 0, 1)
        deviation[..., :1] *= MIN_UNEVENNESS + (1 - MIN_UNEVENNESS) * large
        deviation[..., 1:] *= UNEVEN_CHROMA
        smooth = mean + deviation
    smooth = cv2.resize(smooth, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth, np.float32)


def _parsed(pixels: NDArray[np.uint8], parse: Parse) -> Floats:
    """float32 (19, S, S) of a head, parsed at the size at which the pipeline parses it."""
    small = cv2.resize(pixels, (ALIGNED_PX, ALIGNED_PX), interpolation=cv2.INTER_AREA)
    probabilities = np.ascontiguousarray(parse(small).transpose(1, 2, 0))
    side = pixels.shape[0]
    groups = [
        probabilities[..., [REGIONS.index(n) for n in names]].sum(-1)
        for names in (SKIN, FEATURES, HAIR, BRIGHT)
    ]
    return {
        names: cv2.resize(g, (side, side), interpolation=cv2.INTER_LINEAR)
        for names, g in zip((SKIN, FEATURES, HAIR, BRIGHT), groups)
    }


def _both(of_photo: Floats, of_drawing: Floats, names: tuple[str, ...]) -> tuple[Floats, Floats]:
    return _of(of_photo, names), _of(of_drawing, names)


def _of(probabilities: Floats, names: tuple[str, ...]) -> Floats:
    return np.asarray(probabilities[names], np.float32)


def _soft(mask: Floats) -> Floats:
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), 1.5))[..., None]


def _to_lab(rgb: NDArray[np.uint8]) -> Floats:
    return np.asarray(cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB))
