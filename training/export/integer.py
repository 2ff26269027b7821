"""An int8 graph as it is served: whole numbers from the photo's pixels to the drawing's.

What ``training.export.onnx.quantise`` gives computes on planes of floats at both ends, changes the
order of the channels around every pixel-shuffle, and leaves integers and comes back wherever a
thumbnail or a level has a say. Here the same weights and the same ranges become a graph that
takes and gives uint8 (1, H, W, C) and has none of that:

* pixels are the first layer's integers, 128 for zero, and the half level by which that is off
  is in the first layer's bias; the last layer's integers are pixels, rounded and clipped once;
* a gain for each channel is multiplied into the scales of the convolution before it, computed
  once a run; a shift is one addition of integers after it, for a bias that is not constant would
  throw the convolution off ONNX Runtime's fast path (1.3 times the time on AVX2);
* channels come last throughout; a shuffle moves whole rows of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

CONTRIBUTED = "com.microsoft"  # QLinearConv with the channels last, QLinearAdd
LEVEL = 1 / 127.5  # of a pixel, where they span [-1, 1]
PICTURES = ("picture", "guide")  # the inputs that are pixels
MIDDLE = 128  # what stands for zero: half a level above it

Shape = list[int | str]


@dataclass(frozen=True)
class Scale:
    """How integers stand for numbers: ``step`` times the integer less ``zero``."""

    step: float
    zero: int


PIXELS = Scale(LEVEL, MIDDLE)


@dataclass(frozen=True, eq=False)
class Convolution:
    """A quantised convolution: int8 (O, I, h, w) and a step for each output.

    The int32 biases are in steps of input times weight; ``before`` and ``after`` are the scales of
    what goes in and of what comes out.
    """

    weights: NDArray[np.int8]
    steps: NDArray[np.float32]
    biases: NDArray[np.int32]
    dilation: int
    stride: int
    before: Scale
    after: Scale

    def of_inputs(self, order: Sequence[int]) -> Convolution:
        """The same for inputs that come in another order."""
        return self.changed(weights=self.weights[:, list(order)])

    def of_outputs(self, order: Sequence[int]) -> Convolution:
        """The same with its outputs in another order, zeros where it says -1."""
        chosen, real = np.array(order), np.array(order) >= 0
        return self.changed(
            weights=self.weights[chosen] * real[:, None, None, None].astype(np.int8),
            steps=self.steps[chosen],
            biases=self.biases[chosen] * real.astype(np.int32),
        )

    def of_pixels(self) -> Convolution:
        """The same for pixels as its inputs.

        That they stand for half a level more than their integers say is in the bias.
        """
        more = self.weights.astype(np.int64).sum((1, 2, 3)) / 2
        biases = np.rint(self.biases * (self.before.step / LEVEL) + more)
        return self.changed(biases=biases.astype(np.int32), before=PIXELS)

    def to_drawing(self) -> Convolution:
        """The same with the pixels of a drawing as its outputs: half a level less."""
        less = np.rint(LEVEL / 2 / (self.before.step * self.steps)).astype(np.int32)
        return self.changed(biases=self.biases - less, after=PIXELS)

    def to_change(self) -> Convolution:
        """The same with outputs in levels, to be added to pixels."""
        return self.changed(after=PIXELS)

    def changed(self, **values: Any) -> Convolution:
        """The same with other values."""
        return replace(self, **values)


class Quantised:
    """An int8 graph of training.export.onnx.quantise, read."""

    def __init__(self, graph: bytes) -> None:
        model = onnx.load_from_string(graph)
        self.constants = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
        self._nodes = list(model.graph.node)
        self._makers = {output: node for node in self._nodes for output in node.output}

    def node(self, name: str) -> onnx.NodeProto:
        """Raises KeyError for a name that no node has."""
        for node in self._nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    def after(self, name: str) -> Scale:
        """Of what the node of that name gives."""
        output = self.node(name).output[0]
        for node in self._nodes:
            if node.op_type == "QuantizeLinear" and node.input[0] == output:
                return self._scale(node)
        raise KeyError(f"what {name} gives is not quantised")

    def convolution(self, name: str) -> Convolution:
        """The convolution of that name."""
        node = self.node(name)
        weights = self._makers[node.input[1]]
        zeros = self.constants[weights.input[2]]
        if zeros.dtype != np.int8 or zeros.any():
            raise ValueError(f"{name}: its weights are not int8 around zero")
        ways = {one.name: list(one.ints) for one in node.attribute}
        return Convolution(
            weights=self.constants[weights.input[0]],
            steps=self.constants[weights.input[1]],
            biases=self.constants[self._makers[node.input[2]].input[0]],
            dilation=ways.get("dilations", [1])[0],
            stride=ways.get("strides", [1])[0],
            before=self._scale(self._makers[node.input[0]]),
            after=self.after(name),
        )

    def matrix(self, name: str) -> NDArray[np.float32]:
        """(O, I): a convolution of 1x1 without a bias that stayed in float."""
        kernel: NDArray[np.float32] = self.constants[self.node(name).input[1]]
        return kernel[:, :, 0, 0]

    def divisors(self) -> NDArray[np.float32]:
        """What the network's levels are divided by."""
        (spans,) = (node.input[1] for node in self._nodes if node.op_type == "Div")
        return self.constants[spans].ravel()

    def _scale(self, node: onnx.NodeProto) -> Scale:
        step, zero = (self.constants[name] for name in node.input[1:3])
        if zero.dtype != np.uint8:
            raise ValueError(f"{node.name} is not of uint8")
        return Scale(float(step), int(zero))


class Writer:
    """A graph in the making.

    Its methods take names of what there is and give those of what they make, in uint8
    (1, H, W, C) unless they say otherwise.
    """

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, domain: str = "", **ways: object) -> str:
        """One node of one output."""
        name = f"{operator}_{len(self._nodes)}"
        self._nodes.append(
            helper.make_node(operator, list(inputs), [name], name=name, domain=domain, **ways)
        )
        return name

    def flat(self, values: str) -> str:
        """All in one row."""
        return self._reshaped(values, [-1])

    def multiply(self, matrix: NDArray[np.float32], vector: str) -> str:
        """(O, I) by (I,), in float32."""
        return self.add("MatMul", self.constant(matrix, np.float32), vector)

    def split(self, values: str, count: int) -> list[str]:
        """Equal parts along the first axis."""
        names = [f"{values}_part_{number}" for number in range(count)]
        self._nodes.append(helper.make_node("Split", [values], names, name=names[0], axis=0))
        return names

    def constant(self, values: object, kind: type[np.generic]) -> str:
        """A constant of that kind of numbers."""
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(values, kind), name))
        return name

    def convolve(
        self, picture: str, layer: Convolution, gain: str | None = None, padded: bool = True
    ) -> str:
        """Of the same size where ``padded`` with zeros, else smaller by what a kernel reaches over.

        ``gain``, float32 (O,): what comes out is multiplied by it.
        """
        steps = self.constant(layer.steps, np.float32)
        if gain:
            steps = self.add("Mul", steps, gain)
        size = list(layer.weights.shape[2:])
        return self.add(
            "QLinearConv",
            picture,
            *self._scale(layer.before),
            self.constant(layer.weights, np.int8),
            steps,
            self.constant(np.zeros(len(layer.weights)), np.int8),
            *self._scale(layer.after),
            self.constant(layer.biases, np.int32),
            domain=CONTRIBUTED,
            kernel_shape=size,
            pads=[layer.dilation * (side // 2) * padded for side in size] * 2,
            dilations=[layer.dilation] * 2,
            strides=[layer.stride] * 2,
            channels_last=1,
        )

    def shifted(self, picture: str, scale: Scale, shift: str, after: Scale) -> str:
        """``shift``, float32 (C,), added to every pixel, as ``after`` can stand for it.

        Rounded and clipped. The shift's own scale is computed once a run, so that none is clipped.
        """
        largest = self.add("ReduceMax", self.add("Abs", shift), keepdims=0)
        least = self.constant(1e-6, np.float32)  # a shift of zero has a scale, too
        step = self.add("Div", self.add("Max", largest, least), self.constant(127, np.float32))
        middle = self.constant(MIDDLE, np.float32)
        steps = self.add("Round", self.add("Add", self.add("Div", shift, step), middle))
        whole = self.add("Cast", steps, to=TensorProto.UINT8)
        zero = self.constant(MIDDLE, np.uint8)
        inputs = (picture, *self._scale(scale), whole, step, zero, *self._scale(after))
        return self.add("QLinearAdd", *inputs, domain=CONTRIBUTED)

    def bordered(self, picture: str, by: int) -> str:
        """With its outermost rows and columns ``by`` times more."""
        pads = self.constant([0, by, by, 0] * 2, np.int64)
        return self.add("Pad", picture, pads, mode="edge")

    def sum(self, one: str, scale: Scale, other: str, other_scale: Scale, after: Scale) -> str:
        """Rounded and clipped to what ``after`` can stand for."""
        scales = (self._scale(scale), self._scale(other_scale), self._scale(after))
        inputs = (one, *scales[0], other, *scales[1], *scales[2])
        return self.add("QLinearAdd", *inputs, domain=CONTRIBUTED)

    def to_depth(self, picture: str, by: int, channels: int) -> str:
        """(1, H, W, C) to (1, H / by, W / by, by * by * C): rows, columns, channels."""
        wide = self._reshaped(picture, [0, 0, -1, by * channels])
        apart = self._reshaped(self._with_axis(wide, 2), [0, -1, by, 0, 0])
        turned = self.add("Transpose", apart, perm=[0, 1, 3, 2, 4])
        return self._reshaped(turned, [0, 0, 0, by * by * channels])

    def to_space(self, picture: str, by: int, channels: int) -> str:
        """The inverse of ``to_depth``."""
        apart = self._reshaped(picture, [0, 0, 0, by, by * channels])
        turned = self.add("Transpose", apart, perm=[0, 1, 3, 2, 4])
        rows = self._reshaped(turned, [0, -1, 1, 0, 0])
        flat = self.add("Squeeze", rows, self.constant([2], np.int64))
        return self._reshaped(flat, [0, 0, -1, channels])

    def model(self, inputs: dict[str, Shape], drawing: str, channels: int) -> bytes:
        """The file.

        ``inputs`` are shapes by name: "picture" and "guide" of uint8, others of float32.
        """
        self._nodes.append(helper.make_node("Identity", [drawing], ["drawing"], name="drawing"))
        kinds = dict.fromkeys(PICTURES, TensorProto.UINT8)
        graph = helper.make_graph(
            self._nodes,
            "integer",
            [
                helper.make_tensor_value_info(name, kinds.get(name, TensorProto.FLOAT), shape)
                for name, shape in inputs.items()
            ],
            [
                helper.make_tensor_value_info(
                    "drawing", TensorProto.UINT8, [1, "rows", "columns", channels]
                )
            ],
            self._constants,
        )
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(CONTRIBUTED, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        content: bytes = model.SerializeToString()
        return content

    def _scale(self, scale: Scale) -> tuple[str, str]:
        return self.constant(scale.step, np.float32), self.constant(scale.zero, np.uint8)

    def _reshaped(self, values: str, shape: Sequence[int]) -> str:
        return self.add("Reshape", values, self.constant(shape, np.int64))

    def _with_axis(self, values: str, axis: int) -> str:
        return self.add("Unsqueeze", values, self.constant([axis], np.int64))


def colours_last(by: int, channels: int) -> list[int]:
    """The channels of a shuffle in the order of rows, columns, channels.

    Torch has them as (channels, rows, columns).
    """
    order = np.arange(by * by * channels).reshape(channels, by, by)
    return [int(one) for one in order.transpose(1, 2, 0).ravel()]
