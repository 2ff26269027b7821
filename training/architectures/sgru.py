"""SGRU, the swish-gated residual U-Net that colours line drawings.

Source: Liu, Chen, Hu, "Anime sketch coloring with swish-gated residual U-net and spectrally
normalized GAN", Engineering Letters 27:3, 2019: the levels, their channels, the slope of the leaky
rectifiers, the swish layers and the nine proposals. On the way up the input that is carried round
a block is enlarged instead of pooled, since there the block enlarges.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHANNELS = (96, 192, 288, 384, 480)
BOTTOM = 512
SLOPE = 0.03
PROPOSALS = 9


class SwishGatedBlock(nn.Module):
    """Two 3x3 convolutions after a 1x1, at the size that comes in."""

    def __init__(self, inputs: int, outputs: int, narrowed: bool = True) -> None:
        super().__init__()
        first = [nn.Conv2d(inputs, outputs, 1), nn.LeakyReLU(SLOPE)] if narrowed else []
        self.layers = nn.Sequential(
            *first,
            nn.Conv2d(outputs if narrowed else inputs, outputs, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(outputs, outputs, 3, padding=1),
            nn.LeakyReLU(SLOPE),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H, W)."""
        y: Tensor = self.layers(x)
        return y


class SGRU(nn.Module):
    """Lines (N, 1, H, W), 1 for paper and -1 for ink, to PROPOSALS pictures (N, P, 3, H, W).

    RGB in [-1, 1]; the output may leave it. H and W are multiples of 32.
    """

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList()
        inputs = 1
        for level, channels in enumerate(CHANNELS):
            self.down.append(SwishGatedBlock(inputs, channels, narrowed=level > 0))
            inputs += channels  # what was pooled, and what came round the block
        self.up, self.enlarge = nn.ModuleList(), nn.ModuleList()
        for outputs, skip in zip((BOTTOM, *CHANNELS[:0:-1]), CHANNELS[::-1], strict=True):
            self.up.append(SwishGatedBlock(inputs, outputs))
            self.enlarge.append(nn.ConvTranspose2d(outputs, outputs, 2, stride=2))
            inputs += outputs + skip
        self.last = SwishGatedBlock(inputs, CHANNELS[0])
        self.head = nn.Conv2d(CHANNELS[0], 3 * PROPOSALS, 1)

    def forward(self, lines: Tensor) -> Tensor:
        """See the class."""
        x, skips = lines, []
        for block in self.down:
            y = block(x)
            skips.append(F.silu(y))
            x = torch.cat([F.max_pool2d(y, 2), F.max_pool2d(F.silu(x), 2)], 1)
        for block, enlarge, skip in zip(self.up, self.enlarge, reversed(skips), strict=True):
            y = F.leaky_relu(enlarge(block(x)), SLOPE)
            around = F.interpolate(F.silu(x), scale_factor=2.0, mode="nearest")
            x = torch.cat([y, around, skip], 1)
        colours: Tensor = self.head(self.last(x))
        return colours.unflatten(1, (PROPOSALS, 3))
