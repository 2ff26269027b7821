"""The kind of a file, by its first bytes."""

from __future__ import annotations

from pipeline.errors import NotAnImage
from pipeline.formats.raw import container_of

MAGIC = {
    b"\xff\xd8\xff": "jpeg",
    b"\x89PNG\r\n\x1a\n": "png",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",  # BigTIFF
    b"MM\0+": "tiff",
}
BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)  # bytes of the header after the first 14
AVIF_BRANDS = {b"avif", b"avis"}
HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
# pictures and other things that people send, named so that they know what it is
OTHERS = {
    b"\xff\x0a": "a JPEG XL picture",
    b"\0\0\0\x0cJXL ": "a JPEG XL picture",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 picture",
    b"\xff\x4f\xff\x51": "a JPEG 2000 picture",
    b"8BPS": "a Photoshop document",
    b"%PDF": "a PDF document",
    b"\0\0\x01\0": "an icon",
    b"v/1\x01": "an OpenEXR picture",
    b"#?RADIANCE": "a Radiance HDR picture",
    b"<svg": "an SVG drawing",
    b"<?xml": "an XML document",
    b"{": "a JSON document",
    b"\x1aE\xdf\xa3": "a video",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
}
VIDEO_BRANDS = {b"qt  ", b"isom", b"iso2", b"mp41", b"mp42", b"M4V "}


def kind_of(data: bytes) -> str:
    """avif, bmp, gif, heif, jpeg, png, raw (a camera's), tiff or webp. Raises NotAnImage."""
    if container_of(data):
        return "raw"
    for magic, kind in MAGIC.items():
        if data.startswith(magic):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in BMP_HEADERS:
        return "bmp"
    if data[4:8] == b"ftyp":
        box = data[: min(int.from_bytes(data[:4], "big"), 256)]
        brands = {data[8:12], *(box[at : at + 4] for at in range(16, len(box), 4))}
        if brands & AVIF_BRANDS:
            return "avif"
        if brands & HEIF_BRANDS:
            return "heif"
    named = next((what for magic, what in OTHERS.items() if data.startswith(magic)), None)
    if data[4:8] == b"ftyp" and data[8:12] in VIDEO_BRANDS:
        named = "a video"
    raise NotAnImage(
        (f"the file is {named}, " if named else "the file is ")
        + "no JPEG, PNG, WebP, BMP, TIFF, GIF, AVIF or HEIF picture",
        measured=named,
    )
