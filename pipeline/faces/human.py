"""Whether a detected face is a person's: animals have eyes and noses too.

The parser, which learned people alone, finds no lips in any dog, cat or owl. People showed lips
in a twentieth or more of the disc around the mouth, unless the mouth was hidden or the face too
small; monkeys show them, too, and are treated like people. Where the detector is confident, a
small face needs no lips: no animal less than 50 px wide had its confidence. Nor does one with
brows or glasses. Where it is not, lips
decide at any size. Counted on 171 refused faces of 1,750 photographs; see MODEL_CARD.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from pipeline.domain import GrayImage
from pipeline.faces.align import TEMPLATE
from pipeline.faces.parse import REGIONS
from pipeline.faces.regions import BROWS

MOUTH = tuple((TEMPLATE[3] + TEMPLATE[4]) / 2)  # in the aligned square, in sides
MOUTH_RADIUS = 0.09  # of the disc around it
LIPS = ("mouth", "upper_lip", "lower_lip")
MIN_LIPS = 0.05  # of that disc
COVERS = ("background", "cloth", "glasses", "hat", "necklace")
MAX_COVERED = 0.3  # of that disc: a hidden mouth does not count against a face
CONFIDENT = 0.9  # score of the detector
MIN_PARSED_WIDTH_PX = 32.0  # a confident face less wide is no person's for nothing in its regions
MIN_LIPS_WIDTH_PX = 48.0  # from which width on a confident face has to show lips
# What no dog, cat or monkey had so much of, where a beard or a hand hides the lips; shares of the
# aligned square. People: 0.7 to 1.5 % of brows; animals 0.65 % at most.
TELLING = ((BROWS, 0.007), (("glasses",), 0.05))
FACE_CENTRE, FACE_RADII = (0.5, 0.57), (0.2, 0.26)  # of the ellipse that a face fills
FACIAL = (
    *("skin", "left_brow", "right_brow", "left_eye", "right_eye", "glasses", "nose"),
    *LIPS,
)
MIN_FACIAL = 0.5  # of that ellipse


def why_not_human(labels: GrayImage, width_px: float, score: float) -> str | None:
    """Why an aligned face is not a person's.

    Args:
        labels: uint8 (S, S), the regions of the aligned face; see ``parse.label_map``.
        width_px: How wide the face is in the photo.
        score: The detector's, 0..1.

    Returns:
        None for a person's face, else what is missing.
    """
    confident = score >= CONFIDENT
    if confident and width_px < MIN_PARSED_WIDTH_PX:
        return None
    side = labels.shape[0]
    facial = _share(labels, _ellipse(side, FACE_CENTRE, FACE_RADII), FACIAL)
    if facial < MIN_FACIAL:
        return f"no person's face: {facial:.0%} of where it should be looks like one"
    disc = _ellipse(side, MOUTH, (MOUTH_RADIUS, MOUTH_RADIUS))
    hidden = width_px < MIN_LIPS_WIDTH_PX or _share(labels, disc, COVERS) > MAX_COVERED
    if confident and hidden:
        return None
    everywhere = np.ones_like(labels, bool)
    if confident and any(_share(labels, everywhere, n) >= least for n, least in TELLING):
        return None
    lips = _share(labels, disc, LIPS)
    if lips < MIN_LIPS:
        return f"no person's face: {lips:.0%} of where the mouth should be looks like lips"
    return None


def _share(labels: GrayImage, area: NDArray[np.bool_], regions: Sequence[str]) -> float:
    """Which share of an area belongs to these regions."""
    chosen = np.zeros(len(REGIONS), bool)
    chosen[[REGIONS.index(name) for name in regions]] = True
    return float(chosen[labels[area]].mean())


@cache
def _ellipse(
    side_px: int, centre: tuple[float, ...], radii: tuple[float, float]
) -> NDArray[np.bool_]:
    """(S, S), in a square of that side: an ellipse by its centre and half axes, in sides."""
    y, x = (np.mgrid[:side_px, :side_px] + 0.5) / side_px
    across, down = (x - centre[0]) / radii[0], (y - centre[1]) / radii[1]
    inside: NDArray[np.bool_] = across**2 + down**2 < 1
    return inside
