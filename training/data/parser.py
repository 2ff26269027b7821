"""Batches of the parser's training: kept faces turned, shifted, scaled, mirrored and spoilt,
and the teacher's logits gone the same way.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pipeline.architectures.parser import STEP_PX
from pipeline.domain import RgbImage
from pipeline.faces.align import Matrix, invert_affine, to_pixel_centres, transform_points
from training.data.degradations import degrade, draw_kind, draw_steps
from training.data.parser_targets import ALIGNED_PX, LEVEL, PAIRS, WIDER, Case
from training.data.tensors import to_tensor
from training.published.parser_teacher import CLASSES
from training.published.parser_teacher import SIDE_PX as TEACHER_PX
from training.published.parser_teacher import STEP_PX as TEACHER_STEP_PX

# classes as they are called in a mirror
MIRRORED = list(range(CLASSES))
for left, right in PAIRS:
    MIRRORED[left], MIRRORED[right] = right, left
BORDERS = (cv2.BORDER_REPLICATE, cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT, cv2.BORDER_CONSTANT)
GLASSES, RARE = 6, (9, 15, 18)  # earring, necklace, hat
MARGIN_PX = round(ALIGNED_PX * (WIDER - 1) / 2)  # of the kept crop around the aligned square


def draw_place(random: np.random.Generator) -> tuple[Matrix, bool]:
    """A matrix from the net's square to the aligned one, both of 256 px, and whether mirrored."""
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


def picture_of(case: Case, place: Matrix, border: int) -> RgbImage:
    """uint8 (256, 256, 3): what the net sees there."""
    from_wide = invert_affine(place + np.array([[0, 0, MARGIN_PX]] * 2))
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


def grid_of(place: Matrix, side: int, pixel: float) -> NDArray[np.float32]:
    """(side, side, 2): where points of the net's square, ``pixel`` px apart, lie on the teacher's
    cells, in torch's units: -1 and 1 are the middles of the first and the last cell.
    """
    along = (np.arange(side) + 0.5) * pixel
    points = np.stack(np.meshgrid(along, along), -1).reshape(-1, 2)
    ratio = TEACHER_PX / ALIGNED_PX
    cell = (transform_points(points, place) * ratio - 0.5) / TEACHER_STEP_PX
    last = TEACHER_PX // TEACHER_STEP_PX - 1
    return (cell / last * 2 - 1).astype(np.float32).reshape(side, side, 2)


def targets_of(
    cases: Sequence[Case], grids: Sequence[NDArray[np.float32]], mirrored: Sequence[bool]
) -> tuple[Tensor, Tensor]:
    """The teacher's probabilities (N, 19, side, side) at the points of the grids, and how much
    each counts (N, 1, side, side): 0 beyond the photograph or the square that the teacher saw.
    """
    grid = torch.from_numpy(np.stack(grids))
    logits = torch.from_numpy(np.stack([case.logits for case in cases])).float() * LEVEL
    inside = torch.from_numpy(np.stack([case.inside for case in cases])).float()[:, None]
    found = F.grid_sample(logits, grid, padding_mode="border", align_corners=True)
    flipped = torch.tensor(list(mirrored))[:, None, None, None]
    found = torch.where(flipped, found[:, MIRRORED], found)
    counts = F.grid_sample(inside, grid, padding_mode="border", align_corners=True)
    # the last cell stands for the seven pixels after it, too
    most = 1 + 2 * 7 / 8 / (TEACHER_PX // TEACHER_STEP_PX - 1)
    seen = ((grid >= -1.01) & (grid <= most + 0.01)).all(-1)
    return found.softmax(1), (counts > 0.99).float() * seen[:, None]


def chances(cases: Sequence[Case]) -> NDArray[np.float64]:
    """How often each face is drawn: those with rare regions more often, with glasses most."""
    weights = np.ones(len(cases))
    for number, case in enumerate(cases):
        labels = case.logits.argmax(0)
        shares = np.bincount(labels[case.inside], minlength=CLASSES) / labels.size
        if shares[GLASSES] > 0.004:
            weights[number] = 4
        elif shares[list(RARE)].max() > 0.01:
            weights[number] = 1.5
        if not case.name.startswith("face-"):  # sharp, and few
            weights[number] *= 2
    return weights / weights.sum()


def batch(
    cases: Sequence[Case],
    chance: NDArray[np.float64],
    count: int,
    spoilt: float,
    seed: tuple[int, ...],
) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures (N, 3, 256, 256), and ``targets_of`` them at the net's 64 x 64 cells; the same
    for the same seed. ``spoilt``: the share that is blurred, noisy, dark or compressed.
    """
    random = np.random.default_rng(seed)
    chosen = [cases[number] for number in random.choice(len(cases), count, p=chance)]
    pictures, grids, mirrors = [], [], []
    for number, case in enumerate(chosen):
        place, mirror = draw_place(random)
        border = BORDERS[random.integers(len(BORDERS))]
        picture = recoloured(picture_of(case, place, border), random)
        if random.random() < spoilt:
            picture = degrade(picture, draw_steps(draw_kind(random), random), (*seed, number))[0]
        pictures.append(picture)
        grids.append(grid_of(place, ALIGNED_PX // STEP_PX, STEP_PX))
        mirrors.append(mirror)
    return to_tensor(pictures), *targets_of(chosen, grids, mirrors)


def as_measured(cases: Sequence[Case]) -> list[tuple[RgbImage, NDArray[np.uint8]]]:
    """The aligned squares (256, 256, 3) and the teacher's labels of them (256, 256), with 255
    beyond the photograph.
    """
    still = np.array([[1.0, 0, 0], [0, 1, 0]])
    found = []
    for case in cases:
        probabilities, counts = targets_of([case], [grid_of(still, ALIGNED_PX, 1)], [False])
        labels = torch.where(counts[0, 0] > 0, probabilities[0].argmax(0), 255)
        found.append((picture_of(case, still, cv2.BORDER_REPLICATE), labels.byte().numpy()))
    return found
