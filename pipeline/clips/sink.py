"""Frames into a file: MP4, WebM, animated WebP, APNG. Runs in a child process only."""

from __future__ import annotations

import os
from fractions import Fraction
from typing import cast

import cv2
import numpy as np
from av import Packet, VideoFrame, VideoStream
from av.video.reformatter import VideoReformatter

from pipeline.clips.container import open_output
from pipeline.clips.domain import WriterSettings
from pipeline.clips.sound import Sound
from pipeline.domain import Photo, RgbImage
from pipeline.formats.colour import Warn

# Ticks a second: those of the container.
CLOCKS = {"mp4": 90_000, "webm": 1000, "webp": 1000, "apng": 1000}
CODECS = {"mp4": "libx264", "webm": "libvpx-vp9", "webp": "libwebp_anim", "apng": "apng"}
KEY_FRAME_S = 2.0
# swscale: bilinear, chroma of full resolution in, rounded rightly
FLAGS = 2 | 0x4000 | 0x40000
BT709, LIMITED, FULL = 1, 1, 2
LOSSLESS_QUALITY = 100  # of WebP, as of photos


class Sink:
    """A file that frames are written to, one after another.

    Args:
        descriptor: The open file, empty.
        format: "mp4", "webm", "webp" or "apng".
        size: Width and height of the frames.
        settings: How.
        warn: Called with what was left out.
    """

    def __init__(
        self,
        descriptor: int,
        format: str,
        size: tuple[int, int],
        settings: WriterSettings,
        warn: Warn,
    ) -> None:
        self._format, self._clock, self._warn = format, CLOCKS[format], warn
        self._settings, self._descriptor = settings, descriptor
        self._output = open_output(descriptor, format, _muxer_options(format, settings))
        self._stream = self._encoder(size)
        self._sound: Sound | None = None
        self._reformatter = VideoReformatter()
        self._last = -1
        self._ends = 0
        self._durations: dict[int, int] = {}

    @property
    def sound(self) -> str:
        """How the sound is written: "copied", its new codec, or "none"."""
        return self._sound.how if self._sound else "none"

    def add_sound(self, descriptor: int, kind: str) -> None:
        """Takes the sound of a clip; before the first frame."""
        span_s = (self._settings.sound_start_s, self._settings.sound_end_s)
        self._sound = Sound(descriptor, kind, self._output, span_s, self._warn)

    def write(self, photo: Photo, time_s: float, duration_s: float) -> None:
        """Writes one frame; times of frames rise. Raises ValueError."""
        time = max(self._last + 1, round(time_s * self._clock)) if self._last >= 0 else 0
        self._last = time
        self._ends = max(time + 1, round((time_s + duration_s) * self._clock))
        self._durations[time] = self._ends - time
        frame = self._frame(photo)
        frame.pts, frame.time_base = time, Fraction(1, self._clock)
        frame.duration = self._ends - time
        self._mux(self._stream.encode(frame))

    def close(self) -> None:
        """Writes what is left, and the index."""
        self._mux(self._stream.encode(None))
        if self._sound is not None:
            self._sound.feed(self._output, None)
        self._output.close()
        if self._format == "webp":
            end_webp_at(self._descriptor, self._ends)

    def _mux(self, packets: list[Packet[VideoStream]]) -> None:
        for packet in packets:
            if packet.pts is not None:
                time = round(packet.pts * packet.time_base * self._clock)
                packet.duration = round(
                    Fraction(self._durations.pop(time, 0), self._clock) / packet.time_base
                )
            if self._sound is not None and packet.dts is not None:
                self._sound.feed(self._output, float(packet.dts * packet.time_base))
            self._output.mux_one(packet)

    def _encoder(self, size: tuple[int, int]) -> VideoStream:
        width, height = size
        if self._format in ("mp4", "webm"):  # half the resolution of chroma: even sides
            width, height = width + width % 2, height + height % 2
        rate = Fraction(self._settings.rate).limit_denominator(1001)
        options = _codec_options(self._format, self._settings)
        added = self._output.add_stream(CODECS[self._format], rate=rate, options=options)
        stream = cast(VideoStream, added)
        stream.width, stream.height = width, height
        stream.pix_fmt = {"webp": "bgra", "apng": "rgba"}.get(self._format, "yuv420p")
        stream.time_base = stream.codec_context.time_base = Fraction(1, self._clock)
        if self._format in ("mp4", "webm"):
            stream.codec_context.gop_size = max(1, round(KEY_FRAME_S * self._settings.rate))
            stream.color_range, stream.colorspace = LIMITED, BT709
            stream.color_primaries = stream.color_trc = BT709
        stream.codec_context.thread_count = self._settings.threads
        return stream

    def _frame(self, photo: Photo) -> VideoFrame:
        if self._format in ("webp", "apng"):
            alpha = photo.alpha
            if alpha is None:
                alpha = np.full(photo.pixels.shape[:2], 255, np.uint8)
            rgba = np.dstack((photo.pixels, alpha))
            if self._format == "webp":
                return VideoFrame.from_ndarray(
                    np.ascontiguousarray(rgba[..., [2, 1, 0, 3]]), format="bgra"
                )
            return VideoFrame.from_ndarray(rgba, format="rgba")
        frame = VideoFrame.from_ndarray(even(on_white(photo)), format="rgb24")
        return self._reformatter.reformat(
            frame,
            format="yuv420p",
            interpolation=FLAGS,
            dst_colorspace=BT709,
            src_color_range=FULL,
            dst_color_range=LIMITED,
        )


def on_white(photo: Photo) -> RgbImage:
    """The pixels over white, as JPEG has them, for formats without alpha."""
    if photo.alpha is None:
        return photo.pixels
    share = cv2.merge([photo.alpha] * 3).astype(np.uint16)
    mixed = photo.pixels * share + np.uint16(255) * (255 - share)
    return ((mixed + 127) // 255).astype(np.uint8)


def even(pixels: RgbImage) -> RgbImage:
    """The same with its last column and row repeated where a side is odd."""
    height, width = pixels.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return np.ascontiguousarray(pixels)
    return np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def end_webp_at(descriptor: int, ends_ms: int) -> None:
    """States how long the last frame of an animated WebP is shown.

    libwebp gives it the mean of those before it.

    Args:
        descriptor: The open file.
        ends_ms: When the last frame ends, from the beginning.
    """
    at, size, shown_ms, last = 12, os.fstat(descriptor).st_size, 0, 0
    while at + 8 <= size:
        head = os.pread(descriptor, 24, at)
        length = int.from_bytes(head[4:8], "little")
        if head[:4] == b"ANMF":
            shown_ms += int.from_bytes(head[20:23], "little")
            last = at
        at += 8 + length + length % 2
    if last:
        old = os.pread(descriptor, 3, last + 20)
        left_ms = ends_ms - (shown_ms - int.from_bytes(old, "little"))
        os.pwrite(descriptor, max(1, left_ms).to_bytes(3, "little"), last + 20)


def _muxer_options(format: str, settings: WriterSettings) -> dict[str, str]:
    loops = str(settings.loops)
    return {
        "mp4": {"movflags": "+faststart"},
        "webm": {},
        "webp": {"loop": loops},
        "apng": {"plays": loops},
    }[format]


def _codec_options(format: str, settings: WriterSettings) -> dict[str, str]:
    quality = settings.quality
    if format == "mp4":
        crf = 36 - 0.2 * quality
        return {"crf": f"{crf:.1f}", "preset": "fast", "profile": "high", "rc-lookahead": "12"}
    if format == "webm":
        return {
            **{"crf": str(round(60 - 0.42 * quality)), "b": "0", "row-mt": "1"},
            **{"deadline": "good", "cpu-used": "5", "lag-in-frames": "12"},
        }
    if format == "webp":
        lossless = quality >= LOSSLESS_QUALITY
        return {"quality": str(quality), "lossless": str(int(lossless)), "compression_level": "2"}
    return {"pred": "mixed"}
