"""The before/after sheet: photo and picture side by side."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.decode import decode, fit
from pipeline.domain import Photo, Result
from pipeline.encode import encode
from pipeline.settings import Settings

GAP_PX = 8


def before_after(data: bytes, result: Result, settings: Settings) -> bytes:
    """in: the photo's bytes and its Result; out: a JPEG, both at the picture's size."""
    output = result.sidecar.output
    size = (output.width_px, output.height_px)
    photo, _ = decode(data, settings)
    before = cv2.resize(fit(photo, max(size)).pixels, size, interpolation=cv2.INTER_AREA)
    after = decode(result.image, settings)[0].pixels
    gap = np.full((size[1], GAP_PX, 3), 255, np.uint8)
    sheet = np.concatenate([before, gap, after], axis=1)
    return encode(Photo(sheet), "jpeg", 92)[0]
