"""The colours of a distillation target: a teacher's drawing, graded as a film of its own.

The teachers draw much alike. What makes two looks two films is their light and their palette,
and what keeps people themselves is that skin is spared.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

QUANTILES = np.linspace(0.02, 0.98, 9)
LOW_FREQUENCY_PX = 18.0  # sigma of what counts as the light of a place, not its drawing
SKIN_LOW_FREQUENCY_PX = 6.0
CHROMA_KNEE, MAX_CHROMA = 50.0, 84.0  # above the knee chroma is compressed towards the maximum

GrayImage = NDArray[np.float32]
Tint = tuple[float, float]  # a and b of CIELAB


@dataclass(frozen=True)
class HueGrade:
    """What happens to the colours around one hue.

    ``hue_deg``: angle in CIELAB's (a, b): 30 red, 70 orange, 100 yellow, 130 green, 260 blue.
    ``width_deg``: the distance at which the effect ends. ``turn_deg`` is added to the hue,
    ``gain`` multiplies the chroma, ``lightness`` is added to L.
    """

    hue_deg: float
    width_deg: float
    turn_deg: float = 0.0
    gain: float = 1.0
    lightness: float = 0.0


@dataclass(frozen=True)
class Grade:
    """How a teacher's drawing is coloured. Shares are 0..1; L, a and b are CIELAB's."""

    photo_tones: float = 0.3  # share of the photo's distribution of lightness
    photo_light: float = 0.0  # share of the photo's low frequencies of lightness
    teacher_chroma: float = 0.7  # share of the teacher's chroma, the rest is the photo's
    chroma: float = 1.0  # gain
    lightness: float = 0.0  # added to L at middle grey, less towards black and white
    contrast: float = 0.0  # steepness of an S-curve around middle grey
    shadows: Tint = (0.0, 0.0)  # tints, none on black and white themselves
    middles: Tint = (0.0, 0.0)
    highlights: Tint = (0.0, 0.0)
    hues: tuple[HueGrade, ...] = ()
    spared_skin: float = 0.8  # how far colours like skin's stay the photo's
    smoothing: float = 0.0  # range sigma in grey levels of a filter against a teacher's grid


def grade_drawing(
    photo: NDArray[np.uint8], drawing: NDArray[np.uint8], grade: Grade
) -> NDArray[np.uint8]:
    """Gives a drawing the colours of a film.

    Args:
        photo: uint8 (H, W, 3) RGB.
        drawing: the teacher's, of the same size.
        grade: the colours.

    Returns:
        The target, uint8 (H, W, 3) RGB.
    """
    if grade.smoothing:
        for _ in range(2):
            drawing = cv2.bilateralFilter(drawing, 7, grade.smoothing, 2.5)
    photo_lab, drawing_lab = _to_lab(photo), _to_lab(drawing)
    light = photo_lab[..., 0]
    lightness = drawing_lab[..., 0]
    matched = match_tones(lightness, light)
    toned: GrayImage = grade.photo_tones * matched + (1 - grade.photo_tones) * lightness
    lit = _blur(light, LOW_FREQUENCY_PX) - _blur(toned, LOW_FREQUENCY_PX)
    toned = np.asarray(toned + grade.photo_light * lit, np.float32)
    # smoothed within its edges: areas that the drawing made flat stay flat in colour too
    photo_chroma = np.dstack([np.zeros_like(light), photo_lab[..., 1:]])
    photo_chroma = cv2.bilateralFilter(photo_chroma, 9, 20.0, 4.0)[..., 1:]
    chroma = grade.teacher_chroma * drawing_lab[..., 1:] + (1 - grade.teacher_chroma) * photo_chroma
    plain = np.dstack([toned, chroma]).astype(np.float32)
    graded = _film(plain, grade)

    skin = _blur(skin_likeness(photo_lab), 3.0)[..., None] * grade.spared_skin
    towards_photo = _blur(photo_lab, SKIN_LOW_FREQUENCY_PX) - _blur(plain, SKIN_LOW_FREQUENCY_PX)
    spared = plain + 0.6 * towards_photo
    lab = np.clip(graded + skin * (spared - graded), (0, -127, -127), (100, 127, 127))
    lab = np.asarray(lab, np.float32)
    rgb = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
    return np.clip(rgb * 255 + 0.5, 0, 255).astype(np.uint8)


def match_tones(lightness: GrayImage, target: GrayImage) -> GrayImage:
    """``lightness`` through the monotone curve that gives it the quantiles of ``target``.

    Only nine quantiles: a full histogram matching would amplify grain in flat areas. Beyond the
    outermost the curve goes on with slope 0.6, so that drawn contours stay darker than all else.
    """
    from_values = np.quantile(lightness, QUANTILES) + 1e-3 * np.arange(len(QUANTILES))
    to_values = np.quantile(target, QUANTILES)
    from_values = np.concatenate([[from_values[0] - 50], from_values, [from_values[-1] + 50]])
    to_values = np.concatenate([[to_values[0] - 30], to_values, [to_values[-1] + 30]])
    return np.interp(lightness, from_values, to_values).astype(np.float32)


def skin_likeness(lab: GrayImage) -> GrayImage:
    """float32 (H, W, 3) CIELAB to (H, W) in 0..1: how far a colour could be skin, light or dark.

    Hues of 18 to 82 degrees and middling chroma; the bounds were set by looking at the parsed
    skin of the training faces.
    """
    hue, chroma = _polar(lab)
    light = lab[..., 0]
    of_hue = np.clip(1.6 - np.abs(hue - 50) / 20, 0, 1)
    of_chroma = np.clip((chroma - 6) / 8, 0, 1) * np.clip((58 - chroma) / 12, 0, 1)
    of_light = np.clip((light - 12) / 12, 0, 1) * np.clip((97 - light) / 8, 0, 1)
    return np.asarray(of_hue * of_chroma * of_light, np.float32)


def _film(lab: GrayImage, grade: Grade) -> GrayImage:
    """The grade of light, hues and tints, the same for every pixel of one colour."""
    hue, chroma = _polar(lab)
    tone = np.clip(lab[..., 0] / 100, 0, 1)
    middle = 4 * tone * (1 - tone)
    light = lab[..., 0] + middle * (grade.lightness + 100 * grade.contrast * (tone - 0.5))
    gain: GrayImage = np.full_like(light, grade.chroma)
    turn: GrayImage = np.zeros_like(light)
    coloured = np.clip((chroma - 4) / 10, 0, 1)
    for one in grade.hues:
        distance = np.abs((hue - one.hue_deg + 180) % 360 - 180)
        weight = np.clip(1.3 - 1.3 * distance / one.width_deg, 0, 1)
        weight = coloured * weight * weight * (3 - 2 * weight)
        gain = gain + weight * (one.gain - 1) * grade.chroma
        turn = turn + weight * one.turn_deg
        light = light + weight * one.lightness
    chroma = chroma * gain
    room = MAX_CHROMA - CHROMA_KNEE
    over = CHROMA_KNEE + room * np.tanh((chroma - CHROMA_KNEE) / room)
    chroma = np.where(chroma > CHROMA_KNEE, over, chroma)
    angle = np.radians(hue + turn)
    ab = np.dstack([chroma * np.cos(angle), chroma * np.sin(angle)])
    shadows = np.clip(1 - tone / 0.45, 0, 1)
    highlights = np.clip((tone - 0.55) / 0.45, 0, 1)
    tinted = np.clip(tone / 0.06, 0, 1) * np.clip((1.01 - tone) / 0.05, 0, 1)
    tints = (
        (shadows, grade.shadows),
        (1 - shadows - highlights, grade.middles),
        (highlights, grade.highlights),
    )
    for weight, tint in tints:
        ab = ab + (weight * tinted)[..., None] * np.array(tint, np.float32)
    return np.dstack([light, ab]).astype(np.float32)


def _to_lab(picture: NDArray[np.uint8]) -> GrayImage:
    return np.asarray(cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)


def _polar(lab: GrayImage) -> tuple[GrayImage, GrayImage]:
    """Hue in degrees and chroma."""
    return np.degrees(np.arctan2(lab[..., 2], lab[..., 1])), np.hypot(lab[..., 1], lab[..., 2])


def _blur(values: GrayImage, sigma_px: float) -> GrayImage:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma_px), np.float32)
