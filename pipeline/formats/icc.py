"""ICC profiles: curves and a matrix read here, and LittleCMS for all the rest.

Source: ICC.1:2022, chapters 9 and 10; the tag cicp is that of version 4.4.
"""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image, ImageCms

from pipeline.formats.colour import Colour, Unusable, by_codes
from pipeline.formats.primaries import SRGB_COLUMNS, d50_to_srgb
from pipeline.formats.transfer import SRGB, Transfer, Values, power

SOURCE = "ICC profile"
MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}
NAME_LENGTH = 120  # characters of a profile's name, which is untrusted text
MAX_TAGS = 200
NUMBERS = {0: 1, 1: 3, 2: 4, 3: 5, 4: 7}  # that a parametric curve of each kind has
WITH_TABLES = {b"A2B0", b"A2B1", b"A2B2", b"D2B0", b"D2B1"}
CMS_ERRORS = (ImageCms.PyCMSError, OSError, ValueError, TypeError)


def read_icc(data: bytes, mode: str) -> Colour | Unusable:
    """Reads a profile.

    Args:
        data: The profile.
        mode: Of the pixels that it describes: L, RGB, CMYK or LAB.

    Returns:
        What it says. One that has tables instead of curves is no ``shaper``: only LittleCMS can
        apply it.
    """
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data)).profile
        space = profile.xcolor_space.strip()
        name = (profile.profile_description or "unnamed").strip()[:NAME_LENGTH]
    except CMS_ERRORS:
        return Unusable(SOURCE, "it cannot be read")
    grey_as_colour = space == "RGB" and mode == "L"  # a grey photo with its camera's profile
    if MODES.get(space) != mode and not grey_as_colour:
        return Unusable(SOURCE, f"it is one for {space}, the pixels are {mode}")
    tags = _tags(data)
    signalled = tags.get(b"cicp", b"")[8:12]
    if len(signalled) == 4 and space == "RGB":
        hdr = by_codes(SOURCE, signalled[0], signalled[1], full_range=bool(signalled[3]))
        if isinstance(hdr, Colour) and hdr.hdr:
            return hdr
    try:
        curves, columns = _shaper(tags, space)
    except (KeyError, ValueError, struct.error):
        curves, columns = (SRGB,) * 3, None
    if columns is None:
        return Colour(SOURCE, name, np.eye(3), curves, np.eye(3)[1], profile=data, shaper=False)
    return Colour(SOURCE, name, d50_to_srgb(columns), curves, columns[1], profile=data)


def _tags(data: bytes) -> dict[bytes, bytes]:
    """The body of each tag by its signature."""
    if len(data) < 132:
        return {}
    (count,) = struct.unpack_from(">I", data, 128)
    tags = {}
    for number in range(min(count, MAX_TAGS, (len(data) - 132) // 12)):
        key, at, length = struct.unpack_from(">4sII", data, 132 + 12 * number)
        tags[key] = data[at : at + length]
    return tags


def _shaper(
    tags: dict[bytes, bytes], space: str
) -> tuple[tuple[Transfer, Transfer, Transfer], np.ndarray]:
    """Curves, and the primaries' XYZ as columns. Raises KeyError, ValueError, struct.error."""
    if WITH_TABLES & tags.keys():
        raise ValueError("it has tables")
    if space == "GRAY":
        return (_curve(tags[b"kTRC"]),) * 3, SRGB_COLUMNS
    if space != "RGB":
        raise ValueError("it has more than curves")
    red, green, blue = (_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC"))
    columns = [
        np.array(struct.unpack_from(">3i", tags[name], 8)) / 65536
        for name in (b"rXYZ", b"gXYZ", b"bXYZ")
    ]
    return (red, green, blue), np.array(columns).T


def _curve(tag: bytes) -> Transfer:
    """Raises ValueError, struct.error."""
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        if count == 0:
            return power(1.0)
        if count == 1:
            return power(struct.unpack_from(">H", tag, 12)[0] / 256)
        table = np.frombuffer(tag, ">u2", count, 12) / 65535
        grid = np.linspace(0, 1, count)
        return Transfer("a curve", lambda values: np.interp(values, grid, table))
    if tag[:4] != b"para":
        raise ValueError("a curve of unknown kind")
    kind = struct.unpack_from(">H", tag, 8)[0]
    numbers = [value / 65536 for value in struct.unpack_from(f">{NUMBERS[kind]}i", tag, 12)]
    return Transfer("a curve", lambda values: _parametric(values, kind, numbers))


def _parametric(values: Values, kind: int, numbers: list[float]) -> Values:
    """ICC.1, table 68."""
    gamma = numbers[0]
    if kind == 0:
        return np.maximum(values, 0) ** gamma
    a, b = numbers[1:3]
    c, d, e, f = 0.0, -b / a if a else 0.0, 0.0, 0.0
    if kind == 2:
        e = f = numbers[3]
    elif kind >= 3:
        c, d = numbers[3:5]
        if kind == 4:
            e, f = numbers[5:7]
    above = np.maximum(a * values + b, 0) ** gamma + e
    return np.asarray(np.where(values >= d, above, c * values + f))


def convert(colours: Image.Image, profile: bytes) -> tuple[Image.Image, bool]:
    """Converts L, RGB, CMYK or LAB of 8 bits by its profile.

    Relative colorimetric with black-point compensation: colours that sRGB has are kept exactly,
    and black stays black. Perceptual would be the same here for cameras' and displays' profiles,
    and sRGB as built in has no tables for it.

    Returns:
        The picture in sRGB, and whether that changed anything. Raises what CMS_ERRORS lists.
    """
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if source.profile.xcolor_space.strip() == "RGB" and colours.mode == "L":
        colours = colours.convert("RGB")
    transform = ImageCms.buildTransform(
        source,
        ImageCms.createProfile("sRGB"),
        colours.mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    if _changes_nothing(transform, colours.mode):
        return colours, False
    return ImageCms.applyTransform(colours, transform) or colours, True


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether sample colours come back within one level: then the profile is sRGB."""
    if mode == "RGB":
        levels = np.linspace(0, 255, 9).astype(np.uint8)
        probe = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
    elif mode == "L":
        probe = np.arange(256, dtype=np.uint8)[None]
    else:
        return False
    shown = Image.fromarray(probe)
    after = np.asarray(ImageCms.applyTransform(shown, transform), np.int16)
    return bool(np.abs(after - np.asarray(shown.convert("RGB"), np.int16)).max() <= 1)
