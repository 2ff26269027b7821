"""Inputs of noise for every shipped network, at the size at which a photo asks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.domain import WeightSpec
from pipeline.engines import OnnxEngine
from pipeline.lineart.dots import PLANES
from pipeline.quality_model import LIGHTS
from pipeline.weights import WeightStore

STYLE_PX = ENLARGED_PX = 512
DETECTOR_SIDES = (480, 640)

Arrays = dict[str, NDArray[Any]]
Asked = tuple[str, str, Arrays]  # what it is called in the report, its role, its inputs


def networks_with_inputs(layer: WeightStore) -> list[tuple[str, WeightSpec, str, Arrays]]:
    """Lists the networks with inputs of noise, at the sizes at which they are asked.

    Args:
        layer: The folder of weights.

    Returns:
        A name for the report, the network, the role of its file, and the inputs of its graph.
    """
    noise = np.random.default_rng(2)
    listed: list[tuple[str, WeightSpec, str, Arrays]] = []
    for spec in sorted(layer.specs.values(), key=lambda spec: (spec.kind != "style", spec.name)):
        for name, role, inputs in INPUTS[spec.kind](layer, spec, noise):
            if OnnxEngine(layer.read(spec, role), 1).takes_pixels:
                for key in {"picture", "guide"} & inputs.keys():
                    pixels = inputs[key].transpose(0, 2, 3, 1) * 127.5 + 127.5
                    inputs[key] = np.ascontiguousarray(pixels.astype(np.uint8))
            listed.append((name, spec, role, inputs))
    return listed


def _noise(random: np.random.Generator, *sides: int, count: int = 1) -> NDArray[np.float32]:
    return random.uniform(-1, 1, (count, 3, *sides)).astype(np.float32)


def _style_inputs(layer: WeightStore, spec: WeightSpec, random: np.random.Generator) -> list[Asked]:
    inputs = {"picture": _noise(random, STYLE_PX, STYLE_PX)}
    if "code" in spec.files:
        thumbnail = {"thumbnail": _noise(random, spec.thumbnail_px, spec.thumbnail_px)}
        inputs["code"] = OnnxEngine(layer.read(spec, "code"), 1).run(thumbnail)
    return [(f"{spec.name}, {STYLE_PX}x{STYLE_PX}", "picture", inputs)]


def _face_restorer_inputs(
    layer: WeightStore, spec: WeightSpec, random: np.random.Generator
) -> list[Asked]:
    ((_, role, inputs),) = _style_inputs(layer, spec, random)
    return [(f"face restorer, {STYLE_PX}x{STYLE_PX}", role, inputs)]


def _upsampler_inputs(_: WeightStore, __: WeightSpec, random: np.random.Generator) -> list[Asked]:
    inputs = {
        "picture": _noise(random, ENLARGED_PX, ENLARGED_PX),
        "guide": _noise(random, 2 * ENLARGED_PX, 2 * ENLARGED_PX),
    }
    return [(f"upsampler, {ENLARGED_PX}x{ENLARGED_PX}", "picture", inputs)]


def _restorer_inputs(_: WeightStore, __: WeightSpec, random: np.random.Generator) -> list[Asked]:
    inputs = {
        "picture": _noise(random, ENLARGED_PX, ENLARGED_PX),
        "level": np.array([1.5, 5, 20], np.float32).reshape(1, 3, 1, 1),
    }
    return [
        (f"restorer x{times}, {ENLARGED_PX}x{ENLARGED_PX}", role, dict(inputs))
        for times, role in ((1, "picture"), (2, "double"))
    ]


def _detector_inputs(_: WeightStore, __: WeightSpec, random: np.random.Generator) -> list[Asked]:
    height, width = DETECTOR_SIDES
    return [(f"detector, {width}x{height}", "faces", {"picture": _noise(random, height, width)})]


def _parser_inputs(_: WeightStore, spec: WeightSpec, random: np.random.Generator) -> list[Asked]:
    side = int(str(spec.shape["side_px"]))
    return [(f"parser, {side}x{side}", "regions", {"picture": _noise(random, side, side)})]


def _quality_inputs(_: WeightStore, spec: WeightSpec, random: np.random.Generator) -> list[Asked]:
    side, patch, count = (
        int(str(spec.shape[key])) for key in ("thumbnail_px", "patch_px", "patches")
    )
    inputs = {
        "thumbnail": _noise(random, side, side),
        "patches": _noise(random, patch, patch, count=count),
        "light": np.zeros((1, LIGHTS), np.float32),
    }
    return [(f"quality, {count} patches of {patch}x{patch}", "report", inputs)]


def _colouriser_inputs(
    _: WeightStore, spec: WeightSpec, random: np.random.Generator
) -> list[Asked]:
    side = spec.working_px
    inputs = {
        "lines": random.uniform(0, 1, (1, 1, side, side)).astype(np.float32),
        "hints": np.zeros((1, PLANES, side, side), np.float32),
        "palette": np.zeros((1, int(str(spec.shape["palette_length"])), 1, 1), np.float32),
    }
    return [(f"colouriser, {side}x{side}", "picture", inputs)]


INPUTS: dict[str, Callable[[WeightStore, WeightSpec, np.random.Generator], list[Asked]]] = {
    "style": _style_inputs,
    "face_restorer": _face_restorer_inputs,
    "upsampler": _upsampler_inputs,
    "restorer": _restorer_inputs,
    "detector": _detector_inputs,
    "parser": _parser_inputs,
    "quality": _quality_inputs,
    "colouriser": _colouriser_inputs,
}
