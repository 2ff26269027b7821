"""Both gates at their thresholds, and the measures, as they stand in the sidecar of a picture."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline import Options, Pipeline, Settings, Sidecar

ROOT = Path(__file__).resolve().parents[2]
PIPELINE = Pipeline(Settings())
PLAIN = Options(faces="off", upscale="off", format="png", max_side_px=384, style="cel")
LEARNED = replace(PLAIN, enhance="auto", gate="learned")
PUBLISHED = replace(PLAIN, enhance="classic", gate="laplacian")
# step, the fault that it goes by, and how much of it may be in a photo that is left alone: by hand
# from the manifest, so that another number there or in the code is seen here
THRESHOLDS = {"denoise": 1.814, "sharpen": 0.886, "clahe": 0.774}
BLUR_VARIANCE_MIN = 100.0

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


@cache
def photo() -> Pixels:
    """A sharp, clean, light photograph of 384x256."""
    with Image.open(ROOT / "samples" / "coffee.jpg") as picture:
        reduced = picture.convert("RGB").resize((384, 256), Image.Resampling.LANCZOS)
    return np.asarray(reduced)


def noisy(levels: float) -> Pixels:
    noise = np.random.default_rng(5).normal(0, 1, photo().shape)
    return np.clip(photo() + levels * noise + 0.5, 0, 255).astype(np.uint8)


def blurred(sigma_px: float) -> Pixels:
    return cv2.GaussianBlur(photo(), (0, 0), sigma_px)


def darkened(stops: float) -> Pixels:
    linear = (photo() / 255.0) ** 2.2 / 2**stops
    return np.rint(255 * linear ** (1 / 2.2)).astype(np.uint8)


def sidecar(pixels: Pixels, options: Options) -> Sidecar:
    return result(pixels, options)[1]


def result(pixels: Pixels, options: Options) -> tuple[Pixels, Sidecar]:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    made = PIPELINE.run(file.getvalue(), options)
    return np.asarray(Image.open(io.BytesIO(made.image)).convert("RGB")), made.sidecar


def decision(pixels: Pixels, step: str, options: Options) -> tuple[bool, float, float]:
    """Whether a step ran, what was measured and against what, as the user is told."""
    (found,) = [item for item in sidecar(pixels, options).decisions if item.step == step]
    assert found.measured is not None and found.threshold is not None
    return found.ran, found.measured, found.threshold


def on_both_sides(
    damage: Callable[[float], Pixels], measure: Callable[[Pixels], float], threshold: float
) -> tuple[Pixels, Pixels]:
    """Two photos a little under and a little over a threshold of what ``measure`` says, found by
    halving the amount of ``damage`` between none and much.
    """
    low, high = 0.05, 12.0
    rising = measure(damage(high)) > measure(damage(low))
    for _ in range(9):
        middle = (low * high) ** 0.5
        if (measure(damage(middle)) > threshold) == rising:
            high = middle
        else:
            low = middle
    pair = damage(low), damage(high)
    return pair if rising else (pair[1], pair[0])


@pytest.mark.parametrize(
    ("step", "damage"), [("denoise", noisy), ("sharpen", blurred), ("clahe", darkened)]
)
def test_the_learned_gate_changes_its_mind_at_the_threshold(
    step: str, damage: Callable[[float], Pixels]
) -> None:
    threshold = THRESHOLDS[step]
    under, over = on_both_sides(
        damage, lambda pixels: decision(pixels, step, LEARNED)[1], threshold
    )
    ran, measured, stated = decision(under, step, LEARNED)
    assert not ran and 0.8 * threshold < measured <= threshold
    assert stated == pytest.approx(threshold)
    ran, measured, stated = decision(over, step, LEARNED)
    assert ran and threshold < measured < 1.25 * threshold
    assert stated == pytest.approx(threshold)


@pytest.mark.parametrize(("width_px", "is_doubled"), [(318, True), (330, False)])
def test_a_small_photo_is_doubled_and_one_a_little_larger_is_not(
    width_px: int, is_doubled: bool
) -> None:
    reduced = cv2.resize(photo(), (width_px, width_px * 2 // 3), interpolation=cv2.INTER_AREA)
    options = replace(LEARNED, upscale="auto", max_side_px=800)
    ran, measured, threshold = decision(reduced, "upscale", options)
    assert (ran, measured, threshold) == (is_doubled, width_px, 320)


def test_the_thresholds_here_are_those_of_the_manifest() -> None:
    entries = json.loads((ROOT / "layers" / "weights" / "manifest.json").read_text())["weights"]
    (quality,) = [entry for entry in entries if entry["kind"] == "quality"]
    shipped = quality["thresholds"]
    assert {
        "denoise": shipped["noise"],
        "sharpen": shipped["blur_px"],
        "clahe": shipped["darkness"],
    } == THRESHOLDS


def test_the_published_gate_changes_its_mind_at_the_threshold() -> None:
    def measure(pixels: Pixels) -> float:
        return float(cv2.Laplacian(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())

    under, over = on_both_sides(blurred, measure, BLUR_VARIANCE_MIN)
    for step in ("denoise", "sharpen"):
        ran, measured, stated = decision(under, step, PUBLISHED)
        assert ran and 0.9 * BLUR_VARIANCE_MIN < measured < BLUR_VARIANCE_MIN == stated
        ran, measured, stated = decision(over, step, PUBLISHED)
        assert not ran and BLUR_VARIANCE_MIN <= measured < 1.1 * BLUR_VARIANCE_MIN == 1.1 * stated
        assert measured == pytest.approx(measure(over), rel=0.01)


def psnr_db(one: Pixels, other: Pixels) -> float:
    error = np.mean((one.astype(float) - other) ** 2)
    return float(10 * np.log10(255**2 / error))


@pytest.mark.parametrize("options", [LEARNED, PUBLISHED], ids=["learned", "published"])
def test_the_metrics_compare_with_the_photo_as_it_was_given(options: Options) -> None:
    """Not with the restored photo, which would flatter the result."""
    given = cv2.GaussianBlur(noisy(14.0), (0, 0), 1.2)
    gentle = replace(options, strength=0.2, denoise="on")
    picture, told = result(given, gentle)
    restored, _ = result(given, replace(options, strength=0, denoise="on"))
    assert picture.shape == given.shape
    truth, flattering = psnr_db(given, picture), psnr_db(restored, picture)
    assert abs(truth - flattering) > 0.5
    assert told.metrics.psnr_db == pytest.approx(truth, abs=0.05)
