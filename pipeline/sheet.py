"""Sheets: photo and picture side by side, and all looks of one photo."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pipeline.decode import decode_image, fit
from pipeline.domain import Photo, RgbImage
from pipeline.encode import encode
from pipeline.lineart.result import ColourResult
from pipeline.result import Result
from pipeline.settings import Settings

GAP_PX = 8
MIN_TEXT_PX = 11
TEXT_SHARE = 0.05  # height of a caption's letters over the longer side of a picture


def before_after(data: bytes, result: Result | ColourResult, settings: Settings) -> bytes:
    """Draws photo and picture side by side.

    Args:
        data: The photo's file.
        result: Its result.
        settings: Limits for decoding.

    Returns:
        A JPEG, both at the picture's size.
    """
    output = result.sidecar.output
    size = (output.width_px, output.height_px)
    photo, _ = decode_image(data, settings)
    before = cv2.resize(fit(photo, max(size)).pixels, size, interpolation=cv2.INTER_AREA)
    after = decode_image(result.image, settings)[0].pixels
    gap = np.full((size[1], GAP_PX, 3), 255, np.uint8)
    sheet = np.concatenate([before, gap, after], axis=1)
    return encode(Photo(sheet), "jpeg", 92)[0]


def contact_sheet(
    data: bytes, looks: Sequence[tuple[str, Result]], settings: Settings, format: str = "jpeg"
) -> bytes:
    """Draws the photo and its looks on one sheet, each with its name below.

    Args:
        data: The photo's file.
        looks: Names and results, all of one size.
        settings: Limits for decoding.
        format: "jpeg", "png" or "webp".

    Returns:
        A file of that format, about as many columns as rows.
    """
    drawn = [(name, decode_image(result.image, settings)[0].pixels) for name, result in looks]
    height, width = drawn[0][1].shape[:2]
    photo = fit(decode_image(data, settings)[0], max(width, height)).pixels
    photo = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)
    sheet = grid([("photo", photo), *drawn])
    return encode(Photo(sheet), format, 92)[0]


def grid(pictures: Sequence[tuple[str, RgbImage]]) -> RgbImage:
    """Lays pictures of one size on white, about as many columns as rows.

    Args:
        pictures: Captions and uint8 (H, W, 3) RGB.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    tiles = [_captioned(name, pixels) for name, pixels in pictures]
    square = math.ceil(math.sqrt(len(tiles)))
    columns = min((square, square + 1), key=lambda columns: -len(tiles) % columns)
    tile_height, tile_width = tiles[0].shape[:2]
    sheet = np.full(
        (
            math.ceil(len(tiles) / columns) * (tile_height + GAP_PX) + GAP_PX,
            columns * (tile_width + GAP_PX) + GAP_PX,
            3,
        ),
        255,
        np.uint8,
    )
    for number, tile in enumerate(tiles):
        top = GAP_PX + number // columns * (tile_height + GAP_PX)
        left = GAP_PX + number % columns * (tile_width + GAP_PX)
        sheet[top : top + tile_height, left : left + tile_width] = tile
    return sheet


def _captioned(text: str, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture with a line of text below, on white."""
    height, width = pixels.shape[:2]
    text_px = max(MIN_TEXT_PX, round(TEXT_SHARE * max(width, height)))
    tile = Image.new("RGB", (width, height + 2 * text_px), "white")
    tile.paste(Image.fromarray(pixels))
    middle = (width / 2, height + text_px)
    font = ImageFont.load_default(text_px)
    ImageDraw.Draw(tile).text(middle, text, fill="black", font=font, anchor="mm")
    return np.asarray(tile)
