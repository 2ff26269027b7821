"""The restorer: takes blur, noise and JPEG artefacts out of a photograph, at once or doubled.

Convolutions only, at half and a quarter of the size (pixel-unshuffle and -shuffle: Shi et al.,
CVPR 2016), without normalisation, on top of the photo's own pixels: what the net finds nothing
to say about comes out as it went in. Told how blurred, how noisy and how compressed the photo
is (as FFDNet is told of the noise: Zhang et al., IEEE TIP 2018, with planes of one value, which
are the same as a shift of each channel), it does no more than that; the gate steers by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEVELS = 3  # blur: sigma in px; noise: sigma in grey levels; compression: 100 - JPEG quality
LEVEL_SPANS = (4.0, 50.0, 75.0)

# Keys' cubic (a = -0.5) at the two places that doubling asks for, a quarter pixel to the left
# and to the right of a pixel's centre: weights of the pixels from two before to two after.
LEFT = (-0.0234375, 0.2265625, 0.8671875, -0.0703125, 0.0)


@dataclass(frozen=True)
class RestorerShape:
    """Channels at half and at quarter size, and the number of residual blocks at the latter."""

    half_channels: int = 32
    quarter_channels: int = 64
    blocks: int = 5
    doubling_channels: int = 64

    @property
    def receptive_radius_px(self) -> int:
        """How far, in pixels of the photo, an input can reach an output, at either scale."""
        quarter = 2 * self.blocks + 1  # and the convolution before the shuffle
        half = 2 + 1 + 3  # stem, stride, merge and the longer head
        return 4 * (quarter + 1) + 2 * half

    def as_dict(self) -> dict[str, object]:
        """As it stands in checkpoints and in the manifest."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of ``as_dict``."""
        return cls(**values)


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.shift = nn.Conv2d(LEVELS, channels, 1, bias=False)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(x) + self.shift(level)))


class _Gate(nn.Module):
    """Levels (N, 3, 1, 1) to a factor for each channel (N, C, 1, 1): zero for levels of zero,
    and in proportion as they grow together.
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
        half, quarter, wide = shape.half_channels, shape.quarter_channels, shape.doubling_channels
        self.stem = nn.Conv2d(12, half, 3, padding=1)
        self.edges = nn.Conv2d(half, half, 3, padding=1)
        self.down = nn.Conv2d(half, quarter, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(_Residual(quarter) for _ in range(shape.blocks))
        self.up = nn.Conv2d(quarter, 4 * half, 3, padding=1)
        self.merge = nn.Conv2d(half, half, 3, padding=1)
        self.head = nn.Conv2d(half, 12, 3, padding=1)
        self.gate = _Gate(12)
        self.widen = nn.Conv2d(half, wide, 3, padding=1)
        self.doubling_head = nn.Conv2d(wide, 48, 3, padding=1)
        self.doubling_gate = _Gate(48)
        spans = torch.tensor(LEVEL_SPANS).reshape(1, LEVELS, 1, 1)
        self.register_buffer("spans", spans, persistent=False)
        self.register_buffer("cubic", _cubic_kernels(), persistent=False)
        self._start()

    def _start(self) -> None:
        """Weights that keep the scale of what passes. The stem sees contrasts alone and the heads
        begin at zero: otherwise what the net learns first is to be silent, and its ReLUs die.
        """
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        colours = self.stem.weight.data.reshape(-1, 3, 4, 3, 3)
        colours -= colours.mean((2, 3, 4), keepdim=True)
        colours *= 3  # contrasts are small
        for block in self.blocks:
            nn.init.normal_(block.shift.weight, std=0.1)
            nn.init.normal_(block.second.weight, std=0.005)
        for head, gate in ((self.head, self.gate), (self.doubling_head, self.doubling_gate)):
            nn.init.zeros_(head.weight)
            nn.init.uniform_(gate.first.weight, 0, 1)
            nn.init.constant_(gate.second.weight, 1 / 8)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        features = self.features(x, level)
        make = self.restored if self.scale == 1 else self.doubled
        return make(x, features, level)

    def features(self, x: Tensor, level: Tensor) -> Tensor:
        """What both scales share: (N, half, H/2, W/2)."""
        told = level / self.spans
        y = F.relu(self.stem(F.pixel_unshuffle(x, 2)))
        edges = F.relu(self.edges(y))
        y = F.relu(self.down(edges))  # (N, quarter, H/4, W/4)
        for block in self.blocks:
            y = block(y, told)
        y = F.relu(F.pixel_shuffle(self.up(y), 2) + edges)
        return F.relu(self.merge(y))

    def restored(self, x: Tensor, features: Tensor, level: Tensor) -> Tensor:
        """(N, 3, H, W); ``x`` itself where the levels are zero."""
        change = self.head(features)[:, :12]  # what is served has more, for speed; see export
        return x + F.pixel_shuffle(change.float() * self.gate(level / self.spans).float(), 2)

    def doubled(self, x: Tensor, features: Tensor, level: Tensor) -> Tensor:
        """(N, 3, 2H, 2W)."""
        change = self.doubling_head(F.relu(self.widen(features)))
        gain = 1 + self.doubling_gate(level / self.spans)
        return self.interpolated(x) + F.pixel_shuffle(change.float() * gain.float(), 4)

    def interpolated(self, x: Tensor) -> Tensor:
        """The bicubic interpolation, (N, 3, 2H, 2W), as one convolution: so tiles agree with
        the whole, and ONNX Runtime, whose own cubic resize is slow, is fast.
        """
        bordered = F.pad(x, (2, 2, 2, 2), mode="replicate")
        with torch.autocast("cpu", enabled=False):
            return F.pixel_shuffle(F.conv2d(bordered, self.cubic)[:, :12], 2)


def _cubic_kernels() -> Tensor:
    """(16, 3, 5, 5): four places for each of three colours, and zeros up to a block of 16."""
    left = torch.tensor(LEFT)
    ways = torch.stack([left, left.flip(0)])
    places = torch.einsum("iy,jx->ijyx", ways, ways).reshape(4, 5, 5)
    kernels = torch.zeros(16, 3, 5, 5)
    for colour in range(3):
        kernels[4 * colour : 4 * colour + 4, colour] = places
    return kernels
