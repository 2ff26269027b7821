"""The restorer: blur, noise and JPEG artefacts out of photographs, at once and doubled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.architectures.restorer import Restorer, RestorerShape
from pipeline.domain import RgbImage
from training.data.photographs import photographs
from training.data.restorer import Pair, held_out_pairs, levels, sample_pair
from training.data.tensors import to_picture, to_tensor
from training.engine.task import Task
from training.losses.pixel import charbonnier_loss, fourier_loss, gradient_loss
from training.metrics.restoration import gains, restoration_metrics

CHARBONNIER = 0.03  # the error in [-1, 1] up to which the loss is nearly a square


@dataclass(frozen=True)
class Recipe:
    """The settings of a run, kept in its checkpoint."""

    steps: int = 5000
    doubled: int = 8  # of the batch: pairs for both scales
    same_size: int = 6  # of the batch: pairs for the same size alone
    crop_px: int = 96  # of the input
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    decay_from: int = 2000  # constant learning rate before, cosine to zero after
    average_decay: float = 0.998  # of the exponential moving average that is exported
    doubling_weight: float = 0.5  # of the doubled pictures' loss against the others'
    gradient_weight: float = 0.2
    fourier_weight: float = 0.05
    misjudged: float = 0.25  # sigma of the logarithm of told over true levels
    seed: int = 1


class Batch(NamedTuple):
    """Tensors (N, 3, crop, crop), levels (N, 3, 1, 1), and the first targets at twice the size."""

    input: Tensor
    levels: Tensor
    target: Tensor
    doubled: Tensor


class RestorerTask(Task):
    """Trains the restorer on the photographs of a folder, degraded as they are sampled.

    Raises:
        NoPictures: the folder has no photographs.
    """

    architecture = "restorer"
    recipe: Recipe

    def __init__(self, recipe: Recipe, data: Path, device: str = "cpu") -> None:
        super().__init__(recipe, device)
        shape = RestorerShape()
        self.net = self.placed(Restorer(shape))
        self.average_decay = recipe.average_decay
        self.optimiser = torch.optim.Adam(self.net.parameters(), recipe.learning_rate, (0.9, 0.99))
        self.files, self.held_out = photographs(data, validation=False), held_out_pairs(data)
        self.about = {"shape": shape.as_dict()}
        self.notes = [f"{sum(map(len, self.files.values()))} photographs"]

    def batch(self, step: int) -> Batch:
        """The levels are a little wrong, as the quality model's will be."""
        recipe = self.recipe
        count = recipe.doubled + recipe.same_size
        pairs = [
            sample_pair(self.files, n < recipe.doubled, recipe.crop_px, (recipe.seed, step, n))
            for n in range(count)
        ]
        random = np.random.default_rng((recipe.seed, step))
        wrong = np.exp(random.normal(0, recipe.misjudged, (count, 3, 1, 1))).astype(np.float32)
        return Batch(
            to_tensor([pair.input for pair in pairs]),
            levels([pair.damage for pair in pairs]) * torch.from_numpy(wrong),
            to_tensor([pair.target for pair in pairs]),
            to_tensor([pair.doubled for pair in pairs if pair.doubled is not None]),
        )

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        with self.autocast():
            features = self.net.features(batch.input, batch.levels)
            restored = self.net.restored(batch.input, features, batch.levels)
            to_double = (t[: self.recipe.doubled] for t in (batch.input, features, batch.levels))
            doubled = self.net.doubled(*to_double)
        return {
            "restored": self._loss(restored, batch.target),
            "doubled": self.recipe.doubling_weight * self._loss(doubled, batch.doubled),
        }

    def _loss(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Nearly the square, and a little of edges and spectrum: sharper, nothing invented."""
        return (
            charbonnier_loss(prediction, target, CHARBONNIER)
            + self.recipe.gradient_weight * gradient_loss(prediction, target)
            + self.recipe.fourier_weight * fourier_loss(prediction, target)
        )

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Gains over doing nothing by kind of damage, told its true levels."""
        metrics = {}
        for kind, pairs in self.held_out.items():
            restored, doubled = zip(*(restore(net, pair) for pair in pairs), strict=True)
            metrics[kind] = restoration_metrics(pairs, list(restored), list(doubled))
        return gains(metrics)

    def sheet(self, net: nn.Module) -> RgbImage:
        """Two rows for every kind of damage: input, prediction, target."""
        pairs = [pair for kind in self.held_out.values() for pair in kind[:2]]
        return np.vstack([np.hstack([p.input, restore(net, p)[0], p.target]) for p in pairs])


def restore(net: nn.Module, pair: Pair) -> tuple[RgbImage, RgbImage]:
    """The pair's input restored at its size, and doubled, by the torch module."""
    device = next(net.parameters()).device
    photo, level = to_tensor([pair.input]).to(device), levels([pair.damage]).to(device)
    with torch.inference_mode():
        features = net.features(photo, level)
        restored = net.restored(photo, features, level), net.doubled(photo, features, level)
    return to_picture(restored[0]), to_picture(restored[1])
