"""What all commands of the command line share, and the commands that other packages add.

Added commands are found by their entry points. Training lies in a package of its own, which the
function's image does not have: a command of it is loaded when it is needed, and says so if that
fails.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import Field, fields
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any

import click

from pipeline.errors import KireiError
from pipeline.settings import ColourOptions, Options, Settings

Completing = Callable[[click.Context, click.Parameter, str], list[str]]
EXIT_INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it
# In the help of a command that draws, the flags of Options stand under these headings.
SECTIONS = {
    "Look": ("style", "strength", "detail", "post_sharpen_weight"),
    "Repair of bad photos": ("enhance", "gate", "upscale", "denoise", "clahe", "sharpen"),
    "Faces": (
        *("faces", "alignment_threshold", "restore_faces", "crop", "eye_enhance_ratio"),
        *("skin_smoothing_factor", "parsing_smooth"),
    ),
    "Picture": ("max_side_px", "format", "quality"),
    "Clips": ("steady", "fps", "motion"),
}
COLOUR_SECTIONS = {
    "Colours": ("palette", "reference", "hints", "hint_layer", "seed", "proposals", "choice"),
    "Drawing": ("lines", "check"),
    "Picture": ("layers", "max_side_px", "format", "quality"),
}


def option_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds a flag for every field of Options to a command, with range and default in its help."""
    return _with_flags(command, fields(Options))


def colour_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds a flag for every field of ColourOptions but ``hints``, which are given one by one."""
    return _with_flags(command, [item for item in fields(ColourOptions) if item.name != "hints"])


def task_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the flags of both: those of Options, then what ColourOptions has beside them."""
    known = {item.name for item in fields(Options)} | {"hints"}
    others = [item for item in fields(ColourOptions) if item.name not in known]
    return _with_flags(command, [*fields(Options), *others])


def _with_flags(command: Callable[..., Any], items: Sequence[Field[Any]]) -> Callable[..., Any]:
    for item in reversed(items):
        bounds, values = item.metadata.get("range"), item.metadata.get("values")
        words = item.metadata.get("words", ())
        ranges = (f"{bounds[0]}..{bounds[1]}",) if bounds else values or ("NAME",)
        command = click.option(
            f"--{item.name.replace('_', '-')}",
            item.name,
            metavar="|".join((*words, *ranges)),
            shell_complete=_completing(item.name, (*words, *(values or ()))),
            help=f"{item.metadata['about']}  [default: {item.default}]",
        )(command)
    return command


def _completing(option: str, values: Iterable[str]) -> Completing:
    """What a shell offers for an option: its words, or the names of the styles."""

    def complete(context: click.Context, parameter: click.Parameter, typed: str) -> list[str]:
        del context, parameter
        names = _style_names() if option == "style" else values
        return [name for name in names if name.startswith(typed)]

    return complete


def _style_names() -> list[str]:
    """Read without opening a network: a key was pressed, and somebody waits."""
    try:
        manifest = json.loads((Settings().weights_dir / "manifest.json").read_text())
        return [entry["name"] for entry in manifest["weights"] if entry["kind"] == "style"]
    except (OSError, ValueError, LookupError, TypeError):
        return []


@contextmanager
def errors_on_one_line(*kinds: type[Exception]) -> Iterator[None]:
    """Ends the program with one line and exit code 1, instead of a traceback.

    Args:
        *kinds: The errors that this applies to.
    """
    try:
        yield
    except kinds as error:
        message = f"{error.code}: {error}" if isinstance(error, KireiError) else str(error)
        click.echo("kirei: " + " ".join(message.split()), err=True)
        sys.exit(1)


class DrawingCommand(click.Command):
    """A command with the flags of Options, which its help shows in sections."""

    sections = SECTIONS

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the command's own options first, then the sections."""
        records = {
            parameter.name: record
            for parameter in self.get_params(context)
            if isinstance(parameter, click.Option)
            and (record := parameter.get_help_record(context))
        }
        sectioned = {name for names in self.sections.values() for name in names}
        own = [record for name, record in records.items() if name not in sectioned]
        for title, rows in {
            "Options": own,
            **{title: [records[name] for name in names] for title, names in self.sections.items()},
        }.items():
            with formatter.section(title):
                formatter.write_dl(rows)


class ColourCommand(DrawingCommand):
    """A command with the flags of ColourOptions, in sections of their own."""

    sections = COLOUR_SECTIONS


class ExtensibleGroup(click.Group):
    """A click group with the commands of an entry-point group beside its own.

    Args:
        *arguments: Of click.Group.
        commands_of: The entry-point group.
        later: Commands of this package that are loaded when they are asked for: "module:name" by
            name.
        **named: Of click.Group.
    """

    def __init__(
        self,
        *arguments: Any,
        commands_of: str,
        later: Mapping[str, str] = MappingProxyType({}),
        **named: Any,
    ) -> None:
        super().__init__(*arguments, **named)
        self._commands_of = commands_of
        self._later = {name: EntryPoint(name, where, commands_of) for name, where in later.items()}

    def invoke(self, context: click.Context) -> Any:
        """Runs the command; Ctrl-C ends it with the exit code that shells expect."""
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            click.echo("kirei: stopped", err=True)
            context.exit(EXIT_INTERRUPTED)

    def _found(self) -> dict[str, EntryPoint]:
        added = {entry.name: entry for entry in entry_points(group=self._commands_of)}
        return added | self._later

    def list_commands(self, context: click.Context) -> list[str]:
        """The group's own commands and those of the entry points, sorted."""
        return sorted({*super().list_commands(context), *self._found()})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command of that name; loading one imports its module."""
        own = super().get_command(context, name)
        if own is not None:
            return own
        entry = self._found().get(name)
        if entry is None:
            return None
        try:
            command: click.Command = entry.load()
        except (ImportError, AttributeError) as error:
            return _absent(name, error)
        return command


def _absent(name: str, error: Exception) -> click.Command:
    """Stands for a command that cannot be loaded: any arguments, one line, exit code 1."""

    @click.command(
        name,
        context_settings={"ignore_unknown_options": True, "help_option_names": []},
        short_help="(not installed here)",
    )
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def absent(arguments: tuple[str, ...]) -> None:  # noqa: ARG001  # click passes them
        click.echo(f"kirei: {name} is not installed here: {error}", err=True)
        sys.exit(1)

    return absent
