"""The before/after sheet: photo and picture side by side."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.decode import decode_image, fit
from pipeline.domain import Photo
from pipeline.encode import encode
from pipeline.result import Result
from pipeline.settings import Settings

GAP_PX = 8


def before_after(data: bytes, result: Result, settings: Settings) -> bytes:
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
