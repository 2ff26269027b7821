"""TIFF: which of its pages is the photo, and how the page's samples lie in the file.

Sources: TIFF 6.0 (Adobe, 1992), TIFF Technical Notes 1 to 3, BigTIFF, DNG 1.7.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from PIL.TiffImagePlugin import ImageFileDirectory_v2

from pipeline.errors import TruncatedImage, UnsupportedVariant
from pipeline.formats import exif, transfer
from pipeline.formats.colour import Colour, Unusable, Warn, described
from pipeline.formats.primaries import ADOBE_RGB, D65, Primaries, is_same, is_srgb

MAX_PAGES = 64  # looked at; a file of more pages has its photo among the first
SOURCE = "TIFF primaries"
WHITE_POINT, PRIMARIES = 318, 319
EXIF, INTEROPERABILITY, COLOUR_SPACE = 34665, 40965, 40961
REDUCED, MASK = 1, 4  # bits of NewSubfileType
YCBCR, CFA, LINEAR_RAW = 6, 32803, 34892
RAW_COMPRESSIONS = {32767, 32769, 32770, 34713, 65000, 65535}  # of cameras' makers
JPEG_COMPRESSIONS = {6, 7}
# none, LZW, Deflate (twice), PackBits, LZMA, Zstandard: streams of bytes, whatever these mean
READ_HERE = {1, 5, 8, 32773, 32946, 34925, 50000}
READ_BY_PILLOW = {1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32946, 34925, 50000}
NAMES = {
    34712: "JPEG 2000",
    33003: "JPEG 2000",
    33005: "JPEG 2000",
    34661: "JBIG",
    34676: "SGI LogLuv",
    34677: "SGI LogLuv",
    34887: "LERC",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
SPACES = {0: "grey", 1: "grey", 2: "rgb", 5: "cmyk", 8: "lab", 9: "lab"}
CHANNELS = {"grey": 1, "rgb": 3, "cmyk": 4, "lab": 3}
UNSIGNED, SIGNED, FLOAT, VOID = 1, 2, 3, 4
ASSOCIATED, UNASSOCIATED = 1, 2


@dataclass(frozen=True, eq=False)
class Page:
    """One image file directory; ``offset``: where it lies; ``little``: the order of bytes."""

    tags: ImageFileDirectory_v2
    offset: int
    little: bool
    big: bool

    def number(self, tag: int, default: int = 0) -> int:
        """A tag of one whole number, or the first of several."""
        value = self.tags.get(tag, default)
        if isinstance(value, tuple):
            value = value[0] if value else default
        return value if isinstance(value, int) else default

    def fractions(self, tag: int) -> tuple[float, ...]:
        """A tag of several fractions; empty where one of them is invalid."""
        value: Any = self.tags.get(tag, ())
        try:
            return tuple(float(item) for item in value)
        except (TypeError, ValueError, ZeroDivisionError):
            return ()

    def numbers(self, tag: int) -> tuple[int, ...]:
        """A tag of several whole numbers."""
        value: Any = self.tags.get(tag, ())
        value = value if isinstance(value, tuple) else (value,)
        return tuple(item for item in value if isinstance(item, int))

    @property
    def width(self) -> int:
        """Columns."""
        return self.number(256)

    @property
    def height(self) -> int:
        """Rows."""
        return self.number(257)

    @property
    def photometric(self) -> int:
        """The tag PhotometricInterpretation."""
        return self.number(262)

    @property
    def compression(self) -> int:
        """The tag Compression."""
        return self.number(259, 1)

    @property
    def is_planar(self) -> bool:
        """Whether each channel is stored by itself."""
        return self.number(284, 1) == 2

    @property
    def is_whole_picture(self) -> bool:
        """Neither a reduced version of another page nor a mask of one."""
        return not self.number(254) & (REDUCED | MASK) and self.number(255, 1) != 2

    @property
    def is_subsampled(self) -> bool:
        """Whether it is YCbCr with fewer colours than pixels."""
        stored = sum(self.numbers(279) or self.numbers(325))
        return self.photometric == YCBCR and stored < self.width * self.height * 3

    @property
    def is_raw(self) -> bool:
        """Whether it holds a camera sensor's data."""
        return (
            self.photometric in (CFA, LINEAR_RAW) or self.compression in RAW_COMPRESSIONS
        ) and self.width > 0

    @property
    def samples(self) -> int:
        """Samples of a pixel."""
        return self.number(277, 1)

    @property
    def bits(self) -> int:
        """Of each sample; 0 where they differ."""
        bits = self.numbers(258) or (1,)
        return bits[0] if len(set(bits)) == 1 else 0

    @property
    def sample_format(self) -> int:
        """The kind of number; 0 where they differ."""
        kinds = self.numbers(339) or (UNSIGNED,)
        return kinds[0] if len(set(kinds)) == 1 else 0

    @property
    def space(self) -> str | None:
        """grey, rgb, cmyk or lab; None for another."""
        return SPACES.get(self.photometric)

    @property
    def alpha_kind(self) -> int:
        """ASSOCIATED or UNASSOCIATED where the sample behind the colours is opacity, else 0."""
        extra = self.numbers(338)
        colours = CHANNELS.get(self.space or "", 0)
        if not extra and self.space == "rgb" and self.samples == colours + 1:
            return UNASSOCIATED  # many programs leave the tag out
        return extra[0] if extra and extra[0] in (ASSOCIATED, UNASSOCIATED) else 0

    @property
    def profile(self) -> bytes | None:
        """Its ICC profile."""
        value = self.tags.get(34675)
        return value if isinstance(value, bytes) else None

    @property
    def mode(self) -> str:
        """Pillow's name for such pixels."""
        if self.space in ("cmyk", "lab"):
            return self.space.upper()
        alpha = "A" if self.alpha_kind else ""
        if self.space == "rgb":
            return f"RGB{alpha}"
        if alpha or (self.bits <= 8 and self.sample_format == UNSIGNED):
            return f"L{alpha}"
        if self.sample_format == FLOAT:
            return "F"
        if self.bits > 16 or self.sample_format == SIGNED:
            return "I"
        return "I;16" if self.little or self.bits < 16 else "I;16B"


def pages(data: bytes) -> list[Page]:
    """The pages and what hangs below them, in order, as far as they can be read."""
    directories: list[Page] = []
    for page in _chain(data):
        directories.append(page)
        for offset in page.numbers(330)[:MAX_PAGES]:
            below = page_at(data, offset)
            if below is not None and len(directories) < MAX_PAGES:
                directories.append(below)
    return directories


def _chain(data: bytes) -> Iterator[Page]:
    seen: set[int] = set()
    head = _directory(data)
    offset = head.next if head is not None else 0
    while offset and offset not in seen and len(seen) < MAX_PAGES:
        seen.add(offset)
        page = page_at(data, offset)
        if page is None:
            return
        yield page
        offset = page.tags.next


def _directory(data: bytes) -> ImageFileDirectory_v2 | None:
    try:
        return ImageFileDirectory_v2(data[: 16 if b"+" in data[2:4] else 8])
    except Exception:  # noqa: BLE001  # a header that is none
        return None


def page_at(data: bytes, offset: int) -> Page | None:
    """The directory that lies there; None where none can be read."""
    tags = _directory(data)
    if tags is None or not 0 < offset < len(data):
        return None
    file = io.BytesIO(data)
    file.seek(offset)
    try:
        tags.load(file)
        return Page(tags, offset, little=data[:2] == b"II", big=b"+" in data[2:4])
    except Exception:  # noqa: BLE001  # a directory that is cut off or damaged
        return None


def photo_page(directories: list[Page], warn: Warn) -> Page:
    """The page that is the photo.

    That is the first, or, where the first is marked as reduced or as a mask, the largest that is
    whole. Raises TruncatedImage where there is none at all.
    """
    if not directories:
        raise TruncatedImage("the tiff file has no directory that can be read")
    first = directories[0]
    if first.is_whole_picture:
        return first
    others = [page for page in directories if page.is_whole_picture and page.width and page.height]
    if not others:
        return first
    largest = max(others, key=lambda page: page.width * page.height)
    what = "a mask" if first.number(254) & MASK else "reduced"
    warn(
        f"the first picture of the TIFF is marked as {what}: "
        f"the full one of {largest.width}x{largest.height} was taken"
    )
    return largest


def first_page_is(data: bytes, page: Page) -> bytes:
    """The same file with this page as its first."""
    if page.big:
        return data[:8] + page.offset.to_bytes(8, "little" if page.little else "big") + data[16:]
    return data[:4] + page.offset.to_bytes(4, "little" if page.little else "big") + data[8:]


def is_read_here(page: Page) -> bool:
    """Whether ``tiff_samples`` reads it: all but the 8-bit kinds that Pillow reads correctly."""
    if page.space is None or page.compression not in READ_HERE or page.bits == 0:
        return False
    if page.bits <= 8 and page.sample_format in (UNSIGNED, VOID):
        plain = page.bits in (1, 2, 4, 8) and page.photometric != 9
        contiguous = not page.is_planar or page.samples == 1
        few = page.samples <= CHANNELS[page.space] + 1
        return page.bits not in (1, 2, 4) and not (plain and contiguous and few)
    return True


def check_supported(page: Page) -> None:
    """Raises UnsupportedVariant for a page that, by its tags, cannot be read."""
    if page.compression not in READ_BY_PILLOW:
        name = NAMES.get(page.compression, f"number {page.compression}")
        raise UnsupportedVariant(f"a TIFF compressed by {name} is not taken")
    bits = page.bits or "different"
    if page.compression in JPEG_COMPRESSIONS and page.bits != 8:
        raise UnsupportedVariant(f"a TIFF of JPEG with {bits} bits a sample is not taken")
    known = page.space is not None or page.photometric in (3, 4, 6)
    if not known:
        raise UnsupportedVariant(
            f"a TIFF of photometric interpretation {page.photometric} is not taken"
        )


def own_colour(data: bytes, page: Page) -> Colour | Unusable | None:
    """The colour space of a page, beside an ICC profile.

    Its primaries and its curve (TIFF 6.0, chapter 20), else what the EXIF directories below it say.
    """
    points, white = page.fractions(PRIMARIES), page.fractions(WHITE_POINT)
    if len(points) == 6:
        red, green, blue = (points[0:2], points[2:4], points[4:6])
        stated = Primaries("primaries", red, green, blue, white if len(white) == 2 else D65)
        if not is_srgb(stated):
            adobe = is_same(stated, ADOBE_RGB)
            curve = transfer.ADOBE_RGB if adobe else None
            return described(SOURCE, ADOBE_RGB if adobe else stated, curve)
    detail = page_at(data, page.number(EXIF))
    if detail is None:
        return None
    interoperability = page_at(data, detail.number(INTEROPERABILITY))
    index = interoperability.tags.get(1) if interoperability else None
    return exif.colour_by(detail.tags.get(COLOUR_SPACE), index)
