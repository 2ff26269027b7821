"""TIFFs of any layout, written by hand, for what Pillow does not write."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

# a page: its tags by number, "pieces": its strips or tiles, "below": pages as its SubIFDs
Page = dict[Any, Any]


def tiff(*pages: Page, order: str = "<") -> bytes:
    """A file of these pages, "<" for Intel's order of bytes, ">" for Motorola's."""
    body = bytearray((b"II*\0" if order == "<" else b"MM\0*") + bytes(4))
    link = 4
    for page in pages:
        begin, after = _written(body, page, order)
        struct.pack_into(f"{order}I", body, link, begin)
        link = after
    return bytes(body)


def _written(body: bytearray, page: Page, order: str) -> tuple[int, int]:
    """Where the directory begins, and where its pointer to the next page lies."""
    tags = {tag: value for tag, value in page.items() if isinstance(tag, int)}
    pieces = page.get("pieces", [])
    if pieces:
        tags[324 if 322 in tags else 273] = [_appended(body, piece) for piece in pieces]
        tags[325 if 322 in tags else 279] = [len(piece) for piece in pieces]
    if page.get("below"):
        tags[330] = [_written(body, child, order)[0] for child in page["below"]]
    entries = struct.pack(f"{order}H", len(tags))
    for tag, value in sorted(tags.items()):
        if isinstance(value, bytes):
            kind, count, packed = 7, len(value), value
        else:
            values = value if isinstance(value, list) else [value]
            floats = any(isinstance(number, float) for number in values)
            kind, count = (11 if floats else 4), len(values)
            packed = struct.pack(f"{order}{count}{'f' if floats else 'I'}", *values)
        if len(packed) > 4:
            packed = struct.pack(f"{order}I", _appended(body, packed))
        entries += struct.pack(f"{order}HHI", tag, kind, count) + packed.ljust(4, b"\0")
    begin = _appended(body, entries + bytes(4))
    return begin, begin + len(entries)


def _appended(body: bytearray, piece: bytes) -> int:
    """Where it lies; at an even place."""
    body += bytes(len(body) & 1)
    begin = len(body)
    body += piece
    return begin


def described(width: int, height: int, photometric: int, bits: list[int], **more: int) -> Page:
    """The tags that each page has; ``more``: others by the names below."""
    numbers = {"compression": 259, "planar": 284, "kind": 339, "predictor": 317, "extra": 338}
    numbers |= {"reduced": 254, "rows": 278, "order": 266, "orientation": 274}
    page: Page = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 277: len(bits)}
    page[278] = height
    for name, value in more.items():
        page[numbers[name]] = [value] * len(bits) if name == "kind" else value
    return page


def packed(values: np.ndarray, bits: int) -> bytes:
    """Numbers of any count of bits, each row beginning at a byte."""
    spread = (values[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return b"".join(np.packbits(row.ravel()).tobytes() for row in spread.astype(np.uint8))
