"""Bad and odd images, the same at every call: damaged ones, liars, two things in one.

`python tests/support/hostile.py FOLDER` writes them all, with the bombs of tests/support/bombs.py.
"""

from __future__ import annotations

import io
import random
import struct
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pillow_heif
from bombs import bombs, chunk, png
from hostile_made import made
from PIL import ExifTags, Image

FLIPPED = 5  # copies of each file with a few bytes changed
WIDTH, HEIGHT = 72, 48


def corpus() -> Iterator[tuple[str, bytes]]:
    """Each file's name, unlike all others, and its bytes."""
    yield from odd_sounds()
    yield from truncated()
    yield from flipped()
    yield from two_in_one()
    yield from mislabelled()
    yield from made(sound())
    yield from bombs()


@cache
def sound() -> dict[str, bytes]:
    """One small good file of each kind, by its ending."""
    pillow_heif.register_heif_opener()
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    noise = np.random.default_rng(7).integers(0, 60, (HEIGHT, WIDTH))
    bands = [rows * 4 + noise, columns * 3 + noise, rows + columns + noise]
    picture = Image.fromarray(np.clip(np.stack(bands, -1), 0, 255).astype(np.uint8))
    clear = picture.copy()
    clear.putalpha(picture.convert("L"))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "a camera"
    turned = exif.tobytes()
    frames = [picture.rotate(angle) for angle in (10, 20)]
    several = {"save_all": True, "append_images": frames}

    def save(image: Image.Image, format: str, **options: object) -> bytes:
        file = io.BytesIO()
        image.save(file, format, **options)
        return file.getvalue()

    return {
        "jpg": save(picture, "JPEG", exif=turned),
        "progressive.jpg": save(picture, "JPEG", progressive=True, exif=turned),
        "restarts.jpg": save(picture, "JPEG", restart_marker_blocks=2),
        "cmyk.jpg": save(picture.convert("CMYK"), "JPEG"),
        "png": save(clear, "PNG", exif=turned),
        "palette.png": save(picture.quantize(17), "PNG", transparency=3),
        "apng.png": save(picture, "PNG", **several),
        "webp": save(clear, "WEBP", exif=turned),
        "lossless.webp": save(clear, "WEBP", lossless=True),
        "animated.webp": save(picture, "WEBP", **several),
        "bmp": save(picture, "BMP"),
        "gif": save(picture, "GIF"),
        "animated.gif": save(picture, "GIF", **several),
        "tif": save(picture, "TIFF", exif=turned),
        "lzw.tif": save(clear, "TIFF", compression="tiff_lzw"),
        "jpeg.tif": save(picture, "TIFF", compression="jpeg"),
        "big.tif": save(picture, "TIFF", big_tiff=True),
        "avif": save(clear, "AVIF", exif=turned),
        "heic": save(picture, "HEIF", exif=turned),
    }


def odd_sounds() -> Iterator[tuple[str, bytes]]:
    """Good files, and good ones that many a reader stumbles over."""
    for ending, data in sound().items():
        yield f"sound.{ending}", data
        yield f"tail.{ending}", data + b"\0" * 100
    yield "one-pixel.png", png(1, 1)
    yield "one-row.png", png(40, 1)
    yield "one-column.png", png(1, 40)
    yield "narrow.png", png(41, 1)
    jpeg = sound()["jpg"]
    yield "no-end.jpg", jpeg[:-2]
    yield "two-starts.jpg", jpeg[:2] + jpeg
    yield (
        "comment.jpg",
        jpeg[:2] + b"\xff\xfe" + struct.pack(">H", 65_535) + b"-" * 65_533 + jpeg[2:],
    )
    yield "twice.jpg", jpeg + jpeg
    for name, mode in (("deep-grey", "I;16"), ("float", "F"), ("whole", "I"), ("one-bit", "1")):
        file = io.BytesIO()
        values = np.arange(WIDTH * HEIGHT).reshape(HEIGHT, WIDTH)
        kinds = {"I;16": np.uint16, "F": np.float32, "I": np.int32, "1": bool}
        Image.fromarray(values.astype(kinds[mode])).save(file, "TIFF")
        yield f"{name}.tif", file.getvalue()
    file = io.BytesIO()
    strange = np.full((HEIGHT, WIDTH), np.nan, np.float32)
    strange[0, :4] = (np.inf, -np.inf, 1e38, -1e38)
    Image.fromarray(strange).save(file, "TIFF")
    yield "not-a-number.tif", file.getvalue()


def marks(ending: str, data: bytes) -> list[int]:
    """Where the parts of a file begin: markers, chunks, boxes or blocks."""
    walk: dict[str, Callable[[bytes], list[int]]] = {
        "jpg": _jpeg_marks,
        "png": lambda data: _steps(
            data, 8, lambda at: 12 + int.from_bytes(data[at : at + 4], "big")
        ),
        "webp": lambda data: _steps(
            data, 12, lambda at: 8 + (int.from_bytes(data[at + 4 : at + 8], "little") + 1) // 2 * 2
        ),
        "avif": lambda data: _boxes(data),
        "heic": lambda data: _boxes(data),
    }
    steps = walk.get(ending.rpartition(".")[2])
    return (steps and steps(data)) or [len(data) * part // 8 for part in range(1, 8)]


def _jpeg_marks(data: bytes) -> list[int]:
    return [
        at for at in range(2, len(data) - 1) if data[at] == 0xFF and data[at + 1] not in (0, 255)
    ]


def _steps(data: bytes, start: int, step: Callable[[int], int]) -> list[int]:
    places = []
    while start < len(data):
        places.append(start)
        start += step(start)
    return places


def _boxes(data: bytes) -> list[int]:
    """Top-level boxes, and those within "meta"."""
    places = []
    for at in _steps(data, 0, lambda at: int.from_bytes(data[at : at + 4], "big")):
        places.append(at)
        if data[at + 4 : at + 8] == b"meta":
            size = int.from_bytes(data[at : at + 4], "big")
            inner = data[at + 12 : at + size]

            def length(at: int, box: bytes = inner) -> int:
                return int.from_bytes(box[at : at + 4], "big")

            within = _steps(inner, 0, length)
            places += [at + 12 + place for place in within]
    return [place for place in places if place]


def truncated() -> Iterator[tuple[str, bytes]]:
    """Cut before each part of the file, behind its name, and in the middle of the last one."""
    for ending, data in sound().items():
        places = marks(ending, data)
        for number, at in enumerate(places[:: max(1, len(places) // 10)]):
            yield f"cut-{number}.{ending}", data[:at]
        yield f"cut-name.{ending}", data[: places[0] + 4]
        yield f"cut-late.{ending}", data[: len(data) * 9 // 10]


def flipped() -> Iterator[tuple[str, bytes]]:
    """A few bytes of each file changed, in its header and anywhere."""
    chance = random.Random(11)
    for ending, data in sound().items():
        for number in range(FLIPPED):
            damaged = bytearray(data)
            reach = 200 if number % 2 else len(data)
            for _ in range(1 + 2 * number):
                damaged[chance.randrange(4, min(reach, len(data)))] ^= 1 << chance.randrange(8)
            yield f"flipped-{number}.{ending}", bytes(damaged)


def two_in_one() -> Iterator[tuple[str, bytes]]:
    """Files that are also something else, or only pretend to be a picture."""
    good = sound()
    script = b"<script>alert(1)</script>"
    yield "script.gif", b"GIF89a/*" + good["gif"][8:] + b"*/=1;alert(1)"
    yield "archive.jpg", good["jpg"] + b"PK\x03\x04" + b"\0" * 26 + b"PK\x05\x06" + b"\0" * 18
    yield "php.jpg", good["jpg"][:2] + b"\xff\xfe\0\x18<?php system('id'); ?>" + good["jpg"][2:]
    yield "page.png", good["png"][:33] + chunk(b"tEXt", b"a\0" + script) + good["png"][33:]
    yield "document.png", good["png"] + b"%PDF-1.7\n1 0 obj<<>>endobj"
    yield "document.jpg", b"%PDF-1.7\n" + good["jpg"]
    yield "postscript.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n(%pipe%id) (r) file\n"
    yield "program.jpg", b"MZ" + b"\0" * 58 + good["jpg"]
    yield "elf.png", b"\x7fELF" + good["png"]
    yield "batch.bmp", b"BM" + b"&echo%20" * 10
    entity = '<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]><svg>&a;</svg>'
    yield "entity.svg", entity.encode()
    yield "entity.png", entity.encode()
    yield "magick.jpg", b'push graphic-context\nfill "url(https://127.0.0.1/|id)"\n'
    yield "film.avif", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\0" * 500
    yield "wave.webp", b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 40
    yield (
        "thumbnail.jpg",
        good["jpg"][:2] + _segment(0xE1, b"Exif\0\0" + good["png"]) + good["jpg"][2:],
    )
    yield (
        "photoshop.jpg",
        good["jpg"][:2] + _segment(0xED, b"Photoshop 3.0\x008BIM") + good["jpg"][2:],
    )
    yield (
        "mpf.jpg",
        good["jpg"][:2] + _segment(0xE2, b"MPF\0II*\0\xff\xff\xff\xff") + good["jpg"][2:],
    )
    yield "nothing.jpg", b""
    yield "a-byte.jpg", b"\xff"
    for ending, length in (
        ("jpg", 3),
        ("png", 8),
        ("gif", 6),
        ("webp", 12),
        ("tif", 4),
        ("bmp", 18),
    ):
        yield f"only-the-magic.{ending}", good[ending][:length]
    yield "noise.jpg", np.random.default_rng(1).bytes(5000)
    yield "noise-in-jpeg.jpg", b"\xff\xd8\xff" + np.random.default_rng(2).bytes(5000)
    yield "zeros.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 5000
    yield "ones.tif", b"II*\0" + b"\xff" * 5000


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def mislabelled() -> Iterator[tuple[str, bytes]]:
    """Good files under the name of another kind; the name counts for nothing."""
    good = sound()
    pairs = (("png", "jpg"), ("jpg", "png"), ("webp", "gif"), ("heic", "jpg"), ("avif", "heic"))
    for real, said in (*pairs, ("gif", "tif"), ("tif", "webp"), ("bmp", "avif"), ("jpg", "exe")):
        yield f"{real.replace('.', '-')}-is-no.{said}", good[real]


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for file_name, content in corpus():
        (folder / file_name).write_bytes(content)
