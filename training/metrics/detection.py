"""How well a detector agrees with its teacher on held-out pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import RgbImage
from pipeline.faces.detect import (
    COARSE_SIDE_PX,
    MIN_SCORE,
    MULTIPLE_PX,
    PADDING,
    Detections,
    decode_boxes,
    nms,
)
from training.data.detector import draw_picture, face_photographs
from training.data.photographs import read_rgb

Found = Detections
Figures = dict[str, float]

LEAST_PX = 32  # the square root of a box's area, in a picture of COARSE_SIDE_PX
UNSURE_SCORE = 0.02
SAME_FACE = 0.5  # intersection over union
DRAWN_SIZE = (480, 640)


def held_out_pictures(folder: Path, scenes: int) -> dict[str, list[RgbImage]]:
    """Pictures that are never trained on, always the same, as the pipeline shows them:
    "photographs", portraits and face crops as they are, and so many "scenes" with pasted faces.
    """
    lists = face_photographs(folder, validation=True)
    files = [file for kind in lists.values() for file in kind]
    return {
        "photographs": [shown(read_rgb(file)) for file in files],
        "scenes": [draw_picture(lists, DRAWN_SIZE, (1000, n)) for n in range(scenes)],
    }


def shown(photo: RgbImage) -> RgbImage:
    """The photo with at most COARSE_SIDE_PX a side, its sides filled up to multiples of 32."""
    scale = min(1.0, COARSE_SIDE_PX / max(photo.shape[:2]))
    size = [max(1, round(side * scale)) for side in photo.shape[1::-1]]
    seen = photo if scale == 1 else cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    below, right = (-side % MULTIPLE_PX for side in seen.shape[:2])
    return cv2.copyMakeBorder(seen, 0, below, 0, right, cv2.BORDER_CONSTANT, value=PADDING)


def found_in(values: NDArray[np.float32], picture: RgbImage) -> Found:
    """What a network's answers (P, 15) to a picture hold, surely or hardly faces."""
    height, width = picture.shape[:2]
    return nms(decode_boxes(values, height, width, UNSURE_SCORE))


def agreement(wanted: Mapping[str, list[Found]], made: Mapping[str, list[Found]]) -> Figures:
    """``figures`` of each kind of pictures, the names of all but photographs with their kind."""
    return {
        name if kind == "photographs" else f"{kind}_{name}": value
        for kind, found in wanted.items()
        for name, value in figures(found, made[kind]).items()
    }


def figures(wanted: Sequence[Found], made: Sequence[Found]) -> Figures:
    """Over all pictures, both with scores of MIN_SCORE or more: ``recall``, the share of the
    teacher's faces of LEAST_PX and more that were found; ``precision``, the share of the found
    ones of that size that are the teacher's, of any size; ``landmark_error_percent``, the mean
    distance of the landmarks of such pairs, in hundredths of that between the teacher's eyes.
    """
    large = found = right = claimed = 0
    errors: list[float] = []
    for theirs, ours in zip(wanted, made, strict=True):
        theirs, ours = (one[one.scores >= MIN_SCORE] for one in (theirs, ours))
        pairs = matched(theirs.boxes, ours.boxes)
        counted = [(one, other) for one, other in pairs if theirs.sides[one] >= LEAST_PX]
        large += int((theirs.sides >= LEAST_PX).sum())
        found += len(counted)
        claimed += int((ours.sides >= LEAST_PX).sum())
        right += sum(bool(ours.sides[other] >= LEAST_PX) for _, other in pairs)
        for one, other in counted:
            off = np.hypot(*(theirs.landmarks[one] - ours.landmarks[other]).T).mean()
            eyes = np.hypot(*(theirs.landmarks[one, 0] - theirs.landmarks[one, 1]))
            errors.append(float(off / eyes))
    return {
        "recall": found / max(1, large),
        "precision": right / max(1, claimed),
        "landmark_error_percent": 100 * float(np.mean(errors)) if errors else 100.0,
    }


def count_faces(wanted: Sequence[Found]) -> int:
    """The teacher's faces that ``figures`` counts."""
    return sum(int(((f.scores >= MIN_SCORE) & (f.sides >= LEAST_PX)).sum()) for f in wanted)


def matched(ones: NDArray[np.float32], others: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Pairs of boxes (N, 4) and (M, 4) that overlap by SAME_FACE or more, most first, each box
    in one pair at most.
    """
    if not len(ones) or not len(others):
        return []
    least = np.maximum(ones[:, None, :2], others[None, :, :2])
    most = np.minimum(ones[:, None, 2:], others[None, :, 2:])
    both = np.maximum(most - least, 0).prod(2)
    areas = [np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(1) for boxes in (ones, others)]
    overlap = both / np.maximum(areas[0][:, None] + areas[1] - both, 1e-6)
    pairs = []
    while overlap.size and overlap.max() >= SAME_FACE:
        one, other = np.unravel_index(int(overlap.argmax()), overlap.shape)
        pairs.append((int(one), int(other)))
        overlap[one], overlap[:, other] = 0, 0
    return pairs
