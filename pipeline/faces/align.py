"""Alignment: between a photo and the square in which every face lies alike.

Points are measured from the picture's corner, so that the centre of the first pixel is at
(0.5, 0.5); a matrix is 2x3 and takes (x, y, 1) to (x, y).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import RgbImage

Matrix = NDArray[np.float64]
Points = Sequence[tuple[float, float]] | NDArray[np.float64]

# Where the five landmarks lie in the aligned square, in units of its side: eyes, nose tip and
# mouth corners, left to right as seen. The proportions are those that ArcFace made usual; the
# square is wider, so that it takes in hair, ears and chin, which the parser knows.
TEMPLATE = np.array(
    [
        (0.3799, 0.4460),
        (0.6201, 0.4460),
        (0.5000, 0.5760),
        (0.4150, 0.6930),
        (0.5850, 0.6930),
    ]
)

ALIGNED_PX = 256  # side of the aligned square as it is parsed
FACE_SHARE = 0.5  # of that side: how wide a face is
EYES_SHARE = float(TEMPLATE[1, 0] - TEMPLATE[0, 0])  # and how far its eyes are apart
MIN_LINEAR_SCALE = 0.75  # below it, interpolation between neighbours would skip pixels


def estimate_similarity(landmarks: Points, side_px: int) -> Matrix:
    """Estimates the similarity transform that brings five landmarks nearest to the template.

    That is rotation, one scale and translation, by least squares: S. Umeyama, "Least-squares
    estimation of transformation parameters between two point patterns", IEEE PAMI 13(4), 1991. In
    the plane it is one complex division, and never mirrors.

    Args:
        landmarks: (5, 2), x and y in pixels of a photo, in the order of TEMPLATE.
        side_px: Side of the aligned square.

    Returns:
        The 2x3 matrix from the photo to the square.

    Raises:
        ValueError: The landmarks are not finite, coincide, or do not lie as those of a face do.
    """
    points = np.asarray(landmarks, np.float64)
    if points.shape != TEMPLATE.shape or not np.isfinite(points).all():
        raise ValueError(f"five landmarks of finite numbers are needed, not {points.tolist()}")
    target = TEMPLATE * side_px
    source_mean, target_mean = points.mean(0), target.mean(0)
    source = (points - source_mean) @ (1, 1j)
    spread = float((abs(source) ** 2).sum())
    if spread < 1e-6:
        raise ValueError("the landmarks lie in one place")
    rotation = complex((source.conj() @ ((target - target_mean) @ (1, 1j))) / spread)
    if abs(rotation) * math.sqrt(spread) < 1e-3 * side_px:
        raise ValueError("the landmarks do not lie as those of a face do")
    linear = np.array([[rotation.real, -rotation.imag], [rotation.imag, rotation.real]])
    return np.column_stack([linear, target_mean - linear @ source_mean])


def invert_affine(matrix: Matrix) -> Matrix:
    """The 2x3 matrix that undoes ``matrix``."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def compose_affine(first: Matrix, then: Matrix) -> Matrix:
    """The 2x3 matrix that applies ``first``, then ``then``."""
    return np.column_stack([then[:, :2] @ first[:, :2], then[:, :2] @ first[:, 2] + then[:, 2]])


def transform_points(points: Points, matrix: Matrix) -> NDArray[np.float64]:
    """float64 (N, 2): the points where the matrix puts them."""
    return np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2]


def affine_scale(matrix: Matrix) -> float:
    """How many pixels a pixel becomes along a side."""
    return float(math.hypot(matrix[0, 0], matrix[1, 0]))


def crop(pixels: RgbImage, matrix: Matrix, side_px: int) -> RgbImage:
    """Cuts the aligned square out of a photo.

    Beyond the photo its border goes on. Where the square has fewer pixels than the photo, they
    are averages of all that they stand for.

    Args:
        pixels: uint8 (H, W, 3) RGB.
        matrix: 2x3, from the photo to the square.
        side_px: Side of the square.

    Returns:
        uint8 (side_px, side_px, 3) RGB.
    """
    height, width = pixels.shape[:2]
    square = [(0, 0), (side_px, 0), (side_px, side_px), (0, side_px)]
    corners = transform_points(square, invert_affine(matrix))
    scale = min(1.0, affine_scale(matrix))
    margin = 2 / scale
    left, right = _span(corners[:, 0], margin, width)
    top, bottom = _span(corners[:, 1], margin, height)
    part = pixels[top:bottom, left:right]
    if scale < MIN_LINEAR_SCALE:
        size = (max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale)))
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    # from the reduced part to the photo, then to the square
    part_to_photo = np.array(
        [
            [(right - left) / part.shape[1], 0, left],
            [0, (bottom - top) / part.shape[0], top],
            [0, 0, 1],
        ]
    )
    return cv2.warpAffine(
        part,
        to_pixel_centres(matrix @ part_to_photo),
        (side_px, side_px),
        flags=cv2.INTER_LINEAR if scale < 1 else cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )


def to_pixel_centres(matrix: Matrix) -> Matrix:
    """The same matrix for OpenCV, whose pixels have their centres at whole numbers."""
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    return shifted


def _span(values: NDArray[np.float64], margin: float, end: int) -> tuple[int, int]:
    """The whole pixels of 0..end that the values span, one at least."""
    first = min(max(0, math.floor(values.min() - margin)), end - 1)
    return first, max(first + 1, min(end, math.ceil(values.max() + margin)))
