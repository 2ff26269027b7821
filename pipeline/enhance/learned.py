"""The repair by the restorer: light first, then blur, noise and artefacts in one pass."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from pipeline.domain import Decision, Photo, Picture
from pipeline.enhance.gate import faults
from pipeline.enhance.tools import Tools
from pipeline.light import brighten, headroom_stops
from pipeline.networks import run_on_picture

# What a step that was asked for takes for granted, however good the photo seems to be.
LEAST = {"blur_px": 0.8, "noise": 5.0, "artefacts": 20.0, "darkness": 0.7}
LEAST_STOPS = 0.1
MEND = {"sharpen": ("blur_px",), "denoise": ("noise", "artefacts")}  # by step, in the net's order


def restore(
    photo: Photo, estimate: dict[str, float], decisions: list[Decision], tools: Tools
) -> tuple[Photo, list[Decision]]:
    """in: a Photo, its faults and what was decided for each step; out: the restored Photo, twice
    as large where "upscale" ran, and the decisions, of which "clahe" may have found no room.

    "clahe" is brightening here; what is then mended is measured on the brightened photo, whose
    noise has grown with it. The photo comes back untouched, the same object, when no step ran.
    """
    ran = {decision.step: decision for decision in decisions}
    pixels, alpha = photo.pixels, photo.alpha
    if ran["clahe"].ran:
        room = headroom_stops(tools.content.of(pixels))
        pixels, ran["clahe"] = _lighten(pixels, estimate["darkness"], room, ran["clahe"])
        if ran["clahe"].ran:
            estimate = faults(tools.estimate(tools.content.of(pixels)))
    if any(ran[step].ran for step in ("denoise", "sharpen", "upscale")):
        told = level(estimate, {step for step in MEND if ran[step].ran}, tools)
        pixels = _through_net(pixels, told, ran["upscale"].ran, tools)
    if ran["upscale"].ran and alpha is not None:
        alpha = cv2.resize(alpha, pixels.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    restored = photo if pixels is photo.pixels else Photo(pixels, alpha)
    return restored, [ran[decision.step] for decision in decisions]


def _lighten(
    pixels: Picture, darkness: float, room_stops: float, decision: Decision
) -> tuple[Picture, Decision]:
    stops = min(max(darkness, LEAST["darkness"]), room_stops)
    if stops < LEAST_STOPS:
        return pixels, replace(decision, ran=False, why="its highlights are bright already")
    why = f"{decision.why}: {stops:.1f} stops brighter"
    return brighten(pixels, stops), replace(decision, why=why)


def level(estimate: dict[str, float], steps: set[str], tools: Tools) -> dict[str, float]:
    """What the net is told of each fault that a step is to mend: what was measured, and of a
    step that the gate did not ask for a little at least; zero of the others.
    """
    told = dict.fromkeys(("blur_px", "noise", "artefacts"), 0.0)
    for step in steps:
        over = [name for name in MEND[step] if estimate[name] > tools.thresholds[name]]
        for name in over or MEND[step]:
            told[name] = max(estimate[name], LEAST[name] if not over else 0.0)
    return told


def _through_net(pixels: Picture, told: dict[str, float], twice: bool, tools: Tools) -> Picture:
    if tools.restorer is None:
        raise ValueError("auto needs a restorer")
    role, scale = ("double", 2) if twice else ("picture", 1)
    values = [told["blur_px"], told["noise"], told["artefacts"]]
    levels = np.array(values, np.float32).reshape(1, 3, 1, 1)
    made, _ = run_on_picture(
        pixels,
        replace(tools.restorer, scale=scale),
        tools.open_restorer(role),
        tools.tile_px,
        {"level": levels},
    )
    return made
