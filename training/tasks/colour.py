"""The colouriser: line drawings to coloured pictures, with the user's wishes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from pipeline.architectures.colouriser import Colouriser, ColouriserShape
from pipeline.domain import RgbImage
from training.data.colour import (
    HELD_OUT_DOTS,
    Batch,
    ColouredPictures,
    Folder,
    Sample,
    Wishes,
    stack,
)
from training.data.tensors import to_picture
from training.engine.checkpoint import Stateful
from training.engine.task import Task, Turn
from training.losses.adversarial import PatchDiscriminator, discriminator_loss, generator_losses
from training.losses.pixel import gradient_loss
from training.metrics.colour import colour_metrics

HELD_OUT_PX = 384
SHEET_ROWS, SHEET_PX = 10, 320


@dataclass(frozen=True)
class Recipe:
    """The settings of a run, kept in its checkpoint."""

    steps: int = 6000
    decay_from: int = 4000  # constant learning rate before, cosine to zero after
    batch: int = 8
    crop_px: int = 256
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    average_decay: float = 0.998
    chroma_weight: float = 2.0
    gradient_weight: float = 0.3
    hint_weight: float = 2.0  # of the places of dots
    adversarial_from: int = 1500
    adversarial_weight: float = 0.05
    matching_weight: float = 1.0
    discriminator_rate: float = 2e-4
    hint_share: float = 0.65
    max_hints: int = 24
    palette_share: float = 0.5
    exchange_share: float = 0.5
    drawing_weight: float = 0.5  # of drawings of photographs, for each picture of the folder
    seed: int = 1

    @property
    def wishes(self) -> Wishes:
        """Of the crops."""
        return Wishes(self.hint_share, self.max_hints, self.palette_share, self.exchange_share)


class ColourTask(Task):
    """Trains the colouriser on coloured pictures.

    Args:
        recipe: the settings.
        pictures: a folder of coloured pictures, or a pattern of files in one; the last tenth in
            name order is held out.
        drawings: a folder that ``training.data.targets`` made, whose drawings are used besides.

    Raises:
        NoPictures: there are no pictures of a useful size.
    """

    architecture = "colouriser"
    recipe: Recipe

    def __init__(
        self, recipe: Recipe, pictures: Path, drawings: Path | None = None, device: str = "cpu"
    ) -> None:
        super().__init__(recipe, device)
        shape = ColouriserShape()
        self.net = self.placed(Colouriser(shape))
        self.average_decay = recipe.average_decay
        self.discriminator = self.placed(PatchDiscriminator())
        self.optimiser = torch.optim.Adam(self.net.parameters(), recipe.learning_rate, (0.9, 0.99))
        self.discriminator_optimiser = torch.optim.Adam(
            self.discriminator.parameters(), recipe.discriminator_rate, (0.5, 0.99)
        )
        folders = [Folder(pictures)]
        if drawings:
            folders.append(Folder(drawings, recipe.drawing_weight, pairs=True))
        self.pictures = ColouredPictures(folders)
        held_out = ColouredPictures([Folder(pictures)], validation=True)
        self.held_out = {
            dots: held_out.held_out(HELD_OUT_PX, shape.multiple_of_px, dots)
            for dots in (0, HELD_OUT_DOTS)
        }
        self.about = {"shape": shape.as_dict()}
        self.notes = [f"{len(self.pictures)} pictures, {len(held_out)} held out"]

    def parts(self) -> dict[str, Stateful]:
        names = ("discriminator", "discriminator_optimiser")
        return super().parts() | {name: getattr(self, name) for name in names}

    def batch(self, step: int) -> Batch:
        recipe = self.recipe
        seed = (recipe.seed, step)
        return self.pictures.batch(recipe.batch, recipe.crop_px, recipe.wishes, seed)

    def turns(self, batch: Batch, step: int) -> Iterator[Turn]:
        """The colouriser, then from ``adversarial_from`` on the discriminator."""
        recipe, adversarial = self.recipe, step >= self.recipe.adversarial_from
        with self.autocast():
            prediction = self.net(batch.lines, batch.hints, batch.palette).float()
        losses = colour_losses(prediction, batch, recipe)
        condition = batch.lines.expand_as(batch.target)
        pictures = (self.discriminator, condition, prediction, batch.target)
        if adversarial:
            with self.autocast():
                asked = generator_losses(*pictures)
            losses["adversarial"] = recipe.adversarial_weight * asked.adversarial
            losses["matching"] = recipe.matching_weight * asked.matching
        yield Turn(self.optimiser, losses, self.clip_norm)
        if adversarial:
            with self.autocast():
                loss = discriminator_loss(*pictures)
            yield Turn(self.discriminator_optimiser, {"discriminator": loss})

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Metrics on whole held-out pictures, without dots and with."""
        metrics: dict[str, float] = {}
        for dots, samples in self.held_out.items():
            predictions = [colour(net, sample) for sample in samples]
            measured = colour_metrics(predictions, [sample.target for sample in samples])
            metrics |= {f"{name}_{dots}_dots": value for name, value in measured.items()}
        return metrics

    def sheet(self, net: nn.Module) -> RgbImage:
        """Held-out drawings: lines, without dots, with dots, the artist's."""
        rows = []
        number = len(self.held_out[0])
        for index in range(0, number, max(1, number // SHEET_ROWS)):
            plain, dotted = self.held_out[0][index], self.held_out[HELD_OUT_DOTS][index]
            ink = np.repeat((255 * (1 - plain.ink)).astype(np.uint8)[..., None], 3, 2)
            row = [ink, colour(net, plain), colour(net, dotted), plain.target]
            rows.append(np.concatenate([_square(picture) for picture in row], 1))
        return np.concatenate(rows)


def colour_losses(prediction: Tensor, batch: Batch, recipe: Recipe) -> dict[str, Tensor]:
    """The losses against the artist's colours."""
    target, error = batch.target, prediction - batch.target
    chroma = error - error.mean(1, keepdim=True)
    dots = batch.hints[:, 3:4]
    return {
        "l1": error.abs().mean(),
        "chroma": recipe.chroma_weight * chroma.abs().mean(),
        "gradient": recipe.gradient_weight * gradient_loss(prediction, target),
        "hints": recipe.hint_weight * (error.abs() * dots).sum() / (3 * dots.sum() + 1),
    }


def colour(net: nn.Module, sample: Sample) -> RgbImage:
    """The picture that the torch module makes of a sample."""
    device = next(net.parameters()).device
    batch = stack([sample])
    with torch.inference_mode():
        inputs = (batch.lines, batch.hints, batch.palette)
        return to_picture(net(*(tensor.to(device) for tensor in inputs)))


def _square(picture: RgbImage) -> RgbImage:
    """The picture on a grey square of SHEET_PX."""
    square = np.full((SHEET_PX, SHEET_PX, 3), 128, np.uint8)
    scale = SHEET_PX / max(picture.shape[:2])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    height, width = small.shape[:2]
    square[:height, :width] = small[:SHEET_PX, :SHEET_PX]
    return square
