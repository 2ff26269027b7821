"""The face parser's teacher: BiSeNetV2 out of its int8 TensorFlow Lite graph, run in float.

The graph answers with labels alone, of int8 activations. Its operators are few, so they are run
here by torch on dequantised weights: the logits behind the labels say how sure the teacher is,
and in float they do not waver by a step of the quantisation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pipeline.domain import RgbImage
from training.data.tensors import to_tensor

TEACHER = "bisenetv2_celebamaskhq_448_int8.tflite"
SIDE_PX = 448
STEP_PX = 8  # of the logits' grid: legacy TensorFlow, so cell k is of pixel 8 k
CLASSES = 19


class ParserTeacher:
    """The graph of bisenetv2_celebamaskhq_448_int8.tflite at a path, in bfloat16.

    Raises:
        ValueError: the graph has operators that are not known here.
    """

    def __init__(self, path: Path) -> None:
        from ai_edge_litert import schema_py_generated as schema

        model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
        graph = model.subgraphs[0]
        names = {value: name for name, value in vars(schema.BuiltinOperator).items()}
        self._operators: list[tuple[str, Any, list[int], int]] = []
        self._constants: dict[int, Tensor] = {}
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
            inputs, output = list(operator.inputs), int(operator.outputs[0])
            self._operators.append((name, operator.builtinOptions, inputs, output))
            for index in inputs:
                content = model.buffers[graph.tensors[index].buffer].data
                if content is not None:
                    self._constants[index] = torch.from_numpy(
                        _values(np.asarray(content), graph.tensors[index])
                    )
        self._input = int(graph.inputs[0])
        for name, _, inputs, _ in self._operators:
            if name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
                order = (3, 0, 1, 2) if name == "DEPTHWISE_CONV_2D" else (0, 3, 1, 2)
                kernel = self._constants[inputs[1]].permute(order).to(torch.bfloat16)
                self._constants[inputs[1]] = kernel.contiguous(memory_format=torch.channels_last)
                self._constants[inputs[2]] = self._constants[inputs[2]].to(torch.bfloat16)

    def logits(self, crops: list[RgbImage]) -> NDArray[np.float32]:
        """uint8 (448, 448, 3) RGB crops of faces to (N, 19, 56, 56)."""
        known: dict[int, Tensor] = {self._input: to_tensor(crops).to(torch.bfloat16)}
        with torch.inference_mode():
            for name, options, inputs, output in self._operators:
                value = [known[i] if i in known else self._constants[i] for i in inputs]
                if name == "RESIZE_BILINEAR" and value[0].shape[1] == CLASSES:
                    logits: NDArray[np.float32] = value[0].float().numpy()
                    return logits
                known[output] = _run(name, options, value)
        raise ValueError("the graph has no resize of its logits")

    def labels(self, crop: RgbImage) -> NDArray[np.uint8]:
        """uint8 (448, 448, 3) to (448, 448), as the graph makes them."""
        grid = torch.from_numpy(self.logits([crop]))
        labels: NDArray[np.uint8] = _resize(grid, SIDE_PX, False).argmax(1)[0].byte().numpy()
        return labels


def _values(content: NDArray[np.uint8], tensor: Any) -> NDArray[np.float32]:
    """A constant's values, dequantised."""
    from ai_edge_litert.schema_py_generated import TensorType

    kinds = {TensorType.INT8: np.int8, TensorType.INT32: np.int32, TensorType.FLOAT32: np.float32}
    raw = content.view(kinds[tensor.type]).reshape(tensor.shape).astype(np.float32)
    quantisation = tensor.quantization
    if quantisation is None or quantisation.scale is None:
        return raw
    shape = [1] * raw.ndim
    if len(quantisation.scale) > 1:
        shape[quantisation.quantizedDimension] = -1
    zeros = np.asarray(quantisation.zeroPoint, np.float32).reshape(shape)
    scales = np.asarray(quantisation.scale, np.float32).reshape(shape)
    return np.asarray((raw - zeros) * scales, np.float32)


def _run(name: str, options: Any, value: list[Tensor]) -> Tensor:  # noqa: C901  a case each
    """One operator of TensorFlow Lite on (N, C, H, W)."""
    x = value[0]
    match name:
        case "QUANTIZE":
            return x
        case "CONV_2D" | "DEPTHWISE_CONV_2D":
            groups = x.shape[1] if name == "DEPTHWISE_CONV_2D" else 1
            kernel, stride = value[1], options.strideH
            x = F.pad(x, _same(x, kernel.shape[2], stride))
            y = F.conv2d(x, kernel, value[2], stride, groups=groups)
        case "MAX_POOL_2D":
            x = F.pad(x, _same(x, options.filterHeight, options.strideH), value=-torch.inf)
            y = F.max_pool2d(x, options.filterHeight, options.strideH)
        case "AVERAGE_POOL_2D":
            size, stride = options.filterHeight, options.strideH
            around = _same(x, size, stride)
            share = F.avg_pool2d(F.pad(torch.ones_like(x), around), size, stride)
            y = F.avg_pool2d(F.pad(x, around), size, stride) / share  # of what is inside
        case "CONCATENATION":
            y = torch.cat(value, 1)
        case "MEAN":
            y = x.mean((2, 3), keepdim=True)
        case "LOGISTIC":
            y = x.sigmoid()
        case "ADD":
            y = x + _planes(value[1])
        case "MUL":
            y = x * _planes(value[1])
        case "RESIZE_BILINEAR":
            y = _resize(x, int(value[1][0]), options.halfPixelCenters)
        case _:
            raise ValueError(f"{name}: not an operator of this teacher")
    return F.relu(y) if getattr(options, "fusedActivationFunction", 0) == 1 else y


def _planes(value: Tensor) -> Tensor:
    """A constant of one value a channel, beside activations."""
    return value.to(torch.bfloat16).reshape(1, -1, 1, 1) if value.ndim == 1 else value


def _same(x: Tensor, kernel: int, stride: int) -> tuple[int, int, int, int]:
    """TensorFlow's padding: the outputs are the sides over the stride; more at the end."""
    padding: list[int] = []
    for side in (x.shape[3], x.shape[2]):
        total = max(0, (-(-side // stride) - 1) * stride + kernel - side)
        padding += [total // 2, total - total // 2]
    return padding[0], padding[1], padding[2], padding[3]


def _resize(x: Tensor, side: int, half_pixel: bool) -> Tensor:
    """Bilinear; without ``half_pixel`` as TensorFlow 1 did it, output k from k over the factor."""
    if half_pixel:
        return F.interpolate(x, (side, side), mode="bilinear")
    small = x.shape[2]
    position = (torch.arange(side) * (small / side)).clamp(max=small - 1)
    low = position.floor().long()
    high = (low + 1).clamp(max=small - 1)
    share = (position - low).to(x.dtype)
    x = x[:, :, low] * (1 - share)[:, None] + x[:, :, high] * share[:, None]
    return x[..., low] * (1 - share) + x[..., high] * share
