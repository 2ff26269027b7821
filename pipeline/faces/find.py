"""Which faces a photo has, where their regions lie, and which of them are cared for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from pipeline.domain import Decision, Face, Photo, Picture, RegionMap
from pipeline.faces.align import ALIGNED_PX, Matrix, alignment, crop, inverse, moved
from pipeline.faces.check import CHECK_PX, landmarks_in, looked_at
from pipeline.faces.detect import LEAST_SCORE
from pipeline.faces.human import why_not_human
from pipeline.faces.parse import REGIONS, labels, mask_of
from pipeline.faces.place import Found
from pipeline.faces.tools import FaceTools
from pipeline.settings import Options

MOST_FACES = 64  # in one photo: the largest; each costs some 40 ms
LEAST_PX = 12.0  # a face less wide has no features to keep
LEAST_SHARE = 5e-4  # of the aligned square, for a region to be called found

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


def find_faces(
    photo: Photo, options: Options, tools: FaceTools | None, why_not: str | None = None
) -> tuple[tuple[Found, ...], Decision]:
    """in: the enhanced Photo and the networks, or None and why they are not to be used; out: its
    faces, largest first and MOST_FACES at most, those that are to be cared for with their
    regions, the others with the reason why not.
    """
    if tools is None:
        return (), Decision("faces", False, why_not or "faces are not looked for")
    faces = tools.landmarks.of(tools.key, photo.pixels, tools.search)
    chosen = faces[:MOST_FACES]
    looked = tools.each(lambda face: _align(photo.pixels, face, options, tools), chosen)
    found = tuple(_without_hints(looked, chosen))
    aligned = sum(one.regions is not None for one in found)
    count = len(found) + sum(face.score >= LEAST_SCORE for face in faces[MOST_FACES:])
    if not found:
        return (), Decision("faces", False, "no face found", 0, 1)
    why = f"{aligned} of {len(found)} aligned"
    if count > len(found):
        why += f", the largest of {count}"
    return found, Decision("faces", aligned > 0, why, count, MOST_FACES)


def _without_hints(found: Sequence[Found], faces: Sequence[Face]) -> Iterator[Found]:
    """Of what was ``found`` looking closer at the ``faces``, all that were sure before, and of
    the others those that then were a face, and not one of the sure ones from beside it.
    """
    sure = [one.face for one, face in zip(found, faces, strict=True) if face.score >= LEAST_SCORE]
    for one, face in zip(found, faces, strict=True):
        if face.score >= LEAST_SCORE:
            yield one
        elif one.face.score >= LEAST_SCORE and not any(_same(one.face, other) for other in sure):
            sure.append(one.face)
            yield one


def _same(one: Face, other: Face) -> bool:
    """Whether the landmarks of both lie within half the other's width."""
    apart = np.mean(one.landmarks, 0) - np.mean(other.landmarks, 0)
    return float(np.hypot(*apart)) < (other.box[2] - other.box[0]) / 2


def _align(pixels: Picture, face: Face, options: Options, tools: FaceTools) -> Found:
    """The face looked at closer and, if it is sure enough then and a person's, parsed."""

    def left_alone(why: str) -> Found:
        return Found(replace(face, not_refined=why))

    width_px = face.box[2] - face.box[0]
    if width_px < LEAST_PX:
        return left_alone(f"it is {width_px:.0f} px wide; {LEAST_PX:.0f} are needed")
    height, width = pixels.shape[:2]
    inside = sum(0 <= x < width and 0 <= y < height for x, y in face.landmarks)
    if inside < 3:
        return left_alone("most of its landmarks lie outside the picture")
    try:
        matrix = alignment(face.landmarks, ALIGNED_PX)
        near = looked_at(pixels, matrix, tools.detect)
        if near is not None:
            face = _sharper(face, near, matrix)
            matrix = alignment(face.landmarks, ALIGNED_PX)
    except ValueError as error:
        return left_alone(str(error))
    if face.score < options.alignment_threshold:
        return left_alone(f"its score of {face.score:.2f} is under {options.alignment_threshold:g}")
    label_map = labels(tools.parse(crop(pixels, matrix, ALIGNED_PX)))
    counts = np.bincount(label_map.ravel(), minlength=len(REGIONS))
    names = tuple(
        name
        for name, count in zip(REGIONS, counts, strict=True)
        if name != "background" and count >= LEAST_SHARE * label_map.size
    )
    face = replace(face, regions=names)
    why_not = why_not_human(label_map, width_px)
    if why_not:
        return Found(replace(face, not_refined=why_not), parsed=True)
    masks = {
        group: np.rint(mask_of(label_map, regions, options.parsing_smooth) * 255).astype(np.uint8)
        for group, regions in GROUPS.items()
    }
    regions = RegionMap(masks, inverse(matrix))
    return Found(face, regions, True, landmarks_in(pixels, matrix, tools.detect))


def _sharper(face: Face, near: Face, to_aligned: Matrix) -> Face:
    """A face with the landmarks of a closer look, and the better score of the two."""
    way = inverse(to_aligned * (CHECK_PX / ALIGNED_PX))
    points = moved(near.landmarks, way)
    landmarks = tuple((float(x), float(y)) for x, y in points)
    return replace(face, score=max(face.score, near.score), landmarks=landmarks)
