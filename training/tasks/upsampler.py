"""The upsampler: drawings at twice the size, with a photograph as the guide.

What the network predicts is compared after the steepening that follows it where it is used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.architectures.upsampler import Upsampler, UpsamplerShape
from pipeline.domain import RgbImage
from pipeline.enlarge import PASSES
from training.data.tensors import to_picture, to_tensor
from training.data.upsampler import (
    Batch,
    DrawnPair,
    FaultLimits,
    degrade_drawing,
    drawn_pairs,
    sample_batch,
)
from training.engine.schedule import set_rate
from training.engine.task import Task
from training.losses.pixel import contour_weight, energy_loss, gradient_loss, steepen_tensor
from training.metrics.drawing import upsampling_metrics

WARMUP_STEPS = 100


@dataclass(frozen=True)
class Recipe:
    """The settings of a run, kept in its checkpoint."""

    steps: int = 2000
    batch: int = 12
    crop_px: int = 96  # of the target; a multiple of 4
    learning_rate: float = 2e-3
    line_emphasis: float = 2.0  # how much more dark thin lines count
    energy_weight: float = 0.5
    gradient_weight: float = 1.0
    reduced: float = 0.6  # scale at which thin drawings are shown a second time
    blur_least: float = 0.3  # sigma in pixels of the input
    blur_most: float = 0.7
    grain: float = 5.0  # sigma in grey levels, at most
    beads: float = 0.05  # sigma as a share of an edge's contrast, at most
    grid: float = 2.0  # sigma in grey levels, at most
    photo_noise: float = 5.0  # sigma in grey levels, at most, of the guide
    passes: int = PASSES  # of the steepening behind the network, while it learns
    average_decay: float = 0.995
    seed: int = 1

    @property
    def limits(self) -> FaultLimits:
        """Of the faults of the inputs."""
        blur_px = (self.blur_least, self.blur_most)
        return FaultLimits(blur_px, self.grain, self.beads, self.grid, self.photo_noise)

    def middling(self, drawings: list[RgbImage]) -> list[RgbImage]:
        """Inputs to measure with, the same for the same drawings in the same order."""
        faults = self.limits.middling()
        return [degrade_drawing(d, faults, (self.seed, n)) for n, d in enumerate(drawings)]


class UpsamplerTask(Task):
    """Trains the upsampler on folders that ``training.data.upsampler_targets`` made.

    Raises:
        NoPictures: a folder has no pairs.
    """

    architecture = "upsampler"
    precision = "float32"
    clip_norm = None
    log_every = 100
    validate_every = 1000
    recipe: Recipe

    def __init__(
        self, recipe: Recipe, targets: Path, validation: Path, device: str = "cpu"
    ) -> None:
        super().__init__(recipe, device)
        shape = UpsamplerShape()
        self.net = Upsampler(shape).to(device)
        self.average_decay = recipe.average_decay
        self.optimiser = torch.optim.Adam(self.net.parameters(), recipe.learning_rate, (0.9, 0.99))
        self.pairs = drawn_pairs(targets, recipe.reduced, recipe.crop_px)
        self.held_out = drawn_pairs(validation, recipe.reduced)
        self.about = {"shape": shape.as_dict()}
        self.notes = [f"{len(self.pairs)} drawings, {len(self.held_out)} held out"]

    def set_rates(self, step: int) -> None:
        """A short warm-up, cosine to zero from the start."""
        falling = 0.5 * (1 + math.cos(math.pi * step / self.recipe.steps))
        warm = (step + 1) / WARMUP_STEPS
        set_rate(self.optimiser, self.recipe.learning_rate * min(falling, warm))

    def batch(self, step: int) -> Batch:
        recipe = self.recipe
        seed = (recipe.seed, step)
        return sample_batch(self.pairs, recipe.batch, recipe.crop_px, recipe.limits, seed)

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        recipe, target = self.recipe, batch.target
        with self.autocast():
            prediction = self.net(batch.input, batch.guide).float()
        steep = steepen_tensor(prediction, recipe.passes)
        weight = contour_weight(target, recipe.line_emphasis)
        return {
            "l1": (weight * (steep - target).abs()).mean(),
            "gradient": recipe.gradient_weight * gradient_loss(steep, target),
            "energy": recipe.energy_weight * energy_loss(steep, target, 4),
        }

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Metrics on held-out drawings with middling faults."""
        targets = [drawing for _, drawing in self.held_out]
        inputs = self.recipe.middling(targets)
        return upsampling_metrics(inputs, upsample(net, inputs, self.held_out), targets)


def upsample(net: nn.Module, inputs: list[RgbImage], pairs: list[DrawnPair]) -> list[RgbImage]:
    """The inputs at twice the size as the torch module predicts them, not yet steepened."""
    device = next(net.parameters()).device
    with torch.inference_mode():
        return [
            to_picture(net(to_tensor([picture]).to(device), to_tensor([photo]).to(device)))
            for picture, (photo, _) in zip(inputs, pairs, strict=True)
        ]
