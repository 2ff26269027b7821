"""The exponential moving average of the weights, which is what gets exported."""

from __future__ import annotations

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

WARMUP = 9  # the n-th average keeps at most n / (n + WARMUP) of the one before


def averaged(net: nn.Module, decay: float) -> AveragedModel:
    """Starts an average at the network's first weights.

    The decay is smaller at first, or the average would long remember the random weights that it
    began with. Buffers are copied: what batch normalisation counts is a moving average already.

    Args:
        net: the network that is trained.
        decay: share of the average that a step keeps, in the long run.

    Returns:
        The average; ``module`` is the network, which needs no gradient.
    """

    def update(averages: list[Tensor], weights: list[Tensor], count: Tensor | int) -> None:
        n = int(count)  # for all tensors at once: on a GPU each would wait for the number
        for mean, now in zip(averages, weights, strict=True):
            mean.lerp_(now, 1 - min(decay, n / (n + WARMUP)))

    average = AveragedModel(net, multi_avg_fn=update).requires_grad_(False)
    return set_count(average, 0)


def set_count(average: AveragedModel, steps: int) -> AveragedModel:
    """Tells the average how many steps it has seen; the first weights count as one more."""
    average.n_averaged.fill_(steps + 1)
    return average
