"""Reading a clip: its header, and its frames one after another, out of a process of its own.

    with ClipReader(settings, path, max_side_px=1920) as reader:
        for frame in reader.frames(rate=12.0):
            ...

The process decodes ahead while the caller works, by as much as the socket between them holds.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from pipeline.budget import MB, resident_bytes
from pipeline.clips.domain import ClipInfo, Frame
from pipeline.errors import (
    DecoderLost,
    InvalidOption,
    NotAnImage,
    ObjectNotFound,
    OutOfTime,
    PermanentError,
)
from pipeline.messages import receive, receive_array, send
from pipeline.sandbox import Child, refuse_if_guilty, refused
from pipeline.settings import MAX_SIDE_PX, Settings

MODULE = "pipeline.clips.decoding"
MAX_TIME_S = 1e6


class ClipReader:
    """One clip, read in a process of its own. A context manager.

    Args:
        settings: Limits: ``max_clip_seconds``, ``max_clip_frames``, ``max_clip_pixels``,
            ``max_clip_bytes``, ``max_aspect``, ``decode_cpu_s``, ``memory_mb``.
        source: Path of the file, or its bytes (of a motion photo, say).
        max_side_px: Longer side of the frames at most; they are never enlarged.
        timeout_s: How long to wait for the header, and for each frame; None for any time.

    Attributes:
        info: What the file says.
        warnings: What decoding had to guess, to ignore or to do without, so far.

    Raises:
        PermanentError: By name: NotAnImage, NoPicture, ClipTooLong, TooManyFrames, TooManyPixels,
            TooManyBytes, ExtremeAspect, UnsupportedVariant, TruncatedImage, TooCostly,
            TooMuchMemory, EmptyInput; ObjectNotFound where there is no such file.
        OutOfTime: It takes longer than ``timeout_s``.
        DecoderLost: The process was ended from outside.
    """

    info: ClipInfo

    def __init__(
        self,
        settings: Settings,
        source: Path | bytes,
        max_side_px: int = MAX_SIDE_PX,
        timeout_s: float | None = None,
    ) -> None:
        self._settings, self._max_side_px, self._timeout_s = settings, max_side_px, timeout_s
        self._file = opened_source(source)
        self._child: Child | None = None
        self.warnings: tuple[str, ...] = ()
        try:
            self.info = self._open()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process and closes the file."""
        if self._child is not None:
            self._child.kill()
            self._child = None
        self._file.close()

    def frames(
        self, start_s: float = 0.0, end_s: float | None = None, rate: float | None = None
    ) -> Iterator[Frame]:
        """Decodes frames, in the order in which they are shown, as they are asked for.

        May be called again for another part, also before the first is at its end: that one ends
        then. Frames that are not delivered are neither converted nor sent.

        Args:
            start_s: From the clip's beginning; frames that begin earlier are left out.
            end_s: Frames that begin then or later are left out; None: none are.
            rate: Frames a second at most, the first of each slot of that length; None: all.

        Yields:
            Frames, each shown until the next.

        Raises:
            PermanentError: As of the class, where a fault shows only now.
            InvalidOption: A rate of zero or less.
            OutOfTime, DecoderLost: As of the class.
        """
        if rate is not None and not 0 < rate < math.inf:
            raise InvalidOption(f"rate is {rate}; it is above 0", measured=rate)
        if self._child is None:
            self._open()
        child = self._running()
        self._child = None  # a part that is left unfinished leaves its process behind
        request = {
            "work": "frames",
            "start_s": start_s,
            "end_s": end_s,
            "rate": rate,
            "max_side_px": self._max_side_px,
        }
        try:
            with self._named_losses(child):
                send(child.socket, request)
            while True:
                with self._named_losses(child):
                    frame = self._frame(child)
                if frame is None:
                    break
                yield frame
        except BaseException:
            child.kill()
            raise
        self._keep(child)

    def _keep(self, child: Child) -> None:
        if self._child is None and not self._file.closed:
            self._child = child
        else:
            child.kill()

    def _frame(self, child: Child) -> Frame | None:
        """Reads one frame; None at the end."""
        answer = refused(receive(child.socket))
        if answer.get("end"):
            self.warnings = _texts(answer["remarks"])
            return None
        height, width, channels = shape = tuple(answer["shape"])
        most = self._max_side_px
        if not (0 < height <= most and 0 < width <= most and channels == 3):
            raise ValueError(f"a frame of {shape}")
        time_s, duration_s = (_seconds(answer[name]) for name in ("time_s", "duration_s"))
        pixels = receive_array(child.socket, shape)
        alpha = receive_array(child.socket, shape[:2]) if answer["alpha"] else None
        return Frame(pixels, alpha, time_s, duration_s, int(answer["index"]))

    def _open(self) -> ClipInfo:
        number = self._file.fileno()
        arguments = [json.dumps(asdict(self._settings), default=str), str(number)]
        until_s = None if self._timeout_s is None else time.monotonic() + self._timeout_s
        self._child = child = Child(MODULE, arguments, [number])
        with self._named_losses(child):
            child.first_answer(until_s)
            send(child.socket, {"work": "open", "free_bytes": self._free_bytes()})
            answer = refused(receive(child.socket))
            child.socket.settimeout(self._timeout_s)  # of each frame
            self.warnings = _texts(answer["remarks"])
            return _info(answer["info"])

    def _running(self) -> Child:
        if self._child is None:
            raise DecoderLost("the decoding process is gone")
        return self._child

    def _free_bytes(self) -> int | None:
        memory_mb = self._settings.memory_mb
        return memory_mb * MB - resident_bytes() if memory_mb else None

    @contextmanager
    def _named_losses(self, child: Child) -> Iterator[None]:
        """Names what happens when the process is late, or gone, or sends anything else.

        A clip that broke a codec may send anything: what is no valid answer counts as none.
        """
        try:
            yield
        except PermanentError:
            raise
        except TimeoutError as error:
            raise OutOfTime(
                f"decoding took more than the {self._timeout_s} s that were left",
                stage="decode",
                limit=self._timeout_s,
            ) from error
        except OSError as error:
            refuse_if_guilty(child.wait())
            raise DecoderLost("the decoding process was ended from outside") from error
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise DecoderLost(f"the decoding process sent an invalid answer: {error!r}") from error


def opened_source(source: Path | bytes) -> IO[bytes]:
    """An open file of a path or of bytes, for a child to read.

    Raises:
        ObjectNotFound: There is no such file.
        NotAnImage: Clips are not read here, for lack of PyAV, or it is no file.
    """
    if not clips_available():
        raise NotAnImage(
            "clips cannot be read: the package av is not installed; "
            "pip install 'kirei-anime[clips]' brings it"
        )
    if isinstance(source, bytes):
        file = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the reader
        file.write(source)
        file.flush()
        return file
    try:
        if not source.is_file():  # a pipe, say, whose opening may wait for ever
            if source.exists():
                raise NotAnImage(f"{source.name} is no file with an end")
            raise ObjectNotFound(f"there is no file {source.name}")
        return source.open("rb")
    except PermissionError as error:
        raise NotAnImage(f"{source.name} cannot be read: {error.strerror}") from error


def clips_available() -> bool:
    """Whether PyAV is installed; an image may be built without it, for its licence."""
    from importlib.util import find_spec

    return find_spec("av") is not None


def _seconds(value: Any) -> float:
    number = float(value)
    if not -MAX_TIME_S < number < MAX_TIME_S:
        raise ValueError(f"{number} seconds")
    return number


def _texts(remarks: Any) -> tuple[str, ...]:
    return tuple(str(remark) for remark in remarks)


def _info(answer: dict[str, Any]) -> ClipInfo:
    """Checks what a child says of a clip. Raises LookupError, TypeError, ValueError."""
    kinds: dict[str, Callable[[Any], Any]] = {
        "str": str,
        "str | None": lambda value: None if value is None else str(value),
        "int": int,
        "float": _seconds,
        "bool": bool,
    }
    return ClipInfo(
        **{item.name: kinds[str(item.type)](answer[item.name]) for item in fields(ClipInfo)}
    )
