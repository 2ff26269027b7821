"""Samples of any depth, and which of their values are black and white."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.domain import GrayImage
from pipeline.formats.colour import Warn

Numbers = NDArray[Any]  # of any kind
# Depths in which cameras and scanners count; what lies in wider samples is the least of them
# that holds the largest value.
DEPTHS = (8, 10, 12, 14)
# Whole numbers of 32 bits that come near the end of their range are counted over all of it.
FULL_32 = 2**28
# The greatest float of a picture, and what is white in it then: light may go beyond 1.
FLOAT_WHITES = ((16.0, 1.0), (255.0, 255.0), (65535.0, 65535.0))
BAND_ROWS = 256
# A sharpened picture goes below black by less than this share; what is further off is stretched.
UNDERSHOOT = 0.1


@dataclass(frozen=True, eq=False)
class Samples:
    """Coded values, and which of them are black and white.

    The values are (H, W) grey or (H, W, 3) red, green and blue, as uint8, uint16 or float32. Floats
    may lie outside black and white.
    """

    values: Numbers
    black: float
    white: float

    def eight_bits(self) -> NDArray[np.uint8]:
        """The same from 0 to 255, clipped at black and white; band by band, to save memory."""
        values, scale = self.values, 255 / (self.white - self.black)
        if values.dtype == np.uint8 and scale == 1:
            return np.asarray(values, np.uint8)
        table = None
        if values.dtype.kind == "u":
            grid = np.arange(np.iinfo(values.dtype).max + 1, dtype=np.float64)
            table = np.rint((grid - self.black) * scale).clip(0, 255).astype(np.uint8)
        shown = np.empty(values.shape, np.uint8)
        for top in range(0, len(values), BAND_ROWS):
            band = values[top : top + BAND_ROWS]
            if table is not None:
                shown[top : top + BAND_ROWS] = np.take(table, band)
            else:
                scaled = (band - np.float32(self.black)) * np.float32(scale)
                shown[top : top + BAND_ROWS] = np.rint(scaled.clip(0, 255))
        return shown


def levelled(
    values: Numbers,
    warn: Warn,
    *,
    bits: int | None = None,
    stated: tuple[float, float] | None = None,
) -> Samples:
    """Finds black and white of raw values.

    Whole numbers of 16 bits that never reach a fourth of the range are taken as the 8, 10, 12 or 14
    bits that hold the largest one, with a warning. Floats within 0..1 have white at 1, within
    0..255 at 255. What fits no rule is stretched from its least to its greatest value.

    Args:
        values: Numbers of any kind.
        bits: That the file gives each of them; None: those that the array has.
        stated: The least and greatest value where the file states them.
        warn: Called with warnings.
    """
    if values.dtype.kind == "f":
        return _floats(values, warn, stated)
    held = values.dtype.itemsize * 8
    bits = bits or held
    positive = bits - (values.dtype.kind == "i")  # bits without the sign
    least, greatest = int(values.min()), int(values.max())
    if stated and stated[0] <= least and greatest <= stated[1]:
        black, white = stated
    elif least < 0:
        black, white = _signed(least, greatest, bits, warn)
    elif bits < held or bits <= 8 or greatest >= FULL_32:  # how many count is known
        black, white = 0.0, float(2**positive - 1)
    else:
        most = min(positive, 16)
        depth = next((depth for depth in (*DEPTHS, most) if greatest < 2**depth <= 2**most), 0)
        if depth == 0:
            black, white = float(least), float(greatest)
            warn(f"samples of {bits} bits from {least} to {greatest} were stretched")
        else:
            black, white = 0.0, float(2**depth - 1)
            if depth < most and greatest:
                warn(f"samples of {bits} bits that go up to {greatest} were taken as {depth} bits")
    if values.dtype.kind == "i" or held > 16:
        return _shifted(values, black, white)
    return Samples(values, black, white)


def _signed(least: int, greatest: int, bits: int, warn: Warn) -> tuple[float, float]:
    """Black and white of whole numbers some of which are negative."""
    full = 2 ** (bits - 1)
    if bits <= 16 or max(-least, greatest) >= FULL_32:
        return float(-full), float(full - 1)
    warn(f"samples of {bits} bits from {least} to {greatest} were stretched")
    return float(least), float(greatest)


def _shifted(values: Numbers, black: float, white: float) -> Samples:
    """Numbers that no table can be indexed by, as floats from 0 to 1; such of 16 bits as uint16."""
    if values.dtype == np.int16 and black < 0:
        return Samples((values.astype(np.int32) - int(black)).astype(np.uint16), 0, white - black)
    if values.dtype.kind == "i" and values.dtype.itemsize <= 2:
        kind = np.uint16 if black == 0 else np.float32
        return Samples(values.astype(kind), black, white)
    scaled = (values.astype(np.float64) - black) / max(white - black, 1e-30)
    return Samples(scaled.astype(np.float32), 0.0, 1.0)


def _floats(values: Numbers, warn: Warn, stated: tuple[float, float] | None) -> Samples:
    least, greatest = float(values.min()), float(values.max())
    damaged = not np.isfinite((least, greatest)).all()  # with numbers that are none
    if damaged:
        finite = values[np.isfinite(values)]
        if not finite.size:
            return Samples(np.zeros(values.shape, np.float32), 0.0, 1.0)
        least, greatest = float(finite.min()), float(finite.max())
    black, white = 0.0, next((white for most, white in FLOAT_WHITES if greatest <= most), 0.0)
    if stated and stated[0] <= least and greatest <= stated[1] and stated[0] < stated[1]:
        black, white = stated
    elif white == 0 or least < -UNDERSHOOT * greatest:
        black, white = least, greatest
        warn(f"floats from {least:.4g} to {greatest:.4g} were stretched")
    elif greatest > 1:
        warn(f"floats that go up to {greatest:.4g} were taken with white at {white:g}")
    white = max(white, black + 1e-30)
    values = values.astype(np.float32, copy=False)
    if damaged:
        values = np.nan_to_num(values, nan=black, posinf=white, neginf=black)
    return Samples(values, black, white)


def alpha_plane(values: Numbers, greatest: float) -> GrayImage:
    """Opacity of any depth to 0..255."""
    scaled = np.nan_to_num(values.astype(np.float32)) * np.float32(255 / greatest)
    return np.asarray(np.rint(scaled.clip(0, 255)), np.uint8)
