"""Clips on the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from clips import animation, frame_count, video

from pipeline.companions import live_photo_of
from pipeline.photos import find_photos

pytest.importorskip("av", reason="no PyAV: pip install -e '.[clips]'")

ROOT = Path(__file__).parents[2]
FEW = ("--fps", "4", "--faces", "off", "--enhance", "off")


def kirei(
    *words: str, folder: Path, data: bytes | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        input=data,
        capture_output=True,
        check=False,
    )


def test_a_folder_with_clips_is_drawn_and_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "walk.mp4").write_bytes(video(0.5))
    (tmp_path / "in" / "wave.gif").write_bytes(animation(2))
    first = kirei("stylise", "in", "--json", *FEW, folder=tmp_path)
    assert first.returncode == 0, first.stderr
    sidecars = [json.loads(line) for line in first.stdout.splitlines()]
    assert {sidecar["output"]["key"] for sidecar in sidecars} == {
        "out/walk.hayao.mp4",
        "out/wave.hayao.webp",
    }
    assert frame_count((tmp_path / "out" / "walk.hayao.mp4").read_bytes()) == 2
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.endswith(".part")]
    again = kirei("stylise", "in", *FEW, folder=tmp_path)
    assert b"0 drawn, 2 already there" in again.stderr


def test_a_clip_goes_from_standard_input_to_standard_output(tmp_path: Path) -> None:
    ran = kirei("stylise", "-", *FEW, folder=tmp_path, data=video(0.5))
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout[4:8] == b"ftyp"


def test_the_films_of_live_photos_are_left_alone_in_folders(tmp_path: Path) -> None:
    for name in ("IMG_1.HEIC", "IMG_1.MOV", "IMG_2.mov", "notes.txt", "a[1].jpg", "a[1].mp4"):
        (tmp_path / name).touch()

    def found(**how: bool) -> set[str]:
        return {photo.relative.name for photo in find_photos([str(tmp_path)], None, **how)}

    assert found() == {"IMG_1.HEIC", "IMG_2.mov", "a[1].jpg"}
    assert found(with_motion=True) == found() | {"IMG_1.MOV", "a[1].mp4"}
    named = [*find_photos([str(tmp_path / "IMG_1.MOV")], None)]
    assert [photo.relative.name for photo in named] == ["IMG_1.MOV"]


def test_a_film_belongs_to_a_photo_of_its_own_name_alone() -> None:
    assert live_photo_of("a/IMG_1.MOV", ["a/IMG_1.JPG"]) == "a/IMG_1.JPG"
    assert live_photo_of("a/IMG_1.mp4", ["a/IMG_10.jpg", "a/IMG_1.mp4", "a/IMG_1.png"]) is None
    assert live_photo_of("a/IMG_1.webm", ["a/IMG_1.jpg"]) is None
