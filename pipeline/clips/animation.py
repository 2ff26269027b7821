"""An animated image's frames: GIF, WebP, APNG, AVIF by Pillow. Runs in a child process only.

Sources: GIF89a (W3C, 1990); WebP container specification (Google); PNG, third edition (W3C, 2025);
ISO/IEC 14496-12 (stts). A frame of 10 ms or less is shown for 100 ms, as all browsers do.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from PIL import Image
from PIL.ImageFile import ImageFile

from pipeline.clips.domain import ClipInfo
from pipeline.clips.limits import refuse_count, refuse_length, refuse_size
from pipeline.clips.pace import DecodedFrame
from pipeline.clips.sniff import MAX_DEPTH
from pipeline.decode import EXTENTS, PILLOW, fit
from pipeline.domain import Photo
from pipeline.errors import NoPicture, PermanentError, TruncatedImage
from pipeline.formats.bands import bands, colours_mode
from pipeline.formats.boxes import CONTAINERS, boxes
from pipeline.formats.colour import Warn
from pipeline.formats.exif import exif_of, orientation_of
from pipeline.formats.show import in_srgb
from pipeline.formats.sources import colour_of
from pipeline.formats.turn import turned
from pipeline.formats.webp import webp_size
from pipeline.settings import Settings

PILLOW_KINDS = {"gif": "gif", "webp": "webp", "apng": "png", "avif": "avif"}
SHORT_MS, SHORT_SHOWN_MS = 10, 100
VARIABLE = 0.1  # of the mean duration


class Animation:
    """An animated image, opened: its header read, its frames counted and timed, none decoded.

    Args:
        data: The file.
        kind: "gif", "webp", "apng" or "avif".
        settings: Limits.
        warn: Called with what was guessed or ignored.
        spend: Called with the pixels of each frame before it is decoded.

    Raises:
        PermanentError: By name, whatever it is.
    """

    def __init__(
        self,
        data: bytes,
        kind: str,
        settings: Settings,
        warn: Warn,
        spend: Callable[[int], None],
    ) -> None:
        self._data, self._kind, self._settings = data, kind, settings
        self._warn, self._spend = warn, spend
        with _named_errors(kind):
            image = self._open()
            self._durations_s = [
                (SHORT_SHOWN_MS if ms <= SHORT_MS else ms) / 1000 for ms in self._durations_ms()
            ]
            loops = _loops(kind, image)
            orientation = orientation_of(exif_of(image))
        refuse_count(len(self._durations_s), settings)
        refuse_length(sum(self._durations_s), settings)
        if not self._durations_s:
            raise NoPicture(f"the {kind} has no frames", measured=0)
        self._colour = colour_of(
            PILLOW_KINDS[kind],
            data,
            colours_mode(image.mode),
            image.info.get("icc_profile"),
            None,
            warn,
        )
        self._orientation = 1 if kind == "gif" else orientation
        width, height = image.size[::-1] if self._orientation >= 5 else image.size
        duration_s = sum(self._durations_s)
        steps = self._durations_s[:-1] or self._durations_s  # the last may be cut off anywhere
        self.info = ClipInfo(
            container=kind,
            video_codec=kind,
            audio_codec=None,
            width_px=width,
            height_px=height,
            frame_count=len(self._durations_s),
            rate=len(self._durations_s) / duration_s,
            duration_s=duration_s,
            has_sound=False,
            is_hdr=self._colour.hdr is not None,
            is_variable=max(steps) - min(steps) > VARIABLE * sum(steps) / len(steps),
            rotation_deg={3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}.get(self._orientation, 0),
            loops=loops,
        )

    def frames(self, start_s: float, max_side_px: int) -> Iterator[DecodedFrame]:  # noqa: ARG002
        """All frames from the first on, since each is made from those before it.

        Raises:
            TruncatedImage: The first cannot be decoded.
        """
        time_s = 0.0
        image = self._open()
        skipped = 1 if getattr(image, "default_image", False) else 0
        for number, duration_s in enumerate(self._durations_s):
            self._spend(image.width * image.height)
            try:
                with _named_errors(self._kind):
                    image.seek(number + skipped)
                    image.load()
            except (EOFError, TruncatedImage):
                if number == 0:
                    raise
                self._warn(f"the {self._kind} is damaged or cut off: frames are missing")
                return
            yield DecodedFrame(
                time_s, time_s + duration_s, number, lambda: self._photo(image, max_side_px)
            )
            time_s += duration_s

    def _photo(self, image: ImageFile, max_side_px: int) -> Photo:
        copy: Image.Image = image.copy()
        colours, alpha = bands(copy, self._warn)
        pixels, _ = in_srgb(colours, self._colour, self._warn)
        if alpha is not None and alpha.min() == 255:
            alpha = None
        photo = Photo(
            turned(pixels, self._orientation),
            None if alpha is None else turned(alpha, self._orientation),
        )
        return fit(photo, max_side_px)

    def _open(self) -> ImageFile:
        if self._kind == "webp":  # its codec takes memory for all of the picture when it is opened
            refuse_size(*webp_size(self._data), self._settings)
        if self._kind == "avif":
            for wide, high in EXTENTS.findall(self._data):
                size = int.from_bytes(wide, "big"), int.from_bytes(high, "big")
                refuse_size(*size, self._settings)
        image = PILLOW[PILLOW_KINDS[self._kind]](io.BytesIO(self._data))
        refuse_size(*image.size, self._settings)
        return image

    def _durations_ms(self) -> list[float]:
        durations: list[float] = []
        for duration_ms in DURATIONS[self._kind](self._data):
            durations.append(duration_ms)
            refuse_count(len(durations), self._settings)
        return durations


@contextmanager
def _named_errors(kind: str) -> Iterator[None]:
    """Turns what Pillow and its codecs raise into an error with a name."""
    try:
        yield
    except (PermanentError, MemoryError, EOFError):
        raise
    except Exception as error:  # codecs raise nearly everything on a damaged file
        raise TruncatedImage(f"the {kind} is damaged or cut off: {error}") from error


def _loops(kind: str, image: ImageFile) -> int:
    """How often it plays; 0: without end."""
    stated = image.info.get("loop")
    if kind == "gif":  # it states how often it is repeated; without a statement it plays once
        return 1 if stated is None else int(stated) + 1 if stated else 0
    return int(stated or 0)


def _gif_ms(data: bytes) -> Iterator[float]:
    """The duration of each picture, as its graphic control extension states it."""
    at, duration = 13 + _table_bytes(data[10]), 0
    while at < len(data):
        kind = data[at]
        if kind == 0x2C and at + 9 < len(data):
            at += 11 + _table_bytes(data[at + 9])
            yield duration * 10
            duration = 0
        elif kind == 0x21:
            if data[at + 1 : at + 3] == b"\xf9\x04":
                duration = int.from_bytes(data[at + 4 : at + 6], "little")
            at += 2
        else:
            return
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1


def _table_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _webp_ms(data: bytes) -> Iterator[float]:
    at = 12
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == b"ANMF":
            yield int.from_bytes(data[at + 20 : at + 23], "little")
        at += 8 + length + length % 2


def _apng_ms(data: bytes) -> Iterator[float]:
    at = 8
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if data[at + 4 : at + 8] == b"fcTL" and at + 34 <= len(data):
            numerator, denominator = struct.unpack_from(">HH", data, at + 28)
            yield 1000 * numerator / (denominator or 100)
        at += 12 + length


def _avif_ms(data: bytes) -> Iterator[float]:
    """By the time-to-sample table of the first track that has samples."""
    yield from _track_ms(data, 0, len(data), [1])


def _track_ms(
    data: bytes, start: int, end: int, clock: list[int], depth: int = 0
) -> Iterator[float]:
    for name, begin, stop in boxes(data, start, end):
        if name in CONTAINERS and depth < MAX_DEPTH:
            durations = _track_ms(data, begin, stop, clock, depth + 1)
            first = next(durations, None)
            if first is not None:
                yield first
                yield from durations
                return
        elif name == b"mdhd" and stop - begin >= 24:
            at = 20 if data[begin] == 1 else 12
            clock[0] = max(1, struct.unpack_from(">I", data, begin + at)[0])
        elif name == b"stts" and stop - begin >= 8:
            (entries,) = struct.unpack_from(">I", data, begin + 4)
            for number in range(min(entries, (stop - begin - 8) // 8)):
                count, ticks = struct.unpack_from(">II", data, begin + 8 + 8 * number)
                for _ in range(count):
                    yield 1000 * ticks / clock[0]


DURATIONS: dict[str, Callable[[bytes], Iterator[float]]] = {
    "gif": _gif_ms,
    "webp": _webp_ms,
    "apng": _apng_ms,
    "avif": _avif_ms,
}
