"""Landmarks found again: whether a face is still where it was."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.domain import Face, RgbImage
from pipeline.faces.align import ALIGNED_PX, EYES_SHARE, TEMPLATE, Matrix, crop
from pipeline.faces.detect import FaceDetector
from pipeline.faces.face import DetectedFace

CROP_PX = 192  # side of the aligned square in which a face is looked for again
# In eye distances from the template: landmarks further off are those of another face.
MAX_TEMPLATE_DISTANCE = 0.5

Landmarks = NDArray[np.float64]


def detect_in_crop(pixels: RgbImage, to_aligned: Matrix, detector: FaceDetector) -> Face | None:
    """Detects one face where it should be, upright and large enough.

    Args:
        pixels: uint8 (H, W, 3) RGB.
        to_aligned: 2x3, from the pixels to the aligned square of the face.
        detector: The face detector.

    Returns:
        The face in pixels of a square of CROP_PX; None where there is none.
    """
    square = crop(pixels, to_aligned * (CROP_PX / ALIGNED_PX), CROP_PX)
    faces = detector.detect(square)
    distances = [_distance(_in_sides(face), TEMPLATE) / EYES_SHARE for face in faces]
    if not distances or min(distances) > MAX_TEMPLATE_DISTANCE:
        return None
    return faces[distances.index(min(distances))]


def landmarks_in_crop(
    pixels: RgbImage, to_aligned: Matrix, detector: FaceDetector
) -> Landmarks | None:
    """As ``detect_in_crop``, but gives the landmarks, float64 (5, 2) in sides of the square."""
    face = detect_in_crop(pixels, to_aligned, detector)
    return None if face is None else _in_sides(face)


def _in_sides(face: Face) -> Landmarks:
    return np.array(face.landmarks) / CROP_PX


def landmark_shift(before: Landmarks, after: Landmarks | None) -> float:
    """How far the landmarks moved, on average, in inter-ocular distances.

    Infinite for a face that is no longer found.
    """
    if after is None:
        return math.inf
    eye_distance = max(float(np.linalg.norm(before[1] - before[0])), EYES_SHARE / 2)
    return _distance(before, after) / eye_distance


def _distance(points: Landmarks, others: Landmarks) -> float:
    return float(np.linalg.norm(points - others, axis=1).mean())


def measure_landmark_shift(
    result: RgbImage, faces: Sequence[DetectedFace], detector: FaceDetector | None
) -> tuple[tuple[Face, ...], float | None]:
    """Measures in the finished picture how far the landmarks of each face have moved.

    Args:
        result: uint8 (H, W, 3) RGB, the finished picture.
        faces: The faces of the photo, which has the same size.
        detector: The face detector; None where faces were not looked for.

    Returns:
        The faces, those that are found again with their shift; and the mean of the shifts, None
        where there is none.
    """
    measured = []
    for detected in faces:
        face = detected.face
        if detector is not None and detected.landmarks is not None:
            after = landmarks_in_crop(result, detected.to_aligned, detector)
            shift = landmark_shift(detected.landmarks, after)
            if math.isfinite(shift):
                face = replace(face, shift=shift)
        measured.append(face)
    shifts = [face.shift for face in measured if face.shift is not None]
    return tuple(measured), sum(shifts) / len(shifts) if shifts else None
