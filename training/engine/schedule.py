"""The learning rate of a step."""

from __future__ import annotations

import math
from typing import Protocol

import torch


class Schedule(Protocol):
    """The settings of a recipe that its learning rate follows."""

    @property
    def steps(self) -> int:
        """The last step, at which the rate is zero."""

    @property
    def warmup_steps(self) -> int:
        """Steps of a linear rise."""

    @property
    def decay_from(self) -> int:
        """The step from which the rate falls."""


def learning_rate(recipe: Schedule, step: int) -> float:
    """The factor of the base rate: linear warm-up, constant, cosine to zero."""
    if step < recipe.warmup_steps:
        return (step + 1) / recipe.warmup_steps
    if step < recipe.decay_from:
        return 1.0
    done = (step - recipe.decay_from) / max(1, recipe.steps - recipe.decay_from)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Gives all parameters of the optimiser one learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate
