"""Distils a teacher's drawings into a small student.

    kirei train distil --targets .cache/targets/hayao \\
        --validation .cache/targets/hayao-validation \\
        --style hayao -o .cache/runs/hayao --set steps=6000 --set seed=1

Run it again with the same --out to continue from the last checkpoint; the random numbers of
a step depend on the seed and the step alone, so a resumed run draws what the first would have.
``--set`` changes any setting of the Recipe; a change on resuming holds from there on, and the
checkpoint keeps all recipes with the steps they held from.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.architectures.student import StudentGenerator, StudentShape, ThumbnailEncoder
from training.data.tensors import to_picture, to_tensor
from training.engine.checkpoint import follow, resume, save, twin
from training.engine.errors import LossNotFinite
from training.engine.recipe import InvalidSetting
from training.looks.grade import Grade, grade_drawing
from training.looks.styles import STYLES
from training.losses.drawing import (
    PatchDiscriminator,
    contour_weight,
    energy_loss,
    feature_loss,
    fourier_loss,
    gradient_loss,
)
from training.metrics.drawing import figures


@dataclass(frozen=True)
class Recipe:
    """The settings of a run, kept in its checkpoint."""

    steps: int = 6000
    decay_from: int = 4000  # constant learning rate before, cosine to zero after
    batch: int = 5
    crop_px: int = 256
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    average_decay: float = 0.998  # of the exponential moving average that is exported
    contour_emphasis: float = 2.0
    gradient_weight: float = 0.3
    energy_weight: float = 2.0
    fourier_weight: float = 0.2
    adversarial_from: int = 100_000  # the step from which a discriminator judges; costs a half more
    adversarial_weight: float = 0.05
    matching_weight: float = 2.0
    discriminator_rate: float = 2e-4
    wall_share: float = 0.05  # of the crops: areas of one colour, which have to come out clean
    noise_share: float = 0.3  # of the crops: with a camera's noise on the photo
    noise_sigma: float = 4.0  # grey levels, at most
    seed: int = 1


class Student(nn.Module):
    """The generator and its thumbnail encoder, trained and saved together."""

    def __init__(self, shape: StudentShape) -> None:
        super().__init__()
        self.generator = StudentGenerator(shape)
        self.encoder = ThumbnailEncoder(shape)

    def forward(self, picture: Tensor, thumbnail: Tensor) -> Tensor:
        drawing: Tensor = self.generator(picture, self.encoder(thumbnail))
        return drawing


class Pairs:
    """Windows and targets of a folder in memory, as uint8; crops by step and seed.

    The drawings of the folder are graded as ``grade`` says. Windows smaller than a crop (of the
    smallest photographs) are left out.
    """

    def __init__(
        self, folder: Path, thumbnail_px: int, crop_px: int, grade: Grade | None = None
    ) -> None:
        self.names: list[str] = []
        self.photos: list[NDArray[np.uint8]] = []
        self.targets: list[NDArray[np.uint8]] = []
        self.thumbnails: list[NDArray[np.uint8]] = []
        for path in sorted(folder.glob("?????-*.png")):
            pair = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
            photo, target = np.split(pair, 2, axis=1)
            if min(photo.shape[:2]) < crop_px:
                continue
            if grade:
                target = grade_drawing(photo, target, grade)
            self.names.append(path.stem)
            self.photos.append(photo)
            self.targets.append(target)
            size = (thumbnail_px, thumbnail_px)
            self.thumbnails.append(cv2.resize(photo, size, interpolation=cv2.INTER_AREA))
        if not self.photos:
            raise FileNotFoundError(f"{folder}: no targets; run training.data.targets first")

    def batch(self, recipe: Recipe, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Photos, targets (N, 3, crop, crop) and thumbnails of the windows they came from."""
        random = np.random.default_rng((recipe.seed, step))
        photos, targets, thumbnails = [], [], []
        for number in random.integers(len(self.photos), size=recipe.batch):
            height, width = self.photos[number].shape[:2]
            y = random.integers(height - recipe.crop_px + 1)
            x = random.integers(width - recipe.crop_px + 1)
            mirror = -1 if random.random() < 0.5 else 1
            part = (slice(y, y + recipe.crop_px), slice(x, x + recipe.crop_px))
            photo, target = self.photos[number][part], self.targets[number][part]
            if random.random() < recipe.wall_share:
                photo, target = wall(recipe, random)
            elif random.random() < recipe.noise_share:
                photo = noisy(photo, recipe, random)
            photos.append(photo[:, ::mirror])
            targets.append(target[:, ::mirror])
            thumbnails.append(self.thumbnails[number][:, ::mirror])
        return to_tensor(photos), to_tensor(targets), to_tensor(thumbnails)


def wall(
    recipe: Recipe, random: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A crop of one colour with a camera's noise, and without it.

    No photograph has areas as flat as a drawing's sky; students that never saw one leave grain
    and the pattern of their pixel-shuffle there.
    """
    side = recipe.crop_px
    clean = np.empty((side, side, 3), np.uint8)
    clean[:] = random.integers(0, 256, 3)
    return noisy(clean, recipe, random), clean


def noisy(
    photo: NDArray[np.uint8], recipe: Recipe, random: np.random.Generator
) -> NDArray[np.uint8]:
    """With a camera's noise, which is not to be drawn."""
    noise = random.normal(0, random.uniform(0, recipe.noise_sigma), photo.shape)
    return np.clip(photo + noise + 0.5, 0, 255).astype(np.uint8)


class Schedule(Protocol):
    """The settings of a recipe that its learning rate follows."""

    @property
    def steps(self) -> int: ...
    @property
    def warmup_steps(self) -> int: ...
    @property
    def decay_from(self) -> int: ...


def learning_rate(recipe: Schedule, step: int) -> float:
    """The factor of the base rate: linear warm-up, constant, cosine to zero."""
    if step < recipe.warmup_steps:
        return (step + 1) / recipe.warmup_steps
    if step < recipe.decay_from:
        return 1.0
    done = (step - recipe.decay_from) / max(1, recipe.steps - recipe.decay_from)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def validate(student: Student, pairs: Pairs, sheet: Path | None) -> dict[str, float]:
    """Figures on whole held-out windows; with ``sheet``, photo | target | drawing rows."""
    student.eval()
    made, rows = [], []
    for number, (photo, target) in enumerate(zip(pairs.photos, pairs.targets, strict=True)):
        with torch.inference_mode():
            out = student(to_tensor([photo]), to_tensor([pairs.thumbnails[number]]))
        drawing = to_picture(out)
        made.append((drawing, target))
        if number % 4 == 0:
            rows.append(cv2.resize(np.concatenate([photo, target, drawing], 1), (1152, 384)))
    if sheet:
        cv2.imwrite(str(sheet), cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR))
    student.train()
    return figures(made)


def grade_of(style: str | None) -> Grade | None:
    """How a style's targets are graded; None without a style. Raises InvalidSetting for a style
    that is not known.
    """
    if style is None:
        return None
    if style not in STYLES:
        raise InvalidSetting(f"no style {style!r}; there are {', '.join(STYLES)}")
    return STYLES[style].grade


def read_student(path: Path) -> dict[str, Tensor]:
    """The tensors of a float student, to fine-tune from."""
    return {name: tensor.float() for name, tensor in safetensors.torch.load_file(path).items()}


@dataclass(frozen=True)
class Run:
    """What a run reads and writes.

    ``targets`` and ``validation``: folders that training.data.targets made. ``style``: whose
    grade the targets get; without it they stay as they are. ``start_from``: a float
    student to fine-tune. ``until``: the step to stop at, when that is before the recipe's last.
    """

    targets: Path
    validation: Path
    output: Path
    style: str | None = None
    start_from: Path | None = None
    until: int | None = None


def train(recipe: Recipe, run: Run) -> None:
    """The loop. Writes OUTPUT/last.pt, OUTPUT/log.jsonl and OUTPUT/sheet-STEP.png.

    Raises LossNotFinite and CheckpointNotSaved, with the last checkpoint good.
    """
    torch.manual_seed(recipe.seed)
    shape = StudentShape()
    student = Student(shape).to(memory_format=torch.channels_last)
    average = twin(student)
    judge = PatchDiscriminator().to(memory_format=torch.channels_last)
    grade = grade_of(run.style)
    optimiser = torch.optim.Adam(student.parameters(), recipe.learning_rate, (0.9, 0.99))
    judge_optimiser = torch.optim.Adam(judge.parameters(), recipe.discriminator_rate, (0.5, 0.99))
    parts = {
        "student": student,
        "average": average,
        "judge": judge,
        "optimiser": optimiser,
        "judge_optimiser": judge_optimiser,
    }
    if run.start_from:
        for part in (student, average):
            part.load_state_dict(read_student(run.start_from))
    pairs = Pairs(run.targets, shape.thumbnail_px, recipe.crop_px, grade)
    held_out = Pairs(run.validation, shape.thumbnail_px, recipe.crop_px, grade)
    run.output.mkdir(parents=True, exist_ok=True)
    checkpoint = run.output / "last.pt"
    first, history = resume(checkpoint, parts, recipe)
    print(f"{len(pairs.photos)} windows, {len(held_out.photos)} held out; from step {first}")

    sums: dict[str, float] = {}
    start = time.monotonic()
    last = min(recipe.steps, run.until or recipe.steps)
    for step in range(first, last):
        photo, target, thumbnail = pairs.batch(recipe, step)
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * learning_rate(recipe, step)
        adversarial = step >= recipe.adversarial_from
        with torch.autocast("cpu", torch.bfloat16):
            drawing = student(photo, thumbnail).float()
        emphasis = contour_weight(target, recipe.contour_emphasis)
        losses = {
            "l1": ((drawing - target).abs() * emphasis).mean(),
            "gradient": recipe.gradient_weight * gradient_loss(drawing, target),
            "energy": recipe.energy_weight * energy_loss(drawing, target),
            "fourier": recipe.fourier_weight * fourier_loss(drawing, target),
        }
        if adversarial:
            judge.requires_grad_(False)
            with torch.autocast("cpu", torch.bfloat16):
                score, seen = judge(photo, drawing)
                _, wanted = judge(photo, target)
            losses["adversarial"] = recipe.adversarial_weight * (score.float() - 1).square().mean()
            losses["matching"] = recipe.matching_weight * feature_loss(
                [f.float() for f in seen], [f.float() for f in wanted]
            )
        total = torch.stack(list(losses.values())).sum()
        if not torch.isfinite(total):
            raise LossNotFinite(f"step {step}: the loss is {total.item()}; {checkpoint} is good")
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimiser.step()
        if adversarial:
            judge.requires_grad_(True)
            with torch.autocast("cpu", torch.bfloat16):
                real, _ = judge(photo, target)
                fake, _ = judge(photo, drawing.detach())
            judged = (real.float() - 1).square().mean() + fake.float().square().mean()
            judge_optimiser.zero_grad(set_to_none=True)
            judged.backward()
            judge_optimiser.step()
            losses["judge"] = judged
        follow(average, student, recipe.average_decay, step)
        for name, loss in losses.items():
            sums[name] = sums.get(name, 0.0) + loss.item()

        done = step + 1
        if done % 50 == 0 or done == last:
            seconds = (time.monotonic() - start) / (done - first)
            means = " ".join(f"{name} {value / 50:.4f}" for name, value in sums.items())
            print(f"step {done} | {means} | {seconds:.2f} s a step", flush=True)
            sums = {}
        if done % 250 == 0 or done == last:
            states = {name: part.state_dict() for name, part in parts.items()}
            about = {"step": done, "history": history, "shape": shape.as_dict()}
            save(checkpoint, states | about)
        if done % 500 == 0 or done == last:
            row = validate(average, held_out, run.output / f"sheet-{done:05d}.png")
            print(f"step {done} | held out: {row}", flush=True)
            with (run.output / "log.jsonl").open("a") as log:
                log.write(json.dumps({"step": done, **row}) + "\n")
