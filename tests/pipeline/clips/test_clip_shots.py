"""Where a shot ends."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.clips.shots import is_cut, signature


def scene(seed: int, shift: int = 0, gain: float = 1.0) -> NDArray[np.uint8]:
    """A picture of coloured rectangles, 160x90."""
    generator = np.random.default_rng(seed)
    pixels = np.full((90, 240, 3), generator.integers(0, 255, 3), np.uint8)
    for _ in range(30):
        top, left = generator.integers(0, 70), generator.integers(0, 200)
        pixels[top : top + 25, left : left + 40] = generator.integers(0, 255, 3)
    part = pixels[:, 20 + shift : 180 + shift]
    return np.clip(part * gain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("seed", range(6))
def test_another_scene_is_a_cut(seed: int) -> None:
    assert is_cut(signature(scene(seed)), signature(scene(seed + 1)))


@pytest.mark.parametrize("seed", range(6))
def test_a_moving_camera_and_a_lamp_are_no_cuts(seed: int) -> None:
    assert not is_cut(signature(scene(seed)), signature(scene(seed, shift=6)))
    assert not is_cut(signature(scene(seed)), signature(scene(seed, gain=0.92)))


def test_black_is_cut_off_and_is_never_the_sharpest() -> None:
    black = signature(np.zeros((90, 160, 3), np.uint8))
    assert is_cut(black, signature(scene(0)))
    assert black.sharpness == 0 < signature(scene(0)).sharpness
