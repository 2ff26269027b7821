"""The sound of a clip, on its way into another file. Runs in a child process only.

Packets are copied unchanged where the container takes their codec; otherwise the sound is decoded
and encoded as AAC (MP4) or Opus (WebM). Times stay those of the source.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import cast

import av
from av import AudioFrame, AudioResampler, AudioStream, Packet
from av.container import InputContainer, OutputContainer

from pipeline.clips.container import AUDIO_DECODERS, beginning_s, open_input
from pipeline.formats.colour import Warn

# What a container takes, and what players of it play.
COPIED = {
    "mp4": {"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"},
    "webm": {"opus", "vorbis"},
}
ENCODERS = {"mp4": "aac", "webm": "libopus"}
SAMPLE_FORMATS = {"aac": "fltp", "libopus": "flt"}
BITS_EACH_CHANNEL = 96_000  # a second
OPUS_RATE = 48_000
AAC_RATES = (44_100, 48_000, 32_000, 24_000, 22_050, 16_000, 8_000)


class Sound:
    """The first track of sound of a clip, fed into an output piece by piece.

    Args:
        descriptor: The clip's open file.
        kind: "mov" or "matroska".
        output: Gets a stream; no packet may be in it yet.
        span_s: The part of the source that is written; its end None for all that follows.
        warn: Called once if the sound breaks off.

    Attributes:
        how: "copied", or the codec in which it is encoded; "none" without sound.
    """

    def __init__(
        self,
        descriptor: int,
        kind: str,
        output: OutputContainer,
        span_s: tuple[float, float | None],
        warn: Warn,
    ) -> None:
        self.how = "none"
        self._warn = warn
        self._span_s = span_s
        self._packets: Iterator[Packet[AudioStream]] = iter(())
        self._waiting: Packet[AudioStream] | None = None
        container = open_input(descriptor, kind)
        stream = next(iter(container.streams.audio), None)
        if stream is None or stream.codec_context is None or not stream.time_base:
            return
        codec = AUDIO_DECODERS.get(stream.codec_context.codec.name)
        if codec is None:
            warn("the sound was left out: its codec is not supported")
            return
        format = "webm" if "webm" in output.format.name else "mp4"
        zero_s = beginning_s(container) + Fraction(span_s[0])
        if codec in COPIED[format]:
            self.how = "copied"
            target = output.add_stream_from_template(stream)
            self._packets = self._copied(container, stream, target, zero_s)
        else:
            self.how = ENCODERS[format].removeprefix("lib")
            encoder = _encoder(output, ENCODERS[format], stream)
            self._packets = self._encoded(container, stream, encoder, zero_s)

    def feed(self, output: OutputContainer, until_s: float | None) -> None:
        """Writes the packets that begin before ``until_s``; None: all that are left."""
        try:
            while True:
                if self._waiting is None:
                    self._waiting = next(self._packets, None)
                packet = self._waiting
                if packet is None or packet.pts is None:
                    return
                if until_s is not None and packet.pts * packet.time_base >= until_s:
                    return
                output.mux_one(packet)
                self._waiting = None
        except (av.FFmpegError, ValueError) as error:
            self._packets, self._waiting = iter(()), None
            self._warn(f"the sound breaks off: {error}")

    def _copied(
        self,
        container: InputContainer,
        source: AudioStream,
        target: AudioStream,
        zero_s: Fraction,
    ) -> Iterator[Packet[AudioStream]]:
        base = source.time_base or Fraction(1)
        zero = round(zero_s / base)
        last = None
        for packet in container.demux(source):
            if packet.size == 0 or packet.pts is None or packet.dts is None:
                continue
            if packet.has_sidedata("encryption_info"):
                raise ValueError("it is encrypted")
            packet.pts, packet.dts = packet.pts - zero, packet.dts - zero
            if (packet.pts + (packet.duration or 0)) * base <= 0 and self._span_s[0] > 0:
                continue
            if self._is_over((packet.pts + (packet.duration or 0) // 2) * base):
                return
            if last is not None and packet.dts <= last:
                continue  # which no muxer takes
            last = packet.dts
            packet.stream = target
            yield packet

    def _encoded(
        self,
        container: InputContainer,
        source: AudioStream,
        encoder: AudioStream,
        zero_s: Fraction,
    ) -> Iterator[Packet[AudioStream]]:
        context = encoder.codec_context
        resampler = AudioResampler(
            format=context.format, layout=context.layout, rate=context.rate, frame_size=0
        )
        zero = round(zero_s * context.rate)
        for frame in _decoded(container, source):
            for piece in resampler.resample(frame):
                if piece.pts is None:
                    continue
                piece.pts -= zero
                if piece.pts + piece.samples <= 0 and self._span_s[0] > 0:
                    continue
                if self._is_over(Fraction(piece.pts, context.rate)):
                    break
                yield from encoder.encode(piece)
        for piece in resampler.resample(None):
            if piece.pts is not None and not self._is_over(Fraction(piece.pts, context.rate)):
                piece.pts -= zero
                yield from encoder.encode(piece)
        yield from encoder.encode(None)

    def _is_over(self, time_s: Fraction) -> bool:
        start_s, end_s = self._span_s
        return end_s is not None and time_s >= end_s - start_s


def _decoded(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            continue  # one packet of some milliseconds


def _encoder(output: OutputContainer, name: str, source: AudioStream) -> AudioStream:
    rate = source.codec_context.sample_rate
    if name == "libopus":
        rate = OPUS_RATE
    elif rate not in AAC_RATES:
        rate = AAC_RATES[1]
    channels = 1 if source.codec_context.channels == 1 else 2
    stream = cast(AudioStream, output.add_stream(name, rate=rate))
    stream.codec_context.layout = "mono" if channels == 1 else "stereo"
    stream.codec_context.format = SAMPLE_FORMATS[name]
    stream.codec_context.bit_rate = BITS_EACH_CHANNEL * channels
    return stream
