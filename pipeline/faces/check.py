"""Whether a face is still where it was: its landmarks, found again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.domain import Face, Picture
from pipeline.faces.align import ALIGNED_PX, EYES_SHARE, TEMPLATE, Matrix, crop
from pipeline.faces.place import Found
from pipeline.faces.tools import Detect, FaceTools

CHECK_PX = 192  # side of the aligned square in which a face is looked for again
ASTRAY = 0.5  # eye distances from the template: landmarks further off are another face's

Points = NDArray[np.float64]


def looked_at(pixels: Picture, to_aligned: Matrix, detect: Detect) -> Face | None:
    """in: a picture and the matrix from it to the aligned square of a face; out: that face as it
    is found there, upright and large enough, in pixels of a square of CHECK_PX; None where there
    is none.
    """
    seen = crop(pixels, to_aligned * (CHECK_PX / ALIGNED_PX), CHECK_PX)
    faces = detect(seen)
    off = [_distance(_in_sides(face), TEMPLATE) / EYES_SHARE for face in faces]
    if not off or min(off) > ASTRAY:
        return None
    return faces[off.index(min(off))]


def landmarks_in(pixels: Picture, to_aligned: Matrix, detect: Detect) -> Points | None:
    """The landmarks of a face ``looked_at``, float64 (5, 2), in sides of the aligned square."""
    face = looked_at(pixels, to_aligned, detect)
    return None if face is None else _in_sides(face)


def _in_sides(face: Face) -> Points:
    return np.array(face.landmarks) / CHECK_PX


def shift_of(before: Points, after: Points | None) -> float:
    """How far the landmarks moved, on average, in distances between the eyes; infinite for a
    face that is no longer found.
    """
    if after is None:
        return math.inf
    apart = max(float(np.linalg.norm(before[1] - before[0])), EYES_SHARE / 2)
    return _distance(before, after) / apart


def _distance(some: Points, others: Points) -> float:
    return float(np.linalg.norm(some - others, axis=1).mean())


def looked_at_again(
    result: Picture, found: Sequence[Found], tools: FaceTools | None
) -> tuple[tuple[Face, ...], float | None]:
    """in: the uint8 result and the faces of a photo of that size; out: the faces, those whose
    landmarks are found again with their shift, and the mean of the shifts.
    """
    faces = []
    for one in found:
        face = one.face
        if tools is not None and one.landmarks is not None:
            shift = shift_of(one.landmarks, landmarks_in(result, one.to_aligned, tools.detect))
            if math.isfinite(shift):
                face = replace(face, shift=shift)
        faces.append(face)
    shifts = [face.shift for face in faces if face.shift is not None]
    return tuple(faces), sum(shifts) / len(shifts) if shifts else None
