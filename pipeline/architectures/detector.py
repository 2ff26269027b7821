"""Our own face detector: RetinaFace (pipeline/architectures/retinaface.py) as it is fast in int8.

The published net spends a third of its time on few channels at half and a quarter of the size.
Here patches of 4x4 pixels and a few wide convolutions take the place of its first stage: blocks
of bytes are what a processor multiplies fast. All else has the published shape, but plain ReLUs,
which in int8 cost nothing; batch normalisation is part of the convolutions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.architectures.retinaface import BACKBONE, FEATURES, PRIORS
from pipeline.architectures.shape import Shape

VALUES = 15  # of a prior: box 4, score 1, landmarks 10
FINE = BACKBONE[0][-1][1]  # channels at stride 8


@dataclass(frozen=True)
class DetectorShape(Shape):
    """Settings of what replaces the first stage.

    Attributes:
        channels: Of the patches.
        blocks: How many convolutions follow the one that comes down to stride 8.
    """

    patch: int = 32
    dense: int = 2


class _Convolution(nn.Conv2d):
    """A convolution that keeps the size or divides it by its stride, optionally normalised."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        groups: int = 1,
        *,
        normalised: bool,
    ) -> None:
        padding = kernel // 2 if kernel % 2 else 0
        super().__init__(inputs, outputs, kernel, stride, padding, groups=groups)
        self.norm = nn.BatchNorm2d(outputs) if normalised else None
        nn.init.kaiming_normal_(self.weight, mode="fan_in", nonlinearity="relu")
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return y if self.norm is None else self.norm(y)


class _Context(nn.Module):
    """Windows of 3, 5 and 7 side by side, each with its ReLU."""

    def __init__(self, normalised: bool) -> None:
        super().__init__()
        half, quarter = FEATURES // 2, FEATURES // 4
        self.narrow = _Convolution(FEATURES, half, normalised=normalised)
        self.shared = _Convolution(FEATURES, quarter, normalised=normalised)
        self.middle = _Convolution(quarter, quarter, normalised=normalised)
        self.deep = _Convolution(quarter, quarter, normalised=normalised)
        self.wide = _Convolution(quarter, quarter, normalised=normalised)

    def forward(self, x: Tensor) -> Tensor:
        shared = F.relu(self.shared(x))
        deep = F.relu(self.deep(shared))
        parts = (self.narrow(x), self.middle(shared), self.wide(deep))
        return torch.cat([F.relu(part) for part in parts], 1)


class Detector(nn.Module):
    """float32 (N, 3, H, W) RGB in [-1, 1] to (N, P, 15), RetinaFace's outputs for the same priors.

    H and W are multiples of 32. ``normalised``: with batch normalisation behind every convolution,
    for training; ``folded`` makes the one without. Its blocks, ``seen``, ``halved``, ``quartered``,
    ``features`` and ``read``, can be run and trained each by itself.
    """

    def __init__(self, shape: DetectorShape, normalised: bool = False) -> None:
        super().__init__()
        self.shape = shape
        convolution = partial(_Convolution, normalised=normalised)
        self.front = nn.ModuleList(
            [
                convolution(3, shape.patch, 4, 4),
                convolution(shape.patch, FINE, stride=2),
                *(convolution(FINE, FINE) for _ in range(shape.dense)),
            ]
        )
        self.middle, self.coarse = (
            nn.ModuleList(
                layer
                for inputs, outputs, stride in stage
                for layer in (
                    convolution(inputs, inputs, 3, stride, inputs),
                    convolution(inputs, outputs, 1),
                )
            )
            for stage in BACKBONE[1:]
        )
        widths = [stage[-1][1] for stage in BACKBONE]
        self.laterals = nn.ModuleList(convolution(width, FEATURES, 1) for width in widths)
        self.merge_middle = convolution(FEATURES, FEATURES)
        self.merge_fine = convolution(FEATURES, FEATURES)
        self.contexts = nn.ModuleList(_Context(normalised) for _ in widths)
        self.heads = nn.ModuleList(nn.Linear(FEATURES, PRIORS * VALUES) for _ in widths)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        fine = self.seen(x)
        middle = self.halved(fine)
        return self.read(self.features(fine, middle, self.quartered(middle)))

    def seen(self, x: Tensor) -> Tensor:
        """(N, 64, H/8, W/8): what the published net's first stage has for output."""
        return _through(self.front, x)

    def halved(self, fine: Tensor) -> Tensor:
        """(N, 128, H/16, W/16): the second stage's output, of the first one's."""
        return _through(self.middle, fine)

    def quartered(self, middle: Tensor) -> Tensor:
        """(N, 256, H/32, W/32): the third stage's output, of the second one's."""
        return _through(self.coarse, middle)

    def features(self, fine: Tensor, middle: Tensor, coarse: Tensor) -> list[Tensor]:
        """(N, 64, H/s, W/s) for the strides s 8, 16 and 32, which the heads read."""
        fine, middle, coarse = (
            F.relu(lateral(level))
            for lateral, level in zip(self.laterals, (fine, middle, coarse), strict=True)
        )
        middle = F.relu(self.merge_middle(middle + _doubled(coarse)))
        fine = F.relu(self.merge_fine(fine + _doubled(middle)))
        levels = (fine, middle, coarse)
        return [context(level) for context, level in zip(self.contexts, levels, strict=True)]

    def read(self, features: list[Tensor]) -> Tensor:
        """(N, P, 15) from the features."""
        values = [
            head(level.permute(0, 2, 3, 1)).reshape(level.shape[0], -1, VALUES)
            for head, level in zip(self.heads, features, strict=True)
        ]
        y = torch.cat(values, 1)
        return torch.cat([y[..., :4], torch.sigmoid(y[..., 4:5]), y[..., 5:]], 2)


def _through(layers: Iterable[nn.Module], x: Tensor) -> Tensor:
    for layer in layers:
        x = F.relu(layer(x))
    return x


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def folded(net: Detector) -> Detector:
    """The same detector with its batch normalisation in the convolutions."""
    plain = Detector(net.shape)
    plain.load_state_dict({n: t for n, t in net.state_dict().items() if ".norm." not in n})
    with torch.no_grad():
        for ours, theirs in zip(plain.modules(), _without_norms(net), strict=True):
            if isinstance(ours, _Convolution) and theirs.norm is not None:
                norm = theirs.norm
                gain = norm.weight / (norm.running_var + norm.eps).sqrt()
                ours.weight.copy_(theirs.weight * gain.reshape(-1, 1, 1, 1))
                ours.bias.copy_(norm.bias + (theirs.bias - norm.running_mean) * gain)
    return plain


def _without_norms(net: nn.Module) -> Iterator[nn.Module]:
    return (module for module in net.modules() if not isinstance(module, nn.BatchNorm2d))
