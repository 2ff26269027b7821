"""Our own face detector: RetinaFace (pipeline/nets/retinaface.py) as it is fast in int8.

The published net spends a third of its time on few channels at half and a quarter of the size.
Here patches of 4x4 pixels and a few wide convolutions take the place of its first stage: blocks
of bytes are what a processor multiplies fast. All else has the published shape, but plain ReLUs,
which in int8 cost nothing; batch normalisation is part of the convolutions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.nets.retinaface import BACKBONE, FEATURES, PRIORS, SLOPE, RetinaFace

VALUES = 15  # of a prior: box 4, score 1, landmarks 10
FINE = BACKBONE[0][-1][1]  # channels at stride 8


@dataclass(frozen=True)
class DetectorShape:
    """Of what takes the place of the first stage: channels of the patches, and how many
    convolutions follow the one that comes down to stride 8.
    """

    patch: int = 32
    dense: int = 2

    def as_dict(self) -> dict[str, object]:
        """As it stands in checkpoints and in the manifest."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of ``as_dict``."""
        return cls(**values)


def _convolution(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1
) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)


class _Front(nn.Sequential):
    """(N, 3, H, W) to (N, 64, H/8, W/8), before the last activation. With ``normalised`` there
    is batch normalisation behind every convolution.
    """

    def __init__(self, shape: DetectorShape, normalised: bool) -> None:
        layers = [nn.Conv2d(3, shape.patch, 4, 4), _convolution(shape.patch, FINE, stride=2)]
        layers += [_convolution(FINE, FINE) for _ in range(shape.dense)]
        parts: list[nn.Module] = []
        for layer in layers:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
            parts += [layer, *([nn.BatchNorm2d(layer.out_channels)] if normalised else [])]
            parts.append(nn.ReLU())
        super().__init__(*parts[:-1])


class _Context(nn.Module):
    """Windows of 3, 5 and 7 side by side, each with its ReLU."""

    def __init__(self) -> None:
        super().__init__()
        half, quarter = FEATURES // 2, FEATURES // 4
        self.narrow = _convolution(FEATURES, half)
        self.shared = _convolution(FEATURES, quarter)
        self.middle = _convolution(quarter, quarter)
        self.deep = _convolution(quarter, quarter)
        self.wide = _convolution(quarter, quarter)

    def forward(self, x: Tensor, slope: float) -> Tensor:
        shared = _active(self.shared(x), slope)
        deep = _active(self.deep(shared), slope)
        parts = (self.narrow(x), self.middle(shared), self.wide(deep))
        return torch.cat([F.relu(part) for part in parts], 1)


class Detector(nn.Module):
    """float32 (N, 3, H, W) RGB in [-1, 1], H and W multiples of 32, to (N, P, 15): the answers
    of RetinaFace, for the same priors.

    ``normalised``: with batch normalisation in its front, for training; ``folded`` makes the one
    without. ``slope``, of all ReLUs but the front's, is for training, too, which begins with the
    published one and ends with zero.
    """

    def __init__(self, shape: DetectorShape, normalised: bool = False) -> None:
        super().__init__()
        self.shape, self.slope = shape, 0.0
        self.front = _Front(shape, normalised)
        self.middle, self.coarse = (
            nn.ModuleList(
                layer
                for inputs, outputs, stride in stage
                for layer in (
                    _convolution(inputs, inputs, 3, stride, inputs),
                    _convolution(inputs, outputs, 1),
                )
            )
            for stage in BACKBONE[1:]
        )
        widths = [stage[-1][1] for stage in BACKBONE]
        self.laterals = nn.ModuleList(_convolution(width, FEATURES, 1) for width in widths)
        self.merge_middle = _convolution(FEATURES, FEATURES)
        self.merge_fine = _convolution(FEATURES, FEATURES)
        self.contexts = nn.ModuleList(_Context() for _ in widths)
        self.heads = nn.ModuleList(nn.Linear(FEATURES, PRIORS * VALUES) for _ in widths)

    def forward(self, x: Tensor) -> Tensor:
        return self.read(self.features(self.seen(x)))

    def seen(self, x: Tensor) -> Tensor:
        """(N, 64, H/8, W/8): what the published net's first stage has for output."""
        return _active(self.front(x), self.slope)

    def features(self, fine: Tensor) -> list[Tensor]:
        """(N, 64, H/s, W/s) for the strides s 8, 16 and 32, which the heads read, from ``seen``."""
        middle = fine
        for layer in self.middle:
            middle = _active(layer(middle), self.slope)
        coarse = middle
        for layer in self.coarse:
            coarse = _active(layer(coarse), self.slope)
        fine, middle, coarse = (
            _active(lateral(level), self.slope)
            for lateral, level in zip(self.laterals, (fine, middle, coarse), strict=True)
        )
        middle = _active(self.merge_middle(middle + _doubled(coarse)), self.slope)
        fine = _active(self.merge_fine(fine + _doubled(middle)), self.slope)
        levels = (fine, middle, coarse)
        return [
            context(level, self.slope) for context, level in zip(self.contexts, levels, strict=True)
        ]

    def read(self, features: list[Tensor]) -> Tensor:
        """(N, P, 15) from the features."""
        values = [
            head(level.permute(0, 2, 3, 1)).reshape(level.shape[0], -1, VALUES)
            for head, level in zip(self.heads, features, strict=True)
        ]
        y = torch.cat(values, 1)
        return torch.cat([y[..., :4], torch.sigmoid(y[..., 4:5]), y[..., 5:]], 2)


def _active(x: Tensor, slope: float) -> Tensor:
    return F.leaky_relu(x, slope) if slope else F.relu(x)


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def folded(net: Detector) -> Detector:
    """The same detector with its front's batch normalisation in the convolutions."""
    plain = Detector(net.shape)
    state = {name: t for name, t in net.state_dict().items() if not name.startswith("front.")}
    layers = list(net.front)
    places = [n for n, layer in enumerate(plain.front) if isinstance(layer, nn.Conv2d)]
    pairs = [pair for pair in pairwise(layers) if _is_normed(pair)]
    for place, pair in zip(places, pairs, strict=True):
        state[f"front.{place}.weight"], state[f"front.{place}.bias"] = _fold(*pair)
    plain.load_state_dict(state)
    return plain


def inherit(net: Detector, published: RetinaFace) -> None:
    """Puts the published tensors into all of the detector but its front, and its slope."""
    net.slope = SLOPE
    with torch.no_grad():
        for layer, norm, ours in _counterparts(net, published):
            weight, bias = _fold(layer, norm)
            ours.weight.copy_(weight)
            ours.bias.copy_(bias)
        for level, head in enumerate(net.heads):
            for name in ("weight", "bias"):
                box, classes, landmarks = (
                    getattr(heads[level].conv1x1, name).reshape(PRIORS, heads[level].values, -1)
                    for heads in (published.BboxHead, published.ClassHead, published.LandmarkHead)
                )
                # the softmax of two is the sigmoid of their difference
                rows = torch.cat([box, classes[:, 1:] - classes[:, :1], landmarks], 1)
                ours = getattr(head, name)
                ours.copy_(rows.reshape(ours.shape))


def _counterparts(
    net: Detector, published: RetinaFace
) -> Iterator[tuple[nn.Conv2d, nn.BatchNorm2d, nn.Conv2d]]:
    """Of every published convolution behind the first stage: itself, its norm, and ours."""
    fpn = published.fpn
    pairs = [
        (block[:2] if n % 2 == 0 else block[3:5], layer)
        for stage, layers in (
            (published.body.stage2, net.middle),
            (published.body.stage3, net.coarse),
        )
        for n, (block, layer) in enumerate(
            zip([block for block in stage for _ in range(2)], layers, strict=True)
        )
    ]
    pairs += zip((fpn.output1, fpn.output2, fpn.output3), net.laterals, strict=True)
    pairs += [(fpn.merge2, net.merge_middle), (fpn.merge1, net.merge_fine)]
    contexts = (published.ssh1, published.ssh2, published.ssh3)
    for theirs, ours in zip(contexts, net.contexts, strict=True):
        pairs += [
            (theirs.conv3X3, ours.narrow),
            (theirs.conv5X5_1, ours.shared),
            (theirs.conv5X5_2, ours.middle),
            (theirs.conv7X7_2, ours.deep),
            (theirs.conv7x7_3, ours.wide),
        ]
    for normed, layer in pairs:
        yield normed[0], normed[1], layer


def _is_normed(pair: tuple[nn.Module, nn.Module]) -> bool:
    return isinstance(pair[0], nn.Conv2d) and isinstance(pair[1], nn.BatchNorm2d)


def _fold(layer: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weight and bias of one convolution that does what both do."""
    gain = norm.weight / (norm.running_var + norm.eps).sqrt()
    bias = 0 if layer.bias is None else layer.bias
    weight = layer.weight * gain.reshape(-1, 1, 1, 1)
    return weight, norm.bias + (bias - norm.running_mean) * gain
