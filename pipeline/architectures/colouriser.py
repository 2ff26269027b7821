"""The colouriser: a small U-Net that colours line drawings, made for int8.

The task is that of Liu, Chen and Hu, "Anime sketch coloring with swish-gated residual U-net and
spectrally normalized GAN", Engineering Letters 27:3, 2019; the network is our own. Pixel-unshuffle
in front and pixel-shuffle at the end (Shi et al., CVPR 2016) keep every convolution at a quarter
of the size or less: the lines are laid over the colours later, at full size.

Beside colours the network tells of which bin of the palette each pixel is (Zhang, Isola, Efros,
"Colorful image colorization", ECCV 2016): where there is no wish, the mean of all colours that a
thing may have is grey, but the likeliest is not. What a sky and what hair is can be told from the
whole drawing only, so the body goes down to a thirty-second, and the mean over the drawing is
added there. The colours that the user wishes for come as dots and as a code of the palette.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.architectures.shape import Shape

INPUTS = 8  # lines; the dots' colours and mask; the colours of what they fill
UNSHUFFLE = 4


@dataclass(frozen=True)
class ColouriserShape(Shape):
    """Channels at a quarter, an eighth, … of the size, and the length of the palette's code."""

    channels: tuple[int, ...] = (48, 96, 128, 160)
    bottom_dilations: tuple[int, ...] = (1, 2)
    palette_length: int = 28
    bins: int = 27

    @property
    def multiple_of_px(self) -> int:
        """What the sides of a drawing are multiples of."""
        return UNSHUFFLE * 2 ** (len(self.channels) - 1)


class _Residual(nn.Module):
    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.second(F.relu(self.first(x)))
        return y


class Colouriser(nn.Module):
    """Lines, dots and a palette to a coloured picture.

    ``lines``: float32 (N, 1, H, W), 1 for paper and -1 for full ink. ``hints``: (N, 7, H, W) as
    ``pipeline.lineart.dots`` makes them. ``palette``: (N, P, 1, 1), all zeros without a wish.
    What comes out is (N, 48 + B, H/4, W/4): the picture before its pixel-shuffle, and a score for
    each bin of ``pipeline.lineart.palette``; see ``split``. H and W are multiples of
    ``shape.multiple_of_px``.
    """

    def __init__(self, shape: ColouriserShape) -> None:
        super().__init__()
        self.shape = shape
        first, bottom = shape.channels[0], shape.channels[-1]
        self.stem = nn.Conv2d(INPUTS * UNSHUFFLE**2, first, 3, padding=1)
        self.downs = nn.ModuleList(
            nn.Conv2d(above, below, 3, stride=2, padding=1)
            for above, below in pairwise(shape.channels)
        )
        self.encoder = nn.ModuleList(_Residual(channels) for channels in shape.channels[:-1])
        self.bottom = nn.ModuleList(_Residual(bottom, d) for d in shape.bottom_dilations)
        self.context = nn.Conv2d(bottom, bottom, 1)
        self.palette = nn.Sequential(
            nn.Conv2d(shape.palette_length, bottom, 1), nn.ReLU(), nn.Conv2d(bottom, bottom, 1)
        )
        self.ups = nn.ModuleList(
            nn.Conv2d(below, above, 1) for above, below in pairwise(shape.channels)
        )
        self.decoder = nn.ModuleList(_Residual(channels) for channels in shape.channels[:-1])
        self.head = nn.Conv2d(first, 3 * UNSHUFFLE**2 + shape.bins, 3, padding=1)

    def forward(self, lines: Tensor, hints: Tensor, palette: Tensor) -> Tensor:
        """See the class."""
        y = F.pixel_unshuffle(torch.cat([lines, hints], 1), UNSHUFFLE)
        y = F.relu(self.stem(y))  # (N, C0, H/4, W/4)
        skips = []
        for block, down in zip(self.encoder, self.downs, strict=True):
            y = block(y)
            skips.append(y)
            y = F.relu(down(y))
        y = y + self.context(y.mean((2, 3), keepdim=True)) + self.palette(palette)
        for block in self.bottom:
            y = block(y)
        levels = reversed(list(zip(skips, self.ups, self.decoder, strict=True)))
        for skip, up, block in levels:
            y = F.interpolate(up(F.relu(y)), scale_factor=2.0, mode="nearest") + skip
            y = block(F.relu(y))
        answer: Tensor = self.head(F.relu(y))
        return answer


def split(answer: Tensor) -> tuple[Tensor, Tensor]:
    """The picture (N, 3, H, W) RGB in [-1, 1], lines included, and the scores (N, B, H/4, W/4).

    The picture may leave its range a little; the caller clips.
    """
    colours = 3 * UNSHUFFLE**2
    return F.pixel_shuffle(answer[:, :colours], UNSHUFFLE), answer[:, colours:]
