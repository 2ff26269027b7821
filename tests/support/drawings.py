"""Line drawings made for tests: shapes of known regions, on paper of many kinds."""

from __future__ import annotations

import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.domain import Photo, RgbImage


def circles(width: int = 320, height: int = 240, gap_px: int = 0) -> RgbImage:
    """Two circles side by side in black on white; the left one has a gap at its right."""
    page = np.full((height, width, 3), 255, np.uint8)
    radius = min(width // 5, height // 3)
    for x in (width // 4, 3 * width // 4):
        cv2.circle(page, (x, height // 2), radius, (0, 0, 0), 3, cv2.LINE_AA)
    if gap_px:
        right = width // 4 + radius
        top = height // 2 - gap_px // 2
        page[top : top + gap_px, right - 5 : right + 6] = 255
    return page


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Encodes grey, RGB or RGBA."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def on_table(page: RgbImage) -> tuple[RgbImage, NDArray[np.float64]]:
    """A photograph of a sheet on a dark table, in perspective, and the sheet's corners."""
    height, width = page.shape[:2]
    size = (2 * width, 2 * height)
    own = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    corners = own * 1.3 + np.array([[0.4, 0.3], [0.3, 0.45], [0.35, 0.3], [0.25, 0.4]]) * (
        width * 0.6,
        height * 0.6,
    )
    matrix = cv2.getPerspectiveTransform(own, corners.astype(np.float32))
    seen = cv2.warpPerspective(page, matrix, size)
    cover = cv2.warpPerspective(np.ones((height, width), np.float32), matrix, size)[..., None]
    random = np.random.default_rng(2)
    table = 60 + random.normal(0, 6, (size[1], size[0], 3))
    shade = np.linspace(1.0, 0.72, size[0])[None, :, None]
    photograph = (seen * cover + table * (1 - cover)) * shade * (1.0, 0.96, 0.88)
    photograph += random.normal(0, 2, photograph.shape)
    return photograph.clip(0, 255).astype(np.uint8), corners


def photo(pixels: RgbImage) -> Photo:
    """Pixels as the decoder gives them."""
    return Photo(np.ascontiguousarray(pixels))
