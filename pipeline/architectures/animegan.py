"""AnimeGAN's generator, the first version.

Source: J. Chen, G. Liu, X. Chen, "AnimeGAN: a novel lightweight GAN for photo animation"
(ISICA 2019) and github.com/TachibanaYoshino/AnimeGAN, whose paddings and order of layers
these are.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


def _norm_and_activation(channels: int) -> list[nn.Module]:
    return [nn.InstanceNorm2d(channels, affine=True), nn.LeakyReLU(0.2, inplace=True)]


class _Convolution(nn.Sequential):
    """3x3 or 1x1 without bias, instance norm, LeakyReLU 0.2."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, groups: int = 1) -> None:
        super().__init__(
            nn.ReflectionPad2d(kernel // 2),
            nn.Conv2d(inputs, outputs, kernel, groups=groups, bias=False),
            *_norm_and_activation(outputs),
        )


class _Separable(nn.Sequential):
    """Depthwise 3x3, pointwise, one instance norm after both, LeakyReLU 0.2.

    Stride 2 pads one pixel at the right and the bottom, as the TensorFlow original does.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(
            nn.ReflectionPad2d((0, 1, 0, 1) if stride == 2 else 1),
            nn.Conv2d(inputs, inputs, 3, stride, groups=inputs, bias=False),
            nn.Conv2d(inputs, outputs, 1, bias=False),
            *_norm_and_activation(outputs),
        )


class _Resized(nn.Module):
    """A bilinear change of size by ``factor``, then a separable convolution."""

    def __init__(self, inputs: int, outputs: int, factor: float) -> None:
        super().__init__()
        self.factor = factor
        self.layers = _Separable(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        resized = F.interpolate(x, scale_factor=self.factor, mode="bilinear", align_corners=False)
        y: Tensor = self.layers(resized)
        return y


class _Halved(nn.Module):
    """A separable convolution of stride 2 and one behind a bilinear reduction, added."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.strided = _Separable(inputs, outputs, stride=2)
        self.reduced = _Resized(inputs, outputs, 0.5)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.strided(x) + self.reduced(x)
        return y


class _InvertedResidual(nn.Module):
    def __init__(self, channels: int, ratio: int = 2) -> None:
        super().__init__()
        middle = ratio * channels
        self.layers = nn.Sequential(
            _Convolution(channels, middle, kernel=1),
            _Convolution(middle, middle, groups=middle),
            nn.Conv2d(middle, channels, 1, bias=False),
            nn.InstanceNorm2d(channels, affine=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.layers(x)
        return y


class AnimeGANGenerator(nn.Module):
    """float32 (N, 3, H, W) RGB in [-1, 1] to the same shape and range.

    H and W are multiples of 4, at least 8. Instance norm spans the picture, so a picture cut
    into tiles does not come out the same as the whole.
    """

    def __init__(self) -> None:
        super().__init__()
        self.b1 = nn.Sequential(_Convolution(3, 64), _Convolution(64, 64), _Halved(64, 128))
        self.b2 = nn.Sequential(_Convolution(128, 128), _Separable(128, 128), _Halved(128, 256))
        self.m = nn.Sequential(
            _Convolution(256, 256),
            *(_InvertedResidual(256) for _ in range(8)),
            _Convolution(256, 256),
        )
        self.u2 = nn.Sequential(_Resized(256, 128, 2), _Separable(128, 128), _Convolution(128, 128))
        self.u1 = nn.Sequential(_Resized(128, 128, 2), _Convolution(128, 64), _Convolution(64, 64))
        self.out = nn.Sequential(nn.Conv2d(64, 3, 1, bias=False), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        y = self.m(self.b2(self.b1(x)))  # (N, 256, H/4, W/4)
        drawing: Tensor = self.out(self.u1(self.u2(y)))
        return drawing
