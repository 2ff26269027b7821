"""Small clips for tests: a picture that is panned, another shot after it, and a tone."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
from PIL import Image

SAMPLES = Path(__file__).parents[2] / "samples"
TONE_HZ, SOUND_RATE, SAMPLES_EACH = 440, 44_100, 1024


def video(
    seconds: float = 2.0, *, rate: int = 12, size: tuple[int, int] = (160, 96), cut: bool = True
) -> bytes:
    """An MP4 of H.264 and AAC.

    Args:
        seconds: How long it lasts.
        rate: Frames a second.
        size: Width and height.
        cut: Whether another shot begins at three fifths of it.
    """
    file = io.BytesIO()
    output = av.open(file, "w", format="mp4")
    picture = output.add_stream("libx264", rate=rate, options={"crf": "18"})
    picture.width, picture.height = size
    picture.pix_fmt = "yuv420p"
    sound = output.add_stream("aac", rate=SOUND_RATE)
    sound.codec_context.layout = "mono"
    count = round(seconds * rate)
    shots = [_sample(name, size) for name in ("chelsea", "coffee")]
    for number in range(count):
        shot = shots[1 if cut and number >= count * 0.6 else 0]
        left = number % size[0]
        pixels = np.ascontiguousarray(shot[: size[1], left : left + size[0]])
        output.mux(picture.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
    output.mux(picture.encode(None))
    moments = np.arange(round(seconds * SOUND_RATE)) / SOUND_RATE
    tone = (np.sin(2 * np.pi * TONE_HZ * moments) * 12_000).astype(np.int16)
    for start in range(0, len(tone), SAMPLES_EACH):
        piece = av.AudioFrame.from_ndarray(
            tone[None, start : start + SAMPLES_EACH], format="s16", layout="mono"
        )
        piece.rate, piece.pts = SOUND_RATE, start
        output.mux(sound.encode(piece))
    output.mux(sound.encode(None))
    output.close()
    return file.getvalue()


def animation(frames: int = 4, format: str = "GIF") -> bytes:
    """An animated GIF or WebP that is panned."""
    shot = _sample("chelsea", (96, 64))
    images = [Image.fromarray(shot[:64, left : left + 96]) for left in range(frames)]
    file = io.BytesIO()
    images[0].save(file, format, save_all=True, append_images=images[1:], duration=100, loop=0)
    return file.getvalue()


def streams(data: bytes) -> dict[str, tuple[str, float]]:
    """Codec and duration in seconds of each kind of stream in a video."""
    with av.open(io.BytesIO(data)) as container:
        return {
            stream.type: (stream.codec_context.name, float(stream.duration * stream.time_base))
            for stream in container.streams
            if stream.duration and stream.time_base
        }


def frame_count(data: bytes) -> int:
    """How many frames a video has."""
    with av.open(io.BytesIO(data), "r") as container:
        return len([*container.decode(video=0)])


def _sample(name: str, size: tuple[int, int]) -> np.ndarray:
    """A sample twice as wide as the clip."""
    with Image.open(SAMPLES / f"{name}.jpg") as image:
        return np.asarray(image.convert("RGB").resize((size[0] * 2, size[1] * 2)))
