"""How near each layer of a network comes to ONNX Runtime's own best convolution, on one thread.

    python -m benchmarks.layers

prints JSON: ``rates`` by the channels of a convolution, and for each network its seconds and its
layers. The least of many runs counts: what the machine does besides can only lengthen one.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from benchmarks.inputs import Arrays, networks_with_inputs
from benchmarks.operators import multiply_adds, quantised_convolution
from pipeline import Settings
from pipeline.engines import OnnxEngine
from pipeline.weights import WeightStore

CHANNELS = (64, 128, 256)
RUNS, MAX_S = 12, 3.0  # of each graph


def least_s(run: Callable[[], object]) -> float:
    """Seconds of processor of the quickest of RUNS runs, or of as many as MAX_S has room for."""
    run()
    seconds: list[float] = []
    while len(seconds) < RUNS and sum(seconds) < MAX_S:
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return min(seconds)


def convolution_rates() -> dict[str, float]:
    """Operations a second of dense 3x3 convolutions of u8 by s8, by their channels."""
    rates = {}
    for count in CHANNELS:
        model = quantised_convolution(count)
        sides = [side.dim_value for side in model.graph.input[0].type.tensor_type.shape.dim]
        engine = OnnxEngine(model.SerializeToString(), 1)
        values = {"x": np.random.default_rng(0).integers(0, 255, sides, np.uint8)}
        work = 2.0 * multiply_adds(model, {"x": sides})
        rates[str(count)] = work / least_s(lambda e=engine, v=values: e.run(v))  # type: ignore[misc]
    return rates


def layers_of(graph: bytes, inputs: Arrays) -> list[dict[str, Any]]:
    """Times every operator of a graph as ONNX Runtime fuses it.

    Args:
        graph: The file's bytes.
        inputs: The arrays of its inputs.

    Returns:
        For each operator, in the order in which they run, its ``name``, its ``kind``, its least
        ``seconds``, and for a convolution its ``multiply_adds`` and its ``shape`` in words.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        options.optimized_model_filepath = str(Path(folder) / "fused.onnx")
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        least_s(lambda: session.run(None, dict(inputs)))
        events = json.loads(Path(session.end_profiling()).read_text())
        fused = onnx.load(options.optimized_model_filepath)
    shapes = {tensor.name: tuple(tensor.dims) for tensor in fused.graph.initializer}
    nodes = {node.name: node for node in fused.graph.node}
    layers: dict[str, dict[str, Any]] = {}
    for event in events:
        name = str(event["name"]).removesuffix("_kernel_time")
        if name == event["name"]:
            continue
        seconds = event["dur"] / 1e6
        index = event["args"]["node_index"]
        if index in layers:
            layers[index]["seconds"] = min(layers[index]["seconds"], seconds)
        else:
            convolved = _convolved(nodes.get(name), shapes, event["args"])
            kind = event["args"]["op_name"]
            layers[index] = {"name": name, "kind": kind, "seconds": seconds, **convolved}
    return list(layers.values())


def _convolved(
    node: onnx.NodeProto | None, shapes: Mapping[str, tuple[int, ...]], told: Mapping[str, Any]
) -> dict[str, Any]:
    """Multiply-adds and shape of a convolution; nothing for another operator."""
    if node is None or "Conv" not in node.op_type or node.op_type == "ConvTranspose":
        return {}
    weights = shapes.get(node.input[3 if node.op_type.startswith("QLinear") else 1])
    if weights is None:
        return {}
    output, entry = (_sides(told[f"{end}_type_shape"]) for end in ("output", "input"))
    # channels first where they are planes, last where ONNX Runtime turned them
    is_last = output[-1] == weights[0]
    height, width = output[1:3] if is_last else output[2:4]
    channels = entry[-1] if is_last else entry[1]
    kind = f"{weights[2]}x{weights[3]}, {channels} to {weights[0]}, {width}x{height}"
    return {
        "multiply_adds": math.prod(output) * math.prod(weights[1:]),
        "shape": kind + (", groups" if weights[1] < channels else ""),
    }


def _sides(told: list[dict[str, list[int]]]) -> list[int]:
    return next(iter(told[0].values()))


def measure() -> dict[str, Any]:
    """Measures the networks of the layer, one of each shape."""
    settings = Settings()
    store = WeightStore(settings.weights_dir, settings.checkpoints_dir)
    networks: dict[str, dict[str, Any]] = {}
    seen: dict[str, str] = {}
    for name, spec, role, inputs in networks_with_inputs(store):
        shape = json.dumps([spec.architecture, role, dict(spec.shape)], sort_keys=True)
        if first := seen.get(shape):
            networks[first]["of_this_shape"] += 1
            continue
        seen[shape] = name
        graph = store.read(spec, role)
        engine = OnnxEngine(graph, 1)
        model = onnx.load_from_string(graph)
        networks[name] = {
            "multiply_adds": multiply_adds(model, {k: a.shape for k, a in inputs.items()}),
            "seconds": least_s(lambda e=engine, i=inputs: e.run(i)),  # type: ignore[misc]
            "layers": layers_of(graph, inputs),
            "of_this_shape": 1,
        }
    return {"rates": convolution_rates(), "networks": networks}


if __name__ == "__main__":
    print(json.dumps(measure()))
