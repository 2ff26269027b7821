"""What a student is told about its drawing."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def contour_weight(target: Tensor, emphasis: float) -> Tensor:
    """(N, 3, H, W) in [-1, 1] to (N, 1, H, W) in [1, 1 + emphasis]: larger on dark thin lines.

    Lines cover few pixels and their place is uncertain by a pixel, so a plain L1 would rather
    leave them out. Measured as in ``figures.dark_lines``: closing minus picture.
    """
    grey = target.mean(1, keepdim=True)
    closed = -F.max_pool2d(-F.max_pool2d(grey, 7, 1, 3), 7, 1, 3)
    depth = (closed - grey) / (60 / 127.5)  # a line of 60 grey levels counts in full
    return 1 + emphasis * depth.clamp(0, 1)


def gradient_loss(drawing: Tensor, target: Tensor) -> Tensor:
    """L1 between first differences: where edges are and how steep."""
    down = (drawing.diff(dim=2) - target.diff(dim=2)).abs().mean()
    across = (drawing.diff(dim=3) - target.diff(dim=3)).abs().mean()
    return down + across


def fourier_loss(drawing: Tensor, target: Tensor) -> Tensor:
    """L1 between spectra (real and imaginary part): keeps fine structure that L1 averages away."""
    spectrum = torch.fft.rfft2(drawing - target, norm="ortho")
    return torch.view_as_real(spectrum).abs().mean()


def energy_loss(drawing: Tensor, target: Tensor, patch_px: int = 8) -> Tensor:
    """L1 between the mean gradients of patches: as crisp as the target, wherever in the patch.

    L1 losses draw a line whose place is uncertain by a pixel as a soft one; this one asks for
    a line of the right contrast in the patch and leaves its place to the others.
    """
    pairs = [(drawing.diff(dim=side), target.diff(dim=side)) for side in (2, 3)]
    energies = [[F.avg_pool2d(x.abs(), patch_px, patch_px // 2) for x in pair] for pair in pairs]
    return torch.stack([(made - wanted).abs().mean() for made, wanted in energies]).sum()


def feature_loss(of_drawing: list[Tensor], of_target: list[Tensor]) -> Tensor:
    """Mean over the layers of the L1 between features."""
    pairs = zip(of_drawing, of_target, strict=True)
    return torch.stack([(d - t).abs().mean() for d, t in pairs]).mean()


class PatchDiscriminator(nn.Module):
    """Does a patch of this drawing belong to this photo? (N, 6, H, W) to (N, 1, H/8, W/8).

    Isola et al., "Image-to-image translation with conditional adversarial networks", CVPR 2017,
    with spectral normalisation. ``forward`` gives the features too, for feature matching.
    """

    def __init__(self, channels: int = 48) -> None:
        super().__init__()
        norm = nn.utils.parametrizations.spectral_norm
        c = channels
        self.layers = nn.ModuleList(
            [
                norm(nn.Conv2d(24, c, 3, 1, 1)),
                norm(nn.Conv2d(c, 2 * c, 4, 2, 1)),
                norm(nn.Conv2d(2 * c, 3 * c, 4, 2, 1)),
            ]
        )
        self.score = norm(nn.Conv2d(3 * c, 1, 3, 1, 1))

    def forward(self, photo: Tensor, drawing: Tensor) -> tuple[Tensor, list[Tensor]]:
        y = F.pixel_unshuffle(torch.cat([photo, drawing], 1), 2)  # (N, 24, H/2, W/2)
        features = []
        for layer in self.layers:
            y = F.leaky_relu(layer(y), 0.2)
            features.append(y)
        return self.score(y), features
