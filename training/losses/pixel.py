"""Losses between a prediction and its target: (N, 3, H, W) in [-1, 1] both, to a scalar."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.enlarge import GAIN, GRAIN


def contour_weight(target: Tensor, emphasis: float) -> Tensor:
    """Weighs the places of dark thin lines.

    Lines cover few pixels and their place is uncertain by a pixel, so a plain L1 would rather
    leave them out. Measured as in ``metrics.drawing.dark_lines``: closing minus picture.

    Args:
        target: (N, 3, H, W) in [-1, 1].
        emphasis: how much more a line counts than all else.

    Returns:
        (N, 1, H, W) in [1, 1 + emphasis].
    """
    grey = target.mean(1, keepdim=True)
    closed = -F.max_pool2d(-F.max_pool2d(grey, 7, 1, 3), 7, 1, 3)
    depth = (closed - grey) / (60 / 127.5)  # a line of 60 grey levels counts in full
    return 1 + emphasis * depth.clamp(0, 1)


def charbonnier_loss(prediction: Tensor, target: Tensor, epsilon: float) -> Tensor:
    """Nearly a square up to ``epsilon``, L1 beyond (P. Charbonnier et al., ICIP 1994)."""
    error = (prediction - target).square() + epsilon * epsilon
    return error.sqrt().mean() - epsilon


def gradient_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """L1 between first differences: where edges are and how steep."""
    down = (prediction.diff(dim=2) - target.diff(dim=2)).abs().mean()
    across = (prediction.diff(dim=3) - target.diff(dim=3)).abs().mean()
    return down + across


def fourier_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """L1 between spectra (real and imaginary part): keeps fine structure that L1 averages away."""
    spectrum = torch.fft.rfft2(prediction - target, norm="ortho")
    return torch.view_as_real(spectrum).abs().mean()


def energy_loss(prediction: Tensor, target: Tensor, patch_px: int = 8) -> Tensor:
    """L1 between the mean gradients of patches: as crisp as the target, wherever in the patch.

    L1 losses draw a line whose place is uncertain by a pixel as a soft one; this one asks for
    a line of the right contrast in the patch and leaves its place to the others.
    """
    pairs = [(prediction.diff(dim=side), target.diff(dim=side)) for side in (2, 3)]
    energies = [[F.avg_pool2d(x.abs(), patch_px, patch_px // 2) for x in pair] for pair in pairs]
    return torch.stack([(p - t).abs().mean() for p, t in energies]).sum()


def steepen_tensor(drawing: Tensor, passes: int) -> Tensor:
    """``pipeline.enlarge.steepen`` in ``passes``, differentiable: (N, 3, H, W) to the same."""
    line = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], device=drawing.device) / 16
    kernel = torch.outer(line, line).expand(3, 1, 5, 5)
    for _ in range(passes):
        soft = F.conv2d(F.pad(drawing, (2, 2, 2, 2), mode="reflect"), kernel, groups=3)
        sharp = GAIN * drawing + (1 - GAIN) * soft
        lightest, darkest = F.max_pool2d(drawing, 3, 1, 1), -F.max_pool2d(-drawing, 3, 1, 1)
        sharp = torch.minimum(torch.maximum(sharp, darkest), lightest)
        is_edge = lightest - darkest > (GRAIN + 0.5) / 127.5
        drawing = torch.where(is_edge, sharp, drawing)
    return drawing
