"""Commands that other packages add to the command line, found by their entry points.

Training lies in a package of its own, which the function's image does not have: a command of it
is loaded when it is asked for, and where that fails, the command says so.
"""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import click


class ExtensibleGroup(click.Group):
    """A click group with the commands of an entry-point group beside its own."""

    def __init__(self, *arguments: Any, commands_of: str, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._commands_of = commands_of

    def _found(self) -> dict[str, EntryPoint]:
        return {entry.name: entry for entry in entry_points(group=self._commands_of)}

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
