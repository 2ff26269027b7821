"""Boxes of AVIF and HEIC: which colours the pixels mean.

Sources: ISO/IEC 14496-12 (boxes; colr), ISO/IEC 23008-12 (items and their properties).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from pipeline.formats.boxes import CONTAINERS, MAX_BOXES, boxes
from pipeline.formats.colour import Colour, Unusable, by_codes

NCLX = "nclx box"
SAMPLE_ENTRIES = {b"av01", b"hvc1", b"hev1"}
ENTRY_BYTES = 78  # of a visual sample entry before its boxes


def nclx(data: bytes) -> Colour | Unusable | None:
    """The code points in the colour box of the primary picture; of a sequence, of its track.

    Where the primary picture has none of its own, the first there is: that of its tiles.
    """
    meta = next((box for box in boxes(data, 0, len(data)) if box[0] == b"meta"), None)
    code_points = None
    try:
        if meta is not None:
            code_points = _of_primary(data, meta[1] + 4, meta[2])
        if code_points is None:
            code_points = next(_track_colours(data, 0, len(data)), None)
    except (struct.error, IndexError):  # boxes that are cut off do not cost the photo
        return Unusable(NCLX, "the boxes around it are damaged")
    if code_points is None:
        return None
    # Its range does not matter here: the codec makes RGB of the whole range from either.
    primaries, transfer = struct.unpack_from(">HH", code_points)
    return by_codes(NCLX, primaries, transfer)


def _of_primary(data: bytes, start: int, end: int) -> bytes | None:
    inside = {name: (begin, stop) for name, begin, stop in boxes(data, start, end)}
    if b"iprp" not in inside:
        return None
    properties: list[tuple[bytes, int, int]] = []
    associated: list[int] = []
    for name, begin, stop in boxes(data, *inside[b"iprp"]):
        if name == b"ipco":
            properties = list(boxes(data, begin, stop))
        elif name == b"ipma" and b"pitm" in inside:
            associated += _properties_of(_primary(data, *inside[b"pitm"]), data[begin:stop])
    own = [properties[number - 1] for number in associated if 0 < number <= len(properties)]
    if any(name == b"colr" for name, _, _ in own):
        properties = own
    return next(
        (
            data[begin + 4 : stop]
            for name, begin, stop in properties
            if name == b"colr" and data[begin : begin + 4] == b"nclx" and stop - begin >= 11
        ),
        None,
    )


def _primary(data: bytes, begin: int, stop: int) -> int:
    """The number of the primary item."""
    size = 2 if data[begin] == 0 else 4
    return int.from_bytes(data[begin + 4 : min(begin + 4 + size, stop)], "big")


def _properties_of(item: int, body: bytes) -> list[int]:
    """The numbers of an item's properties, by an ipma box. Raises struct.error, IndexError."""
    version, flags = body[0], body[3]
    (count,) = struct.unpack_from(">I", body, 4)
    at, wide = 8, 4 if version else 2
    for _ in range(min(count, MAX_BOXES)):
        number = int.from_bytes(body[at : at + wide], "big")
        associations = body[at + wide]
        at += wide + 1
        size = 2 if flags & 1 else 1
        mask = 0x7FFF if size == 2 else 0x7F
        if number == item:
            return [
                int.from_bytes(body[offset : offset + size], "big") & mask
                for offset in range(at, at + associations * size, size)
            ]
        at += associations * size
    return []


def _track_colours(data: bytes, start: int, end: int) -> Iterator[bytes]:
    for name, begin, stop in boxes(data, start, end):
        if name in CONTAINERS:
            yield from _track_colours(data, begin, stop)
        elif name == b"stsd":
            yield from _track_colours(data, begin + 8, stop)
        elif name in SAMPLE_ENTRIES:
            yield from _track_colours(data, begin + ENTRY_BYTES, stop)
        elif name == b"colr" and data[begin : begin + 4] == b"nclx" and stop - begin >= 11:
            yield data[begin + 4 : stop]


def av1_greatest(data: bytes) -> float:
    """The largest value of a sample of an AVIF, by the first av1C box: 255, 1023 or 4095.

    Source: AV1 in ISOBMFF, 2.3.3.
    """
    at = data.find(b"av1C")
    flags = data[at + 6] if 0 <= at < len(data) - 6 else 0
    if not flags & 0x40:
        return 255.0
    return 4095.0 if flags & 0x20 else 1023.0
