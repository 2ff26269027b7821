"""Writing a clip: frames into a file, with the sound of the source, by a process of its own.

    with ClipWriter(path, "mp4", (1280, 720), WriterSettings(), source) as writer:
        writer.write(pixels, time_s=0.0, duration_s=1 / 12)

The process encodes while the caller draws the next frame.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np

from pipeline.clips.domain import ClipFormat, WriterSettings
from pipeline.clips.encoding import Task
from pipeline.clips.reader import opened_source
from pipeline.domain import GrayImage, RgbImage
from pipeline.errors import DecoderLost, InvalidOption, InvalidRequest, PermanentError
from pipeline.messages import receive, send
from pipeline.sandbox import Child, refuse_if_guilty, refused

MODULE = "pipeline.clips.encoding"
FORMATS: tuple[ClipFormat, ...] = ("mp4", "webm", "webp", "gif", "apng")
MAX_SIDE_PX = 16_384


class ClipWriter:
    """One clip that is written. A context manager: left by an error, it leaves no file.

    Args:
        path: Of the new file; one that is there is replaced when the clip is whole.
        format: "mp4" (H.264, 4:2:0, index first), "webm" (VP9), "webp", "gif" or "apng".
        size: Width and height of all frames. In MP4 and WebM an odd side gets its last row or
            column twice.
        settings: How it is written.
        source: Path or bytes of the clip whose sound is taken, for MP4 and WebM; None for none.

    Attributes:
        sound: "copied", the codec that it is encoded in, or "none"; known from the start.
        warnings: What was left out; complete once it is closed.

    Raises:
        InvalidOption: The format or the size is none.
        NotAnImage: Clips are not written here, for lack of PyAV.
        ObjectNotFound: There is no source.
        DecoderLost: The process was ended from outside.
    """

    def __init__(
        self,
        path: Path,
        format: ClipFormat,
        size: tuple[int, int],
        settings: WriterSettings,
        source: Path | bytes | None = None,
    ) -> None:
        if format not in FORMATS:
            known = ", ".join(FORMATS)
            raise InvalidOption(
                f"format is {format!r}; for a clip it is one of {known}",
                measured=format,
                limit=known,
            )
        if not all(1 <= side <= MAX_SIDE_PX for side in size):
            raise InvalidOption(f"a clip of {size[0]}x{size[1]} pixels", measured=str(size))
        self._path, self._size = path, size
        self._child: Child | None = None
        self._files: list[IO[bytes]] = []
        self._part = path.with_name(f".{path.name}.{os.getpid()}.part")
        self.warnings: tuple[str, ...] = ()
        self._last_s = -1.0
        try:
            self.sound = self._start(format, settings, source)
        except BaseException:
            self.abandon()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def write(
        self,
        pixels: RgbImage,
        time_s: float,
        duration_s: float,
        alpha: GrayImage | None = None,
    ) -> None:
        """Writes the next frame.

        Args:
            pixels: uint8 (H, W, 3) RGB, sRGB, of the clip's size.
            time_s: From the beginning of what is written; rises from frame to frame. The first
                frame is shown from the beginning, whatever its time.
            duration_s: How long it is shown. But for the last frame, that is until the next.
            alpha: uint8 (H, W). WebP, GIF and APNG keep it (GIF by halves); in MP4 and WebM what
                is transparent is white.

        Raises:
            InvalidRequest: The size differs, or the time does not rise.
            PermanentError: Writing failed, by name.
            DecoderLost: The process was ended from outside.
        """
        width, height = self._size
        if pixels.shape != (height, width, 3) or pixels.dtype != np.uint8:
            raise InvalidRequest(f"a frame of {pixels.shape}; the clip is {(height, width, 3)}")
        if time_s <= self._last_s:
            raise InvalidRequest(f"a frame at {time_s} s, after one at {self._last_s} s")
        self._last_s = time_s
        request = {
            "work": "frame",
            "time_s": time_s,
            "duration_s": duration_s,
            "alpha": alpha is not None,
        }
        with self._named_losses() as child:
            send(child.socket, request)
            child.socket.sendall(np.ascontiguousarray(pixels).data)
            if alpha is not None:
                child.socket.sendall(np.ascontiguousarray(alpha).data)

    def close(self) -> None:
        """Writes what is left and puts the file into its place. Raises as ``write``.

        Without a frame there is no clip: InvalidRequest.
        """
        if self._child is None:
            return
        try:
            if self._last_s < 0:
                raise InvalidRequest("a clip without a frame", stage="encode")
            with self._named_losses() as child:
                send(child.socket, {"work": "close"})
                answer = refused(receive(child.socket))
                self.warnings = tuple(str(remark) for remark in answer["remarks"])
            self._part.replace(self._path)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Ends the process; a file that is not whole is removed."""
        if self._child is not None:
            self._child.kill()
            self._child = None
        for file in self._files:
            file.close()
        self._part.unlink(missing_ok=True)

    def _start(
        self, format: ClipFormat, settings: WriterSettings, source: Path | bytes | None
    ) -> str:
        with_sound = source is not None and format in ("mp4", "webm")
        if with_sound and source is not None:
            self._files.append(opened_source(source))
        spool = tempfile.TemporaryFile(dir=self._path.parent)  # noqa: SIM115  # closed in abandon
        target = self._part.open("w+b")
        self._files += [spool, target]
        numbers = [file.fileno() for file in self._files]
        task = Task(
            format=format,
            width=self._size[0],
            height=self._size[1],
            settings=settings,
            target=target.fileno(),
            spool=spool.fileno(),
            source=numbers[0] if with_sound else None,
        )
        self._child = Child(MODULE, [task.to_json()], numbers)
        with self._named_losses() as child:
            answer = refused(child.first_answer(None))
            return str(answer["sound"])

    @contextmanager
    def _named_losses(self) -> Iterator[Child]:
        """Names what happens when the process is gone or sends anything else."""
        if self._child is None:
            raise InvalidRequest("the clip is closed", stage="encode")
        child = self._child
        try:
            yield child
        except PermanentError:
            raise
        except TimeoutError as error:
            raise DecoderLost("the encoding process did not start", stage="encode") from error
        except OSError as error:
            _raise_last_words(child)
            refuse_if_guilty(child.wait())
            raise DecoderLost(
                "the encoding process was ended from outside", stage="encode"
            ) from error
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise DecoderLost(f"the encoding process sent an invalid answer: {error!r}") from error


def _raise_last_words(child: Child) -> None:
    """Raises the error that a process sent before it ended, while more was sent to it."""
    try:
        answer = receive(child.socket)
    except OSError:
        return
    refused(answer)
