"""The restoration of a bad photo before it is drawn; a good one is left alone.

One signature, three modes: ``auto`` restores by a network what the gate finds, ``classic`` runs
the published chain, ``off`` runs only what the caller switched on.
"""

from __future__ import annotations

import cv2

from pipeline.domain import Decision, Photo, QualityReport
from pipeline.enhance.classic import run_step
from pipeline.enhance.gate import STEPS, decide
from pipeline.enhance.learned import restore
from pipeline.enhance.models import RestorationModels
from pipeline.settings import Options

__all__ = ["STEPS", "RestorationModels", "enhance", "plan_steps"]


def plan_steps(
    photo: Photo, report: QualityReport, options: Options, models: RestorationModels
) -> tuple[Decision, ...]:
    """Decides on each of STEPS, in their order.

    Args:
        photo: The photo.
        report: What was measured on it, with an estimate where ``models.needs_estimate``.
        options: The caller's switches.
        models: Mode, gate and thresholds.

    Returns:
        One Decision a step; ``enhance`` may still find no headroom for brightening.
    """
    return tuple(decide(step, photo, report, options, models) for step in STEPS)


def enhance(
    photo: Photo, report: QualityReport, options: Options, models: RestorationModels
) -> tuple[Photo, tuple[Decision, ...]]:
    """Restores a photo.

    Args:
        photo: The photo; not written to.
        report: As ``plan_steps``.
        options: As ``plan_steps``.
        models: What restores it.

    Returns:
        The restored Photo, the same object where no step ran; and one Decision a step.

    Raises:
        ValueError: The report lacks the estimate that is needed.
        WeightsInvalid, EngineUnavailable: A network cannot be opened.
    """
    decisions = list(plan_steps(photo, report, options, models))
    if models.mode == "auto":
        if report.estimate is None:
            raise ValueError("the restorer needs an estimate")
        restored, decisions = restore(photo, report.estimate, decisions, models)
        return restored, tuple(decisions)
    pixels, alpha = photo.pixels, photo.alpha
    for decision in decisions:
        if not decision.ran:
            continue
        pixels = run_step(decision.step, pixels, models)
        if decision.step == "upscale" and alpha is not None:
            alpha = cv2.resize(alpha, pixels.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    if pixels is photo.pixels:
        return photo, tuple(decisions)
    return Photo(pixels, alpha), tuple(decisions)
