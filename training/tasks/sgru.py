"""SGRU: the published network that colours line drawings, with its losses.

Source: as of ``training.architectures.sgru``. The final loss is a per-pixel one and a perceptual
one, and the discriminator, spectrally normalised, is the perceptual network. Of the nine proposals
the nearest counts (hindsight: Chen, Koltun, "Photographic image synthesis with cascaded refinement
networks", ICCV 2017).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from pipeline.domain import RgbImage
from training.architectures.sgru import SGRU
from training.data.colour import Batch, Sample, Wishes, open_pictures, stack
from training.data.tensors import to_picture
from training.engine.task import Turn
from training.losses.adversarial import discriminator_loss
from training.metrics.colour import colour_metrics
from training.tasks.adversarial import AdversarialTask

HELD_OUT_PX = 256
MULTIPLE_OF_PX = 32
NO_WISHES = Wishes(hint_share=0, max_hints=1, palette_share=0, exchange_share=0)


@dataclass(frozen=True)
class Recipe:
    """The settings of a run, kept in its checkpoint."""

    steps: int = 100_000
    decay_from: int = 80_000  # constant learning rate before, cosine to zero after
    batch: int = 1
    crop_px: int = 256
    learning_rate: float = 1e-4
    warmup_steps: int = 100
    average_decay: float = 0.99
    perceptual_weight: float = 1.0
    discriminator_rate: float = 1e-4
    drawing_weight: float = 0.5  # of drawings of photographs, for each picture of the folder
    seed: int = 1


class Nearest(NamedTuple):
    """The losses of the nearest proposals, and the proposals (N, 3, H, W)."""

    pixel: Tensor
    perceptual: Tensor
    pictures: Tensor


class SgruTask(AdversarialTask):
    """Trains SGRU on coloured pictures.

    Args:
        recipe: the settings.
        pictures: a folder of coloured pictures, or a pattern of files in one; the last tenth in
            name order is held out.
        drawings: a folder that ``training.data.targets`` made, whose drawings are used besides.

    Raises:
        NoPictures: there are no pictures of a useful size.
    """

    architecture = "sgru"
    recipe: Recipe

    def __init__(
        self, recipe: Recipe, pictures: Path, drawings: Path | None = None, device: str = "cpu"
    ) -> None:
        super().__init__(recipe, device)
        self.net = SGRU().to(device)  # channels last, oneDNN was measured to take twice the time
        self.average_decay = recipe.average_decay
        self.optimiser = torch.optim.Adam(self.net.parameters(), recipe.learning_rate)
        self.add_discriminator(recipe.discriminator_rate)
        self.pictures, held_out = open_pictures(pictures, drawings, recipe.drawing_weight)
        self.held_out = held_out.held_out(HELD_OUT_PX, MULTIPLE_OF_PX, 0)
        self.notes = [f"{len(self.pictures)} pictures, {len(held_out)} held out"]

    def batch(self, step: int) -> Batch:
        recipe = self.recipe
        return self.pictures.batch(recipe.batch, recipe.crop_px, NO_WISHES, (recipe.seed, step))

    def turns(self, batch: Batch, step: int) -> Iterator[Turn]:
        """The network, then the discriminator, which tells the nearest proposal from the target."""
        condition = batch.lines.expand_as(batch.target)
        with self.autocast():
            proposals = self.net(batch.lines).float()
            self.discriminator.requires_grad_(False)
            nearest = nearest_proposals(self.discriminator, condition, proposals, batch.target)
        weighted = self.recipe.perceptual_weight * nearest.perceptual
        yield Turn(self.optimiser, {"pixel": nearest.pixel, "perceptual": weighted}, self.clip_norm)
        with self.autocast():
            loss = discriminator_loss(self.discriminator, condition, nearest.pictures, batch.target)
        yield Turn(self.discriminator_optimiser, {"discriminator": loss})

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Metrics of the first proposals on whole held-out pictures."""
        predictions = [proposals(net, sample)[0] for sample in self.held_out]
        return colour_metrics(predictions, [sample.target for sample in self.held_out])


def nearest_proposals(
    discriminator: nn.Module, condition: Tensor, proposals: Tensor, target: Tensor
) -> Nearest:
    """Chooses a proposal for each drawing, and compares it with the target.

    Args:
        discriminator: whose features are compared; a PatchDiscriminator, or one like it.
        condition: (N, 3, H, W), the lines.
        proposals: (N, P, 3, H, W).
        target: (N, 3, H, W).
    """
    distances = (proposals - target[:, None]).abs().mean((2, 3, 4))  # (N, P)
    best = distances.argmin(1)
    pictures = proposals[torch.arange(len(best)), best]
    features, target_features = (
        discriminator(condition, picture)[1] for picture in (pictures, target)
    )
    apart = [(f - t).abs().mean() for f, t in zip(features, target_features, strict=True)]
    return Nearest(distances.min(1).values.mean(), torch.stack(apart).mean(), pictures)


def proposals(net: nn.Module, sample: Sample) -> list[RgbImage]:
    """The pictures that the torch module proposes for a sample."""
    device = next(net.parameters()).device
    with torch.inference_mode():
        colours = net(stack([sample]).lines.to(device))[0]
    return [to_picture(colour[None]) for colour in colours]
