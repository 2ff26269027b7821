"""Graphs of one integer operator, and how many multiply-adds a graph has."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

CONVOLVED_PX = 128
OPSET, IR_VERSION = 17, 8


def multiply_adds(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]) -> int:
    """Counts the multiply-adds of a graph's convolutions and matrix products.

    Padding counts as if it were picture.

    Args:
        model: The graph.
        shapes: The shape of each of its inputs.

    Returns:
        The number of multiply-adds.

    Raises:
        ValueError: An input has no shape.
    """
    known = _shapes(model, shapes)
    total = 0
    for node in model.graph.node:
        # the quantised kinds have a scale and a zero point after each of their tensors
        second = {"QLinearConv": 3, "QLinearMatMul": 3}.get(node.op_type, 1)
        if node.op_type in ("Conv", "QLinearConv"):
            weights = known[node.input[second]]
            total += math.prod(known[node.output[0]]) * math.prod(weights[1:])
        elif node.op_type == "ConvTranspose":
            weights = known[node.input[second]]
            total += math.prod(known[node.input[0]]) * math.prod(weights[1:])
        elif node.op_type in ("MatMul", "QLinearMatMul"):
            total += math.prod(known[node.output[0]]) * known[node.input[0]][-1]
        elif node.op_type == "Gemm":
            turned = any(one.name == "transA" and one.i for one in node.attribute)
            summed = known[node.input[0]][0 if turned else 1]
            total += math.prod(known[node.output[0]]) * summed
    return total


def _shapes(
    model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]
) -> dict[str, tuple[int, ...]]:
    """Finds the shapes of all constants, inputs and results of nodes.

    The graph is run once, since shape inference does not know ONNX Runtime's own operators.
    """
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    known = {one.name: tuple(one.dims) for one in whole.graph.initializer}
    given = {}
    for value in whole.graph.input:
        if value.name in known:
            continue
        if value.name not in shapes:
            raise ValueError(f"the shape of the input {value.name!r} is not given")
        kind = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        given[value.name] = np.zeros(shapes[value.name], kind)
    del whole.graph.output[:]
    names = [name for node in whole.graph.node for name in node.output]
    whole.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        whole.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    results = zip(names, session.run(names, given), strict=True)
    found = {**given, **dict(results)}
    return known | {name: array.shape for name, array in found.items()}


def quantised_product(side: int) -> onnx.ModelProto:
    """QLinearMatMul of two square matrices of random numbers, u8 by s8; its input is "x"."""
    return _quantised("QLinearMatMul", (side, side), (side, side), (side, side), {})


def quantised_convolution(channels: int) -> onnx.ModelProto:
    """QLinearConv of 3x3 with random weights, as many channels out as in; its input is "x"."""
    sides = (1, channels, CONVOLVED_PX, CONVOLVED_PX)
    return _quantised("QLinearConv", sides, (channels, channels, 3, 3), sides, {"pads": [1] * 4})


def _quantised(
    kind: str,
    sides: tuple[int, ...],
    weights: tuple[int, ...],
    made: tuple[int, ...],
    attributes: dict[str, Any],
) -> onnx.ModelProto:
    constants = {
        "x_scale": np.float32(0.01),
        "x_zero": np.uint8(128),
        "w": np.random.default_rng(1).integers(-127, 128, weights, np.int8),
        "w_scale": np.float32(0.01),
        "w_zero": np.int8(0),
        "y_scale": np.float32(0.5),
        "y_zero": np.uint8(128),
    }
    node = helper.make_node(kind, ["x", *constants], ["y"], **attributes)
    graph = helper.make_graph(
        [node],
        kind,
        [helper.make_tensor_value_info("x", TensorProto.UINT8, sides)],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, made)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
