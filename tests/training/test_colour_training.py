"""What colouring is learned from and by: lines, dots, the published network's losses."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch's CPU wheel is not installed")

from training.architectures.sgru import PROPOSALS, SGRU  # noqa: E402
from training.data.colour import (  # noqa: E402
    ColouredPictures,
    Folder,
    Wishes,
    chosen_places,
    exchange,
)
from training.data.linework import Hand, draw_lines, sample_hand  # noqa: E402
from training.engine.errors import NoPictures  # noqa: E402
from training.losses.adversarial import PatchDiscriminator  # noqa: E402
from training.metrics.colour import colour_metrics, mean_chroma  # noqa: E402
from training.tasks.sgru import Recipe, SgruTask, nearest_proposals  # noqa: E402


def picture() -> np.ndarray:
    """A red disc with a dark contour on blue, beside a green square without one."""
    canvas = np.empty((160, 200, 3), np.uint8)
    canvas[:] = (90, 120, 210)
    canvas[20:140, 130:190] = (80, 170, 90)
    cv2.circle(canvas, (70, 80), 40, (200, 60, 60), -1)
    cv2.circle(canvas, (70, 80), 40, (20, 10, 10), 2)
    return canvas


def test_lines_are_drawn_where_contours_and_borders_are_and_nowhere_else() -> None:
    ink = draw_lines(picture(), Hand(), np.random.default_rng(1))
    assert ink[80, 29:32].max() > 0.9  # the contour
    assert ink[80, 128:132].max() > 0.5  # the border
    assert ink[60:100, 50:90].max() < 0.05 and ink[:15, 20:110].max() < 0.05


def test_hands_differ_in_ink() -> None:
    random = np.random.default_rng(2)
    inks = [draw_lines(picture(), sample_hand(random), random) for _ in range(12)]
    assert all(ink.dtype == np.float32 and ink.min() >= 0 and ink.max() <= 1 for ink in inks)
    coverage = [float(ink.mean()) for ink in inks]
    assert max(coverage) > 2 * min(coverage) > 0


def test_dots_are_put_into_the_main_colours() -> None:
    canvas = picture()
    ink = draw_lines(canvas, Hand(), np.random.default_rng(1))
    colours = {tuple(canvas[y, x]) for y, x in chosen_places(canvas, ink, 3)}
    assert len(colours) == 3 and (20, 10, 10) not in colours


def test_samples_are_the_same_for_the_same_seed_and_held_out_pictures_are_apart(
    tmp_path: Path,
) -> None:
    for number in range(10):
        shifted = np.roll(picture(), 7 * number, 1)
        cv2.imwrite(str(tmp_path / f"colour-{number}.png"), shifted[..., ::-1])
    pictures = ColouredPictures([Folder(tmp_path / "colour-*.png")])
    held_out = ColouredPictures([Folder(tmp_path)], validation=True)
    assert (len(pictures), len(held_out)) == (9, 1)
    wishes = Wishes(hint_share=1, max_hints=8, palette_share=1, exchange_share=1)
    first, again, other = (pictures.batch(2, 64, wishes, (1, step)) for step in (5, 5, 6))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))
    assert (first.hints[:, 3] > 0).any() and (first.palette[:, 0] == 1).all()
    with pytest.raises(NoPictures, match="128 px"):
        ColouredPictures([Folder(tmp_path / "none-*.png")])


def test_exchanged_colours_are_other_colours() -> None:
    random = np.random.default_rng(4)
    turned = [exchange(picture(), random) for _ in range(8)]
    assert any(np.abs(t.astype(int) - picture()).max() > 50 for t in turned)
    assert all(t.shape == picture().shape for t in turned)


def test_the_metrics_know_grey_from_colour() -> None:
    grey = np.full((64, 64, 3), 128, np.uint8)
    colour = np.ascontiguousarray(np.broadcast_to(np.array([200, 60, 60], np.uint8), (64, 64, 3)))
    assert mean_chroma(grey) < 0.5 < 40 < mean_chroma(colour)
    assert colour_metrics([colour], [colour])["ciede2000"] == 0
    assert colour_metrics([grey], [colour])["chroma_ratio"] < 0.02


def test_the_nearest_of_the_proposals_is_compared() -> None:
    target = torch.rand(2, 3, 32, 32) * 2 - 1
    proposals = torch.rand(2, PROPOSALS, 3, 32, 32)
    proposals[0, 4], proposals[1, 7] = target[0], target[1]
    nearest = nearest_proposals(
        PatchDiscriminator(8).eval(), torch.zeros(2, 3, 32, 32), proposals, target
    )
    assert nearest.pixel == 0 and nearest.perceptual == 0
    assert (nearest.pictures == target).all()


def test_sgru_proposes_nine_pictures_of_the_size_of_the_lines() -> None:
    with torch.inference_mode():
        assert SGRU().eval()(torch.ones(1, 1, 32, 64)).shape == (1, 9, 3, 32, 64)


def test_sgru_takes_a_step_on_a_folder_of_pictures(tmp_path: Path) -> None:
    for number in range(10):
        shifted = np.roll(picture(), 7 * number, 1)
        cv2.imwrite(str(tmp_path / f"colour-{number}.png"), shifted[..., ::-1])
    task = SgruTask(Recipe(steps=1, crop_px=32), tmp_path)
    names = []
    for turn in task.turns(task.batch(0), 0):
        torch.stack(list(turn.losses.values())).sum().backward()
        turn.optimiser.step()
        names += [name for name, loss in turn.losses.items() if torch.isfinite(loss)]
    assert names == ["pixel", "perceptual", "discriminator"]
