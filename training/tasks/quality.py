"""Trains the quality model: what a photo suffers from, in the units of what was done to it.

    python -m training.tasks.quality --data ../shared/data --output .cache/runs/quality

Photographs are spoilt as for the restorer (training/data/degradations.py), and shown as
the pipeline shows them (``model_inputs`` in pipeline/quality_model.py). Run again with the same
--output, it continues from the last checkpoint and ends where one run would have.
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
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import smooth_l1_loss

from pipeline.architectures.quality import MEASURES, QualityModel, QualityShape, normalise
from pipeline.domain import RgbImage
from pipeline.quality_model import model_inputs
from training.data.degradations import (
    KINDS,
    Brighten,
    Damage,
    Darken,
    degrade,
    draw_kind,
    draw_steps,
)
from training.data.photographs import read_rgb
from training.data.tensors import to_tensor
from training.engine.checkpoint import follow, resume, save, twin
from training.engine.errors import LossNotFinite
from training.engine.recipe import changed
from training.tasks.restorer import draw_photo, draw_window, photographs
from training.tasks.student import learning_rate

HELD_OUT_PHOTOS = 24  # for each kind of damage
SIDES_PX = (160, 384)  # of the windows, and shorter ones of whole photographs
STOPS = (0.7, 3.5)  # of photographs that are darkened besides
SHARE = 0.9915  # of clean photos under the threshold of each measure; of all four, 0.967
LONGER_PX = 640  # of whole photos, by which the thresholds are set
OFF_GRID = 0.25  # share of the photos that were cut after they were spoilt, blocks and all
# From what on a fault is clearly there: where the score is one half, and where the gate's two
# kinds of error are counted.
CLEARLY = {"blur_px": 1.5, "noise": 10.0, "artefacts": 45.0, "darkness": 1.5}


@dataclass(frozen=True)
class Recipe:
    """The settings of a run, kept in its checkpoint."""

    steps: int = 8000
    batch: int = 12
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    decay_from: int = 3000  # constant learning rate before, cosine to zero after
    average_decay: float = 0.998  # of the exponential moving average that is exported
    whole: float = 0.4  # share of whole photographs, the others are windows of some
    darkened: float = 0.2  # share that is darkened besides what else is done to it
    brightened: float = 0.3  # share of the dark photos that are shown after the brightening
    round: float = 0.1  # of the loss: errors up to this count by their square
    seed: int = 1


@dataclass(frozen=True)
class Case:
    """A spoilt photo and what the model is to say of it, in the order of MEASURES."""

    photo: RgbImage
    truth: NDArray[np.float32]


def draw_case(
    lists: dict[str, list[Path]], kind: str | None, recipe: Recipe, seed: tuple[int, ...]
) -> Case:
    """A photo spoilt in a way of that kind, or of any; the same for the same seed."""
    random = np.random.default_rng(seed)
    if random.random() < recipe.whole:
        clean = draw_photo(lists, int(random.integers(*SIDES_PX)), random)
    else:
        clean = draw_window(lists, int(random.integers(*SIDES_PX)), random)
    steps = draw_steps(kind or draw_kind(random), np.random.default_rng(seed))
    if steps and random.random() < recipe.darkened:
        steps.insert(int(random.integers(len(steps))), Darken(float(random.uniform(*STOPS))))
    stops = sum(step.stops for step in steps if isinstance(step, Darken))
    if stops and random.random() < recipe.brightened:
        steps.append(Brighten(stops))
    photo, damage = degrade(clean, steps, seed)
    if random.random() < OFF_GRID:
        y, x = random.integers(8, size=2)
        photo = np.ascontiguousarray(photo[y:, x:])
    return Case(photo, truth_of(damage))


def truth_of(damage: Damage) -> NDArray[np.float32]:
    """MEASURES of a photo, each within the model's range. The score halves with every time that
    the worst fault is as large as one that is clearly there.
    """
    measures = [
        min(damage.blur_px, 8.0),
        min(damage.noise, 100.0),
        max(damage.jpeg_quality, 25.0),
        float(np.clip(damage.exposure_stops, -5, 5)),
        1.0,
    ]
    truth = np.array(measures, np.float32)
    found = faults(truth[None])
    worst = max(float(found[name][0]) / least for name, least in CLEARLY.items())
    truth[-1] = 0.5 ** max(0.0, worst)
    return truth


def shown(photos: Sequence[RgbImage], shape: QualityShape) -> tuple[Tensor, Tensor, Tensor]:
    """Thumbnails (N, 3, T, T), patches (N * K, 3, P, P) and levels of light (N, LIGHTS)."""
    looks = [
        model_inputs(photo, shape.thumbnail_px, shape.patch_px, shape.patches) for photo in photos
    ]
    thumbnails, patches, light = zip(*looks, strict=True)
    squares = [patch for of_photo in patches for patch in of_photo]
    return to_tensor(list(thumbnails)), to_tensor(squares), torch.from_numpy(np.stack(light))


def batch(
    lists: dict[str, list[Path]], recipe: Recipe, shape: QualityShape, step: int
) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
    """What the model is shown, and what is true of it, (N, 5), in one step."""
    cases = [draw_case(lists, None, recipe, (recipe.seed, step, n)) for n in range(recipe.batch)]
    truth = torch.from_numpy(np.stack([case.truth for case in cases]))
    return shown([case.photo for case in cases], shape), truth


def whole_photos(lists: dict[str, list[Path]], count: int) -> list[RgbImage]:
    """Some ``count`` whole photographs, evenly chosen, at most LONGER_PX a side and reduced to
    multiples of 4; but no crops of faces, whose own blur and artefacts are strong.
    """
    files = [file for kind, found in lists.items() if "faces" not in kind for file in found]
    photos = [read_rgb(file) for file in files[:: max(1, len(files) // count)][:count]]
    return [_reduced(photo) for photo in photos]


def _reduced(photo: RgbImage) -> RgbImage:
    scale = min(1.0, LONGER_PX / max(photo.shape[:2]))
    size = [round(side * scale) // 4 * 4 for side in photo.shape[1::-1]]
    return cv2.resize(photo, size, interpolation=cv2.INTER_AREA)


def held_out_cases(folder: Path) -> dict[str, list[Case]]:
    """Cases of photographs that are never trained on, by kind of damage, always the same."""
    lists = photographs(folder, validation=True)
    plain = Recipe(darkened=0, brightened=0)
    return {
        kind: [draw_case(lists, kind, plain, (2000 + n, photo)) for photo in range(HELD_OUT_PHOTOS)]
        for n, kind in enumerate(KINDS)
    }


def faults(measures: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """(N, 5) in the order of MEASURES to what the gate has thresholds for: more is worse."""
    blur, noise, jpeg_quality, stops, _ = measures.T
    return {"blur_px": blur, "noise": noise, "artefacts": 100 - jpeg_quality, "darkness": -stops}


def thresholds_of(on_clean: NDArray[np.float32], share: float) -> dict[str, float]:
    """The gate's: what ``share`` of clean photos stay under in each measure.

    ``on_clean``: (N, 5), what the model says of them.
    """
    quantiles = {name: np.quantile(values, share) for name, values in faults(on_clean).items()}
    return {name: round(float(value), 3) for name, value in quantiles.items()}


def acts(measures: NDArray[np.float32], thresholds: dict[str, float]) -> NDArray[np.bool_]:
    """(N, 5) to (N,): whether the gate mends a photo, for any of its faults."""
    over = [values > thresholds[name] for name, values in faults(measures).items()]
    return np.asarray(np.stack(over).any(0))


def figures(
    said: dict[str, NDArray[np.float32]],
    true: dict[str, NDArray[np.float32]],
    thresholds: dict[str, float],
) -> dict[str, float]:
    """By kind of damage (N, 5) both: mean absolute errors over all kinds; the share of clean
    photos that the gate leaves alone; and of those with a fault that is clearly there, the share
    on which it acts.
    """
    all_said, all_true = (np.concatenate(list(rows.values())) for rows in (said, true))
    errors = np.abs(all_said - all_true).mean(0)
    result = {f"{name}_error": float(error) for name, error in zip(MEASURES, errors, strict=True)}
    spoilt = all_true[:, -1] <= 0.5
    result["clean_left_alone"] = float(1 - acts(said["clean"], thresholds).mean())
    result["spoilt_found"] = float(acts(all_said[spoilt], thresholds).mean())
    return result


def judge(model: QualityModel, photos: Sequence[RgbImage]) -> NDArray[np.float32]:
    """(N, 5): what the torch module says."""
    with torch.inference_mode():
        said: NDArray[np.float32] = model(*shown(photos, model.shape)).numpy()
    return said


def validate(model: QualityModel, held_out: dict[str, list[Case]]) -> dict[str, float]:
    """``figures`` on held-out photos, with thresholds such as these give themselves."""
    said = {kind: judge(model, [c.photo for c in cases]) for kind, cases in held_out.items()}
    true = {kind: np.stack([c.truth for c in cases]) for kind, cases in held_out.items()}
    return figures(said, true, thresholds_of(said["clean"], SHARE))


def train(recipe: Recipe, data: Path, output: Path) -> None:
    """The loop. Writes OUTPUT/last.pt and OUTPUT/log.jsonl.

    Raises NoPictures, LossNotFinite and CheckpointNotSaved, with the last checkpoint good.
    """
    torch.manual_seed(recipe.seed)
    shape = QualityShape()
    model = QualityModel(shape).to(memory_format=torch.channels_last)
    average = twin(model)
    optimiser = torch.optim.Adam(model.parameters(), recipe.learning_rate, (0.9, 0.99))
    parts: dict[str, nn.Module | torch.optim.Optimizer] = {
        "net": model,
        "average": average,
        "optimiser": optimiser,
    }
    lists, held_out = photographs(data, validation=False), held_out_cases(data)
    output.mkdir(parents=True, exist_ok=True)
    checkpoint = output / "last.pt"
    first, history = resume(checkpoint, parts, recipe)
    print(f"{sum(map(len, lists.values()))} photographs; from step {first}", flush=True)

    start, sums = time.monotonic(), torch.zeros(len(MEASURES))
    for step in range(first, recipe.steps):
        seen, truth = batch(lists, recipe, shape, step)
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * learning_rate(recipe, step)
        with torch.autocast("cpu", torch.bfloat16):
            said = model.normalised(*seen).float()
        losses = smooth_l1_loss(said, normalise(truth), beta=recipe.round, reduction="none").mean(0)
        loss = losses.sum()
        if not torch.isfinite(loss):
            raise LossNotFinite(f"step {step}: the loss is {loss.item()}; {checkpoint} is good")
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        follow(average, model, recipe.average_decay, step)
        sums += losses.detach()

        done = step + 1
        if done % 50 == 0 or done == recipe.steps:
            seconds = (time.monotonic() - start) / (done - first)
            means = " ".join(f"{n} {v / 50:.4f}" for n, v in zip(MEASURES, sums, strict=True))
            print(f"step {done} | {means} | {seconds:.2f} s a step", flush=True)
            sums.zero_()
        if done % 250 == 0 or done == recipe.steps:
            states = {name: part.state_dict() for name, part in parts.items()}
            about = {"architecture": "quality", "step": done, "history": history}
            save(checkpoint, states | about | {"shape": shape.as_dict()})
        if done % 500 == 0 or done == recipe.steps:
            row = validate(average, held_out)
            print(f"step {done} | held out: {row}", flush=True)
            with (output / "log.jsonl").open("a") as log:
                log.write(json.dumps({"step": done, **row}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of photos/, portraits/")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    train(changed(Recipe(), options.set), options.data, options.output)


if __name__ == "__main__":
    main()
