"""The child process that writes a clip; see ``pipeline.clips.writer`` for its parent.

It inherits the file that it writes, one to spool to, and that of the source, whose sound it takes.
It can open nothing more.
"""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import sys
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.clips.domain import WriterSettings
from pipeline.clips.sniff import VIDEO, clip_kind
from pipeline.domain import Photo
from pipeline.errors import PermanentError, TooCostly, TruncatedImage
from pipeline.messages import receive, receive_array, send
from pipeline.sandbox import limit_cpu, limit_files, limit_memory, open_nothing_more

HEAD_BYTES = 4096
MAX_WRITTEN_BYTES = 4_000_000_000
# Beside that: the pictures that an encoder looks ahead at and refers to, of 1.5 bytes a pixel, and
# the frame on its way. WebP and GIF keep canvases of 4.
ALLOWANCE_BYTES, FRAME_BYTES = 400_000_000, 160
# Of processor. A GIF and a WebP are made when all frames are there, so the sum counts.
GRANTED_S, FRAME_S = 60.0, 6.0
MAX_REMARKS = 8


@dataclass(frozen=True)
class Task:
    """What is written, as the parent states it.

    Attributes:
        format: As of ClipFormat.
        width: Of the frames.
        height: Of the frames.
        settings: How.
        target: The descriptor that is written to.
        spool: Another, for frames that wait.
        source: That of the source; None without sound.
    """

    format: str
    width: int
    height: int
    settings: WriterSettings
    target: int
    spool: int
    source: int | None

    @classmethod
    def from_json(cls, text: str) -> Task:
        """What ``to_json`` wrote."""
        values = json.loads(text)
        return cls(**{**values, "settings": WriterSettings(**values["settings"])})

    def to_json(self) -> str:
        """For the child's command line."""
        return json.dumps(asdict(self))


def serve(task: Task, parent: socket.socket) -> None:
    """Writes the frames that come, until the clip is closed."""
    from pipeline.clips.container import load_all

    load_all()
    from pipeline.clips import gif, sink

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal; the parent says when it ends
    limit_files(MAX_WRITTEN_BYTES)
    open_nothing_more()
    limit_memory(ALLOWANCE_BYTES + FRAME_BYTES * task.width * task.height)
    frames = 0
    _grant(frames)
    remarks: list[str] = []
    size = (task.width, task.height)

    def warn(remark: str) -> None:
        if remark not in remarks and len(remarks) < MAX_REMARKS:
            remarks.append(remark)

    written: Any
    if task.format == "gif":
        written = gif.GifSink(task.target, task.spool, size, task.settings)
    else:
        written = sink.Sink(task.target, task.format, size, task.settings, warn)
        if task.source is not None and task.format in ("mp4", "webm"):
            _take_sound(written, task.source, warn)
    send(parent, {"ready": True, "sound": written.sound})
    while True:
        request = receive(parent)
        if request["work"] == "close":
            written.close()
            send(parent, {"bytes": os.fstat(task.target).st_size, "remarks": remarks})
            return
        frames += 1
        _grant(frames)
        pixels = receive_array(parent, (task.height, task.width, 3))
        alpha = receive_array(parent, (task.height, task.width)) if request["alpha"] else None
        written.write(Photo(pixels, alpha), request["time_s"], request["duration_s"])


def _grant(frames: int) -> None:
    """Grants the processor time of so many frames and of their sound, from the beginning."""
    limit_cpu(math.ceil(GRANTED_S + FRAME_S * frames))


def _take_sound(written: Any, source: int, warn: Any) -> None:
    """Adds the source's sound; a clip without, or one whose sound is damaged, is written silent."""
    import av

    kind = clip_kind(os.pread(source, HEAD_BYTES, 0))
    if kind not in VIDEO:
        return
    try:
        written.add_sound(source, kind)
    except (av.FFmpegError, ValueError) as error:
        warn(f"the sound was left out: {error}")


def main() -> None:
    """Serves; an error is the last answer."""
    with socket.socket(fileno=sys.stdin.fileno()) as connection:
        try:
            serve(Task.from_json(sys.argv[1]), connection)
        except ConnectionError:  # the parent has ended
            sys.exit(0)
        except PermanentError as error:
            send(connection, error.as_dict())
        except MemoryError:
            limit_memory(None)
            message = "writing takes more memory than its frames explain"
            send(connection, TooCostly(message, stage="encode").as_dict())
        except Exception as error:  # noqa: BLE001  # FFmpeg raises nearly everything
            message = f"the clip could not be written: {error!r}"
            send(connection, TruncatedImage(message, stage="encode").as_dict())


if __name__ == "__main__":
    main()
