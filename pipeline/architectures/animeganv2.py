"""AnimeGANv2's generator, with the parameter names of the published PyTorch checkpoints.

Source: J. Chen, G. Liu, X. Chen, "AnimeGAN: a novel lightweight GAN for photo animation"
(ISICA 2019) and its second version, github.com/TachibanaYoshino/AnimeGANv2; the names of the
parameters are those of github.com/bryandlee/animegan2-pytorch.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

UPSAMPLINGS = ("half_pixel", "align_corners", "legacy")


def _convolution(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1, bias: bool = False
) -> list[nn.Module]:
    """Padding, convolution, LayerNorm over (C, H, W), LeakyReLU 0.2.

    Stride 2 pads one pixel at the right and the bottom, as the TensorFlow original does.
    """
    side = kernel // 2
    padding = (0, 1, 0, 1) if stride == 2 else (side, side, side, side)
    return [
        nn.ReflectionPad2d(padding),
        nn.Conv2d(inputs, outputs, kernel, stride, groups=groups, bias=bias),
        nn.GroupNorm(1, outputs),
        nn.LeakyReLU(0.2, inplace=True),
    ]


class _Convolution(nn.Sequential):
    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(*_convolution(inputs, outputs, kernel, stride))


class _InvertedResidual(nn.Module):
    def __init__(self, inputs: int, outputs: int, ratio: int = 2) -> None:
        super().__init__()
        middle = round(inputs * ratio)
        self.use_residual = inputs == outputs
        self.layers = nn.Sequential(
            nn.Sequential(*_convolution(inputs, middle, kernel=1)),
            nn.Sequential(*_convolution(middle, middle, groups=middle, bias=True)),
            nn.Conv2d(middle, outputs, 1, bias=False),
            nn.GroupNorm(1, outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.use_residual else y


def double_legacy(x: Tensor) -> Tensor:
    """(N, C, h, w) to (N, C, 2h, 2w) as TensorFlow 1 resizes.

    Every second pixel is an old one, those between are means, and the last is repeated.
    """
    between = [2 * side - 1 for side in x.shape[-2:]]
    x = F.interpolate(x, between, mode="bilinear", align_corners=True)
    return F.pad(x, (0, 1, 0, 1), mode="replicate")


class AnimeGANv2Generator(nn.Module):
    """float32 (N, 3, H, W) RGB in [-1, 1] to the same shape and range.

    H and W are multiples of 4. The normalisation spans the picture, so a picture cut into
    tiles does not come out the same as the whole.

    ``upsampling`` is one of the three ways in circulation. Weights trained in TensorFlow 1 want
    ``legacy`` (output pixel j is taken at j/2): with ``half_pixel`` (torch's default) their
    drawing lies 1.5 px further right and down than the photo. ``align_corners`` is what
    PyTorch's ports use.
    """

    def __init__(self, upsampling: str = "half_pixel") -> None:
        super().__init__()
        if upsampling not in UPSAMPLINGS:
            raise ValueError(f"upsampling is {upsampling!r}; it is one of {UPSAMPLINGS}")
        self.upsampling = upsampling
        self.block_a = nn.Sequential(
            _Convolution(3, 32, 7), _Convolution(32, 64, stride=2), _Convolution(64, 64)
        )
        self.block_b = nn.Sequential(_Convolution(64, 128, stride=2), _Convolution(128, 128))
        self.block_c = nn.Sequential(
            _Convolution(128, 128),
            _InvertedResidual(128, 256),
            _InvertedResidual(256, 256),
            _InvertedResidual(256, 256),
            _InvertedResidual(256, 256),
            _Convolution(256, 128),
        )
        self.block_d = nn.Sequential(_Convolution(128, 128), _Convolution(128, 128))
        self.block_e = nn.Sequential(
            _Convolution(128, 64), _Convolution(64, 64), _Convolution(64, 32, 7)
        )
        self.out_layer = nn.Sequential(nn.Conv2d(32, 3, 1, bias=False), nn.Tanh())

    def _resize(self, x: Tensor, size: torch.Size) -> Tensor:
        """(N, C, h, w) to (N, C, 2h, 2w)."""
        if self.upsampling == "legacy":
            return double_legacy(x)
        align_corners = self.upsampling == "align_corners"
        return F.interpolate(x, size, mode="bilinear", align_corners=align_corners)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        a = self.block_a(x)  # (N, 64, H/2, W/2)
        c = self.block_c(self.block_b(a))  # (N, 128, H/4, W/4)
        d = self.block_d(self._resize(c, a.shape[-2:]))
        e = self.block_e(self._resize(d, x.shape[-2:]))
        out: Tensor = self.out_layer(e)
        return out
