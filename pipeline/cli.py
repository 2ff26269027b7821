"""The command line: ``kirei stylise``, ``kirei styles``, ``kirei weights verify``.

Other packages add their commands to it; see pipeline/commands.py.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from pipeline import MAX_SECONDS, VERSION
from pipeline.commands import ExtensibleGroup, errors_on_one_line, option_flags
from pipeline.companions import companion
from pipeline.errors import InvalidOption, KireiError, ObjectNotFound
from pipeline.settings import Options, Settings

if TYPE_CHECKING:
    from pipeline import Pipeline, Result

SUFFIXES = frozenset(
    ".avif .bmp .gif .heic .heics .heif .heifs .hif .jfif .jpe .jpeg .jpg .png .tif .tiff .webp"
    " .arw .cr2 .cr3 .dng .nef .orf .pef .raf .rw2 .srw".split()
)
STANDARD_STREAM = "-"


@dataclass
class Batch:
    """One call of ``kirei stylise``: where results go and what failed so far."""

    pipeline: Pipeline
    options: Options
    output: Path | None  # None is standard output
    output_is_file: bool
    sheets: bool
    print_json: bool
    max_seconds: float
    written: set[Path] = field(default_factory=set)
    failures: list[tuple[str, KireiError]] = field(default_factory=list)


@click.group(
    cls=ExtensibleGroup,
    commands_of="kirei.commands",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(VERSION, prog_name="kirei")
def main() -> None:
    """Photographs into anime pictures.

    Limits and the engine are set by KIREI_ variables in the environment; see README.md.
    """


@main.command()
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO...")
@click.option(
    "-o", "--output", metavar="OUT", help="folder, or a file for one photo, or - (stdout)"
)
@click.option("--sheet", is_flag=True, help="write a before/after sheet beside each picture")
@click.option("--json", "print_json", is_flag=True, help="print each sidecar as one line of JSON")
@click.option(
    "--max-seconds",
    default=MAX_SECONDS,
    show_default=True,
    type=click.FloatRange(1, 86_400),
    help="for one photo; what would take longer is drawn smaller, or refused",
)
@option_flags
def stylise(
    photos: tuple[str, ...],
    output: str | None,
    sheet: bool,
    print_json: bool,
    max_seconds: float,
    **flags: str | None,
) -> None:
    """Draw photographs: files, folders (searched whole), or - for standard input.

    Each picture NAME.STYLE.EXT gets its NAME.STYLE.json beside it. A file that cannot be drawn
    is reported at the end, the others are done, and the exit code is 1.
    """
    try:
        chosen = {name: value for name, value in flags.items() if value is not None}
        options = Options.from_mapping(chosen)
        pipeline = _open_pipeline()
        pipeline.check(options)
    except KireiError as error:
        raise click.UsageError(f"{error.code}: {error.message}") from error

    to_stdout = output == STANDARD_STREAM or (output is None and photos == (STANDARD_STREAM,))
    if to_stdout and (len(photos) > 1 or print_json or sheet):
        raise click.UsageError("only one picture, and nothing else, goes to standard output")
    output_path = None if to_stdout else Path(output or "out")
    is_file = False
    if output_path is not None:
        is_file = output_path.suffix.lower() in SUFFIXES and not output_path.is_dir()
    if is_file and (len(photos) > 1 or Path(photos[0]).is_dir()):
        raise click.UsageError("for several photos, -o is a folder")
    batch = Batch(pipeline, options, output_path, is_file, sheet, print_json, max_seconds)

    photos_found = list(_find(photos, output_path))
    messages = Console(stderr=True)
    hide = len(photos_found) < 2 or not messages.is_terminal
    with Progress(console=messages, disable=hide, transient=True) as progress:
        for name, relative in progress.track(photos_found, description="drawing"):
            _stylise_one(batch, name, relative)
    _report(batch, len(photos_found))


def _find(photos: tuple[str, ...], output: Path | None) -> Iterator[tuple[str, Path]]:
    """(path or -, place below the output folder) of each photo, folders searched in order."""
    for photo in photos:
        folder = Path(photo)
        if photo == STANDARD_STREAM or not folder.is_dir():
            yield photo, Path("stdin" if photo == STANDARD_STREAM else folder.name)
            continue
        for path in sorted(folder.rglob("*")):
            ours = output is not None and path.is_relative_to(output)
            photo_like = path.suffix.lower() in SUFFIXES and not companion(path.as_posix())
            if photo_like and path.is_file() and not ours:
                yield str(path), path.relative_to(folder)


def _stylise_one(batch: Batch, name: str, relative: Path) -> None:
    from pipeline.origin import Origin
    from pipeline.sidecar import failure_document, sidecar_document, to_json, to_json_line

    origin = Origin(key=name)
    try:
        data = _read(name)
        result = batch.pipeline.run(
            data, batch.options, origin=origin, time_left_s=batch.max_seconds
        )
    except KireiError as error:
        batch.failures.append((name, error))
        if batch.print_json:
            version = batch.pipeline.version
            document = failure_document(error, pipeline_version=version, origin=origin)
            click.echo(to_json_line(document))
        return
    for decision in result.sidecar.decisions:
        if decision.step == "budget" and decision.ran:
            click.echo(f"kirei: {name}: for want of time, {decision.why}", err=True)
    if batch.output is None:
        sys.stdout.buffer.write(result.image)
        return
    picture = _place(batch, relative, result)
    output = replace(result.sidecar.output, key=str(picture))
    document = sidecar_document(replace(result.sidecar, output=output))
    _write(picture, result.image)
    if batch.sheets:
        from pipeline.sheet import before_after

        sheet = picture.with_name(f"{picture.stem}.sheet.jpg")
        _write(sheet, before_after(data, result, batch.pipeline.settings))
    sidecar = picture.with_suffix(".json")
    _write(sidecar, to_json(document))
    if batch.print_json:
        click.echo(to_json_line(document))
    else:
        click.echo(f"{picture}\n{sidecar}" + (f"\n{sheet}" if batch.sheets else ""))


def _place(batch: Batch, relative: Path, result: Result) -> Path:
    """OUT/NAME.STYLE.EXT; a second photo of the same name in one run keeps its whole name."""
    folder = batch.output or Path()
    if batch.output_is_file:
        return folder
    ending = f".{result.sidecar.style}.{result.extension}"
    picture = folder / relative.with_name(relative.stem + ending)
    if picture.with_suffix("") in batch.written:
        picture = folder / relative.with_name(relative.name + ending)
    batch.written.add(picture.with_suffix(""))
    return picture


def _read(name: str) -> bytes:
    if name == STANDARD_STREAM:
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise ObjectNotFound(f"cannot be read: {error.strerror}") from error


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


def _report(batch: Batch, count: int) -> None:
    for name, error in batch.failures:
        click.echo(f"kirei: {name}: {error.code}: {error.message}", err=True)
    if count == 0:
        click.echo("kirei: no photograph found", err=True)
    elif count > 1:
        bad = len(batch.failures)
        click.echo(f"kirei: {count - bad} drawn, {bad} failed", err=True)
    if batch.failures or count == 0:
        sys.exit(1)


@main.command()
def styles() -> None:
    """List the styles, and whose terms their pictures carry where no option says otherwise."""
    with errors_on_one_line(KireiError):
        pipeline = _open_pipeline()
        table = Table("style", "title", "terms of a picture", show_lines=True)
        for spec in pipeline.styles():
            title = f"{spec.title}\n{spec.description}".rstrip()
            terms = (f"{each.weights}: {each.licence}" for each in pipeline.terms(spec.name))
            table.add_row(spec.name, title, "\n".join(terms))
    Console().print(table)


@main.group(cls=ExtensibleGroup, commands_of="kirei.weights")
def weights() -> None:
    """The folder of weights: check it, add to it."""


@weights.command()
def verify() -> None:
    """Hash every served file against the manifest; exit code 1 when one differs."""
    with errors_on_one_line(KireiError):
        for spec, role, file in _open_pipeline().verify():
            click.echo(f"{file.file}  {file.bytes} bytes  {role} of {spec.name}  ok")


def _open_pipeline() -> Pipeline:
    from pipeline import Pipeline

    try:
        return Pipeline(Settings.from_environment(os.environ))
    except InvalidOption as error:
        raise click.UsageError(f"in the environment: {error.message}") from error
