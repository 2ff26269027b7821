"""VGG19 up to conv4_4, before its activation: the feature net AnimeGAN was published with.

Source: K. Simonyan, A. Zisserman, "Very deep convolutional networks for large-scale image
recognition", ICLR 2015; the names of the tensors are those of torchvision's vgg19.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training.engine.errors import WeightsMismatch

BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4))  # channels and convolutions up to conv4_4
MEAN = (0.485, 0.456, 0.406)  # torchvision's, of RGB in [0, 1]
DEVIATION = (0.229, 0.224, 0.225)
# The published weights of the losses were balanced for a VGG19 that takes [0, 255] less the
# mean. Torchvision's takes a 57th of that. A net of convolutions and ReLU scales through, so
# its features times 57 are those of the same net with biases for [0, 255].
LEVELS = 255 * sum(DEVIATION) / 3


class Vgg19Features(nn.Module):
    """float32 (N, 3, H, W) RGB in [-1, 1] to features (N, 512, H/8, W/8), not rectified.

    ``features`` is numbered as torchvision's, so its tensors load by their names.
    """

    content_scale = LEVELS
    style_scale = LEVELS**2  # a Gram matrix has products of two features

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for block, (channels, convolutions) in enumerate(BLOCKS):
            layers += [nn.MaxPool2d(2)] if block else []
            for _ in range(convolutions):
                layers += [nn.Conv2d(inputs, channels, 3, padding=1), nn.ReLU(inplace=True)]
                inputs = channels
        self.features = nn.Sequential(*layers[:-1])
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer(
            "deviation", torch.tensor(DEVIATION).view(1, 3, 1, 1), persistent=False
        )

    def forward(self, picture: Tensor) -> Tensor:
        """Features of pictures."""
        normal = ((picture + 1) / 2 - self.mean) / self.deviation
        features: Tensor = self.features(normal)
        return features


def load_vgg19(path: Path) -> Vgg19Features:
    """A VGG19 with the tensors of torchvision's checkpoint at ``path``; it needs no gradient.

    Tensors beyond conv4_4 are ignored. Raises WeightsMismatch for a file that is no state
    dict, or naming all tensors that are missing or have another shape.
    """
    try:
        found = torch.load(path, weights_only=True, map_location="cpu", mmap=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise WeightsMismatch(f"{path}: cannot be opened as weights: {error}") from error
    net = Vgg19Features()
    net.load_state_dict(_wanted(found, net.state_dict(), path))
    return net.eval().requires_grad_(False)


def _wanted(found: Any, own: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The tensors of ``found`` that ``own`` names, all there and of its shapes."""
    if not isinstance(found, Mapping):
        raise WeightsMismatch(f"{path}: holds a {type(found).__name__}, not named tensors")
    problems = []
    for name, tensor in own.items():
        there = found.get(name)
        if not isinstance(there, Tensor):
            problems.append(f"{name} is missing")
        elif there.shape != tensor.shape:
            problems.append(f"{name} is {tuple(there.shape)}, not {tuple(tensor.shape)}")
    if problems:
        raise WeightsMismatch(f"{path}: not torchvision's VGG19: {'; '.join(problems)}")
    return {name: found[name] for name in own}
