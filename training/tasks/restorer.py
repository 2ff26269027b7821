"""Trains the restorer: blur, noise and JPEG artefacts out of photographs, at once and doubled.

    python -m training.tasks.restorer --data ../shared/data --output .cache/runs/restorer

Photographs are spoilt on the fly (training/data/degradations.py); some are left clean, so that good
photos stay as they are. Reduced by half, a photograph gives a pair for both scales; cut as it
is, one for the same size alone, so that the net knows photos as cameras give them. Dark ones
are brightened first, as the pipeline does. Run again with the same --output, it continues from the
last checkpoint and ends where one run would have; the random numbers of a step depend on the
seed and the step alone.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from pipeline.architectures.restorer import Restorer, RestorerShape
from pipeline.domain import RgbImage
from pipeline.measure import psnr_db
from training.data.degradations import (
    KINDS,
    Brighten,
    Damage,
    Darken,
    Step,
    degrade,
    draw_kind,
    draw_steps,
)
from training.data.photographs import KINDS as KINDS_OF_PHOTOS
from training.data.photographs import read_rgb, split
from training.data.tensors import to_picture, to_tensor
from training.engine.checkpoint import follow, resume, save, twin
from training.engine.errors import LossNotFinite, NoPictures
from training.engine.recipe import changed
from training.losses.drawing import fourier_loss, gradient_loss
from training.tasks.student import learning_rate

HELD_OUT_PHOTOS = 8  # for each kind of damage
HELD_OUT_PX = 192  # of the small picture
ROUND = 0.03  # the error in [-1, 1] up to which the loss is nearly a square


@dataclass(frozen=True)
class Recipe:
    """The settings of a run, kept in its checkpoint."""

    steps: int = 5000
    doubled: int = 8  # of the batch: pairs for both scales
    same_size: int = 6  # of the batch: pairs for the same size alone
    crop_px: int = 96  # of what is given to the net
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    decay_from: int = 2000  # constant learning rate before, cosine to zero after
    average_decay: float = 0.998  # of the exponential moving average that is exported
    doubling_weight: float = 0.5  # of the doubled pictures' loss against the others'
    gradient_weight: float = 0.2
    fourier_weight: float = 0.05
    misjudged: float = 0.25  # sigma of the logarithm of told over true levels
    seed: int = 1


@dataclass(frozen=True)
class Pair:
    """What is given, uint8 (h, w, 3), and its damage; what is wanted of the same size; and of
    twice the size, where it is known.
    """

    given: RgbImage
    damage: Damage
    wanted: RgbImage
    doubled: RgbImage | None = None


def photographs(folder: Path, validation: bool) -> dict[str, list[Path]]:
    """The training files by kind, or those held out. Raises NoPictures when there are none."""
    lists = {kind: split(list(folder.glob(kind)), validation) for kind in KINDS_OF_PHOTOS}
    lists = {kind: files for kind, files in lists.items() if files}
    if not lists:
        raise NoPictures(f"{folder}: none of {', '.join(KINDS_OF_PHOTOS)}")
    return lists


def draw_window(
    lists: dict[str, list[Path]], side_px: int, random: np.random.Generator
) -> RgbImage:
    """A square of ``side_px`` of a photograph at a random scale, mirrored or not. Photographs
    smaller than it are passed over. Raises NoPictures when twenty in a row are.
    """
    for _ in range(20):
        photo = _drawn(lists, random)
        if min(photo.shape[:2]) >= side_px:
            break
    else:
        raise NoPictures(f"no photographs of {side_px} px a side")
    least = side_px / min(photo.shape[:2])
    scale = least ** float(random.random() ** 1.5)  # nearer to the photo's own than to the least
    size = [max(side_px, round(side * scale)) for side in photo.shape[1::-1]]
    if scale < 0.95:
        photo = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    y, x = (int(random.integers(side - side_px + 1)) for side in photo.shape[:2])
    window = photo[y : y + side_px, x : x + side_px]
    return np.ascontiguousarray(window[:, :: 1 if random.random() < 0.5 else -1])


def draw_photo(lists: dict[str, list[Path]], side_px: int, random: np.random.Generator) -> RgbImage:
    """A whole photograph, mirrored or not, its shorter side reduced to ``side_px``."""
    photo = _drawn(lists, random)
    scale = side_px / min(photo.shape[:2])
    if scale < 1:
        size = [max(1, round(side * scale)) for side in photo.shape[1::-1]]
        photo = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(photo[:, :: 1 if random.random() < 0.5 else -1])


def _drawn(lists: dict[str, list[Path]], random: np.random.Generator) -> RgbImage:
    weights = np.array([KINDS_OF_PHOTOS[kind] for kind in lists])
    files = lists[list(lists)[random.choice(len(lists), p=weights / weights.sum())]]
    return _photo(files[random.integers(len(files))])


@cache  # some 1.2 GB when all have been drawn; decoding would take a third of a step
def _photo(path: Path) -> RgbImage:
    return read_rgb(path)


def halve(large: RgbImage) -> RgbImage:
    height, width = large.shape[0] // 2, large.shape[1] // 2
    return cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)


def spoil(wanted: RgbImage, kind: str, seed: tuple[int, ...]) -> tuple[RgbImage, Damage]:
    """A photo spoilt in a way of that kind, brightened again where it was darkened."""
    steps = draw_steps(kind, np.random.default_rng(seed))
    return degrade(wanted, [*steps, *_brightening(steps)], seed)


def _brightening(steps: list[Step]) -> list[Step]:
    stops = sum(step.stops for step in steps if isinstance(step, Darken))
    return [Brighten(stops)] if stops else []


def draw_pair(
    lists: dict[str, list[Path]], doubled: bool, side_px: int, seed: tuple[int, ...]
) -> Pair:
    """A pair of training, the same for the same seed."""
    random = np.random.default_rng(seed)
    large = draw_window(lists, 2 * side_px, random) if doubled else None
    wanted = draw_window(lists, side_px, random) if large is None else halve(large)
    given, damage = spoil(wanted, draw_kind(random), seed)
    return Pair(given, damage, wanted, large)


def levels(damages: list[Damage]) -> Tensor:
    """(N, 3, 1, 1): what the net is told; see pipeline/architectures/restorer.py."""
    told = [(one.blur_px, one.noise, 100 - one.jpeg_quality) for one in damages]
    return torch.tensor(told, dtype=torch.float32)[..., None, None]


def batch(
    lists: dict[str, list[Path]], recipe: Recipe, step: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Given, levels and wanted of one step, and twice as large the first ``recipe.doubled`` of
    the latter. The levels are a little wrong, as the quality model's will be.
    """
    count = recipe.doubled + recipe.same_size
    pairs = [
        draw_pair(lists, n < recipe.doubled, recipe.crop_px, (recipe.seed, step, n))
        for n in range(count)
    ]
    random = np.random.default_rng((recipe.seed, step))
    wrong = np.exp(random.normal(0, recipe.misjudged, (count, 3, 1, 1))).astype(np.float32)
    return (
        to_tensor([pair.given for pair in pairs]),
        levels([pair.damage for pair in pairs]) * torch.from_numpy(wrong),
        to_tensor([pair.wanted for pair in pairs]),
        to_tensor([pair.doubled for pair in pairs if pair.doubled is not None]),
    )


def held_out_pairs(folder: Path) -> dict[str, list[Pair]]:
    """Pairs of photographs that are never trained on, by kind of damage, always the same."""
    lists = photographs(folder, validation=True)
    found: dict[str, list[Pair]] = {}
    for number, kind in enumerate(KINDS):
        for photo in range(HELD_OUT_PHOTOS):
            seed = (1000 + number, photo)
            random = np.random.default_rng((7, photo))  # the same photos for every kind
            large = draw_window(lists, 2 * HELD_OUT_PX, random)
            wanted = halve(large)
            given, damage = spoil(wanted, kind, seed)
            found.setdefault(kind, []).append(Pair(given, damage, wanted, large))
    return found


def lanczos(picture: RgbImage) -> RgbImage:
    return cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_LANCZOS4)


def measure(
    pairs: list[Pair], restored: list[RgbImage], doubled: list[RgbImage]
) -> dict[str, float]:
    """Mean PSNR against what is wanted, in dB: of what was given, and of what was made of it,
    at the same size and at twice the size (there against Lanczos).
    """
    rows = []
    for pair, same, twice in zip(pairs, restored, doubled, strict=True):
        if pair.doubled is None:
            raise ValueError("a pair without its doubled picture cannot be measured")
        rows.append(
            (
                psnr_db(pair.given, pair.wanted),
                psnr_db(same, pair.wanted),
                psnr_db(lanczos(pair.given), pair.doubled),
                psnr_db(twice, pair.doubled),
            )
        )
    names = ("given_db", "restored_db", "lanczos_db", "doubled_db")
    return {name: float(mean) for name, mean in zip(names, np.mean(rows, axis=0), strict=True)}


def restore(net: Restorer, pair: Pair) -> tuple[RgbImage, RgbImage]:
    """The pair's photo at the same size and doubled, as the torch module makes them."""
    given = to_tensor([pair.given])
    with torch.inference_mode():
        told = levels([pair.damage])
        features = net.features(given, told)
        made = net.restored(given, features, told), net.doubled(given, features, told)
    return to_picture(made[0]), to_picture(made[1])


def validate(net: Restorer, held_out: dict[str, list[Pair]]) -> dict[str, dict[str, float]]:
    """The figures of ``measure`` by kind of damage, told its true levels."""
    found = {}
    for kind, pairs in held_out.items():
        restored, doubled = zip(*(restore(net, pair) for pair in pairs), strict=True)
        found[kind] = measure(pairs, list(restored), list(doubled))
    return found


def gains(rows: dict[str, dict[str, float]]) -> dict[str, float]:
    """What the log tells of ``validate``: in dB over doing nothing, by kind, and over Lanczos on
    average; and the PSNR of restored clean photos.
    """
    found = {
        f"{kind}_gain_db": row["restored_db"] - row["given_db"]
        for kind, row in rows.items()
        if kind != "clean"
    }
    found["clean_db"] = rows["clean"]["restored_db"]
    doubled = [row["doubled_db"] - row["lanczos_db"] for row in rows.values()]
    return found | {"doubled_gain_db": float(np.mean(doubled))}


def sheet(net: Restorer, held_out: dict[str, list[Pair]]) -> RgbImage:
    """Two rows for every kind: given, restored, wanted."""
    rows = []
    for pairs in held_out.values():
        rows += [np.hstack([p.given, restore(net, p)[0], p.wanted]) for p in pairs[:2]]
    return np.vstack(rows)


def loss_of(made: Tensor, wanted: Tensor, recipe: Recipe) -> Tensor:
    """Charbonnier's, nearly the square for errors of a few grey levels, and a little of the
    edges' and the spectrum's: sharper, and nothing invented.
    """
    return (
        ((made - wanted).square() + ROUND * ROUND).sqrt().mean()
        - ROUND
        + recipe.gradient_weight * gradient_loss(made, wanted)
        + recipe.fourier_weight * fourier_loss(made, wanted)
    )


def train(recipe: Recipe, data: Path, output: Path) -> None:
    """The loop. Writes OUTPUT/last.pt, OUTPUT/log.jsonl and OUTPUT/sheet-STEP.png.

    Raises NoPictures, LossNotFinite and CheckpointNotSaved, with the last checkpoint good.
    """
    torch.manual_seed(recipe.seed)
    shape = RestorerShape()
    net = Restorer(shape).to(memory_format=torch.channels_last)
    average = twin(net)
    optimiser = torch.optim.Adam(net.parameters(), recipe.learning_rate, (0.9, 0.99))
    parts: dict[str, nn.Module | torch.optim.Optimizer] = {
        "net": net,
        "average": average,
        "optimiser": optimiser,
    }
    lists, held_out = photographs(data, validation=False), held_out_pairs(data)
    output.mkdir(parents=True, exist_ok=True)
    checkpoint = output / "last.pt"
    first, history = resume(checkpoint, parts, recipe)
    print(f"{sum(map(len, lists.values()))} photographs; from step {first}", flush=True)

    start, sums = time.monotonic(), 0.0
    for step in range(first, recipe.steps):
        given, told, wanted, large = batch(lists, recipe, step)
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * learning_rate(recipe, step)
        with torch.autocast("cpu", torch.bfloat16):
            features = net.features(given, told)
            restored = net.restored(given, features, told)
            first_ones = (tensor[: recipe.doubled] for tensor in (given, features, told))
            doubled = net.doubled(*first_ones)
        loss = loss_of(restored, wanted, recipe)
        loss = loss + recipe.doubling_weight * loss_of(doubled, large, recipe)
        if not torch.isfinite(loss):
            raise LossNotFinite(f"step {step}: the loss is {loss.item()}; {checkpoint} is good")
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        follow(average, net, recipe.average_decay, step)
        sums += loss.item()

        done = step + 1
        if done % 50 == 0 or done == recipe.steps:
            seconds = (time.monotonic() - start) / (done - first)
            print(f"step {done} | loss {sums / 50:.4f} | {seconds:.2f} s a step", flush=True)
            sums = 0.0
        if done % 250 == 0 or done == recipe.steps:
            states = {name: part.state_dict() for name, part in parts.items()}
            about = {"architecture": "restorer", "step": done, "history": history}
            save(checkpoint, states | about | {"shape": shape.as_dict()})
        if done % 500 == 0 or done == recipe.steps:
            rows = validate(average, held_out)
            for kind, row in rows.items():
                print(f"step {done} | {kind}: {row}", flush=True)
            with (output / "log.jsonl").open("a") as log:
                log.write(json.dumps({"step": done, **gains(rows)}) + "\n")
            picture = sheet(average, held_out)[..., ::-1]
            cv2.imwrite(str(output / f"sheet-{done:05d}.png"), picture)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of photos/, portraits/")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    train(changed(Recipe(), options.set), options.data, options.output)


if __name__ == "__main__":
    main()
