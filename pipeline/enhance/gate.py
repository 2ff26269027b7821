"""Which step a photo needs: by the quality model, or by the published rule."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.domain import Decision, Photo, QualityEstimate, QualityReport
from pipeline.enhance.tools import Tools
from pipeline.settings import Options

SMALL_PX = 320  # a photo whose longer side is shorter gets twice the pixels
DARK_LIGHTNESS = 40.0  # mean L* under which CLAHE may run: on bright skin it turns grey
STEPS = ("upscale", "denoise", "clahe", "sharpen")


@dataclass(frozen=True)
class Finding:
    """Whether a step is needed, and what was measured against which threshold."""

    needed: bool
    why: str
    measured: float | None = None
    threshold: float | None = None


def decide(
    step: str, photo: Photo, report: QualityReport, options: Options, tools: Tools
) -> Decision:
    """What the caller switched on or off, else what the gate finds; doubling is left out where
    the result would exceed ``options.max_side_px``.
    """
    switch = getattr(options, step)
    longer_px = max(photo.width_px, photo.height_px)
    if switch == "off":
        return Decision(step, False, "switched off")
    if switch == "auto" and tools.mode == "off":
        return Decision(step, False, "enhance is off")
    found = Finding(True, "switched on by the caller")
    if switch == "auto":
        by = by_estimate if tools.gate == "learned" else by_laplacian
        found = by(step, photo, report, tools)
    if found.needed and step == "upscale" and 2 * longer_px > options.max_side_px:
        why = "twice the size would exceed max_side_px"
        return Decision(step, False, why, 2 * longer_px, options.max_side_px)
    return Decision(step, found.needed, found.why, found.measured, found.threshold)


def by_laplacian(step: str, photo: Photo, report: QualityReport, tools: Tools) -> Finding:
    """The published rule: everything for a photo whose variance of the Laplacian is too small;
    but CLAHE for a dark one alone.
    """
    measured, threshold = report.blur_variance, report.blur_variance_min
    if measured >= threshold:
        return Finding(False, "sharp enough", measured, threshold)
    if step == "clahe":
        dark = report.brightness < DARK_LIGHTNESS
        why = "blurred and dark" if dark else "not dark"
        return Finding(dark, why, report.brightness, DARK_LIGHTNESS)
    return Finding(True, "blurred", measured, threshold)


def by_estimate(step: str, photo: Photo, report: QualityReport, tools: Tools) -> Finding:
    """Each step by the fault that it mends."""
    if step == "upscale":
        longer_px = max(photo.width_px, photo.height_px)
        small = longer_px < SMALL_PX
        return Finding(small, "small" if small else "large enough", longer_px, SMALL_PX)
    if report.estimate is None:
        raise ValueError("the learned gate needs an estimate")
    found = faults(report.estimate)
    limits = tools.thresholds
    if step == "denoise":
        noisy = found["noise"] > limits["noise"]
        spoilt = found["artefacts"] > limits["artefacts"]
        name = "artefacts" if spoilt and not noisy else "noise"
        why = {(True, False): "noisy", (False, True): "JPEG artefacts", (False, False): "clean"}
        words = why.get((noisy, spoilt), "noisy, with JPEG artefacts")
        return Finding(noisy or spoilt, words, found[name], limits[name])
    name, words, otherwise = {
        "clahe": ("darkness", "dark", "bright enough"),
        "sharpen": ("blur_px", "blurred", "sharp enough"),
    }[step]
    needed = found[name] > limits[name]
    return Finding(needed, words if needed else otherwise, found[name], limits[name])


def faults(estimate: QualityEstimate) -> dict[str, float]:
    """What the gate has thresholds for: more is worse. ``artefacts``:
    100 minus the JPEG quality; ``darkness``: stops.
    """
    return {
        "blur_px": estimate.blur_px,
        "noise": estimate.noise,
        "artefacts": 100 - estimate.jpeg_quality,
        "darkness": -estimate.exposure_stops,
    }
