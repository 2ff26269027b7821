"""Decoding in a process of its own, which the kernel holds to processor time and memory.

A file of a few kilobytes may ask a decoder for hours or gigabytes: JPEGs of thousands of scans,
long runs of zeros, endless colour profiles, directories with ten thousand entries for the same
data. No check of the structure finds them all, and one that crashes a codec would end the
function. So all files are opened and decoded in a child process that lives from one photo to the
next, without the function's environment and with limits set anew for each photo. A child that
exceeds them ends alone, and the photo is refused by name.
"""

from __future__ import annotations

import json
import math
import signal
import socket
import sys
import time
import weakref
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.budget import MB, resident_bytes
from pipeline.domain import Photo, Source
from pipeline.errors import (
    DecoderLost,
    OutOfTime,
    PermanentError,
    TooCostly,
    TooMuchMemory,
)
from pipeline.messages import receive, receive_array, send
from pipeline.sandbox import (
    Child,
    limit_cpu,
    limit_files,
    limit_memory,
    refuse_if_guilty,
    refused,
)
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.decode import Header

# What opening a file may take, and decoding beside what its pixels explain: tables of codecs,
# stacks of their threads, metadata.
ALLOWANCE_BYTES = 160_000_000
# For each pixel at most, with all copies that are held at once: measured, 5 to 22 by format, and 20
# to 43 with alpha, by which the colours are weighted; WebP takes its own when it is opened.
OPAQUE_BYTES, TRANSPARENT_BYTES, WEBP_BYTES = 22, 44, 8
SAMPLES_HELD = 2  # copies of samples of more than 8 bits, at once
# Measured: 16 to 42 ms a megapixel, 117 with alpha. decode_cpu_s is granted once for each of these.
PIXELS_EACH_CPU_S = 16_000_000
REDUCTIONS = (1, 2, 4, 8)  # of a JPEG's sides, by its own transform
MAX_REMARKS = 8  # on one photo
MAX_AVIF_THREADS = 4
TRIES = 2  # of a photo whose child was ended from outside


@dataclass(frozen=True, eq=False)
class Decoded:
    """A decoded photo.

    Attributes:
        photo: No larger than asked for.
        source: What its file said.
        reduced_by: By how much its sides were reduced, for lack of memory, while it was decoded;
            1: not at all.
        remarks: What decoding had to guess, to ignore or to do without.
    """

    photo: Photo
    source: Source
    reduced_by: int
    remarks: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """The remarks, and the reduction, for the sidecar."""
        if self.reduced_by == 1:
            return self.remarks
        reduced = f"decoded at 1/{self.reduced_by} of its sides: all of it needs more memory"
        return (*self.remarks, reduced)


class Decoder:
    """Child processes that decode, started when needed: as many as there are callers at once.

    Args:
        settings: Limits.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._idle: list[_Child] = []
        weakref.finalize(self, _kill_all, self._idle)

    def warm(self) -> None:
        """Starts a child if there is none; it gets ready while others work."""
        if not self._idle:
            self._idle.append(_Child(self._settings))

    def decode(self, data: bytes, max_side_px: int, timeout_s: float | None = None) -> Decoded:
        """Decodes a photo in a child process.

        Args:
            data: The file.
            max_side_px: Longer side of the photo at most.
            timeout_s: None for any time.

        Raises:
            PermanentError: As ``pipeline.decode.decode_image``.
            TooCostly: Decoding takes more processor time or memory than its size explains.
            TooMuchMemory: By its header, it does not fit into ``memory_mb``.
            OutOfTime: It takes longer than ``timeout_s``.
            DecoderLost: The child was ended from outside.
        """
        lost: OSError | None = None
        until_s = None if timeout_s is None else time.monotonic() + timeout_s
        for _ in range(TRIES):
            child = self._child()
            try:
                answer = child.decode(data, max_side_px, until_s)
            except PermanentError:
                self._idle.append(child)
                raise
            except TimeoutError as error:
                child.kill()
                if timeout_s is None:
                    raise DecoderLost("the decoding process did not start") from error
                raise OutOfTime(
                    f"decoding took more than the {timeout_s:.1f} s that were left",
                    stage="decode",
                    limit=timeout_s,
                ) from error
            except OSError as error:
                refuse_if_guilty(child.wait())
                lost = error
            else:
                self._idle.append(child)
                return answer
        raise DecoderLost("the decoding process was ended from outside") from lost

    def _child(self) -> _Child:
        while True:
            try:
                child = self._idle.pop()
            except IndexError:  # not asked before: another caller may have taken the last one
                return _Child(self._settings)
            if child.is_there:
                return child
            child.kill()


def _kill_all(children: list[_Child]) -> None:
    while children:
        children.pop().kill()


class _Child(Child):
    """The parent's end of one decoding process."""

    def __init__(self, settings: Settings) -> None:
        super().__init__("pipeline.decoder", [json.dumps(asdict(settings), default=str)])
        self._ready = False
        self._memory_mb = settings.memory_mb

    def decode(self, data: bytes, max_side_px: int, until_s: float | None) -> Decoded:
        """Decodes until a moment of time.monotonic; None: without end.

        Raises a refusal, TimeoutError, or OSError when the process is gone.
        """
        if not self._ready:
            self.first_answer(until_s)
            self._ready = True
        self.wait_until(until_s)
        request = {"bytes": len(data), "max_side_px": max_side_px, "free_bytes": self._free_bytes()}
        send(self.socket, request)
        self.socket.sendall(data)
        return _answer(self.socket, max_side_px)

    def _free_bytes(self) -> int | None:
        return self._memory_mb * MB - resident_bytes() if self._memory_mb else None


def _answer(child: socket.socket, max_side_px: int) -> Decoded:
    """Reads a child's answer.

    A photo that broke a codec may send anything: what is no valid answer counts as none, and costs
    no more. Raises the refusal, or OSError.
    """
    try:
        answer = refused(receive(child))
        height, width, channels = shape = tuple(answer["shape"])
        if not (0 < height <= max_side_px and 0 < width <= max_side_px and channels == 3):
            raise ValueError(f"a photo of {shape}")
        if answer["reduced_by"] not in REDUCTIONS:
            raise ValueError(f"reduced by {answer['reduced_by']}")
        source = Source(**answer["source"])
        pixels = receive_array(child, shape)
        alpha = receive_array(child, shape[:2]) if answer["alpha"] else None
        remarks = tuple(str(remark) for remark in answer["remarks"])
        return Decoded(Photo(pixels, alpha), source, answer["reduced_by"], remarks)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ConnectionAbortedError(
            f"the decoding process sent an invalid answer: {error!r}"
        ) from error


# --- the child --------------------------------------------------------------------------------


def serve(settings: Settings, parent: socket.socket) -> None:
    """Decodes what comes over the socket, until it is closed."""
    from PIL import AvifImagePlugin

    from pipeline.decode import decode_image, fit
    from pipeline.formats.webp import webp_size

    # a thread for each processor of a large machine would take the memory that is granted
    AvifImagePlugin.DEFAULT_MAX_THREADS = min(settings.threads, MAX_AVIF_THREADS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal; the parent says when it ends
    limit_files(max_written_bytes=0)
    send(parent, {"ready": True})
    while True:
        request = receive(parent)
        data = receive_array(parent, (request["bytes"],)).tobytes()
        width, height = webp_size(data)
        opening_pixels = min(width * height, settings.max_input_pixels)
        reserve = _Reserve(settings, request["free_bytes"], opening_pixels * WEBP_BYTES)
        planes: list[NDArray[np.uint8]] = []
        remarks: list[str] = []
        try:
            photo, source = decode_image(data, settings, reserve, remarks.append)
            limit_memory(None)
            photo = fit(photo, request["max_side_px"])
        except PermanentError as error:
            answer: dict[str, Any] = error.as_dict()
        except MemoryError:
            answer = TooCostly("decoding takes more memory than its pixels explain").as_dict()
        else:
            planes = [photo.pixels] if photo.alpha is None else [photo.pixels, photo.alpha]
            answer = {
                "shape": photo.pixels.shape,
                "alpha": photo.alpha is not None,
                "source": asdict(source),
                "reduced_by": reserve.reduced_by,
                "remarks": remarks[:MAX_REMARKS],
            }
        limit_memory(None)
        send(parent, answer)
        for plane in planes:
            parent.sendall(np.ascontiguousarray(plane).data)
        photo = plane = data = None  # type: ignore[assignment]  # while it waits for the next


class _Reserve:
    """Limits for one file: small ones to open it, then what its size explains to decode it."""

    def __init__(self, settings: Settings, free_bytes: int | None, opening_bytes: int) -> None:
        self.reduced_by = 1
        self._cpu_s = settings.decode_cpu_s
        self._free_bytes = free_bytes
        self._began_s = time.process_time()
        self._limit(opening_bytes, 0)

    def __call__(self, header: Header) -> int:
        """Sets the limits for decoding, and chooses a reduction. Raises TooMuchMemory."""
        pixels = header.width * header.height
        each = TRANSPARENT_BYTES if header.has_alpha else OPAQUE_BYTES
        each += SAMPLES_HELD * header.sample_bytes
        needed = pixels * (each + (WEBP_BYTES if header.format == "webp" else 0))
        if self._free_bytes is not None:
            free = max(0, self._free_bytes - resident_bytes())
            ways = REDUCTIONS if header.format == "jpeg" else (1,)
            fitting = [by for by in ways if needed // by**2 <= free]
            if not fitting:
                raise TooMuchMemory(
                    f"decoding {header.width}x{header.height} pixels takes up to "
                    f"{needed // MB} MB; {free // MB} MB are free",
                    measured=needed // MB,
                    limit=free // MB,
                )
            self.reduced_by = fitting[0]
        self._limit(needed // self.reduced_by**2, pixels)
        return self.reduced_by

    def _limit(self, more_bytes: int, pixels: int) -> None:
        granted_s = self._cpu_s * (1 + pixels / PIXELS_EACH_CPU_S)
        limit_cpu(math.ceil(self._began_s + granted_s))
        limit_memory(ALLOWANCE_BYTES + more_bytes)


if __name__ == "__main__":
    with socket.socket(fileno=sys.stdin.fileno()) as connection:
        try:
            serve(Settings.from_mapping(json.loads(sys.argv[1])), connection)
        except ConnectionError:  # the parent has ended
            sys.exit(0)
