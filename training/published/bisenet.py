"""The published face parser on its way into the layer: ONNX, precision, files."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import safetensors.torch
import torch
from numpy.typing import NDArray

from pipeline.architectures.bisenet import BiSeNet
from pipeline.domain import RgbImage
from training.data.calibration import halves
from training.data.tensors import to_tensor
from training.engine.errors import StyleRefused
from training.export.layer import (
    INT8,
    Inputs,
    Label,
    Place,
    export_onnx,
    graph_bytes,
    install,
    quantise,
    read_manifest,
    source_commit,
)
from training.published.generators import FULL, HALF, Added, halve_weights

KIND, NAME = "parser", "parser"
# shares of pixels that a graph must label as torch does: int8, and what computes in float
LEAST_AGREEMENT, LEAST_CONVERSION = 0.97, 0.999


def check_alone(label: Label, place: Place) -> None:
    """Raises StyleRefused for a parser beside another one: it would be chance which is used."""
    for old in read_manifest(place.layer)["weights"]:
        if old["kind"] == KIND and old["name"] != label.name:
            raise StyleRefused(
                f"the layer has a parser, {old['name']}: --name {old['name']} --replace"
            )


def add_bisenet(
    net: BiSeNet,
    label: Label,
    photos: Sequence[RgbImage],
    recipe: Mapping[str, Any],
    place: Place,
) -> Added:
    """Adds BiSeNet to the layer as its face parser; ``photos`` of any size calibrate and measure,
    best of faces.

    Served is the first of these that labels ``photos`` as the torch module does: int8
    (LEAST_AGREEMENT of the pixels), float32 with its weights in half precision, float32
    (LEAST_CONVERSION). Raises StyleRefused, and writes nothing, when none does.
    """
    net = net.eval().requires_grad_(False)
    calibration, measured_on = (
        [_inputs(photo, net.side_px) for photo in half] for half in halves(photos)
    )
    with torch.inference_mode():
        wanted = [net(torch.from_numpy(one["picture"])).argmax(1).numpy() for one in measured_on]
    tried: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        example = {"picture": torch.zeros(1, 3, net.side_px, net.side_px)}
        in_float = export_onnx(net, example, "logits", folder / "float.onnx", free_sides=False)
        for quantisation, suffix, least in (
            (INT8, "int8", LEAST_AGREEMENT),
            (HALF, "fp16", LEAST_CONVERSION),
            (FULL, "fp32", LEAST_CONVERSION),
        ):
            graph = in_float
            if quantisation == INT8:
                graph = quantise(in_float, folder, calibration)
            elif quantisation == HALF:
                graph = halve_weights(in_float, folder / "half.onnx")
            tried[suffix] = _agreement(graph, measured_on, wanted)
            if tried[suffix] >= least:
                served = graph_bytes(graph)
                break
        else:
            raise StyleRefused(f"{label.name}: no graph labels as torch does: {tried}")
    tensors = {name: tensor.contiguous() for name, tensor in net.state_dict().items()}
    if quantisation != FULL:
        tensors = {name: t.half() if t.is_floating_point() else t for name, t in tensors.items()}
    entry = {
        "name": label.name,
        "title": label.title,
        "kind": KIND,
        "architecture": "bisenet",
        "files": {},
        "quantisation": quantisation,
        "input_range": [-1, 1],
        "scale": 1,
        "multiple_of_px": 32,
        "overlap_px": 0,
        "tileable": False,
        "working_px": 0,
        "thumbnail_px": 0,
        "licence": label.licence,
        "shape": {"side_px": net.side_px},
        "recipe": {**recipe, "commit": source_commit(), "photographs": len(photos)},
        "figures": {"label_agreement": round(tried[suffix], 4)},
    }
    files = {
        "regions": (f"{label.name}.{suffix}.onnx", served),
        "float": (f"{label.name}.safetensors", safetensors.torch.save(tensors)),
    }
    return Added(install(place, entry, files), quantisation, {})


def _inputs(photo: RgbImage, side_px: int) -> Inputs:
    """The middle square of a photo, as the graph takes it."""
    height, width = photo.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = photo[top : top + side, left : left + side]
    seen = cv2.resize(square, (side_px, side_px), interpolation=cv2.INTER_AREA)
    return {"picture": to_tensor([seen]).contiguous().numpy()}


def _agreement(graph: Path, inputs: Sequence[Inputs], wanted: Sequence[NDArray[Any]]) -> float:
    """The share of pixels with the label that is wanted."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    found = [session.run(None, one)[0].argmax(1) for one in inputs]
    return float(np.mean([f == w for f, w in zip(found, wanted, strict=True)]))
