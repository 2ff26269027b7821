"""Whether what the detector took for a face is a person's: animals have eyes and noses too.

What the parser, which learned people alone, finds in no dog, cat or owl is lips. People showed
them in a twentieth of the disc around the mouth or more, but where it was hidden or the face too
small to have any; monkeys show them, too, and are cared for like people.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from pipeline.domain import Plane
from pipeline.faces.align import TEMPLATE
from pipeline.faces.parse import REGIONS

MOUTH = tuple((TEMPLATE[3] + TEMPLATE[4]) / 2)  # in the aligned square, in sides
RADIUS = 0.09  # of the disc around it
LIPS = ("mouth", "upper_lip", "lower_lip")
LEAST_LIPS = 0.05  # of that disc
COVERED = ("background", "cloth", "glasses", "hat", "necklace")
MOST_COVERED = 0.3  # of it: what hides a mouth is not held against a face
TELLING_PX = 32.0  # from which width on a face shows its lips
MIDDLE, REACH = (0.5, 0.57), (0.2, 0.26)  # of the ellipse that a face fills
FACIAL = (
    *("skin", "left_brow", "right_brow", "left_eye", "right_eye", "glasses", "nose"),
    *LIPS,
)
LEAST_FACIAL = 0.5  # of that ellipse


def why_not_human(labels: Plane, width_px: float) -> str | None:
    """in: the labels of an aligned face, uint8 (S, S), and how wide it is in the photo; out: None
    for a person's face, else what is missing.
    """
    side = labels.shape[0]
    facial = _share(labels, _ellipse(side, *MIDDLE, *REACH), FACIAL)
    if facial < LEAST_FACIAL:
        return f"no person's face: {facial:.0%} of where it should be looks like one"
    disc = _ellipse(side, *MOUTH, RADIUS, RADIUS)
    if width_px < TELLING_PX or _share(labels, disc, COVERED) > MOST_COVERED:
        return None
    lips = _share(labels, disc, LIPS)
    if lips < LEAST_LIPS:
        return f"no person's face: {lips:.0%} of where the mouth should be looks like lips"
    return None


def _share(labels: Plane, where: NDArray[np.bool_], regions: Sequence[str]) -> float:
    """Which part of a place is of these regions."""
    chosen = np.zeros(len(REGIONS), bool)
    chosen[[REGIONS.index(name) for name in regions]] = True
    return float(chosen[labels[where]].mean())


@cache
def _ellipse(
    side_px: int, across: float, down: float, wide: float, high: float
) -> NDArray[np.bool_]:
    """(S, S), in a square of that side: an ellipse by its middle and half axes, in sides."""
    y, x = (np.mgrid[:side_px, :side_px] + 0.5) / side_px
    inside: NDArray[np.bool_] = ((x - across) / wide) ** 2 + ((y - down) / high) ** 2 < 1
    return inside
