"""The target of a face style: the teacher's lines and eyes, the photo's skin.

AnimeGANv3's face models paint every skin nearly white. What they add to a region of the head on
the whole, and smoothly within it, is taken back region by region, so that skin keeps its tone and
neither the dark of eyes and lips nor that of the hair bleeds into it.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import RgbImage
from pipeline.faces.align import ALIGNED_PX
from pipeline.faces.parse import REGIONS

Parse = Callable[[RgbImage], NDArray[np.float32]]
Floats = NDArray[np.float32]

GROUPS = {
    "skin": ("skin", "nose", "left_ear", "right_ear", "neck"),
    "features": (
        *("left_eye", "right_eye", "left_brow", "right_brow", "glasses"),
        *("mouth", "upper_lip", "lower_lip"),
    ),
    "hair": ("hair", "hat", "earring"),
    "bright": ("left_eye", "right_eye", "mouth"),  # their whites stay whiter than the skin
}
SIGMA = 18 / 448  # of the low frequencies, in sides of the head's square
BRIGHT_SHARE = 0.4  # of the skin's change, in bright regions
FEATURE_MARGIN = 4 / 448
MIN_MASK_PX = 50  # a smaller region changes nothing
REDUCED = 4  # what is smooth needs no more pixels
# Small unevenness of the skin is not drawn; a beard and the shade of a lamp are. What deviates
# from the skin's mean by less than the first keeps MIN_UNEVENNESS of it, by the second all of it.
UNEVENNESS = (3.0, 12.0)  # of L
MIN_UNEVENNESS = 0.35
UNEVEN_CHROMA = 0.5


def keep_skin(photo: RgbImage, drawing: RgbImage, parse: Parse, photo_share: float) -> RgbImage:
    """Gives a teacher's drawing of a head the photo's tones, region by region.

    Args:
        photo: uint8 (S, S, 3) RGB, a head as ``training.data.heads`` cuts it.
        drawing: The teacher's drawing of it, of the same size.
        parse: Gives float32 (19, S, S), the probabilities of a head's regions.
        photo_share: Share of the photo in the low frequencies of lightness and colour.

    Returns:
        uint8 (S, S, 3) RGB.
    """
    side = photo.shape[0]
    of_photo, of_drawing = (_parsed(pixels, parse) for pixels in (photo, drawing))
    margin = 2 * round(FEATURE_MARGIN * side) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (margin, margin))
    hidden = cv2.dilate(np.maximum(of_photo["features"], of_drawing["features"]), disc)
    photo_lab, drawing_lab = _to_lab(photo), _to_lab(drawing)
    change = photo_lab - drawing_lab
    skin, hair = (np.minimum(of_photo[name], of_drawing[name]) for name in ("skin", "hair"))
    covered = [of["skin"] + of["features"] + of["hair"] for of in (of_photo, of_drawing)]
    around = np.clip(1 - np.maximum(*covered), 0, 1)

    sigma = SIGMA * side
    of_skin = _smooth_within(change, skin * (1 - hidden), sigma, even=True)
    of_hair = _smooth_within(change, hair, sigma)
    of_around = _smooth_within(change, around, sigma)
    face_share = _soft(of_drawing["skin"] + of_drawing["features"])
    hair_share = _soft(of_drawing["hair"])
    around_share = np.clip(1 - face_share - hair_share, 0, 1)
    of_face = of_skin * (1 - (1 - BRIGHT_SHARE) * _soft(of_drawing["bright"]))
    total = face_share * of_face + hair_share * of_hair + around_share * of_around
    total /= face_share + hair_share + around_share
    lab = np.clip(drawing_lab + photo_share * total, (0, -127, -127), (100, 127, 127))
    rgb = cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_LAB2RGB)
    return np.clip(rgb * 255 + 0.5, 0, 255).astype(np.uint8)


def _smooth_within(change: Floats, mask: Floats, sigma: float, even: bool = False) -> Floats:
    """The smooth part of a change where a mask is, from there alone, float32 (S, S, 3).

    Away from the mask a smoother part, and at last the mean. ``even`` takes small unevenness out.
    """
    if mask.sum() < MIN_MASK_PX:
        return np.zeros_like(change)
    height, width = mask.shape
    size = (width // REDUCED, height // REDUCED)
    weighed = cv2.resize(change * mask[..., None], size, interpolation=cv2.INTER_AREA)
    small = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    mean = weighed.sum((0, 1)) / small.sum()
    smooth = np.broadcast_to(mean, weighed.shape).astype(np.float32)
    for wide, trusted in ((3 * sigma / REDUCED, 0.01), (sigma / REDUCED, 0.05)):
        weight = cv2.GaussianBlur(small, (0, 0), wide)[..., None]
        part = cv2.GaussianBlur(weighed, (0, 0), wide) / np.maximum(weight, 1e-4)
        trust = np.clip(weight / trusted, 0, 1)
        smooth = trust * part + (1 - trust) * smooth
    if even:
        smooth = mean + _evened(smooth - mean)
    return np.asarray(cv2.resize(smooth, (width, height), interpolation=cv2.INTER_CUBIC))


def _evened(deviation: Floats) -> Floats:
    """Deviations from a skin's mean, (h, w, 3) of L, a, b, with the small ones reduced."""
    low, high = UNEVENNESS
    large = np.clip((np.abs(deviation[..., :1]) - low) / (high - low), 0, 1)
    lightness = deviation[..., :1] * (MIN_UNEVENNESS + (1 - MIN_UNEVENNESS) * large)
    return np.concatenate([lightness, UNEVEN_CHROMA * deviation[..., 1:]], 2)


def _parsed(pixels: RgbImage, parse: Parse) -> dict[str, Floats]:
    """The probabilities of GROUPS, float32 (S, S), parsed at the size that the pipeline parses."""
    side = pixels.shape[0]
    small = cv2.resize(pixels, (ALIGNED_PX, ALIGNED_PX), interpolation=cv2.INTER_AREA)
    probabilities = parse(small)
    groups = {}
    for name, regions in GROUPS.items():
        plane = probabilities[[REGIONS.index(region) for region in regions]].sum(0)
        groups[name] = np.asarray(cv2.resize(plane, (side, side), interpolation=cv2.INTER_LINEAR))
    return groups


def _soft(mask: Floats) -> Floats:
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), 1.5))[..., None]


def _to_lab(rgb: RgbImage) -> Floats:
    return np.asarray(cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB))
