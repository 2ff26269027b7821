"""JPEGs of unusual processes, and those that end a little too early.

Source: ITU-T T.81 (markers: annex B; progressive scans: annex G).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from pipeline.formats.colour import Warn

EOI = b"\xff\xd9"
SOI, SOS, DHT = 0xD8, 0xDA, 0xC4
FRAMES = {*range(0xC0, 0xD0)} - {DHT, 0xC8, 0xCC}
READ = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}  # sequential and progressive, Huffman or arithmetic coded
OTHER = {0xC3: "lossless", 0xCB: "lossless"}
ALONE = {0x01, *range(0xD0, 0xD8)}  # markers without a length
MAX_SEGMENTS = 10_000
MIN_ROWS = 0.95  # of a picture that is drawn
GREY, GREY_COLUMNS = 128, 4  # what the library puts where nothing came; looked for on the right
HELD_BACK_ROWS = 32  # at most: two rows of blocks of 16
NEVER_DECODED: dict[str, int | tuple[int, ...]] = {
    "RGB": (3, 253, 7),
    "L": 3,
    "CMYK": (3, 253, 7, 11),
}


Open = Callable[[bytes], ImageFile.ImageFile]


@dataclass(frozen=True)
class Frame:
    """The header of a picture within a file: its process by its marker, and its size."""

    marker: int
    bits: int
    width: int
    height: int
    components: int


@dataclass(frozen=True)
class Scan:
    """One pass: where it begins, and which coefficients of which components it brings."""

    offset: int
    components: tuple[int, ...]
    first: int
    last: int
    high: int
    low: int


def frame_of(data: bytes, start: int = 0) -> Frame | None:
    """The header of the JPEG that begins there; None where there is none."""
    for marker, begin, length in _segments(data, start):
        if marker in FRAMES and length >= 6:
            bits, height, width, components = struct.unpack_from(">BHHB", data, begin)
            return Frame(marker, bits, width, height, components)
        if marker == SOS:
            return None
    return None


def unsupported(data: bytes) -> str | None:
    """Why a sound JPEG cannot be read: the name of its process; None where it is none."""
    frame = frame_of(data)
    if frame is None:
        return None
    if frame.marker not in READ:
        return f"a JPEG of the {OTHER.get(frame.marker, 'hierarchical')} process"
    return f"a JPEG of {frame.bits} bits a sample" if frame.bits != 8 else None


def _segments(data: bytes, start: int = 0) -> Iterator[tuple[int, int, int]]:
    """Marker, begin and length of what each segment holds, entropy-coded data passed over."""
    at = start + 2
    for _ in range(MAX_SEGMENTS):
        at = data.find(b"\xff", at)
        if at < 0 or at + 4 > len(data):
            return
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker == 0 or marker in ALONE:
            at += 2
        elif marker in (SOI, EOI[1]):  # of another picture; of this one
            return
        else:
            (length,) = struct.unpack_from(">H", data, at + 2)
            if at + 2 + length > len(data):
                return
            yield marker, at + 4, length - 2
            at += 2 + length
            if marker == SOS:
                at = _after_coded(data, at)


def _after_coded(data: bytes, at: int) -> int:
    """Where the next marker stands."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            return len(data)
        if data[at + 1] != 0 and data[at + 1] not in ALONE:
            return at
        at += 2


def nearly_whole(data: bytes, open_: Open, warn: Warn) -> Image.Image | None:
    """Rescues a file that ends early.

    Of a progressive file the last pass may be cut anywhere: all rows are there then, some of them
    a little coarser.

    Returns:
        The picture, where at least 95 % of its rows are there, the others filled with a mirror of
        those above; else None.
    """
    scans = list(_scans(data))
    frame = frame_of(data)
    if frame is None or not scans:
        return None
    whole = open_(data + EOI)
    whole.load()
    single = len(scans) == 1 and len(scans[0].components) == frame.components
    if single and scans[0].low == 0 and scans[0].last == 63:
        rows = _rows_sequential(data, whole, open_)
    elif not _all_there(scans, frame.components):
        return None
    elif scans[-1].high:
        rows = whole.height
    else:
        rows = _rows_of_last_scan(data[: scans[-1].offset] + EOI, whole, open_)
    missing = whole.height - rows
    if rows < MIN_ROWS * whole.height:
        return None
    if not missing:
        warn("the JPEG lacks its end: all of its rows are there")
        return whole
    warn(f"the JPEG ends early: {missing} of {whole.height} rows are mirrored from those above")
    mirror = whole.crop((0, rows - missing, whole.width, rows))
    whole.paste(mirror.transpose(Image.Transpose.FLIP_TOP_BOTTOM), (0, rows))
    return whole


def _scans(data: bytes) -> Iterator[Scan]:
    for marker, begin, length in _segments(data):
        if marker == SOS and length >= 4:
            count = data[begin]
            if length < 4 + 2 * count:
                return
            selectors = tuple(data[begin + 1 + 2 * n] for n in range(count))
            first, last, bits = data[begin + 1 + 2 * count : begin + 4 + 2 * count]
            yield Scan(begin - 4, selectors, first, last, bits >> 4, bits & 15)


def _all_there(scans: list[Scan], components: int) -> bool:
    """Whether the scans, the last one with them, bring all coefficients to their last bit."""
    missing_bits: dict[int, NDArray[np.int64]] = {}
    for scan in scans:
        for component in scan.components:
            of_component = missing_bits.setdefault(component, np.full(64, 99))
            of_component[scan.first : scan.last + 1] = scan.low
    return len(missing_bits) == components and not any(bits.any() for bits in missing_bits.values())


def _rows_sequential(data: bytes, whole: Image.Image, open_: Open) -> int:
    """How many rows of a file of one scan were decoded.

    The library gives out rows with some delay; of those that it held back, the ones that it leaves
    grey at their right end are missing.
    """
    partial = open_(data)
    never = NEVER_DECODED[partial.mode]
    partial.im = Image.new(partial.mode, partial.size, never).im
    with suppress(OSError):  # that it ends early
        partial.load()
    partial.tile = []  # as it is now
    left = np.asarray(partial.crop((0, 0, 1, partial.height))).reshape(partial.height, -1)
    decoded = np.flatnonzero((left != never).any(axis=1))
    rows = int(decoded[-1]) + 1 if decoded.size else 0
    if rows == whole.height:
        return rows
    above = max(0, rows - 1)
    right = whole.crop((max(0, whole.width - GREY_COLUMNS), above, whole.width, whole.height))
    ends = np.asarray(right, np.int16).reshape(right.height, -1)
    grey = np.flatnonzero(np.abs(ends - GREY).max(axis=1) <= 1)
    if not grey.size:
        return whole.height
    if rows and grey[0] == 0:  # grey of itself: a row that is there is so, too
        return min(whole.height, rows + HELD_BACK_ROWS)
    return above + int(grey[0])


def _rows_of_last_scan(before: bytes, whole: Image.Image, open_: Open) -> int:
    """How far down the last scan changes what the scans before it had drawn."""
    coarser = open_(before)
    coarser.load()
    changed = (np.asarray(coarser) != np.asarray(whole)).reshape(whole.height, -1).any(axis=1)
    rows = np.flatnonzero(changed)
    return int(rows[-1]) + 1 if rows.size else 0
