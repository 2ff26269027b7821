"""Opening a video's container: from a descriptor, by what is allowed, and nothing that it names.

Runs in a child process only. The demuxer is fixed by the file's first bytes, so that a playlist or
a script is never tried; FFmpeg gets a file object instead of a name, no protocols, and whatever
else it wants to open is refused. Where it would still open something, the process cannot: see
``open_nothing_more``.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from fractions import Fraction
from typing import Any, NoReturn

import av
from av.container import InputContainer, OutputContainer

# By the kind of ``sniff.clip_kind``.
DEMUXERS = {"mov": "mov", "matroska": "matroska"}
# Decoders by what they are called in reports.
VIDEO_DECODERS = {
    "h264": "h264",
    "hevc": "hevc",
    "vp8": "vp8",
    "vp9": "vp9",
    "libdav1d": "av1",
}
AUDIO_DECODERS = {
    **{name: name for name in ("aac", "ac3", "eac3", "alac", "flac", "opus", "vorbis")},
    **{"mp3": "mp3", "mp3float": "mp3", "libopus": "opus"},
    **{f"pcm_{kind}": "pcm" for kind in ("s16le", "s16be", "s24le", "s24be", "s32le", "f32le")},
    **{"amrnb": "amr_nb", "amrwb": "amr_wb", "libopencore_amrnb": "amr_nb"},
}
OPTIONS = {
    "protocol_whitelist": "none",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm",
    "codec_whitelist": ",".join([*VIDEO_DECODERS, *AUDIO_DECODERS]),
    "max_streams": "64",
    "enable_drefs": "0",  # of a MOV: its media are in the file itself
}
# Modules that numpy and Pillow load when a function of theirs is called first.
LAZY = ("numpy.ma", "PIL.ImageCms", "PIL.ImagePalette", "PIL.ImageSequence")
BUFFER_BYTES = 1 << 17


def load_all() -> None:
    """Imports what else is imported when it is needed, and could not be once nothing more opens."""
    for name in LAZY:
        importlib.import_module(name)
    for module in pkgutil.walk_packages(av.__path__, "av."):
        if not module.name.endswith(("__main__", "datasets")):
            importlib.import_module(module.name)


class DescriptorFile:
    """An open file of another process, read and written at its own position.

    Args:
        descriptor: Its number.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes; all that are left if it is negative."""
        left = self.size() - self._at
        data = os.pread(self._descriptor, max(0, left if size < 0 else min(size, left)), self._at)
        self._at += len(data)
        return data

    def write(self, data: bytes) -> int:
        """Writes all of it, at the position."""
        view = memoryview(data)
        while view:
            count = os.pwrite(self._descriptor, view, self._at)
            self._at += count
            view = view[count:]
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves the position."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size()}[whence]
        if base + offset < 0:
            raise ValueError("a position before the file")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """The position."""
        return self._at

    def seekable(self) -> bool:
        """Always."""
        return True

    def size(self) -> int:
        """Bytes of the file."""
        return os.fstat(self._descriptor).st_size


def refuse_opening(url: str, flags: int, options: dict[str, Any]) -> NoReturn:
    """What FFmpeg is given to open other files with. Raises PermissionError."""
    raise PermissionError(f"a clip may name no other file: {url[:80]!r} ({flags}, {len(options)})")


def open_input(descriptor: int, kind: str) -> InputContainer:
    """Opens a video for reading; ``kind`` as of ``clip_kind``. Raises av.FFmpegError."""
    return av.open(
        DescriptorFile(descriptor),
        "r",
        format=DEMUXERS[kind],
        container_options=OPTIONS,
        buffer_size=BUFFER_BYTES,
        io_open=refuse_opening,
    )


def beginning_s(container: InputContainer) -> Fraction:
    """The moment from which a clip's times count: where its first track begins.

    Before zero there is only what a decoder of sound needs to get going, and nobody hears.
    """
    return max(Fraction(0), Fraction(container.start_time or 0, av.time_base))


def open_output(descriptor: int, format: str, options: dict[str, str]) -> OutputContainer:
    """Opens a file for writing. Raises av.FFmpegError.

    The muxer of MP4 opens the same file a second time, to bring its index to the front.
    """

    def same_file(url: str, flags: int, options: dict[str, Any]) -> DescriptorFile:  # noqa: ARG001
        return DescriptorFile(descriptor)

    return av.open(
        DescriptorFile(descriptor),
        "w",
        format=format,
        container_options=options,
        buffer_size=BUFFER_BYTES,
        io_open=same_file,
    )
