"""Whether a file moves, and where a motion photo keeps its video. Imports nothing heavy.

Sources: GIF89a (W3C, 1990); WebP container specification (Google); PNG, third edition (W3C, 2025),
11.3.7; ISO/IEC 14496-12 and 23000-22 (AVIF); RFC 8794 (EBML); Motion photo format 1.0 (Android).
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Iterator
from pathlib import Path

from pipeline.formats.boxes import CONTAINERS, boxes

Bytes = bytes | mmap.mmap

VIDEO = ("mov", "matroska")
EBML = b"\x1aE\xdf\xa3"
QUICKTIME_BOXES = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}  # a MOV without "ftyp"
PICTURE_BRANDS = {b"avif", b"heic", b"heix", b"heim", b"heis", b"mif1", b"crx ", b"jp2 ", b"jxl "}
SEQUENCE_BRAND = b"avis"
TOP_BOXES = {
    *(b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"uuid", b"udta", b"meta"),
    *(b"moof", b"mfra", b"sidx", b"styp", b"pdin", b"mvex", b"emsg"),
}
MAX_DEPTH = 8  # of boxes in boxes: moov, trak, mdia, minf, stbl
MAX_BLOCKS = 100_000  # of a GIF, WebP or PNG that are walked
MAX_XMP_BYTES = 1 << 20  # from a JPEG's beginning: where XMP stands
ITEM = re.compile(rb"<Container:Item\b([^>]*)>|<rdf:li\b[^>]*>\s*<Container:Item\b([^>]*)>")
ATTRIBUTE = re.compile(rb"""Item:(Semantic|Length|Padding)\s*=\s*["']([^"']{0,40})["']""")
MICRO_VIDEO = re.compile(rb"""MicroVideoOffset(?:\s*=\s*["']|>)\s*([0-9]{1,12})""")
SAMSUNG = b"MotionPhoto_Data"


def clip_kind(data: Bytes) -> str | None:
    """The container of a file that moves.

    Args:
        data: The file, or at least its first kilobytes. An animation whose second frame lies
            beyond them counts as moving if its header says so.

    Returns:
        "mov" (MP4, MOV and their kin), "matroska" (WebM, MKV), "gif", "webp", "apng" or "avif";
        None for what does not move.
    """
    head = data[:12]
    if head[:4] == EBML:
        return "matroska"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "gif" if _gif_moves(data) else None
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp" if _webp_moves(data) else None
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "apng" if _png_moves(data) else None
    if head[4:8] == b"ftyp":
        return _of_brands(data)
    return "mov" if head[4:8] in QUICKTIME_BOXES else None


def is_clip(source: Path | bytes) -> bool:
    """Whether a file moves: a video, or an animated image of more than one frame.

    Args:
        source: A path, or the file's bytes, or its first kilobytes.

    Raises:
        OSError: The path cannot be read.
    """
    if isinstance(source, bytes):
        return clip_kind(source) is not None
    with source.open("rb") as file:
        try:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:  # an empty file
            return False
        with data:
            return clip_kind(data) is not None


def motion_video(data: bytes) -> slice | None:
    """Where the video of a motion photo lies in its JPEG or HEIC.

    Google and those that follow it state its length in XMP (Container, or MicroVideoOffset before
    2020); Samsung puts it behind a marker; a HEIC has a box for it, "mpvd".

    Returns:
        The MP4's place in ``data``; None where there is none that has an index.
    """
    if data[4:8] == b"ftyp":
        starts = [body for name, body, _ in boxes(data, 0, len(data)) if name == b"mpvd"]
    elif data[:3] == b"\xff\xd8\xff":
        starts = list(_stated_starts(data))
    else:
        return None
    for start in starts:
        end = _video_end(data, start)
        if end is not None:
            return slice(start, end)
    return None


def _gif_moves(data: Bytes) -> bool:
    """Whether it has a second picture, or loops and is cut off before that."""
    at = 13 + _gif_table(data[10:11])
    pictures, loops = 0, False
    for _ in range(MAX_BLOCKS):
        kind = data[at : at + 1]
        if kind == b"\x2c":
            pictures += 1
            if pictures == 2:
                return True
            at += 11 + _gif_table(data[at + 9 : at + 10])
        elif kind == b"\x21":
            loops = loops or data[at + 3 : at + 14] == b"NETSCAPE2.0"
            at += 2
        else:
            return kind == b"" and loops
        while length := data[at : at + 1]:
            at += 1 + length[0]
            if length[0] == 0:
                break
    return False


def _gif_table(flags: bytes) -> int:
    """Bytes of the palette that a byte of flags announces."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _webp_moves(data: Bytes) -> bool:
    if data[12:16] != b"VP8X" or not data[20:21] or not data[20] & 2:
        return False
    at, frames = 12, 0
    for _ in range(MAX_BLOCKS):
        head = data[at : at + 8]
        if len(head) < 8:
            # cut off: what the header says counts
            return at > len(data) or frames > 1
        frames += head[:4] == b"ANMF"
        if frames > 1:
            return True
        length = int.from_bytes(head[4:], "little")
        at += 8 + length + length % 2
    return False


def _png_moves(data: Bytes) -> bool:
    at = 8
    for _ in range(MAX_BLOCKS):
        head = data[at : at + 12]
        if len(head) < 12 or head[4:8] in (b"IDAT", b"IEND"):
            return False
        if head[4:8] == b"acTL":
            return int.from_bytes(head[8:12], "big") > 1
        at += 12 + int.from_bytes(head[:4], "big")
    return False


def _of_brands(data: Bytes) -> str | None:
    box = data[: min(int.from_bytes(data[:4], "big"), 256)]
    brands = {box[8:12], *(box[at : at + 4] for at in range(16, len(box) - 3, 4))}
    if SEQUENCE_BRAND in brands:
        counts = list(_sample_counts(data, 0, len(data)))
        # without an index within these bytes: its major brand says that it is a sequence
        moves = max(counts) > 1 if counts else box[8:12] == SEQUENCE_BRAND
        return "avif" if moves else None
    return None if brands & PICTURE_BRANDS else "mov"


def _sample_counts(data: Bytes, start: int, end: int, depth: int = 0) -> Iterator[int]:
    """How many samples each track has."""
    for name, begin, stop in boxes(data, start, end):
        if name in CONTAINERS and depth < MAX_DEPTH:
            yield from _sample_counts(data, begin, stop, depth + 1)
        elif name in (b"stsz", b"stz2") and stop - begin >= 12:
            yield struct.unpack_from(">I", data, begin + 8)[0]


def _stated_starts(data: bytes) -> Iterator[int]:
    """Where a JPEG says that its video begins, the surest statement first."""
    head = data[:MAX_XMP_BYTES]
    lengths: list[tuple[bytes, int]] = []
    for match in ITEM.finditer(head):
        stated = dict(ATTRIBUTE.findall(match[1] or match[2]))
        length = sum(
            int(stated[name]) for name in (b"Length", b"Padding") if stated.get(name, b"").isdigit()
        )
        lengths.append((stated.get(b"Semantic", b""), length))
    for number, (semantic, _) in enumerate(lengths):
        if semantic == b"MotionPhoto":  # its item and those behind it end the file
            yield len(data) - sum(length for _, length in lengths[number:])
    for match in MICRO_VIDEO.finditer(head):
        yield len(data) - int(match[1])
    at = data.rfind(SAMSUNG)
    if at >= 0:
        yield at + len(SAMSUNG)


def _video_end(data: bytes, start: int) -> int | None:
    """Where an MP4 that begins at ``start`` ends; None where there is no whole one."""
    if start < 0 or data[start + 4 : start + 8] != b"ftyp":
        return None
    end, has_index = start, False
    for name, _, stop in boxes(data, start, len(data)):
        if name not in TOP_BOXES:
            break
        has_index = has_index or name == b"moov"
        end = stop
    return end if has_index else None
