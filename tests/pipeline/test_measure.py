"""The measures against published values and an independent library."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from skimage import color, data, metrics

from pipeline.measure import (
    ciede2000,
    colour_shift,
    edge_preservation,
    measure,
    psnr_db,
    ssim,
)

# rows of table 1 in Sharma, Wu, Dalal 2005: two colours and their difference
SHARMA = [
    ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
    ((50.0, -1.3802, -84.2814), (50.0, 0.0, -82.7485), 1.0000),
    ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
    ((50.0, 2.4900, -0.0010), (50.0, -2.4900, 0.0009), 7.1792),
    ((50.0, 2.4900, -0.0010), (50.0, -2.4900, 0.0011), 7.2195),
    ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


@pytest.mark.parametrize(("one", "other", "difference"), SHARMA)
def test_ciede2000_is_the_published_formula(one: Any, other: Any, difference: float) -> None:
    a, b = np.array([[one]]), np.array([[other]])
    assert ciede2000(a, b).item() == pytest.approx(difference, abs=1e-4)
    assert ciede2000(b, a).item() == pytest.approx(difference, abs=1e-4)


def test_ciede2000_agrees_with_another_implementation() -> None:
    colours = np.random.default_rng(0).uniform((0, -100, -100), (100, 100, 100), (2, 4000, 3))
    expected = color.deltaE_ciede2000(colours[0], colours[1])
    np.testing.assert_allclose(ciede2000(colours[0], colours[1]), expected, atol=1e-6)


def noisy(picture: np.ndarray, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, sigma, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def test_psnr_and_ssim_agree_with_another_implementation() -> None:
    a = data.chelsea()[:240, :400]
    b = noisy(a, 12)
    assert psnr_db(a, b) == pytest.approx(metrics.peak_signal_noise_ratio(a, b), abs=1e-6)
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (a, b)]
    # its mean leaves out the border, its map does not
    _, scores = metrics.structural_similarity(
        *grey,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        full=True,
    )
    assert ssim(a, b) == pytest.approx(scores.mean(), abs=3e-4)


def test_equal_pictures_measure_as_equal() -> None:
    a = data.chelsea()
    found = measure(a, a)
    assert found.psnr_db == 100 and found.edge_preservation == pytest.approx(1)
    assert found.ssim == pytest.approx(1)
    assert found.colour_shift_ciede2000 == pytest.approx(0, abs=1e-6)


def test_each_measure_falls_with_damage() -> None:
    a = data.chelsea()
    little, much = noisy(a, 5), noisy(a, 40)
    for score in (psnr_db, ssim, edge_preservation):
        assert score(a, a) > score(a, little) > score(a, much)
    assert colour_shift(a, np.roll(a, 1, axis=2)) > 5 > colour_shift(a, little)


def test_flat_pictures_have_no_edges_to_lose() -> None:
    flat = np.full((20, 30, 3), 90, np.uint8)
    assert edge_preservation(flat, flat + 5) == 1
    assert edge_preservation(flat, data.chelsea()[:20, :30]) == 0


def test_the_photo_is_brought_to_the_results_size() -> None:
    a = data.chelsea()
    assert measure(a, a[::2, ::2]).ssim > 0.6
    assert measure(a[:1, :1], a[:3, :2]).psnr_db > 0
