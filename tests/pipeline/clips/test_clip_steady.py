"""Steadying: less flicker, no ghosts, light followed, noise averaged."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.clips.flow import MotionEstimator
from pipeline.clips.steady import Observer, Steadier

Picture = NDArray[np.uint8]
GENERATOR = np.random.default_rng(1)
GROUND = cv2.GaussianBlur(
    GENERATOR.integers(0, 255, (300, 400, 3)).astype(np.uint8), (0, 0), 4
).astype(np.float32)
GROUND = np.clip((GROUND - 127) * 4 + 127, 0, 255).astype(np.uint8)


def panned(number: int, step: float = 2.5) -> Picture:
    """192x128 of the ground, further right from frame to frame."""
    matrix = np.array([[1, 0, 40 + step * number], [0, 1, 60.0]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(GROUND, matrix, (192, 128), flags=flags), np.uint8)


def flickering(photo: Picture, seed: int) -> Picture:
    """A drawing of it whose tones jump from frame to frame, in blotches."""
    blotches = np.random.default_rng(seed).normal(0, 1, (8, 12)).astype(np.float32)
    blotches = cv2.resize(blotches, photo.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(photo + 8 * blotches[..., None], 0, 255).astype(np.uint8)


def steadied(photos: list[Picture], drawings: list[Picture], steady: float) -> Steadier:
    observe, steadier = Observer(), Steadier(steady)
    for number, (photo, drawing) in enumerate(zip(photos, drawings, strict=True)):
        steadier(drawing, observe(photo, number == 0))
    return steadier


def test_flicker_is_taken_out_of_a_moving_picture() -> None:
    photos = [panned(number) for number in range(8)]
    drawings = [flickering(photo, number) for number, photo in enumerate(photos)]
    source, before, after = steadied(photos, drawings, 1.0).errors.means
    assert source < 0.5 * before
    assert after < 0.5 * before
    source, before, after = steadied(photos, drawings, 0.0).errors.means
    assert after == before
    half = steadied(photos, drawings, 0.5).errors.means[2]
    assert half < 0.9 * before


def test_what_moved_away_leaves_no_ghost() -> None:
    observe, steadier = Observer(), Steadier(1.0)
    ground = np.full((128, 192, 3), 150, np.uint8)
    ground[::16] = 140
    for number in range(8):
        photo = ground.copy()
        photo[40:90, 20 + 14 * number : 50 + 14 * number] = (30, 60, 90)
        out = steadier(photo, observe(photo, number == 0))
    apart = np.abs(out.astype(int) - photo).max(-1)
    behind = apart[44:86, 60:114]  # where the square was in the four frames before
    assert behind.max() <= 8  # of 120


def test_what_vanishes_between_two_frames_leaves_no_ghost() -> None:
    """No motion explains it, and it is too fine for light: only that the photos disagree tells."""
    observe, steadier = Observer(), Steadier(1.0)
    for number in range(6):
        photo = panned(0)
        if number < 5:
            photo[40:90, 60:64] = 250
            photo[40:90, 80:110:6] = 0
        out = steadier(photo, observe(photo, number == 0))
    ghost = np.abs(out.astype(int) - photo).max(-1)[36:94, 56:114]
    assert ghost.max() <= 24  # of 250


def test_light_that_changes_is_followed_at_once() -> None:
    photo = panned(0)
    observe, steadier = Observer(), Steadier(1.0)
    for gain in (1.0, 0.93, 0.86, 0.8):
        frame = np.clip(photo * gain, 0, 255).astype(np.uint8)
        out = steadier(frame, observe(frame, gain == 1.0))
    assert abs(float(out.mean()) - float(frame.mean())) < 1.5


def test_noise_of_a_still_camera_is_averaged() -> None:
    observe, steadier = Observer(), Steadier(1.0)
    noise = np.random.default_rng(2)
    outs = []
    for number in range(20):
        frame = np.clip(panned(0) + noise.normal(0, 3, (128, 192, 3)), 0, 255).astype(np.uint8)
        outs.append(steadier(frame, observe(frame, number == 0)))
    assert np.stack(outs[12:]).astype(np.float32).std(0).mean() < 1.0


def test_a_new_shot_takes_nothing_over() -> None:
    observe, steadier = Observer(), Steadier(1.0)
    steadier(panned(0), observe(panned(0), True))
    other = 255 - panned(30)
    assert np.array_equal(steadier(other, observe(other, True)), other)


def test_motion_is_that_of_the_picture() -> None:
    before, after = (cv2.cvtColor(panned(number), cv2.COLOR_RGB2GRAY) for number in (0, 1))
    motion = MotionEstimator().estimate(np.asarray(before), np.asarray(after))
    inside = motion.flow[16:-16, 16:-16]
    assert np.abs(np.median(inside[..., 0]) - 2.5) < 0.2
    assert np.abs(np.median(inside[..., 1])) < 0.1
    assert motion.seen[16:-16, 16:-16].mean() > 0.95
