"""Where pictures go: no file is lost, whatever lies there and however often a command is run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import StoreUnavailable
from pipeline.photos import PhotoFile, is_there, read_sidecar

FORMATS = {
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".jpe": "jpeg",
    ".jfif": "jpeg",
    ".png": "png",
    ".webp": "webp",
    ".mp4": "mp4",
    ".webm": "webm",
    ".gif": "gif",
}
LAYERED = {".tif": "tiff", ".tiff": "tiff", ".ora": "ora"}  # of line drawings
EXISTING = ("number", "skip", "replace")
MAX_NUMBER = 100_000


@dataclass(frozen=True)
class Target:
    """Where a picture goes.

    Attributes:
        stem: The picture's path without its suffix.
        suffix: The suffix, if it is settled; empty for that of the picture's format.
        drawn: The picture that is there already, and stays; None where one is to be drawn.
        is_same: Whether that is the picture of this photo with these options.
    """

    stem: Path
    suffix: str = ""
    drawn: Path | None = None
    is_same: bool = False

    @property
    def sidecar(self) -> Path:
        """Where the sidecar goes."""
        return _with_ending(self.stem, ".json")

    def picture(self, extension: str) -> Path:
        """Where the picture goes, by its extension without the dot."""
        return _with_ending(self.stem, self.suffix or f".{extension}")


class Outputs:
    """The names of the pictures of one call.

    A picture that was drawn of the same photo with the same options stays as it is, so that a
    command that was stopped goes on where it was. A photo is never written over, nor a JSON that
    is no sidecar.

    Args:
        output: The folder, or the file of the only picture.
        is_file: Whether it is a file.
        existing: What becomes of other files of the same name: "number" gives the new picture a
            number, "skip" leaves the photo out, "replace" writes over the old picture.
        sources: The photos.
    """

    def __init__(
        self, output: Path, *, is_file: bool, existing: str, sources: Iterable[PhotoFile] = ()
    ) -> None:
        self._output = output
        self._is_file = is_file
        self._existing = existing
        self._sources = {photo.path.resolve() for photo in sources if photo.path}
        self._claimed: dict[Path, str] = {}  # names of photos by the stems of their pictures

    def claim(
        self, photo: PhotoFile, style: str, is_same: Callable[[Mapping[str, Any]], bool]
    ) -> Target:
        """Finds the name of a photo's picture, which is then taken. For one thread at a time.

        Args:
            photo: The photo.
            style: The style's name.
            is_same: Tells whether a sidecar describes what is to be drawn.
        """
        suffix = self._output.suffix if self._is_file else ""
        for stem in self._candidates(photo, style):
            sidecar = read_sidecar(_with_ending(stem, ".json"))
            there = self._pictures(stem)
            if sidecar and there and is_same(sidecar) and self._existing != "replace":
                self._claimed[stem] = photo.name
                return Target(stem, suffix, there[0], is_same=True)
            if there and self._existing == "skip":
                self._claimed[stem] = photo.name
                return Target(stem, suffix, there[0])
            if self._is_free(stem, there, sidecar):
                self._claimed[stem] = photo.name
                return Target(stem, suffix)
        raise StoreUnavailable(f"{MAX_NUMBER} files of the name {photo.relative.stem} are there")

    def _candidates(self, photo: PhotoFile, style: str) -> Iterator[Path]:
        """NAME.STYLE; for a second name of one run NAME.EXT.STYLE; NAME.STYLE.2 and so on."""
        relative = photo.relative
        if self._is_file:
            first = self._output.with_suffix("")
        else:
            first = self._output / relative.with_name(f"{relative.stem}.{style}")
        claimed_by = self._claimed.get(first)
        if claimed_by is None:
            yield first
        elif Path(claimed_by).name != relative.name and not self._is_file:
            whole = self._output / relative.with_name(f"{relative.name}.{style}")
            if whole not in self._claimed:
                yield whole
        for number in range(2, MAX_NUMBER):
            stem = first.with_name(f"{first.name}.{number}")
            if stem not in self._claimed:
                yield stem

    def _is_free(self, stem: Path, there: list[Path], sidecar: Mapping[str, Any] | None) -> bool:
        """Whether a picture, and its sidecar, may be written there."""
        json_path = _with_ending(stem, ".json")
        if sidecar is not None:  # it may belong to a picture of another suffix
            described = stem.with_name(Path(sidecar["output"].get("key") or "").name)
            if described != stem.parent and described not in there and is_there(described):
                return False
        elif is_there(json_path):
            return False
        if self._existing != "replace":
            return not there
        return not any(path.resolve() in self._sources for path in there)

    def _pictures(self, stem: Path) -> list[Path]:
        """The pictures of a stem that are there; they would share one sidecar."""
        suffixes = [self._output.suffix] if self._is_file else (*FORMATS, *LAYERED)
        return [path for path in (_with_ending(stem, each) for each in suffixes) if is_there(path)]


def write_all(files: Mapping[Path, bytes | Path]) -> None:
    """Writes files so that all are there or none, in their order.

    Args:
        files: Contents by path. A path as content is a file in the same folder, which is moved.

    Raises:
        StoreUnavailable: The folder cannot be written, or the disk is full.
    """
    parts = {path: path.with_name(f".{path.name}.part") for path in files}
    try:
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                content.replace(parts[path])
            else:
                parts[path].write_bytes(content)
        for path, part in parts.items():
            part.replace(path)
    except OSError as error:
        raise StoreUnavailable(f"{path} cannot be written: {error.strerror}") from error
    finally:
        for part in parts.values():
            with suppress(OSError):
                part.unlink(missing_ok=True)


def check_folder(folder: Path) -> None:
    """Makes a folder where it is missing, before time is spent on a picture for it.

    Raises:
        StoreUnavailable: It cannot be made, or not be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(f"{folder} cannot be made: {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise StoreUnavailable(f"{folder} cannot be written")


def free_path(path: Path) -> Path:
    """The path, or with a number before its suffix if something lies there."""
    number, free = 1, path
    while is_there(free):
        number += 1
        free = path.with_name(f"{path.stem}.{number}{path.suffix}")
    return free


def _with_ending(stem: Path, ending: str) -> Path:
    return stem.with_name(stem.name + ending)
