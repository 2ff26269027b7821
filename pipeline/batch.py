"""Many photos, some at once: what can be drawn is drawn, whatever happens to the others."""

from __future__ import annotations

import hashlib
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Protocol

from pipeline.clip_files import Unfinished, clip_file
from pipeline.clips.moving import moving_part
from pipeline.clips.result import ClipResult
from pipeline.errors import InvalidRequest, KireiError, ObjectNotFound
from pipeline.lineart.result import ColourResult
from pipeline.origin import Origin
from pipeline.outputs import Outputs, Target, check_folder, write_all
from pipeline.photos import SHEET, STANDARD_STREAM, PhotoFile, read_sidecar
from pipeline.result import Result
from pipeline.run import Pipeline
from pipeline.settings import ColourOptions, Options
from pipeline.sidecar import (
    failure_document,
    fingerprint,
    sidecar_document,
    to_json,
)

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

    def label(self, pipeline: Pipeline) -> str:
        """The part of a picture's name that tells what was done. Raises UnknownStyle."""
        return pipeline.resolved(self.options).style

    def fingerprint(self, pipeline: Pipeline, origin: Origin) -> str:
        """What the sidecar of this order will have as its fingerprint."""
        return fingerprint(pipeline.version, pipeline.resolved(self.options), origin)

    def carry_out(
        self,
        pipeline: Pipeline,
        data: bytes,
        origin: Origin,
        on_stage: Callable[[str], object] | None = None,
    ) -> Result | ColourResult:
        """Draws one photo. See ``Pipeline.run``."""
        seconds = self.max_seconds
        return pipeline.run(data, self.options, origin, on_stage=on_stage, time_left_s=seconds)

    def draw_clip(
        self,
        pipeline: Pipeline,
        photo: PhotoFile,
        data: bytes,
        drawn: Path,
        on_frame: Callable[[int, int], object] | None = None,
    ) -> ClipResult:
        """Draws one clip into a file. See ``Pipeline.run_clip``."""
        part = moving_part(data, self.options) or slice(0, len(data))
        with clip_file(photo.path, data, part) as source:
            return pipeline.run_clip(
                source,
                drawn,
                self.options,
                origin_of(photo, data),
                on_frame=on_frame,
                time_left_s=self.max_clip_seconds,
            )


class AnyOrder(Protocol):
    """What a batch asks of every file: Order, or that of another task."""

    @property
    def options(self) -> Options | ColourOptions:
        """What the caller asks for."""

    @property
    def has_sheets(self) -> bool:
        """Whether a before/after sheet is written beside each picture."""

    def label(self, pipeline: Pipeline) -> str:
        """See ``Order.label``."""

    def fingerprint(self, pipeline: Pipeline, origin: Origin) -> str:
        """See ``Order.fingerprint``."""

    def carry_out(
        self,
        pipeline: Pipeline,
        data: bytes,
        origin: Origin,
        on_stage: Callable[[str], object] | None = None,
    ) -> Result | ColourResult:
        """See ``Order.carry_out``."""


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
        self, pipeline: Pipeline, order: AnyOrder, outputs: Outputs, watcher: Watcher
    ) -> None:
        self._pipeline = pipeline
        self._order = order
        self._outputs = outputs
        self._watcher = watcher
        self._taking = threading.Lock()  # the next photo and its name, in order
        self._telling = threading.Lock()
        self.writing = threading.Lock()
        self.unfinished = Unfinished()

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
            return bool(sidecar["fingerprint"] == self._order.fingerprint(self._pipeline, origin))

        return self._outputs.claim(photo, self._order.label(self._pipeline), is_same)

    def _draw(self, photo: PhotoFile, data: bytes, target: Target) -> Outcome:
        started_s = time.monotonic()
        try:
            with self.unfinished.beside(target.stem) as drawn:
                result: Result | ColourResult | ClipResult
                if isinstance(self._order, Order) and moving_part(data, self._order.options):
                    result = self._draw_clip(photo, data, self._order, drawn)
                else:
                    result = self._draw_photo(photo, data)
                files, document = self._files(data, target, result)
                with self.writing:
                    write_all(files)
        except KireiError as error:
            return self._failure(photo, error)
        except Exception as error:  # noqa: BLE001  of this program; the other photos go on
            traceback.print_exc()
            fault = f"a fault of this program, shown above: {type(error).__name__}: {error}"
            return self._failure(photo, KireiError(fault))
        elapsed_s = time.monotonic() - started_s
        order = sorted(files, key=lambda path: (SHEET in path.name, path.suffix == ".json"))
        return Outcome(photo, tuple(order), document, elapsed_s, notes=notes(result))

    def _draw_photo(self, photo: PhotoFile, data: bytes) -> Result | ColourResult:
        def tell(stage: str) -> None:
            with self._telling:
                self._watcher.reach(photo, stage)

        return self._order.carry_out(self._pipeline, data, origin_of(photo, data), on_stage=tell)

    def _draw_clip(self, photo: PhotoFile, data: bytes, order: Order, drawn: Path) -> ClipResult:
        def tell(done: int, total: int) -> None:
            with self._telling:
                self._watcher.count(photo, done, total)

        return order.draw_clip(self._pipeline, photo, data, drawn, tell)

    def _files(
        self, data: bytes, target: Target, result: Result | ColourResult | ClipResult
    ) -> tuple[dict[Path, bytes | Path], dict[str, Any]]:
        """What is written: the picture, the sheet, and last the sidecar."""
        picture = target.picture(result.extension)
        document = sidecar_document(result.sidecar)
        document["output"]["key"] = str(picture)
        if isinstance(result, ClipResult):
            return {picture: result.path, target.sidecar: to_json(document)}, document
        files: dict[Path, bytes | Path] = {picture: result.image}
        if self._order.has_sheets:
            from pipeline.sheet import before_after

            sheet = picture.with_name(f"{target.stem.name}{SHEET}.jpg")
            files[sheet] = before_after(data, result, self._pipeline.settings)
        files[target.sidecar] = to_json(document)
        return files, document

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


def draw_one(
    pipeline: Pipeline, order: Order, photo: PhotoFile, data: bytes
) -> tuple[Result | ColourResult | ClipResult, bytes]:
    """Draws one photo or clip: its sidecar is in the first, its picture the second.

    Raises:
        KireiError: It cannot be drawn.
    """
    if moving_part(data, order.options) is None:
        result = order.carry_out(pipeline, data, origin_of(photo, data))
        return result, result.image
    with NamedTemporaryFile(prefix="kirei-") as drawn:
        clip = order.draw_clip(pipeline, photo, data, Path(drawn.name))
        return clip, clip.path.read_bytes()


def notes(result: Result | ColourResult | ClipResult) -> tuple[str, ...]:
    """What the owner of a picture should know about how it was drawn."""
    return tuple(
        f"for want of time, {decision.why}"
        for decision in result.sidecar.decisions
        if decision.step == "budget" and decision.ran
    )


def _kept(photo: PhotoFile, picture: Path, target: Target) -> Outcome:
    if not target.is_same:
        return Outcome(photo, (picture,), kept=f"{picture} is there, and stays")
    document = read_sidecar(target.sidecar) or {}
    return Outcome(photo, (picture, target.sidecar), document, kept=f"drawn already: {picture}")
