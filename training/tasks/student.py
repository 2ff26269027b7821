"""The student: a small network that learns to draw what a teacher draws."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import safetensors.torch
import torch
from torch import nn

from pipeline.architectures.student import StudentShape
from pipeline.domain import RgbImage
from training.architectures.student import DILATIONS, Student
from training.data.student import Batch, Flaws, degraded, graded_pairs
from training.data.tensors import to_picture, to_tensor
from training.engine.task import Turn
from training.losses.adversarial import discriminator_loss, generator_losses
from training.losses.pixel import contour_weight, energy_loss, fourier_loss, gradient_loss
from training.metrics.drawing import drawing_metrics
from training.tasks.adversarial import AdversarialTask


@dataclass(frozen=True)
class Recipe:
    """The settings of a run, kept in its checkpoint."""

    steps: int = 6000
    decay_from: int = 4000  # constant learning rate before, cosine to zero after
    batch: int = 5
    crop_px: int = 256
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    average_decay: float = 0.998  # of the exponential moving average that is exported
    contour_emphasis: float = 2.0
    gradient_weight: float = 0.3
    energy_weight: float = 2.0
    fourier_weight: float = 0.2
    adversarial_from: int = 100_000  # the step from which a discriminator judges; costs a half more
    adversarial_weight: float = 0.05
    matching_weight: float = 2.0
    discriminator_rate: float = 2e-4
    wall_share: float = 0.05  # of the crops: areas of one colour, which have to come out clean
    noise_share: float = 0.3  # of the crops: with a camera's noise on the photo
    noise_sigma: float = 4.0  # grey levels, at most
    degraded_share: float = 0.0  # of the windows: bad photos, to be drawn as the good ones
    feature_emphasis: float = 3.0  # of the eyes and mouths of heads
    blocks: int = 6  # residual ones; a start with fewer is grown
    seed: int = 1


class StudentTask(AdversarialTask):
    """Trains a student on a teacher's drawings.

    Args:
        recipe: the settings.
        targets: a folder that ``training.data.targets`` made.
        validation: the same, of held-out photographs.
        style: whose grade the targets get; without it they stay as they are.
        start_from: a float student to fine-tune, of as many blocks or fewer.

    Raises:
        InvalidSetting: there is no such style.
        NoPictures: a folder has no targets.
    """

    architecture = "student"
    recipe: Recipe

    def __init__(
        self,
        recipe: Recipe,
        targets: Path,
        validation: Path,
        style: str | None = None,
        start_from: Path | None = None,
        device: str = "cpu",
    ) -> None:
        super().__init__(recipe, device)
        shape = StudentShape(dilations=DILATIONS[: recipe.blocks])
        self.net = self.placed(Student(shape))
        self.average_decay = recipe.average_decay
        self.optimiser = torch.optim.Adam(self.net.parameters(), recipe.learning_rate, (0.9, 0.99))
        self.add_discriminator(recipe.discriminator_rate)
        if start_from:
            self.net.begin_with(safetensors.torch.load_file(start_from))
        self.pairs, self.held_out = (
            graded_pairs(folder, style, recipe.crop_px) for folder in (targets, validation)
        )
        self.flaws = Flaws(recipe.wall_share, recipe.noise_share, recipe.noise_sigma)
        if recipe.degraded_share:
            self.pairs.input_transform = degraded(recipe.degraded_share)
        self.about = {"shape": shape.as_dict()}
        self.notes = [f"{len(self.pairs.inputs)} windows, {len(self.held_out.inputs)} held out"]

    def batch(self, step: int) -> Batch:
        return self.pairs.batch(self.recipe.batch, self.flaws, (self.recipe.seed, step))

    def turns(self, batch: Batch, step: int) -> Iterator[Turn]:
        """The student, then from ``adversarial_from`` on the discriminator."""
        recipe, adversarial = self.recipe, step >= self.recipe.adversarial_from
        with self.autocast():
            prediction = self.net(batch.input, batch.thumbnail).float()
        emphasis = contour_weight(batch.target, recipe.contour_emphasis)
        emphasis = emphasis * (1 + recipe.feature_emphasis * batch.feature_weight)
        losses = {
            "l1": ((prediction - batch.target).abs() * emphasis).mean(),
            "gradient": recipe.gradient_weight * gradient_loss(prediction, batch.target),
            "energy": recipe.energy_weight * energy_loss(prediction, batch.target),
            "fourier": recipe.fourier_weight * fourier_loss(prediction, batch.target),
        }
        pictures = (self.discriminator, batch.input, prediction, batch.target)
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
        """Metrics on whole held-out windows."""
        predictions = [self._draw(net, number) for number in range(len(self.held_out.inputs))]
        return drawing_metrics(predictions, self.held_out.targets)

    def sheet(self, net: nn.Module) -> RgbImage:
        """Every fourth held-out window: input, target, prediction."""
        rows = []
        for number in range(0, len(self.held_out.inputs), 4):
            pair = [self.held_out.inputs[number], self.held_out.targets[number]]
            row = np.hstack([*pair, self._draw(net, number)])
            rows.append(cv2.resize(row, (1152, 384), interpolation=cv2.INTER_AREA))
        return np.vstack(rows)

    def _draw(self, net: nn.Module, number: int) -> RgbImage:
        pictures = (self.held_out.inputs[number], self.held_out.thumbnails[number])
        with torch.inference_mode():
            return to_picture(net(*(to_tensor([picture]).to(self.device) for picture in pictures)))
