"""decode: JPEGs without their end, of other processes; raw files; animations that fade in."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image
from tiffs import Page, described, tiff

from pipeline.decode import decode_image
from pipeline.domain import Source
from pipeline.errors import NotAnImage, TooManyPixels, TruncatedImage, UnsupportedVariant
from pipeline.settings import Settings

HEIGHT, WIDTH = 320, 240
SHAPES: dict[str, dict[str, Any]] = {
    "baseline": {},
    "grey": {"mode": "L"},
    "cmyk": {"mode": "CMYK"},
    "progressive": {"progressive": True},
    "one colour a pixel": {"subsampling": 0},
    "restarts": {"restart_marker_rows": 1},
}


def scene(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Smooth, with a texture that each row has some of."""
    y, x = np.mgrid[:height, :width]
    texture = 20 * np.sin(x / 3) * np.sin(y / 2)
    return np.dstack((x * 0.7 + 40, y * 0.5 + 40, 120 + texture)).clip(0, 255).astype(np.uint8)


def jpeg(picture: np.ndarray, mode: str = "RGB", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).convert(mode).save(file, "JPEG", quality=90, **options)
    return file.getvalue()


def opened(data: bytes) -> tuple[np.ndarray, np.ndarray | None, Source, list[str]]:
    warnings: list[str] = []
    photo, source = decode_image(data, Settings(), warn=warnings.append)
    return photo.pixels, photo.alpha, source, warnings


def rows_apart(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.abs(left.astype(int) - right).reshape(len(left), -1).mean(axis=1)


@pytest.mark.parametrize("shape", SHAPES)
def test_without_its_end_marker_it_is_whole(shape: str) -> None:
    data = jpeg(scene(), **SHAPES[shape])
    whole = opened(data)[0]
    for cut in (1, 2):
        pixels, _, _, warnings = opened(data[:-cut])
        assert np.array_equal(pixels, whole)
        assert warnings == ["the JPEG lacks its end: all of its rows are there"]


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "progressive"])
def test_the_last_rows_are_mirrored_and_more_is_refused(shape: str) -> None:
    data = jpeg(scene(), **SHAPES[shape])
    whole = opened(data)[0]
    begin = data.rindex(b"\xff\xda")  # of the one scan
    drawn = refused = 0
    for share in np.linspace(0.85, 0.999, 24):
        cut = data[: begin + int((len(data) - begin) * share)]
        try:
            pixels, _, source, warnings = opened(cut)
        except TruncatedImage:
            refused += 1
            assert share < 0.98
            continue
        drawn += 1
        assert share > 0.93
        assert (source.width_px, source.height_px) == (WIDTH, HEIGHT)
        apart = rows_apart(pixels, whole)
        if "all of its rows" in warnings[0]:
            missing = 0
        else:
            missing = int(warnings[0].split(":")[1].split()[0])
            assert f"{missing} of {HEIGHT} rows are mirrored" in warnings[0]
        assert missing <= HEIGHT * 0.05
        # what is there is there; the colours of the last of it may fade into what is not
        assert apart[: HEIGHT - missing - 2].max(initial=0) < 1  # a part of one block
        assert apart.mean() < 3
        assert apart.max() < 40  # a mirror and no grey
    assert drawn >= 3
    assert refused >= 3


def test_of_a_progressive_file_the_last_pass_may_be_cut() -> None:
    data = jpeg(scene(), progressive=True)
    whole = opened(data)[0]
    begin = data.rindex(b"\xff\xda")
    for share in (0.2, 0.9):
        pixels, _, _, warnings = opened(data[: begin + int((len(data) - begin) * share)])
        assert rows_apart(pixels, whole).mean() < 2
        assert "lacks its end" in warnings[0]
    for end in (begin - 10, len(data) // 2, len(data) // 4):
        with pytest.raises(TruncatedImage):
            opened(data[:end])


def test_a_bottom_that_is_grey_by_itself_is_not_missing() -> None:
    picture = scene()
    picture[-40:] = 128
    data = jpeg(picture)
    pixels, _, _, warnings = opened(data[:-2])
    assert np.abs(pixels.astype(int) - opened(data)[0]).max() <= 1
    assert len(warnings) == 1


@pytest.mark.parametrize(
    ("marker", "bits", "name"),
    [(0xC1, 12, "12 bits"), (0xC3, 8, "lossless"), (0xC5, 8, "hierarchical")],
)
def test_sound_jpegs_of_other_processes_are_named(marker: int, bits: int, name: str) -> None:
    data = bytearray(jpeg(scene()))
    at = data.index(b"\xff\xc0")
    data[at + 1], data[at + 4] = marker, bits
    with pytest.raises(UnsupportedVariant, match=name):
        opened(bytes(data))


# Raw files


def preview(width: int = 1200, height: int = 800, **options: Any) -> bytes:
    return jpeg(scene(height, width), **options)


def raf(inside: bytes) -> bytes:
    return b"FUJIFILMCCD-RAW 0201FF129502X-T3" + bytes(68) + inside + bytes(5000)


def cr2(inside: bytes) -> bytes:
    return b"II*\0\x10\0\0\0CR\x02\0" + bytes(200) + inside + bytes(5000)


def cr3(inside: bytes) -> bytes:
    metadata = tiff({**described(1, 1, 1, [8]), 274: 8})
    return (
        b"\0\0\0\x18ftypcrx \0\0\0\1crx isom"
        + struct.pack(">I", len(metadata) + 8)
        + b"CMT1"
        + metadata
        + inside
        + bytes(5000)
    )


def raw_tiff(inside: bytes, more: Page | None = None) -> bytes:
    """As NEF and ARW are: a thumbnail first, the preview and the sensor's samples below."""
    sensor = {256: 3000, 257: 2000, 258: 14, 259: 34713, 262: 32803, 277: 1, "pieces": [bytes(99)]}
    shown = {254: 1, 259: 6, 513: [0], "pieces": [inside]}
    thumbnail = described(16, 8, 2, [8] * 3, reduced=1) | {"pieces": [bytes(384)]}
    return tiff(thumbnail | {"below": [shown, sensor]} | (more or {}))


RAW = {"raf": raf, "cr2": cr2, "cr3": cr3, "tiff": raw_tiff}


@pytest.mark.parametrize("container", RAW)
def test_the_largest_preview_of_a_raw_file_is_drawn_and_told(container: str) -> None:
    small = jpeg(scene(120, 160))
    pixels, _, source, warnings = opened(RAW[container](small + preview() + small))
    assert source.format == "raw"
    if container == "cr3":  # whose metadata say so
        assert source.orientation_applied == 8
        assert pixels.shape == (1200, 800, 3)
    else:
        assert pixels.shape == (800, 1200, 3)
        assert rows_apart(pixels, scene(800, 1200)).mean() < 4
    assert "JPEG preview of 1200x800" in warnings[0]


@pytest.mark.parametrize("container", RAW)
def test_a_raw_file_with_a_thumbnail_alone_is_refused_by_name(container: str) -> None:
    for inside in (b"", jpeg(scene(120, 160)), preview(1000, 700)):
        with pytest.raises(UnsupportedVariant, match=r"raw file.*1024 px") as caught:
            opened(RAW[container](inside))
        assert caught.value.limit == 1024


def test_orientation_of_a_preview() -> None:
    """The container's, unless the preview has its own."""
    turned = {274: 6, 271: b"NIKON CORPORATION"}
    data = raw_tiff(preview(), turned)
    pixels, _, source, warnings = opened(data)
    assert source.orientation_applied == 6
    assert pixels.shape == (1200, 800, 3)
    assert "NIKON" in warnings[0]
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 3
    assert opened(raw_tiff(preview(exif=exif), turned))[2].orientation_applied == 3


def test_a_raw_file_of_many_marks_and_a_preview_of_many_pixels() -> None:
    with pytest.raises(UnsupportedVariant):
        opened(raf(b"\xff\xd8\xff\xe0\0\x04ab" * 5000))
    with pytest.raises(TooManyPixels):
        decode_image(raf(preview()), Settings(max_input_pixels=500_000))


# Animations


def faded(format: str, empty: int, shown: int = 1) -> bytes:
    frames = [Image.new("RGBA", (60, 40)) for _ in range(empty)]
    frames += [Image.new("RGBA", (60, 40), (200, 90, 40, 255)) for _ in range(shown)]
    if format == "gif":  # the same frames twice are one
        frames = [
            Image.new("RGBA", (60, 40), (number, 0, 0, 0)) for number in range(empty)
        ] + frames[empty:]
    file = io.BytesIO()
    kinds: dict[str, dict[str, Any]] = {"webp": {"lossless": True}, "gif": {"disposal": 2}}
    options = kinds.get(format, {})
    first, *later = frames
    first.save(file, format, save_all=True, append_images=later, duration=40, **options)
    return file.getvalue()


@pytest.mark.parametrize("format", ["gif", "webp", "png", "avif"])
def test_an_animation_that_fades_in(format: str) -> None:
    pixels, alpha, _, warnings = opened(faded(format, 2))
    assert alpha is None
    assert np.abs(pixels.astype(int) - (200, 90, 40)).max() <= 8
    assert "those before it are empty" in warnings[0]
    _, alpha, _, warnings = opened(faded(format, 3, shown=0))
    assert alpha is not None
    assert not alpha.any()


def test_one_empty_picture_is_no_animation() -> None:
    file = io.BytesIO()
    Image.new("RGBA", (60, 40)).save(file, "PNG")
    _, alpha, _, warnings = opened(file.getvalue())
    assert alpha is not None
    assert not alpha.any()
    assert not warnings


# Others


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\xff\x0a" + bytes(40), "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40), "JPEG XL"),
        (b"8BPS\0\1" + bytes(40), "Photoshop"),
        (b"%PDF-1.7" + bytes(40), "PDF"),
        (b"\0\0\0\x14ftypqt  " + bytes(40), "video"),
        (b'{"a": 1}', "JSON"),
    ],
)
def test_other_files_are_called_by_their_name(data: bytes, name: str) -> None:
    with pytest.raises(NotAnImage, match=name):
        opened(data)


def test_what_xmp_says_of_orientation_does_not_count() -> None:
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
    )
    for format in ("JPEG", "WEBP", "AVIF"):
        file = io.BytesIO()
        Image.fromarray(scene()).save(file, format, xmp=xmp)
        assert b"tiff:Orientation" in file.getvalue()
        pixels, _, source, _ = opened(file.getvalue())
        assert source.orientation_applied == 1, format
        assert pixels.shape == (HEIGHT, WIDTH, 3)
