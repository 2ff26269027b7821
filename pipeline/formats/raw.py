"""Cameras' raw files: the largest JPEG preview in one.

A raw file of any maker holds its previews as whole JPEG streams, so that they are found by their
markers, whatever the container: DNG, CR2, CR3, NEF, ARW, RAF, ORF, RW2, PEF, SRW.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import UnsupportedVariant
from pipeline.formats.exif import orientation_of
from pipeline.formats.jpeg import READ, frame_of
from pipeline.formats.tiff import Page, pages

MIN_PREVIEW_PX = 1024  # on the longer side: a smaller one is no photo
MAX_CANDIDATES = 2000
SOI = b"\xff\xd8\xff"
NAMES = {
    b"FUJIFILMCCD-RAW": "Fujifilm's raw file (RAF)",
    b"IIRO": "Olympus' raw file (ORF)",
    b"IIRS": "Olympus' raw file (ORF)",
    b"MMOR": "Olympus' raw file (ORF)",
    b"IIU\0": "Panasonic's raw file (RW2)",
    b"FOVb": "Sigma's raw file (X3F)",
    b"\0MRM": "Minolta's raw file (MRW)",
}
CANON = "Canon's raw file"
DNG_VERSION, MAKE = 50706, 271
MAKER_LENGTH = 40  # characters of untrusted text
CR3_METADATA = b"CMT1"  # the box with the first directory


@dataclass(frozen=True)
class Preview:
    """A JPEG within a raw file, and its orientation (1 to 8) by the container."""

    data: bytes
    width: int
    height: int
    orientation: int


def container_of(data: bytes) -> str | None:
    """The kind of raw file, by its first bytes; None where these do not tell."""
    if data[8:10] == b"CR" and data[:4] in (b"II*\0", b"MM\0*"):
        return f"{CANON} (CR2)"
    if data[4:12] == b"ftypcrx ":
        return f"{CANON} (CR3)"
    return next((name for magic, name in NAMES.items() if data.startswith(magic)), None)


def container_of_pages(pages: list[Page]) -> str | None:
    """The same for files that look like TIFF, by their pages."""
    if not any(page.is_raw for page in pages):
        return None
    if pages[0].tags.get(DNG_VERSION) is not None:
        return "a raw file (DNG)"
    maker = str(pages[0].tags.get(MAKE, "")).strip("\0 ")
    return f"a raw file of {maker[:MAKER_LENGTH]}" if maker else "a raw file"


def largest_preview(data: bytes, container: str) -> Preview:
    """The largest JPEG in a raw file that this pipeline can read.

    Raises:
        UnsupportedVariant: None has 1,024 px on its longer side.
    """
    best, area = (0, 0, 0), 0
    at = data.find(SOI)
    for _ in range(MAX_CANDIDATES):
        if at < 0:
            break
        frame = frame_of(data, at)
        if frame is not None and frame.marker in READ and frame.bits == 8:
            size = frame.width * frame.height
            if size > area and max(frame.width, frame.height) >= MIN_PREVIEW_PX:
                best, area = (at, frame.width, frame.height), size
        at = data.find(SOI, at + 1)
    if not area:
        raise UnsupportedVariant(
            f"{container} without a JPEG preview of at least {MIN_PREVIEW_PX} px is not taken: "
            "develop it first",
            limit=MIN_PREVIEW_PX,
        )
    begin, width, height = best
    return Preview(data[begin:], width, height, _orientation(data))


def _orientation(data: bytes) -> int:
    """The container's orientation, where it is TIFF or holds one as CR3 does."""
    inside = data.find(CR3_METADATA)
    directories = pages(data) or (pages(data[inside + len(CR3_METADATA) :]) if inside > 0 else [])
    return orientation_of(directories[0].tags) if directories else 1
