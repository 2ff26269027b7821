"""A published generator, or one of its kind, on its way into the layer: ONNX, precision, files.

Unlike a student it was not made for int8: so the smallest of three graphs is served that draws
what the torch module draws, and the manifest says which.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import safetensors.torch
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from pipeline.domain import RgbImage
from training.data.calibration import halves
from training.data.tensors import to_picture, to_tensor
from training.engine.errors import StyleRefused
from training.export.layer import (
    INT8,
    LEAST_PARITY_DB,
    Inputs,
    Label,
    Place,
    export_onnx,
    graph_bytes,
    install,
    parity,
    quantise,
    run_graph,
    source_commit,
)

MULTIPLE_OF_PX = 4
LEAST_CONVERSION_DB = 50.0  # of a graph that computes in float: rounding to 8 bits alone is 55
LEAST_HALVED = 1024  # smaller tensors are not worth a cast
HALF = "weights in half precision, computed in float32"
FULL = "none (float32)"


@dataclass(frozen=True)
class Added:
    """What was served, and the parity with float of every graph that was measured, in dB."""

    written: list[Path]
    quantisation: str
    tried: dict[str, float]


@dataclass(frozen=True)
class Use:
    """What a generator is for, as the manifest tells it; see pipeline.domain.WeightSpec."""

    kind: str = "style"
    scale: int = 1
    multiple_of_px: int = MULTIPLE_OF_PX
    overlap_px: int = 0
    tileable: bool = False


def add_generator(
    net: nn.Module,
    architecture: str,
    shape: Mapping[str, Any],
    label: Label,
    photos: Sequence[RgbImage],
    working_px: int,
    recipe: Mapping[str, Any],
    place: Place,
    use: Use = Use(),
) -> Added:
    """Adds a generator, (1, 3, H, W) in [-1, 1] to the same or to ``use.scale`` times the sides,
    to the layer, as a style or as what ``use`` says.

    Served is the first of these that agrees with the torch module over ``photos``: int8
    (LEAST_PARITY_DB), float32 with its weights in half precision, float32 (LEAST_CONVERSION_DB).
    The float file, of the torch engine, is of the served precision, too. Raises StyleRefused,
    and writes nothing, when none does.
    """
    net = net.eval().requires_grad_(False)
    calibration, measured_on = halves(photos)
    wanted = _draw(net, measured_on)
    tried: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        example = {"picture": torch.zeros(1, 3, 64, 96)}
        in_float = export_onnx(net, example, "drawing", folder / "float.onnx", free_sides=True)
        for quantisation, suffix, least in (
            (INT8, "int8", LEAST_PARITY_DB),
            (HALF, "fp16", LEAST_CONVERSION_DB),
            (FULL, "fp32", LEAST_CONVERSION_DB),
        ):
            graph = in_float
            if quantisation == INT8:
                graph = quantise(in_float, folder, _inputs(calibration))
            elif quantisation == HALF:
                graph = halve_weights(in_float, folder / "half.onnx")
            figures = parity(wanted, run_graph(graph, _inputs(measured_on)))
            tried[suffix] = figures["parity_psnr_db"]
            if tried[suffix] >= least:
                served = graph_bytes(graph)
                break
        else:
            raise StyleRefused(f"{label.name}: no graph draws what torch draws: {tried} dB")
    tensors = {name: t.contiguous() for name, t in net.state_dict().items()}
    if quantisation != FULL:
        tensors = {name: t.half() for name, t in tensors.items()}
    entry = {
        "name": label.name,
        "title": label.title,
        "kind": use.kind,
        "architecture": architecture,
        "files": {},
        "quantisation": quantisation,
        "input_range": [-1, 1],
        "scale": use.scale,
        "multiple_of_px": use.multiple_of_px,
        "overlap_px": use.overlap_px,
        "tileable": use.tileable,
        "working_px": working_px,
        "thumbnail_px": 0,
        "licence": label.licence,
        "shape": dict(shape),
        "recipe": {**recipe, "commit": source_commit(), "photographs": len(photos)},
        "figures": {name: round(value, 4) for name, value in figures.items()},
    }
    files = {
        "picture": (f"{label.name}.{suffix}.onnx", served),
        "float": (f"{label.name}.safetensors", safetensors.torch.save(tensors)),
    }
    return Added(install(place, entry, files), quantisation, tried)


def halve_weights(graph: Path, path: Path) -> Path:
    """The graph with its large float32 tensors stored in half precision and cast back, which
    ONNX Runtime does once, when it opens the file: half the bytes at the same speed.
    """
    model = onnx.load(graph)
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < LEAST_HALVED:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, path)
    return path


def _inputs(photos: Sequence[RgbImage]) -> Iterator[Inputs]:
    for photo in photos:
        yield {"picture": to_tensor([photo]).contiguous().numpy()}


def _draw(net: nn.Module, photos: Sequence[RgbImage]) -> list[RgbImage]:
    with torch.inference_mode():
        return [to_picture(net(to_tensor([photo]))) for photo in photos]
