"""How commands that draw files go through them, and how they end."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline.commands import EXIT_INTERRUPTED

if TYPE_CHECKING:
    from pipeline import Pipeline
    from pipeline.batch import AnyOrder, Batch
    from pipeline.cli import BatchFlags
    from pipeline.outputs import Outputs
    from pipeline.photos import PhotoFile


def draw_all(
    pipeline: Pipeline,
    order: AnyOrder,
    outputs: Outputs,
    found: list[PhotoFile],
    how: BatchFlags,
    dry_run: bool,
) -> None:
    """Draws files by an order, or tells what would be drawn; ends the process."""
    from pipeline.batch import Batch
    from pipeline.console import ConsoleWatcher, print_preview

    watcher = ConsoleWatcher(len(found), print_json=how.print_json)
    batch = Batch(pipeline, order, outputs, watcher)
    if dry_run:
        sys.exit(0 if print_preview(batch, order.options, found) else 1)
    with watcher, suppress(KeyboardInterrupt):
        batch.run(iter(found), how.jobs_of(pipeline))
        watcher.stop()
        watcher.summarise()
        sys.exit(1 if watcher.failed or not found else 0)
    watcher.summarise_stop()
    end_now(batch, EXIT_INTERRUPTED)


def end_now(batch: Batch, code: int) -> None:
    """Ends the process without waiting for photos in work, and with no file half written."""
    with batch.writing:
        batch.unfinished.discard()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
