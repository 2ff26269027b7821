"""Of int8, half and full precision, the first that agrees with the torch module.

Networks that others have trained were not made for int8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from training.engine.errors import ExportRejected
from training.export.onnx import INT8, Inputs, graph_bytes, quantise

MIN_HALVED = 1024  # smaller tensors are not worth a cast
HALF = "weights in half precision, computed in float32"
FULL = "none (float32)"


@dataclass(frozen=True)
class Served:
    """The graph that is served: its bytes, quantisation and suffix; ``tried``: by suffix."""

    graph: bytes
    quantisation: str
    suffix: str
    tried: dict[str, float]


def first_in_agreement(
    graph: Path,
    calibration: Iterable[Inputs],
    agreement: Callable[[Path], float],
    min_int8: float,
    min_float: float,
) -> Served:
    """Chooses the precision of a graph.

    Args:
        graph: in float32.
        calibration: inputs for the int8 graph.
        agreement: of a graph with the torch module, more is better.
        min_int8: from which on int8 is served.
        min_float: from which on half precision, and float32, is.

    Raises:
        ExportRejected: not even float32 agrees.
    """
    tried: dict[str, float] = {}
    for quantisation, suffix, least in (
        (INT8, "int8", min_int8),
        (HALF, "fp16", min_float),
        (FULL, "fp32", min_float),
    ):
        candidate = graph
        if quantisation == INT8:
            candidate = quantise(graph, calibration)
        elif quantisation == HALF:
            candidate = halve_weights(graph)
        tried[suffix] = agreement(candidate)
        if tried[suffix] >= least:
            return Served(graph_bytes(candidate), quantisation, suffix, tried)
    raise ExportRejected(f"no graph computes what torch computes: {tried}")


def halve_weights(graph: Path) -> Path:
    """Writes the graph with its large float32 tensors in half precision, cast back.

    ONNX Runtime casts once, when it opens the file: half the bytes at the same speed.
    """
    model = onnx.load(graph)
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < MIN_HALVED:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    path = graph.with_name(f"{graph.stem}.fp16.onnx")
    onnx.save(model, path)
    return path
