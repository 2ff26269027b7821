"""Refinement of a face before it is drawn, region by region.

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

from pipeline.domain import Photo, RgbImage
from pipeline.faces.face import DetectedFace
from pipeline.faces.regions import GROUPS
from pipeline.faces.roi import Grid, face_roi, region_mask
from pipeline.settings import Options

Floats = NDArray[np.float32]

MAX_FACE_PX = 256.0  # width of a face at which it is refined
MIN_GLASSES_SHARE = 0.01  # of the ROI, from which on a face wears glasses
MIN_STRONG_LIGHT = 90.0  # grey levels between the bright and the dark side of a face's skin
MAX_EVENED = 0.5  # of such a difference
MAX_GAIN = 2.0  # of the dark side: more would show its noise
# Sigmas and radii in inter-ocular distances; edges and limits in grey levels.
SKIN_RADIUS, SKIN_EDGE = 0.07, 12.0
LIGHT_SIGMA, LIGHT_RIM = 0.25, 0.12
GLASSES_MARGIN = 0.08
EYE_MARGIN, EYE_SIGMA = 0.05, 0.15
MAX_EYE_DARKER, MAX_EYE_BRIGHTER = 40.0, 24.0  # much brighter skin around a brow is a halo
DETAIL_SIGMA, DETAIL_WEIGHT = 0.035, 1.0
LIPS_SIGMA, LIPS_WEIGHT = 0.12, 0.5
CONTOUR_SIGMA, CONTOUR_WEIGHT, MAX_CONTOUR = 0.06, 0.5, 24.0
MIN_DOWNSAMPLED_SIGMA = 3  # of a Gaussian on a downsampled copy, px


def refine_faces(
    photo: Photo, faces: Sequence[DetectedFace], options: Options
) -> tuple[Photo, tuple[DetectedFace, ...]]:
    """Refines the aligned faces of a photo.

    The order of the faces makes no difference: each is worked on as it was, and the changes are
    added.

    Args:
        photo: The photo; not written to.
        faces: Its faces.
        options: ``eye_enhance_ratio`` and ``skin_smoothing_factor`` are read.

    Returns:
        The refined Photo, the same object where no face is aligned; and the faces, with the names
        of their treatments.
    """
    sums, refined_faces = None, []
    for face in faces:
        roi = face_roi(face, photo.pixels.shape, MAX_FACE_PX, max_scale=1.0)
        if roi is None:
            refined_faces.append(face)
            continue
        before = roi.crop(photo.pixels)
        after, treatments = refine_roi(before, face, roi, options)
        refined_faces.append(replace(face, face=replace(face.face, refined=treatments)))
        change = after.astype(np.int16) - before
        if change.shape[1::-1] != roi.size:
            change = cv2.resize(change, roi.size, interpolation=cv2.INTER_LINEAR)
        if sums is None:
            sums = photo.pixels.astype(np.int16)
        sums[roi.area] += change
    if sums is None:
        return photo, tuple(faces)
    return Photo(np.clip(sums, 0, 255).astype(np.uint8), photo.alpha), tuple(refined_faces)


def refine_roi(
    crop: RgbImage, face: DetectedFace, roi: Grid, options: Options
) -> tuple[RgbImage, tuple[str, ...]]:
    """Refines what a ROI shows of an aligned face.

    Args:
        crop: uint8 (h, w, 3) RGB on the ROI's grid; not written to.
        face: The face.
        roi: Where the crop lies.
        options: As ``refine_faces``.

    Returns:
        The refined crop and the names of the treatments: "light", "skin", "lips", "eyes",
        "brows", "contours".
    """
    masks = {name: region_mask(face, roi, name) for name in GROUPS}
    eye_distance = face.eye_distance_px * roi.scale
    bare = np.ones(crop.shape[:2], np.float32)  # not behind glasses
    if masks["glasses"].sum() > MIN_GLASSES_SHARE * crop.shape[0] * crop.shape[1]:
        bare -= _grown(masks["glasses"], GLASSES_MARGIN * eye_distance)
    pixels = crop.astype(np.float32)
    treatments = []
    skin = masks["skin"] * bare
    light_gain = _even_light(_luma(pixels), masks["face"] * bare, skin, eye_distance)
    if light_gain is not None:
        pixels *= light_gain[..., None]
        treatments.append("light")
    if options.skin_smoothing_factor > 0 and skin.max() > 0.5:
        smooth = _guided_filter(pixels, max(1, round(SKIN_RADIUS * eye_distance)))
        pixels += (options.skin_smoothing_factor * skin)[..., None] * (smooth - pixels)
        treatments.append("skin")
    if masks["lips"].max() > 0.5:
        area = _bounds(masks["lips"], LIPS_SIGMA * eye_distance)
        pixels[area] += _even_tone(pixels[area], masks["lips"][area], eye_distance)
        treatments.append("lips")
    luma = _luma(pixels)
    if options.eye_enhance_ratio > 1:
        for name in ("eyes", "brows"):
            if (masks[name] * bare).max() > 0.5:
                area = _bounds(masks[name], EYE_SIGMA * eye_distance)
                weight = _grown(masks[name][area], EYE_MARGIN * eye_distance) * bare[area]
                gain = options.eye_enhance_ratio - 1
                change = _raise_contrast(luma[area], weight, gain, eye_distance)
                pixels[area] += change[..., None]
                treatments.append(name)
    borders = (_border(masks[name], eye_distance) for name in ("face", "head"))
    contours = np.maximum(*borders) * bare
    if contours.max() > 0.5:
        detail = luma - _blurred(luma, CONTOUR_SIGMA * eye_distance)
        change = np.clip(CONTOUR_WEIGHT * detail, -MAX_CONTOUR, MAX_CONTOUR)
        pixels += (contours * change)[..., None]
        treatments.append("contours")
    return np.clip(pixels + 0.5, 0, 255).astype(np.uint8), tuple(treatments)


def enhance_eyes(crop: RgbImage, face: DetectedFace, roi: Grid, gain: float) -> RgbImage:
    """Raises the contrast of the eyes alone.

    Args:
        crop: uint8 (h, w, 3) RGB on the ROI's grid.
        face: The face.
        roi: Where the crop lies.
        gain: By which share the contrast grows; negative: shrinks.

    Returns:
        uint8 (h, w, 3) RGB; the same object where the gain is 0 or the eyes are hidden.
    """
    eyes = region_mask(face, roi, "eyes")
    if gain == 0 or eyes.max() <= 0.5:
        return crop
    eye_distance = face.eye_distance_px * roi.scale
    area = _bounds(eyes, EYE_SIGMA * eye_distance)
    weight = _grown(eyes[area], EYE_MARGIN * eye_distance)
    pixels = crop.astype(np.float32)
    change = _raise_contrast(_luma(pixels[area]), weight, gain, eye_distance)
    pixels[area] += change[..., None]
    return np.clip(pixels + 0.5, 0, 255).astype(np.uint8)


def _even_light(luma: Floats, face: Floats, skin: Floats, eye_distance: float) -> Floats | None:
    """The gain (h, w) that brings the bright and the dark side of a face nearer to each other.

    A share of the smooth part of the light is taken back, no more than makes it ordinary. A gain,
    since light multiplies: what is brightened keeps its colour. None where the light is even
    enough.
    """
    sure = skin > 0.8
    if not sure.any():
        return None
    share = _blurred(skin, LIGHT_SIGMA * eye_distance) + np.float32(1e-3)
    light = _blurred(luma * skin, LIGHT_SIGMA * eye_distance) / share
    dark, bright = np.percentile(light[sure], (5, 95))
    if bright - dark <= MIN_STRONG_LIGHT:
        return None
    evened = min(MAX_EVENED, 1 - MIN_STRONG_LIGHT / float(bright - dark))
    # nothing on the face's rim: where that lies is not sure, and a step in the light would be seen
    inside = np.clip(2 * _blurred(face, LIGHT_RIM * eye_distance) - 1, 0, 1)
    change = (light[sure].mean() - light) * np.float32(evened) * inside
    gain: Floats = 1 + np.minimum(change / np.maximum(light, 1), MAX_GAIN - 1)
    return gain


def _guided_filter(pixels: Floats, radius_px: int) -> Floats:
    """(h, w, 3) smoothed where it is flat, guided by its own lightness.

    So an edge in lightness stays an edge in the colours. He, Sun, Tang, "Guided image filtering",
    ECCV 2010.
    """

    def mean(values: NDArray[np.floating[Any]]) -> Floats:
        side = 2 * radius_px + 1
        return np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT))

    guide = _luma(pixels)
    guide_mean = mean(guide)
    variance = mean(guide * guide) - guide_mean * guide_mean + np.float32(SKIN_EDGE**2)
    average = mean(pixels)
    covariance = mean(pixels * guide[..., None]) - average * guide_mean[..., None]
    gain = covariance / variance[..., None]
    offset = average - gain * guide_mean[..., None]
    return mean(gain) * guide[..., None] + mean(offset)


def _even_tone(pixels: Floats, weight: Floats, eye_distance: float) -> Floats:
    """The change (h, w, 3) that brings what ``weight`` covers nearer to its own tone around.

    Of differences in lightness, which are its shape, half. On the whole the tone stays.
    """
    share = _blurred(weight, LIPS_SIGMA * eye_distance)[..., None] + np.float32(1e-3)
    around = _blurred(pixels * weight[..., None], LIPS_SIGMA * eye_distance) / share
    change = around - pixels
    change -= np.float32(0.5) * _luma(change)[..., None]
    square = (weight * weight)[..., None]
    change -= (change * square).sum((0, 1)) / square.sum()
    return LIPS_WEIGHT * weight[..., None] * change


def _raise_contrast(luma: Floats, weight: Floats, gain: float, eye_distance: float) -> Floats:
    """The change of lightness that raises the contrast of what ``weight`` covers, and sharpens it.

    ``gain`` is 0.4 for a ratio of 1.4; the bright gains less than the dark loses.
    """
    share = _blurred(weight, EYE_SIGMA * eye_distance) + np.float32(1e-3)
    contrast = luma - _blurred(luma * weight, EYE_SIGMA * eye_distance) / share
    detail = luma - _blurred(luma, DETAIL_SIGMA * eye_distance)
    change = np.float32(gain) * (contrast + np.float32(DETAIL_WEIGHT) * detail)
    return weight * np.clip(change, -MAX_EYE_DARKER, MAX_EYE_BRIGHTER)


def _border(mask: Floats, eye_distance: float) -> Floats:
    """1 on the border of a mask, 0 away from it."""
    soft = _blurred(mask, CONTOUR_SIGMA * eye_distance)
    return 4 * soft * (1 - soft)


def _bounds(mask: Floats, margin_px: float) -> tuple[slice, slice]:
    """Rows and columns that hold all of a mask, and on each side twice a margin."""
    margin = math.ceil(2 * margin_px)
    spans = []
    for axis in (1, 0):
        covered = np.flatnonzero(mask.max(axis) > 0)
        spans.append(slice(max(0, int(covered[0]) - margin), int(covered[-1]) + margin + 1))
    return spans[0], spans[1]


def _grown(mask: Floats, margin_px: float) -> Floats:
    """The mask, wider by a margin, and softened."""
    side = 2 * max(1, round(margin_px)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return _blurred(cv2.dilate(mask, disc), margin_px / 2)


def _blurred(values: Floats, sigma_px: float) -> Floats:
    """Gaussian blur; wide kernels run on a downsampled copy, which gives the same result."""
    sigma_px = max(0.3, sigma_px)
    factor = int(sigma_px / MIN_DOWNSAMPLED_SIGMA)
    if factor < 2 or min(values.shape[:2]) < 4 * factor:
        return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma_px))
    height, width = values.shape[:2]
    size = (round(width / factor), round(height / factor))
    small = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), sigma_px / factor)
    return np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR))


def _luma(pixels: Floats) -> Floats:
    return pixels @ np.array([0.299, 0.587, 0.114], np.float32)
