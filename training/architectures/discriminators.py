"""The discriminators of AnimeGAN and AnimeGANv2: one net, two ways to normalise.

Source: as of ``pipeline.architectures.animegan``; spectral normalisation is T. Miyato et al.,
"Spectral normalization for generative adversarial networks", ICLR 2018, one power iteration a pass.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

NORMS = ("instance", "layer")


def _norm(kind: str, channels: int) -> nn.Module:
    if kind == "instance":
        return nn.InstanceNorm2d(channels, affine=True)
    return nn.GroupNorm(1, channels)  # layer norm over (C, H, W), affine per channel


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    return spectral_norm(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False))


class AnimeDiscriminator(nn.Module):
    """Is this patch drawn? float32 (N, 3, H, W) RGB in [-1, 1] to scores (N, 1, H/4, W/4).

    ``norm`` is "instance" (AnimeGAN) or "layer" (AnimeGANv2). H and W are multiples of 4. The
    scores are unbounded: the least-squares loss wants 1 for drawn and 0 for not.
    """

    def __init__(self, norm: str, channels: int = 32) -> None:
        super().__init__()
        if norm not in NORMS:
            raise ValueError(f"norm is {norm!r}; it is one of {NORMS}")
        layers: list[nn.Module] = [_convolution(3, channels), nn.LeakyReLU(0.2, inplace=True)]
        wide = channels
        for _ in range(2):  # each halves the picture and doubles the channels
            layers += [
                _convolution(wide, 2 * channels, stride=2),
                nn.LeakyReLU(0.2, inplace=True),
                _convolution(2 * channels, 4 * channels),
                _norm(norm, 4 * channels),
                nn.LeakyReLU(0.2, inplace=True),
            ]
            wide, channels = 4 * channels, 2 * channels
        layers += [
            _convolution(wide, wide),
            _norm(norm, wide),
            nn.LeakyReLU(0.2, inplace=True),
            _convolution(wide, 1),
        ]
        self.layers = nn.Sequential(*layers)

    def forward(self, picture: Tensor) -> Tensor:
        """Scores of patches."""
        scores: Tensor = self.layers(picture)
        return scores
