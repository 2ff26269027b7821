"""Faces of known places and regions, for tests of what is done with them: stand-ins for the
detector and the parser, which say what is true of a picture that was made for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from models import STORE, closed_model
from numpy.typing import NDArray

from pipeline.domain import Face, Photo, RgbImage
from pipeline.faces import (
    DetectedFace,
    FaceCache,
    FaceDetector,
    FaceModels,
    FaceParser,
    analyse_faces,
)
from pipeline.faces.align import TEMPLATE
from pipeline.faces.detect import MIN_SCORE
from pipeline.faces.parse import REGIONS
from pipeline.faces.roi import face_roi, region_mask
from pipeline.settings import Options

# ellipses in the aligned square: middle and half axes, in parts of its side; later ones on top
SHAPES = {
    "hair": (0.5, 0.5, 0.30, 0.38),
    "neck": (0.5, 0.88, 0.12, 0.12),
    "skin": (0.5, 0.58, 0.21, 0.28),
    "right_brow": (0.38, 0.39, 0.07, 0.018),
    "left_brow": (0.62, 0.39, 0.07, 0.018),
    "right_eye": (0.38, 0.446, 0.045, 0.02),
    "left_eye": (0.62, 0.446, 0.045, 0.02),
    "nose": (0.5, 0.55, 0.04, 0.07),
    "upper_lip": (0.5, 0.683, 0.08, 0.02),
    "lower_lip": (0.5, 0.707, 0.075, 0.022),
}
LENSES = ((0.38, 0.446, 0.08, 0.06), (0.62, 0.446, 0.08, 0.06))
COLOURS = {
    "hair": (60, 40, 30), "neck": (190, 140, 120), "skin": (205, 155, 130),
    "right_brow": (70, 50, 40), "left_brow": (70, 50, 40),
    "right_eye": (60, 60, 70), "left_eye": (60, 60, 70),
    "nose": (200, 148, 124), "upper_lip": (170, 80, 80), "lower_lip": (180, 90, 90),
}  # fmt: skip


def label_map(side: int, without: Sequence[str] = (), glasses: bool = False) -> np.ndarray:
    labels = np.zeros((side, side), np.uint8)
    shapes = [(name, shape) for name, shape in SHAPES.items() if name not in without]
    shapes += [("glasses", lens) for lens in LENSES if glasses]
    for name, (x, y, across, down) in shapes:
        middle, axes = (
            (round(x * side), round(y * side)),
            (round(across * side), round(down * side)),
        )
        cv2.ellipse(labels, middle, axes, 0, 0, 360, REGIONS.index(name), -1)
    return labels


def probabilities(side: int, **given: Any) -> np.ndarray:
    labels = label_map(side, **given)
    return (np.arange(len(REGIONS))[:, None, None] == labels).astype(np.float32)


def face_at(x: float, y: float, side: float, turn: float = 0.0, score: float = 0.99) -> Face:
    """A face whose aligned square has its middle at x, y and that side, turned by radians."""
    cosine, sine = np.cos(turn), np.sin(turn)
    points = (TEMPLATE - 0.5) * side @ np.array([[cosine, sine], [-sine, cosine]]) + (x, y)
    half = side / 4
    return Face(
        (x - half, y - half, x + half, y + half),
        score,
        tuple((float(a), float(b)) for a, b in points),
    )


def scene(height: int, width: int, faces: Sequence[Face], seed: int = 1) -> RgbImage:
    """A textured background with the faces drawn where they are said to be."""
    from pipeline.faces.align import estimate_similarity, invert_affine, to_pixel_centres

    random = np.random.default_rng(seed)
    noise = random.normal(0, 1, (height // 8 + 1, width // 8 + 1, 3)).astype(np.float32)
    picture = 120 + 25 * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    labels = label_map(512)
    colours = np.zeros((len(REGIONS), 3), np.float32)
    for name, colour in COLOURS.items():
        colours[REGIONS.index(name)] = colour
    painted = colours[labels] + random.normal(0, 5, (512, 512, 1)).astype(np.float32)
    for face in faces:
        matrix = to_pixel_centres(invert_affine(estimate_similarity(face.landmarks, 512)))
        size = (width, height)
        there = cv2.warpAffine((labels > 0).astype(np.float32), matrix, size)[..., None]
        picture += there * (cv2.warpAffine(painted, matrix, size) - picture)
    return np.clip(picture, 0, 255).astype(np.uint8)


Detect = Callable[[RgbImage], tuple[Face, ...]]


class KnownDetector(FaceDetector):
    """Says what it is told to: ``search`` of a whole photo, ``closer`` of an aligned square."""

    def __init__(self, search: Detect, closer: Detect) -> None:
        super().__init__(closed_model(STORE.require("detector"), "faces"))
        self.of_photo, self.of_square = search, closer

    def search(self, pixels: RgbImage, min_score: float = MIN_SCORE) -> tuple[Face, ...]:
        return self.of_photo(pixels)

    def detect(self, pixels: RgbImage, min_score: float = MIN_SCORE) -> tuple[Face, ...]:
        return self.of_square(pixels)


class KnownParser(FaceParser):
    """Sees SHAPES in every face; see ``label_map``."""

    def __init__(self, **given: Any) -> None:
        super().__init__(closed_model(STORE.require("parser"), "regions"))
        self.given = given

    def parse(self, crop: RgbImage) -> NDArray[np.float32]:
        return probabilities(crop.shape[0], **self.given)


def models_for(
    faces: Sequence[Face],
    *,
    search: Detect | None = None,
    closer: Detect | None = None,
    **given: Any,
) -> FaceModels:
    """Unless told otherwise, the detector says ``faces`` of a photo, and of an aligned square, in
    which a face is looked for again, that it is where the template has it.
    """

    def again(_: RgbImage) -> tuple[Face, ...]:
        return (face_at(96, 96, 192, score=min(face.score for face in faces)),)

    detector = KnownDetector(search or (lambda _: tuple(faces)), closer or again)
    return FaceModels(detector, KnownParser(**given), FaceCache())


def found_in(
    picture: RgbImage, faces: Sequence[Face], options: Options | None = None, **given: Any
) -> tuple[DetectedFace, ...]:
    return analyse_faces(Photo(picture), options or Options(), models_for(faces, **given), "key")[0]


def weights(picture: RgbImage, face: Face, *groups: str, **given: Any) -> np.ndarray:
    """Where the groups lie in the picture, bool."""
    (detected,) = found_in(picture, [face], **given)
    roi = face_roi(detected, picture.shape, 1e9, 1.0)
    assert roi is not None
    covered = np.zeros(picture.shape[:2], bool)
    for group in groups:
        covered[roi.area] |= region_mask(detected, roi, group) > 0.9
    return covered
