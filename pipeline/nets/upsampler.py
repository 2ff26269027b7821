"""The upsampler of drawn pictures: twice the size, lines as crisp as they were.

Convolutions at half the small size, between a pixel-unshuffle and a pixel-shuffle (Shi et al.,
"Real-time single image and video super-resolution using an efficient sub-pixel convolutional
neural network", CVPR 2016), on top of the picture's own pixels repeated. Applied again, it gives
four times the size: it was trained to return edges as narrow, in pixels, as those of what it
gets.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class UpsamplerShape:
    """Channels, and the number of 3x3 convolutions between the first and the last."""

    channels: int = 48
    middle: int = 3

    @property
    def receptive_radius_px(self) -> int:
        """How far, in pixels of the small picture, an input can reach an output."""
        return 2 * (self.middle + 2) + 1

    def as_dict(self) -> dict[str, object]:
        """As it stands in checkpoints and in the manifest."""
        return asdict(self)


class Upsampler(nn.Module):
    """float32 (N, 3, H, W) RGB in [-1, 1] to (N, 3, 2H, 2W); H and W are even.

    It may leave [-1, 1] a little; the caller clips.
    """

    def __init__(self, shape: UpsamplerShape) -> None:
        super().__init__()
        self.shape = shape
        sides = [12, *[shape.channels] * (shape.middle + 1)]
        self.body = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3, padding=1) for inputs, outputs in pairwise(sides)
        )
        self.head = nn.Conv2d(shape.channels, 48, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = F.pixel_unshuffle(x, 2)  # (N, 12, H/2, W/2)
        for convolution in self.body:
            y = F.relu(convolution(y))
        detail = F.pixel_shuffle(self.head(y), 4)  # (N, 3, 2H, 2W)
        return F.interpolate(x, scale_factor=2.0, mode="nearest") + detail
