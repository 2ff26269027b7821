"""The restorer: takes blur, noise and JPEG artefacts out of a photograph, at once or doubled.

Convolutions only, all at a quarter of the size (pixel-unshuffle and -shuffle: Shi et al.,
CVPR 2016), without normalisation, on top of the photo's own pixels: what the net finds nothing
to say about comes out as it went in. Told how blurred, how noisy and how compressed the photo
is (as FFDNet is told of the noise: Zhang et al., IEEE TIP 2018, with planes of one value, which
are the same as a shift of each channel), it does no more than that, and nothing at all to a
photo that lacks nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.architectures.shape import Shape

LEVELS = 3  # blur: sigma in px; noise: sigma in grey levels; compression: 100 - JPEG quality
LEVEL_SPANS = (4.0, 50.0, 75.0)

# Keys' cubic (a = -0.5) at the two places that doubling asks for, a quarter pixel to the left
# and to the right of a pixel's centre: weights of the pixels from two before to two after.
LEFT = (-0.0234375, 0.2265625, 0.8671875, -0.0703125, 0.0)


@dataclass(frozen=True)
class RestorerShape(Shape):
    """Channels at a quarter of the size, and the number of residual blocks."""

    channels: int = 64
    blocks: int = 4
    doubling_channels: int = 128

    @property
    def receptive_radius_px(self) -> int:
        """How far, in pixels of the photo, an input can reach an output, at either scale."""
        deep = 1 + 2 * self.blocks + 2  # stem, blocks and the longer head
        return 4 * (deep + 1)


class _Residual(nn.Module):
    def __init__(self, channels: int, conditioned: bool) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.shift = nn.Conv2d(LEVELS, channels, 1, bias=False) if conditioned else None
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        y = self.first(x)
        if self.shift is not None:
            y = y + self.shift(level)
        return x + self.second(F.relu(y))


class _Gate(nn.Module):
    """Levels (N, 3, 1, 1) to a factor for each channel (N, C, 1, 1).

    Zero for levels of zero, and in proportion as they grow together.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(LEVELS, 16, 1, bias=False)
        self.second = nn.Conv2d(16, channels, 1, bias=False)

    def forward(self, level: Tensor) -> Tensor:
        factor: Tensor = self.second(F.relu(self.first(level)))
        return factor


class Restorer(nn.Module):
    """float32 (N, 3, H, W) RGB in [-1, 1] and levels (N, 3, 1, 1) to (N, 3, sH, sW).

    H and W are multiples of 4; ``scale`` s is 1 or 2, of the same body. The levels: blur as the
    sigma of a Gaussian in px, noise as its standard deviation in grey levels of 255, and 100
    minus the JPEG quality; all zero for a photo that lacks nothing. The output may leave
    [-1, 1] a little; the caller clips.
    """

    def __init__(self, shape: RestorerShape, scale: int = 1) -> None:
        super().__init__()
        self.shape, self.scale = shape, scale
        channels, wide = shape.channels, shape.doubling_channels
        self.stem = nn.Conv2d(48, channels, 3, padding=1)
        self.blocks = nn.ModuleList(
            # every second: an addition costs a tenth
            _Residual(channels, conditioned=number % 2 == 0)
            for number in range(shape.blocks)
        )
        self.head = nn.Conv2d(channels, 48, 3, padding=1)
        self.gate = _Gate(48)
        self.widen = nn.Conv2d(channels, wide, 3, padding=1)
        self.doubling_head = nn.Conv2d(wide, 192, 3, padding=1)
        self.doubling_gate = _Gate(192)
        spans = torch.tensor(LEVEL_SPANS).reshape(1, LEVELS, 1, 1)
        self.register_buffer("spans", spans, persistent=False)
        self.register_buffer("cubic", _cubic_kernels(), persistent=False)
        self._start()

    def _start(self) -> None:
        """Initialises weights so that they keep the scale of what passes.

        The stem sees contrasts alone and the heads begin at zero: otherwise the net first learns to
        be silent, and its ReLUs die.
        """
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        colours = self.stem.weight.data.reshape(-1, 3, 16, 3, 3)
        colours -= colours.mean((2, 3, 4), keepdim=True)
        colours *= 3  # contrasts are small
        for block in self.blocks:
            if block.shift is not None:
                nn.init.normal_(block.shift.weight, std=0.1)
            nn.init.normal_(block.second.weight, std=0.005)
        for head, gate in ((self.head, self.gate), (self.doubling_head, self.doubling_gate)):
            nn.init.zeros_(head.weight)
            nn.init.uniform_(gate.first.weight, 0, 1)
            nn.init.constant_(gate.second.weight, 1 / 8)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """See the class."""
        features = self.features(x, level)
        make = self.restored if self.scale == 1 else self.doubled
        return make(x, features, level)

    def features(self, x: Tensor, level: Tensor) -> Tensor:
        """What both scales share: (N, channels, H/4, W/4)."""
        levels = level / self.spans
        y = self.stem(F.pixel_unshuffle(x, 4))
        for block in self.blocks:
            y = block(y, levels)
        return y

    def restored(self, x: Tensor, features: Tensor, level: Tensor) -> Tensor:
        """(N, 3, H, W); ``x`` itself where the levels are zero."""
        change = self.head(features).float() * self.gate(level / self.spans).float()
        return x + F.pixel_shuffle(change, 4)

    def doubled(self, x: Tensor, features: Tensor, level: Tensor) -> Tensor:
        """(N, 3, 2H, 2W)."""
        change = self.doubling_head(F.relu(self.widen(features))).float()
        gain = 1 + self.doubling_gate(level / self.spans).float()
        return self.interpolated(x) + F.pixel_shuffle(change * gain, 8)

    def interpolated(self, x: Tensor) -> Tensor:
        """The bicubic interpolation, (N, 3, 2H, 2W), as one convolution.

        So tiles agree with the whole, and ONNX Runtime, whose own cubic resize is slow, is fast.
        """
        bordered = F.pad(x, (2, 2, 2, 2), mode="replicate")
        with torch.autocast("cpu", enabled=False):
            return F.pixel_shuffle(F.conv2d(bordered, self.cubic)[:, :12], 2)


def _cubic_kernels() -> Tensor:
    """(16, 3, 5, 5): four places for each of three colours, and zeros up to a block of 16."""
    left = torch.tensor(LEFT)
    sides = torch.stack([left, left.flip(0)])
    cubic = torch.einsum("iy,jx->ijyx", sides, sides).reshape(4, 5, 5)
    kernels = torch.zeros(16, 3, 5, 5)
    for colour in range(3):
        kernels[4 * colour : 4 * colour + 4, colour] = cubic
    return kernels
