"""The face parser: what BiSeNetV2 makes of aligned faces, by a network of a tenth the cost.

It learns the teacher's probabilities, cell by cell, and the overlap of the regions. While it
trains, each convolution is followed by batch normalisation, which is folded into it for good when
it is exported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.architectures.parser import Parser, ParserShape
from pipeline.domain import RgbImage
from training.architectures.normalised import folded, normalised
from training.data.parser import Batch, labelled, sample_batch, sampling_weights
from training.data.parser_targets import load_cases
from training.data.tensors import to_tensor
from training.engine.task import Task
from training.losses.segmentation import cross_entropy, overlap_loss
from training.metrics.segmentation import Labels, coloured, overlaps

LOGGED = ("mean", "skin", "left_brow", "right_eye", "glasses", "mouth", "neck", "hair")
SHEET_EVERY, SHEET_COLUMNS = 9, 4  # of the held-out faces


@dataclass(frozen=True)
class Recipe:
    """The settings of a run, kept in its checkpoint."""

    steps: int = 4000
    batch: int = 16
    learning_rate: float = 2e-3
    warmup_steps: int = 100
    decay_from: int = 600  # constant learning rate before, cosine to zero after
    average_decay: float = 0.998  # of the exponential moving average that is exported
    overlap_weight: float = 0.5
    spoilt: float = 0.3  # share of the faces that are blurred, noisy, dark or compressed
    faces: str = "plain"  # of photographs as they are, or "repaired", as the pipeline shows them
    seed: int = 1


class ParserTask(Task):
    """Trains the parser on a folder that ``training.data.parser_targets`` made.

    Raises:
        NoPictures: the folder has no faces.
    """

    architecture = "parser"
    recipe: Recipe

    def __init__(self, recipe: Recipe, targets: Path, device: str = "cpu") -> None:
        super().__init__(recipe, device)
        shape = ParserShape()
        self.net = self.placed(normalised(Parser(shape)))
        self.average_decay = recipe.average_decay
        self.optimiser = torch.optim.AdamW(self.net.parameters(), recipe.learning_rate, (0.9, 0.99))
        self.faces = load_cases(targets / recipe.faces / "training")
        self.weights = sampling_weights(self.faces)
        self.held_out = labelled(load_cases(targets / recipe.faces / "validation"))
        self.about = {"shape": shape.as_dict(), "faces": len(self.faces)}
        self.notes = [f"{len(self.faces)} faces, {len(self.held_out)} held out"]

    def batch(self, step: int) -> Batch:
        recipe, seed = self.recipe, (self.recipe.seed, step)
        return sample_batch(self.faces, self.weights, recipe.batch, recipe.spoilt, seed)

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        with self.autocast():
            logits = self.net(batch.input)
        targets = (batch.target, batch.counts)
        overlap = self.recipe.overlap_weight * overlap_loss(logits, *targets)
        return {"entropy": cross_entropy(logits, *targets), "overlap": overlap}

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Overlaps with the teacher's regions on held-out faces, some of them."""
        predictions = parse_all(folded(net), [face.picture for face in self.held_out])
        scores = overlaps(predictions, [face.labels for face in self.held_out])
        return {name: scores[name] for name in (f"{n}_iou" for n in LOGGED) if name in scores}

    def sheet(self, net: nn.Module) -> RgbImage:
        """Some held-out faces: input, target, prediction, up to four in a row."""
        faces = self.held_out[::SHEET_EVERY]
        columns = min(SHEET_COLUMNS, len(faces))
        faces = faces[: len(faces) // columns * columns]
        predictions = parse_all(folded(net), [face.picture for face in faces])
        tiles = [
            np.hstack([face.picture, coloured(face.labels), coloured(prediction)])
            for face, prediction in zip(faces, predictions, strict=True)
        ]
        rows = [tiles[first : first + columns] for first in range(0, len(tiles), columns)]
        return np.vstack([np.hstack(row) for row in rows])


def parse_all(net: nn.Module, pictures: Sequence[RgbImage]) -> list[Labels]:
    """Labels (256, 256) of aligned faces by the torch module, as the pipeline makes them."""
    device = next(net.parameters()).device
    net = net.to(memory_format=torch.channels_last)
    labels = []
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
        for picture in pictures:
            logits = net(to_tensor([picture]).to(device))
            whole = F.interpolate(logits, scale_factor=4, mode="bilinear")
            labels.append(whole.argmax(1)[0].byte().cpu().numpy())
    return labels
