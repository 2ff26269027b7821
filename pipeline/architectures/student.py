"""The student generator: convolutions only, exact when tiled, made for int8.

No layer looks at statistics over space, so a tile with enough overlap comes out as it does in
the whole picture. What must be known of the whole picture (its tone, its contrast) comes as a
short code from a thumbnail: feature-wise modulation, Perez et al., "FiLM", AAAI 2018.
Pixel-unshuffle in front and pixel-shuffle at the end (Shi et al., CVPR 2016) keep every
convolution at half size or less.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.architectures.shape import Shape


@dataclass(frozen=True)
class StudentShape(Shape):
    """Channel counts at half and quarter size, and one dilation for each residual block."""

    half_channels: int = 32
    quarter_channels: int = 64
    dilations: tuple[int, ...] = (1, 2, 4, 8, 2, 1)
    modulated_blocks: tuple[int, ...] = (1, 4)
    thumbnail_px: int = 64

    @property
    def code_length(self) -> int:
        """Length of the code: gains and shifts of all residual blocks."""
        return 2 * self.quarter_channels * len(self.modulated_blocks)

    @property
    def receptive_radius_px(self) -> int:
        """How far, in pixels of the picture, an input can reach an output."""
        # the second convolutions of the blocks, and the one before the shuffle
        body = sum(self.dilations) + len(self.dilations) + 1
        half = 1 + 1 + 2  # stem; stride; merge and head
        return 4 * body + 2 * half


class _Residual(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, gain: Tensor | None = None, shift: Tensor | None = None) -> Tensor:
        y = self.first(x)
        if gain is not None and shift is not None:
            y = y * gain + shift
        y = self.second(F.relu(y))
        return x + y


class ThumbnailEncoder(nn.Module):
    """float32 (N, 3, 64, 64) RGB in [-1, 1] to a code (N, L, 1, 1): gains and shifts."""

    def __init__(self, shape: StudentShape) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, 2, 1),
            nn.ReLU(),
        )
        self.to_code = nn.Conv2d(2 * 64, shape.code_length, 1)
        nn.init.zeros_(self.to_code.weight)
        # each pair starts as gain 1 and shift 0
        start = torch.cat([torch.ones(shape.quarter_channels), torch.zeros(shape.quarter_channels)])
        self.to_code.bias = nn.Parameter(start.repeat(len(shape.modulated_blocks)))

    def forward(self, thumbnail: Tensor) -> Tensor:
        """See the class."""
        y = self.layers(thumbnail)  # (N, 64, 8, 8)
        mean = y.mean((2, 3), keepdim=True)
        spread = (y - mean).square().mean((2, 3), keepdim=True).add(1e-6).sqrt()
        code: Tensor = self.to_code(torch.cat([mean, spread], 1))
        return code


class StudentGenerator(nn.Module):
    """float32 (N, 3, H, W) RGB in [-1, 1] and a code (N, L, 1, 1) to a drawing of the same size.

    H and W are multiples of 4. The output is direct, not a residual over the input: a residual
    copies the texture of the photograph. It may leave [-1, 1] a little; the caller clips.
    """

    def __init__(self, shape: StudentShape) -> None:
        super().__init__()
        self.shape = shape
        half, quarter = shape.half_channels, shape.quarter_channels
        self.stem = nn.Conv2d(12, half, 3, padding=1)
        self.down = nn.Conv2d(half, quarter, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(_Residual(quarter, dilation) for dilation in shape.dilations)
        self.up = nn.Conv2d(quarter, 4 * half, 3, padding=1)
        self.merge = nn.Conv2d(half, half, 3, padding=1)
        self.head = nn.Conv2d(half, 12, 3, padding=1)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """See the class."""
        edges = F.relu(self.stem(F.pixel_unshuffle(x, 2)))  # (N, half, H/2, W/2)
        y = F.relu(self.down(edges))  # (N, quarter, H/4, W/4)
        parts = code.split(self.shape.quarter_channels, 1)
        for number, block in enumerate(self.blocks):
            if number in self.shape.modulated_blocks:
                index = 2 * self.shape.modulated_blocks.index(number)
                y = block(y, parts[index], parts[index + 1])
            else:
                y = block(y)
        y = F.relu(F.pixel_shuffle(self.up(y), 2) + edges)  # (N, half, H/2, W/2)
        y = self.head(F.relu(self.merge(y)))
        return F.pixel_shuffle(y[:, :12], 2)  # what is served has more, for speed; see export
