"""What int8 costs: each net as it is served against its float weights, and how it computes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import onnx
from onnx import numpy_helper

from benchmarks.photographs import montage
from pipeline import Settings, WeightSpec
from pipeline.domain import RgbImage
from pipeline.measure import psnr_db
from pipeline.registry import ModelRegistry
from pipeline.weights import WeightStore

SIDES = (384, 288)
LEVELS = (1.5, 12.0, 30.0)  # what a restorer is told: blur, noise, artefacts
ROLES = {"style": ("picture",), "upsampler": ("picture",), "restorer": ("picture",)}
BETWEEN = ("DequantizeLinear", "QuantizeLinear")
PAIR = 255 * 2  # of uint8 with the largest weight there is, in the 16 bits of VPMADDUBSW
ROOM = 2**15 - 1


def photographs() -> list[RgbImage]:
    """Parts of the sample photographs at the scale that is drawn at."""
    field = cv2.resize(montage(1920, 1080), (960, 540), interpolation=cv2.INTER_AREA)
    places = [(0, 0), (0, 320), (0, 576), (252, 0), (252, 320), (252, 576)]
    wide, high = SIDES
    return [field[y : y + high, x : x + wide] for y, x in places]


def measure() -> dict[str, Any]:
    """Measures what int8 costs, by file of weights.

    Returns:
        Decibels against float where the output is a picture, the nodes that leave the integers or
        come back, and the most that two products may add up to.
    """
    settings = Settings(threads=1)
    layer = WeightStore(settings.weights_dir, settings.checkpoints_dir)
    found: dict[str, Any] = {}
    for spec in sorted(layer.specs.values(), key=lambda one: one.name):
        for role, file in spec.files.items():
            if not file.file.endswith(".int8.onnx"):
                continue
            row = _graph(layer.read(spec, role))
            if role in ROLES.get(spec.kind, ()):
                row["psnr_db"] = _psnr_db(layer, spec, role)
            found[file.file] = row
    return found


def _graph(content: bytes) -> dict[str, Any]:
    graph = onnx.load_from_string(content).graph
    count = Counter(node.op_type for node in graph.node)
    constants = [numpy_helper.to_array(one) for one in graph.initializer]
    weights = [one for one in constants if one.dtype == np.int8 and one.ndim > 1]
    largest = max(int(np.abs(one.astype(int)).max()) for one in weights)
    return {
        "kilobytes": round(len(content) / 1000),
        "between": sum(count[kind] for kind in BETWEEN) if "QLinearConv" in count else None,
        "largest_weight": largest,
        "pair": PAIR * largest,
    }


def _psnr_db(layer: WeightStore, spec: WeightSpec, role: str) -> list[float]:
    """Of each photograph, as the integers make it and as float does."""
    in_float, in_int8 = Settings(engine="torch", threads=1), Settings(threads=1)
    registries = [ModelRegistry(layer, settings) for settings in (in_int8, in_float)]
    models = [registry.model(spec, role) for registry in registries]
    style = registries[0].style(spec.name) if spec.kind == "style" else None
    found = []
    for photo in photographs():
        guide = None
        if spec.kind == "upsampler":
            photo, guide = (
                cv2.resize(photo, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
                photo,
            )
        inputs = dict(style.embed(photo)) if style else {}
        if spec.kind == "restorer":
            inputs["level"] = np.array(LEVELS, np.float32).reshape(1, 3, 1, 1)
        made, wanted = (model(photo, inputs=inputs, guide=guide) for model in models)
        found.append(round(psnr_db(np.ascontiguousarray(made), np.ascontiguousarray(wanted)), 2))
    return found


def lines(found: Mapping[str, Any]) -> list[str]:
    """The same as a table."""
    made = [
        "| file | kB | PSNR against float: mean, least | leaves the integers |"
        " two products at most |",
        "|---|---|---|---|---|",
    ]
    for name, row in found.items():
        decibels = row.get("psnr_db")
        told = f"{np.mean(decibels):.1f} dB, {min(decibels):.1f} dB" if decibels else ""
        between = "as ONNX Runtime fuses it" if row["between"] is None else row["between"]
        made.append(
            f"| `{name}` | {row['kilobytes']} | {told} | {between} | {row['pair']} of {ROOM} |"
        )
    return [
        *made,
        "",
        "Weights have 7 bits: two products of uint8 and int8 cannot overflow the 16 bits in which "
        "AVX2 without VNNI adds them, whatever the photo (tests/pipeline/test_integer.py).",
    ]
