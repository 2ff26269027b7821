"""``kirei train``: found by the command line through the entry points of the package."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import click

FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
Option = Callable[[Any], Any]


def _folder(name: str, text: str) -> Option:
    names = ("-o", name) if name == "--output" else (name,)
    return click.option(*names, type=FOLDER, required=True, help=text)


def _choice(name: str, choices: str, default: str, text: str) -> Option:
    kind = click.Choice(choices.split())
    return click.option(name, type=kind, default=default, show_default=True, help=text)


DATA = _folder("--data", "folder of photos/, portraits/, faces/")
TEACHERS = _folder("--teachers", "folder of the published networks")
VALIDATION = _folder("--validation", "the same, of held-out photographs")
TARGETS, UPSAMPLER_TARGETS, PARSER_TARGETS = (
    _folder("--targets", f"made by python -m training.data.{module}")
    for module in ("targets", "upsampler_targets", "parser_targets")
)
PICTURES = _folder("--pictures", "coloured pictures, searched whole; the last tenth is held out")
DRAWINGS = click.option(
    "--drawings", type=FOLDER, help="made by python -m training.data.targets, as well"
)
SHARED = (
    _folder("--output", "checkpoint, log and sample sheets"),
    _choice("--device", "auto cpu cuda", "auto", "auto: a GPU where there is one"),
    click.option("--until", type=click.IntRange(1), help="stop at this step"),
    click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="a setting"),
)
# by command: the module of training/tasks and its task, what people read, its options
TRAININGS: dict[str, tuple[str, str, str, tuple[Option, ...]]] = {
    "animegan": (
        "animegan",
        "AnimeGANTask",
        "Train AnimeGAN (v1) or AnimeGANv2 (v2) on two folders.\n\nOn two CPU cores the published "
        "settings are out of reach: try --set batch=2 --set crop_px=128 --set side_px=160.",
        (
            _folder("--photos", "photographs, searched whole"),
            _folder("--style", "pictures of the style, searched whole"),
            _choice("--version", "v1 v2", "v2", "of the published trainings"),
            _choice("--preset", "hayao paprika shinkai", "hayao", "the published loss weights"),
            click.option(
                "--features",
                type=FILE,
                help="feature net of the content and style losses: torchvision's vgg19 checkpoint "
                "(as published), or a float student (.safetensors)  [default: first layers of "
                "the shipped cel student]",
            ),
        ),
    ),
    "distil": (
        "student",
        "StudentTask",
        "Teach a small student what a teacher draws.",
        (
            TARGETS,
            VALIDATION,
            click.option("--style", metavar="STYLE", help="whose grade the targets get"),
            click.option("--from", "start_from", type=FILE, help="a float student to fine-tune"),
        ),
    ),
    "colour": (
        "colour",
        "ColourTask",
        "Teach a network to colour line drawings, from coloured pictures.",
        (PICTURES, DRAWINGS),
    ),
    "sgru": (
        "sgru",
        "SgruTask",
        "Train the published network that colours line drawings.\n\nIts 32 million weights want "
        "a GPU.",
        (PICTURES, DRAWINGS),
    ),
    "upsampler": (
        "upsampler",
        "UpsamplerTask",
        "Train what enlarges drawings.",
        (UPSAMPLER_TARGETS, VALIDATION),
    ),
    "restorer": (
        "restorer",
        "RestorerTask",
        "Train what takes blur, noise and JPEG artefacts out of photographs.",
        (DATA,),
    ),
    "quality": ("quality", "QualityTask", "Train what measures photographs.", (DATA,)),
    "detector": ("detector", "DetectorTask", "Train the detector of faces.", (DATA, TEACHERS)),
    "parser": ("parser", "ParserTask", "Train the parser of faces.", (PARSER_TARGETS,)),
}


@click.group()
def train() -> None:
    """Train a style of your own, or any network that is shipped; needs torch.

    The same command again continues where it stopped.
    """


def _add(name: str) -> None:
    """Adds a command of TRAININGS."""
    module, task, text, options = TRAININGS[name]

    def run(
        output: Path, device: str, until: int | None, changes: tuple[str, ...], **own: Any
    ) -> None:
        with _named_errors():
            from training.engine.loop import train as run_training
            from training.engine.recipe import changed

            tasks = import_module(f"training.tasks.{module}")
            named = [own.pop(key) for key in ("version", "preset") if key in own]
            recipe = changed(tasks.published(*named) if named else tasks.Recipe(), changes)
            own["device"] = _device(device)
            run_training(getattr(tasks, task)(recipe, **own), output, until)

    command: Any = run
    for option in reversed((*options, *SHARED)):
        command = option(command)
    train.command(name, help=text)(command)


for training in TRAININGS:
    _add(training)


def _device(name: str) -> str:
    import torch

    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise click.UsageError("--device cuda: torch finds no GPU here")
    return name if name != "auto" else "cuda" if there else "cpu"


@contextmanager
def _named_errors() -> Iterator[None]:
    """One line instead of a traceback: exit code 2 for the command line, 1 for the rest."""
    try:
        from training.engine.errors import TrainingError
        from training.engine.recipe import InvalidSetting

        try:
            yield
        except InvalidSetting as error:
            raise click.UsageError(str(error)) from error
        except (TrainingError, OSError) as error:
            click.echo(f"kirei: {error}", err=True)
            sys.exit(1)
    except ImportError as error:
        remedy = "`make setup` in a copy of the repository installs it; see docs/training.md"
        click.echo(f"kirei: training needs {error.name}; {remedy}", err=True)
        sys.exit(1)
