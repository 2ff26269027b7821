"""Paper: the sheet in a photograph, its perspective, and the light that falls on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import GrayImage, RgbImage

SEARCH_PX = 400  # longer side at which a sheet is looked for
MIN_SHEET_SHARE = 0.2  # of the photograph
MAX_FRAME_SHARE = 0.97  # a larger sheet is the whole picture
MIN_EDGE_CONTRAST = 10.0  # of L*, from just outside an edge to just inside
MIN_QUAD_FIT = 0.94  # area common to the outline and its quadrilateral, over that of both
EDGE_SHRINK = 0.006  # of the sheet's sides: what is cut off, so that no table shows
MAX_ASPECT_CORRECTION = 1.6
LIGHT_PX = 256  # longer side at which the light is estimated
STROKE_SHARE = 1 / 12  # of that side: wider dark areas count as drawn only by the surface
DARKEST_SHADOW = 0.55  # of the surface: a darker area is drawn, not in shadow

Corners = NDArray[np.float64]  # (4, 2): x, y; clockwise from the top left


@dataclass(frozen=True, eq=False)
class Sheet:
    """A sheet of paper in a photograph.

    Attributes:
        corners: In pixels of the photograph.
        size: Width and height of the straightened sheet in pixels.
        matrix: float64 (3, 3): from pixels of the photograph to those of the straightened sheet.
    """

    corners: Corners
    size: tuple[int, int]
    matrix: NDArray[np.float64]


def find_sheet(photograph: RgbImage) -> Sheet | None:
    """Looks for one sheet of paper that is lighter than what it lies on.

    The outline of the largest light area is approximated by a quadrilateral; each edge is then
    fitted to the outline's points by a robust line, and must be lighter inside than outside.

    Args:
        photograph: uint8 (H, W, 3) RGB.

    Returns:
        The sheet; None where there is none, or where it fills the picture.
    """
    height, width = photograph.shape[:2]
    scale = min(1.0, SEARCH_PX / max(height, width))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    small = cv2.resize(photograph, size, interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(cv2.medianBlur(small, 5), cv2.COLOR_RGB2LAB)
    chroma = np.hypot(lab[..., 1].astype(np.float32) - 128, lab[..., 2].astype(np.float32) - 128)
    paperness = np.clip(lab[..., 0] - chroma, 0, 255).astype(np.uint8)
    otsu, _ = cv2.threshold(paperness, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    for threshold in (otsu, otsu * 0.85, otsu * 1.12):
        corners = _quadrilateral((paperness > threshold).astype(np.uint8))
        if corners is not None and _is_sheet(corners, lab[..., 0]):
            ratio = np.array([width / size[0], height / size[1]])
            return _straightened((corners + 0.5) * ratio - 0.5, (width, height))
    return None


def _quadrilateral(light: GrayImage) -> Corners | None:
    """Corners of the largest area of a mask 0/1, if its outline has four."""
    closed = cv2.morphologyEx(light, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    outlines, _ = cv2.findContours(opened, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        return None
    outline = max(outlines, key=cv2.contourArea)
    area = cv2.contourArea(outline)
    if not MIN_SHEET_SHARE < area / light.size < MAX_FRAME_SHARE:
        return None
    hull = cv2.convexHull(outline)
    perimeter = cv2.arcLength(hull, True)
    for tolerance in (0.01, 0.02, 0.03, 0.05, 0.07):
        polygon = cv2.approxPolyDP(hull, tolerance * perimeter, True)
        if len(polygon) <= 4:
            break
    if len(polygon) != 4:
        return None
    corners = _clockwise(_fitted(polygon[:, 0].astype(np.float64), outline[:, 0]))
    filled = cv2.fillConvexPoly(np.zeros_like(light), corners.round().astype(np.int32), 1)
    outlined = cv2.drawContours(np.zeros_like(light), [outline], -1, 1, cv2.FILLED)
    union = np.count_nonzero(filled | outlined)
    return corners if np.count_nonzero(filled & outlined) > MIN_QUAD_FIT * union else None


def _fitted(corners: Corners, outline: NDArray[np.int32]) -> Corners:
    """Corners as the crossings of robust lines through the outline's points along each edge."""
    lines = []
    for start, end in pairwise([*corners, corners[0]]):
        along = end - start
        length = float(np.hypot(*along))
        unit = along / max(length, 1e-6)
        offset = outline - start
        position = offset @ unit
        distance = np.abs(offset @ np.array([-unit[1], unit[0]]))
        near = (distance < 5) & (position > 0.1 * length) & (position < 0.9 * length)
        if np.count_nonzero(near) < 8:
            return corners
        vx, vy, x, y = cv2.fitLine(
            outline[near].astype(np.float32), cv2.DIST_HUBER, 0, 0.01, 0.01
        ).ravel()
        lines.append((vy, -vx, vy * x - vx * y))
    fitted = []
    for number in range(4):
        (a, b, c), (d, e, f) = lines[number - 1], lines[number]
        determinant = a * e - b * d
        if abs(determinant) < 1e-3:
            return corners
        fitted.append(((c * e - b * f) / determinant, (a * f - c * d) / determinant))
    crossings = np.array(fitted, np.float64)
    return crossings if np.abs(crossings - corners).max() < 0.05 * SEARCH_PX else corners


def _clockwise(corners: Corners) -> Corners:
    """The same corners, clockwise from the one nearest the top left."""
    centre = corners.mean(0)
    angles = np.arctan2(corners[:, 1] - centre[1], corners[:, 0] - centre[0])
    ordered = corners[np.argsort(angles)]
    return np.roll(ordered, -int(np.argmin(ordered.sum(1))), 0)


def _is_sheet(corners: Corners, lightness: GrayImage) -> bool:
    """Whether the edges within the picture, two at least, are lighter inside than outside."""
    height, width = lightness.shape
    contrasts = []
    for start, end in pairwise([*corners, corners[0]]):
        along = end - start
        inward = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-6)
        steps = start + along * np.linspace(0.1, 0.9, 40)[:, None]
        samples = []
        for distance in (6.0, -6.0):
            points = (steps + inward * distance).round().astype(int)
            inside = ((points >= 0) & (points < (width, height))).all(1)
            if np.count_nonzero(inside) < 20:
                break
            samples.append(np.median(lightness[points[inside, 1], points[inside, 0]]) / 2.55)
        if len(samples) == 2:
            contrasts.append(samples[0] - samples[1])
    return len(contrasts) >= 2 and min(contrasts) > MIN_EDGE_CONTRAST


def _straightened(corners: Corners, size: tuple[int, int]) -> Sheet:
    """The sheet of four corners: what its straightened size is, and the way there.

    The ratio of its sides follows from the perspective if the camera's pixels are square and its
    axis goes through the picture's middle (Zhang and He, "Whiteboard scanning and image
    enhancement", Digital Signal Processing 17, 2007, section 3.2). Where the sheet is seen nearly
    from the front that is ill-conditioned, and lengths in the picture are taken.
    """
    top_left, top_right, bottom_right, bottom_left = corners
    width = max(math.dist(top_left, top_right), math.dist(bottom_left, bottom_right))
    height = max(math.dist(top_left, bottom_left), math.dist(top_right, bottom_right))
    ratio = _true_ratio(corners, size)
    seen = width / height
    if ratio and 1 / MAX_ASPECT_CORRECTION < ratio / seen < MAX_ASPECT_CORRECTION:
        area = width * height
        width, height = math.sqrt(area * ratio), math.sqrt(area / ratio)
    scale = min(1.0, max(size) / max(width, height))
    target = (max(8, round(width * scale)), max(8, round(height * scale)))
    kept = corners + (corners.mean(0) - corners) * 2 * EDGE_SHRINK
    right, bottom = target[0] - 1, target[1] - 1
    square = np.array([[0, 0], [right, 0], [right, bottom], [0, bottom]], np.float32)
    matrix = cv2.getPerspectiveTransform(kept.astype(np.float32), square)
    return Sheet(corners, target, np.asarray(matrix, np.float64))


def _true_ratio(corners: Corners, size: tuple[int, int]) -> float | None:
    """Width over height of a rectangle seen in perspective; None where that cannot be told."""
    centred = corners - (np.array(size) - 1) / 2
    top_left, top_right, bottom_right, bottom_left = np.column_stack([centred, np.ones(4)])
    k2 = np.dot(np.cross(top_left, bottom_right), bottom_left) / np.dot(
        np.cross(top_right, bottom_right), bottom_left
    )
    k3 = np.dot(np.cross(top_left, bottom_right), top_right) / np.dot(
        np.cross(bottom_left, bottom_right), top_right
    )
    across, down = k2 * top_right - top_left, k3 * bottom_left - top_left
    if abs(across[2] * down[2]) < 0.02:
        return None
    focal2 = -(across[0] * down[0] + across[1] * down[1]) / (across[2] * down[2])
    if not (0.3 * max(size)) ** 2 < focal2 < (6 * max(size)) ** 2:
        return None
    lengths = [
        math.sqrt((side[0] ** 2 + side[1] ** 2) / focal2 + side[2] ** 2) for side in (across, down)
    ]
    return lengths[0] / lengths[1]


def straighten(photograph: RgbImage, sheet: Sheet) -> RgbImage:
    """The sheet alone, seen from the front: uint8 (H, W, 3)."""
    return np.asarray(
        cv2.warpPerspective(
            photograph,
            sheet.matrix,
            sheet.size,
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        np.uint8,
    )


def estimate_light(drawing: RgbImage) -> RgbImage:
    """The paper as it would be without the drawing: its colour under the light that falls on it.

    A closing larger than strokes takes these away. A surface of the second degree, fitted to the
    light half of the picture, holds where an area is so wide and dark that it must be drawn.

    Args:
        drawing: uint8 (H, W, 3) RGB: paper that fills the picture.

    Returns:
        uint8 (H, W, 3) RGB, of the same size.
    """
    height, width = drawing.shape[:2]
    scale = min(1.0, LIGHT_PX / max(height, width))
    size = (max(4, round(width * scale)), max(4, round(height * scale)))
    small = cv2.resize(drawing, size, interpolation=cv2.INTER_AREA)
    span = max(3, round(max(size) * STROKE_SHARE)) | 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (span, span))
    # a median first: the closing would take the lightest grain for the paper
    closed = cv2.morphologyEx(
        cv2.medianBlur(small, 5), cv2.MORPH_CLOSE, kernel, borderType=cv2.BORDER_REPLICATE
    ).astype(np.float32)
    surface = _surface(closed)
    light = np.where(closed > DARKEST_SHADOW * surface, closed, surface)
    light = cv2.GaussianBlur(light, (0, 0), span / 4, borderType=cv2.BORDER_REPLICATE)
    light = np.clip(light.round(), 1, 255).astype(np.uint8)
    return np.asarray(cv2.resize(light, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _surface(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """A quadratic surface through the light parts of each channel."""
    height, width = light.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1).reshape(-1, 6)
    pixels = light.reshape(-1, 3)
    kept = pixels.mean(1) >= np.median(pixels.mean(1))
    for _ in range(3):
        solution, *_ = np.linalg.lstsq(terms[kept], pixels[kept], rcond=None)
        surface = terms @ solution
        kept = (pixels > 0.8 * surface).all(1)
        if np.count_nonzero(kept) < 24:
            break
    return np.clip(surface, 1, 255).reshape(light.shape).astype(np.float32)
