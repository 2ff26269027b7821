"""AnimeGAN or AnimeGANv2: a style from a folder of photographs and one of its frames.

The generator first learns to give the photo back (content loss alone), then discriminator and
generator take a step each in turn.

Source: J. Chen, G. Liu, X. Chen, "AnimeGAN: a novel lightweight GAN for photo animation"
(ISICA 2019); github.com/TachibanaYoshino/AnimeGANv2 for the second version.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.architectures.animegan import AnimeGANGenerator
from pipeline.architectures.animeganv2 import AnimeGANv2Generator
from pipeline.domain import RgbImage
from training.architectures.discriminators import AnimeDiscriminator
from training.data.animegan import AnimeData, Batch
from training.data.tensors import to_picture, to_tensor
from training.engine.checkpoint import Stateful
from training.engine.schedule import set_rate
from training.engine.task import Task, Turn
from training.losses import animegan as losses_of
from training.losses.features import open_features
from training.tasks.animegan_recipe import ARCHITECTURES, Recipe, published

__all__ = ["AnimeGANTask", "Recipe", "networks", "published"]

SAMPLES = 4  # photographs on a sheet
BETAS = (0.5, 0.999)


class AnimeGANTask(Task):
    """Trains a generator against a discriminator on two folders of pictures.

    Args:
        recipe: the settings; ``published`` has those of the paper.
        photos: folder of photographs.
        style: folder of frames.
        features: VGG19 or a float student; None is the first layers of the shipped one.

    Raises:
        TrainingError: a folder has no pictures, a file cannot be read.
    """

    validates = False
    recipe: Recipe

    def __init__(
        self, recipe: Recipe, photos: Path, style: Path, features: Path | None, device: str = "cpu"
    ) -> None:
        super().__init__(recipe, device)
        self.architecture, self.precision = ARCHITECTURES[recipe.version], recipe.precision
        self.log_every, self.validate_every = recipe.log_every, recipe.sheet_every
        self.data = AnimeData(photos, style, recipe.crop_px, recipe.side_px)
        feature_net, origin = open_features(features)
        self.features = self.placed(feature_net)
        self.net, self.discriminator = map(self.placed, networks(recipe))
        nets = (self.net, self.discriminator)
        self.optimiser, self.discriminator_optimiser = (
            torch.optim.Adam(net.parameters(), betas=BETAS) for net in nets
        )
        self.about, self.origin = {"upsampling": recipe.upsampling}, {"features": origin}
        self.warnings, self.notes = self.data.warned, [*self.data.notes, origin]

    def parts(self) -> dict[str, Stateful]:
        return {
            "generator": self.net,
            "discriminator": self.discriminator,
            "generator_optimiser": self.optimiser,
            "discriminator_optimiser": self.discriminator_optimiser,
        }

    def phase(self, step: int) -> str:
        return "initialisation" if step < self.recipe.initialisation_steps else "drawing"

    def before_step(self, step: int, average: nn.Module) -> None:
        """The published training has an optimiser for each phase."""
        if step == self.recipe.initialisation_steps:
            self.optimiser.state.clear()

    def set_rates(self, step: int) -> None:
        initialising = step < self.recipe.initialisation_steps
        rate = self.recipe.initialisation_rate if initialising else self.recipe.generator_rate
        set_rate(self.optimiser, rate)
        set_rate(self.discriminator_optimiser, self.recipe.discriminator_rate)

    def batch(self, step: int) -> Batch:
        recipe = self.recipe
        return self.data.batch(recipe.batch, (recipe.seed, step), recipe.version == "v2")

    def turns(self, batch: Batch, step: int) -> Iterator[Turn]:
        """From the end of the initialisation on the discriminator, then the generator."""
        recipe, initialising = self.recipe, step < self.recipe.initialisation_steps
        losses: dict[str, Tensor] = {}
        with self.autocast():
            drawing = self.net(batch.photo).float()
        if not initialising:
            self.discriminator.requires_grad_(True)
            kinds = [batch.anime, batch.grey, batch.smooth, drawing.detach()]
            with self.autocast():
                scores = self.discriminator(torch.cat(kinds))
            loss = losses_of.discriminator_loss(*scores.float().chunk(len(kinds)))
            named = {"discriminator": recipe.adversarial_weight * loss}
            yield Turn(self.discriminator_optimiser, named)
            self.discriminator.requires_grad_(False)
            with self.autocast():
                score = self.discriminator(drawing).float()
            losses["adversarial"] = recipe.adversarial_weight * losses_of.generator_loss(score)
        with self.autocast():
            of_photo, of_drawing = self.features(batch.photo), self.features(drawing).float()
        content = losses_of.content_loss(of_photo.float(), of_drawing)
        losses["content"] = recipe.content_weight * self.features.content_scale * content
        if not initialising:
            with self.autocast():
                of_grey = self.features(batch.grey)
            style = losses_of.grey_style_loss(of_grey.float(), of_drawing)
            losses["style"] = recipe.style_weight * self.features.style_scale * style
            losses["colour"] = recipe.colour_weight * losses_of.colour_loss(batch.photo, drawing)
            variation = losses_of.total_variation_loss(drawing)
            losses["variation"] = recipe.variation_weight * variation
        yield Turn(self.optimiser, losses)

    def sheet(self, net: nn.Module) -> RgbImage:
        """Rows of photo and drawing, in float32."""
        rows = []
        for photo in self.data.samples(SAMPLES):
            with torch.no_grad():
                drawing = to_picture(net(to_tensor([photo]).to(self.device)))
            rows.append(np.concatenate([photo, drawing], axis=1))
        return np.concatenate(rows)


def networks(recipe: Recipe) -> tuple[nn.Module, nn.Module]:
    """Generator and discriminator with He's first weights, from torch's random numbers."""
    first = recipe.version == "v1"
    generator = AnimeGANGenerator() if first else AnimeGANv2Generator(recipe.upsampling)
    discriminator = AnimeDiscriminator("instance" if first else "layer")
    for module in generator.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, a=0.2)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return generator, discriminator  # the latter's scale is set by spectral normalisation
