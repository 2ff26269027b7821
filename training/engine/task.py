"""What the loop asks of a training: a batch, its losses, its validation, its sheet."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor, nn

from pipeline.domain import RgbImage
from training.engine.checkpoint import Stateful
from training.engine.schedule import learning_rate, set_rate

Nested = TypeVar("Nested")


class Recipe(Protocol):
    """The settings of a run, a frozen dataclass that its checkpoint keeps."""

    @property
    def steps(self) -> int:
        """How many steps the training has."""

    @property
    def seed(self) -> int:
        """Of the first weights, and with a step's number of all that the step draws."""


class Turn(NamedTuple):
    """One descent: losses that are summed, and the optimiser that follows their gradient."""

    optimiser: torch.optim.Optimizer
    losses: Mapping[str, Tensor]
    clip_norm: float | None = None


class Task(ABC):
    """A network and how it is trained.

    A step's random numbers depend on the recipe's seed and the step alone, so that a training
    that was interrupted ends where one run would have. A task makes its networks after
    ``super().__init__``, which seeds torch, and brings them to ``device`` with ``placed``.

    Attributes:
        architecture: the network's name in checkpoints and in the manifest.
        average_decay: of the exponential moving average; None for a training without.
        validates: whether there are held-out pictures to measure on.
        log_every: steps over which losses are averaged.
        validate_every: steps between two validations, and two sheets.
        notes: lines about the data, told before the first step.
        warnings: notes that deserve attention.
        about: what the checkpoint says besides, ``shape`` above all.
        origin: what else the history keeps beside each recipe.
    """

    architecture: str
    precision: str = "bfloat16"  # of convolutions under autocast; losses are float32
    clip_norm: ClassVar[float | None] = 1.0
    average_decay: float | None = None
    validates: ClassVar[bool] = True
    log_every: int = 50
    validate_every: int = 500
    net: nn.Module
    optimiser: torch.optim.Optimizer

    def __init__(self, recipe: Recipe, device: str = "cpu") -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.device = device
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.about: dict[str, Any] = {}
        self.origin: dict[str, Any] = {}

    @abstractmethod
    def batch(self, step: int) -> Any:
        """Tensors of a step, on the CPU, in tuples, lists or named tuples."""

    def losses(self, batch: Any, step: int) -> dict[str, Tensor]:
        """Weighted losses of a batch, whose sum the network descends."""
        raise NotImplementedError

    def turns(self, batch: Any, step: int) -> Iterator[Turn]:
        """The descents of a step; each is done before the next is asked for."""
        yield Turn(self.optimiser, self.losses(batch, step), self.clip_norm)

    def set_rates(self, step: int) -> None:
        """Sets the learning rates of a step: warm-up, constant, cosine to zero."""
        recipe: Any = self.recipe
        set_rate(self.optimiser, recipe.learning_rate * learning_rate(recipe, step))

    def before_step(self, step: int, average: nn.Module) -> None:  # noqa: B027  most need none
        """What changes at a step, as when a phase ends."""

    def phase(self, step: int) -> str:
        """What the step is part of, for people."""
        return ""

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Metrics of the average on held-out pictures; none for a training without."""
        return {}

    def sheet(self, net: nn.Module) -> RgbImage | None:
        """A picture of held-out inputs, targets and predictions; None for a training without."""
        return None

    def parts(self) -> dict[str, Stateful]:
        """What a checkpoint holds by name, the average aside."""
        return {"net": self.net, "optimiser": self.optimiser}

    def placed(self, net: nn.Module) -> Any:
        """The network on the device, channels last."""
        return net.to(self.device, memory_format=torch.channels_last)

    def autocast(self) -> AbstractContextManager[Any]:
        """The precision of the networks' convolutions."""
        half = self.precision == "bfloat16"
        context: AbstractContextManager[Any] = torch.autocast(
            self.device, torch.bfloat16, enabled=half
        )
        return context


def to_device(batch: Nested, device: str) -> Nested:
    """The same nest of tensors on a device."""
    moved: Any = batch
    if isinstance(batch, Tensor):
        moved = batch.to(device)
    elif isinstance(batch, tuple | list):
        parts = [to_device(part, device) for part in batch]
        moved = type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
    return moved
