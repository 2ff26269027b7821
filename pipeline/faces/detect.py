"""Where the faces are: boxes, scores and five landmarks, found at one scale or two.

After J. Deng et al., "RetinaFace: single-shot multi-level face localisation in the wild", CVPR
2020: a network answers for every prior, a square of known place and size, how a face lies to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import Engine, Face, Picture, WeightSpec
from pipeline.networks import to_planes

Array = NDArray[np.float32]

CAP_PX = 640  # longer side at which a photo is looked at
FINE_CAP_PX = 1280  # and at which, where small faces may be, it is looked at again
MULTIPLE_PX = 32  # of the sides that the network takes
LEVELS = ((8, (16, 32)), (16, (64, 128)), (32, (256, 512)))  # steps and sizes of the priors, px
CENTRE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2
LEAST_SCORE = 0.5
HINT_SCORE = 0.2  # of what may be a face: too small for the first look, or in bad light
SMALL_PX = 32  # a face under it is better seen at the finer scale
OVERLAP = 0.4  # intersection over union from which two boxes are one face
VOTE_OVERLAP = 0.6  # and from which both have a say in where it lies
LEAST_FACE_PX = 4  # at the scale at which it was found
MOST_FACES = 100  # the largest
MOST_CANDIDATES = 4000  # the best that suppression looks at
STRAY = 0.5  # of the box's sides: how far outside it a landmark may lie
PADDING = (123, 117, 104)  # the mean of the pictures that RetinaFace learned from


@dataclass(frozen=True, eq=False)
class Candidates:
    """Boxes (N, 4: left, top, right, bottom), scores (N,), landmarks (N, 5, 2), in px."""

    boxes: Array
    scores: Array
    landmarks: Array

    def __getitem__(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> Candidates:
        return Candidates(self.boxes[chosen], self.scores[chosen], self.landmarks[chosen])

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def sides(self) -> Array:
        """(N,): square roots of the boxes' areas."""
        width, height = (self.boxes[:, 2:] - self.boxes[:, :2]).T
        return np.sqrt(np.maximum(width, 0) * np.maximum(height, 0))

    def moved(self, scale: tuple[float, float], offset: tuple[float, float]) -> Candidates:
        """Every point divided by ``scale``, then moved by ``offset``; both as x, y."""
        by, to = np.array(scale, np.float32), np.array(offset, np.float32)
        boxes = (self.boxes.reshape(-1, 2, 2) / by + to).reshape(-1, 4)
        return Candidates(boxes, self.scores, self.landmarks / by + to)


def detect(
    pixels: Picture,
    spec: WeightSpec,
    engine: Engine,
    *,
    cap_px: int = CAP_PX,
    fine_cap_px: int = FINE_CAP_PX,
    least_score: float = LEAST_SCORE,
) -> tuple[Face, ...]:
    """in: uint8 (H, W, 3) RGB of any size, and an opened network of the kind "detector";
    out: the faces, in pixels of ``pixels``, largest first, MOST_FACES at most. Never fails.

    The photo is looked at with its longer side reduced to ``cap_px``. If it is larger than that,
    and something was seen with a score of HINT_SCORE or more that is smaller than SMALL_PX, then
    the part of the photo that holds all such hints is looked at again, at the scale that brings
    the longer side of the whole to ``fine_cap_px``: a photo without a hint pays nothing for it,
    one with few hints in one place little. Boxes are cut at the photo's borders; a landmark of a
    face that a border cuts may lie outside.
    """
    height, width = pixels.shape[:2]
    longer = max(height, width)
    found, first_scale = _look(pixels, spec, engine, cap_px / longer, min(least_score, HINT_SCORE))
    hints = found[found.sides * first_scale < SMALL_PX]
    found = found[found.scores >= least_score]
    if longer > cap_px and len(hints):
        fine = _look_closer(pixels, spec, engine, hints, fine_cap_px / longer, least_score)
        small = fine.sides * first_scale < 2 * SMALL_PX
        found = _joined(fine[small], found)
    found = plausible(found, width, height)
    order = np.argsort(-found.sides, kind="stable")[:MOST_FACES]
    return tuple(_faces(found[order]))


def _look(
    pixels: Picture, spec: WeightSpec, engine: Engine, scale: float, least_score: float
) -> tuple[Candidates, float]:
    """What is found in a picture reduced to ``scale`` (from 1 on: as it is), in px of
    ``pixels``; and the scale that it had.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, scale)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    seen = pixels
    if size != (width, height):
        seen = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    below, right = (-side % MULTIPLE_PX for side in seen.shape[:2])
    if below or right:
        seen = cv2.copyMakeBorder(seen, 0, below, 0, right, cv2.BORDER_CONSTANT, value=PADDING)
    values = engine.run({"picture": to_planes(seen, spec.input_range)})[0]
    found = suppress(decode(values, seen.shape[0], seen.shape[1], least_score))
    found = found[found.sides >= LEAST_FACE_PX]
    return found.moved((size[0] / width, size[1] / height), (0, 0)), scale


def _look_closer(
    pixels: Picture,
    spec: WeightSpec,
    engine: Engine,
    hints: Candidates,
    scale: float,
    least_score: float,
) -> Candidates:
    """What is found in the part of the photo that holds the hints, and around each the twice of
    its size, at the finer scale.
    """
    height, width = pixels.shape[:2]
    margin = 2 * float(hints.sides.max())
    left, top = np.maximum(hints.boxes[:, :2].min(0) - margin, 0).astype(int)
    right, bottom = np.minimum(hints.boxes[:, 2:].max(0) + margin, (width, height)).astype(int)
    part = pixels[top:bottom, left:right]
    found, _ = _look(part, spec, engine, scale, least_score)
    return found.moved((1, 1), (float(left), float(top)))


@lru_cache(maxsize=8)
def priors(height: int, width: int) -> Array:
    """(P, 3): x and y of the centre and the side of every prior, in px, of a picture whose sides
    are multiples of 32; in the order of the network's answers.
    """
    found = []
    for step, sizes in LEVELS:
        y, x = np.mgrid[: height // step, : width // step] * step + step / 2
        for_size = [np.stack([x, y, np.full(x.shape, size)], -1) for size in sizes]
        found.append(np.stack(for_size, 2).reshape(-1, 3))
    return np.concatenate(found).astype(np.float32)


def decode(values: Array, height: int, width: int, least_score: float) -> Candidates:
    """in: (P, 15), what the network answers to a picture of that size; out: the priors of
    ``least_score`` or more as boxes and landmarks, best first, MOST_CANDIDATES at most.
    Answers that are not finite are passed over.
    """
    chosen = np.flatnonzero(values[:, 4] >= least_score)
    order = np.argsort(-values[chosen, 4], kind="stable")[:MOST_CANDIDATES]
    prior, value = priors(height, width)[chosen[order]], values[chosen[order]]
    finite = np.isfinite(value).all(1)
    prior, value = prior[finite], value[finite]
    side = prior[:, 2:]
    centre = prior[:, :2] + value[:, :2] * CENTRE_VARIANCE * side
    # e^12 times a prior is far beyond any picture: what is larger would be infinite
    half = side * np.exp(np.minimum(value[:, 2:4] * SIZE_VARIANCE, 12)) / 2
    points = prior[:, None, :2] + value[:, 5:].reshape(-1, 5, 2) * CENTRE_VARIANCE * side[:, None]
    return Candidates(np.concatenate([centre - half, centre + half], 1), value[:, 4], points)


def suppress(found: Candidates) -> Candidates:
    """Of boxes that overlap by more than OVERLAP the first alone (greedy non-maximum
    suppression of candidates that come best first), its box and landmarks the mean of all that
    overlap it by VOTE_OVERLAP, weighted by their scores: priors see one face a little
    differently, and what one says changes when the photo moves by a few pixels.

    Source of the mean: V. Bazarevsky et al., "BlazeFace: sub-millisecond neural face detection
    on mobile GPUs", 2019, section 3.5.
    """
    left, top, right, bottom = found.boxes.T
    area = np.maximum(right - left, 0) * np.maximum(bottom - top, 0)
    kept, boxes, landmarks = [], found.boxes.copy(), found.landmarks.copy()
    waiting = np.arange(len(found))
    while len(waiting):
        one, others = waiting[0], waiting[1:]
        kept.append(one)
        wide = np.minimum(right[one], right[others]) - np.maximum(left[one], left[others])
        high = np.minimum(bottom[one], bottom[others]) - np.maximum(top[one], top[others])
        both = np.maximum(wide, 0) * np.maximum(high, 0)
        either = area[one] + area[others] - both
        voters = np.append(one, others[both > VOTE_OVERLAP * either])
        shares = found.scores[voters] / max(float(found.scores[voters].sum()), 1e-6)
        boxes[one] = shares @ found.boxes[voters]
        landmarks[one] = np.tensordot(shares, found.landmarks[voters], 1)
        waiting = others[both <= OVERLAP * either]
    return Candidates(boxes, found.scores, landmarks)[np.array(kept, np.intp)]


def _joined(fine: Candidates, coarse: Candidates) -> Candidates:
    """Both, and of one face that both have the finer."""
    pairs = ((fine.boxes, coarse.boxes), (fine.scores, coarse.scores))
    boxes, scores = (np.concatenate(pair) for pair in pairs)
    landmarks = np.concatenate([fine.landmarks, coarse.landmarks])
    return suppress(Candidates(boxes, scores, landmarks))


def plausible(found: Candidates, width: int, height: int) -> Candidates:
    """The boxes cut at the picture's borders; without those that are then empty or have
    landmarks further outside the box than STRAY of its sides.
    """
    size = found.boxes[:, 2:] - found.boxes[:, :2]
    least = (found.boxes[:, :2] - STRAY * size)[:, None]
    most = (found.boxes[:, 2:] + STRAY * size)[:, None]
    inside = ((found.landmarks >= least) & (found.landmarks <= most)).all((1, 2))
    limits = np.array([width, height, width, height], np.float32)
    cut = Candidates(np.clip(found.boxes, 0, limits), found.scores, found.landmarks)
    return cut[inside & (cut.sides > 0)]


def _faces(found: Candidates) -> list[Face]:
    faces = []
    for box, score, points in zip(found.boxes, found.scores, found.landmarks, strict=True):
        left, top, right, bottom = (float(value) for value in box)
        landmarks = tuple((float(x), float(y)) for x, y in points)
        faces.append(Face((left, top, right, bottom), float(score), landmarks))
    return faces
