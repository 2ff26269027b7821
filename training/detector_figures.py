"""How well a detector agrees with its teacher on held-out pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import Picture
from pipeline.faces.detect import (
    CAP_PX,
    LEAST_SCORE,
    MULTIPLE_PX,
    PADDING,
    Candidates,
    decode,
    suppress,
)
from training.data import read_rgb
from training.detector_data import PORTRAITS, SCENES, draw_picture, face_photographs

Found = Candidates

LEAST_PX = 32  # the square root of a box's area, in a picture of CAP_PX
UNSURE_SCORE = 0.02
SAME_FACE = 0.5  # intersection over union
DRAWN_SCENES = 80
DRAWN_SIZE = (480, 640)


def held_out_pictures(folder: Path) -> list[Picture]:
    """Pictures that are never trained on, always the same, as the pipeline shows them: portraits
    and photographs as they are, and scenes with pasted faces.
    """
    lists = face_photographs(folder, validation=True)
    files = [*lists.get(PORTRAITS, []), *lists.get(SCENES, [])]
    drawn = [draw_picture(lists, DRAWN_SIZE, (1000, n)) for n in range(DRAWN_SCENES)]
    return [*(shown(read_rgb(file)) for file in files), *drawn]


def shown(photo: Picture) -> Picture:
    """The photo with at most CAP_PX a side, its sides filled up to multiples of 32."""
    scale = min(1.0, CAP_PX / max(photo.shape[:2]))
    size = [max(1, round(side * scale)) for side in photo.shape[1::-1]]
    seen = photo if scale == 1 else cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    below, right = (-side % MULTIPLE_PX for side in seen.shape[:2])
    return cv2.copyMakeBorder(seen, 0, below, 0, right, cv2.BORDER_CONSTANT, value=PADDING)


def found_in(values: NDArray[np.float32], picture: Picture) -> Found:
    """What a network's answers (P, 15) to a picture hold, surely or hardly faces."""
    height, width = picture.shape[:2]
    return suppress(decode(values, height, width, UNSURE_SCORE))


def figures(wanted: Sequence[Found], made: Sequence[Found]) -> dict[str, float]:
    """Over all pictures, both with scores of LEAST_SCORE or more: ``recall``, the share of the
    teacher's faces of LEAST_PX and more that were found; ``precision``, the share of the found
    ones of that size that are the teacher's, of any size; ``landmark_error``, the mean distance
    of the landmarks of such pairs, in distances between the teacher's eyes; ``faces``, how many
    the teacher has.
    """
    hits = misses = true = false = 0
    errors: list[float] = []
    for theirs, ours in zip(wanted, made, strict=True):
        theirs = theirs[theirs.scores >= LEAST_SCORE]
        ours = ours[ours.scores >= LEAST_SCORE]
        pairs = matched(theirs.boxes, ours.boxes)
        large = theirs.sides >= LEAST_PX
        hits += sum(large[one] for one, _ in pairs)
        misses += large.sum() - sum(large[one] for one, _ in pairs)
        true += sum(ours.sides[other] >= LEAST_PX for _, other in pairs)
        paired = {other for _, other in pairs}
        false += sum(side >= LEAST_PX and n not in paired for n, side in enumerate(ours.sides))
        for one, other in pairs:
            if large[one]:
                off = np.hypot(*(theirs.landmarks[one] - ours.landmarks[other]).T).mean()
                eyes = np.hypot(*(theirs.landmarks[one, 0] - theirs.landmarks[one, 1]))
                errors.append(float(off / eyes))
    return {
        "recall": float(hits / max(1, hits + misses)),
        "precision": float(true / max(1, true + false)),
        "landmark_error": float(np.mean(errors)) if errors else 1.0,
        "landmark_error_median": float(np.median(errors)) if errors else 1.0,
        "faces": float(hits + misses),
    }


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
