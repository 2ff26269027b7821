"""The quality gate and the classic repair: what is measured, what runs, what it does."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage import data

from pipeline.domain import Decision, Photo
from pipeline.enhance import STEPS, RestorationModels, enhance
from pipeline.enhance.classic import double, equalise, sharpen
from pipeline.quality import assess
from pipeline.settings import Options, Settings

SHARP = data.chelsea()  # 300x451
BLURRED = cv2.GaussianBlur(SHARP, (0, 0), 3.0)


DARK = cv2.LUT(BLURRED, (np.arange(256) * 0.3).astype(np.uint8))


def repaired(photo: Photo, **given: str) -> tuple[Photo, tuple[Decision, ...]]:
    """As the classic chain repairs it, by the published rule."""
    options = Options.from_mapping({"enhance": "classic", "max_side_px": "8192"} | given)
    models = RestorationModels(options.enhance, "laplacian")
    return enhance(photo, assess(photo, Settings()), options, models)


def decided(photo: np.ndarray, **given: str) -> dict[str, bool]:
    return {decision.step: decision.ran for decision in repaired(Photo(photo), **given)[1]}


def test_blur_variance_is_the_published_measure() -> None:
    grey = cv2.cvtColor(SHARP, cv2.COLOR_RGB2GRAY)
    published = cv2.Laplacian(grey, cv2.CV_64F).var()
    assert assess(Photo(SHARP), Settings()).blur_variance == pytest.approx(published)


def test_noise_is_estimated_in_grey_levels() -> None:
    smooth = cv2.GaussianBlur(data.astronaut(), (0, 0), 4)
    for sigma in (5, 20):
        noise = np.random.default_rng(2).normal(0, sigma, smooth.shape[:2])[..., None]
        noisy = np.clip(smooth + noise, 0, 255).astype(np.uint8)
        found = assess(Photo(noisy), Settings()).noise_sigma
        assert found == pytest.approx(sigma, rel=0.15)


def test_brightness_and_contrast_are_of_lightness() -> None:
    black_and_white = np.zeros((8, 10, 3), np.uint8)
    black_and_white[:, 5:] = 255
    report = assess(Photo(black_and_white), Settings())
    assert report.brightness == pytest.approx(50, abs=0.5)
    assert report.contrast == pytest.approx(50, abs=0.5)
    assert (report.width_px, report.height_px) == (10, 8)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 3000), (3, 3)])
def test_tiny_and_thin_photos_pass_through_gate_and_repair(size: tuple[int, int]) -> None:
    photo = Photo(np.full((*size, 3), 128, np.uint8))
    report = assess(photo, Settings())
    assert report.noise_sigma == 0
    better, _ = repaired(photo)
    assert better.pixels.shape == (2 * size[0], 2 * size[1], 3)


def test_a_sharp_photo_is_left_alone() -> None:
    photo = Photo(SHARP)
    better, decisions = repaired(photo)
    assert better is photo
    assert [d.step for d in decisions] == list(STEPS)
    assert {d.why for d in decisions} == {"sharp enough"}
    assert all(d.measured is not None and d.threshold == 100 for d in decisions)


def test_a_blurred_dark_photo_gets_the_whole_published_chain() -> None:
    assert decided(DARK) == dict.fromkeys(STEPS, True)
    photo = Photo(DARK, alpha=np.full(DARK.shape[:2], 7, np.uint8))
    better, _ = repaired(photo)
    assert better.pixels.shape == (600, 902, 3)
    assert better.alpha is not None and better.alpha.shape == (600, 902)
    assert assess(better, Settings()).contrast > assess(photo, Settings()).contrast


def test_a_photo_that_is_not_dark_gets_no_clahe() -> None:
    assert decided(BLURRED) == dict.fromkeys(STEPS, True) | {"clahe": False}
    reasons = {one.step: one for one in repaired(Photo(BLURRED))[1]}
    assert reasons["clahe"].why == "not dark"
    measured = reasons["clahe"].measured
    assert measured is not None and measured > 40 == reasons["clahe"].threshold
    assert decided(BLURRED, clahe="on")["clahe"]  # but a caller may ask for it


def test_each_step_can_be_switched() -> None:
    assert not any(decided(BLURRED, enhance="off").values())
    for step in STEPS:
        assert decided(SHARP, **{step: "on"}) == {name: name == step for name in STEPS}
        assert decided(SHARP, enhance="off", **{step: "on"})[step]
        assert decided(BLURRED, **{step: "off"}) == {
            name: name not in (step, "clahe") for name in STEPS
        }


def test_doubling_never_exceeds_the_side_asked_for() -> None:
    small = decided(BLURRED, max_side_px="901")
    assert not small["upscale"] and small["denoise"]


def test_nothing_is_written_into_the_photo() -> None:
    before = BLURRED.copy()
    decided(BLURRED)
    np.testing.assert_array_equal(BLURRED, before)


def test_the_steps_do_what_they_are_named_for() -> None:
    assert double(SHARP).shape == (600, 902, 3)
    lab = [cv2.cvtColor(p, cv2.COLOR_RGB2LAB).astype(int) for p in (BLURRED, equalise(BLURRED))]
    assert lab[1][..., 0].std() > lab[0][..., 0].std()
    assert np.abs(lab[1][..., 1:] - lab[0][..., 1:]).mean() < 2  # colour stays
    middle = np.full((5, 5, 3), 100, np.uint8)
    middle[2, 2] = 120
    assert sharpen(middle)[2, 2].tolist() == [200, 200, 200]
    assert sharpen(middle)[2, 1].tolist() == [80, 80, 80]
