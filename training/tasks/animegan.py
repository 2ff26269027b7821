"""Trains AnimeGAN or AnimeGANv2: a style from a folder of photographs and one of its frames.

    kirei train animegan --photos DIR --style DIR -o OUT --preset paprika --set steps=20000

The generator first learns to give the photo back (content loss alone), then generator and
discriminator take a step each in turn. The same command again continues from OUT/last.pt; what
a step draws depends on seed and step alone, so on the CPU a resumed run is exactly the run
that was not interrupted. Changed settings hold from there on; the checkpoint keeps all recipes
with the steps they held from.

Source: J. Chen, G. Liu, X. Chen, "AnimeGAN: a novel lightweight GAN for photo animation"
(ISICA 2019); github.com/TachibanaYoshino/AnimeGANv2 for the second version and its settings.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from pipeline.architectures.animegan import AnimeGANGenerator
from pipeline.architectures.animeganv2 import AnimeGANv2Generator
from pipeline.domain import RgbImage
from training.architectures.discriminators import AnimeDiscriminator
from training.data.animegan import AnimeData
from training.data.tensors import to_picture, to_tensor
from training.engine.checkpoint import load, save
from training.engine.errors import LossNotFinite, ResumeMismatch
from training.losses import animegan as losses_of
from training.losses.features import open_features

ARCHITECTURES = {"v1": "animegan", "v2": "animeganv2"}
PRECISIONS = ("bfloat16", "float32")
SAMPLES = 4  # photographs on a sheet
SAVE_AFTER_S = 120  # what a kill may cost
PLAIN: dict[str, Any] = {"markup": False, "highlight": False, "soft_wrap": True}


@dataclass(frozen=True)
class Recipe:
    """The settings of a run, kept in its checkpoint. Defaults are AnimeGANv2's for Hayao."""

    version: str = "v2"
    upsampling: str = "half_pixel"  # of v2's generator; see its docstring
    steps: int = 56_000  # about 100 epochs of the published 6,656 photographs
    initialisation_steps: int = 5_500
    batch: int = 12
    crop_px: int = 256
    side_px: int = 320  # the shorter side of pictures in memory: a crop sees most of one
    initialisation_rate: float = 2e-4
    generator_rate: float = 2e-5
    discriminator_rate: float = 4e-5
    adversarial_weight: float = 300.0
    content_weight: float = 1.5
    style_weight: float = 2.5
    colour_weight: float = 15.0
    variation_weight: float = 1.0
    precision: str = "bfloat16"  # of convolutions; losses and weights are float32
    log_every: int = 25
    sheet_every: int = 500
    seed: int = 1

    def __post_init__(self) -> None:
        """Raises ValueError naming a setting that cannot be."""
        for name, allowed in (("version", ARCHITECTURES), ("precision", PRECISIONS)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it is {' or '.join(allowed)}")
        for name in ("steps", "batch", "log_every", "sheet_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it is at least 1")
        if self.crop_px < 32 or self.crop_px % 8:
            raise ValueError(f"crop_px is {self.crop_px}; it is a multiple of 8, at least 32")
        if self.side_px < self.crop_px:
            raise ValueError(f"side_px is {self.side_px}, less than crop_px, {self.crop_px}")


# the published weights of the losses: content, style, colour, total variation
PRESETS = {
    ("v1", "hayao"): (1.5, 3.0, 10.0, 0.0),
    ("v1", "paprika"): (1.5, 3.0, 10.0, 0.0),
    ("v1", "shinkai"): (1.1, 3.0, 10.0, 0.0),
    ("v2", "hayao"): (1.5, 2.5, 15.0, 1.0),
    ("v2", "paprika"): (2.0, 0.6, 50.0, 0.1),
    ("v2", "shinkai"): (1.2, 2.0, 10.0, 1.0),
}


def published(version: str, preset: str) -> Recipe:
    """The published settings of a version for one of its three styles."""
    content, style, colour, variation = PRESETS[version, preset]
    recipe = Recipe(
        version=version,
        content_weight=content,
        style_weight=style,
        colour_weight=colour,
        variation_weight=variation,
    )
    if version == "v2":
        return recipe
    return replace(
        recipe,
        steps=111_000,
        batch=6,
        initialisation_rate=1e-4,
        generator_rate=8e-5,
        discriminator_rate=1.6e-4,
    )


@dataclass(frozen=True)
class Run:
    """Where a training reads and writes, and on what it runs."""

    photos: Path
    style: Path
    out: Path
    features: Path | None  # of VGG19 or a float student; None is the shipped student
    device: str  # cpu or cuda


def networks(recipe: Recipe) -> tuple[nn.Module, nn.Module]:
    """Generator and discriminator with He's first weights, from torch's random numbers."""
    generator: nn.Module
    if recipe.version == "v1":
        generator, norm = AnimeGANGenerator(), "instance"
    else:
        generator, norm = AnimeGANv2Generator(recipe.upsampling), "layer"
    discriminator = AnimeDiscriminator(norm)
    for module in generator.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, a=0.2)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return generator, discriminator  # the latter's scale is set by spectral normalisation


def train(recipe: Recipe, run: Run, console: Console) -> None:
    """The loop. Writes OUT/last.pt, OUT/log.jsonl and OUT/sheet-STEP.png.

    Raises TrainingError: bad data before the first step, a loss that is not finite, or a disk
    that is full; OUT/last.pt is good whenever it is there.
    """
    torch.manual_seed(recipe.seed)
    data = AnimeData(run.photos, run.style, recipe.crop_px, recipe.side_px)
    features, about = open_features(run.features)
    features = features.to(run.device, memory_format=torch.channels_last)
    generator, discriminator = (
        net.to(run.device, memory_format=torch.channels_last) for net in networks(recipe)
    )
    adam = {"betas": (0.5, 0.999)}
    optimiser = torch.optim.Adam(generator.parameters(), recipe.generator_rate, **adam)
    judge_optimiser = torch.optim.Adam(
        discriminator.parameters(), recipe.discriminator_rate, **adam
    )
    parts: dict[str, Any] = {
        "generator": generator,
        "discriminator": discriminator,
        "generator_optimiser": optimiser,
        "discriminator_optimiser": judge_optimiser,
    }
    run.out.mkdir(parents=True, exist_ok=True)
    checkpoint, log = run.out / "last.pt", run.out / "log.jsonl"
    first, history = resume(checkpoint, recipe, about, parts)
    forget_after(first, log)
    for line in data.warned:
        console.print(f"warning: {line}", style="yellow", **PLAIN)
    for line in (*data.notes, about, f"steps {first} to {recipe.steps} on {run.device}"):
        console.print(line, **PLAIN)

    def keep(step: int) -> None:
        states = {name: part.state_dict() for name, part in parts.items()}
        about_it = {"architecture": ARCHITECTURES[recipe.version], "upsampling": recipe.upsampling}
        save(checkpoint, about_it | states | {"step": step, "history": history})

    half = torch.autocast(run.device, torch.bfloat16, enabled=recipe.precision == "bfloat16")
    sums: dict[str, list[float]] = {}
    started = saved_at = time.monotonic()
    with _progress(console) as progress:
        bar = progress.add_task("", total=recipe.steps, completed=first, losses="")
        for step in range(first, recipe.steps):
            initialising = step < recipe.initialisation_steps
            if step == recipe.initialisation_steps:
                optimiser.state.clear()  # the published training has an Adam for each phase
            rate = recipe.initialisation_rate if initialising else recipe.generator_rate
            for group in optimiser.param_groups:
                group["lr"] = rate
            for group in judge_optimiser.param_groups:
                group["lr"] = recipe.discriminator_rate
            batch = data.batch(recipe.batch, recipe.seed, step, recipe.version == "v2")
            batch = batch.to(run.device)
            with half:
                drawing = generator(batch.photo)
            drawing = drawing.float()
            losses: dict[str, Tensor] = {}
            if not initialising:
                discriminator.requires_grad_(True)
                kinds = [batch.anime, batch.grey, batch.smooth, drawing.detach()]
                with half:
                    scores = discriminator(torch.cat(kinds))
                judged = losses_of.discriminator_loss(*scores.float().chunk(len(kinds)))
                losses["discriminator"] = recipe.adversarial_weight * judged
                descend(losses["discriminator"], judge_optimiser, step)
                discriminator.requires_grad_(False)
                with half:
                    score = discriminator(drawing)
                judged = losses_of.generator_loss(score.float())
                losses["adversarial"] = recipe.adversarial_weight * judged
            with half:
                of_photo, of_drawing = features(batch.photo), features(drawing)
                of_grey = None if initialising else features(batch.grey)
            of_drawing = of_drawing.float()
            content = losses_of.content_loss(of_photo.float(), of_drawing)
            losses["content"] = recipe.content_weight * features.content_scale * content
            if of_grey is not None:
                style = losses_of.grey_style_loss(of_grey.float(), of_drawing)
                colour = losses_of.colour_loss(batch.photo, drawing)
                variation = losses_of.total_variation_loss(drawing)
                losses["style"] = recipe.style_weight * features.style_scale * style
                losses["colour"] = recipe.colour_weight * colour
                losses["variation"] = recipe.variation_weight * variation
            of_generator = [loss for name, loss in losses.items() if name != "discriminator"]
            descend(torch.stack(of_generator).sum(), optimiser, step)

            done = step + 1
            for name, loss in losses.items():
                sums.setdefault(name, []).append(loss.item())
            phase = "initialisation" if initialising else "drawing"
            now = " ".join(f"{name} {values[-1]:.3g}" for name, values in sums.items())
            progress.update(bar, completed=done, description=phase, losses=now)
            if done % recipe.log_every == 0 or done == recipe.steps:
                means = {name: float(np.mean(values)) for name, values in sums.items()}
                seconds = (time.monotonic() - started) / (done - first)
                row = {"step": done, "phase": phase, **means, "seconds_a_step": seconds}
                with log.open("a") as file:
                    file.write(json.dumps(row) + "\n")
                if not console.is_terminal:
                    text = " ".join(f"{name} {mean:.4g}" for name, mean in means.items())
                    console.print(f"step {done} {phase}: {text}; {seconds:.2f} s a step", **PLAIN)
                sums = {}
            if done == recipe.steps or time.monotonic() - saved_at > SAVE_AFTER_S:
                keep(done)
                saved_at = time.monotonic()
            if done % recipe.sheet_every == 0 or done == recipe.steps:
                write_sheet(run.out / f"sheet-{done:06d}.png", generator, data, run.device)
    console.print(f"{checkpoint}: step {max(first, recipe.steps)}", **PLAIN)


def descend(loss: Tensor, optimiser: torch.optim.Optimizer, step: int) -> None:
    """One step down. Raises LossNotFinite, before anything changes, for NaN and infinity."""
    if not torch.isfinite(loss):
        raise LossNotFinite(
            f"step {step}: the loss is {loss.item()}; stopped, and the last checkpoint is good"
        )
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


def resume(
    checkpoint: Path, recipe: Recipe, about: str, parts: dict[str, Any]
) -> tuple[int, list[dict[str, Any]]]:
    """Fills the parts from the checkpoint if there is one: the first step, and the recipes
    that held, this one included.
    """
    first, history = 0, []
    if checkpoint.exists():
        saved = load(checkpoint, ARCHITECTURES[recipe.version])
        try:
            for name, part in parts.items():
                part.load_state_dict(saved[name])
            first, history = saved["step"], saved["history"]
        except (KeyError, RuntimeError, ValueError) as error:
            raise ResumeMismatch(f"{checkpoint}: does not fit: {error}") from error
    entry = {"recipe": asdict(recipe), "features": about}
    if not history or any(history[-1].get(name) != value for name, value in entry.items()):
        history.append({"from_step": first, **entry})
    return first, history


def forget_after(step: int, log: Path) -> None:
    """Drops the rows of steps that a killed run logged but did not save, and a torn row."""
    if not log.exists():
        return
    rows = []
    for line in log.read_text().splitlines():
        try:
            row = json.loads(line)
        except ValueError:  # the disk was full, or the power went
            continue
        if row["step"] <= step:
            rows.append(line)
    log.write_text("".join(f"{row}\n" for row in rows))


def write_sheet(path: Path, generator: nn.Module, data: AnimeData, device: str) -> None:
    """Rows of photo | drawing, in float32."""
    rows: list[RgbImage] = []
    for photo in data.samples(SAMPLES):
        with torch.no_grad():
            drawing = generator(to_tensor([photo]).to(device))
        rows.append(np.concatenate([photo, to_picture(drawing.cpu())], axis=1))
    cv2.imwrite(str(path), cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR))


def _progress(console: Console) -> Progress:
    return Progress(
        *Progress.get_default_columns()[:2],
        TextColumn("{task.completed}/{task.total}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[losses]}"),
        console=console,
        disable=not console.is_terminal,
    )
