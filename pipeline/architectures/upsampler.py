"""The upsampler of drawn pictures: twice the size and as crisp, guided by the photo.

Only the small drawing says what is drawn, in what colours and how wide a line is; the photo, at
twice its size, says where between two pixels an edge runs. Convolutions at half the small size,
between a pixel-unshuffle of both and a pixel-shuffle (Shi et al., "Real-time single image and
video super-resolution using an efficient sub-pixel convolutional neural network", CVPR 2016),
on top of the drawing interpolated bilinearly; a guide at full size as in Li et al., "Deep joint
image filtering", ECCV 2016. Applied again, it gives four times the size: it was trained to return
edges as narrow, in pixels, as those of what it gets.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.architectures.shape import Shape

INPUTS = 12 + 48  # a block of 2x2 pixels of the drawing, and the 4x4 of the guide that cover it


@dataclass(frozen=True)
class UpsamplerShape(Shape):
    """Channels, and the number of 3x3 convolutions between the first and the last."""

    channels: int = 64
    middle: int = 2

    @property
    def receptive_radius_px(self) -> int:
        """How far, in pixels of the small picture, an input can reach an output."""
        return 2 * (self.middle + 2) + 1


class Upsampler(nn.Module):
    """A drawing (N, 3, H, W) and the photo (N, 3, 2H, 2W) to the drawing (N, 3, 2H, 2W).

    float32 RGB in [-1, 1]; H and W are even. The output may leave [-1, 1] a little; the caller
    clips.
    """

    def __init__(self, shape: UpsamplerShape) -> None:
        super().__init__()
        self.shape = shape
        sides = [INPUTS, *[shape.channels] * (shape.middle + 1)]
        self.body = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3, padding=1) for inputs, outputs in pairwise(sides)
        )
        self.head = nn.Conv2d(shape.channels, 48, 3, padding=1)
        # it begins as an interpolation: detail at random is best removed by features that are
        # always zero, and those learn no more
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("bilinear", bilinear_kernel() / 16, persistent=False)

    def forward(self, picture: Tensor, guide: Tensor) -> Tensor:
        """See the class."""
        deep = F.pixel_unshuffle(picture, 2)  # (N, 12, H/2, W/2)
        y = torch.cat([deep, F.pixel_unshuffle(guide, 4)], 1)
        for convolution in self.body:
            y = F.relu(convolution(y))
        # a block beyond the border is the last one again
        interpolated = F.conv2d(F.pad(deep, (1, 1, 1, 1), mode="replicate"), self.bilinear)
        return F.pixel_shuffle(interpolated + self.head(y), 4)  # (N, 3, 2H, 2W)


def bilinear_kernel() -> Tensor:
    """Bilinear interpolation as a convolution, float32 (48, 12, 3, 3) of sixteenths.

    From pixel-unshuffled 2x2 blocks, three by three of them, to the 4x4 pixels that bilinear
    interpolation makes of the middle one.
    """
    line = torch.zeros(4, 3, 2)  # output; block before, this one, after; pixel of the block
    line[0, 0, 1], line[0, 1, 0] = 1, 3
    line[1, 1, 0], line[1, 1, 1] = 3, 1
    line[2, 1, 0], line[2, 1, 1] = 1, 3
    line[3, 1, 1], line[3, 2, 0] = 3, 1
    kernel = torch.einsum("yab,xcd,ij->iyxjbdac", line, line, torch.eye(3))
    return kernel.reshape(48, 12, 3, 3)
