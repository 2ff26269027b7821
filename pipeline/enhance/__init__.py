"""The repair of a bad photo before it is drawn; a good one is left alone.

One signature, three ways: ``auto`` mends by the restorer what the gate finds, ``classic`` runs
the published chain, ``off`` only what the caller switched on.
"""

from __future__ import annotations

import cv2

from pipeline.domain import Decision, Photo, QualityReport
from pipeline.enhance.classic import repair
from pipeline.enhance.gate import STEPS, decide, faults
from pipeline.enhance.learned import restore
from pipeline.enhance.tools import Tools
from pipeline.settings import Options

__all__ = ["STEPS", "Tools", "enhance", "planned"]


def planned(
    photo: Photo, report: QualityReport, options: Options, tools: Tools
) -> tuple[Decision, ...]:
    """in: a Photo and what was measured on it; out: what is decided on each step, one after the
    other; enhance may yet find no room for one.
    """
    return tuple(decide(step, photo, report, options, tools) for step in STEPS)


def enhance(
    photo: Photo, report: QualityReport, options: Options, tools: Tools
) -> tuple[Photo, tuple[Decision, ...]]:
    """in: a Photo and what was measured on it; out: the repaired Photo, one Decision a step.

    The photo comes back untouched, the same object, when no step ran. ``report.estimate`` is
    there when ``tools`` ask for the restorer or the learned gate.
    """
    decisions = list(planned(photo, report, options, tools))
    if tools.mode == "auto":
        if report.estimate is None:
            raise ValueError("the restorer needs an estimate")
        restored, decisions = restore(photo, faults(report.estimate), decisions, tools)
        return restored, tuple(decisions)
    pixels, alpha = photo.pixels, photo.alpha
    for decision in decisions:
        if not decision.ran:
            continue
        pixels = repair(pixels, decision.step, tools)
        if decision.step == "upscale" and alpha is not None:
            alpha = cv2.resize(alpha, pixels.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    if pixels is photo.pixels:
        return photo, tuple(decisions)
    return Photo(pixels, alpha), tuple(decisions)
