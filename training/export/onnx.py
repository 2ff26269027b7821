"""From a torch module to ONNX graphs: float, int8, and what they compute."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor, nn

from pipeline.domain import RgbImage
from training.data.tensors import to_picture
from training.export.integer import PICTURES
from training.export.shuffles import split_shuffles

SERVED_OUTPUTS = 16
SIDES = {2: "height", 3: "width"}  # axes of a picture
OF_ANY_SIZE = (*PICTURES, "lines", "hints")  # the inputs that have them
INT8 = "int8 per channel, 7-bit weights, 8-bit activations (QDQ)"
INTEGERS = "int8 per channel, 7-bit weights, 8-bit activations (integers from pixels to pixels)"
QUANTISED_OPERATORS = ("Conv", "Add", "Relu", "DepthToSpace", "SpaceToDepth")

Inputs = dict[str, NDArray[np.float32]]  # a graph's inputs by name


def export_onnx(
    net: nn.Module,
    inputs: Mapping[str, Tensor],
    output: str,
    path: Path,
    dynamic_hw: bool,
    output_axes: Mapping[int, str] = SIDES,
) -> Path:
    """Writes a float32 ONNX graph of a module.

    Args:
        net: the module.
        inputs: examples by name, in order.
        output: the output's name.
        path: where the graph is written.
        dynamic_hw: whether the inputs OF_ANY_SIZE take any height and width.
        output_axes: the axes of the output that then differ.

    Returns:
        ``path``.
    """
    dynamic = {name: dict(SIDES) for name in inputs if name in OF_ANY_SIZE}
    dynamic[output] = dict(output_axes)
    with warnings.catch_warnings():
        # of constants that stay unfolded, and the like: whether the graph is right, parity tells
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            tuple(inputs.values()),
            path,
            input_names=list(inputs),
            output_names=[output],
            dynamic_axes=dynamic if dynamic_hw else {},
            opset_version=17,
            dynamo=False,
        )
    return path


def pad_output_channels(convolution: nn.Conv2d, outputs: int = SERVED_OUTPUTS) -> nn.Conv2d:
    """The same convolution with outputs of zero added up to ``outputs``.

    ONNX Runtime's int8 kernels work on blocks of 16 outputs: with the 12 of a pixel-shuffle to
    RGB they were measured to take five times the time.
    """
    wide = nn.Conv2d(
        convolution.in_channels, outputs, convolution.kernel_size, padding=convolution.padding
    )
    with torch.no_grad():
        wide.weight.zero_()
        wide.bias.zero_()
        wide.weight[: convolution.out_channels] = convolution.weight
        wide.bias[: convolution.out_channels] = convolution.bias
    return wide


class Calibration(CalibrationDataReader):
    """The inputs that tell the quantiser the range of every activation, each used once."""

    def __init__(self, inputs: Iterable[Inputs]) -> None:
        self._inputs: Iterator[Inputs] = iter(inputs)

    def get_next(self) -> Inputs | None:
        """The next inputs, None at the end."""
        return next(self._inputs, None)


def quantise(
    graph: Path,
    inputs: Iterable[Inputs],
    nodes_to_exclude: Sequence[str] = (),
    more_operators: Sequence[str] = (),
) -> Path:
    """Writes an int8 graph beside a float32 one, per channel.

    Weights have 7 bits, since on CPUs with AVX2 but without VNNI the sum of two products of
    8 bits by 8 bits can overflow the 16 bits it is kept in.

    Args:
        graph: the float32 graph.
        inputs: what it is calibrated on.
        nodes_to_exclude: names of nodes that stay as they are.
        more_operators: what is quantised beside the usual operators.

    Returns:
        The path of the int8 graph.
    """
    prepared, quantised = (graph.with_name(f"{graph.stem}.{n}.onnx") for n in ("prepared", "int8"))
    quant_pre_process(graph, prepared, skip_symbolic_shape=True)
    quantize_static(
        prepared,
        quantised,
        Calibration(inputs),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=[*QUANTISED_OPERATORS, *more_operators],
        nodes_to_exclude=list(nodes_to_exclude),
    )
    return quantised


def graph_bytes(graph: Path) -> bytes:
    """An ONNX file, tensors included."""
    content: bytes = onnx.load(graph).SerializeToString()
    return content


def served_bytes(graph: Path) -> bytes:
    """An ONNX file as it is served: with its shuffles in their quickest form."""
    content: bytes = split_shuffles(onnx.load(graph)).SerializeToString()
    return content


def open_graph(graph: Path | bytes) -> Any:
    """An ONNX Runtime session on the CPU."""
    return onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])


def run_graph(graph: Path | bytes, inputs: Iterable[Inputs]) -> list[NDArray[np.float32]]:
    """The first output of a graph, batch and all, for each of the inputs."""
    session = open_graph(graph)
    return [session.run(None, one)[0] for one in inputs]


def draw_with_graph(graph: Path | bytes, inputs: Iterable[Inputs]) -> list[RgbImage]:
    """The pictures that a graph draws, uint8 (H, W, 3), for each of the inputs.

    Args:
        graph: gives (1, 3, H, W) in [-1, 1]; or computes on pixels (training/export/integer.py),
            and is given the same pictures as such.
        inputs: pictures as (1, 3, H, W) in [-1, 1] all the same.
    """
    session = open_graph(graph)
    if all(entry.type != "tensor(uint8)" for entry in session.get_inputs()):
        return [to_picture(torch.from_numpy(session.run(None, one)[0])) for one in inputs]
    drawings = []
    for one in inputs:
        pixels = {
            name: to_picture(torch.from_numpy(one[name]))[None] for name in PICTURES if name in one
        }
        drawing = session.run(None, {**one, **pixels})[0][0]
        drawings.append(np.ascontiguousarray(drawing[..., :3]))
    return drawings
