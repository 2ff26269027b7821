"""Reading clips: every container, codec, turn and colour gives the frames that were encoded."""

from __future__ import annotations

import io
import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips_made import CORNERS, animation, motion_photo, picture, video, with_matrix
from PIL import Image

from pipeline.clips.domain import ClipInfo, Frame
from pipeline.clips.moving import moving_part
from pipeline.clips.reader import ClipReader
from pipeline.clips.sniff import clip_kind, is_clip, motion_video
from pipeline.errors import InvalidOption
from pipeline.formats.colour import Colour, by_codes
from pipeline.formats.convert import peak_of, to_srgb
from pipeline.formats.samples import Samples
from pipeline.settings import Options, Settings

SETTINGS = Settings()


def read(source: bytes | Path, **how: Any) -> tuple[ClipInfo, list[Frame], tuple[str, ...]]:
    with ClipReader(SETTINGS, source, how.pop("max_side_px", 8192)) as reader:
        frames = list(reader.frames(**how))
        return reader.info, frames, reader.warnings


def far(pixels: Any, expected: Any) -> float:
    return float(np.abs(pixels.astype(int) - expected).mean())


@pytest.mark.parametrize(
    ("codec", "container", "name", "how"),
    [
        ("libx264", "mp4", "h264", {"options": {"crf": "5"}}),
        ("libx264", "mov", "h264", {"options": {"crf": "5"}, "pix_fmt": "yuv444p"}),
        ("libx264", "mp4", "h264", {"options": {"crf": "5"}, "pix_fmt": "yuv420p10le"}),
        ("libx265", "mp4", "hevc", {"options": {"crf": "5"}}),
        ("libx265", "mov", "hevc", {"options": {"crf": "5"}, "pix_fmt": "yuv420p10le"}),
        ("libvpx", "webm", "vp8", {"options": {"crf": "4", "b": "2M"}, "colour": (1, 1, 6, 1)}),
        ("libvpx-vp9", "webm", "vp9", {"options": {"crf": "5", "b": "0", "cpu-used": "8"}}),
        ("libsvtav1", "webm", "av1", {"options": {"crf": "5", "preset": "12"}}),
        ("libsvtav1", "mp4", "av1", {"options": {"crf": "5", "preset": "12"}}),
    ],
)
def test_each_codec_gives_the_frames_that_were_encoded(
    codec: str, container: str, name: str, how: dict[str, Any]
) -> None:
    info, frames, warnings = read(video(codec, container, **how))
    if hasattr(os, "sched_getscheduler"):
        assert os.sched_getscheduler(0) == os.SCHED_OTHER  # else the tests after this one starve
    assert (info.video_codec, info.width_px, info.height_px) == (name, 96, 64)
    assert info.container == ("matroska" if container == "webm" else "mov")
    assert info.frame_count == len(frames) == 12
    assert info.rate == pytest.approx(24, abs=0.5) and info.duration_s == pytest.approx(
        0.5, abs=0.01
    )
    assert not (info.is_hdr or info.is_variable or info.has_sound) and warnings == ()
    for number, frame in enumerate(frames):
        assert frame.index == number
        assert frame.time_s == pytest.approx(number / 24, abs=1e-3)
        assert frame.duration_s == pytest.approx(1 / 24, abs=2e-3)
        assert far(frame.pixels, picture(number)) < 4


@pytest.mark.parametrize(
    ("format", "kind"), [("GIF", "gif"), ("WEBP", "webp"), ("PNG", "apng"), ("AVIF", "avif")]
)
def test_each_animated_image_gives_its_frames_and_times(format: str, kind: str) -> None:
    info, frames, _ = read(animation(format, quality=95) if format == "AVIF" else animation(format))
    assert (info.container, info.video_codec, info.frame_count) == (kind, kind, 3)
    assert info.loops == 0 and info.duration_s == pytest.approx(0.35) and info.is_variable
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.1, 0.3])
    assert [frame.duration_s for frame in frames] == pytest.approx([0.1, 0.2, 0.05])
    for number, frame in enumerate(frames):
        assert far(frame.pixels, picture(number * 8)) < 4
        assert frame.alpha is None


def test_transparent_frames_keep_their_alpha() -> None:
    cut = np.dstack((picture(0), np.full((64, 96), 255, np.uint8)))
    cut[:10, :, 3] = 0
    other = cut.copy()
    other[10:, 48:, :3] = 90
    file = io.BytesIO()
    Image.fromarray(cut).save(
        file,
        "WEBP",
        save_all=True,
        append_images=[Image.fromarray(other)],
        lossless=True,
        exact=True,
    )
    _, frames, _ = read(file.getvalue())
    for frame, expected in zip(frames, (cut, other), strict=True):
        assert frame.alpha is not None
        assert np.array_equal(frame.alpha, expected[..., 3])
        assert np.array_equal(frame.pixels[10:], expected[10:, :, :3])


def test_a_frame_of_a_gif_for_no_time_is_shown_as_long_as_browsers_do() -> None:
    info, frames, _ = read(animation("GIF", durations_ms=(0, 10, 20)))
    assert [frame.duration_s for frame in frames] == pytest.approx([0.1, 0.1, 0.02])
    assert info.duration_s == pytest.approx(0.22)


def test_an_animation_that_plays_twice_says_so() -> None:
    assert read(animation("GIF", loop=1))[0].loops == 2  # it is repeated once
    assert read(animation("WEBP", loop=2))[0].loops == 2
    assert read(animation("PNG", loop=2))[0].loops == 2


@pytest.mark.parametrize(
    ("matrix", "rotation", "corners"),
    [
        ((1, 0, 0, 1), 0, (0, 1, 2, 3)),
        ((0, 1, -1, 0), 90, (2, 0, 3, 1)),
        ((-1, 0, 0, -1), 180, (3, 2, 1, 0)),
        ((0, -1, 1, 0), 270, (1, 3, 0, 2)),
        ((-1, 0, 0, 1), 0, (1, 0, 3, 2)),
        ((1, 0, 0, -1), 180, (2, 3, 0, 1)),
        ((0, 1, 1, 0), 90, (0, 2, 1, 3)),
        ((0, -1, -1, 0), 270, (3, 1, 2, 0)),
    ],
)
def test_a_turned_clip_is_upright(
    matrix: tuple[int, int, int, int], rotation: int, corners: tuple[int, ...]
) -> None:
    info, frames, warnings = read(with_matrix(video(frames=1), *matrix))
    height, width, _ = frames[0].pixels.shape
    assert (
        (width, height) == (info.width_px, info.height_px) == ((96, 64), (64, 96))[bool(matrix[1])]
    )
    assert info.rotation_deg == rotation and warnings == ()
    spots = [frames[0].pixels[y, x] for y in (8, height - 8) for x in (8, width - 8)]
    for spot, corner in zip(spots, corners, strict=True):
        assert far(spot, CORNERS[corner]) < 12


def test_a_slanted_matrix_is_ignored_and_said() -> None:
    _, frames, warnings = read(with_matrix(video(frames=2), 1, 0.4, -0.7, 1))
    assert len(frames) == 2 and far(frames[0].pixels, picture(0)) < 6
    assert any("display matrix" in warning for warning in warnings)


def test_pixels_that_are_not_square_are_made_square() -> None:
    data = video("libx264", options={"crf": "5", "x264-params": "sar=2/1"})
    info, frames, _ = read(data)
    assert (info.width_px, info.height_px) == (192, 64)
    assert frames[0].pixels.shape == (64, 192, 3)


def test_a_variable_frame_rate_keeps_its_times() -> None:
    times = [0, 3000, 6000, 24_000, 27_000, 60_000]
    info, frames, _ = read(video(times=times, options={"bf": "0"}))
    assert info.is_variable and info.frame_count == 6
    assert [frame.time_s for frame in frames] == pytest.approx(
        [t / 90_000 for t in times], abs=1e-4
    )


def test_frames_are_reduced_and_never_enlarged() -> None:
    data = video(frames=1, size=(192, 128))
    assert read(data, max_side_px=100)[1][0].pixels.shape == (67, 100, 3)
    assert read(data, max_side_px=1000)[1][0].pixels.shape == (128, 192, 3)


@pytest.mark.parametrize(("primaries", "matrix"), [(1, 1), (1, 6), (9, 9)])
@pytest.mark.parametrize("span", [1, 2])
@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv444p10le"])
def test_matrices_and_ranges_are_undone(
    primaries: int, matrix: int, span: int, pix_fmt: str
) -> None:
    """Of BT.2020 the colours are converted, too; grey stays grey."""
    colour = (primaries, 13, matrix, span)
    data = video(pix_fmt=pix_fmt, colour=colour, frames=2, options={"crf": "1"})
    _, frames, _ = read(data)
    expected = picture(0)
    if primaries == 9:
        space = by_codes("test", 9, 13)
        assert isinstance(space, Colour)
        expected = to_srgb(Samples(expected, 0, 255), space)
    assert far(frames[0].pixels, expected) < 2


@pytest.mark.parametrize("size", [(96, 64), (1280, 720)])
def test_the_matrix_of_a_video_that_names_none_follows_from_its_size(size: tuple[int, int]) -> None:
    data = video(pix_fmt="yuv444p", size=size, colour=(2, 2, 2, 1), frames=1, options={"crf": "1"})
    _, frames, _ = read(data)
    assert far(frames[0].pixels, picture(0, *size)) < 2


def ramp(code: Any) -> Any:
    """16 bars of coded light."""
    bars = np.repeat(code, 12)[None, :, None]
    return np.broadcast_to(bars, (64, len(code) * 12, 3)).astype(np.uint16)


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_is_tone_mapped_as_photographs_are(transfer: int) -> None:
    codes = np.linspace(0, 0.75, 16) * 65535
    data = video(
        "libx265",
        size=(192, 64),
        frames=2,
        pixels=lambda _: ramp(codes),
        pix_fmt="yuv420p10le",
        colour=(9, transfer, 9, 1),
        options={"crf": "4", "x265-params": "bframes=0:log-level=none"},
    )
    info, frames, _ = read(data)
    assert info.is_hdr
    space = by_codes("test", 9, transfer)
    assert isinstance(space, Colour)
    expected = to_srgb(Samples(ramp(codes), 0, 65535), space)
    assert far(frames[0].pixels, expected) < 3


def test_the_frames_of_an_hdr_clip_share_one_tone_map() -> None:
    """A light that is switched on darkens nothing else."""

    def pixels(number: int) -> Any:
        coded = np.full((64, 96, 3), 0.5 * 65535)
        if number >= 6:
            coded[:32] = 0.8 * 65535
        return coded.astype(np.uint16)

    data = video(
        "libx265",
        pixels=pixels,
        pix_fmt="yuv420p10le",
        colour=(9, 16, 9, 1),
        options={"crf": "4", "x265-params": "bframes=0:log-level=none"},
    )
    _, frames, _ = read(data)
    below = [float(frame.pixels[48:].mean()) for frame in frames]
    assert max(below) - min(below) < 1.5
    space = by_codes("test", 9, 16)
    assert isinstance(space, Colour)
    assert peak_of(Samples(pixels(6), 0, 65535), space) > 4


def test_the_first_frame_of_each_slot_is_delivered() -> None:
    data = video(frames=24, rate=24)
    _, frames, _ = read(data, rate=12.0)
    assert [frame.index for frame in frames] == list(range(0, 24, 2))
    assert [frame.duration_s for frame in frames] == pytest.approx([1 / 12] * 12, abs=1e-3)
    assert read(data, rate=60.0)[1][1].index == 1  # never more than there are
    _, uneven, _ = read(video(frames=30, rate=30), rate=12.0)
    assert [frame.index for frame in uneven[:6]] == [0, 3, 5, 8, 10, 13]


def test_parts_of_a_clip_are_the_undivided_clip() -> None:
    data = video(frames=48, rate=24, options={"g": "10"})
    for rate in (None, 10.0):
        with ClipReader(SETTINGS, data) as reader:
            whole = list(reader.frames(rate=rate))
            borders = [0.0, 0.61, 1.3, 3.0]
            parts = [
                frame
                for start, end in itertools.pairwise(borders)
                for frame in reader.frames(start, end, rate)
            ]
        assert [frame.index for frame in parts] == [frame.index for frame in whole]
        for part, frame in zip(parts, whole, strict=True):
            assert part.time_s == frame.time_s
            assert np.array_equal(part.pixels, frame.pixels)


def test_frames_can_be_left_before_their_end_and_asked_for_again() -> None:
    with ClipReader(SETTINGS, video(frames=48)) as reader:
        assert next(reader.frames()).index == 0
        first = reader.frames()
        assert next(first).index == 0
        assert [frame.index for frame in reader.frames()] == list(range(48))
        with pytest.raises(InvalidOption):
            next(reader.frames(rate=0))
    with pytest.raises(ValueError, match="closed"):
        next(reader.frames())


def test_sound_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(video(sound="aac"))
    info, frames, _ = read(path)
    assert info.has_sound and info.audio_codec == "aac" and len(frames) == 12
    assert is_clip(path) and is_clip(path.read_bytes()[:400])


def test_a_still_picture_is_no_clip(tmp_path: Path) -> None:
    still = tmp_path / "still"
    for format in ("GIF", "WEBP", "PNG", "AVIF"):
        still.write_bytes(animation(format, frames=1))
        assert not is_clip(still)
        assert clip_kind(animation(format)) is not None
    still.write_bytes(b"")
    assert not is_clip(still) and not is_clip(b"")
    assert not is_clip(b"#EXTM3U\nhttp://example.com/a.mp4\n")


@pytest.mark.parametrize("maker", ["google", "google-2018", "samsung"])
def test_the_video_of_a_motion_photo_is_found(maker: str) -> None:
    jpeg = io.BytesIO()
    Image.fromarray(picture(0)).save(jpeg, "JPEG")
    mp4 = video(frames=3)
    data = motion_photo(jpeg.getvalue(), mp4, maker)
    place = motion_video(data)
    assert place is not None and data[place] == mp4
    assert len(read(data[place])[1]) == 3
    assert motion_video(jpeg.getvalue()) is None
    assert motion_video(data[:-200]) is None or maker == "samsung"


def test_a_motion_photo_is_drawn_as_a_still_unless_its_film_is_asked_for() -> None:
    jpeg = io.BytesIO()
    Image.fromarray(picture(0)).save(jpeg, "JPEG")
    mp4 = video(frames=3)
    data = motion_photo(jpeg.getvalue(), mp4, "google")
    assert moving_part(data, Options()) is None
    part = moving_part(data, Options(motion="on"))
    assert part is not None and data[part] == mp4
    assert moving_part(jpeg.getvalue(), Options(motion="on")) is None
    for clip in (mp4, animation("GIF")):
        assert moving_part(clip, Options()) == slice(0, len(clip))


def test_the_video_of_a_heic_motion_photo_is_found() -> None:
    import pillow_heif

    file = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(picture(0))).save(file)
    mp4 = video(frames=3)
    heic = file.getvalue()
    data = heic + (len(mp4) + 8).to_bytes(4, "big") + b"mpvd" + mp4
    place = motion_video(data)
    assert place is not None and data[place] == mp4
    assert motion_video(heic) is None
