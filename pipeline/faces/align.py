"""Between a photo and the square in which every face lies alike: the way there and back.

Places are measured from the picture's corner, so that the middle of the first pixel is at
(0.5, 0.5); a matrix is 2x3 and takes (x, y, 1) to (x, y).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import Picture

Matrix = NDArray[np.float64]
Points = Sequence[tuple[float, float]] | NDArray[np.float64]

# Where the five landmarks lie in the aligned square, in units of its side: eyes, nose tip and
# mouth corners, left to right as seen. The proportions are those that ArcFace made usual; the
# square is wider, so that it takes in hair, ears and chin, of which the parser knows.
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
SKIPS = 0.75  # a scale under which interpolation between neighbours leaves pixels out


def alignment(landmarks: Points, side_px: int) -> Matrix:
    """in: five landmarks in pixels of a photo; out: the similarity (turn, one scale, shift) that
    brings them nearest to the template in a square of ``side_px``, by least squares.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns",
    IEEE PAMI 13(4), 1991; in the plane it is one complex division, and never mirrors. Raises
    ValueError for landmarks that are no numbers, lie in one place or fit no turn.
    """
    points = np.asarray(landmarks, np.float64)
    if points.shape != TEMPLATE.shape or not np.isfinite(points).all():
        raise ValueError(f"five landmarks of finite numbers are needed, not {points.tolist()}")
    wanted = TEMPLATE * side_px
    from_middle, to_middle = points.mean(0), wanted.mean(0)
    given = (points - from_middle) @ (1, 1j)
    spread = float((abs(given) ** 2).sum())
    if spread < 1e-6:
        raise ValueError("the landmarks lie in one place")
    turn = complex((given.conj() @ ((wanted - to_middle) @ (1, 1j))) / spread)
    if abs(turn) * math.sqrt(spread) < 1e-3 * side_px:
        raise ValueError("the landmarks do not lie as those of a face do")
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return np.column_stack([linear, to_middle - linear @ from_middle])


def inverse(matrix: Matrix) -> Matrix:
    """The way back: ``moved(moved(points, matrix), inverse(matrix))`` are the points again."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def moved(points: Points, matrix: Matrix) -> NDArray[np.float64]:
    """float64 (N, 2): the points where the matrix puts them."""
    return np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2]


def scale_of(matrix: Matrix) -> float:
    """How many pixels a pixel becomes."""
    return float(math.hypot(matrix[0, 0], matrix[1, 0]))


def crop(pixels: Picture, matrix: Matrix, side_px: int) -> Picture:
    """in: uint8 (H, W, 3) and the matrix from it to the square; out: uint8 (side, side, 3).

    Beyond the picture its border goes on. Where the square has fewer pixels than the photo,
    they are averages of all that they stand for.
    """
    height, width = pixels.shape[:2]
    corners = moved([(0, 0), (side_px, 0), (side_px, side_px), (0, side_px)], inverse(matrix))
    scale = min(1.0, scale_of(matrix))
    margin = 2 / scale
    left, right = _span(corners[:, 0], margin, width)
    top, bottom = _span(corners[:, 1], margin, height)
    part = pixels[top:bottom, left:right]
    if scale < SKIPS:
        size = (max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale)))
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    # from the reduced part to the photo, then to the square
    back = np.array(
        [
            [(right - left) / part.shape[1], 0, left],
            [0, (bottom - top) / part.shape[0], top],
            [0, 0, 1],
        ]
    )
    return cv2.warpAffine(
        part,
        by_middles(matrix @ back),
        (side_px, side_px),
        flags=cv2.INTER_LINEAR if scale < 1 else cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )


def by_middles(matrix: Matrix) -> Matrix:
    """The same matrix for OpenCV, whose pixels have whole numbers in their middles."""
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    return shifted


def _span(values: NDArray[np.float64], margin: float, end: int) -> tuple[int, int]:
    """The whole pixels of 0..end that the values span, one at least."""
    first = min(max(0, math.floor(values.min() - margin)), end - 1)
    return first, max(first + 1, min(end, math.ceil(values.max() + margin)))
