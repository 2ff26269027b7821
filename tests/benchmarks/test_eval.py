"""The evaluation: distances that can be worked out by hand, and tables of what was really run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage import data

torch = pytest.importorskip("torch", reason="torch's CPU wheel is not installed")
pytest.importorskip("matplotlib", reason="plots need matplotlib")
pytest.importorskip("torchmetrics", reason="the figures are torchmetrics'")

from benchmarks import quality  # noqa: E402
from benchmarks.frechet import distance, frechet_distance, student_features  # noqa: E402
from pipeline import Options, Pipeline, Settings  # noqa: E402
from training.data.degradations import Blur, Noise  # noqa: E402
from training.data.quality import LONGER_PX  # noqa: E402


def test_the_distance_of_normal_laws_is_the_formula() -> None:
    random = np.random.default_rng(1)
    samples = random.normal(0, 1, (4000, 3))
    assert frechet_distance(samples, samples) == pytest.approx(0, abs=1e-9)
    moved = samples + np.array([1.0, -2.0, 0.0])
    assert frechet_distance(samples, moved) == pytest.approx(5.0)
    # of independent axes: the squared differences of the deviations
    wide = samples * np.array([3.0, 1.0, 1.0])
    law, wide_law = np.cov(samples, rowvar=False), np.cov(wide, rowvar=False)
    from scipy.linalg import sqrtm

    by_formula = np.trace(law + wide_law - 2 * sqrtm(law @ wide_law).real)
    by_formula += ((samples.mean(0) - wide.mean(0)) ** 2).sum()
    assert frechet_distance(samples, wide) == pytest.approx(by_formula, rel=1e-6)
    with pytest.raises(ValueError, match="two samples"):
        frechet_distance(samples[:1], samples)


def test_a_blurred_picture_is_farther_the_more_it_is_blurred() -> None:
    import cv2

    features, _ = student_features()
    photos = [data.chelsea(), data.astronaut()[:300]]
    found = [
        distance([cv2.GaussianBlur(p, (0, 0), sigma) for p in photos], photos, features)
        for sigma in (0.6, 1.5, 4.0)
    ]
    assert distance(photos, photos, features) == pytest.approx(0, abs=1e-6)
    assert 0 < found[0] < found[1] < found[2]


def test_the_pipelines_own_measures_agree_with_the_librarys() -> None:
    from pipeline.measure import psnr_db, ssim

    photo = data.chelsea()
    noise = np.random.default_rng(3).normal(0, 12, photo.shape)
    noisy = np.clip(photo + noise, 0, 255).astype(np.uint8)
    library_psnr, library_ssim = quality.likeness(noisy, photo)
    assert psnr_db(noisy, photo) == pytest.approx(library_psnr, abs=1e-3)
    assert ssim(noisy, photo) == pytest.approx(library_ssim, abs=3e-3)  # borders differ
    assert quality.likeness(photo, photo) == (100.0, 1.0)


def test_the_clean_photos_are_evenly_chosen_and_of_the_drawn_size() -> None:
    photos = quality.clean_photos(None, 3)
    assert len(photos) == 3
    assert all(max(p.shape[:2]) <= LONGER_PX for p in photos)
    assert all(side % 4 == 0 for p in photos for side in p.shape[:2])


def test_the_tables_and_the_plot_tell_what_was_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conditions = {"noise": {"2": [Noise(25)]}, "blur": {"2": [Blur(4.0)]}}
    monkeypatch.setattr(quality, "CONDITIONS", conditions)
    pipeline = Pipeline(Settings(threads=1))
    photos = [data.chelsea()[:200, :256], data.astronaut()[:192, 100:300]]
    ways = {
        "nothing": quality.WAYS["nothing"],
        "classic": Options(enhance="classic", upscale="off", denoise="on", max_side_px=8192),
    }
    rows = quality.compare(pipeline, photos, ways)
    assert set(rows) == {"clean", "noise", "blur"}
    nothing, classic = rows["noise"]["nothing"], rows["noise"]["classic"]
    assert len(nothing.restored) == len(nothing.drawn) == 2
    assert np.allclose(rows["clean"]["nothing"].restored, [(100.0, 1.0)] * 2, atol=1e-6)
    assert rows["clean"]["nothing"].drawn[0][0] == 100
    assert np.mean(classic.restored, 0)[0] > np.mean(nothing.restored, 0)[0] + 1  # NLM denoises
    lines = quality.table(rows, *student_features())
    assert sum(line.startswith("| noise") for line in lines) == 2
    quality.plot(rows, tmp_path / "plot.svg")
    assert (tmp_path / "plot.svg").read_text().count("<svg") == 1
    gate = quality.confusion(pipeline, photos, learned=False)
    blur = next(line for line in gate if line.startswith("| blur"))
    assert blur.split("|")[1:4] == [" blur (2) ", " - ", " 100 % "]
