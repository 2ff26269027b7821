"""Segments of a long clip: where it is cut, and that they join to what the undivided clip is."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import frame_count, streams, video

from pipeline import InvalidRequest, Options, Segment, TruncatedImage
from pipeline.clips.join import join_segments, join_sidecars
from pipeline.clips.split import segments_of

TIMES = [number / 12 for number in range(120)]  # ten seconds


def spans(segments: tuple[Segment, ...]) -> list[tuple[float, float]]:
    return [(round(each.start_s, 3), round(each.end_s, 3)) for each in segments]


def test_segments_follow_each_other_and_none_is_too_long() -> None:
    segments = segments_of(TIMES, 10.0, [], 3.0)
    assert segments[0].start_s == 0 and segments[-1].end_s == 10
    for before, after in pairwise(segments):
        assert before.end_s == after.start_s
    assert all(each.end_s - each.start_s <= 3 + 1e-9 for each in segments)
    assert {each.start_s for each in segments} <= set(TIMES)


def test_a_segment_ends_with_a_shot_that_ends_in_its_second_half() -> None:
    assert spans(segments_of(TIMES, 10.0, [2.25, 6.0], 4.0)) == [(0, 2.25), (2.25, 6), (6, 10)]
    early = spans(segments_of(TIMES, 10.0, [1.0], 4.0))  # too early to be worth a run
    assert early[0] == (0, 4)


def test_a_short_clip_is_one_segment_and_a_last_frame_alone_is_none() -> None:
    assert spans(segments_of(TIMES, 10.0, [5.0], 10.0)) == [(0, 10)]
    assert spans(segments_of(TIMES[:13], 13 / 12, [], 1.0)) == [(0, 1.083)]


def test_files_are_joined_without_a_gap_and_with_the_sound(tmp_path: Path) -> None:
    parts = []
    for number, start_s in enumerate((0.0, 1.0)):
        path = tmp_path / f"{number}.mp4"
        path.write_bytes(video(1.0, cut=bool(number)))
        parts.append((path, start_s))
    source, joined = tmp_path / "source.mp4", tmp_path / "joined.mp4"
    source.write_bytes(video(2.0))
    assert join_segments(parts, joined, "mp4", source) == ("copied", ())
    data = joined.read_bytes()
    assert frame_count(data) == 24
    (codec, picture_s), (_, sound_s) = (streams(data)[kind] for kind in ("video", "audio"))
    assert codec == "h264"
    assert picture_s == pytest.approx(2.0, abs=1e-3)
    assert sound_s == pytest.approx(2.0, abs=0.03)
    assert data.find(b"moov") < data.find(b"mdat")
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []


def test_what_cannot_be_joined_is_refused_by_name(tmp_path: Path) -> None:
    one, other = tmp_path / "1.mp4", tmp_path / "2.mp4"
    one.write_bytes(video(0.5))
    other.write_bytes(video(0.5, size=(96, 64)))
    with pytest.raises(TruncatedImage, match="alike"):
        join_segments([(one, 0.0), (other, 0.5)], tmp_path / "joined.mp4", "mp4", None)
    with pytest.raises(InvalidRequest):
        join_segments([], tmp_path / "joined.mp4", "mp4", None)
    assert not (tmp_path / "joined.mp4").exists()


def test_the_sidecar_of_a_joined_clip_adds_up() -> None:
    def sidecar(faces: int, frames: int, after: float) -> dict[str, Any]:
        return {
            "output": {"bytes": 1, "format": "mp4"},
            "timings_ms": {"stylise": 100.0, "total": 200.0},
            "warnings": ["seen twice"],
            "clip": {
                "drawn_frames": frames,
                "shots": [{"faces": faces}],
                "steadiness": {"source": 1.0, "before": 2.0, "after": after},
            },
        }

    joined = join_sidecars([sidecar(0, 10, 1.0), sidecar(2, 30, 2.0)], 99, ["no sound"])
    assert joined["output"] == {"bytes": 99, "format": "mp4"}
    assert joined["timings_ms"] == {"stylise": 200.0, "total": 400.0}
    assert joined["warnings"] == ["seen twice", "no sound"]
    clip = joined["clip"]
    assert (clip["drawn_frames"], clip["shots"]) == (40, [{"faces": 2}])
    assert clip["steadiness"] == {"source": 1.0, "before": 2.0, "after": 1.75}
    assert clip["frame_ms"] == {"stylise": 5.0}


@pytest.mark.heavy
def test_segments_are_drawn_as_the_undivided_clip_is(
    pipeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the encoder is given, frame by frame: behind a cut the same pixels, and where a segment
    begins within a shot nearly so, for the steadying has a long memory.
    """
    from pipeline.clips.writer import ClipWriter

    written: list[tuple[float, np.ndarray]] = []

    class Recorder(ClipWriter):
        def write(self, pixels: Any, time_s: float, duration_s: float, alpha: Any = None) -> None:
            written.append((time_s, pixels.copy()))
            super().write(pixels, time_s, duration_s, alpha)

    monkeypatch.setattr("pipeline.clips.run.ClipWriter", Recorder)
    source = tmp_path / "clip.mp4"
    source.write_bytes(video(8.0, rate=24, size=(320, 192)))  # a cut at 4.8 s
    options = Options(faces="off", enhance="off")
    pipeline.run_clip(source, tmp_path / "whole.mp4", options)
    whole = written.copy()
    parts = []
    for segment in pipeline.split_clip(source, options, 4.0):
        written.clear()
        pipeline.run_clip(source, tmp_path / "part.mp4", options, segment=segment)
        parts += [(segment.start_s + time_s, pixels) for time_s, pixels in written]
    assert len(whole) == len(parts) == 96
    for (time_s, pixels), (part_s, part) in zip(whole, parts, strict=True):
        assert part_s == pytest.approx(time_s, abs=1e-6)
        if 4.0 <= time_s < 4.8:
            assert np.abs(pixels.astype(int) - part).mean() < 1
        else:
            assert np.array_equal(pixels, part)
