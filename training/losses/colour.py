"""Losses of the colouriser: against the artist's colours, and against the palette's bins."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pipeline.architectures.colouriser import split
from training.data.colour import Batch
from training.losses.pixel import gradient_loss


def colour_losses(answer: Tensor, batch: Batch, bin_weights: Tensor) -> dict[str, Tensor]:
    """The losses against the artist's colours, by name, not weighted yet.

    Pictures count only where the batch has dots: without dots the network would learn to be grey.

    Args:
        answer: the network's, (N, 48 + B, H/4, W/4).
        batch: what the network was given, and its targets.
        bin_weights: (B,) of the palette's bins.
    """
    prediction, scores = split(answer)
    dots = batch.hints[:, 3:4]
    dotted = (dots.amax((1, 2, 3), keepdim=True) > 0).float()
    share = dotted.mean().clamp(min=1 / len(dotted))
    error = (prediction - batch.target) * dotted / share
    chroma = error - error.mean(1, keepdim=True)
    steps = gradient_loss(prediction * dotted, batch.target * dotted) / share
    weights = (batch.bins * bin_weights[:, None, None]).sum(1)
    entropy = -(batch.bins * F.log_softmax(scores, 1)).sum(1)
    return {
        "l1": error.abs().mean(),
        "chroma": chroma.abs().mean(),
        "gradient": steps,
        "hints": (error.abs() * dots).sum() / (3 * dots.sum() + 1),
        "bins": (entropy * weights).mean(),
    }


def rebalanced(frequencies: NDArray[np.float64], share: float) -> Tensor:
    """Weights of bins, rare ones more, whose mean over all pixels is 1.

    Source: as of ``pipeline.architectures.colouriser``, section 2.2 of the paper.

    Args:
        frequencies: (B,) of the bins, whose sum is 1.
        share: 0 for equal weights, 1 for equal influence of the bins.
    """
    smooth = (1 - share) / len(frequencies) + share * frequencies
    weights = 1 / smooth
    weights /= (weights * frequencies).sum()
    return torch.tensor(weights, dtype=torch.float32)
