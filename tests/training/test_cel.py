"""The cel renderer: flat areas, few steps of light, contours, skin, and the same at any size."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage import data
from skimage.color import deltaE_ciede2000

pytest.importorskip("torch", reason="torch's CPU wheel is not installed")

from pipeline.measure import psnr_db
from training.looks.cel import (
    CelSettings,
    contours,
    render,
    smooth_l0,
    step_lightness,
)


def test_l0_smoothing_keeps_edges_and_removes_texture() -> None:
    random = np.random.default_rng(1)
    wall = np.full((48, 96, 3), 0.3, np.float32)
    wall[:, 48:] = 0.7
    smooth = smooth_l0(wall + random.normal(0, 0.02, wall.shape).astype(np.float32), 0.01)
    assert smooth[:, :46].std() < 0.006 and smooth[:, 50:].std() < 0.006
    assert (smooth[:, 50] - smooth[:, 45]).mean() == pytest.approx(0.4, abs=0.03)


def test_cel_pictures_are_flat_with_ink_on_edges() -> None:
    photo = np.ascontiguousarray(data.astronaut()[:256, 64:384])
    drawn = render(photo)
    assert drawn.shape == photo.shape and drawn.dtype == np.uint8

    def in_flat_areas(picture: np.ndarray) -> float:
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(int)
        return float((np.abs(np.diff(grey, axis=1)) <= 1).mean())

    assert in_flat_areas(drawn) > 1.3 * in_flat_areas(photo)
    ink = contours((photo / 255).astype(np.float32), CelSettings())
    assert ink.min() >= 0 and ink.max() <= 1 and 0.005 < (ink > 0.5).mean() < 0.2
    dark = contours(np.full((64, 64, 3), 0.02, np.float32), CelSettings())
    assert dark.max() == 0  # dark areas do not fill with ink


def test_short_strokes_are_left_out() -> None:
    photo = np.full((96, 128, 3), 0.8, np.float32)
    cv2.line(photo, (10, 20), (118, 20), (0.1, 0.1, 0.1), 2)
    cv2.circle(photo, (64, 70), 1, (0.1, 0.1, 0.1), -1)
    ink = contours(photo, CelSettings())
    assert ink[18:23, 30:100].max() > 0.8 and ink[60:80].max() == 0


def test_light_has_few_steps_with_crisp_borders_and_no_tone_moves() -> None:
    ramp = np.tile(np.linspace(0, 1, 400, dtype=np.float32), (60, 1))
    stepped = step_lightness(ramp, CelSettings(level_contrast=1.0))
    rises = np.diff(stepped[30]) > 0.03
    assert len(CelSettings().levels) <= rises.sum() <= 2 * len(CelSettings().levels)
    assert np.abs(cv2.GaussianBlur(stepped - ramp, (0, 0), 40)).max() < 0.05


@pytest.mark.parametrize("skin", [(236, 200, 180), (172, 120, 92), (92, 60, 48)])
def test_skin_keeps_its_tone_and_the_rest_is_brighter(skin: tuple[int, int, int]) -> None:
    photo = np.full((96, 128, 3), skin, np.uint8)
    before, after = (
        cv2.cvtColor(p.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) for p in (photo, render(photo))
    )
    assert deltaE_ciede2000(before, after).mean() < 5
    leaf = np.full((96, 128, 3), (60, 110, 50), np.uint8)
    assert render(leaf)[..., 1].mean() > leaf[..., 1].mean() + 10


def test_scaled_settings_draw_the_same_at_twice_the_size() -> None:
    large = np.ascontiguousarray(data.astronaut()[:448])
    small = cv2.resize(large, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    reduced = cv2.resize(render(large), small.shape[1::-1], interpolation=cv2.INTER_AREA)
    drawn, unscaled = render(small, CelSettings().scaled(0.5)), render(small)
    assert psnr_db(drawn, reduced) > max(22, psnr_db(unscaled, reduced) + 1)
