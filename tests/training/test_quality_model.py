"""The quality model's training: cases, thresholds, figures, an exact resume."""

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
from skimage import data

torch = pytest.importorskip("torch", reason="torch's CPU wheel is not installed")

from pipeline import quality_model  # noqa: E402
from pipeline.architectures.quality import MEASURES, QualityModel, QualityShape  # noqa: E402
from pipeline.domain import QualityEstimate  # noqa: E402
from pipeline.quality_model import LIGHTS  # noqa: E402
from training.data.degradations import KINDS, Damage  # noqa: E402
from training.data.photographs import photographs  # noqa: E402
from training.data.quality import (  # noqa: E402
    Shares,
    model_inputs,
    sample_case,
    target_of,
)
from training.metrics.quality import faults, quality_metrics, thresholds_of  # noqa: E402
from training.tasks.quality import QualityTask, Recipe, predict  # noqa: E402

ROOT = Path(__file__).parents[2]
SMALL = QualityShape((8, 8, 8), 8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve files, of which one is held out."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "photos").mkdir()
    for number in range(12):
        part = np.roll(data.astronaut()[:, :440], 30 * number, axis=1)
        cv2.imwrite(str(folder / "photos" / f"scene-{number:04d}.jpg"), part[..., ::-1])
    return folder


def test_a_case_is_of_its_seed_alone(folder: Path) -> None:
    task = QualityTask(Recipe(batch=2), folder)
    first, again, other = (task.batch(step) for step in (3, 3, 4))
    given = ((*inputs, target) for inputs, target in (first, again, other))
    for one, same, different in zip(*given, strict=True):
        assert torch.equal(one, same) and not torch.equal(one, different)
    (thumbnails, patches, light), truth = first
    assert light.shape == (2, LIGHTS)
    assert thumbnails.shape == (2, 3, 64, 64) and patches.shape == (16, 3, 64, 64)
    assert truth.shape == (2, len(MEASURES))


@pytest.mark.parametrize("kind", KINDS)
def test_the_truth_is_what_was_done(folder: Path, kind: str) -> None:
    files = photographs(folder, validation=False)
    case = sample_case(files, kind, Shares(0.4), (1, 2))
    blur, noise, jpeg_quality, stops, score = case.target
    assert (blur > 0) == (kind in ("blur", "resize")) or kind == "mixed"
    assert (jpeg_quality < 100) == (kind == "jpeg") or kind in ("mixed", "dark")
    assert (stops < 0) == (kind == "dark") or kind == "mixed"
    assert (noise > 0) == (kind in ("noise", "dark")) or kind == "mixed"
    assert (score == pytest.approx(1)) == (kind == "clean")
    shown_bright = sample_case(files, "dark", Shares(0.4, brightened=1), (1, 2))
    assert shown_bright.target[3] == 0 and shown_bright.photo.mean() > 20


def test_extremes_stay_within_the_models_range() -> None:
    truth = target_of(Damage(30.0, 500.0, 5.0, -9.0))
    assert truth.tolist() == [8, 100, 25, -5, 0.5**10]


@pytest.mark.parametrize(
    ("damage", "score"),
    [
        (Damage(), 1.0),
        (Damage(exposure_stops=2.0), 1.0),  # too bright: nothing here mends that
        (Damage(blur_px=1.5), 0.5),
        (Damage(noise=20.0, blur_px=0.1), 0.25),
        (Damage(jpeg_quality=55, exposure_stops=-0.5), 0.5),
    ],
)
def test_the_score_halves_with_the_worst_fault(damage: Damage, score: float) -> None:
    assert target_of(damage)[-1] == pytest.approx(score)


def test_thresholds_and_figures_by_hand() -> None:
    def said(blur: float, noise: float, score: float) -> list[float]:
        return [blur, noise, 100.0, 0.0, score]

    clean = np.array([said(0.1 * n, 1.0, 1.0) for n in range(11)], np.float32)
    limits = thresholds_of(clean, 0.9)
    assert limits == {"blur_px": 0.9, "noise": 1.0, "artefacts": 0.0, "darkness": 0.0}
    limits |= {"noise": 5.0, "artefacts": 20.0, "darkness": 0.5}
    true = {
        "clean": np.array([said(0, 0, 1)] * 11, np.float32),
        "noise": np.array([said(0, 20, 0.25), said(0, 30, 0.1), said(0, 2, 0.9)], np.float32),
    }
    model = {
        "clean": clean,
        "noise": np.array([said(0, 19, 0.3), said(0, 3, 0.2), said(0, 9, 0.9)], np.float32),
    }
    found = quality_metrics(model, true, limits)
    assert found["clean_left_alone"] == pytest.approx(10 / 11)
    assert found["spoilt_found"] == 0.5  # of the two that are clearly spoilt
    assert found["noise_error"] == pytest.approx((11 * 1 + 1 + 27 + 7) / 14)


def test_the_thresholds_are_of_the_faults_that_the_gate_sees() -> None:
    """Of one definition: the gate's own."""
    measures = np.array([[1.5, 20.0, 60.0, -2.0, 0.3]], np.float32)
    ours = {name: float(values[0]) for name, values in faults(measures).items()}
    assert ours == quality_model.faults(QualityEstimate(*measures[0].tolist()))


def test_what_is_said_is_in_units_and_of_each_photo_alone() -> None:
    torch.manual_seed(1)
    model = QualityModel(SMALL).eval()
    torch.nn.init.normal_(model.out.weight)
    photos = [data.chelsea(), data.astronaut()[:40, :30]]
    both = predict(model, photos)
    assert both.shape == (2, 5)
    np.testing.assert_allclose(both[1:], predict(model, photos[1:]), rtol=1e-3, atol=1e-3)
    assert (both[:, 0] >= 0).all() and (both[:, 2] <= 100).all() and (both[:, 4] <= 1).all()
    assert model_inputs(photos, SMALL)[1].shape == (16, 3, 64, 64)


def test_the_served_model_is_small() -> None:
    count = sum(parameter.numel() for parameter in QualityModel(QualityShape()).parameters())
    assert count < 150_000


def test_four_steps_are_two_and_two_more(folder: Path, tmp_path: Path) -> None:
    def run(out: str, steps: int) -> dict[str, Any]:
        command = [sys.executable, "-m", "pipeline", "train", "quality", "--data", str(folder)]
        command += ["--output", str(tmp_path / out), "--set", f"steps={steps}", "--set", "batch=2"]
        # one thread: with more, the order of sums depends on who is faster
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env=environment)
        return torch.load(tmp_path / out / "last.pt", weights_only=True)

    whole = run("whole", 4)
    run("halves", 2)
    halves = run("halves", 4)
    assert whole["step"] == halves["step"] == 4
    row = json.loads((tmp_path / "halves" / "log.jsonl").read_text().splitlines()[1])
    assert {"blur_px_error", "clean_left_alone", "spoilt_found"} < set(row)
    for part in ("net", "average"):
        for name, tensor in whole[part].items():
            assert torch.equal(tensor, halves[part][name]), f"{part} {name}"
