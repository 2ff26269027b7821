"""The care for a face before it is drawn, region by region.

What a generator keeps of a face is what stands out at the scale it draws at. So eyes, brows and
contours are made to stand out, and what should not become lines (pores, blotches, the sheen of a
lamp) is evened. Every treatment is a small change of what is there: nothing moves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import Photo, Picture
from pipeline.faces.find import GROUPS
from pipeline.faces.place import Found, Place, eye_distance_px, mask_in, place_of
from pipeline.settings import Options

Floats = NDArray[np.float32]

FINEST_PX = 256.0  # width of a face at which it is treated, at most
GLASSES_SHARE = 0.01  # of the aligned square, from which on a face wears glasses
STRONG_LIGHT = 90.0  # grey levels between the bright and the dark side of a face's skin
MOST_EVENED = 0.5  # of such a difference
MOST_GAIN = 2.0  # of the dark side: more would show its noise
# Sigmas and radii in distances between the eyes; edges and limits in grey levels.
SKIN_REACH, SKIN_EDGE = 0.07, 12.0
LIGHT_REACH, LIGHT_RIM = 0.25, 0.12
GLASSES_MARGIN = 0.08
EYE_MARGIN, EYE_REACH = 0.05, 0.15
EYE_DARKER, EYE_BRIGHTER = 40.0, 24.0  # at most: much brighter skin around a brow is a halo
DETAIL_REACH, DETAIL_WEIGHT = 0.035, 1.0
LIPS_REACH, LIPS_WEIGHT = 0.12, 0.5
CONTOUR_REACH, CONTOUR_WEIGHT, CONTOUR_MOST = 0.06, 0.5, 24.0


def refine_faces(
    photo: Photo, found: Sequence[Found], options: Options
) -> tuple[Photo, tuple[Found, ...]]:
    """in: a Photo and its faces; out: the Photo with those refined that are cared for, the same
    object where none is, and the faces, which say how. The order of the faces makes no
    difference: each is worked on as it was, and the changes are added.
    """
    sums, told = None, []
    for one in found:
        place = place_of(one, photo.pixels.shape, FINEST_PX, most_scale=1.0)
        if place is None:
            told.append(one)
            continue
        before = place.shown(photo.pixels)
        after, done = refined(before, one, place, options)
        told.append(replace(one, face=replace(one.face, refined=done)))
        change = after.astype(np.int16) - before
        if change.shape[1::-1] != place.size:
            change = cv2.resize(change, place.size, interpolation=cv2.INTER_LINEAR)
        if sums is None:
            sums = photo.pixels.astype(np.int16)
        sums[place.area] += change
    if sums is None:
        return photo, tuple(found)
    return Photo(np.clip(sums, 0, 255).astype(np.uint8), photo.alpha), tuple(told)


def refined(
    part: Picture, one: Found, place: Place, options: Options
) -> tuple[Picture, tuple[str, ...]]:
    """in: uint8 (h, w, 3), what ``place`` shows of an aligned face; out: the same refined, and
    the names of the treatments: "light", "skin", "lips", "eyes", "brows", "contours".
    """
    masks = {name: mask_in(one, place, name) for name in GROUPS}
    apart = eye_distance_px(one, place)
    bare = np.ones(part.shape[:2], np.float32)  # not behind glasses
    if masks["glasses"].sum() > GLASSES_SHARE * part.shape[0] * part.shape[1]:
        bare -= _grown(masks["glasses"], GLASSES_MARGIN * apart)
    pixels = part.astype(np.float32)
    done = []
    skin = masks["skin"] * bare
    evened = _even_light(_luma(pixels), masks["face"] * bare, skin, apart)
    if evened is not None:
        pixels *= evened[..., None]
        done.append("light")
    if options.skin_smoothing_factor > 0 and skin.max() > 0.5:
        smooth = _smoothed(pixels, max(1, round(SKIN_REACH * apart)))
        pixels += (options.skin_smoothing_factor * skin)[..., None] * (smooth - pixels)
        done.append("skin")
    if masks["lips"].max() > 0.5:
        area = _around(masks["lips"], LIPS_REACH * apart)
        pixels[area] += _even_tone(pixels[area], masks["lips"][area], apart)
        done.append("lips")
    luma = _luma(pixels)
    if options.eye_enhance_ratio > 1:
        for name in ("eyes", "brows"):
            if (masks[name] * bare).max() > 0.5:
                area = _around(masks[name], EYE_REACH * apart)
                weight = _grown(masks[name][area], EYE_MARGIN * apart) * bare[area]
                change = _stand_out(luma[area], weight, options.eye_enhance_ratio - 1, apart)
                pixels[area] += change[..., None]
                done.append(name)
    contours = np.maximum(_border(masks["face"], apart), _border(masks["head"], apart)) * bare
    if contours.max() > 0.5:
        detail = luma - _blurred(luma, CONTOUR_REACH * apart)
        change = np.clip(CONTOUR_WEIGHT * detail, -CONTOUR_MOST, CONTOUR_MOST)
        pixels += (contours * change)[..., None]
        done.append("contours")
    return np.clip(pixels + 0.5, 0, 255).astype(np.uint8), tuple(done)


def _even_light(luma: Floats, face: Floats, skin: Floats, apart: float) -> Floats | None:
    """The gain (h, w) that brings the bright and the dark side of a face nearer to each other: of
    what light does there, its smooth part, some is taken back, and no more than makes it ordinary.
    A gain, since light multiplies: what is brightened keeps its colour. None where the light is
    even enough.
    """
    sure = skin > 0.8
    if not sure.any():
        return None
    share = _blurred(skin, LIGHT_REACH * apart) + np.float32(1e-3)
    light = _blurred(luma * skin, LIGHT_REACH * apart) / share
    dark, bright = np.percentile(light[sure], (5, 95))
    if bright - dark <= STRONG_LIGHT:
        return None
    taken = min(MOST_EVENED, 1 - STRONG_LIGHT / float(bright - dark))
    # nothing on its rim: where that lies is not sure, and a step in the light would be seen
    inside = np.clip(2 * _blurred(face, LIGHT_RIM * apart) - 1, 0, 1)
    change = (light[sure].mean() - light) * np.float32(taken) * inside
    gain: Floats = 1 + np.minimum(change / np.maximum(light, 1), MOST_GAIN - 1)
    return gain


def _smoothed(pixels: Floats, radius_px: int) -> Floats:
    """(h, w, 3) smoothed where it is flat: He, Sun, Tang, "Guided image filtering", ECCV 2010,
    guided by its own lightness, so that an edge in that stays an edge in the colours.
    """

    def mean(values: NDArray[np.floating[Any]]) -> Floats:
        side = 2 * radius_px + 1
        return np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT))

    guide = _luma(pixels)
    middle = mean(guide)
    spread = mean(guide * guide) - middle * middle + np.float32(SKIN_EDGE**2)
    average = mean(pixels)
    gain = (mean(pixels * guide[..., None]) - average * middle[..., None]) / spread[..., None]
    offset = average - gain * middle[..., None]
    return mean(gain) * guide[..., None] + mean(offset)


def _even_tone(pixels: Floats, weight: Floats, apart: float) -> Floats:
    """The change (h, w, 3) that brings what ``weight`` covers nearer to its own tone around;
    of differences in lightness, which are its shape, half. On the whole the tone stays.
    """
    share = _blurred(weight, LIPS_REACH * apart)[..., None] + np.float32(1e-3)
    around = _blurred(pixels * weight[..., None], LIPS_REACH * apart) / share
    change = around - pixels
    change -= np.float32(0.5) * _luma(change)[..., None]
    square = (weight * weight)[..., None]
    change -= (change * square).sum((0, 1)) / square.sum()
    return LIPS_WEIGHT * weight[..., None] * change


def _stand_out(luma: Floats, weight: Floats, more: float, apart: float) -> Floats:
    """The change of lightness that raises the contrast of what ``weight`` covers by ``more``, 0.4
    for a ratio of 1.4, and makes it sharper; the bright gains less than the dark loses.
    """
    share = _blurred(weight, EYE_REACH * apart) + np.float32(1e-3)
    contrast = luma - _blurred(luma * weight, EYE_REACH * apart) / share
    detail = luma - _blurred(luma, DETAIL_REACH * apart)
    change = np.float32(more) * (contrast + np.float32(DETAIL_WEIGHT) * detail)
    return weight * np.clip(change, -EYE_DARKER, EYE_BRIGHTER)


def _border(mask: Floats, apart: float) -> Floats:
    """1 on the border of a mask, 0 away from it."""
    soft = _blurred(mask, CONTOUR_REACH * apart)
    return 4 * soft * (1 - soft)


def _around(mask: Floats, margin_px: float) -> tuple[slice, slice]:
    """Rows and columns that hold all of a mask, and on each side twice a margin."""
    margin = math.ceil(2 * margin_px)
    spans = []
    for axis in (1, 0):
        there = np.flatnonzero(mask.max(axis) > 0)
        spans.append(slice(max(0, int(there[0]) - margin), int(there[-1]) + margin + 1))
    return spans[0], spans[1]


def _grown(mask: Floats, margin_px: float) -> Floats:
    """The mask, wider by a margin, and softened."""
    side = 2 * max(1, round(margin_px)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return _blurred(cv2.dilate(mask, disc), margin_px / 2)


def _blurred(values: Floats, sigma_px: float) -> Floats:
    """Gaussian; a wide one is taken of averages, which it cannot tell from what they are of."""
    sigma_px = max(0.3, sigma_px)
    by = int(sigma_px / 3)
    if by < 2 or min(values.shape[:2]) < 4 * by:
        return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma_px))
    height, width = values.shape[:2]
    size = (round(width / by), round(height / by))
    small = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), sigma_px / by)
    return np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR))


def _luma(pixels: Floats) -> Floats:
    return pixels @ np.array([0.299, 0.587, 0.114], np.float32)
