"""The colouriser: line drawings to coloured pictures, with the user's wishes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.architectures.colouriser import Colouriser, ColouriserShape, split
from pipeline.domain import RgbImage
from pipeline.lineart.palette import bin_colours
from training.data.colour import (
    HELD_OUT_DOTS,
    Batch,
    Sample,
    Wishes,
    open_pictures,
    stack,
)
from training.data.tensors import to_picture
from training.engine.task import Task
from training.losses.pixel import gradient_loss
from training.metrics.colour import colour_metrics

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
        return colour_losses(answer, batch, self.recipe, self.bin_weights)

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


def colour_losses(
    answer: Tensor, batch: Batch, recipe: Recipe, bin_weights: Tensor
) -> dict[str, Tensor]:
    """The losses against the artist's colours.

    The picture counts where there are dots alone: without, it would learn to be grey.

    Args:
        answer: the network's, (N, 48 + B, H/4, W/4).
        batch: what it answers.
        recipe: the weights.
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
        "chroma": recipe.chroma_weight * chroma.abs().mean(),
        "gradient": recipe.gradient_weight * steps,
        "hints": recipe.hint_weight * (error.abs() * dots).sum() / (3 * dots.sum() + 1),
        "bins": recipe.bin_weight * (entropy * weights).mean(),
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


def colour(net: nn.Module, sample: Sample) -> RgbImage:
    """The picture that the torch module makes of a sample."""
    device = next(net.parameters()).device
    batch = stack([sample])
    with torch.inference_mode():
        inputs = (batch.lines, batch.hints, batch.palette)
        return to_picture(split(net(*(tensor.to(device) for tensor in inputs)))[0])


def likeliest(net: nn.Module, sample: Sample) -> RgbImage:
    """The colour of the likeliest bin of each 4x4 pixels, at the size of the sample."""
    device = next(net.parameters()).device
    batch = stack([sample])
    with torch.inference_mode():
        inputs = (batch.lines, batch.hints, batch.palette)
        scores = split(net(*(tensor.to(device) for tensor in inputs)))[1]
    colours = bin_colours()[scores[0].argmax(0).cpu().numpy()]
    height, width = sample.ink.shape
    return cv2.resize(colours, (width, height), interpolation=cv2.INTER_NEAREST)


def bin_accuracy(net: nn.Module, samples: list[Sample]) -> float:
    """The mean share that the targets have in the likeliest bin."""
    device = next(net.parameters()).device
    shares = []
    for sample in samples:
        batch = stack([sample])
        with torch.inference_mode():
            inputs = (batch.lines, batch.hints, batch.palette)
            scores = split(net(*(tensor.to(device) for tensor in inputs)))[1].cpu()
        chosen = scores.argmax(1, keepdim=True)
        shares.append(float(batch.bins.gather(1, chosen).mean()))
    return float(np.mean(shares))


def _square(picture: RgbImage) -> RgbImage:
    """The picture on a grey square of SHEET_PX."""
    square = np.full((SHEET_PX, SHEET_PX, 3), 128, np.uint8)
    scale = SHEET_PX / max(picture.shape[:2])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    height, width = small.shape[:2]
    square[:height, :width] = small[:SHEET_PX, :SHEET_PX]
    return square
