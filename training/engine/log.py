"""What a training tells: rows of log.jsonl, means of losses, a bar of progress."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

PLAIN: dict[str, Any] = {"markup": False, "highlight": False, "soft_wrap": True}


class Means:
    """The mean of each loss over the steps in which it was computed since the last ``take``."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}

    def add(self, losses: Mapping[str, Tensor]) -> None:
        """Adds the losses of one step, or some of them."""
        for name, loss in losses.items():
            self._values.setdefault(name, []).append(loss.item())

    def latest(self) -> str:
        """The last value of each loss, for people."""
        return " ".join(f"{name} {values[-1]:.3g}" for name, values in self._values.items())

    def take(self) -> dict[str, float]:
        """The means by name; the next ones start anew."""
        means = {name: sum(values) / len(values) for name, values in self._values.items()}
        self._values = {}
        return means


def append_row(log: Path, row: Mapping[str, object]) -> None:
    """Adds a line of JSON to the log."""
    with log.open("a") as file:
        file.write(json.dumps(row) + "\n")


def forget_after(step: int, log: Path) -> None:
    """Drops the rows of steps that a killed run logged but did not save, and a torn row."""
    if not log.exists():
        return
    kept = []
    for line in log.read_text().splitlines():
        try:
            row = json.loads(line)
        except ValueError:  # the disk was full, or the power went
            continue
        if row["step"] <= step:
            kept.append(line)
    log.write_text("".join(f"{line}\n" for line in kept))


def progress_bar(console: Console) -> Progress:
    """A bar with the losses behind it, on a terminal alone."""
    return Progress(
        *Progress.get_default_columns()[:2],
        TextColumn("{task.completed}/{task.total}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[losses]}"),
        console=console,
        disable=not console.is_terminal,
    )
