"""The gate: which step a photo needs, by the quality model or by the published rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.domain import Decision, Photo, QualityEstimate, QualityReport
from pipeline.enhance.models import RestorationModels
from pipeline.quality_model import faults
from pipeline.settings import Options

SMALL_PX = 320  # a photo whose longer side is shorter gets twice the pixels
MIN_BRIGHTNESS = 40.0  # mean L* from which on CLAHE does not run: on bright skin it turns grey
STEPS = ("upscale", "denoise", "clahe", "sharpen")


@dataclass(frozen=True)
class Finding:
    """Whether a step is needed, and what was measured against which threshold."""

    needed: bool
    why: str
    measured: float | None = None
    threshold: float | None = None


def decide(
    step: str, photo: Photo, report: QualityReport, options: Options, models: RestorationModels
) -> Decision:
    """Decides on one step: as the caller switched it, else as the gate finds.

    Doubling is left out where the result would exceed ``options.max_side_px``.
    """
    switch = getattr(options, step)
    if switch == "off":
        return Decision(step, False, "switched off")
    if switch == "auto" and models.mode == "off":
        return Decision(step, False, "enhance is off")
    longer_px = max(photo.width_px, photo.height_px)
    finding = Finding(True, "switched on by the caller")
    if switch == "auto" and models.gate == "learned":
        if report.estimate is None:
            raise ValueError("the learned gate needs an estimate")
        finding = by_estimate(step, longer_px, report.estimate, models.thresholds)
    elif switch == "auto":
        finding = by_laplacian(step, report)
    if finding.needed and step == "upscale" and 2 * longer_px > options.max_side_px:
        why = "twice the size would exceed max_side_px"
        return Decision(step, False, why, 2 * longer_px, options.max_side_px)
    return Decision(step, finding.needed, finding.why, finding.measured, finding.threshold)


def by_laplacian(step: str, report: QualityReport) -> Finding:
    """The published rule: every step for a photo whose variance of the Laplacian is too small.

    But CLAHE only for a dark one.
    """
    measured, threshold = report.blur_variance, report.blur_variance_min
    if measured >= threshold:
        return Finding(False, "sharp enough", measured, threshold)
    if step == "clahe":
        dark = report.brightness < MIN_BRIGHTNESS
        why = "blurred and dark" if dark else "not dark"
        return Finding(dark, why, report.brightness, MIN_BRIGHTNESS)
    return Finding(True, "blurred", measured, threshold)


def by_estimate(
    step: str, longer_px: int, estimate: QualityEstimate, thresholds: Mapping[str, float]
) -> Finding:
    """Each step by the fault that it repairs.

    Args:
        step: One of STEPS.
        longer_px: Longer side of the photo.
        estimate: What the quality model says of it.
        thresholds: Limits of the measures of ``quality_model.faults``.
    """
    if step == "upscale":
        small = longer_px < SMALL_PX
        return Finding(small, "small" if small else "large enough", longer_px, SMALL_PX)
    measures = faults(estimate)
    if step == "denoise":
        noisy = measures["noise"] > thresholds["noise"]
        artefacts = measures["artefacts"] > thresholds["artefacts"]
        name = "artefacts" if artefacts and not noisy else "noise"
        why = {(True, False): "noisy", (False, True): "JPEG artefacts", (False, False): "clean"}
        words = why.get((noisy, artefacts), "noisy, with JPEG artefacts")
        return Finding(noisy or artefacts, words, measures[name], thresholds[name])
    name, words, otherwise = {
        "clahe": ("darkness", "dark", "bright enough"),
        "sharpen": ("blur_px", "blurred", "sharp enough"),
    }[step]
    needed = measures[name] > thresholds[name]
    return Finding(needed, words if needed else otherwise, measures[name], thresholds[name])
