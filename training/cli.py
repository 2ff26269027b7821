"""``kirei train``: found by the command line through the entry points of the package."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def train() -> None:
    """Train a style of your own; needs torch."""


@train.command()
@click.option("--photos", type=FOLDER, required=True, help="photographs, searched whole")
@click.option("--style", type=FOLDER, required=True, help="pictures of the style, searched whole")
@click.option(
    "-o", "--output", type=FOLDER, required=True, help="checkpoint, log and sample sheets"
)
@click.option("--version", type=click.Choice(["v1", "v2"]), default="v2", show_default=True)
@click.option(
    "--preset",
    type=click.Choice(["hayao", "paprika", "shinkai"]),
    default="hayao",
    show_default=True,
    help="the published weights of the losses for that style",
)
@click.option(
    "--features",
    type=FILE,
    help="feature net of the content and style losses: torchvision's vgg19 checkpoint (as "
    "published), or a float student (.safetensors)  [default: first layers of the shipped cel "
    "student]",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="auto: a GPU where there is one",
)
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="change a setting")
def animegan(
    photos: Path,
    style: Path,
    output: Path,
    version: str,
    preset: str,
    features: Path | None,
    device: str,
    changes: tuple[str, ...],
) -> None:
    """Train AnimeGAN (v1) or AnimeGANv2 (v2) on two folders.

    The same command again continues where it stopped. On two CPU cores the published settings
    are out of reach: try --set batch=2 --set crop_px=128 --set side_px=160.
    """
    with _named_errors():
        import torch
        from rich.console import Console

        from training.engine.recipe import changed
        from training.tasks.animegan import Run, published, train

        recipe = changed(published(version, preset), changes)
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        elif device == "cuda" and not torch.cuda.is_available():
            raise click.UsageError("--device cuda: torch finds no GPU here")
        train(recipe, Run(photos, style, output, features, device), Console(stderr=True))


@train.command()
@click.option("--targets", type=FOLDER, required=True, help="made by training.data.targets")
@click.option("--validation", type=FOLDER, required=True, help="the same, of held-out photographs")
@click.option("-o", "--output", type=FOLDER, required=True, help="checkpoint, log and sheets")
@click.option("--style", metavar="STYLE", help="whose grade the targets get")
@click.option("--from", "start_from", type=FILE, help="a float student to fine-tune")
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="change a setting")
def distil(
    targets: Path,
    validation: Path,
    output: Path,
    style: str | None,
    start_from: Path | None,
    changes: tuple[str, ...],
) -> None:
    """Teach a small student what a teacher draws.

    The same command again continues where it stopped.
    """
    with _named_errors():
        from training.engine.recipe import changed
        from training.tasks.student import Recipe, Run, train

        recipe = changed(Recipe(), changes)
        train(recipe, Run(targets, validation, output, style, start_from))


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
