"""The photos that a command line names: files, folders that are searched, standard input."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Any

from pipeline.companions import companion, live_photo_of

SUFFIXES = frozenset(
    ".avif .bmp .gif .heic .heics .heif .heifs .hif .jfif .jpe .jpeg .jpg .png .tif .tiff .webp"
    " .arw .cr2 .cr3 .dng .nef .orf .pef .raf .rw2 .srw"
    " .apng .avifs .m4v .mkv .mov .mp4 .qt .webm".split()
)
VIDEOS = frozenset(".m4v .mkv .mov .mp4 .qt .webm".split())
MAY_MOVE = frozenset(".apng .avifs .gif .webp".split())
MAY_BE_TRANSPARENT = frozenset(".avif .gif .heic .heif .png .tif .tiff .webp".split())
STANDARD_STREAM = "-"
SHEET, LOOKS = ".sheet", ".looks"  # before the suffix of what is drawn of a photo beside pictures
LOOKS_NAME = re.compile(rf"{re.escape(LOOKS)}(\.\d+)?$")


@dataclass(frozen=True)
class PhotoFile:
    """A photo that was named or found.

    Attributes:
        name: Its path, or - for standard input.
        relative: Its place below the output folder.
    """

    name: str
    relative: Path

    @property
    def path(self) -> Path | None:
        """Its path; None for standard input."""
        return None if self.name == STANDARD_STREAM else Path(self.name)


def is_there(path: Path) -> bool:
    """Whether something has that name, be it a link that leads nowhere; not of one too long."""
    try:
        path.lstat()
    except (OSError, ValueError):
        return False
    return True


def is_folder(path: Path) -> bool:
    """Whether a folder has that name; not of one that the system cannot have."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_same_file(one: Path, other: Path) -> bool:
    """Whether both names lead to one file; not if either leads nowhere."""
    try:
        return one.samefile(other)
    except (OSError, ValueError):
        return False


def find_photos(
    arguments: Iterable[str], output: Path | None, *, with_motion: bool = False
) -> Iterator[PhotoFile]:
    """Finds the photos and clips, folders in order of their names.

    A folder is searched whole. What lies in the output folder is left out if that is a part of the
    searched one, and what this program has written anywhere: it is never drawn again.

    Args:
        arguments: Files, folders or -.
        output: The folder of the pictures, or the file of the picture; None for standard output.
        with_motion: Whether the moving parts of Live Photos are searched for, too.
    """
    for argument in arguments:
        folder = Path(argument)
        if argument == STANDARD_STREAM:
            yield PhotoFile(argument, Path("stdin"))
        elif is_folder(folder):
            yield from _search(folder, output.resolve() if output else None, with_motion)
        else:
            yield PhotoFile(argument, Path(folder.name))


def _search(folder: Path, output: Path | None, with_motion: bool) -> Iterator[PhotoFile]:
    root = folder.resolve()
    is_part = output is not None and output != root and output.is_relative_to(root)
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if is_part and output is not None and (root / relative).is_relative_to(output):
            continue
        if not looks_like_photo(path) or not path.is_file() or is_ours(path):
            continue
        if with_motion or not is_moving_part(path):
            yield PhotoFile(str(path), relative)


def looks_like_photo(path: Path) -> bool:
    """Tells by its name whether a file may be a photo or a clip."""
    return path.suffix.lower() in SUFFIXES and not companion(path.as_posix())


def is_moving_part(path: Path) -> bool:
    """Tells whether a file is the moving part of a Live Photo, whose still lies beside it."""
    siblings = (str(sibling) for sibling in path.parent.glob(f"{escape(path.stem)}.*"))
    return live_photo_of(str(path), list(siblings)) is not None


def read_sidecar(path: Path) -> dict[str, Any] | None:
    """Reads a sidecar; None where there is none, or something else of that name."""
    try:
        document = json.loads(path.read_bytes())
        ours = {"fingerprint", "pipeline_version", "source", "output"} <= document.keys()
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    return document if ours else None


def is_ours(path: Path) -> bool:
    """Tells whether this program wrote a file: a picture with its sidecar, or a sheet."""
    if LOOKS_NAME.search(path.stem):
        return True
    if path.stem.endswith(SHEET):
        return read_sidecar(path.with_name(f"{path.stem.removesuffix(SHEET)}.json")) is not None
    sidecar = read_sidecar(path.with_suffix(".json"))
    return sidecar is not None and Path(sidecar["output"].get("key") or "").name == path.name
