"""The quality model: what a photo suffers from, in the units of what was done to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import smooth_l1_loss

from pipeline.architectures.quality import MEASURES, QualityModel, QualityShape, normalise
from pipeline.domain import RgbImage
from training.data.photographs import photographs
from training.data.quality import (
    Inputs,
    Shares,
    held_out_cases,
    model_inputs,
    sample_case,
    targets_by_kind,
)
from training.engine.task import Task
from training.metrics.quality import quality_metrics, thresholds_of


@dataclass(frozen=True)
class Recipe:
    """The settings of a run, kept in its checkpoint."""

    steps: int = 8000
    batch: int = 12
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    decay_from: int = 3000  # constant learning rate before, cosine to zero after
    average_decay: float = 0.998  # of the exponential moving average that is exported
    whole: float = 0.4  # share of whole photographs, the others are windows of some
    darkened: float = 0.2  # share that is darkened besides what else is done to it
    brightened: float = 0.3  # share of the dark photos that are shown after the brightening
    round: float = 0.1  # of the loss: errors up to this count by their square
    seed: int = 1

    @property
    def shares(self) -> Shares:
        """How cases are sampled."""
        return Shares(self.whole, self.darkened, self.brightened)


class Batch(NamedTuple):
    """What the model is shown, and the measures (N, 5) that are its target."""

    inputs: Inputs
    target: Tensor


class QualityTask(Task):
    """Trains the quality model on the photographs of a folder, degraded as they are sampled.

    Raises:
        NoPictures: the folder has no photographs.
    """

    architecture = "quality"
    recipe: Recipe

    def __init__(self, recipe: Recipe, data: Path, device: str = "cpu") -> None:
        super().__init__(recipe, device)
        self.shape = QualityShape()
        self.net = self.placed(QualityModel(self.shape))
        self.average_decay = recipe.average_decay
        self.optimiser = torch.optim.Adam(self.net.parameters(), recipe.learning_rate, (0.9, 0.99))
        self.files = photographs(data, validation=False)
        self.held_out = held_out_cases(data)
        self.about = {"shape": self.shape.as_dict()}
        self.notes = [f"{sum(map(len, self.files.values()))} photographs"]

    def batch(self, step: int) -> Batch:
        recipe = self.recipe
        cases = [
            sample_case(self.files, None, recipe.shares, (recipe.seed, step, number))
            for number in range(recipe.batch)
        ]
        target = torch.from_numpy(np.stack([case.target for case in cases]))
        return Batch(model_inputs([case.photo for case in cases], self.shape), target)

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        with self.autocast():
            prediction = self.net.normalised(*batch.inputs).float()
        target, beta = normalise(batch.target), self.recipe.round
        losses = smooth_l1_loss(prediction, target, beta=beta, reduction="none").mean(0)
        return dict(zip(MEASURES, losses, strict=True))

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Metrics on held-out photos, with thresholds such as these give themselves."""
        predictions = {
            kind: predict(net, [case.photo for case in cases])
            for kind, cases in self.held_out.items()
        }
        thresholds = thresholds_of(predictions["clean"])
        return quality_metrics(predictions, targets_by_kind(self.held_out), thresholds)


def predict(model: nn.Module, photos: Sequence[RgbImage]) -> NDArray[np.float32]:
    """(N, 5): the measures that the torch module predicts."""
    device = next(model.parameters()).device
    with torch.inference_mode():
        inputs = (tensor.to(device) for tensor in model_inputs(photos, model.shape))
        prediction: NDArray[np.float32] = model(*inputs).cpu().numpy()
    return prediction
