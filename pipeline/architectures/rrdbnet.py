"""ESRGAN's generator, RRDBNet, as published: x1, x2 and x4.

X. Wang et al., "ESRGAN: enhanced super-resolution generative adversarial networks", ECCVW 2018;
x1 and x2 behind a pixel-unshuffle as in Real-ESRGAN, ICCVW 2021. The published weights come
under three schemes of names; ``renamed`` knows them all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SCALES = {12: 2, 48: 1, 3: 4}  # by the inputs of the first convolution
CONVOLUTIONS = 5  # of a dense block

# (a pattern of a name in circulation, our name)
SCHEMES = (
    # ESRGAN as its authors first had it, a sequence of numbered layers
    (r"model\.0", "conv_first"),
    (r"model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0", r"body.\1.rdb\2.conv\3"),
    (r"model\.1\.sub\.(\d+)", "conv_body"),  # the one after the last block
    (r"model\.3", "conv_up1"),
    (r"model\.6", "conv_up2"),
    (r"model\.8", "conv_hr"),
    (r"model\.10", "conv_last"),
    # ESRGAN as it was published
    (r"RRDB_trunk\.(\d+)\.RDB(\d)\.conv(\d)", r"body.\1.rdb\2.conv\3"),
    (r"trunk_conv", "conv_body"),
    (r"upconv1", "conv_up1"),
    (r"upconv2", "conv_up2"),
    (r"HRconv", "conv_hr"),
)
TOP_KEYS = ("params_ema", "params")  # of BasicSR and Real-ESRGAN, whose other names are ours


class _DenseBlock(nn.Module):
    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        for number in range(1, CONVOLUTIONS):
            inputs = features + (number - 1) * growth
            setattr(self, f"conv{number}", nn.Conv2d(inputs, growth, 3, padding=1))
        inputs = features + (CONVOLUTIONS - 1) * growth
        self.conv5 = nn.Conv2d(inputs, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        known = x
        for number in range(1, CONVOLUTIONS):
            convolution = getattr(self, f"conv{number}")
            known = torch.cat([known, F.leaky_relu(convolution(known), 0.2)], 1)
        y: Tensor = x + 0.2 * self.conv5(known)
        return y


class _Block(nn.Module):
    """A residual in residual dense block (RRDB)."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.rdb1 = _DenseBlock(features, growth)
        self.rdb2 = _DenseBlock(features, growth)
        self.rdb3 = _DenseBlock(features, growth)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + 0.2 * self.rdb3(self.rdb2(self.rdb1(x)))
        return y


class RRDBNet(nn.Module):
    """float32 (N, 3, H, W) RGB in [-1, 1] to (N, 3, sH, sW), s the scale: 1, 2 or 4.

    H and W are multiples of 4 / s. The published network works in [0, 1]; the conversion is done
    here, so that its input is that of every other network. The output may leave [-1, 1]. Raises
    ValueError for another scale.
    """

    def __init__(
        self, scale: int = 4, features: int = 64, blocks: int = 23, growth: int = 32
    ) -> None:
        super().__init__()
        inputs = {of: count for count, of in SCALES.items()}
        if scale not in inputs:
            raise ValueError(f"scale {scale}: one of {', '.join(map(str, sorted(inputs)))}")
        self.unshuffle = 4 // scale
        self.conv_first = nn.Conv2d(inputs[scale], features, 3, padding=1)
        self.body = nn.Sequential(*(_Block(features, growth) for _ in range(blocks)))
        self.conv_body = nn.Conv2d(features, features, 3, padding=1)
        self.conv_up1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv_up2 = nn.Conv2d(features, features, 3, padding=1)
        self.conv_hr = nn.Conv2d(features, features, 3, padding=1)
        self.conv_last = nn.Conv2d(features, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        y = (x + 1) / 2
        if self.unshuffle > 1:
            y = F.pixel_unshuffle(y, self.unshuffle)
        first = self.conv_first(y)
        y = first + self.conv_body(self.body(first))
        for convolution in (self.conv_up1, self.conv_up2):
            y = F.leaky_relu(convolution(F.interpolate(y, scale_factor=2, mode="nearest")), 0.2)
        y = self.conv_last(F.leaky_relu(self.conv_hr(y), 0.2))
        return y * 2 - 1


def receptive_radius_px(scale: int, blocks: int = 23) -> int:
    """How far, in pixels of the photo, an input can reach an output."""
    body = 1 + 3 * CONVOLUTIONS * blocks + 1
    after = 1 + 1  # two convolutions at twice and two and a last one at four times the size
    return (4 // scale) * (body + after + 1)


def renamed(state: Mapping[Any, Any]) -> dict[str, Any]:
    """A state dict under any of the three schemes, or under one of TOP_KEYS, with our names.

    A name of no scheme stays.
    """
    for key in TOP_KEYS:
        if isinstance(state.get(key), Mapping):
            state = state[key]
            break
    return {_renamed(str(name).removeprefix("module.")): value for name, value in state.items()}


def _renamed(name: str) -> str:
    stem, dot, kind = name.rpartition(".")  # kind: weight or bias
    for pattern, ours in SCHEMES:
        if re.fullmatch(pattern, stem):
            return re.sub(pattern, ours, stem) + dot + kind
    return name


def shape_of(state: Mapping[str, Any]) -> dict[str, int] | None:
    """The settings of the RRDBNet that a renamed state dict belongs to; None for another network.

    Only what sets the size is read: strict loading tells whether all fits.
    """
    first = state.get("conv_first.weight")
    growth = state.get("body.0.rdb1.conv1.weight")
    if not (isinstance(first, Tensor) and isinstance(growth, Tensor)):
        return None
    if first.ndim != 4 or growth.ndim != 4 or first.shape[1] not in SCALES:
        return None
    numbers = {int(name.split(".")[1]) for name in state if re.match(r"body\.\d+\.", name)}
    return {
        "scale": SCALES[first.shape[1]],
        "features": first.shape[0],
        "blocks": max(numbers) + 1,
        "growth": growth.shape[0],
    }
