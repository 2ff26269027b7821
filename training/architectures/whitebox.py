"""White-box CartoonGAN's generator with the guided filter behind it.

Source: X. Wang, J. Yu, "Learning to cartoonize using white-box cartoon representations",
CVPR 2020, sections 3.4 and 3.5; github.com/SystemErrorWang/White-box-Cartoonization.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.architectures.animeganv2 import double_legacy

FILTER_RADIUS_PX = 1
FILTER_EPSILON = 5e-3


def _halved(inputs: int, outputs: int) -> nn.Sequential:
    """To half the size; padded at the right and the bottom, as TensorFlow does."""
    return nn.Sequential(
        nn.ZeroPad2d((0, 1, 0, 1)),
        nn.Conv2d(inputs, inputs, 3, stride=2),
        nn.LeakyReLU(0.2),
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.LeakyReLU(0.2),
    )


class WhiteBoxCartoonGenerator(nn.Module):
    """float32 (N, 3, H, W) RGB in [-1, 1] to the same shape; about the same range.

    H and W are multiples of 4. No normalisation at all: what tells a tile from the whole are
    the borders alone. ``forward`` ends with the guided filter that the authors run at test time.
    """

    def __init__(self, channels: int = 32, blocks: int = 4) -> None:
        super().__init__()
        c = channels
        self.first = nn.Sequential(nn.Conv2d(3, c, 7, padding=3), nn.LeakyReLU(0.2))
        self.to_half = _halved(c, 2 * c)
        self.to_quarter = _halved(2 * c, 4 * c)
        self.blocks = nn.ModuleList(
            nn.ModuleList([nn.Conv2d(4 * c, 4 * c, 3, padding=1) for _ in range(2)])
            for _ in range(blocks)
        )
        self.conv3 = nn.Conv2d(4 * c, 2 * c, 3, padding=1)
        self.conv4 = nn.Conv2d(2 * c, 2 * c, 3, padding=1)
        self.conv5 = nn.Conv2d(2 * c, c, 3, padding=1)
        self.conv6 = nn.Conv2d(c, c, 3, padding=1)
        self.last = nn.Conv2d(c, 3, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        """Drawings of photos."""
        full = self.first(x)
        half = self.to_half(full)
        y = self.to_quarter(half)
        for block in self.blocks:
            first, second = block
            y = y + second(F.leaky_relu(first(y), 0.2))
        y = F.leaky_relu(self.conv3(y), 0.2)
        y = F.leaky_relu(self.conv4(double_legacy(y) + half), 0.2)
        y = F.leaky_relu(self.conv5(y), 0.2)
        y = F.leaky_relu(self.conv6(double_legacy(y) + full), 0.2)
        return guided_filter(x.float(), self.last(y).float())


def guided_filter(
    guide: Tensor,
    picture: Tensor,
    radius_px: int = FILTER_RADIUS_PX,
    epsilon: float = FILTER_EPSILON,
) -> Tensor:
    """``picture`` with the edges of ``guide``, channel by channel; both (N, C, H, W) in [-1, 1].

    He, Sun, Tang, "Guided image filtering", ECCV 2010. Means are taken over what lies inside
    the picture. Variances are differences of squares: float32, not less.
    """

    def mean(x: Tensor) -> Tensor:
        side = 2 * radius_px + 1
        return F.avg_pool2d(x, side, 1, radius_px, count_include_pad=False)

    mean_guide, mean_picture = mean(guide), mean(picture)
    covariance = mean(guide * picture) - mean_guide * mean_picture
    variance = mean(guide * guide) - mean_guide * mean_guide
    gain = covariance / (variance + epsilon)
    shift = mean_picture - gain * mean_guide
    return mean(gain) * guide + mean(shift)
