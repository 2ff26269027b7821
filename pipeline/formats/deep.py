"""Samples of more than 8 bits, which Pillow cuts to 8, where the difference would be seen."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.formats import heif, isobmff, png
from pipeline.formats.colour import Colour, Warn
from pipeline.formats.samples import Samples, levelled

# By the high byte of 16 bits: nothing brighter than a fourth of the range
DARK = 63


def colours(
    kind: str, data: bytes, eight_bits: Image.Image | Samples, colour: Colour, warn: Warn
) -> Image.Image | Samples:
    """Reads a file's colours at full depth, where 8 bits are not enough.

    That is where another curve than sRGB's would show steps, and where 16 bits hold only 12.

    Returns:
        The colours as given, or the same at full depth.
    """
    if isinstance(eight_bits, Samples) or not colour.shaper:
        return eight_bits
    converted = not colour.is_srgb
    if kind == "png" and png.depth(data) == 16:
        dark = not converted and _brightest(eight_bits) <= DARK
        if converted or dark:
            stated = None if dark else (0.0, 65535.0)
            return _levelled(png.sixteen_bits(data), eight_bits, stated, warn)
    elif colour.is_curved and kind == "heif":
        return _levelled(heif.samples(data), eight_bits, (0.0, 65535.0), warn)
    elif colour.is_curved and kind == "avif":
        return _levelled(_avif(data), eight_bits, (0.0, isobmff.av1_greatest(data)), warn)
    return eight_bits


def _brightest(image: Image.Image) -> int:
    return int(np.max(image.getextrema()))


def _levelled(
    values: NDArray[np.uint16] | None,
    eight_bits: Image.Image,
    stated: tuple[float, float] | None,
    warn: Warn,
) -> Image.Image | Samples:
    if values is None or values.shape[:2] != (eight_bits.height, eight_bits.width):
        return eight_bits
    return levelled(values, warn, stated=stated)


def _avif(data: bytes) -> NDArray[np.uint16] | None:
    """(H, W, 3) as OpenCV reads it: counted as far as the depth goes."""
    values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16:
        return None
    return np.ascontiguousarray(values[..., 2::-1])
