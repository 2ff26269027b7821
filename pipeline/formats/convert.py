"""Coded values of any depth to the 8 bits of sRGB, by curves and a matrix.

What sRGB cannot show is brought in softly: light above diffuse white rolls off, and colours
outside its gamut move towards grey, those furthest out the most, without a cut.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import Picture
from pipeline.formats.colour import Colour
from pipeline.formats.samples import Numbers, Samples
from pipeline.formats.transfer import hlg_display, linear_to_srgb

ToLight = Callable[[Numbers], NDArray[np.float32]]
BAND_ROWS = 256
STEPS = 65536  # of light, before it is coded: a twentieth of a level at black
# Light beyond this share of diffuse white rolls off: skin and sky stay as they are.
KNEE = 0.6
# The brightest of a thousand places sets where the roll-off ends: one spark does not.
PEAK_QUANTILE, PEAK_SAMPLES = 0.999, 1_000_000
# From this distance from grey (0: grey, 1: the border of sRGB) colours are compressed. Chosen so
# that none inside moves by more than 8 levels, and only colours next to the border move at all.
COMPRESSED_FROM = 0.94


def to_srgb(samples: Samples, colour: Colour) -> Picture:
    """in: samples of one or three channels and what they mean; out: uint8 (H, W, 3), sRGB.

    Tone map: light up to KNEE of diffuse white (203 nits) is kept, what is brighter follows
    Reinhard's curve with a white point (2002, eq. 4), which ends at the picture's own peak. A
    picture with nothing above diffuse white is thus shown as it is. All three channels are scaled
    alike, so that hues stay.
    """
    to_light = _reader(samples, colour)
    matrix = colour.matrix.astype(np.float32)
    limits = _limits(colour)
    values = samples.values
    peak = _peak(values, to_light, matrix) if colour.hdr or values.dtype.kind == "f" else 1.0
    height, width = values.shape[:2]
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, BAND_ROWS):
        light = cv2.transform(to_light(values[top : top + BAND_ROWS]), matrix)
        if peak > 1:
            _roll_off(light, peak)
        pixels[top : top + BAND_ROWS] = _coded(light, limits)
    return pixels


def _reader(samples: Samples, colour: Colour) -> ToLight:
    """A function from values (h, w) or (h, w, 3) to light, float32 (h, w, 3)."""
    black, white = samples.black, samples.white
    if not colour.full_range:  # H.273: 16 to 235 of 8 bits
        black, white = black + (white - black) * 16 / 255, black + (white - black) * 235 / 255
    same = len(set(map(id, colour.curves))) == 1
    curves = colour.curves[:1] if same else colour.curves

    def signal(values: Numbers) -> NDArray[np.float64]:
        scaled = (values.astype(np.float64) - black) / (white - black)
        return scaled if values.dtype.kind == "f" else scaled.clip(0, 1)

    levels = None
    if samples.values.dtype.kind == "u":
        grid = signal(np.arange(np.iinfo(samples.values.dtype).max + 1, dtype=np.float64))
        levels = [curve.linear(grid.clip(0, 1)).astype(np.float32) for curve in curves]

    def to_light(values: Numbers) -> NDArray[np.float32]:
        if values.ndim == 2:
            values = np.repeat(values[..., None], 3, axis=2)
        if levels is None:
            coded = signal(values)
            parts = [
                curve.linear(coded if same else coded[..., n]) for n, curve in enumerate(curves)
            ]
        else:
            parts = [
                np.take(level, values if same else values[..., n]) for n, level in enumerate(levels)
            ]
        light = parts[0] if same else np.stack(parts, axis=-1)
        if colour.hdr == "hlg":
            light = hlg_display(light, colour.luminance)
        return np.ascontiguousarray(light, np.float32)

    return to_light


def _peak(values: Numbers, to_light: ToLight, matrix: NDArray[np.float32]) -> float:
    """How bright the picture's brightest places are, in units of diffuse white."""
    step = max(1, int((values.shape[0] * values.shape[1] / PEAK_SAMPLES) ** 0.5))
    light = cv2.transform(to_light(np.ascontiguousarray(values[::step, ::step])), matrix)
    return float(np.quantile(light.max(axis=2), PEAK_QUANTILE))


def _roll_off(light: NDArray[np.float32], peak: float) -> None:
    """Brings light of up to ``peak`` below 1, in place."""
    brightest = light.max(axis=2)
    above = brightest > KNEE
    end = (peak - KNEE) / (1 - KNEE)
    over = (np.minimum(brightest[above], peak) - KNEE) / (1 - KNEE)
    rolled = KNEE + (1 - KNEE) * over * (1 + over / end**2) / (1 + over)
    light[above] *= (rolled / brightest[above])[:, None]


def _coded(light: NDArray[np.float32], limits: NDArray[np.float64]) -> Picture:
    """Light to coded 8 bits, colours outside the gamut brought in."""
    least = np.minimum(np.minimum(light[..., 0], light[..., 1]), light[..., 2])
    most = np.maximum(np.maximum(light[..., 0], light[..., 1]), light[..., 2])
    # The coding is concave: what is compressed in coded values lies below this in light, too.
    outside = (least < (1 - COMPRESSED_FROM) * most) | (most > 1)
    steps = (np.clip(light, 0, 1) * (STEPS - 1) + 0.5).astype(np.uint16)
    pixels = np.take(_coding(), steps)
    if outside.any():
        inside = _compressed(linear_to_srgb(light[outside]), limits)
        pixels[outside] = np.rint(inside * 255)
    return pixels


def _compressed(coded: NDArray[np.floating], limits: NDArray[np.float64]) -> NDArray[np.float64]:
    """in: (N, 3) coded, beyond 0..1; out: within 0..1, as the ACES reference gamut compression
    does it (per channel, by its distance from the brightest), on coded values and from near the
    border on.
    """
    most = np.maximum(coded.max(axis=1, keepdims=True), 1e-6)
    distance = (most - coded) / most
    room = 1 - COMPRESSED_FROM
    reach = limits - COMPRESSED_FROM
    scale = np.where(reach > room, room * reach / np.maximum(reach - room, 1e-6), np.inf)
    over = np.maximum(distance - COMPRESSED_FROM, 0)
    with np.errstate(invalid="ignore"):
        moved = np.where(np.isinf(scale), over, over * scale / (over + scale))
    distance = np.where(over > 0, COMPRESSED_FROM + moved, distance)
    return np.asarray((np.minimum(most, 1) * (1 - distance)).clip(0, 1))


def _limits(colour: Colour) -> NDArray[np.float64]:
    """How far from grey each channel comes, at the corners of the colour's own cube."""
    corners = np.array(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, -1)[:, 1:]
    coded = linear_to_srgb(colour.matrix @ corners)
    most = coded.max(axis=0)
    return np.asarray(((most - coded) / most).max(axis=1))


@cache
def _coding() -> NDArray[np.uint8]:
    light = np.linspace(0, 1, STEPS)
    return np.rint(linear_to_srgb(light) * 255).astype(np.uint8)
