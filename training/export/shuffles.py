"""Pixel-shuffles and -unshuffles (Shi et al., CVPR 2016) in ONNX Runtime's quickest form.

A transposition that moves one axis has a kernel of its own there; one that moves several goes value
by value. A shuffle is two of the first kind, one of which moves whole rows: on one thread five to
ten times as fast in bytes, two to three times in floats. The values are the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference

# of (N, C, H, r, W, r), as torch exports a pixel-unshuffle: rows, then the columns' remainder
UNSHUFFLE = (0, 1, 3, 5, 2, 4)
ROWS, COLUMNS_APART = (0, 1, 3, 2, 4, 5), (0, 1, 2, 5, 3, 4)
# of (N, C, r, r, H, W): the columns' remainder, then rows
COLUMNS_TOGETHER = (0, 1, 2, 4, 5, 3)


def split_shuffles(model: onnx.ModelProto) -> onnx.ModelProto:
    """Writes every pixel-shuffle and -unshuffle of a graph as two transpositions of one axis.

    Args:
        model: A graph with ``DepthToSpace`` in mode CRD, and unshuffles as torch exports them.

    Returns:
        A graph of the same inputs and the same outputs, bit by bit.
    """
    shapes = _shapes(model)
    split = _Split(model)
    for node in model.graph.node:
        attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        if node.op_type == "Transpose" and tuple(attributes["perm"]) == UNSHUFFLE:
            split.unshuffle(node, shapes[node.input[0]])
        elif node.op_type == "DepthToSpace" and attributes.get("mode") == b"CRD":
            split.shuffle(node, attributes["blocksize"], shapes[node.input[0]])
        else:
            split.model.graph.node.append(node)
    onnx.checker.check_model(split.model)
    return split.model


def _shapes(model: onnx.ModelProto) -> dict[str, list[int]]:
    """The shapes of all results, 0 for a side that is free."""
    inferred = shape_inference.infer_shapes(model, data_prop=True).graph
    return {
        value.name: [side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in (*inferred.value_info, *inferred.input, *inferred.output)
    }


class _Split:
    """The graph that is made.

    ONNX Runtime joins transpositions that follow each other. Where all sides are known, a reshape
    that makes few axes of many stands between; where they are free, one to the same sides, which
    it cannot see through then.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        del self.model.graph.node[:]

    def unshuffle(self, node: onnx.NodeProto, shape: Sequence[int]) -> None:
        """Adds what stands for a transposition of (N, C, H, r, W, r)."""
        (source,), (output,) = node.input, node.output
        rows = self._transpose(source, f"{output}_rows", ROWS)
        if not all(shape):
            same = self._sides("Reshape", rows, f"{output}_same", [0] * len(shape))
            self._transpose(same, output, COLUMNS_APART)
            return
        _, channels, height, block, width, _ = shape
        joined = [-1, height * width, block]
        few = self._sides("Reshape", rows, f"{output}_few", joined)
        apart = self._transpose(few, f"{output}_apart", (0, 2, 1))
        sides = [-1, channels, block, block, height, width]
        self._sides("Reshape", apart, output, sides)

    def shuffle(self, node: onnx.NodeProto, block: int, shape: Sequence[int]) -> None:
        """Adds what stands for a DepthToSpace of (N, C r r, H, W)."""
        (source,), (output,) = node.input, node.output
        count, channels, height, width = shape
        planes = channels // block**2
        if count and height and width:
            few = self._sides("Reshape", source, f"{output}_few", [-1, block, height * width])
            columns = self._transpose(few, f"{output}_columns", (0, 2, 1))
            sides = [count * planes, block, height, width * block]
            wide = self._sides("Reshape", columns, f"{output}_wide", sides)
            rows = self._transpose(wide, f"{output}_rows", (0, 2, 1, 3))
            sides = [count, planes, height * block, width * block]
            self._sides("Reshape", rows, output, sides)
            return
        # a zero copies the side in that place, so that free sides stay free: there are axes of one
        # for what a step takes apart or has put together
        spaced = self._sides("Unsqueeze", source, f"{output}_spaced", [2, 3])
        apart = self._sides("Reshape", spaced, f"{output}_apart", [0, planes, block, block, 0, 0])
        columns = self._transpose(apart, f"{output}_columns", COLUMNS_TOGETHER)
        same = self._sides("Reshape", columns, f"{output}_same", [0] * len(COLUMNS_TOGETHER))
        rows = self._transpose(same, f"{output}_rows", ROWS)
        high = self._sides("Reshape", rows, f"{output}_high", [0, 0, -1, 1, 0, 0])
        wide = self._sides("Reshape", high, f"{output}_wide", [0, 0, 0, 1, -1, 1])
        self._sides("Squeeze", wide, output, [3, 5])

    def _transpose(self, source: str, output: str, axes: Sequence[int]) -> str:
        self.model.graph.node.append(
            helper.make_node("Transpose", [source], [output], name=output, perm=axes)
        )
        return output

    def _sides(self, kind: str, source: str, output: str, numbers: Sequence[int]) -> str:
        constant = f"{output}_sides"
        self.model.graph.initializer.append(
            numpy_helper.from_array(np.array(numbers, np.int64), constant)
        )
        self.model.graph.node.append(
            helper.make_node(kind, [source, constant], [output], name=output)
        )
        return output
