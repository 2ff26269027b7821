"""What a face parser is compared with its teacher by."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# By what a place holds: about the inverse square root of how much of a face a region covers.
WEIGHTS = (1, 1, 4, 4, 5, 5, 3, 3, 3, 5, 2, 4, 4, 4, 1.5, 4, 1, 1, 1.5)
MIN_MASS = 4.0  # cells of a region in a batch from which on its overlap is asked for


def cross_entropy(logits: Tensor, target: Tensor, counts: Tensor) -> Tensor:
    """Cross entropy with the teacher's probabilities, weighted by place.

    A weight is of the place, the same for all regions there: weights by region would make the
    student over-predict the heavily weighted ones.

    Args:
        logits: (N, 19, h, w).
        target: the teacher's probabilities, of the same shape.
        counts: (N, 1, h, w), 1 where the target is known.
    """
    by_region = torch.tensor(WEIGHTS, device=target.device).reshape(1, -1, 1, 1)
    weights = (target * by_region).sum(1, keepdim=True) * counts
    entropy = -(target * F.log_softmax(logits, 1)).sum(1, keepdim=True)
    return (entropy * weights).sum() / weights.sum()


def overlap_loss(logits: Tensor, target: Tensor, counts: Tensor) -> Tensor:
    """One minus Dice's overlap, the mean over the regions of the batch; see ``cross_entropy``."""
    prediction, target = logits.softmax(1) * counts, target * counts
    shared = (prediction * target).sum((0, 2, 3))
    both = (prediction.square() + target.square()).sum((0, 2, 3))
    present = target.sum((0, 2, 3)) > MIN_MASS
    return (1 - 2 * shared / (both + 1e-6))[present].mean()
