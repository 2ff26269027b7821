"""Small files that ask for very much: of pixels, of memory, of the processor."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image, ImageCms

HUGE = 60_000  # a side that no limit allows
FAST: dict[str, dict[str, Any]] = {"AVIF": {"speed": 10}, "HEIF": {}}
LARGE = (7000, 7000)  # sides that the limit of 50 megapixels allows


def bombs() -> Iterator[tuple[str, bytes]]:
    """Each one's name and bytes."""
    yield from of_jpeg()
    yield from of_png()
    yield from of_gif()
    yield from of_bmp()
    yield from of_tiff()
    yield from of_webp()
    yield from of_heif()
    yield from of_profiles()


def chunk(name: bytes, body: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, *extra: bytes, data: bytes | None = None) -> bytes:
    """A grey PNG, with chunks before its data; black unless given other (packed) data."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    packed = zlib.compress(bytes((width + 1) * height), 9) if data is None else data
    body = chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + body


def saved(
    format: str, size: tuple[int, int] = (64, 64), mode: str = "RGB", **options: Any
) -> bytes:
    """A file of one colour."""
    pillow_heif.register_heif_opener()
    file = io.BytesIO()
    Image.new(mode, size).save(file, format, **options)
    return file.getvalue()


def of_jpeg() -> Iterator[tuple[str, bytes]]:
    def progressive(width: int, height: int, scans: int, rest: bytes = b"\xff\xd9") -> bytes:
        """Of one grey component; every scan is a header and no data, which counts as zeros."""
        quantisation = b"\xff\xdb\0\x43\0" + b"\x01" * 64
        frame = b"\xff\xc2" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\0"
        tables = b"".join(
            b"\xff\xc4\0\x14" + bytes([kind]) + b"\x01" + bytes(15) + b"\0" for kind in (0, 16)
        )
        first = b"\xff\xda\0\x08\x01\x01\0\0\0\x01"
        more = b"\xff\xda\0\x08\x01\x01\0\x01\x3f\x01"
        return b"\xff\xd8" + quantisation + frame + tables + first + more * scans + rest

    small = saved("JPEG")
    yield "bomb-sides.jpg", _patched(small, b"\xff\xc0", 5, struct.pack(">HH", HUGE, HUGE))
    yield "bomb-scans.jpg", progressive(3000, 3000, 20_000)
    yield "bomb-scans-large.jpg", progressive(*LARGE, 200_000)
    yield "bomb-late-fault.jpg", progressive(*LARGE, 3, b"\xff\xc4\0\x04\x99\x99\xff\xda")
    yield "bomb-comments.jpg", small[:2] + b"\xff\xfe\0\x02" * 1_000_000 + small[2:]
    yield "bomb-tables.jpg", small[:2] + (b"\xff\xdb\0\x43\0" + b"\x01" * 64) * 100_000 + small[2:]
    yield "bomb-fill.jpg", small[:2] + b"\xff" * 5_000_000 + small[2:]
    yield "bomb-restarts.jpg", small[:-2] + b"\xff\xd0" * 2_000_000 + b"\xff\xd9"
    yield "black-large.jpg", saved("JPEG", LARGE, "L")
    pieces = b"".join(
        b"\xff\xe2\xff\xff" + b"ICC_PROFILE\0" + bytes([number, 255]) + b"\0" * 65_519
        for number in range(1, 256)
    )
    yield "bomb-profile.jpg", small[:2] + pieces + small[2:]
    yield "bomb-exif.jpg", _with_exif(small, _overlapping(60_000))
    yield "bomb-exif-loop.jpg", _with_exif(small, _tiff_directory([(0x8769, 4, 1, 8)], 8))


def _patched(data: bytes, mark: bytes, after: int, value: bytes) -> bytes:
    at = data.index(mark) + after
    return data[:at] + value + data[at + len(value) :]


def _tiff_directory(entries: list[tuple[int, int, int, int]], following: int = 0) -> bytes:
    """A little-endian TIFF header with one directory at 8: tag, kind, count, value or place."""
    listed = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    end = struct.pack("<I", following)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + listed + end


def _overlapping(size: int, entries: int = 4000) -> bytes:
    """Directory entries that all claim the same bytes as their own."""
    count = min(entries, (size - 14) // 12)
    listed = [(0x1000 + number, 1, size - 100, 0) for number in range(count)]
    return _tiff_directory(listed).ljust(size, b"\0")


def _with_exif(jpeg: bytes, exif: bytes) -> bytes:
    body = b"Exif\0\0" + exif
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def of_png() -> Iterator[tuple[str, bytes]]:
    zeros = zlib.compress(bytes(300_000_000), 9)
    yield "bomb-sides.png", png(HUGE, HUGE, data=b"")
    yield "bomb-most-sides.png", png(2**31 - 1, 2**31 - 1, data=b"")
    yield "bomb-data.png", png(1, 1, data=zeros)
    yield "bomb-text.png", png(8, 8, chunk(b"zTXt", b"a\0\0" + zeros))
    yield "bomb-international.png", png(8, 8, chunk(b"iTXt", b"a\0\1\0\0\0" + zeros))
    yield "bomb-profile.png", png(8, 8, chunk(b"iCCP", b"a\0\0" + zeros))
    yield "bomb-many-texts.png", png(8, 8, *[chunk(b"tEXt", b"a\0" + b"-" * 40)] * 100_000)
    yield "bomb-chunks.png", png(8, 8, *[chunk(b"abCd", b"")] * 1_000_000)
    yield "bomb-chunk-length.png", png(8, 8, struct.pack(">I", 2**32 - 1) + b"teXt")
    yield "bomb-frames.png", png(8, 8, chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)))
    yield "bomb-exif.png", png(8, 8, chunk(b"eXIf", _overlapping(1_000_000, 60_000)))
    yield "black-large.png", png(*LARGE)
    yield "cut-large.png", png(*LARGE)[:-3000]


def of_gif() -> Iterator[tuple[str, bytes]]:
    small = saved("GIF", mode="P")
    after = small.index(b",", 13)
    yield "bomb-sides.gif", small[:6] + struct.pack("<HH", HUGE, HUGE) + small[10:]
    yield "bomb-frame-sides.gif", _patched(small, b",", 5, struct.pack("<HH", HUGE, HUGE))
    yield (
        "bomb-comment.gif",
        small[:after] + b"!\xfe" + b"\x01-" * 2_000_000 + b"\0" + small[after:],
    )
    yield "bomb-extensions.gif", small[:after] + b"!\xf9\x04\0\0\0\0\0" * 500_000 + small[after:]
    yield "bomb-frames.gif", small[:-1] + small[after:-1] * 100_000 + b";"
    yield "black-large.gif", saved("GIF", LARGE, "P")


def of_bmp() -> Iterator[tuple[str, bytes]]:
    def bmp(width: int, height: int, compression: int, data: bytes) -> bytes:
        bits = 4 if compression == 2 else 8
        size = (40, width, height, 1, bits, compression, len(data), 0, 0, 256, 0)
        header = struct.pack("<IiiHHIIiiII", *size) + bytes(1024)
        return (
            b"BM" + struct.pack("<IHHI", 14 + len(header) + len(data), 0, 0, 1078) + header + data
        )

    yield "bomb-sides.bmp", bmp(HUGE, HUGE, 0, b"")
    yield "bomb-negative.bmp", bmp(-(2**31), -(2**31), 0, b"")
    yield "bomb-runs.bmp", bmp(7000, 7000, 1, b"\x01\x07" * 10_000_000)
    yield "bomb-empty-runs.bmp", bmp(64, 64, 1, b"\0\x02\0\0" * 4_000_000)
    yield "bomb-jumps.bmp", bmp(7000, 7000, 1, b"\0\x02\xff\xff" * 1_000_000)
    yield "bomb-half-runs.bmp", bmp(7000, 7000, 2, b"\x02\x12" * 5_000_000)
    yield "bomb-no-colours.bmp", bmp(64, 64, 1, b"")


def of_tiff() -> Iterator[tuple[str, bytes]]:
    def tiff(*entries: tuple[int, int, int, int], side: int = 64, rest: bytes = b"") -> bytes:
        basic = {256: side, 257: side, 258: 8, 259: 1, 262: 1, 277: 1}
        listed = [(tag, 4, 1, value) for tag, value in basic.items()]
        given = {entry[0] for entry in entries}
        return _tiff_directory([*(e for e in listed if e[0] not in given), *entries]) + rest

    strip = ((273, 4, 1, 0), (279, 4, 1, 4096), (278, 4, 1, 64))
    packed = zlib.compress(bytes(300_000_000), 9)
    yield "bomb-sides.tif", tiff(*strip, side=HUGE)
    yield "bomb-entries.tif", _overlapping(2_000_000, 60_000)
    yield "bomb-count.tif", tiff(*strip, (37510, 1, 2**32 - 1, 8))
    yield "bomb-loop.tif", _tiff_directory([(256, 4, 1, 64), (257, 4, 1, 64)], 8)
    count = 1_000_000
    places = (324, 4, count, 200), (325, 4, count, 200)
    tiles = tiff((322, 4, 1, 1), (323, 4, 1, 1), *places, side=1000)
    yield "bomb-tiles.tif", tiles.ljust(200, b"\0") + struct.pack("<I", 8) * count
    rows = tiff((273, 4, 7000, 300), (279, 4, 7000, 300), (278, 4, 1, 1), side=7000)
    yield "bomb-strips.tif", rows.ljust(300, b"\0") + struct.pack("<I", 8) * 7000
    one = tiff((259, 4, 1, 8), (273, 4, 1, 200), (279, 4, 1, len(packed)), (278, 4, 1, 64))
    yield "bomb-packed.tif", one.ljust(200, b"\0") + packed
    large_tile = tiff((322, 4, 1, 2**31), (323, 4, 1, 2**31), (324, 4, 1, 8), (325, 4, 1, 8))
    yield "bomb-large-tile.tif", large_tile
    yield "bomb-samples.tif", tiff(*strip, (277, 4, 1, 60_000))
    yield (
        "bomb-pages.tif",
        saved("TIFF", save_all=True, append_images=[Image.new("L", (8, 8))] * 300),
    )


def of_webp() -> Iterator[tuple[str, bytes]]:
    small = saved("WEBP", lossless=True)
    extended = b"VP8X" + struct.pack("<IB3x", 10, 0) + (HUGE - 1).to_bytes(3, "little") * 2

    def riff(*parts: bytes) -> bytes:
        body = b"WEBP" + b"".join(parts)
        return b"RIFF" + struct.pack("<I", len(body)) + body

    yield "bomb-sides.webp", riff(extended, small[12:])
    yield "bomb-chunks.webp", riff(extended, b"abcd\0\0\0\0" * 500_000, small[12:])
    frames = [Image.new("RGB", (8, 8), (number % 256, 0, 0)) for number in range(500)]
    yield "bomb-frames.webp", saved("WEBP", (8, 8), save_all=True, append_images=frames)
    yield "black-large.webp", saved("WEBP", LARGE, lossless=True, method=0, quality=0)


def of_heif() -> Iterator[tuple[str, bytes]]:
    for ending, format in (("avif", "AVIF"), ("heic", "HEIF")):
        small = saved(format)
        yield f"black-large.{ending}", saved(format, (5120, 4096), quality=10, **FAST[format])
        yield f"bomb-sides.{ending}", _sides(small, HUGE, HUGE)
        yield f"bomb-hidden-sides.{ending}", _sides(saved(format, (1024, 1024)), 8, 8)
        yield (
            f"bomb-box.{ending}",
            small[:4] + small[4:].replace(b"\0\0\0\x14ispe", b"\xff" * 4 + b"ispe"),
        )
        at = small.index(b"meta") - 4
        size = int.from_bytes(small[at : at + 4], "big")
        free = b"\0\0\0\x08free" * 500_000
        grown = struct.pack(">I", size + len(free)) + small[at + 4 : at + size] + free
        yield f"bomb-boxes.{ending}", small[:at] + grown + small[at + size :]


def _sides(data: bytes, width: int, height: int) -> bytes:
    changed, at = bytearray(data), -1
    while (at := data.find(b"ispe", at + 1)) > 0:
        changed[at + 8 : at + 16] = struct.pack(">II", width, height)
    return bytes(changed)


def of_profiles() -> Iterator[tuple[str, bytes]]:
    def named(profile: bytes) -> bytes:
        return png(32, 32, chunk(b"iCCP", b"a\0\0" + zlib.compress(profile)))

    good = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    noise = np.random.default_rng(3).bytes(3_000_000)
    yield "profile-noise.png", named(noise)
    yield "profile-cut.png", named(good[: len(good) // 2])
    yield "profile-tags.png", named(good[:128] + struct.pack(">I", 2**32 - 1) + good[132:])
    yield "profile-flipped.png", named(bytes(byte ^ (at % 97 == 0) for at, byte in enumerate(good)))
    size = struct.pack(">I", 2**31)
    yield "profile-curve.png", named(good.replace(b"para\0\0\0\0", b"curv\0\0\0\0" + size[:0]))
    yield "profile-long-name.png", saved("PNG", icc_profile=good.replace(b"sRGB", b"\0\xff\0\xfe"))
