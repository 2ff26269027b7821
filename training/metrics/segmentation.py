"""How well a face parser labels, and its labels in colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import RgbImage
from pipeline.faces.parse import REGIONS

CLASSES = len(REGIONS)
# what the mean is taken of: skin, brows, eyes, glasses, nose, mouth, lips, neck, hair
MEASURED = (1, 2, 3, 4, 5, 6, 10, 11, 12, 13, 14, 17)

Labels = NDArray[np.uint8]


class LabelledFace(NamedTuple):
    """An aligned face (256, 256, 3) and its regions (256, 256), 255 where they are not known."""

    picture: RgbImage
    labels: Labels


def overlaps(predictions: Sequence[Labels], targets: Sequence[Labels]) -> dict[str, float]:
    """Intersection over union by region, over all faces, and the mean of MEASURED.

    Args:
        predictions: labels by face.
        targets: labels by face; pixels of 255 do not count.

    Returns:
        ``mean_iou`` and ``REGION_iou``; a region that is nowhere has none.
    """
    table = np.zeros((CLASSES, CLASSES), np.int64)
    for prediction, target in zip(predictions, targets, strict=True):
        known = target < CLASSES
        pairs = target[known].astype(np.int64) * CLASSES + prediction[known]
        table += np.bincount(pairs, minlength=CLASSES**2).reshape(CLASSES, CLASSES)
    union = table.sum(0) + table.sum(1) - table.diagonal()
    scores = {
        f"{name}_iou": float(table[n, n] / union[n]) for n, name in enumerate(REGIONS) if union[n]
    }
    names = [f"{REGIONS[n]}_iou" for n in MEASURED]
    mean = float(np.mean([scores[name] for name in names if name in scores]))
    return {"mean_iou": mean, **scores}


def coloured(labels: Labels) -> RgbImage:
    """Labels in colours, for people; black is background, grey is not labelled."""
    hues = np.arange(CLASSES + 1) * 79 % 180
    lightness = 120 + np.arange(CLASSES + 1) % 3 * 60
    table = np.stack([hues, np.full_like(hues, 200), lightness], 1).astype(np.uint8)
    table[0], table[CLASSES] = 0, (0, 0, 128)
    rgb = cv2.cvtColor(table[None], cv2.COLOR_HSV2RGB)[0]
    return np.asarray(rgb[np.minimum(labels, CLASSES)])
