"""The files of a clip on this machine: the one that is read, and the one that is being written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Lock

from pipeline.errors import StoreUnavailable


@contextmanager
def clip_file(path: Path | None, data: bytes, part: slice) -> Iterator[Path]:
    """The file of a clip: its own, or one for the time being of what has none of its own.

    That is a clip from standard input, and the film in a motion photo.

    Args:
        path: Of the file; None for standard input.
        data: Its content.
        part: Which part of it is the clip.

    Raises:
        StoreUnavailable: The disk is full.
    """
    if path and part == slice(0, len(data)):
        yield path
        return
    with NamedTemporaryFile(prefix="kirei-") as file:
        try:
            file.write(data[part])
            file.flush()
        except OSError as error:
            raise StoreUnavailable(f"{file.name} cannot be written: {error.strerror}") from error
        yield Path(file.name)


class Unfinished:
    """Files of clips in work, which go when the work is done, and when it is stopped."""

    def __init__(self) -> None:
        self._paths: set[Path] = set()
        self._lock = Lock()

    @contextmanager
    def beside(self, stem: Path) -> Iterator[Path]:
        """A file in the folder of the result, until it is moved or the block ends.

        Args:
            stem: The result's path without its suffix.
        """
        path = stem.with_name(f".{stem.name}.clip.part")
        with self._lock:
            self._paths.add(path)
        try:
            yield path
        finally:
            with suppress(OSError):  # a name that the system cannot have, of a file that never was
                path.unlink()
            with self._lock:
                self._paths.discard(path)

    def discard(self) -> None:
        """Deletes them all. For whoever then ends the process."""
        with self._lock:
            for path in self._paths:
                for part in (path, *path.parent.glob(f".{path.name}.*.part")):
                    with suppress(OSError):
                        part.unlink()
