"""``kirei weights import`` and ``kirei weights add``; what they need is imported when they run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.errors import KireiError
from training.engine.errors import TrainingError

if TYPE_CHECKING:
    from training.export.manifest import Exported

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "samples"  # not in the wheel
UPSAMPLINGS = ("half_pixel", "align_corners", "legacy")
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
MIN_SIDE_PX, MAX_SIDE_PX = 64, 8192


def _places(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that both commands share."""
    for option in (
        click.option(
            "--photos",
            type=FOLDER,
            default=SAMPLES if SAMPLES.is_dir() else None,
            required=not SAMPLES.is_dir(),
            help="photographs that calibrate and measure; from four on, half of them each  "
            "[default: samples, in the repository's folder; else none]",
        ),
        click.option(
            "--layer",
            type=FOLDER,
            default=ROOT / "layers" / "weights",
            help="folder of manifest.json  [default: layers/weights]",
        ),
        click.option(
            "--checkpoints",
            type=FOLDER,
            default=ROOT / "training" / "checkpoints",
            help="folder of the float weights  [default: training/checkpoints]",
        ),
        click.option("--replace", is_flag=True, help="in place of a style of the same name"),
    ):
        command = option(command)
    return command


@click.command("import")
@click.argument("file", type=FILE)
@click.option("--name", help="of the style  [default: from the file's name]")
@click.option("--title", help="for people  [default: as published, or the file's name]")
@click.option("--licence", help="of the weights; needed unless the file is a known one")
@click.option(
    "--upsampling",
    type=click.Choice(UPSAMPLINGS),
    default="half_pixel",
    show_default=True,
    help="how the network doubles sides; weights from TensorFlow 1 want legacy",
)
@click.option(
    "--working-px",
    type=click.IntRange(MIN_SIDE_PX, MAX_SIDE_PX),
    help="longer side to draw at  [default: 512 for face_paint, else 384]",
)
@_places
def import_(file: Path, layer: Path, checkpoints: Path, **request: Any) -> None:
    """Import published weights (a PyTorch state dict).

    AnimeGANv2's become a style; ESRGAN's (RRDBNet, x1, x2 or x4, under any of its three schemes
    of names) do the doubling of the classic repair; RetinaFace's (MobileNet-0.25) are the
    detector of faces, BiSeNet's (79999_iter.pth, of faces) their parser.

    Known files (face_paint_512_v2.pt, face_paint_512_v1.pt, celeba_distill.pt, paprika.pt) are
    checked against the published content.
    """
    with _named_errors("import"):
        from training.export.manifest import OutputDirs
        from training.published.importers import Request, import_weights

        dirs = OutputDirs(layer, checkpoints)
        _report(import_weights(file, Request(**request), dirs))


@click.command()
@click.argument("checkpoint", type=FILE)
@click.option("--name", required=True, help="of the style: letters, digits, hyphens")
@click.option("--title", required=True, help="for people")
@click.option("--licence", required=True, help="of the weights")
@click.option(
    "--working-px",
    type=click.IntRange(MIN_SIDE_PX, MAX_SIDE_PX),
    default=384,
    show_default=True,
    help="longer side to draw at",
)
@_places
def add(checkpoint: Path, layer: Path, checkpoints: Path, working_px: int, **request: Any) -> None:
    """Make a style of a checkpoint of `kirei train`."""
    with _named_errors("add"):
        from training.export.manifest import OutputDirs, WeightInfo
        from training.published.importers import Request, add_checkpoint

        info = WeightInfo(*(request[name] for name in ("name", "title", "licence")))
        dirs = OutputDirs(layer, checkpoints)
        _report(add_checkpoint(checkpoint, info, working_px, Request(**request), dirs))


def _report(exported: Exported) -> None:
    measured = ", ".join(f"{name} {value:.1f} dB" for name, value in exported.tried.items())
    click.echo(
        f"served: {exported.quantisation}" + (f" (against torch: {measured})" if measured else "")
    )
    for path in exported.written:
        click.echo(f"{path}  {path.stat().st_size} bytes")


@contextmanager
def _named_errors(command: str) -> Iterator[None]:
    """What is wrong, as one line and exit code 1."""
    try:
        yield
    except KireiError as error:
        _stop(f"{error.code}: {error.message}")
    except (TrainingError, OSError) as error:
        _stop(str(error))
    except ImportError as error:
        _stop(f"weights {command} needs what training needs (make setup): {error}")


def _stop(message: str) -> None:
    click.echo(f"kirei: {message}", err=True)
    sys.exit(1)
