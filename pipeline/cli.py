"""The command line: ``kirei stylise``, ``looks``, ``watch``, ``styles``, ``weights verify``.

Other packages add their commands to it; see pipeline/commands.py.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from pipeline import MAX_CLIP_MINUTES, MAX_SECONDS, VERSION
from pipeline.batch_cli import draw_all, end_now
from pipeline.commands import (
    DrawingCommand,
    ExtensibleGroup,
    errors_on_one_line,
    option_flags,
)
from pipeline.errors import InvalidOption, KireiError
from pipeline.outputs import EXISTING, FORMATS, Outputs, free_path, write_all
from pipeline.photos import (
    LOOKS,
    STANDARD_STREAM,
    SUFFIXES,
    PhotoFile,
    find_photos,
    is_folder,
    is_same_file,
)
from pipeline.settings import STILL_FORMATS, Options, Settings

if TYPE_CHECKING:
    from pipeline import Pipeline
    from pipeline.batch import Order

MAX_JOBS = 4  # by default: each photo in work takes memory
BATCH_FLAGS = (
    click.option(
        "--existing",
        type=click.Choice(EXISTING),
        default="number",
        show_default=True,
        help="where a picture of that name is there: number the new one, skip the photo, or "
        "replace the picture; but for replace, what was drawn of the same photo with the same "
        "options is not drawn again",
    ),
    click.option(
        "-j",
        "--jobs",
        type=click.IntRange(1, 64),
        help="photos drawn at once  [default: by the processors]",
    ),
    click.option("--sheet", is_flag=True, help="write a before/after sheet beside each picture"),
    click.option(
        "--json", "print_json", is_flag=True, help="print each sidecar as one line of JSON"
    ),
    click.option(
        "--max-seconds",
        default=MAX_SECONDS,
        show_default=True,
        type=click.FloatRange(1, 86_400),
        help="for one photo; what would take longer is drawn smaller, or refused",
    ),
    click.option(
        "--max-clip-minutes",
        default=MAX_CLIP_MINUTES,
        show_default=True,
        type=click.FloatRange(0.1, 1440),
        help="for one clip; what would take longer is drawn smaller and with fewer drawings a "
        "second, or refused",
    ),
)


@dataclass(frozen=True)
class BatchFlags:
    """The flags that all commands for many photos share; see BATCH_FLAGS."""

    existing: str
    jobs: int | None
    sheet: bool
    print_json: bool
    max_seconds: float
    max_clip_minutes: float

    @classmethod
    def taken_from(cls, flags: dict[str, Any]) -> BatchFlags:
        """Takes them out of all flags of a command, and leaves those of Options."""
        return cls(**{item.name: flags.pop(item.name) for item in fields(cls)})

    def jobs_of(self, pipeline: Pipeline) -> int:
        """The number of photos to draw at once."""
        cores = os.cpu_count() or 1
        return self.jobs or min(MAX_JOBS, max(1, cores // pipeline.settings.threads))


def batch_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds BATCH_FLAGS, and a flag for each of Options, to a command."""
    command = option_flags(command)
    for flag in reversed(BATCH_FLAGS):
        command = flag(command)
    return command


@click.group(
    cls=ExtensibleGroup,
    commands_of="kirei.commands",
    later={"colour": "pipeline.colour_cli:colour"},
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(VERSION, prog_name="kirei")
def main() -> None:
    """Photographs into anime pictures.

    Limits and the engine are set by KIREI_ variables in the environment.
    """


@main.command(cls=DrawingCommand)
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO...")
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    help="folder  [default: out]; for one photo also a file, in the format of its suffix, or - "
    "(stdout)",
)
@click.option("--dry-run", is_flag=True, help="only print which picture each photo would get")
@batch_flags
def stylise(photos: tuple[str, ...], output: str | None, dry_run: bool, **flags: Any) -> None:
    """Draw photographs and clips: files, folders (searched whole), or - for standard input.

    Each picture NAME.STYLE.EXT gets its NAME.STYLE.json beside it. A file that cannot be drawn
    is reported at the end, the others are done, and the exit code is 1. Ctrl-C ends with exit code
    130; the same command then goes on, for what is drawn already stays.
    """
    how = BatchFlags.taken_from(flags)
    to_stdout = output == STANDARD_STREAM or (output is None and photos == (STANDARD_STREAM,))
    if to_stdout and (len(photos) > 1 or how.print_json or how.sheet or dry_run):
        raise click.UsageError("only one picture, and nothing else, goes to standard output")
    path = Path(output or "out")
    is_file = not to_stdout and path.suffix.lower() in SUFFIXES and not is_folder(path)
    if is_file:
        _check_file(path, photos, flags)
    pipeline, order = _open(flags, how)
    if to_stdout:
        _to_stdout(pipeline, order, photos[0])
        return
    found = list(find_photos(photos, path, with_motion=order.options.motion == "on"))
    outputs = Outputs(path, is_file=is_file, existing=how.existing, sources=found)
    draw_all(pipeline, order, outputs, found, how, dry_run)


@main.command(cls=DrawingCommand)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    default="out",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="folder of the pictures",
)
@batch_flags
def watch(folder: Path, output: Path, **flags: Any) -> None:
    """Draw the photographs and clips of a folder, and each that comes into it, until Ctrl-C."""
    how = BatchFlags.taken_from(flags)
    pipeline, order = _open(flags, how)

    from pipeline.batch import Batch
    from pipeline.console import ConsoleWatcher
    from pipeline.watch import watch as arriving

    watcher = ConsoleWatcher(None, print_json=how.print_json)
    outputs = Outputs(output, is_file=False, existing=how.existing)
    batch = Batch(pipeline, order, outputs, watcher)
    click.echo(f"kirei: watching {folder} (Ctrl-C stops it)", err=True)
    with watcher, suppress(KeyboardInterrupt):
        with_motion = order.options.motion == "on"
        batch.run(arriving(folder, output, with_motion=with_motion), how.jobs_of(pipeline))
    watcher.summarise()
    end_now(batch, 1 if watcher.failed else 0)


@main.command()
@click.argument("photo", type=click.Path(dir_okay=False))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="file or folder of the sheet  [default: out/NAME.looks.jpg]",
)
@click.option(
    "--side",
    "side_px",
    default=512,
    show_default=True,
    type=click.IntRange(64, 2048),
    help="longer side of each picture in pixels",
)
def looks(photo: str, output: Path | None, side_px: int) -> None:
    """Draw one photograph in every style, on one sheet with the names below."""
    from pipeline.batch import origin_of, read_photo
    from pipeline.sheet import contact_sheet

    output = output or Path("out")
    if output.suffix.lower() in SUFFIXES and not is_folder(output):
        format, sheet = _format_of(output), free_path(output)
        if format not in STILL_FORMATS:
            raise click.UsageError(f"{output.name}: a sheet is .jpg, .png or .webp")
    else:
        format, sheet = "jpeg", free_path(output / f"{Path(photo).stem}{LOOKS}.jpg")
    with errors_on_one_line(KireiError):
        pipeline = open_pipeline()
        file = PhotoFile(photo, Path(Path(photo).name))
        try:
            data = read_photo(file)
        except KireiError as error:
            raise type(error)(f"{photo} {error.message}") from error
        drawn = []
        with click.progressbar(
            pipeline.styles(),
            item_show_func=lambda spec: spec.name if spec else "",
            file=sys.stderr,
            hidden=not sys.stderr.isatty(),
        ) as styles:
            for spec in styles:
                options = Options(style=spec.name, max_side_px=side_px)
                drawn.append((spec.name, pipeline.run(data, options, origin=origin_of(file, data))))
        write_all({sheet: contact_sheet(data, drawn, pipeline.settings, format)})
    click.echo(str(sheet))


def _check_file(path: Path, photos: tuple[str, ...], flags: dict[str, str | None]) -> None:
    """Sets the format that a picture's file name asks for.

    Raises UsageError: several photos, the photo itself, or a suffix that is no format of ours.
    """
    if len(photos) > 1 or is_folder(Path(photos[0])):
        raise click.UsageError("for several photos, -o is a folder")
    if is_same_file(path, Path(photos[0])):
        raise click.UsageError(f"{path} is the photo itself, which is never written over")
    format = _format_of(path)
    asked = flags.get("format")
    if asked not in (None, "auto") and FORMATS.get(f".{asked}".lower()) != format:
        raise click.UsageError(f"-o {path.name} is {format}, and --format is {asked}")
    flags["format"] = format


def _format_of(path: Path) -> str:
    """The format of a picture's file name. Raises UsageError: there is no such."""
    format = FORMATS.get(path.suffix.lower())
    if format is None:
        raise click.UsageError(
            f"{path.name}: pictures are .jpg, .png or .webp, and clips .mp4, .webm, .gif or .webp"
        )
    return format


def _open(flags: Mapping[str, str | None], how: BatchFlags) -> tuple[Pipeline, Order]:
    """The pipeline, checked, and what is asked of it. Raises UsageError."""
    from pipeline.batch import Order

    try:
        chosen = {name: value for name, value in flags.items() if value is not None}
        options = Options.from_mapping(chosen)
        pipeline = open_pipeline()
        pipeline.check(options)
    except KireiError as error:
        raise click.UsageError(f"{error.code}: {error.message}") from error
    return pipeline, Order(options, how.max_seconds, how.max_clip_minutes * 60, how.sheet)


def _to_stdout(pipeline: Pipeline, order: Order, name: str) -> None:
    from pipeline.batch import draw_one, notes, read_photo

    photo = PhotoFile(name, Path("stdin"))
    try:
        result, picture = draw_one(pipeline, order, photo, read_photo(photo))
        sys.stdout.buffer.write(picture)
        sys.stdout.buffer.flush()
    except KireiError as error:
        click.echo(f"kirei: {name}: {error.code}: {error.message}", err=True)
        sys.exit(1)
    except OSError as error:
        click.echo(f"kirei: standard output cannot be written: {error.strerror}", err=True)
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123  nothing to flush at the end
        sys.exit(1)
    for note in notes(result):
        click.echo(f"kirei: {name}: {note}", err=True)


@main.command()
@click.option("--json", "print_json", is_flag=True, help="print a list, for programs")
def styles(print_json: bool) -> None:
    """List the styles: what each is good for, and the terms that its pictures carry.

    --json has the terms in full, and MODEL_CARD.md beside the weights has the reasons.
    """
    with errors_on_one_line(KireiError):
        pipeline = open_pipeline()
        listed = [(spec, pipeline.terms(spec.name)) for spec in pipeline.styles()]
    if print_json:
        documents = [
            {
                "name": spec.name,
                "title": spec.title,
                "description": spec.description,
                "terms": [asdict(each) for each in terms],
            }
            for spec, terms in listed
        ]
        click.echo(json.dumps(documents, indent=2, ensure_ascii=False))
        return
    table = Table("style", "what it is", "terms of a picture, and the networks behind them")
    for spec, terms in listed:
        networks: dict[str, list[str]] = {}
        for each in terms:
            name = re.split(r": | \(", each.licence)[0]
            networks.setdefault(name, []).append(each.weights)
        short = (f"{licence}: {', '.join(names)}" for licence, names in networks.items())
        table.add_row(spec.name, f"{spec.title}\n{spec.description}", "\n".join(short))
        table.add_section()
    Console().print(table)


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes a shell complete commands, options and styles.

    For bash: kirei completion bash > ~/.local/share/bash-completion/completions/kirei
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is not None:
        click.echo(kind(main, {}, "kirei", "_KIREI_COMPLETE").source())


@main.group(cls=ExtensibleGroup, commands_of="kirei.weights")
def weights() -> None:
    """The folder of weights: check it, add to it."""


@weights.command()
def verify() -> None:
    """Hash every served file against the manifest; exit code 1 when one differs."""
    with errors_on_one_line(KireiError):
        for spec, role, file in open_pipeline().verify():
            click.echo(f"{file.file}  {file.bytes} bytes  {role} of {spec.name}  ok")


def open_pipeline() -> Pipeline:
    """The pipeline with the settings of the environment. Raises UsageError."""
    from pipeline import Pipeline

    try:
        return Pipeline(Settings.from_environment(os.environ))
    except InvalidOption as error:
        raise click.UsageError(f"in the environment: {error.message}") from error
