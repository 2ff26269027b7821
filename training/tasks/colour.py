"""The colouriser: line drawings to coloured pictures, with the user's wishes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from pipeline.architectures.colouriser import Colouriser, ColouriserShape
from pipeline.domain import RgbImage
from training.data.colour import (
    HELD_OUT_DOTS,
    Batch,
    Wishes,
    open_pictures,
)
from training.engine.task import Task
from training.losses.colour import colour_losses, rebalanced
from training.metrics.colour import bin_accuracy, colour, colour_metrics, likeliest

HELD_OUT_PX = 384
SHEET_ROWS, SHEET_PX = 10, 320


@dataclass(frozen=True)
class Recipe:
    """The settings of a run, kept in its checkpoint."""

    steps: int = 6000
    decay_from: int = 4000  # constant learning rate before, cosine to zero after
    batch: int = 8
    crop_px: int = 256
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    average_decay: float = 0.998
    chroma_weight: float = 2.0
    gradient_weight: float = 0.3
    hint_weight: float = 2.0  # of the places of dots
    bin_weight: float = 0.1
    rebalancing: float = 0.5  # of rare bins: 0 none, 1 all bins count the same
    hint_share: float = 0.55
    max_hints: int = 40
    palette_share: float = 0.5
    exchange_share: float = 0.5
    drawing_weight: float = 0.5  # of drawings of photographs, for each picture of the folder
    seed: int = 1

    @property
    def wishes(self) -> Wishes:
        """Of the crops."""
        return Wishes(self.hint_share, self.max_hints, self.palette_share, self.exchange_share)


class ColourTask(Task):
    """Trains the colouriser on coloured pictures.

    Args:
        recipe: the settings.
        pictures: a folder of coloured pictures, or a pattern of files in one; the last tenth in
            name order is held out.
        drawings: a folder that ``training.data.targets`` made, whose drawings are used besides.

    Raises:
        NoPictures: there are no pictures of a useful size.
    """

    architecture = "colouriser"
    recipe: Recipe

    def __init__(
        self, recipe: Recipe, pictures: Path, drawings: Path | None = None, device: str = "cpu"
    ) -> None:
        super().__init__(recipe, device)
        shape = ColouriserShape()
        self.net = self.placed(Colouriser(shape))
        self.average_decay = recipe.average_decay
        self.optimiser = torch.optim.Adam(self.net.parameters(), recipe.learning_rate, (0.9, 0.99))
        self.pictures, held_out = open_pictures(pictures, drawings, recipe.drawing_weight)
        frequencies = self.pictures.bin_frequencies()
        self.bin_weights = rebalanced(frequencies, recipe.rebalancing).to(device)
        self.held_out = {
            dots: held_out.held_out(HELD_OUT_PX, shape.multiple_of_px, dots)
            for dots in (0, HELD_OUT_DOTS)
        }
        self.about = {"shape": shape.as_dict()}
        self.notes = [f"{len(self.pictures)} pictures, {len(held_out)} held out"]

    def batch(self, step: int) -> Batch:
        recipe = self.recipe
        seed = (recipe.seed, step)
        return self.pictures.batch(recipe.batch, recipe.crop_px, recipe.wishes, seed)

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        with self.autocast():
            answer = self.net(batch.lines, batch.hints, batch.palette).float()
        recipe, losses = self.recipe, colour_losses(answer, batch, self.bin_weights)
        weights = {
            "chroma": recipe.chroma_weight,
            "gradient": recipe.gradient_weight,
            "hints": recipe.hint_weight,
            "bins": recipe.bin_weight,
        }
        return {name: weights.get(name, 1.0) * loss for name, loss in losses.items()}

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Metrics on whole held-out pictures: the picture with dots, the bins without."""
        dotted = self.held_out[HELD_OUT_DOTS]
        predictions = [colour(net, sample) for sample in dotted]
        metrics = colour_metrics(predictions, [sample.target for sample in dotted])
        return {**metrics, "bin_accuracy": bin_accuracy(net, self.held_out[0])}

    def sheet(self, net: nn.Module) -> RgbImage:
        """Held-out drawings: lines, likeliest bins, with dots, the artist's."""
        rows = []
        number = len(self.held_out[0])
        for index in range(0, number, max(1, number // SHEET_ROWS)):
            plain, dotted = self.held_out[0][index], self.held_out[HELD_OUT_DOTS][index]
            ink = np.repeat((255 * (1 - plain.ink)).astype(np.uint8)[..., None], 3, 2)
            row = [ink, likeliest(net, plain), colour(net, dotted), plain.target]
            rows.append(np.concatenate([_square(picture) for picture in row], 1))
        return np.concatenate(rows)


def _square(picture: RgbImage) -> RgbImage:
    """The picture on a grey square of SHEET_PX."""
    square = np.full((SHEET_PX, SHEET_PX, 3), 128, np.uint8)
    scale = SHEET_PX / max(picture.shape[:2])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    height, width = small.shape[:2]
    square[:height, :width] = small[:SHEET_PX, :SHEET_PX]
    return square
