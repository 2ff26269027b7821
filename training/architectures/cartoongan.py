"""CartoonGAN's generator, for the comparison; ComixGAN's has the same shape.

Source: Y. Chen, Y.-K. Lai, Y.-J. Liu, "CartoonGAN: generative adversarial networks for photo
cartoonization", CVPR 2018, figure 2. Biases and affine instance norms are those of the
authors' PyTorch generator.
"""

from __future__ import annotations

from torch import Tensor, nn


def _norm_and_activation(channels: int) -> list[nn.Module]:
    return [nn.InstanceNorm2d(channels, affine=True), nn.ReLU(inplace=True)]


def _halved(inputs: int, outputs: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, 3, 2, 1),
        nn.Conv2d(outputs, outputs, 3, 1, 1),
        *_norm_and_activation(outputs),
    ]


def _doubled(inputs: int, outputs: int) -> list[nn.Module]:
    return [
        nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, output_padding=1),
        nn.Conv2d(outputs, outputs, 3, 1, 1),
        *_norm_and_activation(outputs),
    ]


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            *_norm_and_activation(channels),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels, affine=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.layers(x)
        return y


class CartoonGANGenerator(nn.Module):
    """float32 (N, 3, H, W) RGB in [-1, 1] to the same shape and range.

    H and W are multiples of 4, at least 8.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(3),
            nn.Conv2d(3, 64, 7),
            *_norm_and_activation(64),
            *_halved(64, 128),
            *_halved(128, 256),
            *(_Residual(256) for _ in range(8)),
            *_doubled(256, 128),
            *_doubled(128, 64),
            nn.ReflectionPad2d(3),
            nn.Conv2d(64, 3, 7),
            nn.Tanh(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Drawings of photos."""
        drawing: Tensor = self.layers(x)
        return drawing
