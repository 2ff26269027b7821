"""The face parser: an aligned face to 19 regions, as a small net of dense convolutions.

One branch stays at a quarter of the size, where eyes and lips still have a shape; the other goes
down to a thirty-second, where a cell sees the whole head, and comes back by pixel-shuffle (Shi
et al., CVPR 2016), adding at each size what was there on the way down. Resolution first, then
context, in two branches: BiSeNet's idea (Yu et al., ECCV 2018). No statistic is taken over space.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.architectures.shape import Shape

REGIONS = 19
STEP_PX = 4  # of the photo, to one of the logits


@dataclass(frozen=True)
class ParserShape(Shape):
    """Settings of a Parser.

    Channels at a quarter, an eighth, a sixteenth and a thirty-second of the size, the residual
    blocks at each on the way down, and those at a quarter on the way back.
    """

    channels: tuple[int, int, int, int] = (64, 64, 80, 64)
    blocks: tuple[int, int, int, int] = (1, 1, 1, 2)
    last_blocks: int = 1
    side_px: int = 256


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(F.relu(self.first(x))))


class Parser(nn.Module):
    """float32 (N, 3, H, W) RGB in [-1, 1], an aligned face, to float32 logits (N, 19, H/4, W/4).

    The classes are in BiSeNet's order. H and W are multiples of 32. The logits are to be enlarged
    bilinearly, pixel centres on pixel centres; softmax over the 19 gives probabilities.
    """

    def __init__(self, shape: ParserShape) -> None:
        super().__init__()
        self.shape = shape
        channels = shape.channels
        self.stem = nn.Conv2d(3 * STEP_PX**2, channels[0], 3, padding=1)
        self.stages = nn.ModuleList(
            nn.Sequential(*(_Residual(width) for _ in range(count)))
            for width, count in zip(channels, shape.blocks, strict=True)
        )
        steps = list(pairwise(channels))
        self.down = nn.ModuleList(
            nn.Conv2d(fine, coarse, 3, stride=2, padding=1) for fine, coarse in steps
        )
        self.up = nn.ModuleList(nn.Conv2d(coarse, 4 * fine, 1) for fine, coarse in steps)
        self.merge = nn.ModuleList(nn.Conv2d(fine, fine, 3, padding=1) for fine, _ in steps)
        self.last = nn.Sequential(*(_Residual(channels[0]) for _ in range(shape.last_blocks)))
        self.head = nn.Conv2d(channels[0], REGIONS, 1)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        y = F.relu(self.stem(F.pixel_unshuffle(x, STEP_PX)))
        kept = []
        for number, stage in enumerate(self.stages):
            if number:
                kept.append(y)
                y = F.relu(self.down[number - 1](y))
            y = stage(y)
        for number in reversed(range(len(kept))):
            above = F.pixel_shuffle(self.up[number](y), 2)
            y = F.relu(self.merge[number](F.relu(kept[number] + above)))
        logits: Tensor = self.head(self.last(y))[:, :REGIONS]
        return logits.float()
