"""Line drawings as they come in, made from known lines; and the layers that come out."""

from __future__ import annotations

import io
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.domain import GrayImage, RgbImage

SHEET_COLOUR = (250, 248, 244)
PHOTOGRAPH_PX = (1280, 960)


@dataclass(frozen=True, eq=False)
class Layered:
    """The layers of a coloured drawing.

    Attributes:
        picture: uint8 (H, W, 3).
        paint: uint8 (H, W, 3): flats and shades.
        ink: uint8 (H, W): of the layer of lines.
    """

    picture: RgbImage
    paint: RgbImage
    ink: GrayImage

    @property
    def seen_ink(self) -> GrayImage:
        """The ink that the picture itself shows over its paint: uint8 (H, W)."""
        paint = np.maximum(self.paint.astype(np.float32), 1)
        through = (self.picture / paint).max(-1)
        return np.asarray(255 * np.clip(1 - through, 0, 1), np.uint8)


def decode_layers(file: bytes) -> Layered:
    """Reads a TIFF of pages."""
    pages = []
    with Image.open(io.BytesIO(file)) as image:
        for number in range(4):
            image.seek(number)
            pages.append(image.convert("RGB" if number in (0, 3) else "RGBA"))
    picture, lines, shades, flats = pages
    paint = Image.alpha_composite(flats.convert("RGBA"), shades).convert("RGB")
    return Layered(np.asarray(picture), np.asarray(paint), np.asarray(lines)[..., 3])


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Encodes RGB or RGBA."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def transparent(ink: NDArray[np.float32]) -> bytes:
    """Black lines on transparency; ink is (H, W) in 0..1."""
    alpha = (255 * ink).round().astype(np.uint8)
    return png(np.dstack([np.zeros((*ink.shape, 3), np.uint8), alpha]))


def scanned(lines: RgbImage) -> bytes:
    """Lines on warm, grainy paper that is darker towards a corner, as a JPEG."""
    random = np.random.default_rng(1)
    height, width = lines.shape[:2]
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    light = (0.96 - 0.18 * x * y)[..., None] * np.array([1.0, 0.97, 0.9])
    grain = cv2.GaussianBlur(random.normal(0, 1, (height, width)), (0, 0), 0.8)[..., None]
    page = lines * light + 5 * grain + random.normal(0, 1.5, lines.shape)
    file = io.BytesIO()
    Image.fromarray(page.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=92)
    return file.getvalue()


def shoot(
    lines: RgbImage, table: RgbImage, random: np.random.Generator
) -> tuple[RgbImage, NDArray[np.float64]]:
    """Photographs a drawing on a sheet with a margin, on a table, turned and in perspective.

    Args:
        lines: uint8 (H, W, 3) on white.
        table: What lies below.
        random: Of the camera and the light.

    Returns:
        The photograph, and the sheet's corners in it, (4, 2).
    """
    width, height = PHOTOGRAPH_PX
    below = cv2.resize(table, PHOTOGRAPH_PX) * random.uniform(0.35, 0.8)
    margin = round(0.08 * max(lines.shape[:2]))
    sheet = cv2.copyMakeBorder(
        lines, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=SHEET_COLOUR
    )
    high, wide = sheet.shape[:2]
    angle = random.uniform(-0.25, 0.25)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    half = np.array([[-wide, -high], [wide, -high], [wide, high], [-wide, high]]) / 2
    corners = half * 0.75 * min(width / wide, height / high) @ turn
    corners += np.array(PHOTOGRAPH_PX) / 2 + random.uniform(-0.05, 0.05, (4, 2)) * PHOTOGRAPH_PX
    own = np.array([[0, 0], [wide, 0], [wide, high], [0, high]], np.float32)
    matrix = cv2.getPerspectiveTransform(own, corners.astype(np.float32))
    seen = cv2.warpPerspective(sheet, matrix, PHOTOGRAPH_PX)
    cover = cv2.warpPerspective(np.ones((high, wide), np.float32), matrix, PHOTOGRAPH_PX)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    towards = random.uniform(0, 2 * np.pi)
    light = 0.8 + 0.2 * (np.cos(towards) * (2 * x - 1) + np.sin(towards) * (2 * y - 1))
    picture = (seen * cover[..., None] + below * (1 - cover[..., None])) * light[..., None]
    picture = picture * np.array([1.0, 0.96, 0.88]) + random.normal(0, 2.5, picture.shape)
    return picture.clip(0, 255).astype(np.uint8), corners
