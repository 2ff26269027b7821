"""The upsampler's data and training on small pictures: clean targets, pairs that fit, a resume."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

torch = pytest.importorskip("torch", reason="torch's CPU wheel is not installed")

from pipeline.architectures.upsampler import Upsampler, UpsamplerShape  # noqa: E402
from pipeline.enlarge import PASSES, steepen  # noqa: E402
from training.data.tensors import to_picture, to_tensor  # noqa: E402
from training.data.upsampler import (  # noqa: E402
    Batch,
    DrawnPair,
    FaultLimits,
    Faults,
    degrade_drawing,
    drawn_pairs,
    sample_batch,
)
from training.data.upsampler_targets import (  # noqa: E402
    clean,
    draw,
    large,
    sample_look,
    wide,
)
from training.engine.errors import NoPictures  # noqa: E402
from training.engine.loop import train  # noqa: E402
from training.looks.cel import CelSettings  # noqa: E402
from training.losses.pixel import steepen_tensor  # noqa: E402
from training.tasks.upsampler import Recipe, UpsamplerTask  # noqa: E402

SMALL = Recipe(steps=4, batch=2, crop_px=32)


def grained() -> np.ndarray:
    """Two flat areas that meet along a slant, with grain."""
    drawing = np.full((96, 128, 3), (220, 190, 160), np.uint8)
    cv2.fillPoly(drawing, [np.array([[0, 0], [90, 0], [60, 96], [0, 96]])], (60, 70, 110))
    grain = np.random.default_rng(0).normal(0, 3, drawing.shape)
    return np.clip(drawing + grain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("times", [1, 2])
def test_clean_drawings_have_flat_areas_and_steep_edges_in_place(times: int) -> None:
    drawing = grained()
    made = clean(drawing, times)
    assert made.shape == (96 * times, 128 * times, 3)
    corner = made[:, 100 * times :].astype(float)
    assert corner.std((0, 1)).max() < 1.5 and drawing[:, 100:].std((0, 1)).max() > 2.5
    row = cv2.cvtColor(made, cv2.COLOR_RGB2GRAY)[48 * times].astype(int)
    assert np.abs(np.diff(row)).max() > 45
    assert int(np.argmax(row > 130)) == pytest.approx(75 * times, abs=2 * times)


def test_an_untrained_upsampler_interpolates_bilinearly() -> None:
    net = Upsampler(UpsamplerShape(channels=16, middle=1))
    for tensor in net.parameters():
        torch.nn.init.zeros_(tensor)
    picture, guide = (
        to_tensor([cv2.resize(data.astronaut(), size, interpolation=cv2.INTER_AREA)])
        for size in ((48, 32), (96, 64))
    )
    plain = torch.nn.functional.interpolate(picture, scale_factor=2.0, mode="bilinear")
    inside = (..., slice(2, -2), slice(2, -2))
    torch.testing.assert_close(net(picture, guide)[inside], plain[inside])


def test_training_steepens_as_enlarging_does() -> None:
    picture = np.ascontiguousarray(data.astronaut()[:128, 128:320])
    tensor = steepen_tensor(to_tensor([picture]), PASSES)
    apart = np.abs(to_picture(tensor).astype(int) - steepen(picture))
    assert apart.mean() < 0.5 and (apart > 6).mean() < 0.001  # rounded after each pass
    assert torch.equal(steepen_tensor(to_tensor([picture]), 0), to_tensor([picture]))


def test_degraded_drawings_are_half_as_large_and_have_the_faults_asked_for() -> None:
    flat = np.full((64, 96, 3), 128, np.uint8)
    assert (degrade_drawing(flat, Faults(0.5, 0, 0, 0), (1,)) == 128).all()
    grained = degrade_drawing(flat, Faults(0.5, 4, 0, 0), (1,)).astype(int)
    assert grained.shape == (32, 48, 3) and grained.std() == pytest.approx(4, abs=0.6)
    grid = degrade_drawing(flat, Faults(0.5, 0, 0, 4), (1,)).astype(int)
    assert grid.std() > 2 and (grid[4:] == grid[:-4]).all() and (grid[:, 4:] == grid[:, :-4]).all()


def some_pairs() -> list[DrawnPair]:
    photo = np.ascontiguousarray(data.astronaut()[:128, 128:320])
    return [(photo, photo)]


def test_a_batch_shows_the_same_part_to_all_and_repeats_itself() -> None:
    def batch(step: int) -> Batch:
        limits = FaultLimits((0.3, 0.31), grain=0, beads=0, grid=0, photo_noise=0)
        return sample_batch(some_pairs(), 6, 32, limits, (1, step))

    small, guides, large_ones = batch(3)
    torch.testing.assert_close(guides, large_ones)  # turned, mirrored, recoloured alike
    halved = torch.nn.functional.avg_pool2d(large_ones, 2)
    assert (small - halved).abs().mean() < 0.05
    for first, second in zip((small, guides, large_ones), batch(3), strict=True):
        assert torch.equal(first, second)
    assert not torch.equal(batch(4).input, small)


def test_looks_vary_from_cel_to_film() -> None:
    looks = [sample_look(np.random.default_rng(seed)) for seed in range(20)]
    opacities = [look.line_opacity for look in looks]
    assert min(opacities) < 0.55 and max(opacities) > 0.8
    assert {len(look.levels) for look in looks} >= {6, 8, 10}


def test_wide_and_large_contours_are_where_the_photograph_has_them() -> None:
    photo = np.full((96, 128, 3), 210, np.uint8)
    cv2.line(photo, (10, 48), (118, 48), (40, 40, 40), 4)
    for kind in (wide, large):
        drawn = kind(photo, CelSettings())
        assert drawn.shape == photo.shape
        rows = cv2.cvtColor(drawn, cv2.COLOR_RGB2GRAY)[:, 64]
        assert 46 <= np.mean(np.flatnonzero(rows < 120)) <= 50, kind


def test_targets_are_drawn_once_and_training_goes_on_where_it_stopped(tmp_path: Path) -> None:
    photographs, targets = tmp_path / "photos", tmp_path / "targets"
    photographs.mkdir()
    for number in range(10):
        part = data.astronaut()[number * 16 : number * 16 + 96, 100:228]
        cv2.imwrite(str(photographs / f"scene-{number}.jpg"), part)
    draw(tmp_path, 3, targets)
    kinds = sorted(path.name.split("-")[0] for path in targets.iterdir())
    assert kinds == ["large", "thin", "wide"]
    before = {path: path.stat().st_mtime_ns for path in targets.iterdir()}
    draw(tmp_path, 3, targets)
    assert {path: path.stat().st_mtime_ns for path in targets.iterdir()} == before
    assert len(drawn_pairs(targets, 0.6)) == 4  # the thin one twice

    half = Recipe(**{**vars(SMALL), "steps": 2})
    for recipe, folder in ((SMALL, "whole"), (half, "parts"), (SMALL, "parts")):
        train(UpsamplerTask(recipe, targets, targets), tmp_path / folder)
    whole, parts = (
        torch.load(tmp_path / folder / "last.pt", weights_only=True)
        for folder in ("whole", "parts")
    )
    assert whole["step"] == parts["step"] == 4 and len(parts["history"]) == 2
    for name, tensor in whole["net"].items():
        assert torch.equal(tensor, parts["net"][name]), name


def test_a_folder_without_pairs_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoPictures, match=r"training\.data\.upsampler_targets first"):
        drawn_pairs(tmp_path, 0.6)
