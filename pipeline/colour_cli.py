"""``kirei colour``: line drawings coloured, with what all commands for many files share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from pipeline.batch_cli import draw_all
from pipeline.cli import BATCH_FLAGS, BatchFlags, open_pipeline
from pipeline.commands import ColourCommand, colour_flags
from pipeline.errors import KireiError
from pipeline.origin import Origin
from pipeline.outputs import FORMATS, LAYERED, Outputs
from pipeline.photos import (
    STANDARD_STREAM,
    SUFFIXES,
    PhotoFile,
    find_photos,
    is_folder,
    is_same_file,
)
from pipeline.settings import STILL_FORMATS, ColourOptions

if TYPE_CHECKING:
    from pipeline import ColourResult, Pipeline

COLOUR: Final = "colour"  # in a picture's name, and the task in its sidecar
MAX_COMPANION_BYTES = 16 * 1024 * 1024
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@dataclass(frozen=True)
class ColourOrder:
    """What is wanted of every drawing.

    Attributes:
        options: How it is coloured.
        max_seconds: Limit for one drawing.
        has_sheets: Whether a before/after sheet is written beside each picture.
        hint_layer: A picture with strokes of colour.
        reference: A picture whose colours are drawn from.
    """

    options: ColourOptions
    max_seconds: float
    has_sheets: bool = False
    hint_layer: bytes | None = None
    reference: bytes | None = None

    def label(self, pipeline: Pipeline) -> str:  # noqa: ARG002  the same with every folder of weights
        """The part of a picture's name that tells what was done."""
        return COLOUR

    def fingerprint(self, pipeline: Pipeline, origin: Origin) -> str:
        """What the sidecar of this order will have as its fingerprint."""
        from pipeline import fingerprint

        beside = {"hint_layer": self.hint_layer, "reference": self.reference}
        return fingerprint(pipeline.version, self.options, origin, beside)

    def carry_out(
        self,
        pipeline: Pipeline,
        data: bytes,
        origin: Origin,
        on_stage: Callable[[str], object] | None = None,
    ) -> ColourResult:
        """Colours one drawing. See ``Pipeline.colour``."""
        return pipeline.colour(
            data,
            self.options,
            origin,
            hint_layer=self.hint_layer,
            reference=self.reference,
            on_stage=on_stage,
            time_left_s=self.max_seconds,
        )


def _batch_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    command = colour_flags(command)
    for flag in reversed(BATCH_FLAGS):
        command = flag(command)
    return command


@click.command(cls=ColourCommand)
@click.argument("drawings", nargs=-1, required=True, metavar="DRAWING...")
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    help="folder  [default: out]; for one drawing also a file, in the format of its suffix (.ora "
    "and .tif: with layers), or - (stdout)",
)
@click.option("--dry-run", is_flag=True, help="only print which picture each drawing would get")
@click.option(
    "--hint",
    "hints",
    multiple=True,
    metavar="X,Y,#RRGGBB[,RADIUS]",
    help="a dot of colour, in pixels of the upright drawing, or with % in shares; repeatable",
)
@click.option("--hint-layer", type=FILE, help="a PNG with strokes of colour, transparent elsewhere")
@click.option("--reference", type=FILE, help="a picture whose colours are drawn from")
@_batch_flags
def colour(
    drawings: tuple[str, ...],
    output: str | None,
    dry_run: bool,
    hints: tuple[str, ...],
    hint_layer: Path | None,
    reference: Path | None,
    **flags: Any,
) -> None:
    """Colour line drawings: files, folders (searched whole), or - for standard input.

    Each picture NAME.colour.EXT gets its NAME.colour.json beside it. A file that cannot be
    coloured is reported at the end, the others are done, and the exit code is 1. Ctrl-C ends with
    exit code 130; the same command then goes on, for what is coloured already stays.
    """
    how = BatchFlags.taken_from(flags)
    to_stdout = output == STANDARD_STREAM or (output is None and drawings == (STANDARD_STREAM,))
    if to_stdout and (len(drawings) > 1 or how.print_json or how.sheet or dry_run):
        raise click.UsageError("only one picture, and nothing else, goes to standard output")
    path = Path(output or "out")
    is_picture = path.suffix.lower() in SUFFIXES | LAYERED.keys()
    is_file = not to_stdout and is_picture and not is_folder(path)
    if is_file:
        _check_file(path, drawings, flags)
    if hints:
        flags["hints"] = ";".join(hints)
    pipeline, order = _open(flags, how, hint_layer, reference)
    if to_stdout:
        _to_stdout(pipeline, order, drawings[0])
        return
    found = list(find_photos(drawings, path))
    outputs = Outputs(path, is_file=is_file, existing=how.existing, sources=found)
    draw_all(pipeline, order, outputs, found, how, dry_run)


def _check_file(path: Path, drawings: tuple[str, ...], flags: dict[str, Any]) -> None:
    """Sets what the file name of a picture asks for: its format, or its layers.

    Raises UsageError: several drawings, the drawing itself, or a suffix that is not ours.
    """
    if len(drawings) > 1 or is_folder(Path(drawings[0])):
        raise click.UsageError("for several drawings, -o is a folder")
    if is_same_file(path, Path(drawings[0])):
        raise click.UsageError(f"{path} is the drawing itself, which is never written over")
    suffix = path.suffix.lower()
    name = "layers" if suffix in LAYERED else "format"
    value = LAYERED.get(suffix) or FORMATS.get(suffix)
    if name == "format" and value not in STILL_FORMATS:
        raise click.UsageError(f"{path.name}: pictures are .png, .jpg, .webp, .ora or .tif")
    asked = flags.get(name)
    if asked is not None and {"jpg": "jpeg"}.get(asked.lower(), asked.lower()) != value:
        raise click.UsageError(f"-o {path.name} is {value}, and --{name} is {asked}")
    if name == "format" and flags.get("layers") not in (None, "off"):
        raise click.UsageError(f"-o {path.name} has no layers; .ora and .tif have")
    flags[name] = value


def _open(
    flags: Mapping[str, Any], how: BatchFlags, hint_layer: Path | None, reference: Path | None
) -> tuple[Pipeline, ColourOrder]:
    """The pipeline, checked, and what is asked of it. Raises UsageError."""
    chosen = {name: value for name, value in flags.items() if value is not None}
    try:
        options = ColourOptions.from_mapping(chosen)
        pipeline = open_pipeline()
        pipeline.registry.colouriser()
    except KireiError as error:
        raise click.UsageError(f"{error.code}: {error.message}") from error
    if how.sheet and options.layers != "off":
        raise click.UsageError("a file of layers has no before/after sheet")
    files = [None if path is None else _read(path) for path in (hint_layer, reference)]
    return pipeline, ColourOrder(options, how.max_seconds, how.sheet, *files)


def _read(path: Path) -> bytes:
    """A file beside the drawings. Raises UsageError: it cannot be read, or is too large."""
    try:
        if path.stat().st_size > MAX_COMPANION_BYTES:
            raise click.UsageError(f"{path} has more than {MAX_COMPANION_BYTES} bytes")
        return path.read_bytes()
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read: {error.strerror}") from error


def _to_stdout(pipeline: Pipeline, order: ColourOrder, name: str) -> None:
    from pipeline.batch import origin_of, read_photo

    drawing = PhotoFile(name, Path("stdin"))
    try:
        data = read_photo(drawing)
        result = order.carry_out(pipeline, data, origin_of(drawing, data))
        sys.stdout.buffer.write(result.image)
        sys.stdout.buffer.flush()
    except KireiError as error:
        click.echo(f"kirei: {name}: {error.code}: {error.message}", err=True)
        sys.exit(1)
    except OSError as error:
        click.echo(f"kirei: standard output cannot be written: {error.strerror}", err=True)
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123  nothing to flush at the end
        sys.exit(1)
    for warning in result.sidecar.warnings:
        click.echo(f"kirei: {name}: {warning}", err=True)
