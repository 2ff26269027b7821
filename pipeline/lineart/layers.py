"""A coloured drawing in layers: lines over shades over flats, as OpenRaster or a TIFF of pages."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from pipeline.domain import GrayImage, RgbImage

CONTENT_TYPES = {"tiff": "image/tiff", "ora": "image/openraster"}
EXTENSIONS = {"tiff": "tif", "ora": "ora"}
PAGE_NAME = 285  # TIFF's tag
THUMBNAIL_PX = 256  # longer side; OpenRaster's limit
PNG_LEVEL = 3
EPOCH = (1980, 1, 1, 0, 0, 0)  # a zip's first: equal layers give equal files

RgbaImage = NDArray[np.uint8]  # (H, W, 4), straight alpha


@dataclass(frozen=True, eq=False)
class Layers:
    """The layers of a picture, from the top. Laid over each other they are the picture.

    Attributes:
        lines: uint8 (H, W, 4): ink alone.
        shades: uint8 (H, W, 4): what differs from the flats.
        flats: uint8 (H, W, 3): one colour for each region.
        picture: uint8 (H, W, 3).
    """

    lines: RgbaImage
    shades: RgbaImage
    flats: RgbImage
    picture: RgbImage

    @property
    def named(self) -> dict[str, NDArray[np.uint8]]:
        """By name, the top first."""
        return {"lines": self.lines, "shades": self.shades, "flats": self.flats}


def line_layer(lines: RgbImage, ink: GrayImage) -> RgbaImage:
    """Ink without its paper: laid on white it is the lines.

    Args:
        lines: uint8 (H, W, 3) RGB on white.
        ink: uint8 (H, W): 255 less the darkest channel of the lines.
    """
    own = cv2.subtract(lines, cv2.merge([255 - ink] * 3))
    colours = cv2.divide(own, cv2.merge([ink] * 3), scale=255)
    return np.asarray(np.dstack([colours, ink]), np.uint8)


def shade_layer(paint: RgbImage, flats: RgbImage) -> RgbaImage:
    """The least that makes the paint of flats when laid over them.

    Args:
        paint: uint8 (H, W, 3) RGB.
        flats: uint8 (H, W, 3) RGB.
    """
    change = paint.astype(np.int16) - flats
    room = np.where(change > 0, 255 - flats.astype(np.int16), flats)
    alpha = (np.abs(change) / np.maximum(room, 1)).max(-1).astype(np.float32)
    alpha = np.ceil(np.clip(alpha, 0, 1) * 255) / np.float32(255)
    colours = flats + change / np.maximum(alpha, 1e-6)[..., None]
    colours = np.clip(colours.round(), 0, 255)
    colours[alpha == 0] = 0
    return np.dstack([colours, (alpha * 255).round()]).astype(np.uint8)


def encode_layers(layers: Layers, format: str) -> tuple[bytes, str, str]:
    """Writes layers.

    Args:
        layers: The layers.
        format: "tiff" (pages: picture, lines, shades, flats) or "ora".

    Returns:
        The file's bytes, its content type and its extension without the dot.
    """
    content = _tiff(layers) if format == "tiff" else _openraster(layers)
    return content, CONTENT_TYPES[format], EXTENSIONS[format]


def _tiff(layers: Layers) -> bytes:
    pages = [_page(name, pixels) for name, pixels in layers.named.items()]
    first = _page("picture", layers.picture)
    file = io.BytesIO()
    first.save(file, "TIFF", save_all=True, append_images=pages, compression="tiff_adobe_deflate")
    return file.getvalue()


def _page(name: str, pixels: NDArray[np.uint8]) -> Image.Image:
    page = Image.fromarray(pixels)
    tags = ImageFileDirectory_v2()
    tags[PAGE_NAME] = name
    page.encoderinfo = {"tiffinfo": tags}
    return page


def _openraster(layers: Layers) -> bytes:
    """An OpenRaster file (https://www.openraster.org): a zip of PNG layers and their order."""
    height, width = layers.picture.shape[:2]
    stack = "".join(
        f"<layer name={quoteattr(name)} src={quoteattr(f'data/{name}.png')} x='0' y='0' "
        "opacity='1.0' visibility='visible' composite-op='svg:src-over'/>"
        for name in layers.named
    )
    document = (
        "<?xml version='1.0' encoding='UTF-8'?>\n"
        f"<image version='0.0.6' w='{width}' h='{height}' xres='72' yres='72'>"
        f"<stack>{stack}</stack></image>\n"
    )
    scale = min(1.0, THUMBNAIL_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    thumbnail = cv2.resize(layers.picture, size, interpolation=cv2.INTER_AREA)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        # its name and place are what programs know the format by
        _add(archive, "mimetype", CONTENT_TYPES["ora"].encode())
        _add(archive, "stack.xml", document.encode())
        for name, pixels in layers.named.items():
            _add(archive, f"data/{name}.png", _png(pixels))
        _add(archive, "mergedimage.png", _png(layers.picture))
        _add(archive, "Thumbnails/thumbnail.png", _png(np.asarray(thumbnail, np.uint8)))
    return file.getvalue()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, EPOCH), content, zipfile.ZIP_STORED)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=PNG_LEVEL)
    return file.getvalue()
