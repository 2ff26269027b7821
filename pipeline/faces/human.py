"""Whether what the detector took for a face is a person's: animals have eyes and noses too."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from pipeline.domain import Plane
from pipeline.faces.align import TEMPLATE
from pipeline.faces.parse import REGIONS

# Where a feature is looked for, in the aligned square, and as what; how much of the disc around
# that place, in parts, it takes at least. Glasses stand for the eyes behind them.
RADIUS = 0.09
MOUTH = tuple((TEMPLATE[3] + TEMPLATE[4]) / 2)
PLACES: tuple[tuple[str, tuple[float, float], tuple[str, ...], float], ...] = (
    ("an eye on the left", tuple(TEMPLATE[0]), ("right_eye", "left_eye", "glasses"), 0.01),
    ("an eye on the right", tuple(TEMPLATE[1]), ("left_eye", "right_eye", "glasses"), 0.01),
    ("a nose", tuple(TEMPLATE[2]), ("nose",), 0.1),
    ("a mouth", MOUTH, ("mouth", "upper_lip", "lower_lip"), 0.05),
)
MIDDLE, REACH = (0.5, 0.57), (0.2, 0.26)  # of the ellipse that a face fills
FACIAL = (
    "skin left_brow right_brow left_eye right_eye glasses nose mouth upper_lip lower_lip".split()
)
LEAST_FACIAL = 0.5  # of that ellipse


def why_not_human(labels: Plane) -> str | None:
    """in: the labels of an aligned face, uint8 (S, S); out: None for a person's face, else what
    is missing.
    """
    facial = float(_is(labels, FACIAL)[_ellipse(labels.shape[0], *MIDDLE, *REACH)].mean())
    if facial < LEAST_FACIAL:
        return f"no person's face: {facial:.0%} of where it should be looks like one"
    missing = []
    for name, (across, down), regions, least in PLACES:
        near = _ellipse(labels.shape[0], across, down, RADIUS, RADIUS)
        if float(_is(labels, regions)[near].mean()) < least:
            missing.append(name)
    if ("a mouth" in missing and len(missing) > 1) or len(missing) > 2:
        return f"no person's face: it lacks {', '.join(missing)}"
    return None


@cache
def _ellipse(
    side_px: int, across: float, down: float, wide: float, high: float
) -> NDArray[np.bool_]:
    """(S, S), in a square of that side: an ellipse by its middle and half axes, in sides."""
    y, x = (np.mgrid[:side_px, :side_px] + 0.5) / side_px
    inside: NDArray[np.bool_] = ((x - across) / wide) ** 2 + ((y - down) / high) ** 2 < 1
    return inside


def _is(labels: Plane, regions: tuple[str, ...] | list[str]) -> NDArray[np.bool_]:
    chosen = np.zeros(len(REGIONS), bool)
    chosen[[REGIONS.index(name) for name in regions]] = True
    return chosen[labels]
