"""The groups of a face's regions that are treated alike."""

from __future__ import annotations

from collections.abc import Mapping

FACE = ("skin", "left_ear", "right_ear", "nose")
EYES = ("left_eye", "right_eye")
BROWS = ("left_brow", "right_brow")
LIPS = ("upper_lip", "lower_lip")
INSIDE = (*EYES, *BROWS, "glasses", "mouth", *LIPS)
# the groups of regions that are treated alike
GROUPS: Mapping[str, tuple[str, ...]] = {
    "skin": FACE,
    "eyes": EYES,
    "brows": BROWS,
    "lips": LIPS,
    "glasses": ("glasses",),
    "features": (*INSIDE, "nose"),
    "face": (*FACE, *INSIDE),
    "head": (*FACE, *INSIDE, "earring", "hair", "hat", "neck"),
}
