"""The upright part of a photo around a face, and the grid of pixels on which it is worked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import Face, Picture, RegionMap
from pipeline.faces.align import (
    ALIGNED_PX,
    EYES_SHARE,
    FACE_SHARE,
    Matrix,
    by_middles,
    inverse,
    moved,
    scale_of,
)


@dataclass(frozen=True, eq=False)
class Found:
    """A face and, where it is cared for, its regions; whether it was parsed; and its landmarks
    as a closer look finds them, float64 (5, 2) in sides of the aligned square.
    """

    face: Face
    regions: RegionMap | None = None
    parsed: bool = False
    landmarks: NDArray[np.float64] | None = None

    @property
    def to_aligned(self) -> Matrix:
        """From photo pixels to the aligned square; ValueError for a face without regions."""
        if self.regions is None:
            raise ValueError("the face was not aligned")
        return inverse(self.regions.to_photo)

    @property
    def width_px(self) -> float:
        """How wide the face is in the photo; ValueError for a face without regions."""
        if self.regions is None:
            raise ValueError("the face was not aligned")
        return FACE_SHARE * ALIGNED_PX * scale_of(self.regions.to_photo)


@dataclass(frozen=True)
class Place:
    """Whole pixels of a photo from ``left``, ``top`` to before ``right``, ``bottom``, worked on as
    ``width_px`` x ``height_px``, ``scale`` times as many a side.
    """

    left: int
    top: int
    right: int
    bottom: int
    width_px: int
    height_px: int
    scale: float

    @property
    def area(self) -> tuple[slice, slice]:
        """Rows and columns of the photo."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels of the photo."""
        return self.right - self.left, self.bottom - self.top

    @property
    def to_grid(self) -> Matrix:
        """The 2x3 matrix from photo pixels to pixels of the grid."""
        across, down = self.width_px / self.size[0], self.height_px / self.size[1]
        return np.array([[across, 0, -self.left * across], [0, down, -self.top * down]])

    def shown(self, pixels: Picture) -> Picture:
        """The part of the photo on the grid; a view where that has the photo's own pixels."""
        part = pixels[self.area]
        if self.size == (self.width_px, self.height_px):
            return part
        way = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_CUBIC
        return cv2.resize(part, (self.width_px, self.height_px), interpolation=way)


def place_of(one: Found, shape: tuple[int, ...], face_px: float, most_scale: float) -> Place | None:
    """in: an aligned face and the photo's shape; out: the square around it that is twice as wide
    as the face, cut at the photo's borders, on a grid on which the face is ``face_px`` wide, or
    less where that were more than ``most_scale`` times the photo's pixels. None for a face of which
    nothing is in the photo.
    """
    if one.regions is None:
        return None
    to_photo = one.regions.to_photo
    side = ALIGNED_PX * scale_of(to_photo)
    ((x, y),) = moved([(ALIGNED_PX / 2, ALIGNED_PX / 2)], to_photo)
    height, width = shape[:2]
    left, top = max(0, math.floor(x - side / 2)), max(0, math.floor(y - side / 2))
    right, bottom = min(width, math.ceil(x + side / 2)), min(height, math.ceil(y + side / 2))
    if left >= right or top >= bottom:
        return None
    scale = min(most_scale, face_px / (FACE_SHARE * side))
    across, down = (max(1, round(length * scale)) for length in (right - left, bottom - top))
    return Place(left, top, right, bottom, across, down, scale)


def largest_face_px(found: Sequence[Found]) -> float | None:
    """How wide the largest of the aligned faces is in the photo; None without one."""
    return max((one.width_px for one in found if one.regions is not None), default=None)


def mask_in(one: Found, place: Place, group: str) -> NDArray[np.float32]:
    """float32 (h, w) in 0..1: a group's mask on the grid of a place."""
    if one.regions is None:
        raise ValueError("the face was not aligned")
    plane = one.regions.masks[group]
    matrix = chained(one.regions.to_photo, place.to_grid)
    size = (place.width_px, place.height_px)
    warped = cv2.warpAffine(plane, by_middles(matrix), size, flags=cv2.INTER_LINEAR)
    return warped.astype(np.float32) / np.float32(255)


def eye_distance_px(one: Found, place: Place) -> float:
    """How far the eyes are apart on the grid of a place."""
    if one.regions is None:
        raise ValueError("the face was not aligned")
    return EYES_SHARE * ALIGNED_PX * scale_of(one.regions.to_photo) * place.scale


def chained(first: Matrix, then: Matrix) -> Matrix:
    """The matrix that does both, one after the other."""
    return np.column_stack([then[:, :2] @ first[:, :2], then[:, :2] @ first[:, 2] + then[:, 2]])
