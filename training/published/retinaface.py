"""The published RetinaFace with a MobileNet-0.25: the detector's teacher, and what it is read from.

Source: J. Deng et al., "RetinaFace: single-shot multi-level face localisation in the wild", CVPR
2020.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from pipeline.architectures.retinaface import MEAN, RetinaFace
from pipeline.domain import RgbImage

TEACHER = "retinaface_mobilenet025.onnx"
Array = NDArray[np.float32]


class RetinaFaceTeacher:
    """The ONNX graph at a path, which also tells what it saw on its way."""

    def __init__(self, path: Path) -> None:
        model = onnx.load(path)
        nodes = retinaface_nodes(model.graph)
        readers = [f"fpn.output{level}.0" for level in (1, 2, 3)]
        readers += [f"BboxHead.{level}.conv1x1" for level in range(3)]
        on_the_way = [nodes[name].input[0] for name in readers]
        self._outputs = [output.name for output in model.graph.output] + on_the_way
        for name in on_the_way:
            model.graph.output.append(onnx.ValueInfoProto(name=name))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name

    def __call__(self, pictures: Sequence[RgbImage]) -> tuple[Array, list[Array]]:
        """Answers for every prior, and what the blocks make.

        Args:
            pictures: of one size, uint8 (H, W, 3) RGB, sides multiples of 32.

        Returns:
            (N, P, 15), as the student gives them; and of strides 8, 16 and 32 the three stages,
            then the features. The teacher's activations have a slope of 0.1 below zero; ours have
            none, so it is cut off.
        """
        mean = np.array(MEAN, np.float32)
        planes = (np.stack(pictures)[..., ::-1] - mean).transpose(0, 3, 1, 2)
        boxes, classes, landmarks, *blocks = self._session.run(
            self._outputs, {self._input: np.ascontiguousarray(planes)}
        )
        answers = np.concatenate([boxes, classes[..., 1:], landmarks], 2)
        return answers, [np.maximum(block, 0) for block in blocks]

    def answers(self, picture: RgbImage) -> Array:
        """(P, 15) for one picture."""
        return self([picture])[0][0]


def load_retinaface_onnx(path: Path) -> RetinaFace:
    """The ONNX graph of the published RetinaFace (MobileNet-0.25) as a torch module.

    In the graph each batch normalisation is part of its convolution; here it only adds the bias.

    Raises:
        ValueError: the graph does not have the module's convolutions.
    """
    graph = onnx.load(path).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    net = RetinaFace().eval()
    state: dict[str, torch.Tensor] = {}
    try:
        for name, node in retinaface_nodes(graph).items():
            weight, bias = (torch.from_numpy(constants[key].copy()) for key in node.input[1:3])
            state[f"{name}.weight"] = weight
            if "conv1x1" in name:
                state[f"{name}.bias"] = bias
                continue
            stem, _, index = name.rpartition(".")
            norm = f"{stem}.{int(index) + 1}"
            gain = (1 + net.get_submodule(norm).eps) ** 0.5
            state |= {
                f"{norm}.weight": torch.full_like(bias, gain),
                f"{norm}.bias": bias,
                f"{norm}.running_mean": torch.zeros_like(bias),
                f"{norm}.running_var": torch.ones_like(bias),
                f"{norm}.num_batches_tracked": torch.tensor(0),
            }
        net.load_state_dict(state)
    except (LookupError, RuntimeError, ValueError) as error:
        raise ValueError(f"{path}: not a RetinaFace: {error}") from error
    return net.requires_grad_(False)


def retinaface_nodes(graph: Any) -> dict[str, Any]:
    """The convolutions of the ONNX graph by the names that they have in the module.

    The heads by those of their weights, all others in order of execution.

    Raises:
        ValueError: there are not as many.
    """
    layers = [node for node in graph.node if node.op_type == "Conv"]
    heads = {node.input[1].removesuffix(".weight"): node for node in layers}
    heads = {name: node for name, node in heads.items() if name.endswith("conv1x1")}
    others = [node for node in layers if node not in heads.values()]
    modules = RetinaFace().named_modules()
    names = [name for name, module in modules if isinstance(module, torch.nn.Conv2d)]
    names = [name for name in names if not name.endswith("conv1x1")]
    return heads | dict(zip(names, others, strict=True))
