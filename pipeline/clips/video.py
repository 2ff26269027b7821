"""A video's frames: MP4, MOV, WebM by PyAV. Runs in a child process only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av import Packet, VideoFrame
from av.container import InputContainer
from av.video.stream import VideoStream

from pipeline.clips.container import (
    AUDIO_DECODERS,
    VIDEO_DECODERS,
    beginning_s,
    open_input,
)
from pipeline.clips.domain import ClipInfo
from pipeline.clips.limits import refuse_count, refuse_length, refuse_size
from pipeline.clips.pace import DecodedFrame
from pipeline.clips.upright import Upright
from pipeline.errors import NoPicture, TruncatedImage, UnsupportedVariant
from pipeline.formats.colour import Warn
from pipeline.settings import Settings

ENCRYPTED_TAGS = {"encv", "enca", "drmi", "drms"}
PEAK_FRAMES = 8  # key frames of an HDR video whose light is measured
MAX_DAMAGED_PACKETS = 300  # before the first frame
MAX_TICKS = 2**63
VARIABLE = 0.1  # of the mean: frames that differ by more are shown for different times
# The codec's own limit is for coded sizes, which are multiples of 8 to 128 pixels.
CODED_SHARE, CODED_PIXELS = 1.1, 300_000


@dataclass(frozen=True)
class Timeline:
    """The presentation times of a video's packets, in ticks, sorted; and the end of the last."""

    times: tuple[int, ...]
    end: int


class Video:
    """A video, opened: its header read, its packets counted, its first frame decoded.

    Args:
        descriptor: The open file.
        kind: "mov" or "matroska".
        settings: Limits.
        warn: Called with what was guessed, ignored or incomplete.
        spend: Called with the pixels of each frame before it is decoded.

    Raises:
        PermanentError: By name, whatever it is.
    """

    def __init__(
        self,
        descriptor: int,
        kind: str,
        settings: Settings,
        warn: Warn,
        spend: Callable[[int], None],
    ) -> None:
        self._descriptor, self._kind, self._settings = descriptor, kind, settings
        self._warn, self._spend = warn, spend
        container = open_input(descriptor, kind)
        stream = self._stream(container)
        self._check_header(container, stream)
        base = _time_base(stream)
        self._start_s = beginning_s(container)
        self._timeline = self._scan(container, stream)
        first = self._first(container, stream)
        refuse_size(first.width, first.height, settings)
        self._shown = Upright(first, _pixel_aspect(stream), warn)
        if self._shown.colour.hdr:
            self._measure_peak()
        times = self._timeline.times
        duration_s = float((self._timeline.end - times[0]) * base)
        steps = np.diff(times)
        audio = next(iter(container.streams.audio), None)
        audio_codec = _audio_codec(audio) if audio else None
        self.info = ClipInfo(
            container=kind,
            video_codec=VIDEO_DECODERS[stream.codec_context.codec.name],
            audio_codec=audio_codec,
            width_px=self._shown.width_px,
            height_px=self._shown.height_px,
            frame_count=len(times),
            rate=len(times) / duration_s if duration_s > 0 else 0.0,
            duration_s=duration_s,
            has_sound=audio_codec is not None,
            is_hdr=self._shown.colour.hdr is not None,
            is_variable=bool(steps.size and np.ptp(steps) > max(1, VARIABLE * steps.mean())),
            rotation_deg=self._shown.rotation_deg,
            loops=1,
        )

    def frames(self, start_s: float, max_side_px: int) -> Iterator[DecodedFrame]:
        """All frames from the last key frame at or before ``start_s`` on.

        Raises:
            TruncatedImage: None of them can be decoded.
        """
        container = open_input(self._descriptor, self._kind)
        stream = self._stream(container)
        base = _time_base(stream)
        if start_s > 0:
            moment = int((start_s + float(self._start_s)) / base)
            container.seek(moment, stream=stream)
        numbers = {time: number for number, time in enumerate(self._timeline.times)}
        previous: tuple[float, int] | None = None
        sizes = {(self._shown.width_px, self._shown.height_px)}
        for frame in self._decoded(container, stream):
            if (frame.width, frame.height) not in sizes:
                refuse_size(frame.width, frame.height, self._settings)
                sizes.add((frame.width, frame.height))
            if frame.pts is None:
                continue
            time_s = float(frame.pts * base - self._start_s)
            number = numbers.get(frame.pts, previous[1] + 1 if previous else 0)
            if previous is not None and time_s <= previous[0]:
                continue  # a player shows no frame twice and goes back to none
            previous = time_s, number
            refuse_length(time_s, self._settings)  # a clock that jumps in mid-stream
            end_s = time_s + self._duration_s(number, frame, base)
            yield DecodedFrame(time_s, end_s, number, self._shown.converter(frame, max_side_px))

    def _duration_s(self, number: int, frame: VideoFrame, base: Fraction) -> float:
        times = (*self._timeline.times[number + 1 : number + 2], self._timeline.end)
        if frame.pts is not None and times[0] > frame.pts:
            return float((times[0] - frame.pts) * base)
        return float(frame.duration * base) if frame.duration else 0.0

    def _stream(self, container: InputContainer) -> VideoStream:
        """The track that is shown, its decoder set up."""
        tracks = [s for s in container.streams.video if "attached_pic" not in _disposition(s)]
        if not tracks:
            kinds = sorted({stream.type for stream in container.streams})
            raise NoPicture(
                "the clip has no picture: " + (f"only {' and '.join(kinds)}" if kinds else "empty"),
                measured=", ".join(kinds),
            )
        stream = next((s for s in tracks if "default" in _disposition(s)), tracks[0])
        context = stream.codec_context
        if context is None or stream.codec_tag in ENCRYPTED_TAGS:
            tag = "unknown" if context is None else stream.codec_tag
            reason = "it is encrypted" if tag in ENCRYPTED_TAGS else "its codec is unknown"
            raise UnsupportedVariant(f"the clip cannot be read: {reason}", measured=tag)
        if context.codec.name not in VIDEO_DECODERS:
            raise UnsupportedVariant(
                f"the clip's codec {context.codec.name} is not supported; "
                f"{', '.join(sorted(set(VIDEO_DECODERS.values())))} are",
                measured=context.codec.name,
            )
        context.thread_count = self._settings.threads
        context.thread_type = "AUTO"
        pixels = int(self._settings.max_clip_pixels * CODED_SHARE) + CODED_PIXELS
        context.options = {"max_pixels": str(pixels)}
        return stream

    def _check_header(self, container: InputContainer, stream: VideoStream) -> None:
        """What the header says, before anything else is read."""
        if stream.codec_context.width or stream.codec_context.height:
            refuse_size(stream.codec_context.width, stream.codec_context.height, self._settings)
        if stream.duration and stream.time_base:
            refuse_length(float(stream.duration * stream.time_base), self._settings)
        elif container.duration:
            refuse_length(container.duration / av.time_base, self._settings)
        refuse_count(stream.frames, self._settings)

    def _scan(self, container: InputContainer, stream: VideoStream) -> Timeline:
        """Counts the packets without decoding any."""
        base = _time_base(stream)
        times: set[int] = set()
        first, end, count = MAX_TICKS, -MAX_TICKS, 0
        for packet in container.demux(stream):
            if packet.size == 0 or packet.is_discard:
                continue
            if packet.has_sidedata("encryption_info"):
                raise UnsupportedVariant("the clip cannot be read: it is encrypted")
            count += 1
            refuse_count(count, self._settings)
            time = packet.pts if packet.pts is not None else packet.dts
            if time is None:
                continue
            times.add(time)
            end = max(end, time + (packet.duration or 0))
            first = min(first, time)
            refuse_length(float((end - first) * base), self._settings)
        if not times:
            raise NoPicture("the clip has no picture: its track is empty", measured=0)
        ordered = sorted(times)
        if end <= ordered[-1]:  # without durations the last lasts as long as those before it
            step = (ordered[-1] - ordered[0]) / (len(ordered) - 1) if len(ordered) > 1 else 0
            end = ordered[-1] + max(1, round(step or 0.1 / base))
        stated = ordered[0] + (stream.duration or 0)
        if ordered[-1] < stated < end:  # packets state how long they last in the order of decoding
            end = stated
        refuse_length(float((end - ordered[0]) * base), self._settings)
        return Timeline(tuple(ordered), end)

    def _first(self, container: InputContainer, stream: VideoStream) -> VideoFrame:
        container.seek(0)
        frame = next(self._decoded(container, stream), None)
        if frame is None:
            raise TruncatedImage("the clip is damaged: none of its frames can be decoded")
        return frame

    def _measure_peak(self) -> None:
        """Measures the light of some key frames, the same ones whatever part is drawn."""
        container = open_input(self._descriptor, self._kind)
        stream = self._stream(container)
        times = self._timeline.times
        step = max(1, len(times) // PEAK_FRAMES)
        for time in times[::step][:PEAK_FRAMES]:
            container.seek(time, stream=stream)
            frame = next(self._decoded(container, stream), None)
            if frame is not None:
                self._shown.measure_peak(frame)

    def _decoded(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        """Frames in the order in which they are shown; damaged packets are passed over."""
        damaged, delivered = 0, 0
        try:
            for packet in container.demux(stream):
                try:
                    frames = self._decode(packet, stream)
                except (av.error.InvalidDataError, av.error.EOFError, ValueError):
                    damaged += 1
                    if damaged > MAX_DAMAGED_PACKETS and not delivered:
                        return
                    continue
                for frame in frames:
                    damaged += frame.is_corrupt
                    delivered += 1
                    yield frame
        except av.error.InvalidDataError:
            damaged += 1
        if damaged:
            self._warn("the clip is damaged or cut off: some of its frames are missing or wrong")

    def _decode(self, packet: Packet[VideoStream], stream: VideoStream) -> list[VideoFrame]:
        context = stream.codec_context
        self._spend(context.width * context.height)
        return packet.decode()


def _disposition(stream: VideoStream) -> set[str]:
    return {flag.name or "" for flag in stream.disposition}


def _time_base(stream: VideoStream) -> Fraction:
    base = stream.time_base
    if not base or base <= 0:
        raise TruncatedImage("the clip's track has no clock")
    return base


def _pixel_aspect(stream: VideoStream) -> Fraction | None:
    return stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio


def _audio_codec(stream: av.AudioStream) -> str | None:
    """Its codec, where it may be decoded here."""
    context = stream.codec_context
    if context is None or stream.codec_tag in ENCRYPTED_TAGS:
        return None
    return AUDIO_DECODERS.get(context.codec.name)
