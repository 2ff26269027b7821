"""Writing clips: what players get is whole, in time, and in step with its sound."""

from __future__ import annotations

import io
import os
import signal
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips_made import animation, only_sound, picture, video
from PIL import Image

from pipeline.clips.domain import ClipFormat, Frame, WriterSettings
from pipeline.clips.reader import ClipReader
from pipeline.clips.writer import ClipWriter
from pipeline.errors import DecoderLost, InvalidOption, InvalidRequest
from pipeline.formats.boxes import boxes
from pipeline.settings import Settings

SETTINGS = Settings()
FORMATS: tuple[ClipFormat, ...] = ("mp4", "webm", "webp", "gif", "apng")


def flash(number: int) -> Any:
    """White for one frame of 24 at each half second, else a quiet picture."""
    return np.full((64, 96, 3), 250, np.uint8) if number % 12 == 0 else picture(number % 12)


def written(
    path: Path,
    format: ClipFormat,
    source: bytes,
    rate: float | None = 12.0,
    settings: WriterSettings | None = None,
) -> tuple[list[Frame], ClipWriter]:
    """The source's frames, written again as they are."""
    with ClipReader(SETTINGS, source) as reader:
        frames = list(reader.frames(rate=rate))
    size = frames[0].pixels.shape[1], frames[0].pixels.shape[0]
    writer = ClipWriter(path, format, size, settings or WriterSettings(), source)
    with writer:
        for frame in frames:
            writer.write(frame.pixels, frame.time_s, frame.duration_s, frame.alpha)
    return frames, writer


def strictly(path: Path) -> Any:
    """Opened so that every fault in it is an error."""
    return av.open(str(path), options={"err_detect": "explode"})


def duration_s(path: Path) -> float:
    with av.open(str(path)) as container:
        return (container.duration or 0) / 1e6


def clicks_s(path: Path) -> list[float]:
    """When clicks begin, by the sound as it is decoded."""
    with strictly(path) as container:
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=48_000)
        begun: list[float] = []
        last = -1.0
        for frame in container.decode(audio=0):
            for piece in resampler.resample(frame):
                assert piece.pts is not None and piece.time_base is not None
                values = np.abs(piece.to_ndarray()[0])
                for at in np.flatnonzero(values > 0.25):
                    moment = float(piece.pts * piece.time_base) + int(at) / 48_000
                    if moment - last > 0.1:
                        begun.append(moment)
                    last = moment
        return begun


def flashes_s(path: Path) -> list[float]:
    """When white frames begin."""
    with strictly(path) as container:
        return [
            float(frame.pts * frame.time_base)
            for frame in container.decode(video=0)
            if frame.to_ndarray(format="gray").mean() > 200
        ]


@pytest.mark.parametrize("format", FORMATS)
def test_a_clip_that_is_written_has_the_frames_and_times_of_its_source(
    tmp_path: Path, format: ClipFormat
) -> None:
    path = tmp_path / f"out.{format}"
    source = video(frames=27, rate=24, pixels=lambda number: picture(number), options={"crf": "4"})
    frames, _ = written(path, format, source)
    with ClipReader(SETTINGS, path) as reader:
        again = list(reader.frames())
        # the last drawing stands for one frame of the source, the others for two; FFmpeg's muxer
        # of APNG repeats the duration before it
        within_s = 0.015 if format != "apng" else 1 / 24
        assert reader.info.duration_s == pytest.approx(27 / 24, abs=within_s)
        assert reader.warnings == ()
    assert len(again) == len(frames) == 14
    for frame, other in zip(frames, again, strict=True):
        assert other.time_s == pytest.approx(frame.time_s, abs=0.006)
        assert np.abs(frame.pixels.astype(int) - other.pixels).mean() < 5
    assert [path.name for path in tmp_path.iterdir()] == [f"out.{format}"]


def test_mp4_is_what_players_expect(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    written(path, "mp4", video(frames=24, rate=24, sound="aac"))
    data = path.read_bytes()
    names = [name for name, _, _ in boxes(data, 0, len(data))]
    assert names.index(b"moov") < names.index(b"mdat")
    with strictly(path) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(video=0))
        assert stream.codec_context.name == "h264" and stream.profile == "High"
        for frame in frames:
            assert frame.format.name == "yuv420p"
            codes = (frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range)
            assert codes == (1, 1, 1, 1)
        assert len(frames) == 12 and container.duration == pytest.approx(1e6, abs=3e4)
    with strictly(path) as container:
        assert list(container.decode(audio=0))


def packets(data: bytes) -> list[bytes]:
    with av.open(io.BytesIO(data), "r") as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


@pytest.mark.parametrize(
    ("source_container", "codec", "format", "how"),
    [
        ("mp4", "aac", "mp4", "copied"),
        ("mp4", "libmp3lame", "mp4", "copied"),
        ("webm", "libopus", "mp4", "copied"),
        ("webm", "libopus", "webm", "copied"),
        ("webm", "libvorbis", "webm", "copied"),
        ("mov", "pcm_s16le", "mp4", "aac"),
        ("webm", "libvorbis", "mp4", "aac"),
        ("mp4", "aac", "webm", "opus"),
    ],
)
def test_sound_stays_in_step(
    tmp_path: Path, source_container: str, codec: str, format: ClipFormat, how: str
) -> None:
    encoder = "libvpx-vp9" if source_container == "webm" else "libx264"
    source = video(
        encoder, source_container, frames=48, rate=24, pixels=flash, sound=codec,
        options={"cpu-used": "8"} if encoder == "libvpx-vp9" else {},
    )  # fmt: skip
    path = tmp_path / f"out.{format}"
    _, writer = written(path, format, source)
    assert writer.sound == how and writer.warnings == ()
    if how == "copied":
        assert packets(path.read_bytes()) == packets(source)
    clicks, flashes = clicks_s(path), flashes_s(path)
    assert len(clicks) == len(flashes) == 4
    for click, seen, due in zip(clicks, flashes, (0, 0.5, 1.0, 1.5), strict=True):
        assert abs(click - seen) < 0.02 and abs(seen - due) < 0.005
    assert duration_s(path) == pytest.approx(2.0, abs=1 / 24)


@pytest.mark.parametrize("format", ["mp4", "webm"])
def test_a_part_of_a_clip_has_its_part_of_the_sound(tmp_path: Path, format: ClipFormat) -> None:
    source = video(frames=72, rate=24, pixels=flash, sound="aac")
    path = tmp_path / f"out.{format}"
    settings = WriterSettings(sound_start_s=0.75, sound_end_s=2.0)
    with (
        ClipReader(SETTINGS, source) as reader,
        ClipWriter(path, format, (96, 64), settings, source) as writer,
    ):
        for frame in reader.frames(0.75, 2.0):
            writer.write(frame.pixels, frame.time_s - 0.75, frame.duration_s)
    clicks, flashes = clicks_s(path), flashes_s(path)
    assert len(flashes) == 2 and clicks[2:] == pytest.approx([1.25], abs=0.02)
    for click, seen, due in zip(clicks, flashes, (0.25, 0.75), strict=False):
        assert abs(click - seen) < 0.02 and abs(seen - due) < 0.01
    assert duration_s(path) == pytest.approx(1.25, abs=1 / 24)


def test_damaged_sound_does_not_cost_the_picture(tmp_path: Path) -> None:
    source = bytearray(video("libvpx-vp9", "webm", frames=24, sound="libvorbis"))
    sound = packets(bytes(source))
    for packet in sound[10:]:
        at = source.find(packet)
        if at > 0 and len(packet) > 8:
            source[at : at + len(packet)] = os.urandom(len(packet))
    path = tmp_path / "out.mp4"
    frames, _ = written(path, "mp4", bytes(source))
    with ClipReader(SETTINGS, path) as reader:
        assert len(list(reader.frames())) == len(frames)


def test_a_source_without_sound_is_written_silent(tmp_path: Path) -> None:
    for source in (video(), animation("GIF"), only_sound("pcm_s16le", "mov")[:400]):
        with ClipWriter(tmp_path / "out.mp4", "mp4", (96, 64), WriterSettings(), source) as writer:
            writer.write(picture(0), 0.0, 0.1)
        assert writer.sound == "none"


def test_odd_sides_get_their_last_row_and_column_twice(tmp_path: Path) -> None:
    pixels = picture(3, 97, 65)
    with ClipWriter(tmp_path / "o.mp4", "mp4", (97, 65), WriterSettings(quality=100)) as writer:
        writer.write(pixels, 0.0, 0.5)
    with ClipReader(SETTINGS, tmp_path / "o.mp4") as reader:
        frame = next(reader.frames())
    assert frame.pixels.shape == (66, 98, 3)
    assert np.abs(frame.pixels[:65, :97].astype(int) - pixels).mean() < 3
    assert np.abs(frame.pixels[65].astype(int) - frame.pixels[64]).mean() < 6


def moving(number: int) -> Any:
    """A still gradient of many colours, and a ball that moves over it."""
    rows, columns = np.mgrid[:120, :160]
    pixels = np.dstack((rows * 2, columns, (rows + columns) // 2)).astype(np.uint8)
    ball = (rows - 60) ** 2 + (columns - 30 - 20 * number) ** 2 < 200
    pixels[ball] = (250, 240, 30)
    return pixels


def test_a_gif_has_one_palette_and_its_still_parts_do_not_crawl(tmp_path: Path) -> None:
    path = tmp_path / "out.gif"
    with ClipWriter(path, "gif", (160, 120), WriterSettings(loops=0)) as writer:
        for number in range(5):
            writer.write(moving(number), number / 10, 0.1)
    data = path.read_bytes()
    assert data[10] & 0x80  # a palette for all
    with Image.open(path) as image:
        frames = []
        for number in range(image.n_frames):  # type: ignore[attr-defined]
            image.seek(number)
            frames.append(np.asarray(image.convert("RGB")))
    assert local_palettes(data) <= 1  # FFmpeg repeats it with the first frame
    still = np.ones((120, 160), bool)
    for number in range(5):
        still &= (moving(number) == moving(9)).all(axis=2)
    for frame in frames[1:]:
        assert np.array_equal(frame[still], frames[0][still])
    # seen from afar the dither is the colour that was asked for
    for number, frame in enumerate(frames):
        seen, meant = (
            np.asarray(Image.fromarray(pixels).resize((20, 15), Image.Resampling.BOX), int)
            for pixels in (frame, moving(number))
        )
        assert np.abs(seen - meant).mean() < 3


def local_palettes(data: bytes) -> int:
    """How many pictures of a GIF bring a palette of their own."""
    at, count = 13 + (3 << ((data[10] & 7) + 1)), 0
    while data[at] != 0x3B:
        if data[at] == 0x2C:
            flags = data[at + 9]
            count += flags >> 7
            at += 11 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
        else:
            at += 2
        while data[at]:
            at += 1 + data[at]
        at += 1
    return count


@pytest.mark.parametrize("format", ["gif", "webp", "apng"])
@pytest.mark.parametrize("loops", [0, 1, 3])
def test_animated_images_keep_loops_and_transparency(
    tmp_path: Path, format: ClipFormat, loops: int
) -> None:
    path = tmp_path / f"out.{format}"
    alpha = np.full((64, 96), 255, np.uint8)
    alpha[:20, :30] = 0
    settings = WriterSettings(quality=95, loops=loops)
    with ClipWriter(path, format, (96, 64), settings) as writer:
        for number in range(3):
            writer.write(picture(number * 9), number * 0.2, 0.2, alpha)
    with ClipReader(SETTINGS, path) as reader:
        assert reader.info.loops == loops
        frames = list(reader.frames())
    for number, frame in enumerate(frames):
        assert frame.alpha is not None
        assert np.array_equal(frame.alpha > 127, alpha > 127)
        seen = frame.pixels[alpha > 127].astype(int) - picture(number * 9)[alpha > 127]
        assert np.abs(seen).mean() < 5
    assert frames[-1].duration_s == pytest.approx(0.2, abs=0.01)


def test_what_is_transparent_is_white_in_mp4(tmp_path: Path) -> None:
    with ClipWriter(tmp_path / "o.mp4", "mp4", (96, 64), WriterSettings()) as writer:
        writer.write(picture(0), 0.0, 0.2, np.zeros((64, 96), np.uint8))
    with ClipReader(SETTINGS, tmp_path / "o.mp4") as reader:
        assert next(reader.frames()).pixels.min() > 250


def test_a_clip_that_is_given_up_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_bytes(b"before")

    def fail(writer: ClipWriter) -> None:
        with writer:
            writer.write(picture(0), 0.0, 0.1)
            raise KeyError

    with pytest.raises(KeyError):
        fail(ClipWriter(path, "mp4", (96, 64), WriterSettings()))
    with pytest.raises(InvalidRequest, match="without a frame"):
        ClipWriter(path, "mp4", (96, 64), WriterSettings()).close()
    assert path.read_bytes() == b"before" and list(tmp_path.iterdir()) == [path]


def test_frames_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="mp4, webm"):
        ClipWriter(tmp_path / "o", "avi", (96, 64), WriterSettings())  # type: ignore[arg-type]
    with pytest.raises(InvalidOption):
        ClipWriter(tmp_path / "o", "mp4", (0, 64), WriterSettings())
    writer = ClipWriter(tmp_path / "o", "mp4", (96, 64), WriterSettings())
    with pytest.raises(InvalidRequest, match="a frame of"):
        writer.write(picture(0, 48, 64), 0.0, 0.1)
    writer.write(picture(0), 1.0, 0.1)
    with pytest.raises(InvalidRequest, match="after one at"):
        writer.write(picture(0), 1.0, 0.1)
    writer.abandon()
    with pytest.raises(InvalidRequest, match="closed"):
        writer.write(picture(0), 2.0, 0.1)


def test_a_writer_that_somebody_ended_says_so(tmp_path: Path) -> None:
    writer = ClipWriter(tmp_path / "o.mp4", "mp4", (96, 64), WriterSettings())
    assert writer._child is not None
    writer._child.process.send_signal(signal.SIGKILL)
    writer._child.process.wait()
    with pytest.raises(DecoderLost):
        writer.write(picture(0), 0.0, 0.1)
    writer.abandon()
    assert not list(tmp_path.iterdir())


def test_the_writing_process_has_processor_time_for_its_frames_and_no_more(tmp_path: Path) -> None:
    def limit_s(writer: ClipWriter) -> int:
        assert writer._child
        limits = Path(f"/proc/{writer._child.process.pid}/limits").read_text().splitlines()
        return int(next(line for line in limits if line.startswith("Max cpu time")).split()[3])

    with ClipWriter(tmp_path / "clip.mp4", "mp4", (96, 64), WriterSettings(), None) as writer:
        first = limit_s(writer)
        for number in range(3):
            writer.write(picture(number), number / 12, 1 / 12, None)
        until = time.monotonic() + 20
        while (last := limit_s(writer)) == first and time.monotonic() < until:
            time.sleep(0.02)
    assert 0 < first < last < 600
