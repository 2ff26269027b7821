"""What detectors of faces have in common on their way into the layer, and the published one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import nn

from pipeline.domain import RgbImage
from pipeline.model import to_planes
from training.engine.errors import StyleRefused
from training.export.layer import (
    Inputs,
    Label,
    Place,
    export_onnx,
    graph_bytes,
    install,
    source_commit,
)
from training.published.generators import FULL, Added

DETECTOR, DETECTOR_ROLE = "detector", "faces"  # its kind in the manifest, and its graph's role
MULTIPLE_PX = 32
PUBLISHED_RANGE = (0.0, 255.0)
MOST_APART = 1e-3  # of a float graph's answers from torch's, in scores and deltas


def detector_graph(net: nn.Module, path: Path) -> Path:
    """The float32 graph of a detector, for pictures of any sides that are multiples of 32."""
    example = {"picture": torch.zeros(1, 3, 96, 128)}
    return export_onnx(net, example, "faces", path, True, {1: "priors"})


def detector_inputs(pictures: Sequence[RgbImage], span: tuple[float, float]) -> Iterator[Inputs]:
    """What the graph takes for each picture, whose sides are multiples of 32."""
    for picture in pictures:
        yield {"picture": to_planes(picture, span)}


def answers(graph: bytes, inputs: Iterator[Inputs]) -> list[NDArray[np.float32]]:
    """(P, 15) for each input."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return [session.run(None, one)[0][0] for one in inputs]


def detector_entry(
    label: Label, architecture: str, quantisation: str, span: tuple[float, float]
) -> dict[str, Any]:
    """The entry of the manifest, still without files, shape, recipe and figures."""
    return {
        "name": label.name,
        "title": label.title,
        "kind": DETECTOR,
        "architecture": architecture,
        "files": {},
        "quantisation": quantisation,
        "input_range": list(span),
        "scale": 1,
        "multiple_of_px": MULTIPLE_PX,
        "overlap_px": 0,
        "tileable": False,
        "working_px": 0,
        "thumbnail_px": 0,
        "licence": label.licence,
    }


def add_retinaface(
    net: nn.Module,
    label: Label,
    photos: Sequence[RgbImage],
    recipe: Mapping[str, Any],
    place: Place,
) -> Added:
    """The published RetinaFace as the layer's detector, in float32.

    Raises StyleRefused, and writes nothing, when the graph's answers to the photographs are not
    the torch module's.
    """
    net = net.eval().requires_grad_(False)
    inputs = list(detector_inputs(photos, PUBLISHED_RANGE))
    with tempfile.TemporaryDirectory() as temporary:
        graph = graph_bytes(detector_graph(net, Path(temporary) / "detector.onnx"))
    with torch.inference_mode():
        wanted = [net(torch.from_numpy(one["picture"]))[0].numpy() for one in inputs]
    made = answers(graph, iter(inputs))
    apart = max(float(np.abs(m - w).max()) for m, w in zip(made, wanted, strict=True))
    if not apart <= MOST_APART:
        raise StyleRefused(f"{label.name}: the graph's answers are {apart:.2g} from torch's")
    entry = detector_entry(label, "retinaface", FULL, PUBLISHED_RANGE) | {
        "recipe": {**recipe, "commit": source_commit(), "photographs": len(photos)},
        "figures": {"answers_apart": round(apart, 6)},
    }
    tensors = {name: tensor.contiguous() for name, tensor in net.state_dict().items()}
    files = {
        DETECTOR_ROLE: (f"{label.name}.fp32.onnx", graph),
        "float": (f"{label.name}.safetensors", safetensors.torch.save(tensors)),
    }
    return Added(install(place, entry, files), FULL, {})
