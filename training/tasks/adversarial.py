"""What tasks share that train a network beside a discriminator of patches."""

from __future__ import annotations

import torch

from training.engine.checkpoint import Stateful
from training.engine.task import Task
from training.losses.adversarial import PatchDiscriminator


class AdversarialTask(Task):
    """A task with a discriminator, which its checkpoint keeps.

    Attributes:
        discriminator: trained in turns with the network.
        discriminator_optimiser: for it.
    """

    discriminator: PatchDiscriminator
    discriminator_optimiser: torch.optim.Optimizer

    def add_discriminator(self, rate: float) -> None:
        """Makes the discriminator, once the network is made, with a learning rate of its own."""
        self.discriminator = self.placed(PatchDiscriminator())
        self.discriminator_optimiser = torch.optim.Adam(
            self.discriminator.parameters(), rate, (0.5, 0.99)
        )

    def parts(self) -> dict[str, Stateful]:
        return super().parts() | {
            "discriminator": self.discriminator,
            "discriminator_optimiser": self.discriminator_optimiser,
        }
