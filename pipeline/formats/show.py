"""Decoded pixels to sRGB."""

from __future__ import annotations

import numpy as np
from PIL import Image

from pipeline.domain import RgbImage
from pipeline.formats import icc
from pipeline.formats.colour import Colour, Warn
from pipeline.formats.convert import to_srgb
from pipeline.formats.samples import Samples

BAND_ROWS = 256  # of a picture on its way from Pillow


def in_srgb(
    colours: Image.Image | Samples, colour: Colour, warn: Warn
) -> tuple[RgbImage, str | None]:
    """Converts decoded pixels to sRGB.

    Curves and a matrix are used where there is nothing else, where there are more than 8 bits, or
    where colours lie outside sRGB, which LittleCMS would clip; tables are left to LittleCMS.

    Args:
        colours: L, RGB, CMYK or LAB of 8 bits, or Samples.
        colour: Their colour space.
        warn: Called with warnings.

    Returns:
        uint8 (H, W, 3) in sRGB, and the name of the colour space that was converted, None where
        nothing was.
    """
    if isinstance(colours, Samples):
        if colour.shaper:
            return _deep(colours, colour)
        colours = Image.fromarray(colours.eight_bits())
    if colour.profile is not None:
        eight_bits = colours.mode in ("L", "RGB")
        if not (eight_bits and colour.shaper and colour.is_wide):
            return _by_littlecms(colours, colour, warn)
    elif colour.is_srgb or colours.mode not in ("L", "RGB"):
        return as_array(colours), None
    values = np.asarray(colours) if colours.mode == "L" else as_array(colours)
    return to_srgb(Samples(values, 0, 255), colour), colour.name


def _deep(samples: Samples, colour: Colour) -> tuple[RgbImage, str | None]:
    brighter = samples.values.dtype.kind == "f" and samples.values.max() > samples.white
    if not colour.is_srgb or (brighter and samples.white > samples.black):
        name = None if colour.is_srgb else colour.name
        return to_srgb(samples, colour), name
    pixels = samples.eight_bits()
    return (pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)), None


def _by_littlecms(colours: Image.Image, colour: Colour, warn: Warn) -> tuple[RgbImage, str | None]:
    changed = False
    try:
        colours, changed = icc.convert(colours, colour.profile or b"")
    except icc.CMS_ERRORS:
        warn(f"the {colour.source} was ignored: it cannot be used")
    return as_array(colours), colour.name if changed else None


def as_array(colours: Image.Image) -> RgbImage:
    """(H, W, 3), band by band, which saves time and memory.

    Pillow hands over pixels as a string of bytes; for all of a large picture at once that takes
    twice the time and its memory again.
    """
    if colours.mode != "RGB":  # else this would be one more copy
        colours = colours.convert("RGB")
    pixels = np.empty((colours.height, colours.width, 3), np.uint8)
    for top in range(0, colours.height, BAND_ROWS):
        bottom = min(top + BAND_ROWS, colours.height)
        pixels[top:bottom] = np.asarray(colours.crop((0, top, colours.width, bottom)))
    return pixels
