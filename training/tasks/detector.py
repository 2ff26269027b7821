"""The detector of faces: what RetinaFace answers for every prior of a picture.

The teacher sees each picture clean, the student sometimes blurred, noisy or dark. At first each of
its blocks learns by itself, from what the teacher's block was given, to make what that made (so
each is a shallow net, which learns quickly); then all of it together.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from pipeline.architectures.detector import Detector, DetectorShape
from pipeline.domain import RgbImage
from training.data.detector import face_photographs, sample_pictures
from training.data.tensors import to_tensor
from training.engine.task import Task
from training.losses.detection import answer_losses, block_loss, blocks_of, face_weights
from training.metrics.detection import agreement, answers_of, detect_all, held_out_pictures
from training.published.retinaface import TEACHER, RetinaFaceTeacher

RECALIBRATION_BATCHES = 100
SCALE_STEPS = range(3000, 3008)  # whose pictures set the scales of the blocks


@dataclass(frozen=True)
class Recipe:
    """The settings of a run, kept in its checkpoint."""

    steps: int = 5000
    batch: int = 6
    crop_px: int = 448
    learning_rate: float = 2e-3
    warmup_steps: int = 100
    decay_from: int = 1500  # constant learning rate before, cosine to zero after
    average_decay: float = 0.998  # of the exponential moving average that is exported
    damaged: float = 0.4  # share of the pictures that the student sees degraded
    norms_until: int = 1_000_000  # step from which the norms keep what they have counted
    apart: int = 800  # steps in which the blocks learn each by itself
    stage_weight: float = 1.0  # of the outputs of the three stages
    feature_weight: float = 1.0
    face_emphasis: float = 20.0  # how much more a place with a face counts among the features
    score_weight: float = 1.0
    box_weight: float = 1.0
    landmark_weight: float = 2.0
    held_out_scenes: int = 80
    seed: int = 1


class Batch(NamedTuple):
    """What the student sees (N, 3, H, W), the teacher's answers (N, P, 15) and its six blocks."""

    input: Tensor
    answers: Tensor
    blocks: list[Tensor]


class DetectorTask(Task):
    """Trains the detector on the photographs of a folder, as a published RetinaFace sees them.

    Raises:
        NoPictures: the folder has no photographs.
    """

    architecture = "detector"
    clip_norm = 5.0
    recipe: Recipe

    def __init__(self, recipe: Recipe, data: Path, teachers: Path, device: str = "cpu") -> None:
        super().__init__(recipe, device)
        self.teacher, shape = RetinaFaceTeacher(teachers / TEACHER), DetectorShape()
        self.net = self.placed(Detector(shape, normalised=True))
        self.average_decay = recipe.average_decay
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), recipe.learning_rate, (0.9, 0.99), weight_decay=1e-4
        )
        self.files = face_photographs(data, validation=False)
        self.held_out = held_out_pictures(data, recipe.held_out_scenes)
        self.held_out_faces = detect_all(self.teacher.answers, self.held_out)
        self.scales = [scale.to(device) for scale in self._scales()]
        self.about = {"shape": shape.as_dict()}
        self.notes = [f"{sum(map(len, self.files.values()))} photographs"]

    def pictures(self, step: int) -> tuple[list[RgbImage], list[RgbImage]]:
        """The clean pictures of a step, and the same as the student sees them."""
        recipe = self.recipe
        seeds = [(recipe.seed, step, number) for number in range(recipe.batch)]
        return sample_pictures(self.files, recipe.crop_px, recipe.damaged, seeds)

    def batch(self, step: int) -> Batch:
        clean, seen = self.pictures(step)
        answers, blocks = self.teacher(clean)
        return Batch(
            to_tensor(seen), torch.from_numpy(answers), list(map(torch.from_numpy, blocks))
        )

    def before_step(self, step: int, average: nn.Module) -> None:
        """From ``norms_until`` on, normalises with statistics that no batch changes.

        Counted anew over many batches: those of few steps go up and down with their faces.
        """
        if step == self.recipe.norms_until:
            self.net.load_state_dict(average.state_dict())
            steps = range(step, step + RECALIBRATION_BATCHES)
            update_bn(
                (to_tensor(self.pictures(n)[1]) for n in steps),
                self.net,
                self.device,
            )
        if step >= self.recipe.norms_until:
            for module in self.net.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        recipe, taught = self.recipe, batch.blocks if step < self.recipe.apart else None
        with self.autocast():
            blocks = blocks_of(self.net, batch.input, taught)
        # the answers are read in float: landmarks are wanted to a fraction of a pixel
        blocks = [block.float() for block in blocks]
        answers = self.net.read(taught[3:] if taught else blocks[3:])
        shapes = [block.shape for block in blocks[3:]]
        weights = 2 * face_weights(batch.answers[..., 4], shapes, recipe.face_emphasis)
        rows = zip(blocks, batch.blocks, self.scales, weights, strict=True)
        matches = [block_loss(*row) for row in rows]
        score, box, landmarks = answer_losses(answers, batch.answers)
        return {
            "stages": recipe.stage_weight * (sum(matches[:3]) / 3),
            "features": recipe.feature_weight * (sum(matches[3:]) / 3),
            "score": recipe.score_weight * score,
            "box": recipe.box_weight * box,
            "landmarks": recipe.landmark_weight * landmarks,
        }

    def validate(self, net: nn.Module) -> dict[str, float]:
        return agreement(self.held_out_faces, detect_all(answers_of(net), self.held_out))

    def _scales(self) -> list[Tensor]:
        """(1, C, 1, 1), of what each block makes: the root mean square of each channel."""
        clean = (self.pictures(step)[0] for step in SCALE_STEPS)
        blocks = zip(*(self.teacher(pictures)[1] for pictures in clean), strict=True)
        squares = [[np.square(b).mean((0, 2, 3), keepdims=True) for b in of] for of in blocks]
        return [torch.from_numpy(np.sqrt(np.mean(level, 0)) + 1e-2) for level in squares]
