"""Bad clips: each ends as frames or as an error with a name; nothing that one names is opened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from bad_clips import bad_clips
from bad_clips_run import LIMITS
from clips_made import picture, video

from pipeline.clips.domain import WriterSettings
from pipeline.clips.reader import ClipReader
from pipeline.clips.sniff import is_clip, motion_video
from pipeline.clips.writer import ClipWriter
from pipeline.errors import (
    ClipTooLong,
    DecoderLost,
    NotAnImage,
    ObjectNotFound,
    OutOfTime,
    PermanentError,
    TooCostly,
    TooManyBytes,
    TooManyFrames,
    TooManyPixels,
)
from pipeline.settings import Settings

ROOT = Path(__file__).parents[3]
# What these end as; the others may end either way.
ENDS: dict[str, set[str]] = {
    "sound-only.mp4": {"no_picture"},
    "sound-only.webm": {"no_picture"},
    "subtitles-only.mp4": {"no_picture"},
    "subtitles-only.mkv": {"no_picture", "truncated_image"},
    "subtitles.srt": {"not_an_image"},
    "subtitles.vtt": {"not_an_image"},
    "frames-0.mp4": {"no_picture", "truncated_image"},
    "frames-0.webm": {"no_picture", "truncated_image"},
    "frames-1.mp4": {"1"},
    "frames-1.webm": {"1"},
    "rate-10000.mp4": {"40"},
    "duration-hour.mp4": {"12"},  # as many as there are
    "duration-zero.mp4": {"12"},
    "times-hours-apart.mp4": {"clip_too_long"},
    "times-jump.webm": {"clip_too_long"},
    "side-16384.mp4": {"too_many_pixels"},
    "side-16384-stated.mp4": {"24"},  # its frames are small
    "long-16384.mp4": {"extreme_aspect"},
    "size-changes.webm": {"6"},
    "size-explodes.webm": {"3"},
    "slanted.mp4": {"24"},
    "encrypted.mp4": {"unsupported_variant"},
    "encrypted-without-key.mp4": {"unsupported_variant"},
    "playlist.m3u8": {"not_an_image"},
    "master.m3u8": {"not_an_image"},
    "list.pls": {"not_an_image"},
    "script.ffconcat": {"not_an_image"},
    "session.sdp": {"not_an_image"},
    "manifest.mpd": {"not_an_image"},
    "reference.mov": {"no_picture", "truncated_image"},
    "frames-20000.gif": {"too_many_frames"},
    "canvas-16384.webp": {"too_many_pixels"},
    "canvas-40000.png": {"too_many_pixels"},
    "times-4-billion.avif": {"too_many_frames"},
    "empty.mp4": {"empty_input"},
    "cut-index-missing.mp4": {"truncated_image"},
}


class Trap:
    """A server that counts who calls it."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        calls = self.calls

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                calls.append(self.path)
                self.send_error(404)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def trap() -> Iterator[Trap]:
    server = Trap()
    yield server
    server.close()


@pytest.fixture(scope="module")
def corpus(trap: Trap) -> dict[str, bytes]:
    return dict(bad_clips(trap.port))


def ending(source: bytes | Path) -> str:
    """The error's code, or how many frames there were."""
    try:
        with ClipReader(LIMITS, source, 256) as reader:
            return str(sum(1 for _ in reader.frames()))
    except PermanentError as error:
        assert error.message and not error.message.endswith("None")
        return error.code


@pytest.fixture(scope="module")
def runs(trap: Trap) -> dict[str, tuple[str, float, int]]:
    """How each ended, seconds of processor, MB of memory."""
    run = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "support" / "bad_clips_run.py"), str(trap.port)],
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'support'}", "PATH": "/usr/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    return {name: (end, seconds, megabytes) for name, end, seconds, megabytes in lines}


@pytest.fixture(scope="module")
def ends(runs: dict[str, tuple[str, float, int]]) -> dict[str, str]:
    return {name: run[0] for name, run in runs.items()}


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("cut-index-missing.mp4", "truncated_image"),
        ("frames-20000.gif", "too_many_frames"),
        ("script.ffconcat", "not_an_image"),
        ("tracks-3000.mp4", "too_costly"),
        ("names-url.mp4", "24"),
    ],
)
def test_the_sandbox_gives_the_same_ends(
    corpus: dict[str, bytes], trap: Trap, name: str, end: str
) -> None:
    assert ending(corpus[name]) == end
    assert trap.calls == []


def test_no_bad_clip_takes_much(runs: dict[str, tuple[str, float, int]]) -> None:
    for name, (_, seconds, megabytes) in runs.items():
        assert seconds < 3 and megabytes < 200, name


def test_each_of_sixty_bad_clips_ends_as_frames_or_an_error_with_a_name(
    ends: dict[str, str],
) -> None:
    assert len(ends) >= 60
    wrong = {name: ends[name] for name, allowed in ENDS.items() if ends[name] not in allowed}
    assert wrong == {}
    assert {"decoder_lost", "out_of_time"}.isdisjoint(ends.values())


def test_no_file_and_no_address_that_a_clip_names_is_opened(
    ends: dict[str, str], trap: Trap
) -> None:
    """The clip's own frames are drawn where it has any: its data lies in the file itself."""
    assert {ends[f"names-{kind}.mp4"] for kind in ("url", "file", "urn", "alias")} <= {
        "24", "truncated_image", "no_picture", "unsupported_variant"
    }  # fmt: skip
    assert trap.calls == []


def test_the_decoding_process_holds_nothing_open_and_can_open_nothing(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(video())
    with ClipReader(LIMITS, path) as reader:
        assert reader._child is not None
        process = Path(f"/proc/{reader._child.process.pid}")
        held = {str(entry.readlink()) for entry in (process / "fd").iterdir()}
        limits = (process / "limits").read_text()
        environment = (process / "environ").read_bytes()
    others = {name for name in held if not name.startswith(("socket:", "/dev/null"))}
    assert {Path(name).name for name in others} <= {"clip.mp4", "statm"}
    line = next(line for line in limits.splitlines() if line.startswith("Max open files"))
    assert line.split()[3:5] == ["0", "0"]
    assert b"PATH=" not in environment.replace(b"PYTHONPATH=", b"")


def test_bad_clips_are_told_apart_without_opening_them(corpus: dict[str, bytes]) -> None:
    for name, data in corpus.items():
        before = time.process_time()
        is_clip(data)
        motion_video(b"\xff\xd8\xff" + data)
        motion_video(data)
        assert time.process_time() - before < 2, name
    assert not is_clip(corpus["playlist.m3u8"]) and not is_clip(corpus["script.ffconcat"])


def test_limits_are_named() -> None:
    clip = video(frames=24)
    for setting, error in (
        ({"max_clip_seconds": 0.4}, ClipTooLong),
        ({"max_clip_frames": 23}, TooManyFrames),
        ({"max_clip_pixels": 96 * 63}, TooManyPixels),
        ({"max_clip_bytes": 100}, TooManyBytes),
    ):
        with pytest.raises(error) as caught:
            ClipReader(Settings(**setting), clip)
        assert caught.value.limit == next(iter(setting.values()))
        assert caught.value.stage == "decode"


def test_a_telephone_that_stops_at_the_limit_a_little_late_is_let_pass() -> None:
    clip = video(frames=24)
    with ClipReader(Settings(), clip) as reader:
        length_s = reader.info.duration_s
    with ClipReader(Settings(max_clip_seconds=length_s - 0.4), clip) as reader:
        assert reader.info.duration_s == length_s


def test_a_clip_that_takes_too_much_of_the_processor_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With a child that is granted nothing for its frames, an honest clip is one."""
    program = tmp_path / "stingy.py"
    program.write_text(
        "import runpy\nfrom pipeline.clips import limits\n"
        "limits.PIXELS_EACH_CPU_S = limits.HDR_PIXELS_EACH_CPU_S = 10**12\n"
        "runpy.run_module('pipeline.clips.decoding', run_name='__main__')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("pipeline.clips.reader.MODULE", "stingy")
    clip = video(frames=48, size=(1280, 720), options={"preset": "ultrafast"})
    with ClipReader(Settings(decode_cpu_s=0.1), clip) as reader:
        often = (len(list(reader.frames())) for _ in range(20))
        with pytest.raises(TooCostly, match="processor"):
            list(often)


def test_too_little_time_is_named_and_a_killed_process_is_not_the_clips_fault() -> None:
    with pytest.raises(OutOfTime):
        ClipReader(LIMITS, video(), timeout_s=0.001)
    with ClipReader(LIMITS, video(frames=48, size=(640, 360))) as reader:
        frames = reader.frames()
        next(frames)
        assert reader._child is None
        with ClipReader(LIMITS, video()) as other:
            assert other._child is not None
            other._child.process.kill()
            other._child.process.wait()
            with pytest.raises(DecoderLost):
                next(other.frames())


def test_the_time_for_a_start_does_not_limit_what_follows(tmp_path: Path) -> None:
    for timeout_s in (None, 60.0):
        with ClipReader(LIMITS, video(), timeout_s=timeout_s) as reader:
            assert reader._child is not None
            assert reader._child.socket.gettimeout() == timeout_s
    with ClipWriter(tmp_path / "out.mp4", "mp4", (96, 64), WriterSettings()) as writer:
        assert writer._child is not None and writer._child.socket.gettimeout() is None
        writer.write(picture(0), 0.0, 1 / 12)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(ObjectNotFound):
        ClipReader(LIMITS, tmp_path / "none.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path / "pipe.mp4", tmp_path, Path("/dev/zero")):
        with pytest.raises(NotAnImage):
            ClipReader(LIMITS, path)


def test_the_sound_of_bad_clips_does_no_harm(
    corpus: dict[str, bytes], trap: Trap, tmp_path: Path
) -> None:
    names = ["cut-80.mp4", "names-url.mp4", "encrypted.mp4", "scrambled-1.mp4", "sound-only.webm"]
    for name in names:
        path = tmp_path / "out.mp4"
        try:
            with ClipWriter(path, "mp4", (96, 64), WriterSettings(), corpus[name]) as writer:
                for number in range(5):
                    writer.write(picture(number), number / 12, 1 / 12)
        except (PermanentError, TooCostly) as error:
            assert error.message
        else:
            with ClipReader(LIMITS, path) as reader:
                assert reader.info.frame_count == 5
    assert trap.calls == []
