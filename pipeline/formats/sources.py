"""All that a file says of its colours, in the order of rank of its format."""

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
    """in: a format and a file, the mode of its pixels (L, RGB, CMYK, LAB), its ICC profile and what
    its EXIF or its TIFF tags say, where it has them; out: what its numbers mean.
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
    """Without alpha, and grey of any depth as L."""
    if mode.startswith("RGB"):
        return "RGB"
    return mode if mode in ("CMYK", "LAB") else "L"
