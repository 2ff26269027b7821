"""What the command line shows while it draws: names, stages, time left, failures, totals."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from pipeline.batch import Batch, Outcome
from pipeline.errors import KireiError
from pipeline.photos import MAY_BE_TRANSPARENT, MAY_MOVE, VIDEOS, PhotoFile
from pipeline.settings import ColourOptions, Options
from pipeline.sidecar import to_json_line

EXTENSIONS = {"jpeg": "jpg"}  # of formats that are not their own extension
LAYERED = {"tiff": "tif", "ora": "ora"}
ESTIMATE_S = 600.0  # photos take seconds each: the time left is reckoned over this long


class _Counted(ProgressColumn):
    """A column of a bar that is left out where there is one thing alone to count."""

    def __init__(self, column: ProgressColumn) -> None:
        super().__init__()
        self._column = column

    def render(self, task: Task) -> RenderableType:
        """The column, or nothing."""
        return Text() if task.total == 1 else self._column.render(task)


class ConsoleWatcher:
    """Shows progress on a terminal, and prints what each photo became.

    Paths, or with ``print_json`` sidecars, go to standard output, all else to standard error.

    Args:
        total: The number of photos; None if nobody knows.
        print_json: Whether each sidecar is printed as one line of JSON.
    """

    def __init__(self, total: int | None, *, print_json: bool) -> None:
        self._total = total
        self._print_json = print_json
        self._drawn = self._kept = 0
        self._failures: list[Outcome] = []
        self._at_work: dict[str, str] = {}  # stages by names
        messages = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            *map(_Counted, (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())),
            console=messages,
            disable=not messages.is_terminal,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),  # else what goes to a file would be shown instead
            speed_estimate_period=ESTIMATE_S,
        )
        self._bar = self._progress.add_task("", total=total)
        self._clips: dict[str, TaskID] = {}  # the bars of clips in work, by their names

    def __enter__(self) -> ConsoleWatcher:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Takes the progress away."""
        self._progress.stop()

    @property
    def failed(self) -> int:
        """The number of photos that could not be drawn."""
        return len(self._failures)

    def begin(self, photo: PhotoFile) -> None:
        """Shows the photo's name."""
        self.reach(photo, "")

    def reach(self, photo: PhotoFile, stage: str) -> None:
        """Shows the photo's stage."""
        self._at_work[photo.name] = stage
        self._update()

    def count(self, photo: PhotoFile, done: int, total: int) -> None:
        """Shows how many frames of a clip are drawn, and the time that is left for it."""
        if photo.name not in self._clips:
            self._at_work.pop(photo.name, None)  # its own bar has its name
            name = photo.name.replace("[", r"\[")
            self._clips[photo.name] = self._progress.add_task(name, total=total)
            self._update()
        self._progress.update(self._clips[photo.name], completed=done, total=total)

    def finish(self, outcome: Outcome) -> None:
        """Prints what a photo became."""
        self._at_work.pop(outcome.photo.name, None)
        clip = self._clips.pop(outcome.photo.name, None)
        if clip is not None:
            self._progress.remove_task(clip)
        name = outcome.photo.name
        for note in outcome.notes:
            click.echo(f"kirei: {name}: {note}", err=True)
        if outcome.error:
            self._failures.append(outcome)
        elif outcome.kept:
            self._kept += 1
            click.echo(f"kirei: {name}: {outcome.kept}", err=True)
        else:
            self._drawn += 1
        if self._total == 1 and outcome.elapsed_s is not None:
            click.echo(f"kirei: {name}: drawn in {outcome.elapsed_s:.1f} s", err=True)
        if self._print_json:
            if outcome.document:
                click.echo(to_json_line(outcome.document))
        elif outcome.files:
            click.echo("\n".join(map(str, outcome.files)))
        self._progress.advance(self._bar)
        self._update()

    def summarise(self) -> None:
        """Prints the failures, one a line, and the totals."""
        for outcome in self._failures:
            if outcome.error:
                reason = f"{outcome.error.code}: {outcome.error.message}"
                click.echo(f"kirei: {outcome.photo.name}: {reason}", err=True)
        if self._total == 0:
            click.echo("kirei: no photograph found", err=True)
        elif self._total != 1:
            click.echo(f"kirei: {self._totals()}", err=True)

    def summarise_stop(self) -> None:
        """Prints what is done when Ctrl-C ends the work."""
        self.summarise()
        left = self._total - self._drawn - self._kept - self.failed if self._total else 0
        click.echo(f"kirei: stopped; {left} left, and the same command goes on", err=True)

    def _totals(self) -> str:
        kept = [f"{self._kept} already there"] if self._kept else []
        return ", ".join([f"{self._drawn} drawn", *kept, f"{self.failed} failed"])

    def _update(self) -> None:
        names = (f"{name} {stage}".strip() for name, stage in self._at_work.items())
        failed = f"  [red]{self.failed} failed[/red]" if self.failed else ""
        self._progress.update(self._bar, description=", ".join(names).replace("[", r"\[") + failed)


def print_preview(
    batch: Batch, options: Options | ColourOptions, photos: Sequence[PhotoFile]
) -> bool:
    """Prints for each photo where its picture would go, or why it would not be drawn.

    Args:
        batch: Knows the names.
        options: How the photos would be drawn.
        photos: The photos.

    Returns:
        Whether there are photos, and all can be read.
    """
    all_readable = True
    for photo, target in batch.preview(iter(photos)):
        if isinstance(target, KireiError):
            all_readable = False
            click.echo(f"{photo.name} -> {target.code}: {target.message}")
        elif target.drawn:
            click.echo(f"{photo.name} -> {target.drawn}, which is there and stays")
        else:
            click.echo(f"{photo.name} -> {target.picture(_extension(options, photo))}")
    if not photos:
        click.echo("kirei: no photograph found", err=True)
    return all_readable and bool(photos)


def _extension(options: Options | ColourOptions, photo: PhotoFile) -> str:
    """What a picture's suffix will be, as far as the name of the photo tells."""
    if isinstance(options, ColourOptions) and options.layers != "off":
        return LAYERED[options.layers]
    if options.format != "auto":
        return EXTENSIONS.get(options.format, options.format)
    suffix = photo.relative.suffix.lower()
    names = ["jpg", "png"] if suffix in MAY_BE_TRANSPARENT else ["jpg"]
    if isinstance(options, Options):
        if suffix in VIDEOS:
            return "mp4"
        names += ["webp"] if suffix in MAY_MOVE else ["mp4"] if options.motion == "on" else []
    return names[0] if len(names) == 1 else f"{{{','.join(names)}}}"
