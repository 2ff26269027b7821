"""The samples of a TIFF page: any depth, kind of number, order of planes, strips or tiles.

libtiff, within Pillow, undoes the compression: it is shown the same strips under a header that
calls them rows of bytes. What it would do with the bytes depends on the layout; that is done here.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from pipeline.domain import GrayImage
from pipeline.errors import TooCostly, TruncatedImage, UnsupportedVariant
from pipeline.formats.colour import Warn
from pipeline.formats.samples import Numbers, Samples, alpha_plane, levelled
from pipeline.formats.tiff import (
    ASSOCIATED,
    CHANNELS,
    FLOAT,
    SIGNED,
    UNSIGNED,
    VOID,
    Page,
)

WHITE_IS_ZERO, ICCLAB = 0, 9
HORIZONTAL, FLOATING = 2, 3  # predictors
REVERSED = 2  # FillOrder
BAND_BYTES = 2_000_000  # of packed bits that are spread at once
# Tiles may stick out of the picture; by more than this they explain nothing.
MAX_OVERHANG, OVERHANG_BYTES = 4, 32_000_000
REVERSE = np.array([int(f"{byte:08b}"[::-1], 2) for byte in range(256)], np.uint8)


@dataclass(frozen=True, eq=False)
class TiffPixels:
    """Grey or RGB as Samples, or CMYK or LAB as Pillow's image; ``alpha`` where there is one."""

    samples: Samples | Image.Image
    alpha: GrayImage | None


@dataclass(frozen=True)
class Layout:
    """How a page is cut into pieces.

    Attributes:
        width: Of a piece, px.
        height: Of a piece, px.
        across: Pieces in a row.
        channels: Samples of a pixel in each.
        planes: How many such pictures follow each other.
    """

    width: int
    height: int
    across: int
    down: int
    channels: int
    planes: int
    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    tiled: bool


def read(data: bytes, page: Page, warn: Warn, *, as_counted: bool) -> TiffPixels:
    """Reads the pixels of a page for which ``is_read_here`` holds.

    Args:
        data: The file.
        page: The page.
        warn: Called with warnings.
        as_counted: White is the largest number of the depth, whatever the picture's own largest is.

    Raises:
        TruncatedImage, UnsupportedVariant, TooCostly: It cannot be read.
    """
    space = page.space or "grey"
    channels = CHANNELS[space]
    if page.samples < channels:
        raise TruncatedImage(f"the tiff file has {page.samples} samples for {space}")
    layout = _layout(page)
    _check(layout, page, len(data))
    has_alpha = page.alpha_kind != 0 and page.samples > channels
    planes = _planes(data, page, layout, channels + has_alpha)
    stated = _stated(page) if not as_counted else None
    bits = page.bits if page.sample_format != FLOAT else None
    if as_counted and page.sample_format == UNSIGNED and page.bits == 16:
        stated = (0.0, 65535.0)
    opacity = planes[..., channels] if has_alpha else None
    values = planes[..., :channels]
    if space in ("cmyk", "lab"):
        return TiffPixels(_as_image(values, page), _opacity(opacity, bits))
    levels = levelled(values[..., 0] if channels == 1 else values, warn, bits=bits, stated=stated)
    if opacity is not None and page.alpha_kind == ASSOCIATED:
        levels = _divided(levels, opacity, bits)
    if page.photometric == WHITE_IS_ZERO:
        levels = Samples(levels.values, levels.white, levels.black)
    return TiffPixels(levels, _opacity(opacity, bits))


def _stated(page: Page) -> tuple[float, float] | None:
    """The range that the file states for its samples, where that is a usable one.

    That is SMin- and SMaxSampleValue, or a MaxSampleValue that is all ones in binary. Some programs
    write the least and largest number that happen to occur; these are not used.
    """
    ends = [page.tags.get(tag) for tag in (340, 341)]
    black, white = (end[0] if isinstance(end, tuple) and end else end for end in ends)
    if isinstance(black, int | float) and isinstance(white, int | float) and black < white:
        whole = page.sample_format != FLOAT and _all_ones(int(white)) and black <= 0
        return (float(black), float(white)) if whole or (black, white) == (0, 1) else None
    most = page.number(281)
    return (0.0, float(most)) if _all_ones(most) and most >= 255 else None


def _all_ones(number: int) -> bool:
    return number > 0 and number & (number + 1) == 0


def _opacity(values: Numbers | None, bits: int | None) -> GrayImage | None:
    return None if values is None else alpha_plane(values, _greatest(values, bits))


def _greatest(values: Numbers, bits: int | None) -> float:
    """The value of full opacity."""
    if values.dtype.kind == "f":
        return 1.0 if values.max(initial=0) <= 1 else 255.0
    bits = (bits or values.dtype.itemsize * 8) - (values.dtype.kind == "i")
    return float(2**bits - 1)


def _divided(levels: Samples, opacity: Numbers, bits: int | None) -> Samples:
    """Undoes the multiplication of colours by their opacity."""
    share = np.maximum(opacity.astype(np.float32) / np.float32(_greatest(opacity, bits)), 1e-6)
    if levels.values.ndim == 3:
        share = share[..., None]
    scaled = (levels.values.astype(np.float32) - np.float32(levels.black)) / share
    white = np.float32(levels.white - levels.black)
    return Samples(np.minimum(scaled, white) / white, 0.0, 1.0)


def _as_image(values: Numbers, page: Page) -> Image.Image:
    """CMYK or L*a*b* of 8 or 16 bits in Pillow's 8, whose a and b are signed, as in CIELAB."""
    if values.dtype.kind != "u" or page.bits not in (8, 16):
        raise UnsupportedVariant(f"a TIFF of {page.mode} with {page.bits} bits is not taken")
    high = values if page.bits == 8 else values >> 8
    eight = np.array(high, np.uint8, order="C")
    if page.photometric == ICCLAB:
        eight[..., 1:] ^= 128
    return Image.frombytes(page.mode, (page.width, page.height), eight.tobytes())


# --- where the pieces lie -------------------------------------------------------------------------


def _layout(page: Page) -> Layout:
    tiled = page.tags.get(324) is not None
    width = page.number(322) if tiled else page.width
    height = page.number(323) if tiled else min(page.number(278, page.height), page.height)
    if width <= 0 or height <= 0:
        raise TruncatedImage("the tiff file has pieces without a size")
    return Layout(
        width=width,
        height=height,
        across=-(-page.width // width),
        down=-(-page.height // height),
        channels=1 if page.is_planar else page.samples,
        planes=page.samples if page.is_planar else 1,
        offsets=page.numbers(324 if tiled else 273),
        counts=page.numbers(325 if tiled else 279),
        tiled=tiled,
    )


def _row_bytes(layout: Layout, bits: int) -> int:
    return -(-layout.width * layout.channels * bits // 8)


def _check(layout: Layout, page: Page, length: int) -> None:
    """Checks sizes before anything of their size is allocated."""
    pieces = layout.across * layout.down * layout.planes
    if len(layout.offsets) < pieces:
        raise TruncatedImage(f"the tiff file has {len(layout.offsets)} of {pieces} pieces")
    taken = pieces * layout.height * _row_bytes(layout, page.bits)
    explained = page.width * page.height * page.samples * page.bits // 8
    if taken > MAX_OVERHANG * explained + OVERHANG_BYTES:
        raise TooCostly("the tiles of the tiff file are far larger than its picture")
    if max(layout.offsets[:pieces]) >= length:
        raise TruncatedImage("the tiff file ends before its last piece")


def _planes(data: bytes, page: Page, layout: Layout, channels: int) -> Numbers:
    """(H, W, samples) as the file has them, at least the first ``wanted`` samples."""
    each = layout.across * layout.down
    planes = []
    for plane in range(min(layout.planes, channels) if page.is_planar else 1):
        pieces = _pieces(data, page, layout, plane * each)
        if layout.tiled:
            shape = (layout.down, layout.across, layout.height, layout.width, layout.channels)
            pieces = pieces.reshape(shape).swapaxes(1, 2)
            pieces = pieces.reshape(
                layout.down * layout.height, layout.across * layout.width, layout.channels
            )
        planes.append(pieces[: page.height, : page.width])
    return planes[0] if len(planes) == 1 else np.concatenate(planes, axis=2)


def _pieces(data: bytes, page: Page, layout: Layout, first: int) -> Numbers:
    """(rows, width, channels): the pieces of one plane below each other."""
    row_bytes = _row_bytes(layout, page.bits)
    count = layout.across * layout.down
    rows = count * layout.height if layout.tiled else page.height
    is_plain = page.compression == 1
    numbers = range(first, first + count)
    spans = list(_spans(layout, numbers, rows, row_bytes, None if is_plain else len(data)))
    if is_plain:
        raw = np.frombuffer(b"".join(data[at : at + size] for at, size in spans), np.uint8)
        if raw.size < rows * row_bytes:
            raise TruncatedImage("the tiff file is cut off")
        if page.number(266, 1) == REVERSED:
            raw = REVERSE[raw]
        raw = raw[: rows * row_bytes].reshape(rows, row_bytes)
    else:
        raw = _unpacked(data, page, spans, rows, layout.height, row_bytes)
    return _numbers(raw, page, layout)


def _spans(
    layout: Layout, numbers: range, rows: int, row_bytes: int, length: int | None
) -> Iterator[tuple[int, int]]:
    """Where each piece begins, and its bytes; without the tag for them, up to the end of the file.

    ``length``: of the file; None for pieces that are not compressed.
    """
    left = rows
    for number in numbers:
        at = layout.offsets[number]
        size = min(layout.height, left) * row_bytes
        left -= layout.height
        if length is not None:
            size = layout.counts[number] if number < len(layout.counts) else length - at
        yield at, size


def _unpacked(
    data: bytes,
    page: Page,
    spans: list[tuple[int, int]],
    rows: int,
    rows_each: int,
    row_bytes: int,
) -> NDArray[np.uint8]:
    """The bytes of compressed pieces, (rows, row_bytes)."""
    body, at = [], 8
    offsets, counts = [], []
    for begin, size in spans:
        piece = data[begin : begin + size]
        offsets.append(at)
        counts.append(len(piece))
        body.append(piece)
        at += len(piece)
    header = b"II*\0" + struct.pack("<I", at + (at & 1))
    fields = {
        256: [row_bytes],
        257: [rows],
        258: [8],
        259: [page.compression],
        262: [1],
        266: [page.number(266, 1)],
        273: offsets,
        277: [1],
        278: [rows_each],
        279: counts,
    }
    directory = at + (at & 1)
    listed = b"".join(body) + b"\0" * (at & 1)
    image = TiffImageFile(io.BytesIO(header + listed + _entries(fields, directory)))
    image.load()
    return np.asarray(image)


def _entries(fields: dict[int, list[int]], begin: int) -> bytes:
    """A directory of whole numbers that lies at ``begin``."""
    at = begin + 2 + 12 * len(fields) + 4
    entries, beyond = struct.pack("<H", len(fields)), b""
    for tag, values in fields.items():
        packed = struct.pack(f"<{len(values)}I", *values)
        entries += struct.pack("<HHI", tag, 4, len(values))
        if len(values) == 1:
            entries += packed
        else:
            entries += struct.pack("<I", at + len(beyond))
            beyond += packed
    return entries + struct.pack("<I", 0) + beyond


# --- bytes to numbers -----------------------------------------------------------------------------


def _numbers(raw: NDArray[np.uint8], page: Page, layout: Layout) -> Numbers:
    """(rows, row bytes) to (rows, width, channels), predictors undone."""
    rows, bits, kind = len(raw), page.bits, page.sample_format
    shape = (rows, layout.width, layout.channels)
    order = "<" if page.little else ">"
    predictor = page.number(317, 1) if page.compression != 1 else 1
    if predictor == FLOATING:
        return _floating(raw, shape, bits)
    if kind == FLOAT and bits in (16, 24, 32, 64):
        if bits == 24:
            return _float24(raw.reshape(*shape, 3)[..., :: -1 if page.little else 1])
        values = np.ascontiguousarray(raw).view(f"{order}f{bits // 8}").reshape(shape)
        return values.astype(f"f{bits // 8}", copy=False)
    if kind not in (UNSIGNED, SIGNED, VOID):
        raise UnsupportedVariant(f"a TIFF of samples of format {kind} is not taken")
    if bits in (8, 16, 32, 64):
        letter = "i" if kind == SIGNED else "u"
        values = np.ascontiguousarray(raw).view(f"{order}{letter}{bits // 8}").reshape(shape)
        values = values.astype(f"{letter}{bits // 8}", copy=False)
    elif kind == UNSIGNED and bits < 32:
        values = _packed(raw, shape, bits, page.little)
    else:
        raise UnsupportedVariant(f"a TIFF of {bits} bits a sample is not taken")
    if predictor == HORIZONTAL:
        values = np.cumsum(values, axis=1, dtype=values.dtype)
        if bits not in (8, 16, 32, 64):
            values &= 2**bits - 1
    return values


def _packed(raw: NDArray[np.uint8], shape: tuple[int, ...], bits: int, little: bool) -> Numbers:
    """Numbers of any count of bits, the highest bit first, rows beginning at a byte."""
    rows, width, channels = shape
    count = width * channels
    values = np.empty((rows, count), np.uint16 if bits <= 16 else np.uint32)
    if bits == 24:
        three = raw[:, : count * 3].reshape(rows, count, 3)[..., :: -1 if little else 1]
        values[:] = three @ np.array([65536, 256, 1], np.uint32)
        return values.reshape(shape)
    weights = 2 ** np.arange(bits - 1, -1, -1, dtype=np.uint32)
    band = max(1, BAND_BYTES // max(1, raw.shape[1]))
    for top in range(0, rows, band):
        spread = np.unpackbits(raw[top : top + band], axis=1)[:, : count * bits]
        values[top : top + band] = spread.reshape(-1, count, bits) @ weights
    return values.reshape(shape)


def _floating(raw: NDArray[np.uint8], shape: tuple[int, ...], bits: int) -> Numbers:
    """Technical Note 3: differences of bytes, the highest bytes of a row first."""
    rows, width, channels = shape
    size = bits // 8
    summed = np.cumsum(raw.reshape(rows, width * size, channels), axis=1, dtype=np.uint8).reshape(
        rows, size, width * channels
    )
    joined = np.ascontiguousarray(summed.swapaxes(1, 2)).reshape(*shape, size)
    if bits == 24:
        return _float24(joined)
    return joined.view(f">f{size}").reshape(shape).astype(f"f{size}")


def _float24(three: NDArray[np.uint8]) -> Numbers:
    """Technical Note 3: a sign, 7 bits of exponent (excess 63), 16 of mantissa; (..., 3) bytes."""
    word = three.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    exponent, mantissa = (word >> 16) & 0x7F, word & 0xFFFF
    values = np.ldexp(1 + mantissa / 65536, exponent.astype(np.int32) - 63)
    values = np.where(exponent == 0, np.ldexp(mantissa / 65536, -62), values)
    return np.where(word >> 23, -values, values).astype(np.float32)
