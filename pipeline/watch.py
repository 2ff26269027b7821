"""Photos that come into a folder, as they come: ``kirei watch``."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from pipeline.photos import PhotoFile, find_photos, is_moving_part, is_ours, looks_like_photo

SETTLE_S = 1.0  # a file that has not changed for so long is whole
POLL_S = 0.2


class _Changes(FileSystemEventHandler):
    """Puts the paths of new and changed files into a queue."""

    def __init__(self, paths: queue.SimpleQueue[Path]) -> None:
        self._paths = paths

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Notes a file that was made, written, or moved here."""
        if event.is_directory or event.event_type not in ("created", "modified", "moved"):
            return
        path = event.dest_path if event.event_type == "moved" else event.src_path
        self._paths.put(Path(str(path)))


def watch(folder: Path, output: Path, *, with_motion: bool = False) -> Iterator[PhotoFile]:
    """Yields the photos that are in a folder, and then those that come, without end.

    A photo is yielded when its file has been left alone for SETTLE_S, and again whenever it
    changes. Pictures that this program wrote are not yielded, nor what lies in the output folder.

    Args:
        folder: Searched whole.
        output: Where the pictures go.
        with_motion: Whether the moving parts of Live Photos are yielded, too.
    """
    paths: queue.SimpleQueue[Path] = queue.SimpleQueue()
    observer = Observer()
    observer.daemon = True
    observer.schedule(_Changes(paths), str(folder), recursive=True)
    observer.start()  # before the search: nothing falls between the two
    try:
        yield from find_photos([str(folder)], output, with_motion=with_motion)
        changed_s: dict[Path, float] = {}
        while True:
            changed_s |= _drain(paths)
            for path in [path for path, at_s in changed_s.items() if _is_settled(at_s)]:
                del changed_s[path]
                if _is_wanted(path, folder, output) and (with_motion or not is_moving_part(path)):
                    yield PhotoFile(str(path), path.relative_to(folder))
    finally:
        observer.stop()


def _drain(paths: queue.SimpleQueue[Path]) -> dict[Path, float]:
    """The files that changed, with the time; waits a little if there are none."""
    changed: dict[Path, float] = {}
    try:
        changed[paths.get(timeout=POLL_S)] = time.monotonic()
        while True:
            changed[paths.get_nowait()] = time.monotonic()
    except queue.Empty:
        return changed


def _is_settled(changed_s: float) -> bool:
    return time.monotonic() - changed_s >= SETTLE_S


def _is_wanted(path: Path, folder: Path, output: Path) -> bool:
    if output.resolve() != folder.resolve() and path.resolve().is_relative_to(output.resolve()):
        return False
    return looks_like_photo(path) and path.is_file() and not is_ours(path)
