"""WebP: the size that a file claims."""

from __future__ import annotations


def webp_size(data: bytes) -> tuple[int, int]:
    """Width and height by the header of a WebP file; 0, 0 where it has none."""
    kind, header = data[12:16], data[20:30]
    if data[:4] != b"RIFF" or len(header) < 10:
        return 0, 0
    if kind == b"VP8X":
        sides = (int.from_bytes(header[at : at + 3], "little") + 1 for at in (4, 7))
        return next(sides), next(sides)
    if kind == b"VP8L":
        packed = int.from_bytes(header[1:5], "little")
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        sides = (int.from_bytes(header[at : at + 2], "little") & 0x3FFF for at in (6, 8))
        return next(sides), next(sides)
    return 0, 0
