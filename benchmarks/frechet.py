"""The Fréchet distance between two sets of pictures, on features of one's choice.

M. Heusel et al., "GANs trained by a two time-scale update rule converge to a local Nash
equilibrium", NeurIPS 2017. On Inception's pool features over many thousand pictures it is the
FID; on others, and of few pictures, its numbers compare with those of the same table alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pipeline.domain import RgbImage
from training.data.tensors import to_tensor
from training.losses.features import FEATURE_STUDENT, load_student_features

Features = Callable[[RgbImage], NDArray[np.float64]]
CELL = 16  # of the feature map: one sample of the student's features, 64 px a side


def frechet_distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Between the normal laws of two sets of samples, (N, D) and (M, D).

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)); the trace of the root is the sum of the roots
    of the eigenvalues of C1^(1/2) C2 C1^(1/2), which is symmetric. Raises ValueError for fewer
    than two samples.
    """
    if min(len(one), len(other)) < 2:
        raise ValueError("a law takes two samples at least")
    means = [samples.mean(0) for samples in (one, other)]
    laws = [np.atleast_2d(np.cov(samples, rowvar=False)) for samples in (one, other)]
    root = _root(laws[0])
    mixed = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ laws[1] @ root), 0)).sum()
    apart = float(((means[0] - means[1]) ** 2).sum())
    return max(0.0, apart + float(np.trace(laws[0]) + np.trace(laws[1]) - 2 * mixed))


def _root(law: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(law)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T)


def student_features() -> tuple[Features, str]:
    """Samples of the first layers of the shipped student cel: means over 64 px squares."""
    net = load_student_features(FEATURE_STUDENT)

    def features(picture: RgbImage) -> NDArray[np.float64]:
        height, width = (side // 4 * 4 for side in picture.shape[:2])
        with torch.inference_mode():
            found: Tensor = F.relu(net(to_tensor([picture[:height, :width]])))
            cells = F.avg_pool2d(found, min(CELL, *found.shape[2:]))
        return cells[0].flatten(1).T.double().numpy()

    return features, f"first layers of the student {FEATURE_STUDENT.stem}, means over 64 px squares"


def inception_features(path: Path) -> tuple[Features, str]:
    """Loads Inception's 2048 pool features, with which the distance is the FID.

    Args:
        path: The TorchScript file of StyleGAN's authors, inception-2015-12-05.pt.

    Returns:
        The features and their name for the report.
    """
    net = torch.jit.load(str(path), map_location="cpu").eval()

    def features(picture: RgbImage) -> NDArray[np.float64]:
        planes = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None]
        with torch.inference_mode():
            found: NDArray[np.float64] = net(planes, return_features=True).double().numpy()
        return found

    return features, f"Inception's pool features ({path.name})"


def distance(made: Sequence[RgbImage], wanted: Sequence[RgbImage], features: Features) -> float:
    """Between what was made and what was wanted."""
    samples = [np.concatenate([features(p) for p in pictures]) for pictures in (made, wanted)]
    return frechet_distance(samples[0], samples[1])
