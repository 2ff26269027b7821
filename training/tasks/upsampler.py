"""Trains the upsampler on drawn pictures.

    python -m training.tasks.upsampler --targets .cache/targets/upsampler \\
        --validation .cache/targets/upsampler-validation --output .cache/runs/upsampler

Clean drawings that training.data.upsampler_targets made are the targets; the photographs beside
them are the guides. What the network gives is compared after the steepening that follows it
where it is used. The input is a drawing at half the size, blurred until its edges are as wide in
pixels as a student's, with the grain, the beads and the grid that students leave.
Run again with the same --output, it continues from the last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.architectures.upsampler import Upsampler, UpsamplerShape
from pipeline.enlarge import GAIN, GRAIN, PASSES, steepen
from training.data.photographs import read_rgb
from training.data.tensors import to_picture, to_tensor
from training.data.upsampler_targets import Pair, RgbImage
from training.engine.checkpoint import follow, resume, save, twin
from training.engine.errors import LossNotFinite
from training.engine.recipe import changed
from training.losses.drawing import contour_weight, energy_loss, gradient_loss
from training.metrics.drawing import edge_width_px, figures


@dataclass(frozen=True)
class Recipe:
    """The settings of a run, kept in its checkpoint."""

    steps: int = 2000
    batch: int = 12
    crop_px: int = 96  # of the large picture; a multiple of 4
    learning_rate: float = 2e-3
    line_emphasis: float = 2.0  # how much more dark thin lines count
    energy_weight: float = 0.5
    gradient_weight: float = 1.0
    reduced: float = 0.6  # scale at which thin drawings are shown a second time
    blur_least: float = 0.3  # sigma in pixels of the small picture
    blur_most: float = 0.7
    grain: float = 5.0  # sigma in grey levels, at most
    beads: float = 0.05  # sigma as a share of an edge's contrast, at most
    grid: float = 2.0  # sigma in grey levels, at most
    photo_noise: float = 5.0  # sigma in grey levels, at most, of the guide
    passes: int = PASSES  # of the steepening behind the network, while it learns
    average_decay: float = 0.995
    seed: int = 1

    def middling(self, drawing: RgbImage, number: int) -> RgbImage:
        """``drawing`` degraded halfway, the same for the same number."""
        sigma = (self.blur_least + self.blur_most) / 2
        faults = Faults(sigma, self.grain / 2, self.beads / 2, self.grid / 2)
        return degrade(drawing, faults, (self.seed, number))


@dataclass(frozen=True)
class Faults:
    """What a student's drawing has: ``blur_px``, a sigma in its own pixels; ``grain``: sigma of
    smooth noise in grey levels; ``beads``: sigma of noise along edges, as a share of their
    contrast, since lines of one or two pixels come out uneven; ``grid``: sigma in grey levels
    of a pattern of 4x4 pixels repeated, which pixel-shuffles leave.
    """

    blur_px: float
    grain: float
    beads: float
    grid: float


def pairs(folder: Path, reduced: float) -> list[Pair]:
    """The photographs and drawings of a folder; those with thin contours ``reduced``, too.

    Raises FileNotFoundError when there are none.
    """
    result = []
    for path in sorted(folder.glob("*-?????-*.png")):
        photo, drawing = np.split(read_rgb(path), 2, axis=1)
        scales = (1.0, reduced) if path.name.startswith("thin-") else (1.0,)
        result += [(_at(photo, scale), _at(drawing, scale)) for scale in scales]
    if not result:
        raise FileNotFoundError(f"{folder}: no pairs; run training.data.upsampler_targets first")
    return result


def _at(picture: RgbImage, scale: float) -> RgbImage:
    """At that scale, with sides that are multiples of 4."""
    width, height = (round(side * scale) // 4 * 4 for side in picture.shape[1::-1])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def degrade(drawing: RgbImage, faults: Faults, seed: tuple[int, ...]) -> RgbImage:
    """(2h, 2w, 3) to (h, w, 3): half the size, with the faults of a student."""
    height, width = drawing.shape[0] // 2, drawing.shape[1] // 2
    small = cv2.resize(drawing, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    small = cv2.GaussianBlur(small, (0, 0), faults.blur_px)
    around = np.ones((3, 3), np.uint8)
    contrast = (cv2.dilate(small, around) - cv2.erode(small, around)).max(2, keepdims=True)
    random = np.random.default_rng(seed)
    grain = cv2.GaussianBlur(random.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 0.7)
    grain *= faults.grain / max(1e-6, float(grain.std()))
    beads = random.normal(0, faults.beads, (height, width, 1)).astype(np.float32)
    tile = random.normal(0, faults.grid, (4, 4, 3)).astype(np.float32)
    grid = np.tile(tile, (height // 4 + 1, width // 4 + 1, 1))[:height, :width]
    noisy = small + grain[..., None] + contrast * beads + grid
    return np.clip(noisy + 0.5, 0, 255).astype(np.uint8)


def batch(pictures: list[Pair], recipe: Recipe, step: int) -> tuple[Tensor, Tensor, Tensor]:
    """Small drawings, photographs and large drawings of one step, the same for the same seed and
    step. The colours are exchanged at random: a look has a palette, an upsampler has none.
    """
    random = np.random.default_rng((recipe.seed, step))
    small, guides, large = [], [], []
    for number in range(recipe.batch):
        pair = pictures[random.integers(len(pictures))]
        side = recipe.crop_px
        y, x = (int(random.integers(size - side + 1)) for size in pair[0].shape[:2])
        turns, mirrored, colours = int(random.integers(4)), random.random() < 0.5, np.arange(3)
        if random.random() < 0.5:
            colours = random.permutation(3)
        photo, drawing = (
            np.ascontiguousarray(
                np.rot90(p[y : y + side, x : x + side], turns)[:, :: -1 if mirrored else 1, colours]
            )
            for p in pair
        )
        most = (recipe.grain, recipe.beads, recipe.grid, recipe.photo_noise)
        grain, beads, grid, noise = (float(random.uniform(0, limit)) for limit in most)
        sigma = float(random.uniform(recipe.blur_least, recipe.blur_most))
        seed = (recipe.seed, step, number)
        small.append(degrade(drawing, Faults(sigma, grain, beads, grid), seed))
        noisy = photo + random.normal(0, noise, photo.shape)
        guides.append(np.clip(noisy + 0.5, 0, 255).astype(np.uint8))
        large.append(drawing)
    return to_tensor(small), to_tensor(guides), to_tensor(large)


def steepen_tensor(drawing: Tensor, passes: int) -> Tensor:
    """pipeline.enlarge.steepen in ``passes``, differentiable: (N, 3, H, W) to the same."""
    line = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    kernel = torch.outer(line, line).expand(3, 1, 5, 5)
    for _ in range(passes):
        soft = F.conv2d(F.pad(drawing, (2, 2, 2, 2), mode="reflect"), kernel, groups=3)
        sharp = GAIN * drawing + (1 - GAIN) * soft
        lightest, darkest = F.max_pool2d(drawing, 3, 1, 1), -F.max_pool2d(-drawing, 3, 1, 1)
        sharp = torch.minimum(torch.maximum(sharp, darkest), lightest)
        is_edge = lightest - darkest > (GRAIN + 0.5) / 127.5
        drawing = torch.where(is_edge, sharp, drawing)
    return drawing


def measure(
    small: list[RgbImage], made: list[RgbImage], wanted: list[RgbImage]
) -> dict[str, float]:
    """Figures of predictions against targets, and mean edge widths of both and of the inputs, in
    pixels of each.
    """
    result = figures(list(zip(made, wanted, strict=True)))
    for name, pictures in (("given", small), ("made", made), ("wanted", wanted)):
        widths = [edge_width_px(picture) for picture in pictures]
        result[f"edge_width_{name}_px"] = float(np.nanmean(widths))
    return result


def validate(net: Upsampler, held_out: list[Pair], recipe: Recipe) -> dict[str, float]:
    """Figures on held-out drawings."""
    large = [drawing for _, drawing in held_out]
    small = [recipe.middling(drawing, number) for number, drawing in enumerate(large)]
    with torch.inference_mode():
        made = [
            steepen(to_picture(net(to_tensor([picture]), to_tensor([photo]))))
            for picture, (photo, _) in zip(small, held_out, strict=True)
        ]
    return measure(small, made, large)


@dataclass(frozen=True)
class Run:
    """What a run reads (folders that training.data.upsampler_targets made) and writes."""

    targets: Path
    validation: Path
    output: Path
    until: int | None = None  # the step to stop at, where the recipe goes on


def train(recipe: Recipe, run: Run) -> None:
    """The loop. Writes OUTPUT/last.pt and OUTPUT/log.jsonl.

    Raises LossNotFinite and CheckpointNotSaved, with the last checkpoint good.
    """
    torch.manual_seed(recipe.seed)
    shape = UpsamplerShape()
    net = Upsampler(shape)
    average = twin(net)
    optimiser = torch.optim.Adam(net.parameters(), recipe.learning_rate, (0.9, 0.99))
    parts: dict[str, nn.Module | torch.optim.Optimizer] = {
        "net": net,
        "average": average,
        "optimiser": optimiser,
    }
    pictures, held_out = (pairs(f, recipe.reduced) for f in (run.targets, run.validation))
    pictures = [pair for pair in pictures if min(pair[0].shape[:2]) >= recipe.crop_px]
    run.output.mkdir(parents=True, exist_ok=True)
    checkpoint = run.output / "last.pt"
    first, history = resume(checkpoint, parts, recipe)
    print(f"{len(pictures)} drawings, {len(held_out)} held out; from step {first}", flush=True)
    last = min(recipe.steps, run.until or recipe.steps)
    for step in range(first, last):
        for group in optimiser.param_groups:
            falling = 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
            group["lr"] = recipe.learning_rate * min(falling, (step + 1) / 100)
        small, guides, large = batch(pictures, recipe, step)
        made = steepen_tensor(net(small, guides), recipe.passes)
        weight = contour_weight(large, recipe.line_emphasis)
        loss = (weight * (made - large).abs()).mean()
        loss = loss + recipe.gradient_weight * gradient_loss(made, large)
        loss = loss + recipe.energy_weight * energy_loss(made, large, 4)
        if not torch.isfinite(loss):
            raise LossNotFinite(f"step {step}: the loss is {loss.item()}; {checkpoint} is good")
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        follow(average, net, recipe.average_decay, step)
        done = step + 1
        if done % 100 == 0:
            print(f"step {done} | loss {loss.item():.4f}", flush=True)
        if done % 250 == 0 or done == last:
            states = {name: part.state_dict() for name, part in parts.items()}
            save(checkpoint, states | {"step": done, "history": history, "shape": shape.as_dict()})
        if done % 1000 == 0 or done == last:
            row = validate(average, held_out, recipe)
            print(f"step {done} | held out: {row}", flush=True)
            with (run.output / "log.jsonl").open("a") as log:
                log.write(json.dumps({"step": done, **row}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--targets", type=Path, required=True)
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    run = Run(options.targets, options.validation, options.output)
    train(changed(Recipe(), options.set), run)


if __name__ == "__main__":
    main()
