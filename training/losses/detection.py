"""What a detector is compared with its teacher by: the blocks on the way, and the answers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, smooth_l1_loss

from pipeline.architectures.retinaface import PRIORS

MIN_FACE = 0.1  # the teacher's score from which on a prior's box and landmarks count


def block_loss(prediction: Tensor, target: Tensor, scale: Tensor, weight: Tensor) -> Tensor:
    """Weighted L1 of features (N, C, H, W).

    Args:
        prediction: what the student's block makes.
        target: what the teacher's makes.
        scale: (1, C, 1, 1), the unit of each channel.
        weight: (N, 1, H, W), how much a place counts.
    """
    return ((prediction - target).abs() / scale * weight).mean() / weight.mean()


def face_weights(score: Tensor, sides: Sequence[torch.Size], emphasis: float) -> list[Tensor]:
    """Weighs the places of features by whether there is a face.

    Args:
        score: (N, P), of all priors.
        sides: shapes (N, C, H, W) of the levels, in the order of the priors.
        emphasis: how much more a place with a face counts.

    Returns:
        (N, 1, H, W) by level: 1 and ``emphasis`` times the highest score there.
    """
    weights, first = [], 0
    for count, _, height, width in sides:
        priors = PRIORS * height * width
        level = score[:, first : first + priors].reshape(count, 1, height, width, PRIORS)
        weights.append(1 + emphasis * level.amax(4))
        first += priors
    return weights


def answer_losses(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Losses of the answers (N, P, 15) for score, box and landmarks.

    The scores' cross-entropy is weighted by how far off they are; the errors of boxes and
    landmarks, in units of the deltas, by the teacher's score.
    """
    score, target_score = prediction[..., 4].clamp(1e-6, 1 - 1e-6), target[..., 4]
    off = (score.detach() - target_score).abs()
    entropy = binary_cross_entropy(score, target_score, reduction="none") * off
    faces = torch.where(target_score > MIN_FACE, target_score, 0)
    count = faces.sum() + 1

    def regression(values: slice, beta: float) -> Tensor:
        pair = (prediction[..., values], target[..., values])
        errors = smooth_l1_loss(*pair, beta=beta, reduction="none")
        loss: Tensor = (errors.mean(2) * faces).sum() / count
        return loss

    return entropy.sum() / count, regression(slice(4), 0.1), regression(slice(5, None), 0.05)


def blocks_of(net: nn.Module, picture: Tensor, taught: list[Tensor] | None) -> list[Tensor]:
    """What the blocks make of pictures: three stages, then the features of three strides.

    Args:
        net: the detector.
        picture: (N, 3, H, W).
        taught: what the teacher's blocks made; each of ours then is given what was before it.
    """
    fine = net.seen(picture)
    middle = net.halved(taught[0] if taught else fine)
    coarse = net.quartered(taught[1] if taught else middle)
    features = net.features(*(taught[:3] if taught else (fine, middle, coarse)))
    return [fine, middle, coarse, *features]
