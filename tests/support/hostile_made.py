"""More hostile images, of the kinds that an attack on the decoder was made of: foreign formats
under our names, files whose parts were moved, lengths and sides that lie, large pictures of few
bytes.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np
from bombs import LARGE, chunk, saved
from PIL import Image

# Readers of many formats run what some of these say, or open files and addresses that they name.
FOREIGN: dict[str, bytes] = {
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%touch PWNED) (w) file\n",
    "svg": b'<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]><svg xmlns="http://www.w3.org'
    b'/2000/svg"><text>&a;</text><image href="http://127.0.0.1:9/"/></svg>',
    "laughs": b"<!DOCTYPE svg ["
    + b"".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">'.encode() for n in range(9))
    + b"]><svg>&l9;</svg>",
    "mvg": b"push graphic-context\nviewbox 0 0 9 9\nimage over 0,0 0,0 'ephemeral:/etc/passwd'\n",
    "msl": b'<image><read filename="/etc/passwd"/><write filename="PWNED"/></image>',
    "pdf": b"%PDF-1.7\n1 0 obj<</OpenAction<</S/Launch/F(touch)>>>>endobj\ntrailer<</Root 1 0 R>>",
    "psd": b"8BPS\0\x01" + bytes(6) + struct.pack(">HIIHH", 3, 30_000, 30_000, 8, 3) + bytes(12),
    "jp2": b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\x14ftypjp2 \0\0\0\0jp2 " + bytes(50),
    "j2k": b"\xff\x4f\xff\x51\0\x2f\0\0" + struct.pack(">IIII", 60_000, 60_000, 0, 0) + bytes(40),
    "jxl": b"\xff\x0a" + bytes(50),
    "jxl-box": b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(50),
    "ico": b"\0\0\x01\0\x01\0" + struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, 2**31, 22),
    "cur": b"\0\0\x02\0\x01\0" + bytes(16),
    "icns": b"icns" + struct.pack(">I", 2**31) + b"ic10" + struct.pack(">I", 2**31),
    "tga": struct.pack("<BBBHHBHHHHBB", 0, 0, 10, 0, 0, 0, 0, 0, 60_000, 60_000, 32, 0) + bytes(9),
    "pcx": b"\x0a\x05\x01\x08" + struct.pack("<HHHH", 0, 0, 60_000, 60_000) + bytes(116),
    "ppm": b"P6 60000 60000 255\n" + bytes(99),
    "pfm": b"PF\n60000 60000\n-1\n" + bytes(99),
    "xbm": b"#define a_width 60000\n#define a_height 60000\nstatic char a_bits[] = {0x00};",
    "xpm": b'/* XPM */\nstatic char *a[] = {"60000 60000 1 1", "a c #000000"};',
    "dds": b"DDS " + struct.pack("<IIII", 124, 0x1007, 60_000, 60_000) + bytes(108),
    "exr": b"\x76\x2f\x31\x01" + bytes(90),
    "hdr": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 60000 +X 60000\n" + bytes(20),
    "fits": b"SIMPLE  =                    T".ljust(80) + b"BITPIX  =  8".ljust(80) + bytes(2720),
    "sgi": struct.pack(">HBBHHHH", 474, 1, 1, 3, 60_000, 60_000, 4) + bytes(500),
    "ras": b"\x59\xa6\x6a\x95" + struct.pack(">IIIIIII", 60_000, 60_000, 24, 0, 2, 0, 0),
    "wmf": b"\xd7\xcd\xc6\x9a" + bytes(60),
    "emf": b"\x01\0\0\0\x6c\0\0\0" + bytes(32) + b" EMF" + bytes(60),
    "qoi": b"qoif" + struct.pack(">IIBB", 60_000, 60_000, 4, 0) + b"\xc0" * 50,
    "flif": b"FLIF" + bytes(50),
    "bpg": b"BPG\xfb" + bytes(50),
    "djvu": b"AT&TFORM\0\0\0\x20DJVU" + bytes(40),
    "dicom": bytes(128) + b"DICM" + bytes(60),
    "mng": b"\x8aMNG\r\n\x1a\n" + bytes(50),
    "xcf": b"gimp xcf v011\0" + struct.pack(">II", 60_000, 60_000) + bytes(60),
    "zip": b"PK\x03\x04" + bytes(60),
    "gzip": b"\x1f\x8b\x08\0" + bytes(6) + zlib.compress(bytes(100_000)),
    "pickle": b"\x80\x04\x95" + b"cposix\nsystem\n(S'touch PWNED'\ntR.",
    "html": b"<!DOCTYPE html><script>alert(1)</script>",
    "shell": b"#!/bin/sh\ntouch PWNED\n",
    "php": b"<?php system('touch PWNED'); ?>",
    "at-file": b"@/etc/passwd",
    "address": b"https://127.0.0.1:9/a.jpg",
}


def moved(sound: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Each sound file with its parts somewhere else."""
    ways: dict[str, Callable[[bytes], bytes]] = {
        "backwards": lambda data: data[:12] + data[:11:-1],
        "halves": lambda data: data[: len(data) // 4] + data[len(data) // 2 :],
        "again": lambda data: data[: len(data) // 2] + data[len(data) // 3 :],
        "zeros": lambda data: _filled(data, b"\0"),
        "ones": lambda data: _filled(data, b"\xff"),
        "inserted": lambda data: data[: len(data) // 3] + b"\xff" * 997 + data[len(data) // 3 :],
        "header-twice": lambda data: data[:30] + data,
        "lengths": lambda data: data[:16] + data[16:].replace(b"\0\0", b"\x7f\xff", 5),
    }
    for ending, data in sound.items():
        for way, change in ways.items():
            yield f"made-{way}.{ending}", change(data)


def _filled(data: bytes, filling: bytes) -> bytes:
    """A quarter of the file, in its middle, is all the same."""
    start, count = len(data) * 3 // 8, len(data) // 4
    return data[:start] + filling * count + data[start + count :]


def foreign(sound: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """What is none of our formats, alone and behind the first bytes of one that is."""
    for name, data in FOREIGN.items():
        yield f"made-{name}.jpg", data
    for name in ("svg", "eps", "html", "zip", "php"):
        for ending in ("jpg", "png", "gif", "webp"):
            yield f"made-{name}-behind.{ending}", sound[ending][:16] + FOREIGN[name]


def large() -> Iterator[tuple[str, bytes]]:
    """The largest pictures that are let in, in the ways that cost the most."""
    rng = np.random.default_rng(5)
    small = Image.fromarray(rng.integers(0, 255, (70, 70, 4), np.uint8), "RGBA")
    whole = small.resize(LARGE, Image.Resampling.NEAREST)

    def save(format: str, mode: str, **options: object) -> bytes:
        file = io.BytesIO()
        whole.convert(mode).save(file, format, **options)
        return file.getvalue()

    yield "made-large-rgba.png", save("PNG", "RGBA", compress_level=1)
    yield "made-large-progressive.jpg", save("JPEG", "RGB", quality=30, progressive=True)
    yield "made-large-cmyk.jpg", save("JPEG", "CMYK", quality=30)
    yield "made-large-lzw.tif", save("TIFF", "RGBA", compression="tiff_lzw")
    yield "made-large-palette.png", save("PNG", "P", compress_level=1)


def lying(sound: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Sides in a header that are not those of the picture behind it."""
    png, at = sound["png"], 16
    for width, height in ((0, 48), (72, 0), (1, 1), (7000, 7000), (2**31 - 1, 1), (2**32 - 1, 2)):
        header = b"IHDR" + struct.pack(">II", width, height) + png[at + 8 : at + 13]
        whole = chunk(b"IHDR", header[4:])
        yield f"made-sides-{width}x{height}.png", png[:8] + whole + png[33:]
    jpeg = sound["jpg"]
    frame = jpeg.index(b"\xff\xc0") + 5
    for width, height in ((0, 48), (72, 0), (7000, 7000), (65_535, 700), (40, 65_535)):
        sides = struct.pack(">HH", height, width)
        yield f"made-sides-{width}x{height}.jpg", jpeg[:frame] + sides + jpeg[frame + 4 :]
    for ending in ("avif", "heic"):
        small = saved({"avif": "AVIF", "heic": "HEIF"}[ending], (256, 256))
        place = small.index(b"ispe") + 8
        for side in (0, 1, 7000):
            sides = struct.pack(">II", side, side)
            yield f"made-sides-{side}.{ending}", small[:place] + sides + small[place + 8 :]


def made(sound: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """All of them, the large ones last."""
    yield from moved(sound)
    yield from foreign(sound)
    yield from lying(sound)
    yield from large()
