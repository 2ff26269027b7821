"""``kirei train``: found by the command line through the entry points of the package."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from training.engine.task import Task

FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
DATA = click.option("--data", type=FOLDER, required=True, help="folder of photos/, portraits/ ...")
TEACHERS = click.option(
    "--teachers", type=FOLDER, required=True, help="folder of the published networks"
)


def targets(module: str) -> Callable[[Any], Any]:
    """The option of a folder of targets that a module of training/data makes."""
    text = f"made by python -m training.data.{module}"
    return click.option("--targets", type=FOLDER, required=True, help=text)


VALIDATION = click.option(
    "--validation", type=FOLDER, required=True, help="the same, of held-out photographs"
)


@click.group()
def train() -> None:
    """Train a style of your own, or any network that is shipped; needs torch.

    The same command again continues where it stopped.
    """


def training(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Adds a command of ``train`` with the options that all have.

    The decorated function makes the task of its own options, ``changes`` and ``device``.
    """
    shared = (
        click.option(
            "-o",
            "--output",
            type=FOLDER,
            required=True,
            help="checkpoint, log and sample sheets",
        ),
        click.option(
            "--device",
            type=click.Choice(["auto", "cpu", "cuda"]),
            default="auto",
            show_default=True,
            help="auto: a GPU where there is one",
        ),
        click.option("--until", type=click.IntRange(1), help="stop at this step"),
        click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="a setting"),
    )

    def decorate(make: Callable[..., Task]) -> click.Command:
        def run(output: Path, device: str, until: int | None, **own: Any) -> None:
            with _named_errors():
                from training.engine.loop import train as run_training

                run_training(make(device=_device(device), **own), output, until)

        run.__doc__ = make.__doc__
        command: Any = run
        for option in reversed((*options, *shared)):
            command = option(command)
        registered: click.Command = train.command(make.__name__)(command)
        return registered

    return decorate


@training(
    click.option("--photos", type=FOLDER, required=True, help="photographs, searched whole"),
    click.option("--style", type=FOLDER, required=True, help="pictures of the style"),
    click.option("--version", type=click.Choice(["v1", "v2"]), default="v2", show_default=True),
    click.option(
        "--preset",
        type=click.Choice(["hayao", "paprika", "shinkai"]),
        default="hayao",
        show_default=True,
        help="the published weights of the losses for that style",
    ),
    click.option(
        "--features",
        type=FILE,
        help="feature net of the content and style losses: torchvision's vgg19 checkpoint (as "
        "published), or a float student (.safetensors)  [default: first layers of the shipped "
        "cel student]",
    ),
)
def animegan(version: str, preset: str, changes: tuple[str, ...], **own: Any) -> Task:
    """Train AnimeGAN (v1) or AnimeGANv2 (v2) on two folders.

    On two CPU cores the published settings are out of reach: try --set batch=2 --set crop_px=128
    --set side_px=160.
    """
    from training.engine.recipe import changed
    from training.tasks.animegan import AnimeGANTask
    from training.tasks.animegan_recipe import published

    return AnimeGANTask(changed(published(version, preset), changes), **own)


@training(
    targets("targets"),
    VALIDATION,
    click.option("--style", metavar="STYLE", help="whose grade the targets get"),
    click.option("--from", "start_from", type=FILE, help="a float student to fine-tune"),
)
def distil(changes: tuple[str, ...], **own: Any) -> Task:
    """Teach a small student what a teacher draws."""
    from training.engine.recipe import changed
    from training.tasks.student import Recipe, StudentTask

    return StudentTask(changed(Recipe(), changes), **own)


@training(targets("upsampler_targets"), VALIDATION)
def upsampler(changes: tuple[str, ...], **own: Any) -> Task:
    """Train what enlarges drawings."""
    from training.engine.recipe import changed
    from training.tasks.upsampler import Recipe, UpsamplerTask

    return UpsamplerTask(changed(Recipe(), changes), **own)


@training(DATA)
def restorer(changes: tuple[str, ...], **own: Any) -> Task:
    """Train what takes blur, noise and JPEG artefacts out of photographs."""
    from training.engine.recipe import changed
    from training.tasks.restorer import Recipe, RestorerTask

    return RestorerTask(changed(Recipe(), changes), **own)


@training(DATA)
def quality(changes: tuple[str, ...], **own: Any) -> Task:
    """Train what measures the quality of photographs."""
    from training.engine.recipe import changed
    from training.tasks.quality import QualityTask, Recipe

    return QualityTask(changed(Recipe(), changes), **own)


@training(DATA, TEACHERS)
def detector(changes: tuple[str, ...], **own: Any) -> Task:
    """Train the detector of faces on a published RetinaFace."""
    from training.engine.recipe import changed
    from training.tasks.detector import DetectorTask, Recipe

    return DetectorTask(changed(Recipe(), changes), **own)


@training(targets("parser_targets"))
def parser(changes: tuple[str, ...], **own: Any) -> Task:
    """Train the face parser."""
    from training.engine.recipe import changed
    from training.tasks.parser import ParserTask, Recipe

    return ParserTask(changed(Recipe(), changes), **own)


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
        click.echo(f"kirei: training needs {error.name}; see README.md", err=True)
        sys.exit(1)
