"""Trains the face parser: what BiSeNetV2 makes of aligned faces, by a net of a tenth the cost.

    python -m training.tasks.parser --targets .cache/targets/parser --output .cache/runs/parser

The faces and the teacher's logits come from training/data/parser_targets.py. The net learns the
teacher's probabilities, cell by cell, with more weight on small regions, and their overlap. Run
again with the same --output, it continues from the last checkpoint and ends where one run would
have. While it trains, each convolution is followed by batch normalisation, which is folded into
it for good when it is exported.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pipeline.architectures.parser import Parser, ParserShape
from pipeline.domain import RgbImage
from pipeline.faces.parse import REGIONS
from training.data.parser import as_measured, batch, chances
from training.data.parser_targets import load
from training.data.tensors import to_tensor
from training.engine.checkpoint import follow, resume, save, twin
from training.engine.errors import LossNotFinite
from training.engine.recipe import changed
from training.published.parser_teacher import CLASSES
from training.tasks.student import learning_rate

# what the mean is taken of: skin, brows, eyes, glasses, nose, mouth, lips, neck, hair
MEASURED = (1, 2, 3, 4, 5, 6, 10, 11, 12, 13, 14, 17)
# Of the cross entropy, by what a place holds: about the inverse square root of how much of a
# face a region covers.
WEIGHTS = (1, 1, 4, 4, 5, 5, 3, 3, 3, 5, 2, 4, 4, 4, 1.5, 4, 1, 1, 1.5)
LEAST_MASS = 4.0  # cells of a region in a batch from which on its overlap is asked for
LOGGED = ("mean", "skin", "left_brow", "right_eye", "glasses", "mouth", "neck", "hair")
Measured = Sequence[tuple[RgbImage, NDArray[np.uint8]]]


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


def normalised(net: Parser) -> Parser:
    """The net, each convolution but the head followed by batch normalisation; in place.

    What ends a residual block starts at zero, so that a deep net begins as a shallow one.
    """
    for name, module in list(net.named_modules()):
        if isinstance(module, nn.Conv2d) and name != "head":
            norm = nn.BatchNorm2d(module.out_channels)
            if name.endswith("second"):
                nn.init.zeros_(norm.weight)
            net.set_submodule(name, nn.Sequential(module, norm))
    return net


def folded(net: Parser) -> Parser:
    """A normalised net without its normalisation: the same outputs as in eval mode."""
    plain = twin(net).eval()
    for name, module in list(plain.named_modules()):
        if isinstance(module, nn.Sequential) and len(module) == 2:
            first, second = module
            if isinstance(second, nn.BatchNorm2d):
                plain.set_submodule(name, fuse_conv_bn_eval(first, second))
    return plain


def loss_of(logits: Tensor, wanted: Tensor, counts: Tensor, recipe: Recipe) -> Tensor:
    """``logits`` and the teacher's probabilities ``wanted`` (N, 19, h, w), ``counts``
    (N, 1, h, w): the weighted cross entropy, and one minus Dice's overlap by region.
    """
    # a weight for the place, the same for all regions there: weights by region would have the
    # net say more of the heavy ones than the teacher does, and make them fat
    places = (wanted * torch.tensor(WEIGHTS).reshape(1, CLASSES, 1, 1)).sum(1, keepdim=True)
    places = places * counts
    entropy = -(wanted * F.log_softmax(logits, 1)).sum(1, keepdim=True)
    entropy = (entropy * places).sum() / places.sum()
    said, asked = logits.softmax(1) * counts, wanted * counts
    shared = (said * asked).sum((0, 2, 3))
    both = (said.square() + asked.square()).sum((0, 2, 3))
    there = asked.sum((0, 2, 3)) > LEAST_MASS
    overlap = (1 - 2 * shared / (both + 1e-6))[there].mean()
    return entropy + recipe.overlap_weight * overlap


def labels_of(logits: Tensor) -> NDArray[np.uint8]:
    """(1, 19, h, w) logits to uint8 (4 h, 4 w), as pipeline/faces/parse.py makes them."""
    whole = F.interpolate(logits, scale_factor=4, mode="bilinear")
    found: NDArray[np.uint8] = whole.argmax(1)[0].byte().numpy()
    return found


def overlaps(
    said: Sequence[NDArray[np.uint8]], wanted: Sequence[NDArray[np.uint8]]
) -> dict[str, float]:
    """Intersection over union by region, over all faces, and the mean of MEASURED; the pixels
    of 255 in ``wanted`` do not count. A region that is nowhere has none.
    """
    table = np.zeros((CLASSES, CLASSES), np.int64)
    for one, other in zip(said, wanted, strict=True):
        seen = other < CLASSES
        pairs = other[seen].astype(np.int64) * CLASSES + one[seen]
        table += np.bincount(pairs, minlength=CLASSES**2).reshape(CLASSES, CLASSES)
    union = table.sum(0) + table.sum(1) - table.diagonal()
    found = {
        f"{name}_iou": float(table[n, n] / union[n]) for n, name in enumerate(REGIONS) if union[n]
    }
    names = [f"{REGIONS[n]}_iou" for n in MEASURED]
    mean = float(np.mean([found[name] for name in names if name in found]))
    return {"mean_iou": mean, **found}


def parsed(net: Parser, pictures: Sequence[RgbImage]) -> list[NDArray[np.uint8]]:
    """Labels (256, 256) of aligned faces, as the torch module makes them."""
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        return [labels_of(net(to_tensor([picture]))) for picture in pictures]


def validate(net: Parser, held_out: Measured) -> dict[str, float]:
    """``overlaps`` with the teacher on held-out faces."""
    plain = folded(net).to(memory_format=torch.channels_last)
    said = parsed(plain, [picture for picture, _ in held_out])
    return overlaps(said, [labels for _, labels in held_out])


def coloured(labels: NDArray[np.uint8]) -> RgbImage:
    """Labels in colours, for people; black is background, grey is not labelled."""
    hues = np.arange(CLASSES + 1) * 79 % 180
    lightness = 120 + np.arange(CLASSES + 1) % 3 * 60
    table = np.stack([hues, np.full_like(hues, 200), lightness], 1).astype(np.uint8)
    table[0], table[CLASSES] = 0, (0, 0, 128)
    rgb = cv2.cvtColor(table[None], cv2.COLOR_HSV2RGB)[0]
    return np.asarray(rgb[np.minimum(labels, CLASSES)])


def sheet(net: Parser, held_out: Measured, every: int = 9) -> RgbImage:
    """Some held-out faces: photo, teacher, student, up to four in a row."""
    some = held_out[::every]
    columns = min(4, len(some))
    some = some[: len(some) // columns * columns]
    said = parsed(folded(net).to(memory_format=torch.channels_last), [p for p, _ in some])
    tiles = [
        np.hstack([photo, coloured(wanted), coloured(made)])
        for (photo, wanted), made in zip(some, said, strict=True)
    ]
    return np.vstack([np.hstack(tiles[n : n + columns]) for n in range(0, len(tiles), columns)])


def train(recipe: Recipe, targets: Path, output: Path, until: int | None = None) -> None:
    """The loop, up to the recipe's last step or to the step ``until`` before that. Writes
    OUTPUT/last.pt, OUTPUT/log.jsonl and OUTPUT/sheet-STEP.png.

    Raises FileNotFoundError without targets, LossNotFinite and CheckpointNotSaved, with the last
    checkpoint good.
    """
    torch.manual_seed(recipe.seed)
    shape = ParserShape()
    net = normalised(Parser(shape)).to(memory_format=torch.channels_last)
    average = twin(net)
    optimiser = torch.optim.AdamW(net.parameters(), recipe.learning_rate, (0.9, 0.99))
    parts: dict[str, nn.Module | torch.optim.Optimizer] = {
        "net": net,
        "average": average,
        "optimiser": optimiser,
    }
    faces = load(targets / recipe.faces / "training")
    chance = chances(faces)
    held_out = as_measured(load(targets / recipe.faces / "validation"))
    output.mkdir(parents=True, exist_ok=True)
    checkpoint = output / "last.pt"
    first, history = resume(checkpoint, parts, recipe)
    print(f"{len(faces)} faces, {len(held_out)} held out; from step {first}", flush=True)

    start, sums = time.monotonic(), 0.0
    last = min(recipe.steps, until or recipe.steps)
    for step in range(first, last):
        pictures, wanted, counts = batch(
            faces, chance, recipe.batch, recipe.spoilt, (recipe.seed, step)
        )
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * learning_rate(recipe, step)
        with torch.autocast("cpu", torch.bfloat16):
            logits = net(pictures)
        loss = loss_of(logits, wanted, counts, recipe)
        if not torch.isfinite(loss):
            raise LossNotFinite(f"step {step}: the loss is {loss.item()}; {checkpoint} is good")
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        follow(average, net, recipe.average_decay, step)
        sums += loss.item()

        done = step + 1
        if done % 50 == 0 or done == last:
            seconds = (time.monotonic() - start) / (done - first)
            print(f"step {done} | loss {sums / 50:.4f} | {seconds:.2f} s a step", flush=True)
            sums = 0.0
        if done % 250 == 0 or done == last:
            states = {name: part.state_dict() for name, part in parts.items()}
            about = {"architecture": "parser", "step": done, "history": history}
            save(checkpoint, states | about | {"shape": shape.as_dict(), "faces": len(faces)})
        if done % 500 == 0 or done == last:
            row = validate(average, held_out)
            print(f"step {done} | held out: {row}", flush=True)
            with (output / "log.jsonl").open("a") as log:
                names = [f"{name}_iou" for name in LOGGED]
                told = {name: row[name] for name in names if name in row}
                log.write(json.dumps({"step": done, **told}) + "\n")
            picture = sheet(average, held_out)[..., ::-1]
            cv2.imwrite(str(output / f"sheet-{done:05d}.png"), picture)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--targets", type=Path, required=True, help="drawn faces")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    train(changed(Recipe(), options.set), options.targets, options.output)


if __name__ == "__main__":
    main()
