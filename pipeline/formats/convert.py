"""Coded values of any depth to the 8 bits of sRGB, by curves and a matrix.

What sRGB cannot show is compressed smoothly: light above diffuse white rolls off, and colours
outside its gamut move towards grey, those furthest out the most, without clipping.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import RgbImage
from pipeline.formats.colour import Colour
from pipeline.formats.samples import Numbers, Samples
from pipeline.formats.transfer import hlg_display, linear_to_srgb, srgb_to_linear

Planes = list[NDArray[np.float32]]  # red, green, blue
ToLight = Callable[[Numbers], Planes]
BAND_ROWS = 256
STEPS = 65536  # of light, before it is coded: a twentieth of a level at black
# Light beyond this share of diffuse white rolls off: skin and sky stay as they are.
KNEE = 0.6
# The brightest of a thousand places sets where the roll-off ends: one spark does not.
PEAK_QUANTILE, PEAK_SAMPLES = 0.999, 1_000_000
# From this distance from grey (0: grey, 1: the border of sRGB) colours are compressed. Chosen so
# that none inside moves by more than 8 levels, and only colours next to the border move at all.
COMPRESSED_FROM = 0.94


def to_srgb(samples: Samples, colour: Colour, peak: float | None = None) -> RgbImage:
    """Converts samples of one or three channels to sRGB.

    Tone map: light up to KNEE of diffuse white (203 nits) is kept, what is brighter follows
    Reinhard's curve with a white point (2002, eq. 4), which ends at the picture's own peak. A
    picture with nothing above diffuse white is thus shown as it is. All three channels are scaled
    alike, so that hues stay.

    Args:
        samples: One or three channels.
        colour: What they mean.
        peak: The brightest light, in units of diffuse white; None: the picture's own. The frames of
            a clip share one, or they would flicker.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    to_light = _reader(samples, colour)
    limits = _limits(colour)
    values = samples.values
    if peak is None:
        peak = _peak(values, to_light) if colour.hdr or values.dtype.kind == "f" else 1.0
    height, width = values.shape[:2]
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, BAND_ROWS):
        planes = to_light(values[top : top + BAND_ROWS])
        if peak > 1:
            planes = _rolled_off(planes, peak)
        pixels[top : top + BAND_ROWS] = _coded(planes, limits)
    return pixels


def peak_of(samples: Samples, colour: Colour) -> float:
    """The light of the brightest places of a picture, in units of diffuse white."""
    return _peak(samples.values, _reader(samples, colour))


def _reader(samples: Samples, colour: Colour) -> ToLight:
    """Makes a function from values (h, w) or (h, w, 3) to light of sRGB's primaries.

    The function returns three planes, float32 (h, w).
    """
    black, white = samples.black, samples.white
    if not colour.full_range:  # H.273: 16 to 235 of 8 bits
        black, white = black + (white - black) * 16 / 255, black + (white - black) * 235 / 255
    matrix = colour.matrix.astype(np.float32)

    def signal(values: Numbers) -> NDArray[np.float64]:
        scaled = (values.astype(np.float64) - black) / (white - black)
        return scaled if values.dtype.kind == "f" else scaled.clip(0, 1)

    tables: list[NDArray[np.float32]] = []
    if samples.values.dtype.kind == "u":
        grid = signal(np.arange(np.iinfo(samples.values.dtype).max + 1))
        tables = [curve.linear(grid).astype(np.float32) for curve in colour.curves]

    def to_light(values: Numbers) -> Planes:
        parts = [values] * 3 if values.ndim == 2 else [values[..., n] for n in range(3)]
        if tables:
            light = [np.take(table, part) for table, part in zip(tables, parts, strict=True)]
        else:
            light = [
                curve.linear(signal(part)).astype(np.float32)
                for curve, part in zip(colour.curves, parts, strict=True)
            ]
        merged = cv2.merge(light)
        if colour.hdr == "hlg":
            merged = hlg_display(merged, colour.luminance).astype(np.float32)
        return list(cv2.split(cv2.transform(merged, matrix)))

    return to_light


def _peak(values: Numbers, to_light: ToLight) -> float:
    """The brightest places of the picture, in units of diffuse white."""
    step = max(1, round((values.shape[0] * values.shape[1] / PEAK_SAMPLES) ** 0.5))
    return float(np.quantile(_most(to_light(values[::step, ::step])), PEAK_QUANTILE))


def _most(planes: Planes) -> NDArray[np.float32]:
    return np.maximum(np.maximum(planes[0], planes[1]), planes[2])


def _rolled_off(planes: Planes, peak: float) -> Planes:
    """Compresses light of up to ``peak`` to below 1."""
    brightest = np.maximum(_most(planes), np.float32(KNEE))
    end = (peak - KNEE) / (1 - KNEE)
    over = (np.minimum(brightest, np.float32(peak)) - np.float32(KNEE)) / np.float32(1 - KNEE)
    rolled = over * (1 + over / np.float32(end**2)) / (1 + over)
    scale = (np.float32(KNEE) + np.float32(1 - KNEE) * rolled) / brightest
    return [plane * scale for plane in planes]


def _coded(planes: Planes, limits: list[float]) -> RgbImage:
    """Light to coded 8 bits, with colours outside the gamut compressed."""
    coding, borders = _tables()
    steps = [_steps(plane) for plane in planes]
    pixels = cv2.merge([np.take(coding, step) for step in steps])
    least = np.minimum(np.minimum(planes[0], planes[1]), planes[2])
    most = np.maximum(np.maximum(steps[0], steps[1]), steps[2])
    outside = (least < np.take(borders, most)) | (_most(planes) > 1)
    if outside.any():
        pixels[outside] = _compressed([plane[outside] for plane in planes], limits)
    return np.asarray(pixels, np.uint8)


def _steps(plane: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Light from 0 to 1 in STEPS."""
    return (plane.clip(0, 1) * np.float32(STEPS - 1) + np.float32(0.5)).astype(np.uint16)


def _compressed(light: Planes, limits: list[float]) -> NDArray[np.uint8]:
    """Light, beyond 0..1, to coded values in the gamut, (N, 3).

    As the ACES reference gamut compression does it (per channel, by its distance from the
    brightest), on coded values and from near the border on.
    """
    coded = [linear_to_srgb(channel).astype(np.float32) for channel in light]
    most = np.maximum(_most(coded), np.float32(1e-6))
    shown = np.minimum(most, 1) * 255
    room = 1 - COMPRESSED_FROM
    channels = []
    for channel, limit in zip(coded, limits, strict=True):
        over = np.maximum((most - channel) / most - np.float32(COMPRESSED_FROM), 0)
        reach = limit - COMPRESSED_FROM
        if reach > room:
            scale = np.float32(room * reach / (reach - room))
            over -= over * scale / (over + scale)
        else:  # none of it lies outside
            over[:] = 0
        channels.append(np.rint(((channel / most + over) * shown).clip(0, 255)))
    return np.stack(channels, axis=-1).astype(np.uint8)


def _limits(colour: Colour) -> list[float]:
    """How far from grey each channel comes, at the corners of the colour's own cube."""
    corners = np.array(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, -1)[:, 1:]
    coded = linear_to_srgb(colour.matrix @ corners)
    most = coded.max(axis=0)
    return [float(limit) for limit in ((most - coded) / most).max(axis=1)]


@cache
def _tables() -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """By steps of light: its code, and the lowest light of another channel that stays in the gamut.

    The lookup is by the brightest channel.
    """
    coded = linear_to_srgb(np.linspace(0, 1, STEPS))
    borders = srgb_to_linear(coded * (1 - COMPRESSED_FROM))
    return np.rint(coded * 255).astype(np.uint8), borders.astype(np.float32)
