"""The region of interest (ROI) of a photo around a face, and the grid of pixels it is worked on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import GrayImage, RgbImage
from pipeline.faces.align import (
    ALIGNED_PX,
    Matrix,
    affine_scale,
    compose_affine,
    crop,
    to_pixel_centres,
    transform_points,
)
from pipeline.faces.face import DetectedFace


class Grid(Protocol):
    """Pixels that show a part of a photo."""

    @property
    def scale(self) -> float:
        """Grid pixels per photo pixel."""
        ...

    @property
    def grid_size(self) -> tuple[int, int]:
        """Width and height in pixels of the grid."""
        ...

    @property
    def to_grid(self) -> Matrix:
        """The 2x3 matrix from photo pixels to pixels of the grid."""
        ...

    def crop(self, pixels: RgbImage) -> RgbImage:
        """What the grid shows of a photo, uint8 (H, W, 3) RGB."""
        ...


@dataclass(frozen=True, eq=False)
class AlignedGrid:
    """The aligned square of a face: its head upright; see Grid.

    Attributes:
        to_grid: See Grid.
        side_px: Of the square.
    """

    to_grid: Matrix
    side_px: int

    @classmethod
    def of(cls, face: DetectedFace, side_px: int) -> AlignedGrid:
        """The square of an aligned face with that side. Raises ValueError for another face."""
        return cls(face.to_aligned * (side_px / ALIGNED_PX), side_px)

    @property
    def scale(self) -> float:
        """See Grid."""
        return affine_scale(self.to_grid)

    @property
    def grid_size(self) -> tuple[int, int]:
        """See Grid."""
        return self.side_px, self.side_px

    def crop(self, pixels: RgbImage) -> RgbImage:
        """See Grid; beyond the photo its border goes on."""
        return crop(pixels, self.to_grid, self.side_px)


@dataclass(frozen=True)
class Roi:
    """A rectangle of whole pixels of a photo, worked on at another resolution.

    Attributes:
        left, top: The first column and row.
        right, bottom: The column and row behind the last.
        width_px, height_px: Size of the grid that it is worked on.
        scale: Grid pixels per photo pixel.
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
    def grid_size(self) -> tuple[int, int]:
        """Width and height in pixels of the grid."""
        return self.width_px, self.height_px

    @property
    def to_grid(self) -> Matrix:
        """The 2x3 matrix from photo pixels to pixels of the grid."""
        x_scale, y_scale = self.width_px / self.size[0], self.height_px / self.size[1]
        return np.array([[x_scale, 0, -self.left * x_scale], [0, y_scale, -self.top * y_scale]])

    def crop(self, pixels: RgbImage) -> RgbImage:
        """The ROI of a photo on the grid; a view where the grid has the photo's own pixels."""
        part = pixels[self.area]
        if self.size == self.grid_size:
            return part
        interpolation = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_CUBIC
        return cv2.resize(part, self.grid_size, interpolation=interpolation)


def face_roi(
    face: DetectedFace, shape: tuple[int, ...], face_px: float, max_scale: float
) -> Roi | None:
    """The square around a face that is twice as wide as the face, cut at the photo's borders.

    Args:
        face: A face of the photo.
        shape: The photo's shape, height and width first.
        face_px: How wide the face is on the ROI's grid, as far as ``max_scale`` allows.
        max_scale: Limit of grid pixels per photo pixel.

    Returns:
        None for a face that is not aligned, or of which nothing lies in the photo.
    """
    if not face.is_aligned:
        return None
    side = face.side_px
    centre = [(ALIGNED_PX / 2, ALIGNED_PX / 2)]
    ((x, y),) = transform_points(centre, face.regions.to_photo)
    height, width = shape[:2]
    left, top = max(0, math.floor(x - side / 2)), max(0, math.floor(y - side / 2))
    right, bottom = min(width, math.ceil(x + side / 2)), min(height, math.ceil(y + side / 2))
    if left >= right or top >= bottom:
        return None
    scale = min(max_scale, face_px / face.width_px)
    width_px, height_px = (max(1, round(side * scale)) for side in (right - left, bottom - top))
    return Roi(left, top, right, bottom, width_px, height_px, scale)


def warp_to_roi(plane: GrayImage, face: DetectedFace, roi: Grid) -> GrayImage:
    """Brings a plane of the aligned square, uint8 (S, S), onto the grid of a ROI."""
    matrix = compose_affine(face.regions.to_photo, roi.to_grid)
    warped = cv2.warpAffine(plane, to_pixel_centres(matrix), roi.grid_size, flags=cv2.INTER_LINEAR)
    return np.asarray(warped, np.uint8)


def region_mask(face: DetectedFace, roi: Grid, group: str) -> NDArray[np.float32]:
    """float32 (h, w) in 0..1: the soft mask of a group of regions on the grid of a ROI.

    Raises:
        ValueError: The face is not aligned.
        KeyError: There is no such group; see ``regions.GROUPS``.
    """
    warped = warp_to_roi(face.regions.masks[group], face, roi)
    return warped.astype(np.float32) / np.float32(255)
