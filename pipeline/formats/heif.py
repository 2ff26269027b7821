"""HEIC by pillow_heif: opening it, which way is up, and its samples of more than 8 bits."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.ImageFile import ImageFile

from pipeline.errors import NotAnImage
from pipeline.formats.colour import Warn
from pipeline.formats.exif import exif_from, orientation_of, stored_size
from pipeline.formats.turn import turned


def open_picture(data: bytes) -> ImageFile:
    """Opens a HEIC. An image built without the library, for its licence, refuses such files."""
    try:
        from pillow_heif import HeifImageFile  # 40 ms and a large library, seldom needed
    except ImportError as error:
        raise NotAnImage("HEIC is not taken here: pillow-heif is not installed") from error
    return HeifImageFile(io.BytesIO(data))


def orientation(image: ImageFile, warn: Warn) -> tuple[int, int]:
    """How an opened picture, not yet loaded, is to be shown.

    libheif itself turns by the boxes irot and imir, and HEIF knows no other way. But some phones
    and editors write EXIF's orientation and no box, and phones and macOS follow it; so does this,
    unless the size that EXIF states says that the picture was turned already.

    Returns:
        EXIF's value for the whole, and for what of that is left to do.
    """
    coded: Any = image._heif_file[image.tell()]._c_image  # type: ignore[attr-defined]
    boxes = [box for box in coded.transformations if box[0] in ("irot", "imir")]
    if boxes:
        return _of_boxes(boxes), 1
    # pillow_heif has put a 1 in its place, and what XMP says beside it
    body = next((item["data"][4:] for item in coded.metadata if item["type"] == "Exif"), b"")
    exif = exif_from(body)
    stated = orientation_of(exif)
    if stated >= 5 and stored_size(exif) == image.size[::-1] != image.size:
        warn("EXIF's orientation was ignored: by its size the picture is upright already")
        return 1, 1
    return stated, stated


def _of_boxes(boxes: list[Any]) -> int:
    """The EXIF value of what libheif does."""
    probe = seen = np.arange(4, dtype=np.uint8).reshape(2, 2)
    for name, *values in boxes:
        degrees_or_axis = values[0]  # degrees against the clock
        if name == "irot":
            seen = np.rot90(seen, degrees_or_axis // 90)
        if name == "imir":
            seen = np.flip(seen, axis=degrees_or_axis)
    return next(value for value in range(1, 9) if np.array_equal(turned(probe, value), seen))


def samples(data: bytes) -> NDArray[np.uint16] | None:
    """(H, W, 3), counted up to 65535 and turned by the boxes; None for a picture of 8 bits."""
    from pillow_heif import open_heif

    values = np.asarray(open_heif(data, convert_hdr_to_8bit=False))
    return values[..., :3] if values.dtype == np.uint16 and values.ndim == 3 else None
