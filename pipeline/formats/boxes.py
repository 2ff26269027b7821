"""Boxes of the ISO base media file format: MP4, MOV, AVIF, HEIC. Imports nothing heavy.

Source: ISO/IEC 14496-12, 4.2.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from mmap import mmap

MAX_BOXES = 20_000  # in all: a hostile file may nest as many as it has bytes
CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl"}


def boxes(data: bytes | mmap, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, begin and end of the content of each box between two positions."""
    at = start
    for _ in range(MAX_BOXES):
        if at + 8 > end:
            return
        length, name = struct.unpack_from(">I4s", data, at)
        body = at + 8
        if length == 1 and at + 16 <= end:
            (length,) = struct.unpack_from(">Q", data, at + 8)
            body = at + 16
        stop = end if length == 0 else min(at + length, end)
        if stop < body:
            return
        yield name, body, stop
        at = stop
