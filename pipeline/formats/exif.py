"""EXIF, as far as it affects pixels: orientation and colour space.

Sources: CIPA DC-008 (Exif 2.32), CIPA DC-009 (DCF 2.0, for Adobe RGB).
"""

from __future__ import annotations

from typing import Any

from PIL import ExifTags, Image

from pipeline.formats import primaries, transfer
from pipeline.formats.colour import Colour, Unusable, described

SOURCE = "EXIF colour space"
ORIENTATION = int(ExifTags.Base.Orientation)
INTEROPERABILITY_INDEX = 1
PNG_TEXT = "Raw profile type exif"
SRGB, ADOBE_RGB, UNCALIBRATED = 1, 2, 65535


def exif_of(image: Image.Image) -> Image.Exif:
    """The EXIF of an opened file; empty where there is none.

    XMP is ignored: programs that rotate a picture often leave the old orientation there, and
    browsers do not read it.
    """
    body = image.info.get("exif")
    if body is None and PNG_TEXT in image.info:  # as ImageMagick writes it, in hexadecimal
        try:
            body = bytes.fromhex("".join(image.info[PNG_TEXT].split("\n")[3:]))
        except ValueError:
            body = None
    return exif_from(body or b"")


def exif_from(body: bytes) -> Image.Exif:
    """EXIF from its bytes; empty where they are damaged, which must not cost the photo."""
    exif = Image.Exif()
    try:
        exif.load(body)
    except Exception:  # noqa: BLE001  # Pillow raises nearly everything on damaged EXIF
        return Image.Exif()
    return exif


def orientation_of(exif: Any) -> int:
    """1 to 8; 1, upright, where it says nothing or something else."""
    try:
        value = exif.get(ORIENTATION)
    except Exception:  # noqa: BLE001  # a damaged entry
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def stored_size(exif: Image.Exif) -> tuple[int, int] | None:
    """The width and height at which EXIF says that the picture is stored."""
    try:
        detail = exif.get_ifd(ExifTags.IFD.Exif)
    except Exception:  # noqa: BLE001  # a damaged directory
        return None
    size = detail.get(ExifTags.Base.ExifImageWidth), detail.get(ExifTags.Base.ExifImageHeight)
    if all(isinstance(side, int) and side > 0 for side in size):
        return size  # type: ignore[return-value]
    return None


def colour(exif: Image.Exif) -> Colour | Unusable | None:
    """The colour space that EXIF names; see ``colour_by``."""
    try:
        space = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.ColorSpace)
        index = exif.get_ifd(ExifTags.IFD.Interop).get(INTEROPERABILITY_INDEX)
    except Exception:  # noqa: BLE001  # a damaged directory
        return None
    return colour_by(space, index)


def colour_by(space: object, index: object) -> Colour | Unusable | None:
    """The colour space by EXIF's ColorSpace and InteroperabilityIndex, None where absent.

    Returns:
        Adobe RGB, where they say so as DCF defines it or as some cameras do; None otherwise, since
        sRGB is assumed anyhow.
    """
    option = (index.decode("ascii", "replace") if isinstance(index, bytes) else str(index)).strip(
        "\0 "
    )
    if space == ADOBE_RGB or (space in (UNCALIBRATED, None) and option == "R03"):
        return described(SOURCE, primaries.ADOBE_RGB, transfer.ADOBE_RGB, name="Adobe RGB (1998)")
    if space == SRGB or option == "R98":
        return described(SOURCE, None, None, name="sRGB")
    if space == UNCALIBRATED:
        return Unusable(SOURCE, '"uncalibrated" names no colours; sRGB was taken')
    return None
