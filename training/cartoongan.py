"""The CartoonGAN generator, one of the looks' teachers.

Y. Chen, Y.-K. Lai, Y.-J. Liu, "CartoonGAN: generative adversarial networks for photo
cartoonization", CVPR 2018, section 3.1. It belongs to training only.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

BLOCKS = 8
EPSILON = 1e-9


class _Norm(nn.Module):
    """Instance normalisation by the population's deviation, as the published weights want it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        deviation, mean = torch.std_mean(x, (2, 3), correction=0, keepdim=True)
        gain = self.scale[None, :, None, None] / (deviation + EPSILON)
        return (x - mean) * gain + self.shift[None, :, None, None]


class CartoonGANGenerator(nn.Module):
    """float32 (N, 3, H, W) BGR in [-1, 1] to a drawing alike; H and W are multiples of 4.

    Its layers have the names of the published weights.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: dict[str, nn.Module] = {
            "conv01_1": nn.Conv2d(3, 64, 7),
            "in01_1": _Norm(64),
            "conv02_1": nn.Conv2d(64, 128, 3, 2, 1),
            "conv02_2": nn.Conv2d(128, 128, 3, 1, 1),
            "in02_1": _Norm(128),
            "conv03_1": nn.Conv2d(128, 256, 3, 2, 1),
            "conv03_2": nn.Conv2d(256, 256, 3, 1, 1),
            "in03_1": _Norm(256),
            "deconv01_1": nn.ConvTranspose2d(256, 128, 3, 2, 1, 1),
            "deconv01_2": nn.Conv2d(128, 128, 3, 1, 1),
            "in12_1": _Norm(128),
            "deconv02_1": nn.ConvTranspose2d(128, 64, 3, 2, 1, 1),
            "deconv02_2": nn.Conv2d(64, 64, 3, 1, 1),
            "in13_1": _Norm(64),
            "deconv03_1": nn.Conv2d(64, 3, 7),
        }
        for number in range(4, 4 + BLOCKS):
            for part in (1, 2):
                layers[f"conv{number:02d}_{part}"] = nn.Conv2d(256, 256, 3)
                layers[f"in{number:02d}_{part}"] = _Norm(256)
        self.layers = nn.ModuleDict(layers)

    def forward(self, x: Tensor) -> Tensor:
        net = self.layers
        y = F.relu(net["in01_1"](net["conv01_1"](_reflect(x, 3))))
        y = F.relu(net["in02_1"](net["conv02_2"](net["conv02_1"](y))))
        y = F.relu(net["in03_1"](net["conv03_2"](net["conv03_1"](y))))
        for number in range(4, 4 + BLOCKS):
            name = f"{number:02d}"
            inner = F.relu(net[f"in{name}_1"](net[f"conv{name}_1"](_reflect(y, 1))))
            y = y + net[f"in{name}_2"](net[f"conv{name}_2"](_reflect(inner, 1)))
        y = F.relu(net["in12_1"](net["deconv01_2"](net["deconv01_1"](y))))
        y = F.relu(net["in13_1"](net["deconv02_2"](net["deconv02_1"](y))))
        return torch.tanh(net["deconv03_1"](_reflect(y, 3)))


def load_cartoongan_npz(path: Path) -> CartoonGANGenerator:
    """The generator out of a file of int8 kernels with a scale each, biases and norms in float.

    Raises ValueError when it does not hold the generator's tensors.
    """
    net = CartoonGANGenerator()
    with np.load(path) as arrays:
        state = {name: arrays[name] for name in arrays.files if ".weight." not in name}
        for name in arrays.files:
            if name.endswith(".weight.int8"):
                stem = name.removesuffix(".int8")
                state[stem] = arrays[name].astype(np.float32) * arrays[f"{stem}.scale"]
    try:
        net.load_state_dict(
            {f"layers.{name}": torch.from_numpy(array) for name, array in state.items()}
        )
    except RuntimeError as error:
        raise ValueError(f"{path}: not a CartoonGAN generator: {error}") from error
    return net.eval().requires_grad_(False)


def _reflect(x: Tensor, by: int) -> Tensor:
    return F.pad(x, (by, by, by, by), "reflect")
