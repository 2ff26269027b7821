"""The child process that reads a clip; see ``pipeline.clips.reader`` for its parent.

It inherits the open file. Once it has loaded its codecs it can open nothing more, no file and no
socket, whatever a clip names. Processor time is granted frame by frame, memory by the header.
"""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from pipeline.clips.domain import Frame
from pipeline.clips.limits import (
    ALLOWANCE_BYTES,
    FRAME_BYTES,
    HDR_FRAME_BYTES,
    HDR_PIXELS_EACH_CPU_S,
    MIN_FRAME_PIXELS,
    PIXELS_EACH_CPU_S,
)
from pipeline.clips.pace import DecodedFrame, paced
from pipeline.clips.sniff import VIDEO, clip_kind
from pipeline.errors import (
    EmptyInput,
    NotAnImage,
    PermanentError,
    TooCostly,
    TooManyBytes,
    TooMuchMemory,
    TruncatedImage,
)
from pipeline.messages import receive, send
from pipeline.sandbox import limit_cpu, limit_files, limit_memory, open_nothing_more
from pipeline.settings import Settings

MB = 1_000_000
MAX_REMARKS = 8
HEAD_BYTES = 4096


class Clip:
    """The opened clip and its limits.

    Args:
        descriptor: The open file.
        settings: Limits.
        free_bytes: Of memory; None: not checked.
    """

    def __init__(self, descriptor: int, settings: Settings, free_bytes: int | None) -> None:
        self._settings = settings
        self._began_s = time.process_time()
        self._granted_s = 2 * settings.decode_cpu_s
        self._granted_until_s = 0
        self.remarks: list[str] = []
        self._pixels_each_cpu_s = HDR_PIXELS_EACH_CPU_S
        self._spend(0)
        limit_memory(ALLOWANCE_BYTES + HDR_FRAME_BYTES * settings.max_clip_pixels)
        self._source = self._opened(descriptor)
        self.info = self._source.info
        pixels = self.info.width_px * self.info.height_px
        needed = pixels * (HDR_FRAME_BYTES if self.info.is_hdr else FRAME_BYTES)
        if free_bytes is not None and needed > free_bytes:
            raise TooMuchMemory(
                f"decoding frames of {self.info.width_px}x{self.info.height_px} pixels takes up "
                f"to {needed // MB} MB; {max(0, free_bytes) // MB} MB are free",
                measured=needed // MB,
                limit=max(0, free_bytes) // MB,
            )
        if not self.info.is_hdr:
            self._pixels_each_cpu_s = PIXELS_EACH_CPU_S
        limit_memory(ALLOWANCE_BYTES + needed)

    def frames(self, start_s: float, max_side_px: int) -> Iterator[DecodedFrame]:
        """All frames from a key frame at or before ``start_s`` on."""
        return self._source.frames(start_s, max_side_px)

    def send_frames(self, request: dict[str, Any], parent: socket.socket) -> None:
        """Sends the frames that are asked for, and then what was remarked."""
        shown = self.frames(request["start_s"], request["max_side_px"])
        for frame in paced(shown, request["start_s"], request["end_s"], request["rate"]):
            _send_frame(frame, parent)
        send(parent, {"end": True, "remarks": self.remarks})

    def _opened(self, descriptor: int) -> Any:
        from pipeline.clips.animation import Animation
        from pipeline.clips.video import Video

        size, settings = os.fstat(descriptor).st_size, self._settings
        if size == 0:
            raise EmptyInput("the file is empty", measured=0)
        if size > settings.max_clip_bytes:
            raise TooManyBytes(
                f"the clip has {size} bytes; the limit is {settings.max_clip_bytes}",
                measured=size,
                limit=settings.max_clip_bytes,
            )
        kind = clip_kind(os.pread(descriptor, HEAD_BYTES, 0))
        if kind in VIDEO:
            return Video(descriptor, kind, settings, self._warn, self._spend)
        data = os.pread(descriptor, size, 0)
        kind = clip_kind(data)
        if kind is None:
            raise NotAnImage("the file is no clip that is read here: no video, no animated image")
        return Animation(data, kind, settings, self._warn, self._spend)

    def _warn(self, remark: str) -> None:
        if remark not in self.remarks and len(self.remarks) < MAX_REMARKS:
            self.remarks.append(remark)

    def _spend(self, pixels: int) -> None:
        """Grants the processor time of one more frame."""
        if pixels:
            share = max(pixels, MIN_FRAME_PIXELS) / self._pixels_each_cpu_s
            self._granted_s += self._settings.decode_cpu_s * share
        until_s = math.ceil(self._began_s + self._granted_s)
        if until_s > self._granted_until_s:
            self._granted_until_s = until_s
            limit_cpu(until_s)


def _send_frame(frame: Frame, parent: socket.socket) -> None:
    send(
        parent,
        {
            "shape": frame.pixels.shape,
            "alpha": frame.alpha is not None,
            "time_s": frame.time_s,
            "duration_s": frame.duration_s,
            "index": frame.index,
        },
    )
    for plane in (frame.pixels, frame.alpha):
        if plane is not None:
            parent.sendall(np.ascontiguousarray(plane).data)


def serve(settings: Settings, descriptor: int, parent: socket.socket) -> None:
    """Opens the clip, says what it is, and sends frames as often as they are asked for."""
    from pipeline.clips.container import load_all

    load_all()
    _load_codecs(settings)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal; the parent says when it ends
    limit_files(max_written_bytes=0)
    open_nothing_more()
    send(parent, {"ready": True})
    clip: Clip | None = None

    def opened(request: dict[str, Any]) -> None:
        nonlocal clip
        clip = Clip(descriptor, settings, request["free_bytes"])
        send(parent, {"info": asdict(clip.info), "remarks": clip.remarks})

    def frames(request: dict[str, Any]) -> None:
        if clip is not None:
            clip.send_frames(request, parent)

    works: dict[str, Callable[[dict[str, Any]], None]] = {"open": opened, "frames": frames}
    while True:
        request = receive(parent)
        try:
            works[request["work"]](request)
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001  # FFmpeg and Pillow raise nearly everything
            limit_memory(None)
            send(parent, named(error).as_dict())


def named(error: Exception) -> PermanentError:
    """The error with a name for whatever opening or decoding a clip raised."""
    if isinstance(error, PermanentError):
        return error
    if isinstance(error, MemoryError):
        return TooCostly("decoding takes more memory than its frames explain")
    return TruncatedImage(f"the clip is damaged or cut off: {error}")


def _load_codecs(settings: Settings) -> None:
    """Loads what opens clips, and keeps the threads of AVIF's codec few."""
    from PIL import AvifImagePlugin

    from pipeline.clips import animation, video  # noqa: F401

    AvifImagePlugin.DEFAULT_MAX_THREADS = min(settings.threads, 4)


if __name__ == "__main__":
    with socket.socket(fileno=sys.stdin.fileno()) as connection:
        try:
            serve(Settings.from_mapping(json.loads(sys.argv[1])), int(sys.argv[2]), connection)
        except ConnectionError:  # the parent has ended
            sys.exit(0)
