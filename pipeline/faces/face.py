"""A face in a photo, and what is known of it once it is aligned and parsed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.domain import Face, FaceParsing, RgbImage
from pipeline.faces.align import (
    ALIGNED_PX,
    EYES_SHARE,
    FACE_SHARE,
    Matrix,
    affine_scale,
    invert_affine,
)


@dataclass(frozen=True, eq=False)
class DetectedFace:
    """A face as the stages of this package pass it on.

    Attributes:
        face: What the sidecar says of it.
        parsing: Its regions, where it is aligned; only aligned faces are refined and redrawn.
        was_parsed: Whether the parser has seen it; also true of what turned out to be no person.
        landmarks: Five landmarks found again in the aligned square, float64 (5, 2) in sides of
            it; None where the detector does not find the face there.
        lacks_detail: Whether blur, noise or its size left too little of it to be drawn.
        restored: The aligned square as the face restorer sees it, uint8 (ALIGNED_PX, ALIGNED_PX,
            3) RGB; None for a face that was not restored.
        track: The number of the face among those that a shot of a clip tracks; None in a photo.
    """

    face: Face
    parsing: FaceParsing | None = None
    was_parsed: bool = False
    landmarks: NDArray[np.float64] | None = None
    lacks_detail: bool = False
    restored: RgbImage | None = None
    track: int | None = None

    @property
    def is_aligned(self) -> bool:
        """Whether the face is refined and redrawn."""
        return self.parsing is not None

    @property
    def regions(self) -> FaceParsing:
        """The regions of an aligned face; ValueError for one that is not."""
        if self.parsing is None:
            raise ValueError("the face is not aligned")
        return self.parsing

    @property
    def to_aligned(self) -> Matrix:
        """The 2x3 matrix from photo pixels to the aligned square; ValueError as ``regions``."""
        return invert_affine(self.regions.to_photo)

    @property
    def side_px(self) -> float:
        """Side of the aligned square in photo pixels; ValueError as ``regions``."""
        return ALIGNED_PX * affine_scale(self.regions.to_photo)

    @property
    def width_px(self) -> float:
        """How wide the face is in the photo; ValueError as ``regions``."""
        return FACE_SHARE * self.side_px

    @property
    def eye_distance_px(self) -> float:
        """How far apart the eyes are in the photo; ValueError as ``regions``."""
        return EYES_SHARE * self.side_px

    def moved(self, x: float, y: float) -> DetectedFace:
        """The same face in a photo whose pixels lie that much further right and down."""
        left, top, right, bottom = self.face.box
        landmarks = tuple((px + x, py + y) for px, py in self.face.landmarks)
        face = replace(
            self.face, box=(left + x, top + y, right + x, bottom + y), landmarks=landmarks
        )
        parsing = self.parsing
        if parsing is not None:
            to_photo = parsing.to_photo + np.array([[0, 0, x], [0, 0, y]])
            parsing = replace(parsing, to_photo=to_photo)
        return replace(self, face=face, parsing=parsing)


def largest_face_px(faces: Sequence[DetectedFace]) -> float | None:
    """How wide the largest of the aligned faces is in the photo; None without one."""
    return max((face.width_px for face in faces if face.is_aligned), default=None)


def is_same_place(face: Face, other: Face, width_px: float) -> bool:
    """Whether the landmarks of two faces lie within half a face's width of each other."""
    apart = np.mean(face.landmarks, 0) - np.mean(other.landmarks, 0)
    return float(np.hypot(*apart)) < width_px / 2
