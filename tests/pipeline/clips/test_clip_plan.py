"""What is decided of a clip before it is drawn: its shots, and by which of their frames."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.clips.domain import Frame
from pipeline.clips.plan import plan_clip
from pipeline.domain import Photo, Source

Picture = NDArray[np.uint8]
SOURCE = Source("mov", "RGB", 160, 90, 1000)
BLACK = np.zeros((90, 160, 3), np.uint8)


class Decider:
    """Decides nothing, and remembers the frames by which it was asked to."""

    request = SimpleNamespace(budget=SimpleNamespace(check_time=lambda: None))

    def __init__(self) -> None:
        self.asked: list[Picture] = []

    def decide(self, photo: Photo, source: Source) -> int:
        self.asked.append(photo.pixels)
        return len(self.asked)

    def of_size(self, decisions: int) -> Decider:
        return self


def scene(seed: int, sharp: float = 1.0) -> Picture:
    """Coloured rectangles, of less contrast where it is not sharp."""
    generator = np.random.default_rng(seed)
    pixels = np.full((90, 160, 3), generator.integers(0, 255, 3), np.uint8)
    for _ in range(30):
        top, left = generator.integers(0, 70), generator.integers(0, 130)
        pixels[top : top + 25, left : left + 40] = generator.integers(0, 255, 3)
    mean = pixels.mean((0, 1))
    return np.asarray(mean + sharp * (pixels - mean), np.uint8)


def planned(*pictures: Picture) -> tuple[Any, Decider]:
    frames = [Frame(pixels, None, n / 10, 0.1, n) for n, pixels in enumerate(pictures)]
    decider: Any = Decider()
    return plan_clip(frames, SOURCE, decider), decider


def test_a_shot_is_decided_on_by_its_sharpest_frame() -> None:
    sharpest = scene(1)
    plan, decider = planned(scene(1, 0.9), sharpest, scene(1, 0.95))
    assert len(plan.shots) == 1 and plan.frames == 3
    (asked,) = decider.asked
    assert np.array_equal(asked, sharpest)
    assert plan.best_s == 0.1


def test_a_shot_that_looks_like_none_before_is_decided_on_by_itself() -> None:
    plan, _ = planned(scene(1), scene(1), scene(2), scene(1), BLACK)
    assert [shot.first for shot in plan.shots] == [0, 2, 3, 4]
    assert [shot.decisions for shot in plan.shots] == [1, 2, 1, 3]
    assert [shot.frames for shot in plan.shots] == [2, 1, 1, 1]
    assert [plan.shot_of(number).first for number in (0, 1, 2, 3, 9)] == [0, 0, 2, 3, 4]
