"""The restoration by a network: light first, then blur, noise and artefacts in one pass."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import cv2
import numpy as np

from pipeline.domain import Decision, Photo, QualityEstimate, RgbImage
from pipeline.enhance.models import RestorationModels
from pipeline.light import brighten, headroom_stops
from pipeline.quality_model import faults

# What a step assumes at least when the caller asked for it, however good the photo seems.
MIN_LEVELS = {"blur_px": 0.8, "noise": 5.0, "artefacts": 20.0, "darkness": 0.7}
MIN_STOPS = 0.1
REPAIRED_BY = {"sharpen": ("blur_px",), "denoise": ("noise", "artefacts")}  # in the net's order


def restore(
    photo: Photo, estimate: QualityEstimate, decisions: list[Decision], models: RestorationModels
) -> tuple[Photo, list[Decision]]:
    """Runs the steps that were decided on.

    "clahe" is brightening here; the other faults are then measured on the brightened photo, whose
    noise has grown with it.

    Args:
        photo: The photo; not written to.
        estimate: What the quality model says of it.
        decisions: One for each step.
        models: The restorer and the quality model.

    Returns:
        The restored Photo, twice as large where "upscale" ran, the same object where no step ran;
        and the decisions, of which "clahe" may have found no headroom.
    """
    levels = faults(estimate)
    by_step = {decision.step: decision for decision in decisions}
    pixels, alpha = photo.pixels, photo.alpha
    if by_step["clahe"].ran:
        headroom = headroom_stops(models.content.of(pixels))
        stops = min(max(levels["darkness"], MIN_LEVELS["darkness"]), headroom)
        pixels, by_step["clahe"] = _brightened(pixels, stops, by_step["clahe"])
        if by_step["clahe"].ran:
            levels = faults(models.estimator.estimate(models.content.of(pixels)))
    if any(by_step[step].ran for step in ("denoise", "sharpen", "upscale")):
        steps = [step for step in REPAIRED_BY if by_step[step].ran]
        repaired = levels_to_repair(levels, steps, models.thresholds)
        pixels = _restored(pixels, repaired, by_step["upscale"].ran, models)
    if by_step["upscale"].ran and alpha is not None:
        alpha = cv2.resize(alpha, pixels.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    restored = photo if pixels is photo.pixels else Photo(pixels, alpha)
    return restored, [by_step[decision.step] for decision in decisions]


def _brightened(pixels: RgbImage, stops: float, decision: Decision) -> tuple[RgbImage, Decision]:
    if stops < MIN_STOPS:
        return pixels, replace(decision, ran=False, why="its highlights are bright already")
    why = f"{decision.why}: {stops:.1f} stops brighter"
    return brighten(pixels, stops), replace(decision, why=why)


def levels_to_repair(
    levels: Mapping[str, float], steps: Collection[str], thresholds: Mapping[str, float]
) -> dict[str, float]:
    """How strong the network is told that each fault is.

    Args:
        levels: What was measured; see ``faults``.
        steps: Which of REPAIRED_BY run.
        thresholds: The gate's limits.

    Returns:
        ``blur_px``, ``noise`` and ``artefacts``: as measured, at least MIN_LEVELS for a step that
        the gate did not ask for; zero for faults that are not repaired.
    """
    repaired = dict.fromkeys(("blur_px", "noise", "artefacts"), 0.0)
    for step in steps:
        over = [name for name in REPAIRED_BY[step] if levels[name] > thresholds[name]]
        for name in over or REPAIRED_BY[step]:
            repaired[name] = max(levels[name], MIN_LEVELS[name] if not over else 0.0)
    return repaired


def _restored(
    pixels: RgbImage, levels: Mapping[str, float], double: bool, models: RestorationModels
) -> RgbImage:
    model = models.doubler if double else models.restorer
    if model is None:
        raise ValueError("auto needs a restorer")
    values = np.array([levels["blur_px"], levels["noise"], levels["artefacts"]], np.float32)
    return model(pixels, inputs={"level": values.reshape(1, 3, 1, 1)})
