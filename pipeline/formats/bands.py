"""What Pillow decoded, as colours and opacity."""

from __future__ import annotations

import numpy as np
from PIL import Image

from pipeline.domain import GrayImage
from pipeline.formats.colour import Warn
from pipeline.formats.samples import Samples, levelled

GREY = ("1", "L", "LA", "La")
MAX_EMPTY_FRAMES = 200  # of an animation that are looked at


def colours_mode(mode: str) -> str:
    """The mode of a picture's colours without its opacity: L, RGB, CMYK or LAB."""
    if mode in GREY or mode in ("I", "F") or mode.startswith("I;16"):
        return "L"
    return mode if mode in ("CMYK", "LAB") else "RGB"


def bands(
    image: Image.Image, warn: Warn, *, as_counted: bool = False
) -> tuple[Image.Image | Samples, GrayImage | None]:
    """Splits a decoded picture into colours and opacity.

    Args:
        image: The picture, loaded.
        warn: Called with warnings.
        as_counted: 16 bits count as 16 bits, however small the largest value is.

    Returns:
        The colours, as L, RGB, CMYK or LAB of 8 bits, or grey of more bits as Samples; and alpha.
    """
    mode, key = image.mode, image.info.get("transparency")
    if mode in ("I", "F") or mode.startswith("I;16"):
        values = np.asarray(image)
        alpha = None if key is None else np.where(values == key, 0, 255).astype(np.uint8)
        # libheif counts any depth up to 65535
        whole = image.format == "HEIF" or (as_counted and mode.startswith("I;16"))
        stated = (0.0, 65535.0) if whole else None
        return levelled(values, warn, stated=stated), alpha
    kept = colours_mode(mode)
    if not image.has_transparency_data:
        return (image if kept == mode else image.convert(kept)), None
    if mode == "RGB" and key is not None and max(key) > 255:
        # Pillow reads 16 bits a channel by their high byte (at most one level off) but not the key.
        image.info["transparency"] = tuple(value >> 8 for value in key)
    if mode == "La":  # which Pillow converts to nothing else
        image = image.convert("LA")
    # This also undoes premultiplied alpha.
    image = image.convert("RGBA")
    return image.convert(kept), np.asarray(image.getchannel("A"))


def first_shown(
    image: Image.Image, warn: Warn, *, as_counted: bool = False
) -> tuple[Image.Image | Samples, GrayImage | None]:
    """The bands of the first frame that shows something.

    An animation may fade in: then that is the first frame that is not wholly transparent.
    """
    colours, alpha = bands(image, warn, as_counted=as_counted)
    if alpha is None or alpha.any() or getattr(image, "n_frames", 1) == 1:
        return colours, alpha
    frames = min(getattr(image, "n_frames", 1), MAX_EMPTY_FRAMES)
    for number in range(1, frames):
        image.seek(number)
        later, opacity = bands(image, warn, as_counted=as_counted)
        if opacity is None or opacity.any():
            warn(f"frame {number + 1} was drawn: those before it are empty")
            return later, opacity
    warn("all frames that were looked at are empty")
    return colours, alpha
