"""How well a detector agrees with its teacher on held-out pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

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
from training.data.detector import face_photographs, sample_picture
from training.data.photographs import read_rgb, resize
from training.data.tensors import to_tensor

MIN_PX = 32  # the square root of a box's area, in a picture of COARSE_SIDE_PX
UNSURE_SCORE = 0.02
SAME_FACE = 0.5  # intersection over union
SCENE_SIZE = (480, 640)

Answers = NDArray[np.float32]  # (P, 15): what a network answers for every prior of a picture
Detect = Callable[[RgbImage], Answers]
Pictures = Mapping[str, Sequence[RgbImage]]  # by kind
DetectionsByKind = dict[str, list[Detections]]
Metrics = dict[str, float]


def held_out_pictures(folder: Path, scenes: int) -> dict[str, list[RgbImage]]:
    """Pictures that are never trained on, always the same, as the pipeline shows them.

    Args:
        folder: of the photographs.
        scenes: how many scenes with pasted faces.

    Returns:
        "photographs", portraits and face crops as they are, and "scenes".
    """
    files = face_photographs(folder, validation=True)
    return {
        "photographs": [padded(read_rgb(path)) for paths in files.values() for path in paths],
        "scenes": [sample_picture(files, SCENE_SIZE, (1000, n)) for n in range(scenes)],
    }


def padded(photo: RgbImage) -> RgbImage:
    """The photo with at most COARSE_SIDE_PX a side, its sides filled up to multiples of 32."""
    seen = resize(photo, min(1.0, COARSE_SIDE_PX / max(photo.shape[:2])))
    below, right = (-side % MULTIPLE_PX for side in seen.shape[:2])
    return cv2.copyMakeBorder(seen, 0, below, 0, right, cv2.BORDER_CONSTANT, value=PADDING)


def detections(answers: Answers, picture: RgbImage, score: float = UNSURE_SCORE) -> Detections:
    """The faces in a network's answers to a picture, from that score on."""
    height, width = picture.shape[:2]
    return nms(decode_boxes(answers, height, width, score))


def detect_all(detect: Detect, pictures: Pictures) -> DetectionsByKind:
    """The faces in pictures whose sides are multiples of 32, by kind."""
    return {
        kind: [detections(detect(picture), picture) for picture in of_kind]
        for kind, of_kind in pictures.items()
    }


def answers_of(net: nn.Module) -> Detect:
    """The answers of a torch module."""
    device = next(net.parameters()).device

    def detect(picture: RgbImage) -> Answers:
        with torch.inference_mode():
            answers: Answers = net(to_tensor([picture]).to(device))[0].cpu().numpy()
        return answers

    return detect


def agreement(targets: DetectionsByKind, predictions: DetectionsByKind) -> Metrics:
    """``detection_metrics`` of each kind of pictures, all but photographs by their kind's name."""
    return {
        name if kind == "photographs" else f"{kind}_{name}": value
        for kind, of_kind in targets.items()
        for name, value in detection_metrics(of_kind, predictions[kind]).items()
    }


def detection_metrics(targets: Sequence[Detections], predictions: Sequence[Detections]) -> Metrics:
    """Compares faces with the teacher's, both with scores of MIN_SCORE or more.

    Args:
        targets: the teacher's faces, by picture.
        predictions: by picture.

    Returns:
        ``recall``, the share of the teacher's faces of MIN_PX and more that are predicted;
        ``precision``, the share of the predicted ones of that size that are the teacher's, of any
        size; ``landmark_error_percent``, the mean distance of the landmarks of such pairs, in
        hundredths of that between the teacher's eyes.
    """
    large = recalled = right = claimed = 0
    errors: list[float] = []
    for theirs, ours in zip(targets, predictions, strict=True):
        theirs, ours = (faces[faces.scores >= MIN_SCORE] for faces in (theirs, ours))
        pairs = match_boxes(theirs.boxes, ours.boxes)
        counted = [(a, b) for a, b in pairs if theirs.sides[a] >= MIN_PX]
        large += int((theirs.sides >= MIN_PX).sum())
        recalled += len(counted)
        claimed += int((ours.sides >= MIN_PX).sum())
        right += sum(bool(ours.sides[b] >= MIN_PX) for _, b in pairs)
        for a, b in counted:
            off = np.hypot(*(theirs.landmarks[a] - ours.landmarks[b]).T).mean()
            eyes = np.hypot(*(theirs.landmarks[a, 0] - theirs.landmarks[a, 1]))
            errors.append(float(off / eyes))
    return {
        "recall": recalled / max(1, large),
        "precision": right / max(1, claimed),
        "landmark_error_percent": 100 * float(np.mean(errors)) if errors else 100.0,
    }


def count_faces(targets: Sequence[Detections]) -> int:
    """How many of the teacher's faces ``detection_metrics`` asks for."""
    return sum(int(((f.scores >= MIN_SCORE) & (f.sides >= MIN_PX)).sum()) for f in targets)


def match_boxes(boxes: Answers, others: Answers) -> list[tuple[int, int]]:
    """Pairs the boxes (N, 4) and (M, 4) that overlap by SAME_FACE or more.

    Returns:
        Indices, most overlap first, each box in one pair at most.
    """
    if not len(boxes) or not len(others):
        return []
    least = np.maximum(boxes[:, None, :2], others[None, :, :2])
    most = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    both = np.maximum(most - least, 0).prod(2)
    areas = [np.maximum(b[:, 2:] - b[:, :2], 0).prod(1) for b in (boxes, others)]
    overlap = both / np.maximum(areas[0][:, None] + areas[1] - both, 1e-6)
    pairs = []
    while overlap.size and overlap.max() >= SAME_FACE:
        a, b = np.unravel_index(int(overlap.argmax()), overlap.shape)
        pairs.append((int(a), int(b)))
        overlap[a], overlap[:, b] = 0, 0
    return pairs
