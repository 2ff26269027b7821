"""Clips made for tests, in memory: by PyAV and Pillow, not by the code under test."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import wraps
from typing import Any, ParamSpec, cast

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.formats.boxes import boxes

P = ParamSpec("P")
CLOCK = 90_000
# Corners of every frame, by which one sees which way is up: red, green, blue, white.
CORNERS = ((200, 40, 40), (40, 180, 40), (40, 40, 200), (220, 220, 220))
INNER = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf", b"edts", b"stsd"}


def picture(number: int, width: int = 96, height: int = 64) -> NDArray[np.uint8]:
    """Frame ``number``: four corners of one colour each; the middle gets brighter with time."""
    pixels = np.zeros((height, width, 3), np.uint8)
    top, left = height // 2, width // 2
    pixels[:top, :left], pixels[:top, left:] = CORNERS[0], CORNERS[1]
    pixels[top:, :left], pixels[top:, left:] = CORNERS[2], CORNERS[3]
    pixels[height // 4 : -height // 4, width // 4 : -width // 4] = (20 + number * 5) % 230
    return pixels


def tone(seconds: float, rate: int = 48_000, start_s: float = 0.0) -> NDArray[np.float32]:
    """A click of 5 ms at each half second, mono; else silence."""
    count = int(seconds * rate)
    times = np.arange(count) / rate + start_s
    clicks = (times % 0.5) < 0.005
    return (np.sin(times * 2 * np.pi * 1000) * clicks * 0.8).astype(np.float32)


def _in_own_thread(make: Callable[P, bytes]) -> Callable[P, bytes]:
    """Runs a function in a thread that ends with it.

    SVT-AV1 gives real-time priority to the thread that calls it, where it may: as root. The tests
    that follow in that thread would starve the processes that they wait for.
    """

    @wraps(make)
    def run(*args: P.args, **options: P.kwargs) -> bytes:
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(make, *args, **options).result()

    return run


@_in_own_thread
def video(
    codec: str = "libx264",
    container: str = "mp4",
    *,
    frames: int = 12,
    size: tuple[int, int] = (96, 64),
    rate: float = 24.0,
    times: Sequence[int] | None = None,
    pixels: Callable[[int], NDArray[Any]] | None = None,
    pix_fmt: str = "yuv420p",
    colour: tuple[int, int, int, int] = (1, 1, 1, 1),
    sound: str | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> bytes:
    """Encodes a video.

    Args:
        codec: FFmpeg's name of the encoder.
        container: "mp4", "mov", "webm" or "matroska".
        frames: How many.
        size: Width and height.
        rate: Frames a second, without ``times``.
        times: Of the frames, in ticks of 1/90000 s.
        pixels: The frames, uint8 or uint16 RGB; by default ``picture``.
        pix_fmt: In which they are encoded.
        colour: Primaries, transfer, matrix, range (1: limited, 2: full), as H.273 counts them.
        sound: The encoder of a track of clicks as long as the video.
        options: Of the encoder.
        container_options: Of the muxer.
    """
    file = io.BytesIO()
    output = av.open(file, "w", format=container, options=container_options or {})
    stream = cast(Any, output.add_stream(codec, rate=Fraction(rate).limit_denominator(1001)))
    stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
    stream.codec_context.time_base = stream.time_base = Fraction(1, CLOCK)
    stream.options = options or {}
    primaries, transfer, matrix, span = colour
    # what names no matrix is coded as everybody does: BT.709 from 720 lines on, else BT.601
    coded = (1 if size[1] >= 720 else 6) if matrix == 2 else matrix
    stream.color_primaries, stream.color_trc = primaries, transfer
    stream.colorspace, stream.color_range = matrix, span
    track = _sound(output, sound) if sound else None
    draw = pixels or (lambda number: picture(number, *size))
    moments = times or [round(number * CLOCK / rate) for number in range(frames)]
    step = round(CLOCK / rate)
    for number, time in enumerate(moments):
        frame = _coded(draw(number), coded, span == 2).reformat(format=pix_fmt)
        frame.pts, frame.time_base = time, Fraction(1, CLOCK)
        for packet in stream.encode(frame):
            packet.duration = step
            output.mux(packet)
    for packet in stream.encode(None):
        packet.duration = step
        output.mux(packet)
    if track is not None:
        length_s = (moments[-1] + step) / CLOCK if len(moments) else 1.0
        _encode_sound(output, track, length_s)
    output.close()
    return file.getvalue()


def _coded(pixels: NDArray[Any], matrix: int, full: bool) -> av.VideoFrame:
    """uint8 or uint16 RGB as a frame of 16 bits, by the matrix and range of H.273."""
    red_share, blue_share = {9: (0.2627, 0.0593), 6: (0.299, 0.114)}.get(matrix, (0.2126, 0.0722))
    values = pixels.astype(np.float64) / (255 if pixels.dtype == np.uint8 else 65535)
    red, green, blue = (values[..., n] for n in range(3))
    luma = red_share * red + (1 - red_share - blue_share) * green + blue_share * blue
    chroma = (blue - luma) / (2 - 2 * blue_share), (red - luma) / (2 - 2 * red_share)
    if full:
        planes = [luma * 65535, *(part * 65535 + 32768 for part in chroma)]
    else:
        planes = [luma * 219 * 256 + 4096, *(part * 224 * 256 + 32768 for part in chroma)]
    stacked = np.rint(np.stack(planes, axis=-1)).clip(0, 65535).astype(np.uint16)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(stacked), format="yuv444p16le")
    frame.color_range = 2 if full else 1
    return frame


def _sound(output: Any, codec: str) -> Any:
    track = output.add_stream(codec, rate=48_000)
    track.codec_context.layout = "mono"
    return track


def _encode_sound(output: Any, track: Any, length_s: float) -> None:
    samples = tone(length_s)
    step = 960
    resampler = av.AudioResampler(
        format=track.codec_context.format, layout="mono", rate=48_000, frame_size=0
    )
    for at in range(0, len(samples), step):
        frame = av.AudioFrame.from_ndarray(
            samples[None, at : at + step], format="fltp", layout="mono"
        )
        frame.sample_rate, frame.pts, frame.time_base = 48_000, at, Fraction(1, 48_000)
        for piece in resampler.resample(frame):
            output.mux(track.encode(piece))
    output.mux(track.encode(None))


def only_sound(codec: str = "aac", container: str = "mp4") -> bytes:
    """A file with a second of sound and no picture."""
    file = io.BytesIO()
    output = av.open(file, "w", format=container)
    track = _sound(output, codec)
    _encode_sound(output, track, 1.0)
    output.close()
    return file.getvalue()


def animation(
    format: str,
    frames: int = 3,
    durations_ms: Sequence[int] = (100, 200, 50),
    size: tuple[int, int] = (96, 64),
    **how: Any,
) -> bytes:
    """An animated image by Pillow: "GIF", "WEBP", "PNG" or "AVIF"."""
    file = io.BytesIO()
    pictures = [Image.fromarray(picture(number * 8, *size)) for number in range(frames)]
    durations = [durations_ms[number % len(durations_ms)] for number in range(frames)]
    arguments = {"loop": 0} | ({"lossless": True} if format == "WEBP" else {}) | how
    pictures[0].save(
        file,
        format,
        save_all=True,
        append_images=pictures[1:],
        duration=durations,
        **arguments,
    )
    return file.getvalue()


def changed_box(data: bytes, path: Sequence[bytes], change: Callable[[bytes], bytes]) -> bytes:
    """The file with the content of one box changed, the sizes of those around it with it.

    Only what lies behind every offset into the file may change its length: the index of an MP4 that
    is not made for streaming.

    Args:
        data: An MP4.
        path: Names from the outermost box to the one that is changed; of several of one name the
            first.
        change: From its old content to the new one.
    """
    name, *rest = path
    skipped = {b"stsd": 8, b"dref": 8, b"avc1": 78}.get(name, 0)
    result, done = b"", False
    for found, begin, stop in boxes(data, 0, len(data)):
        content = data[begin:stop]
        if found == name and not done:
            done = True
            if rest:
                content = content[:skipped] + changed_box(content[skipped:], rest, change)
            else:
                content = change(content)
        result += struct.pack(">I4s", len(content) + 8, found) + content
    assert done, path
    return result


STBL = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


def with_matrix(data: bytes, a: float, b: float, c: float, d: float) -> bytes:
    """The MP4 with another display matrix: x' = a x + c y, y' = b x + d y."""
    matrix = struct.pack(
        ">9i",
        *(round(n * 65536) for n in (a, b)),
        0,
        *(round(n * 65536) for n in (c, d)),
        *(0, 0, 0, 1 << 30),
    )
    return changed_box(
        data, (b"moov", b"trak", b"tkhd"), lambda body: body[:40] + matrix + body[76:]
    )


def motion_photo(jpeg: bytes, mp4: bytes, maker: str) -> bytes:
    """A JPEG with a video behind it, as "google", "google-2018" or "samsung" phones write it."""
    if maker == "samsung":
        name = b"MotionPhoto_Data"
        block = struct.pack("<HHI", 0, 0x0A30, len(name)) + name + mp4
        index = b"SEFH" + struct.pack("<III", 106, 1, 0x0A300000)
        index += struct.pack("<II", len(block), len(block))
        return jpeg + block + index + struct.pack("<I", len(index)) + b"SEFT"
    if maker == "google":
        xmp = (
            '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description Camera:MotionPhoto="1">'
            "<Container:Directory><rdf:Seq>"
            '<rdf:li rdf:parseType="Resource"><Container:Item Item:Mime="image/jpeg" '
            'Item:Semantic="Primary" Item:Length="0" Item:Padding="0"/></rdf:li>'
            '<rdf:li rdf:parseType="Resource"><Container:Item Item:Mime="video/mp4" '
            f'Item:Semantic="MotionPhoto" Item:Length="{len(mp4)}"/></rdf:li>'
            "</rdf:Seq></Container:Directory></rdf:Description></rdf:RDF></x:xmpmeta>"
        )
    else:
        xmp = (
            '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description '
            f'GCamera:MicroVideo="1" GCamera:MicroVideoOffset="{len(mp4)}"/></rdf:RDF></x:xmpmeta>'
        )
    body = b"http://ns.adobe.com/xap/1.0/\0" + xmp.encode()
    segment = b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    return jpeg[:2] + segment + jpeg[2:] + mp4
