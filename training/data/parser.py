"""Batches of the parser's training: kept faces turned, shifted, scaled, mirrored and degraded.

The teacher's logits go the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pipeline.architectures.parser import STEP_PX
from pipeline.domain import RgbImage
from pipeline.faces.align import Matrix, invert_affine, to_pixel_centres, transform_points
from training.data.degradations import degrade, sample_kind, sample_steps
from training.data.parser_targets import ALIGNED_PX, LOGIT_STEP, PAIRS, WIDER, FaceCase
from training.data.tensors import to_tensor
from training.metrics.segmentation import LabelledFace
from training.published import parser_teacher as teacher

# classes as they are called in a mirror
MIRRORED = list(range(teacher.CLASSES))
for left, right in PAIRS:
    MIRRORED[left], MIRRORED[right] = right, left
BORDERS = (cv2.BORDER_REPLICATE, cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT, cv2.BORDER_CONSTANT)
GLASSES, RARE = 6, (9, 15, 18)  # earring, necklace, hat
MARGIN_PX = round(ALIGNED_PX * (WIDER - 1) / 2)  # of the kept crop around the aligned square


class Batch(NamedTuple):
    """Faces (N, 3, 256, 256) and the teacher's probabilities (N, 19, 64, 64).

    ``counts`` (N, 1, 64, 64) is 1 where the probabilities count.
    """

    input: Tensor
    target: Tensor
    counts: Tensor


def sample_pose(random: np.random.Generator) -> tuple[Matrix, bool]:
    """A matrix from the network's square to the aligned one, 256 px both, and whether mirrored."""
    scale = float(np.exp(np.clip(random.normal(0, 0.06), -0.2, 0.2)))
    angle = float(np.clip(random.normal(0, 5), -20, 20)) * np.pi / 180
    shift = random.normal(0, 0.02, 2).clip(-0.08, 0.08) * ALIGNED_PX
    cosine, sine = np.cos(angle) / scale, np.sin(angle) / scale
    linear = np.array([[cosine, -sine], [sine, cosine]])
    mirror = bool(random.random() < 0.5)
    if mirror:
        linear = linear @ np.diag((-1, 1))
    middle = np.full(2, ALIGNED_PX / 2)
    return np.column_stack([linear, middle + shift - linear @ middle]), mirror


def crop_face(case: FaceCase, pose: Matrix, border: int) -> RgbImage:
    """What the network sees of a face, uint8 (256, 256, 3)."""
    from_wide = invert_affine(pose + np.array([[0, 0, MARGIN_PX]] * 2))
    size = (ALIGNED_PX, ALIGNED_PX)
    return cv2.warpAffine(case.wide, to_pixel_centres(from_wide), size, borderMode=border)


def recoloured(photo: RgbImage, random: np.random.Generator) -> RgbImage:
    """Another light, another white balance, less or more colour."""
    gains = np.exp(random.normal(0, 0.12) + random.normal(0, 0.06, 3))
    gamma = float(np.exp(random.normal(0, 0.2)))
    ramp = np.linspace(0, 1, 256)[:, None] ** gamma * gains * 255
    table = np.clip(ramp + 0.5, 0, 255).astype(np.uint8)
    result: RgbImage = cv2.LUT(photo, table[None])
    if random.random() < 0.3:
        grey = cv2.cvtColor(cv2.cvtColor(result, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        share = float(random.uniform(0, 1))
        result = cv2.addWeighted(result, share, grey, 1 - share, 0)
    return result


def grid_of(pose: Matrix, side: int, pixel: float) -> NDArray[np.float32]:
    """Where points of the network's square lie on the teacher's cells.

    Args:
        pose: from the network's square to the aligned one.
        side: of the grid of points.
        pixel: how far apart they are, in px.

    Returns:
        (side, side, 2) in torch's units: -1 and 1 are the middles of the first and last cell.
    """
    along = (np.arange(side) + 0.5) * pixel
    points = np.stack(np.meshgrid(along, along), -1).reshape(-1, 2)
    ratio = teacher.SIDE_PX / ALIGNED_PX
    cell = (transform_points(points, pose) * ratio - 0.5) / teacher.STEP_PX
    last = teacher.SIDE_PX // teacher.STEP_PX - 1
    return (cell / last * 2 - 1).astype(np.float32).reshape(side, side, 2)


def targets_of(
    cases: Sequence[FaceCase], grids: Sequence[NDArray[np.float32]], mirrored: Sequence[bool]
) -> tuple[Tensor, Tensor]:
    """The teacher's probabilities at the points of grids (see ``grid_of``).

    Returns:
        (N, 19, side, side), and how much each point counts, (N, 1, side, side): 0 beyond the
        photograph or the square that the teacher saw.
    """
    grid = torch.from_numpy(np.stack(grids))
    logits = torch.from_numpy(np.stack([case.logits for case in cases])).float() * LOGIT_STEP
    inside = torch.from_numpy(np.stack([case.inside for case in cases])).float()[:, None]
    values = F.grid_sample(logits, grid, padding_mode="border", align_corners=True)
    flipped = torch.tensor(list(mirrored))[:, None, None, None]
    values = torch.where(flipped, values[:, MIRRORED], values)
    counts = F.grid_sample(inside, grid, padding_mode="border", align_corners=True)
    # the last cell stands for the seven pixels after it, too
    most = 1 + 2 * 7 / 8 / (teacher.SIDE_PX // teacher.STEP_PX - 1)
    seen = ((grid >= -1.01) & (grid <= most + 0.01)).all(-1)
    return values.softmax(1), (counts > 0.99).float() * seen[:, None]


def sampling_weights(cases: Sequence[FaceCase]) -> NDArray[np.float64]:
    """How often each face is sampled: those with rare regions more often, with glasses most."""
    weights = np.ones(len(cases))
    for number, case in enumerate(cases):
        labels = case.logits.argmax(0)
        shares = np.bincount(labels[case.inside], minlength=teacher.CLASSES) / labels.size
        if shares[GLASSES] > 0.004:
            weights[number] = 4
        elif shares[list(RARE)].max() > 0.01:
            weights[number] = 1.5
        if not case.name.startswith("face-"):  # sharp, and few
            weights[number] *= 2
    return weights / weights.sum()


def sample_batch(
    cases: Sequence[FaceCase],
    weights: NDArray[np.float64],
    count: int,
    degraded: float,
    seed: tuple[int, ...],
) -> Batch:
    """Faces and their targets, the same for the same seed.

    Args:
        cases: the faces.
        weights: see ``sampling_weights``.
        count: of the batch.
        degraded: the share that is blurred, noisy, dark or compressed.
        seed: of all that is sampled.
    """
    random = np.random.default_rng(seed)
    chosen = [cases[number] for number in random.choice(len(cases), count, p=weights)]
    pictures, grids, mirrors = [], [], []
    for number, case in enumerate(chosen):
        pose, mirror = sample_pose(random)
        border = BORDERS[random.integers(len(BORDERS))]
        picture = recoloured(crop_face(case, pose, border), random)
        if random.random() < degraded:
            steps = sample_steps(sample_kind(random), random)
            picture = degrade(picture, steps, (*seed, number))[0]
        pictures.append(picture)
        grids.append(grid_of(pose, ALIGNED_PX // STEP_PX, STEP_PX))
        mirrors.append(mirror)
    return Batch(to_tensor(pictures), *targets_of(chosen, grids, mirrors))


def labelled(cases: Sequence[FaceCase]) -> list[LabelledFace]:
    """The aligned squares and the teacher's labels of them, 255 beyond the photograph."""
    still = np.array([[1.0, 0, 0], [0, 1, 0]])
    faces = []
    for case in cases:
        probabilities, counts = targets_of([case], [grid_of(still, ALIGNED_PX, 1)], [False])
        labels = torch.where(counts[0, 0] > 0, probabilities[0].argmax(0), 255)
        picture = crop_face(case, still, cv2.BORDER_REPLICATE)
        faces.append(LabelledFace(picture, labels.byte().numpy()))
    return faces
