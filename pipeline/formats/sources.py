"""All that a file says of its colours, ranked as its format ranks it."""

from __future__ import annotations

from pipeline.formats import bmp, isobmff, png
from pipeline.formats.colour import Colour, Unusable, Warn, chosen
from pipeline.formats.icc import read_icc


def colour_of(
    kind: str,
    data: bytes,
    mode: str,
    profile: bytes | None,
    own: Colour | Unusable | None,
    warn: Warn,
) -> Colour:
    """The colour space of a file.

    Args:
        kind: Its format.
        data: The file.
        mode: Of its pixels: L, RGB, CMYK or LAB.
        profile: Its ICC profile, if any.
        own: What its EXIF or its TIFF tags say, if anything.
        warn: Called with warnings.
    """
    if kind == "bmp":
        profile = bmp.profile(data)
    icc = read_icc(profile, _plain(mode)) if profile else None
    candidates: list[Colour | Unusable | None] = [icc]
    if kind == "png":
        candidates = list(png.colours(data, icc))
    elif kind in ("avif", "heif"):
        candidates.append(isobmff.nclx(data))
    elif kind == "bmp":
        candidates.append(bmp.colour(data))
    candidates.append(own)
    if _plain(mode) not in ("L", "RGB"):  # inks and L*a*b* have no curves but a profile's
        candidates = [icc]
    return chosen(candidates, warn)


def _plain(mode: str) -> str:
    """The mode without alpha, and grey of any depth as L."""
    if mode.startswith("RGB"):
        return "RGB"
    return mode if mode in ("CMYK", "LAB") else "L"
