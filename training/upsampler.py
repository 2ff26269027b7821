"""Trains the upsampler on drawn pictures.

    python -m training.upsampler --targets .cache/targets/cel \\
        --validation .cache/targets/cel-validation --output .cache/runs/upsampler

Drawings reduced by a third, so that their edges are crisp to the pixel, are what is wanted;
reduced by half again and blurred until their edges are as wide in pixels as a drawing's,
they are what is given. Grain and 8-bit rounding are added, since students have both.
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
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.nets.upsampler import Upsampler, UpsamplerShape
from training.checkpoint import follow, resume, save, twin
from training.data import read_rgb
from training.distil import to_picture, to_tensor
from training.errors import LossNotFinite
from training.figures import edge_width_px, figures
from training.losses import energy_loss, gradient_loss
from training.recipe import changed

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Recipe:
    """The settings of a run, kept in its checkpoint."""

    steps: int = 5000
    crisp: float = 0.667  # scale at which a drawing's edges are as narrow as wanted
    steepened: int = 0  # how often the wanted drawing's edges are made steeper
    batch: int = 12
    crop_px: int = 96  # of the large picture; a multiple of 4
    learning_rate: float = 2e-3
    energy_weight: float = 1.0
    gradient_weight: float = 0.5
    blur_least: float = 0.3  # sigma in pixels of the small picture
    blur_most: float = 0.9
    grain: float = 3.0  # sigma in grey levels, at most
    beads: float = 0.05  # sigma as a share of an edge's contrast, at most
    average_decay: float = 0.998
    seed: int = 1

    def middling(self, drawing: Picture, number: int) -> Picture:
        """``drawing`` degraded halfway, the same for the same number."""
        sigma = (self.blur_least + self.blur_most) / 2
        return degrade(drawing, sigma, self.grain / 2, self.beads / 2, (self.seed, number))


def steepen(picture: Picture) -> Picture:
    """Steeper edges without halos: an unsharp mask that keeps within the range of the 3x3 pixels
    around. Nothing trained on soft edges alone draws steep ones, for their place is uncertain
    and the mean of steep edges is a soft one.
    """
    around = np.ones((3, 3), np.uint8)
    soft = cv2.GaussianBlur(picture, (0, 0), 1.0)
    sharp = cv2.addWeighted(picture, 2.5, soft, -1.5, 0)
    return np.clip(sharp, cv2.erode(picture, around), cv2.dilate(picture, around))


def drawings(folder: Path, crisp: float) -> list[Picture]:
    """The drawings of a folder of targets, the right half of each file, reduced by ``crisp``."""
    found = []
    for path in sorted(folder.glob("?????-*.png")):
        target = np.split(read_rgb(path), 2, axis=1)[1]
        size = [round(side * crisp) // 4 * 4 for side in target.shape[1::-1]]
        small = cv2.resize(target, size, interpolation=cv2.INTER_AREA)
        found.append(small)
    if not found:
        raise FileNotFoundError(f"{folder}: no targets; run training.targets first")
    return found


def degrade(
    drawing: Picture, sigma_px: float, grain: float, beads: float, seed: tuple[int, ...]
) -> Picture:
    """(2h, 2w, 3) to (h, w, 3): half the size, blurred, with the faults of a student.

    ``grain``: sigma of smooth noise in grey levels. ``beads``: sigma of noise along edges, as a
    share of their contrast: lines of one or two pixels come out of a student uneven.
    """
    height, width = drawing.shape[0] // 2, drawing.shape[1] // 2
    small = cv2.resize(drawing, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    small = cv2.GaussianBlur(small, (0, 0), sigma_px)
    around = np.ones((3, 3), np.uint8)
    contrast = (cv2.dilate(small, around) - cv2.erode(small, around)).max(2, keepdims=True)
    random = np.random.default_rng(seed)
    smooth = cv2.GaussianBlur(random.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 0.7)
    smooth /= max(1e-6, float(smooth.std()))
    uneven = random.normal(0, beads, (height, width, 1)).astype(np.float32)
    noisy = small + grain * smooth[..., None] + contrast * uneven
    return np.clip(noisy + 0.5, 0, 255).astype(np.uint8)


def batch(pictures: list[Picture], recipe: Recipe, step: int) -> tuple[Tensor, Tensor]:
    """Small and large crops of one step, the same for the same seed and step."""
    random = np.random.default_rng((recipe.seed, step))
    large, small = [], []
    for number in range(recipe.batch):
        picture = pictures[random.integers(len(pictures))]
        side = recipe.crop_px
        y, x = (int(random.integers(size - side + 1)) for size in picture.shape[:2])
        crop = np.rot90(picture[y : y + side, x : x + side], int(random.integers(4)))
        crop = np.ascontiguousarray(crop[:, :: 1 if random.random() < 0.5 else -1])
        sigma = float(random.uniform(recipe.blur_least, recipe.blur_most))
        grain = float(random.uniform(0, recipe.grain))
        wanted = crop
        for _ in range(recipe.steepened):
            wanted = steepen(wanted)
        large.append(wanted)
        beads = float(random.uniform(0, recipe.beads))
        small.append(degrade(crop, sigma, grain, beads, (recipe.seed, step, number)))
    return to_tensor(small), to_tensor(large)


def measure(small: list[Picture], made: list[Picture], wanted: list[Picture]) -> dict[str, float]:
    """Figures of what was made against what was wanted, and mean edge widths of all three, in
    pixels of each.
    """
    result = figures(list(zip(made, wanted, strict=True)))
    for name, pictures in (("given", small), ("made", made), ("wanted", wanted)):
        widths = [edge_width_px(picture) for picture in pictures]
        result[f"edge_width_{name}_px"] = float(np.nanmean(widths))
    return result


def validate(net: Upsampler, pictures: list[Picture], recipe: Recipe) -> dict[str, float]:
    """Figures on held-out drawings."""
    small = [recipe.middling(picture, number) for number, picture in enumerate(pictures)]
    with torch.inference_mode():
        made = [to_picture(net(to_tensor([picture]))) for picture in small]
    return measure(small, made, pictures)


@dataclass(frozen=True)
class Run:
    """What a run reads (folders that training.targets made) and writes."""

    targets: Path
    validation: Path
    output: Path


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
    pictures, held_out = (drawings(f, recipe.crisp) for f in (run.targets, run.validation))
    pictures = [p for p in pictures if min(p.shape[:2]) >= recipe.crop_px]
    run.output.mkdir(parents=True, exist_ok=True)
    checkpoint = run.output / "last.pt"
    first, history = resume(checkpoint, parts, recipe)
    print(f"{len(pictures)} drawings, {len(held_out)} held out; from step {first}", flush=True)
    for step in range(first, recipe.steps):
        for group in optimiser.param_groups:
            falling = 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
            group["lr"] = recipe.learning_rate * min(falling, (step + 1) / 100)
        small, large = batch(pictures, recipe, step)
        made = net(small)
        loss = (made - large).abs().mean()
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
        if done % 500 == 0 or done == recipe.steps:
            states = {name: part.state_dict() for name, part in parts.items()}
            save(checkpoint, states | {"step": done, "history": history, "shape": shape.as_dict()})
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
