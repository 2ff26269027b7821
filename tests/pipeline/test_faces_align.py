"""The way of a face into the aligned square and back."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.faces.align import (
    TEMPLATE,
    affine_scale,
    crop,
    estimate_similarity,
    invert_affine,
    transform_points,
)


def placed(scale: float, turn: float, x: float, y: float) -> np.ndarray:
    """The template's points, scaled, turned (radians) and shifted."""
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return TEMPLATE @ linear.T + (x, y)


@given(st.floats(1, 3000), st.floats(-3.1, 3.1), st.floats(-500, 5000), st.floats(-500, 5000))
def test_landmarks_come_to_the_template_and_back(
    scale: float, turn: float, x: float, y: float
) -> None:
    points = placed(scale, turn, x, y)
    matrix = estimate_similarity(points, 256)
    np.testing.assert_allclose(transform_points(points, matrix), TEMPLATE * 256, atol=1e-6)
    aligned = transform_points(points, matrix)
    back = transform_points(aligned, invert_affine(matrix))
    np.testing.assert_allclose(back, points, atol=1e-6)
    assert affine_scale(matrix) == pytest.approx(256 / scale)


def test_the_fit_is_the_best_of_all_similarities() -> None:
    random = np.random.default_rng(3)
    points = placed(80, 0.4, 100, 50) + random.normal(0, 3, (5, 2))
    best = estimate_similarity(points, 128)
    error = np.square(transform_points(points, best) - TEMPLATE * 128).sum()
    for _ in range(200):
        turn, grow = random.normal(0, 0.02), 1 + random.normal(0, 0.02)
        other = best.copy()
        other[:, :2] = (
            grow
            * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
            @ best[:, :2]
        )
        other[:, 2] += random.normal(0, 1, 2)
        assert np.square(transform_points(points, other) - TEMPLATE * 128).sum() >= error


def test_a_mirrored_face_is_never_mirrored_back() -> None:
    points = placed(80, 0, 0, 0) * (-1, 1)
    matrix = estimate_similarity(points[[1, 0, 2, 4, 3]], 256)
    assert np.linalg.det(matrix[:, :2]) > 0


@pytest.mark.parametrize(
    "landmarks",
    [
        [(5.0, 5.0)] * 5,
        [(1.0, 2.0)] * 4,
        [(1.0, 2.0), (float("nan"), 1.0), (3.0, 3.0), (2.0, 5.0), (4.0, 5.0)],
        placed(80, 0, 0, 0) * (0, 0),
    ],
)
def test_what_is_no_face_is_refused(landmarks: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="landmarks"):
        estimate_similarity(landmarks, 256)


@pytest.mark.parametrize("scale", [40.0, 128.0, 700.0])
def test_a_crop_shows_the_landmarks_where_the_template_has_them(scale: float) -> None:
    """Discs at the landmarks of a turned face, in a picture that is not square."""
    picture = np.full((900, 1300, 3), 90, np.uint8)
    points = placed(scale, 0.5, 600, 100)
    for x, y in points:
        centre = (round((x - 0.5) * 16), round((y - 0.5) * 16))
        cv2.circle(picture, centre, round(scale * 0.04 * 16), (250, 250, 250), -1, cv2.LINE_AA, 4)
    before = picture.copy()
    made = crop(picture, estimate_similarity(points, 256), 256)
    assert np.array_equal(picture, before)
    bright = made[..., 0].astype(float) - 90
    for x, y in TEMPLATE * 256:
        rows, columns = slice(int(y) - 16, int(y) + 17), slice(int(x) - 16, int(x) + 17)
        weight = bright[rows, columns]
        ys, xs = np.mgrid[rows, columns] + 0.5
        middle = ((weight * xs).sum() / weight.sum(), (weight * ys).sum() / weight.sum())
        assert middle == pytest.approx((x, y), abs=0.35 * max(1, 256 / scale / 4))


def test_a_reduced_crop_has_no_false_patterns() -> None:
    """Stripes one pixel wide become their mean, as near as eleven of them have it."""
    picture = np.zeros((1200, 1600, 3), np.uint8)
    picture[:, ::2] = 200
    made = crop(picture, estimate_similarity(placed(1100, 0.02, 200, 20), 100), 100)
    assert made.astype(int).std() < 6 and abs(made.mean() - 100) < 2


@pytest.mark.parametrize("x", [-90.0, -5000.0, 5000.0])
def test_beyond_the_picture_its_border_goes_on(x: float) -> None:
    picture = np.full((60, 90, 3), (10, 100, 200), np.uint8)
    made = crop(picture, estimate_similarity(placed(100, 0.3, x, 10), 64), 64)
    assert made.shape == (64, 64, 3)
    assert np.abs(made.astype(int) - (10, 100, 200)).max() <= 1
