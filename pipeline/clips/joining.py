"""The child process that joins segments; see ``pipeline.clips.join`` for its parent."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from pipeline.clips.domain import WriterSettings
from pipeline.clips.sniff import VIDEO, clip_kind
from pipeline.errors import PermanentError, TruncatedImage
from pipeline.messages import send
from pipeline.sandbox import limit_files, limit_memory, open_nothing_more

HEAD_BYTES = 4096
MAX_WRITTEN_BYTES = 4_000_000_000
ALLOWANCE_BYTES = 400_000_000
KINDS = {"mp4": "mov", "webm": "matroska"}
MUXER_OPTIONS = {"mp4": {"movflags": "+faststart"}, "webm": {}}


@dataclass(frozen=True)
class JoinTask:
    """What is joined, as the parent states it.

    Attributes:
        format: "mp4" or "webm".
        segments: Descriptors of their files.
        starts_s: When each begins.
        target: The descriptor that is written to.
        source: That of the source; None without sound.
        settings: Of the sound.
    """

    format: str
    segments: tuple[int, ...]
    starts_s: tuple[float, ...]
    target: int
    source: int | None
    settings: WriterSettings

    @classmethod
    def from_json(cls, text: str) -> JoinTask:
        """What ``to_json`` wrote."""
        values = json.loads(text)
        lists = {name: tuple(values[name]) for name in ("segments", "starts_s")}
        return cls(**{**values, **lists, "settings": WriterSettings(**values["settings"])})

    def to_json(self) -> str:
        """For the child's command line."""
        return json.dumps(asdict(self))


def join(task: JoinTask, connection: socket.socket) -> dict[str, Any]:
    """Writes the file; what the parent is answered."""
    from pipeline.clips.container import load_all

    load_all()
    import av

    from pipeline.clips.container import open_input, open_output
    from pipeline.clips.sound import Sound

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal; the parent says when it ends
    limit_files(MAX_WRITTEN_BYTES)
    open_nothing_more()
    limit_memory(ALLOWANCE_BYTES)
    send(connection, {"ready": True})
    remarks: list[str] = []
    output = open_output(task.target, task.format, MUXER_OPTIONS[task.format])
    inputs = [open_input(number, KINDS[task.format]) for number in task.segments]
    streams = [container.streams.video[0] for container in inputs]
    _check_alike(streams)
    target = output.add_stream_from_template(streams[0])
    sound: Sound | None = None
    kind = None if task.source is None else clip_kind(os.pread(task.source, HEAD_BYTES, 0))
    if task.source is not None and kind in VIDEO:
        span_s = task.settings.sound_start_s, task.settings.sound_end_s
        try:
            sound = Sound(task.source, kind, output, span_s, remarks.append)
        except (av.FFmpegError, ValueError) as error:
            remarks.append(f"the sound was left out: {error}")
    last = None
    for container, stream, start_s in zip(inputs, streams, task.starts_s, strict=True):
        for packet in _moved(container, stream, start_s):
            if last is not None and packet.dts <= last:
                packet.dts = last + 1
            last = packet.dts
            if packet.pts < packet.dts:
                raise TruncatedImage("a segment begins before the one before it ends")
            if sound is not None:
                sound.feed(output, float(packet.dts * packet.time_base))
            packet.stream = target
            output.mux_one(packet)
    if sound is not None:
        sound.feed(output, None)
    output.close()
    return {"sound": sound.how if sound else "none", "remarks": remarks}


def _check_alike(streams: list[Any]) -> None:
    """The tables of a codec stand at the head of a file, once for all its packets."""
    if len({stream.codec_context.extradata for stream in streams}) > 1:
        raise TruncatedImage("the segments were not written alike", stage="encode")


def _moved(container: Any, stream: Any, start_s: float) -> Iterator[Any]:
    """The packets of a segment, its first picture at ``start_s``."""
    packets = [
        packet for packet in container.demux(stream) if packet.size and packet.pts is not None
    ]
    base = stream.time_base
    by = round(Fraction(start_s).limit_denominator(1_000_000) / base)
    by -= min(packet.pts for packet in packets)
    for packet in packets:
        packet.pts += by
        packet.dts = packet.pts if packet.dts is None else packet.dts + by
        yield packet


def main() -> None:
    """Joins; an error is the answer."""
    with socket.socket(fileno=sys.stdin.fileno()) as connection:
        try:
            answer = join(JoinTask.from_json(sys.argv[1]), connection)
        except ConnectionError:  # the parent has ended
            sys.exit(0)
        except PermanentError as error:
            answer = error.as_dict()
        except Exception as error:  # noqa: BLE001  # FFmpeg raises nearly everything
            message = f"the segments could not be joined: {error!r}"
            answer = TruncatedImage(message, stage="encode").as_dict()
        send(connection, answer)


if __name__ == "__main__":
    main()
