"""A discriminator of patches, and the losses that it gives: for any task that needs crispness."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PatchDiscriminator(nn.Module):
    """Whether a patch of this picture belongs to this input: (N, 6, H, W) to (N, 1, H/8, W/8).

    Source: Isola et al., "Image-to-image translation with conditional adversarial networks",
    CVPR 2017, with spectral normalisation.
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

    def forward(self, condition: Tensor, picture: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Scores in float32, 1 for what belongs, and the features in front of them."""
        y = F.pixel_unshuffle(torch.cat([condition, picture], 1), 2)  # (N, 24, H/2, W/2)
        features = []
        for layer in self.layers:
            y = F.leaky_relu(layer(y), 0.2)
            features.append(y.float())
        return self.score(y).float(), features


class GeneratorLosses(NamedTuple):
    """What the discriminator asks of the generator."""

    adversarial: Tensor
    matching: Tensor


def generator_losses(
    discriminator: nn.Module, condition: Tensor, prediction: Tensor, target: Tensor
) -> GeneratorLosses:
    """Least squares for scores of 1, and L1 between the features of prediction and target.

    The discriminator's own weights get no gradient. The caller sets the precision (autocast).

    Args:
        discriminator: a PatchDiscriminator, or one like it.
        condition: (N, 3, H, W), what the prediction was made of.
        prediction: (N, 3, H, W), with its gradient.
        target: (N, 3, H, W).
    """
    discriminator.requires_grad_(False)
    score, features = discriminator(condition, prediction)
    _, target_features = discriminator(condition, target)
    return GeneratorLosses((score - 1).square().mean(), feature_loss(features, target_features))


def discriminator_loss(
    discriminator: nn.Module, condition: Tensor, prediction: Tensor, target: Tensor
) -> Tensor:
    """Least squares for scores of 1 for targets and 0 for predictions, which get no gradient."""
    discriminator.requires_grad_(True)
    real, _ = discriminator(condition, target)
    fake, _ = discriminator(condition, prediction.detach())
    loss: Tensor = (real - 1).square().mean() + fake.square().mean()
    return loss


def feature_loss(prediction: list[Tensor], target: list[Tensor]) -> Tensor:
    """Mean over the layers of the L1 between features."""
    pairs = zip(prediction, target, strict=True)
    return torch.stack([(p - t).abs().mean() for p, t in pairs]).mean()
