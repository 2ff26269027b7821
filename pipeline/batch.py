"""Many photos, some at once: what can be drawn is drawn, whatever happens to the others."""

from __future__ import annotations

import hashlib
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.clips.moving import moving_part
from pipeline.errors import InvalidRequest, KireiError, ObjectNotFound, StoreUnavailable
from pipeline.origin import Origin
from pipeline.outputs import Outputs, Target, check_folder, write_all
from pipeline.photos import SHEET, STANDARD_STREAM, PhotoFile, read_sidecar
from pipeline.result import Result
from pipeline.run import Pipeline
from pipeline.settings import Options
from pipeline.sidecar import (
    failure_document,
    fingerprint,
    sidecar_document,
    to_json,
)

if TYPE_CHECKING:
    from pipeline.clips.result import ClipResult

# files with their contents, the sidecar, and what the owner should know
Drawn = tuple[dict[Path, "bytes | Path"], dict[str, Any], tuple[str, ...]]

POLL_S = 0.1  # between two looks of the main thread, which Ctrl-C interrupts


@dataclass(frozen=True)
class Order:
    """What is wanted of every photo.

    Attributes:
        options: How it is drawn.
        max_seconds: Limit for one photo.
        max_clip_seconds: Limit for one clip.
        has_sheets: Whether a before/after sheet is written beside each picture.
    """

    options: Options
    max_seconds: float
    max_clip_seconds: float
    has_sheets: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of a photo.

    Attributes:
        photo: The photo.
        files: Its picture, sidecar and sheet, where they are there.
        document: The sidecar, or what stands in its place for a failure.
        elapsed_s: Time that it took; None where nothing was drawn.
        kept: Why nothing was drawn although nothing is wrong.
        error: Why nothing could be drawn.
        notes: What its owner should know.
    """

    photo: PhotoFile
    files: tuple[Path, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict)
    elapsed_s: float | None = None
    kept: str | None = None
    error: KireiError | None = None
    notes: tuple[str, ...] = ()


class Watcher(Protocol):
    """Is told what happens. Its methods are called by one thread at a time."""

    def begin(self, photo: PhotoFile) -> None:
        """Work on a photo begins."""

    def reach(self, photo: PhotoFile, stage: str) -> None:
        """A photo comes to a stage."""

    def count(self, photo: PhotoFile, done: int, total: int) -> None:
        """So many frames of a clip are drawn."""

    def finish(self, outcome: Outcome) -> None:
        """A photo is done with."""


class Batch:
    """Draws photos in threads.

    Args:
        pipeline: Draws them.
        order: What is wanted of every photo.
        outputs: Where the pictures go.
        watcher: Is told what happens.
    """

    def __init__(
        self, pipeline: Pipeline, order: Order, outputs: Outputs, watcher: Watcher
    ) -> None:
        self._pipeline = pipeline
        self._order = order
        self._options = pipeline.resolved(order.options)
        self._outputs = outputs
        self._watcher = watcher
        self._taking = threading.Lock()  # the next photo and its name, in order
        self._telling = threading.Lock()
        self._unfinished: set[Path] = set()  # files of clips in work
        self.writing = threading.Lock()

    def run(self, photos: Iterator[PhotoFile], jobs: int) -> None:
        """Draws photos until there are no more.

        Args:
            photos: May wait for the next one.
            jobs: How many are drawn at once.

        Raises:
            KeyboardInterrupt: By Ctrl-C. Threads may be at work still; whoever then holds
                ``writing`` and ends the process leaves no half-written files.
        """
        crashes: list[BaseException] = []

        def work() -> None:
            try:
                self._work(photos)
            except BaseException as error:  # noqa: BLE001  raised again below
                crashes.append(error)

        threads = [threading.Thread(target=work, daemon=True) for _ in range(jobs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(POLL_S)
        if crashes:
            raise crashes[0]

    def preview(
        self, photos: Iterator[PhotoFile]
    ) -> Iterator[tuple[PhotoFile, Target | KireiError]]:
        """Tells where the picture of each photo would go; nothing is drawn or written."""
        for photo in photos:
            try:
                yield photo, self._claim(photo, read_photo(photo))
            except KireiError as error:
                yield photo, error

    def _work(self, photos: Iterator[PhotoFile]) -> None:
        while True:
            with self._taking:
                photo = next(photos, None)
                if photo is None:
                    return
                data, target, error = self._prepare(photo)
            with self._telling:
                self._watcher.begin(photo)
            if target is None or data is None:
                outcome = self._failure(photo, error or InvalidRequest("nothing was read"))
            elif target.drawn:
                outcome = _kept(photo, target.drawn, target)
            else:
                outcome = self._draw(photo, data, target)
            data = None  # a clip's, say, while the thread waits for the next
            with self._telling:
                self._watcher.finish(outcome)

    def _prepare(self, photo: PhotoFile) -> tuple[bytes | None, Target | None, KireiError | None]:
        try:
            data = read_photo(photo)
            target = self._claim(photo, data)
            if not target.drawn:
                check_folder(target.stem.parent)
        except KireiError as error:
            return None, None, error
        return data, target, None

    def _claim(self, photo: PhotoFile, data: bytes) -> Target:
        etag = hashlib.sha256(data).hexdigest()

        def is_same(sidecar: Mapping[str, Any]) -> bool:
            # by whatever path the photo was named then
            origin = Origin(key=sidecar["source"].get("key"), etag=etag)
            expected = fingerprint(self._pipeline.version, self._options, origin)
            return bool(sidecar["fingerprint"] == expected)

        return self._outputs.claim(photo, self._options.style, is_same)

    def _draw(self, photo: PhotoFile, data: bytes, target: Target) -> Outcome:
        started_s = time.monotonic()
        try:
            part = moving_part(data, self._options)
            if part is None:
                files, document, told = self._draw_photo(photo, data, target)
            else:
                files, document, told = self._draw_clip(photo, data, part, target)
            with self.writing:
                write_all(files)
        except KireiError as error:
            return self._failure(photo, error)
        except Exception as error:  # noqa: BLE001  of this program; the other photos go on
            traceback.print_exc()
            fault = f"a fault of this program, shown above: {type(error).__name__}: {error}"
            return self._failure(photo, KireiError(fault))
        finally:
            self._discard(target)
        elapsed_s = time.monotonic() - started_s
        order = sorted(files, key=lambda path: (SHEET in path.name, path.suffix == ".json"))
        return Outcome(photo, tuple(order), document, elapsed_s, notes=told)

    def _draw_photo(self, photo: PhotoFile, data: bytes, target: Target) -> Drawn:
        def tell(stage: str) -> None:
            with self._telling:
                self._watcher.reach(photo, stage)

        result = self._pipeline.run(
            data,
            self._order.options,
            origin=origin_of(photo, data),
            on_stage=tell,
            time_left_s=self._order.max_seconds,
        )
        picture, document = _described(target, result)
        files: dict[Path, bytes | Path] = {picture: result.image}
        if self._order.has_sheets:
            from pipeline.sheet import before_after

            sheet = picture.with_name(f"{target.stem.name}{SHEET}.jpg")
            files[sheet] = before_after(data, result, self._pipeline.settings)
        files[target.sidecar] = to_json(document)
        return files, document, notes(result)

    def _draw_clip(self, photo: PhotoFile, data: bytes, part: slice, target: Target) -> Drawn:
        def tell(done: int, total: int) -> None:
            with self._telling:
                self._watcher.count(photo, done, total)

        drawn = _part_of(target)
        with self._telling:
            self._unfinished.add(drawn)
        with clip_file(photo, data, part) as source:
            result = self._pipeline.run_clip(
                source,
                drawn,
                self._order.options,
                origin_of(photo, data),
                on_frame=tell,
                time_left_s=self._order.max_clip_seconds,
            )
        picture, document = _described(target, result)
        told = notes(result)
        if self._order.has_sheets:
            told = (*told, "a clip has no before/after sheet")
        return {picture: result.path, target.sidecar: to_json(document)}, document, told

    def discard(self) -> None:
        """Deletes what is written of clips in work. For whoever then ends the process."""
        for path in [*self._unfinished]:
            path.unlink(missing_ok=True)

    def _discard(self, target: Target) -> None:
        drawn = _part_of(target)
        if drawn in self._unfinished:
            drawn.unlink(missing_ok=True)
            with self._telling:
                self._unfinished.discard(drawn)

    def _failure(self, photo: PhotoFile, error: KireiError) -> Outcome:
        document = failure_document(
            error, pipeline_version=self._pipeline.version, origin=Origin(key=photo.name)
        )
        return Outcome(photo, document=document, error=error)


def origin_of(photo: PhotoFile, data: bytes) -> Origin:
    """Where a photo came from: its path, and the hash of its content in place of an etag."""
    return Origin(key=photo.name, etag=hashlib.sha256(data).hexdigest())


def read_photo(photo: PhotoFile) -> bytes:
    """Reads a photo's file. Raises ObjectNotFound."""
    if photo.name == STANDARD_STREAM:
        return sys.stdin.buffer.read()
    try:
        return Path(photo.name).read_bytes()
    except OSError as error:
        raise ObjectNotFound(f"cannot be read: {error.strerror}") from error


@contextmanager
def clip_file(photo: PhotoFile, data: bytes, part: slice) -> Iterator[Path]:
    """The file of a clip: its own, or one for the time being of what has none of its own.

    That is a clip from standard input, and the film in a motion photo.

    Args:
        photo: The file that was named.
        data: Its content.
        part: Which part of it is the clip.

    Raises:
        StoreUnavailable: The disk is full.
    """
    if photo.path and part == slice(0, len(data)):
        yield photo.path
        return
    with NamedTemporaryFile(prefix="kirei-") as file:
        try:
            file.write(data[part])
            file.flush()
        except OSError as error:
            raise StoreUnavailable(f"{file.name} cannot be written: {error.strerror}") from error
        yield Path(file.name)


def draw_one(
    pipeline: Pipeline, order: Order, photo: PhotoFile, data: bytes
) -> tuple[Result | ClipResult, bytes]:
    """Draws one photo or clip in memory: what there is of it, and the bytes of its picture.

    Raises:
        KireiError: It cannot be drawn.
    """
    origin = origin_of(photo, data)
    part = moving_part(data, order.options)
    if part is None:
        seconds = order.max_seconds
        result = pipeline.run(data, order.options, origin=origin, time_left_s=seconds)
        return result, result.image
    with clip_file(photo, data, part) as source, NamedTemporaryFile(prefix="kirei-") as drawn:
        clip = pipeline.run_clip(
            source,
            Path(drawn.name),
            order.options,
            origin,
            time_left_s=order.max_clip_seconds,
        )
        return clip, clip.path.read_bytes()


def notes(result: Result | ClipResult) -> tuple[str, ...]:
    """What the owner of a picture should know about how it was drawn."""
    return tuple(
        f"for want of time, {decision.why}"
        for decision in result.sidecar.decisions
        if decision.step == "budget" and decision.ran
    )


def _described(target: Target, result: Result | ClipResult) -> tuple[Path, dict[str, Any]]:
    """Where the picture goes, and its sidecar that says so."""
    picture = target.picture(result.extension)
    output = replace(result.sidecar.output, key=str(picture))
    return picture, sidecar_document(replace(result.sidecar, output=output))


def _part_of(target: Target) -> Path:
    """Where a clip is written until it is whole."""
    return target.stem.with_name(f".{target.stem.name}.clip.part")


def _kept(photo: PhotoFile, picture: Path, target: Target) -> Outcome:
    if not target.is_same:
        return Outcome(photo, (picture,), kept=f"{picture} is there, and stays")
    document = read_sidecar(target.sidecar) or {}
    return Outcome(photo, (picture, target.sidecar), document, kept=f"drawn already: {picture}")
