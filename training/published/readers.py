"""Opening the published networks that the students learn from.

The files are not part of this repository (see MODEL_CARD.md for where they come from); every
function here takes the path of one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pipeline.architectures.animeganv2 import AnimeGANv2Generator
from training.architectures.cartoongan import CartoonGANGenerator
from training.architectures.whitebox import WhiteBoxCartoonGenerator

RgbImage = NDArray[np.uint8]
CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


def open_animeganv3(path: Path) -> Callable[[RgbImage], RgbImage]:
    """What draws with an ONNX graph of AnimeGANv3, on as many threads as torch is given.

    uint8 (H, W, 3) RGB, sides multiples of 16, to a drawing of the same size. Its norms
    look at the whole picture, so a window is drawn as a picture of its own.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()

    def draw(photo: RgbImage) -> RgbImage:
        drawn = session.run(None, {entry.name: photo[None].astype(np.float32) / 127.5 - 1})[0]
        return np.clip((drawn[0] + 1) * 127.5 + 0.5, 0, 255).astype(np.uint8)

    return draw


def open_cartoongan(path: Path) -> Callable[[RgbImage], RgbImage]:
    """What draws with CartoonGAN's weights: uint8 (H, W, 3) RGB, sides multiples of 4."""
    network = load_cartoongan_npz(path).to(memory_format=torch.channels_last)

    def draw(photo: RgbImage) -> RgbImage:
        turned = np.ascontiguousarray(photo[..., ::-1])  # the network's pixels are BGR
        return np.ascontiguousarray(draw_with(network, turned)[..., ::-1])

    return draw


def load_cartoongan_npz(path: Path) -> CartoonGANGenerator:
    """The generator out of arrays by layer name: int8 kernels with a scale each, biases and norms.

    The names' order is that of execution, but that the norms come last. Raises ValueError when the
    arrays are not the generator's.
    """
    net = CartoonGANGenerator()
    layers = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    norms = [m for m in net.modules() if isinstance(m, nn.InstanceNorm2d)]
    with np.load(path) as arrays:
        names = sorted(name for name in arrays.files if name.endswith(".weight.int8"))
        kernels = [
            arrays[name].astype(np.float32) * arrays[name.replace("int8", "scale")]
            for name in names
        ]
        biases = [arrays[name.replace("weight.int8", "bias")] for name in names]
        gains = [arrays[name] for name in sorted(arrays.files) if re.match(r"in\d.*scale", name)]
        shifts = [arrays[name] for name in sorted(arrays.files) if name.endswith(".shift")]
    try:
        with torch.no_grad():
            for layer, kernel, bias in zip(layers, kernels, biases, strict=True):
                layer.load_state_dict({"weight": torch.tensor(kernel), "bias": torch.tensor(bias)})
            for norm, gain, shift in zip(norms, gains, shifts, strict=True):
                norm.load_state_dict({"weight": torch.tensor(gain), "bias": torch.tensor(shift)})
                norm.eps = 1e-12  # the published one adds next to nothing, to the deviation
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"{path}: not a CartoonGAN generator: {error}") from error
    return net.eval().requires_grad_(False)


def draw_with(network: nn.Module, photo: RgbImage) -> RgbImage:
    """in, out: uint8 (H, W, 3), sides multiples of 4. bfloat16: 54 dB from float32."""
    x = torch.from_numpy(photo.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
    x = x.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        y = network(x)[0].float().permute(1, 2, 0).numpy()
    return np.clip((y + 1) * 127.5 + 0.5, 0, 255).astype(np.uint8)


def load_animeganv2_tflite(path: Path, upsampling: str = "legacy") -> AnimeGANv2Generator:
    """The int8 TensorFlow Lite graph of an AnimeGANv2 generator as a float torch module.

    The graph has the convolutions of the published generator in order of execution; each but
    the last is followed by a LayerNorm, whose gamma is the constant operand of the MUL after
    RSQRT and whose beta is the constant operand of the SUB. Weights are dequantised per channel.

    Raises ValueError when the graph does not have the generator's operators and shapes.
    """
    operators, constant = _open_graph(path)
    kernels: list[NDArray[np.float32]] = []
    biases: list[NDArray[np.float32]] = []
    gammas: list[NDArray[np.float32]] = []
    betas: list[NDArray[np.float32]] = []
    wait_for_gamma = False
    for name, inputs in operators:
        if name in CONVOLUTIONS:
            kernel, bias = constant(inputs[1]), constant(inputs[2])
            if kernel is None or bias is None:
                raise ValueError(f"{path}: a convolution without constant weights")
            depthwise = name == "DEPTHWISE_CONV_2D"
            # TFLite: (out, h, w, in), depthwise (1, h, w, out); torch: (out, in, h, w)
            kernels.append(kernel.transpose((3, 0, 1, 2) if depthwise else (0, 3, 1, 2)))
            biases.append(bias)
        elif name == "RSQRT":
            wait_for_gamma = True
        elif name == "MUL" and wait_for_gamma:
            gammas.append(_the_constant(constant, inputs, path))
            wait_for_gamma = False
        elif name == "SUB":
            betas.append(_the_constant(constant, inputs, path))
    return _fill(AnimeGANv2Generator(upsampling), kernels, biases, gammas, betas, path)


def load_whitebox_tflite(path: Path) -> WhiteBoxCartoonGenerator:
    """The half-precision TensorFlow Lite graph of White-box CartoonGAN as a float torch module.

    Raises ValueError when the graph does not have the generator's operators and shapes.
    """
    operators, constant = _open_graph(path)
    found = [(constant(i[1]), constant(i[2])) for name, i in operators if name == "CONV_2D"]
    net = WhiteBoxCartoonGenerator()
    convolutions = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d)]
    if len(found) != len(convolutions):
        raise ValueError(f"{path}: not a White-box CartoonGAN: {len(found)} convolutions")
    with torch.no_grad():
        for convolution, (kernel, bias) in zip(convolutions, found, strict=True):
            if kernel is None or bias is None or convolution.bias is None:
                raise ValueError(f"{path}: a convolution without constant weights")
            planes = torch.from_numpy(kernel.transpose(0, 3, 1, 2).copy())
            if convolution.weight.shape != planes.shape:
                raise ValueError(f"{path}: kernel {tuple(planes.shape)} for {convolution}")
            convolution.weight.copy_(planes)
            convolution.bias.copy_(torch.from_numpy(bias.copy()))
    return net.eval().requires_grad_(False)


Constants = Callable[[int], NDArray[np.float32] | None]


def _open_graph(path: Path) -> tuple[list[tuple[str, list[int]]], Constants]:
    """The operators of a TensorFlow Lite graph, in order of execution, and its constants.

    An operator is (name, tensors that go in). The second value is what gives a
    constant tensor as float32, or None for an activation.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_path=str(path),
        # with the default delegate, half-precision constants are not to be had
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    tensors = {detail["index"]: detail for detail in interpreter.get_tensor_details()}
    details = interpreter._get_ops_details()
    operators = [(op["op_name"], [int(index) for index in op["inputs"]]) for op in details]
    produced = {int(index) for op in details for index in op["outputs"]}
    # half-precision weights reach their operator through a DEQUANTIZE
    source = {
        int(op["outputs"][0]): int(op["inputs"][0])
        for op in details
        if op["op_name"] == "DEQUANTIZE"
    }

    def constant(index: int) -> NDArray[np.float32] | None:
        index = source.get(index, index)
        if index in produced:
            return None
        return _dequantise(interpreter.get_tensor(index), tensors[index]["quantization_parameters"])

    return operators, constant


def _dequantise(raw: NDArray[Any], parameters: dict[str, Any]) -> NDArray[np.float32]:
    scales, zeros = parameters["scales"], parameters["zero_points"]
    if scales.size == 0:
        return raw.astype(np.float32)
    shape = [1] * raw.ndim
    if scales.size > 1:
        shape[parameters["quantized_dimension"]] = scales.size
    centred = raw.astype(np.float32) - zeros.reshape(shape).astype(np.float32)
    return centred * scales.reshape(shape).astype(np.float32)


def _the_constant(constant: Constants, inputs: list[int], path: Path) -> NDArray[np.float32]:
    found = [value for value in map(constant, inputs) if value is not None and value.ndim == 1]
    if len(found) != 1:
        raise ValueError(f"{path}: expected one constant operand, found {len(found)}")
    return found[0]


def _fill(
    net: AnimeGANv2Generator,
    kernels: list[NDArray[np.float32]],
    biases: list[NDArray[np.float32]],
    gammas: list[NDArray[np.float32]],
    betas: list[NDArray[np.float32]],
    path: Path,
) -> AnimeGANv2Generator:
    """Puts the tensors, in order of execution, into the module; every one must fit."""
    convolutions = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d)]
    norms = [m for m in net.modules() if isinstance(m, torch.nn.GroupNorm)]
    counts = (len(kernels), len(gammas), len(betas))
    if counts != (len(convolutions), len(norms), len(norms)):
        raise ValueError(f"{path}: not an AnimeGANv2 generator: {counts} kernels, gammas, betas")
    with torch.no_grad():
        for convolution, kernel, bias in zip(convolutions, kernels, biases, strict=True):
            if convolution.weight.shape != kernel.shape:
                raise ValueError(f"{path}: kernel {kernel.shape} for {convolution}")
            convolution.weight.copy_(torch.from_numpy(kernel.copy()))
            if convolution.bias is not None:
                convolution.bias.copy_(torch.from_numpy(bias.copy()))
        for norm, gamma, beta in zip(norms, gammas, betas, strict=True):
            norm.weight.copy_(torch.from_numpy(gamma.copy()))
            norm.bias.copy_(torch.from_numpy(beta.copy()))
    return net.eval().requires_grad_(False)
