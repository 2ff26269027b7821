"""Our own face detector: what RetinaFace says of a picture, from dense convolutions alone.

J. Deng et al., "RetinaFace: single-shot multi-level face localisation in the wild", CVPR 2020,
gives the outputs and the priors. The body is made for int8: where a processor multiplies whole
blocks of bytes, a 3x3 convolution of 64 channels costs no more than a depthwise one of the
published backbone. Patches of 4x4 pixels, three scales (strides 8, 16 and 32), each wider one
brought back to the finer (T.-Y. Lin et al., "Feature pyramid networks", CVPR 2017).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

VALUES = 15  # of a prior: box 4, score 1, landmarks 10
PRIORS = 2  # in every place of every level
FEATURES = 64  # of each level, as RetinaFace has them, from which a prior's values are read


@dataclass(frozen=True)
class DetectorShape:
    """Channels of the patches and of the strides 8, 16, 32; convolutions of 3x3 at each stride
    after the one that comes down to it, and the dilations of those at stride 32.
    """

    patch: int = 32
    channels: tuple[int, int, int] = (48, 80, 96)
    depths: tuple[int, int] = (3, 3)
    dilations: tuple[int, ...] = (1, 2, 2)

    def as_dict(self) -> dict[str, object]:
        """As it stands in checkpoints and in the manifest."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of ``as_dict``; takes lists, as JSON has them."""
        return cls(
            values["patch"],
            tuple(values["channels"]),
            tuple(values["depths"]),
            tuple(values["dilations"]),
        )


def _convolution(
    inputs: int, outputs: int, normalised: bool, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    """3x3, with what may follow it in training."""
    layer = nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation=dilation, bias=not normalised)
    return _activated(layer, normalised)


def _activated(layer: nn.Conv2d, normalised: bool) -> nn.Sequential:
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
        return nn.Sequential(layer, nn.ReLU())
    return nn.Sequential(layer, nn.BatchNorm2d(layer.out_channels), nn.ReLU())


class Detector(nn.Module):
    """float32 (N, 3, H, W) RGB in [-1, 1], H and W multiples of 32, to (N, P, 15): for each
    prior box deltas, the score of a face in [0, 1] and landmark deltas, as RetinaFace has them
    (pipeline/nets/retinaface.py); P is HW / 64 + HW / 256 + HW / 1024, twice.

    ``normalised``: with batch normalisation behind every convolution, for training; ``folded``
    makes the one without.
    """

    def __init__(self, shape: DetectorShape, normalised: bool = False) -> None:
        super().__init__()
        self.shape = shape
        fine, middle, coarse = shape.channels

        def block(inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
            return _convolution(inputs, outputs, normalised, stride, dilation)

        patches = nn.Conv2d(3, shape.patch, 4, 4, bias=not normalised)
        self.stem = _activated(patches, normalised)
        self.fine = nn.Sequential(
            block(shape.patch, fine, 2), *(block(fine, fine) for _ in range(shape.depths[0]))
        )
        self.middle = nn.Sequential(
            block(fine, middle, 2), *(block(middle, middle) for _ in range(shape.depths[1]))
        )
        self.coarse = nn.Sequential(
            block(middle, coarse, 2),
            *(block(coarse, coarse, dilation=dilation) for dilation in shape.dilations),
        )
        self.to_middle = nn.Conv2d(coarse, middle, 1)
        self.merge = block(middle, middle)
        self.to_fine = nn.Conv2d(middle, fine, 1)
        self.readers = nn.ModuleList(block(sides, FEATURES) for sides in shape.channels)
        self.heads = nn.ModuleList(nn.Linear(FEATURES, PRIORS * VALUES) for _ in shape.channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.read(self.features(x))

    def features(self, x: Tensor) -> list[Tensor]:
        """(N, 64, H/s, W/s) for the strides s 8, 16 and 32."""
        fine = self.fine(self.stem(x))
        middle = self.middle(fine)
        coarse = self.coarse(middle)
        middle = self.merge(middle + _doubled(self.to_middle(coarse)))
        fine = fine + _doubled(self.to_fine(middle))
        levels = (fine, middle, coarse)
        return [reader(level) for reader, level in zip(self.readers, levels, strict=True)]

    def read(self, features: list[Tensor]) -> Tensor:
        """(N, P, 15) from the features."""
        values = [
            head(level.permute(0, 2, 3, 1)).reshape(level.shape[0], -1, VALUES)
            for head, level in zip(self.heads, features, strict=True)
        ]
        y = torch.cat(values, 1)
        return torch.cat([y[..., :4], torch.sigmoid(y[..., 4:5]), y[..., 5:]], 2)


def folded(net: Detector) -> Detector:
    """The same detector with its batch normalisation in the convolutions."""
    plain = Detector(net.shape)
    state = dict(net.state_dict())
    for name, layer in net.named_modules():
        if not (isinstance(layer, nn.Sequential) and len(layer) == 3):
            continue
        convolution, norm = layer[0], layer[1]
        if not (isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)):
            continue
        gain = norm.weight / (norm.running_var + norm.eps).sqrt()
        state = {key: t for key, t in state.items() if not key.startswith(f"{name}.1.")}
        state[f"{name}.0.weight"] = convolution.weight * gain.reshape(-1, 1, 1, 1)
        state[f"{name}.0.bias"] = norm.bias - norm.running_mean * gain
    plain.load_state_dict(state)
    return plain


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
