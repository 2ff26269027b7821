"""The restorer and what it is trained on: damage of a known size, an exact resume, exact tiles."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

torch = pytest.importorskip("torch", reason="torch's CPU wheel is not installed")

from pipeline.architectures.restorer import Restorer, RestorerShape  # noqa: E402
from training.data.degradations import (  # noqa: E402
    KINDS,
    Blur,
    Brighten,
    Darken,
    Film,
    Jpeg,
    Noise,
    Resize,
    degrade,
    sample_steps,
)
from training.data.photographs import photographs  # noqa: E402
from training.data.restorer import held_out_pairs, levels  # noqa: E402
from training.data.tensors import to_picture, to_tensor  # noqa: E402
from training.engine.errors import NoPictures  # noqa: E402
from training.metrics.restoration import gains, lanczos, restoration_metrics  # noqa: E402
from training.tasks.restorer import Recipe, RestorerTask, restore  # noqa: E402

ROOT = Path(__file__).parents[2]
SMALL = RestorerShape(16, 2, 16)
PHOTO = data.chelsea()[:160, :232]


def lively(shape: RestorerShape, scale: int = 1) -> Restorer:
    """A net whose every layer has something to say."""
    torch.manual_seed(3)
    net = Restorer(shape, scale).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return net


@pytest.mark.parametrize("scale", [1, 2])
def test_a_new_restorer_changes_nothing(scale: int) -> None:
    level = torch.full((1, 3, 1, 1), 20.0)
    with torch.inference_mode():
        made = to_picture(Restorer(SMALL, scale)(to_tensor([PHOTO]), level))
    if scale == 1:
        np.testing.assert_array_equal(made, PHOTO)
        return
    bicubic = Image.fromarray(PHOTO).resize(made.shape[1::-1], Image.Resampling.BICUBIC)
    inside = (slice(6, -6), slice(6, -6))  # at the border Pillow leaves out what is not there
    difference = made[inside].astype(int) - np.asarray(bicubic)[inside]
    assert made.shape == (320, 464, 3) and np.abs(difference).max() <= 1


@pytest.mark.parametrize("scale", [1, 2])
def test_an_output_depends_on_inputs_within_the_stated_radius(scale: int) -> None:
    net, radius = lively(SMALL, scale), SMALL.receptive_radius_px
    x = torch.rand(1, 3, 2 * radius + 24, 2 * radius + 40)
    level = torch.tensor([1.0, 20.0, 30.0]).reshape(1, 3, 1, 1)
    row, column = radius + 12, radius + 17
    changed = x.clone()
    changed[..., row, column] += 1
    with torch.inference_mode():
        reached = (net(x, level) != net(changed, level)).any(1)[0].nonzero()
    distance = (reached / scale - torch.tensor([row, column])).abs().max().item()
    assert radius - 12 <= distance <= radius


def test_the_levels_steer_and_are_taken_for_each_photo() -> None:
    net = lively(SMALL)
    photos = to_tensor([PHOTO, PHOTO])
    told = torch.tensor([[0.0, 0, 0], [2, 30, 50]])[..., None, None]
    with torch.inference_mode():
        both = net(photos, told)
        alone = net(photos[1:], told[1:])
    assert (both[0] - both[1]).abs().max() > 1e-3
    torch.testing.assert_close(both[1:], alone, atol=1e-5, rtol=1e-5)


def test_blurs_of_all_kinds_have_the_spread_that_they_state() -> None:
    for kind in ("gaussian", "motion", "defocus"):
        for sigma in (0.6, 1.5, 3.0):
            kernel = Blur(sigma, kind, angle=30).kernel().astype(np.float64)
            reach = kernel.shape[0] // 2
            y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
            spread = np.sqrt((kernel * (x * x + y * y)).sum() / 2)
            assert kernel.sum() == pytest.approx(1, abs=1e-5)
            assert spread == pytest.approx(sigma, rel=0.12), (kind, sigma)


@pytest.mark.parametrize("poisson", [False, True])
@pytest.mark.parametrize("grey", [False, True])
def test_noise_has_the_strength_that_it_states(poisson: bool, grey: bool) -> None:
    flat = np.full((90, 110, 3), 128, np.uint8)
    noisy, damage = degrade(flat, [Noise(12.0, poisson, grey)], 5)
    expected = 12.0 * np.sqrt(128 / 255) if poisson else 12.0
    difference = noisy.astype(float) - flat
    assert difference.std() == pytest.approx(expected, rel=0.05)
    assert damage.noise == pytest.approx(expected, rel=0.05)
    alike = np.ptp(difference, axis=2).max() <= 1
    assert alike == grey


def test_damage_is_told_as_it_stands_in_the_result() -> None:
    _, twice = degrade(PHOTO, [Blur(3.0), Blur(4.0), Jpeg(60), Jpeg(80)], 1)
    assert twice.blur_px == pytest.approx(5.0) and twice.jpeg_quality == 60
    _, noise_then_blur = degrade(PHOTO, [Noise(20.0), Blur(2.0)], 1)
    assert 1 < noise_then_blur.noise < 5  # blurred away
    _, dark = degrade(PHOTO, [Darken(2.0), Noise(4.0)], 1)
    _, mended = degrade(PHOTO, [Darken(2.0), Noise(4.0), Brighten(2.0)], 1)
    assert dark.exposure_stops == -2 and mended.exposure_stops == 0
    assert mended.noise > 1.5 * dark.noise
    _, resized = degrade(PHOTO, [Resize(3.0)], 1)
    assert resized.blur_px == pytest.approx(1.27, abs=0.01)


def test_light_taken_away_comes_back() -> None:
    flat = np.dstack([np.tile(np.arange(10, 250, 2, dtype=np.uint8), (9, 1))] * 3)
    dark, _ = degrade(flat, [Darken(1.0)], 1)
    back, damage = degrade(flat, [Darken(1.0), Brighten(1.0)], 1)
    assert dark.mean() < 0.8 * flat.mean()
    assert np.abs(back.astype(int) - flat).max() <= 2 and damage.exposure_stops == 0


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_the_same_for_the_same_seed(kind: str) -> None:
    before = PHOTO.copy()

    def spoilt(seed: int) -> tuple[np.ndarray, object]:
        return degrade(PHOTO, sample_steps(kind, np.random.default_rng(seed)), seed)

    first, second = spoilt(11), spoilt(11)
    np.testing.assert_array_equal(first[0], second[0])
    assert first[1] == second[1] and first[0].shape == PHOTO.shape
    np.testing.assert_array_equal(PHOTO, before)
    assert np.array_equal(first[0], PHOTO) == (kind == "clean")
    with pytest.raises(KeyError):
        sample_steps("grain", np.random.default_rng(0))


def test_noise_is_followed_through_a_jpeg() -> None:
    film = Film(PHOTO.astype(np.float32), np.zeros(PHOTO.shape, np.float32))
    random = np.random.default_rng(0)
    Noise(10.0).apply(film, random)
    before = film.damage.noise
    Jpeg(95).apply(film, random)
    assert film.damage.noise == before and film.damage.jpeg_quality == 95


def make_photographs(folder: Path) -> Path:
    """Thirty files, of which three are held out."""
    (folder / "photos").mkdir(parents=True)
    for number in range(30):
        part = np.roll(data.astronaut()[:, :440], 16 * number, axis=1)
        cv2.imwrite(str(folder / "photos" / f"scene-{number:04d}.jpg"), part[..., ::-1])
    return folder


def test_a_step_is_of_its_seed_and_number_alone(tmp_path: Path) -> None:
    recipe = Recipe(doubled=2, same_size=1, crop_px=48)
    task = RestorerTask(recipe, make_photographs(tmp_path))
    first, again, other = (task.batch(step) for step in (4, 4, 5))
    for one, same, different in zip(first, again, other, strict=True):
        assert torch.equal(one, same) and not torch.equal(one, different)
    given, told, wanted, large = first
    assert given.shape == wanted.shape == (3, 3, 48, 48)
    assert told.shape == (3, 3, 1, 1) and large.shape == (2, 3, 96, 96)


def test_doing_nothing_and_doing_it_right_have_their_figures(tmp_path: Path) -> None:
    held_out = held_out_pairs(make_photographs(tmp_path))
    assert set(held_out) == set(KINDS)
    pairs = held_out["noise"]
    inputs = [pair.input for pair in pairs]
    nothing = restoration_metrics(pairs, inputs, [lanczos(photo) for photo in inputs])
    assert nothing["restored_db"] == nothing["given_db"] < 45
    assert nothing["doubled_db"] == nothing["lanczos_db"]
    right = restoration_metrics(
        pairs, [p.target for p in pairs], [p.doubled for p in pairs if p.doubled is not None]
    )
    assert right["restored_db"] == right["doubled_db"] == 100
    untrained = {}
    for kind in ("clean", "noise"):
        pair = held_out[kind][0]
        same, twice = restore(Restorer(SMALL), pair)
        untrained[kind] = restoration_metrics([pair], [same], [twice])
    assert untrained["clean"]["restored_db"] == untrained["clean"]["given_db"] == 100
    told = gains(untrained)
    assert told["noise_gain_db"] == 0 and told["clean_db"] == 100
    assert abs(told["doubled_gain_db"]) < 1  # bicubic against Lanczos
    assert levels([pairs[0].damage])[0, 1].item() == pytest.approx(pairs[0].damage.noise)


def test_no_photographs_is_said(tmp_path: Path) -> None:
    with pytest.raises(NoPictures, match="none of"):
        photographs(tmp_path, validation=False)


def test_four_steps_are_two_and_two_more(tmp_path: Path) -> None:
    folder = make_photographs(tmp_path / "data")

    def run(out: str, steps: int) -> dict[str, Any]:
        command = [sys.executable, "-m", "pipeline", "train", "restorer", "--data", str(folder)]
        command += ["--output", str(tmp_path / out)]
        for setting in (f"steps={steps}", "doubled=1", "same_size=1", "crop_px=32"):
            command += ["--set", setting]
        # one thread: with more, the order of sums depends on who is faster
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env=environment)
        return torch.load(tmp_path / out / "last.pt", weights_only=True)

    whole = run("whole", 4)
    run("halves", 2)
    halves = run("halves", 4)
    assert whole["step"] == halves["step"] == 4
    assert [entry["from_step"] for entry in halves["history"]] == [0, 2]
    rows = (tmp_path / "halves" / "log.jsonl").read_text().splitlines()
    assert len(rows) == 2 and {"mixed_gain_db", "clean_db"} < set(json.loads(rows[1]))
    for part in ("net", "average"):
        for name, tensor in whole[part].items():
            assert torch.equal(tensor, halves[part][name]), f"{part} {name}"
