"""What the benchmarks reckon, without their clocks."""

from __future__ import annotations

from typing import Any

import pytest

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("torch", reason="torch is not installed")

import numpy as np  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from benchmarks.bars import AT_LEAST, UNDER, Bar  # noqa: E402
from benchmarks.operators import multiply_adds  # noqa: E402


def graph_of(node: Any, *weights: tuple[int, ...]) -> Any:
    """One node that takes "x" and constants of these shapes "w0", "w1", ..., and gives "y"."""
    values = [np.zeros(shape, np.float32) for shape in weights]
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, f"w{number}") for number, value in enumerate(values)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_multiply_adds_of_a_convolution_are_those_counted_by_hand() -> None:
    node = helper.make_node("Conv", ["x", "w0"], ["y"], strides=[2, 2], pads=[1] * 4)
    # 10x6 by strides of 2 gives 5x3; each of 8 channels sums 3 channels of 3x3
    counted = 5 * 3 * 8 * 3 * 3 * 3
    assert multiply_adds(graph_of(node, (8, 3, 3, 3)), {"x": (1, 3, 10, 6)}) == counted


def test_multiply_adds_of_groups_transposed_convolutions_and_products() -> None:
    grouped = helper.make_node("Conv", ["x", "w0"], ["y"], group=4, pads=[1] * 4)
    shapes = {"x": (2, 4, 5, 5)}
    assert multiply_adds(graph_of(grouped, (4, 1, 3, 3)), shapes) == 2 * 4 * 25 * 9
    transposed = helper.make_node("ConvTranspose", ["x", "w0"], ["y"], strides=[2, 2])
    # every input is multiplied by 6 channels of 2x2
    assert multiply_adds(graph_of(transposed, (4, 6, 2, 2)), shapes) == 2 * 4 * 25 * 6 * 4
    product = helper.make_node("MatMul", ["x", "w0"], ["y"])
    assert multiply_adds(graph_of(product, (7, 11)), {"x": (3, 5, 7)}) == 3 * 5 * 7 * 11
    gemm = helper.make_node("Gemm", ["x", "w0", "w1"], ["y"], transA=1)
    assert multiply_adds(graph_of(gemm, (7, 11), (11,)), {"x": (7, 5)}) == 5 * 7 * 11


def test_multiply_adds_need_every_shape() -> None:
    node = helper.make_node("MatMul", ["x", "w0"], ["y"])
    with pytest.raises(ValueError, match="'x' is not given"):
        multiply_adds(graph_of(node, (7, 11)), {})


def test_bars_are_met_or_missed() -> None:
    assert Bar("", 40, AT_LEAST, 40, "x").met and not Bar("", 39.9, AT_LEAST, 40, "x").met
    assert Bar("", 5.9, UNDER, 6, "%").met and not Bar("", 6, UNDER, 6, "%").met
