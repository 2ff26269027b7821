"""The command line as a user types it, in a process of its own."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
CHELSEA = ROOT / "samples" / "chelsea.jpg"


def kirei(
    *arguments: str | Path, stdin: bytes = b"", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        check=False,
        cwd=ROOT,
        env=os.environ | environment,
    )


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "cat.jpg"
    path.parent.mkdir()
    with Image.open(CHELSEA) as photo:
        photo.resize((150, 100)).save(path)
    return path


def test_a_file_gives_a_picture_its_json_and_a_sheet(small: Path, tmp_path: Path) -> None:
    run = kirei("stylise", small, "-o", tmp_path / "out", "--sheet")
    assert run.returncode == 0, run.stderr.decode()
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"cat.hayao.jpg", "cat.hayao.json", "cat.hayao.sheet.jpg"}
    assert [Path(line).name for line in run.stdout.decode().split()] == [
        "cat.hayao.jpg",
        "cat.hayao.json",
        "cat.hayao.sheet.jpg",
    ]
    told = json.loads((tmp_path / "out" / "cat.hayao.json").read_text())
    assert told["source"]["key"] == str(small)
    assert told["output"]["key"] == str(tmp_path / "out" / "cat.hayao.jpg")
    with Image.open(tmp_path / "out" / "cat.hayao.sheet.jpg") as sheet:
        assert sheet.size == (2 * 300 + 8, 200)  # a small photo comes out doubled


def test_every_option_of_a_request_is_a_flag(small: Path, tmp_path: Path) -> None:
    from dataclasses import asdict

    from pipeline import Options

    flags = {f"--{name.replace('_', '-')}": str(v) for name, v in asdict(Options()).items()}
    flags |= {"--strength": "0.5", "--format": "webp", "--max-side-px": "90"}
    arguments = [part for flag in flags.items() for part in flag]
    run = kirei("stylise", small, "-o", tmp_path / "one.webp", *arguments, "--json")
    assert run.returncode == 0, run.stderr.decode()
    told = json.loads(run.stdout)
    assert (told["strength"], told["output"]["format"]) == (0.5, "webp")
    with Image.open(tmp_path / "one.webp") as picture:
        assert (picture.format, picture.size) == ("WEBP", (90, 60))


def test_a_folder_of_a_camera_and_a_mac(small: Path, tmp_path: Path) -> None:
    import pillow_heif

    folder = small.parent
    with Image.open(small) as photo:
        pillow_heif.from_pillow(photo).save(folder / "photo.heic")
    (folder / "photo.heic").rename(folder / "DSC0001.HIF")
    (folder / "._cat.jpg").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X")
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (folder / "cat.MOV").write_bytes(b"\0\0\0\x14ftypqt  ")
    run = kirei("stylise", folder, "-o", tmp_path / "out", "--style", "Hayao", "--format", "jpg")
    assert run.returncode == 0, run.stderr.decode()
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        f"{name}.hayao.{ext}" for name in ("DSC0001", "cat") for ext in ("jpg", "json")
    }
    assert b"2 drawn, 0 failed" in run.stderr


def test_a_bad_file_among_many_does_not_lose_the_others(small: Path, tmp_path: Path) -> None:
    (small.parent / "bad.jpg").write_bytes(b"no picture")
    (small.parent / "empty.png").write_bytes(b"")
    (small.parent / "readme.txt").write_text("not looked at in a folder")
    (small.parent / "deeper").mkdir()
    shutil.copy(small, small.parent / "deeper" / "other.jpg")
    out = tmp_path / "out"
    run = kirei("stylise", small.parent, tmp_path / "absent.jpg", "-o", out, "--json")
    assert run.returncode == 1
    assert {str(p.relative_to(out)) for p in out.rglob("*.jpg")} == {
        "cat.hayao.jpg",
        "deeper/other.hayao.jpg",
    }
    errors = run.stderr.decode().splitlines()
    assert len(errors) == 4 and errors[-1] == "kirei: 2 drawn, 3 failed"
    assert [line.split(": ")[2] for line in errors[:3]] == [
        "not_an_image",
        "empty_input",
        "object_not_found",
    ]
    lines = [json.loads(line) for line in run.stdout.decode().splitlines()]
    assert [line["error"]["code"] for line in lines if "error" in line] == [
        "not_an_image",
        "empty_input",
        "object_not_found",
    ]


def test_two_photos_of_one_name_both_come_back(small: Path, tmp_path: Path) -> None:
    with Image.open(small) as photo:
        photo.save(small.with_suffix(".png"))
    run = kirei("stylise", small.parent, "-o", tmp_path / "out")
    assert run.returncode == 0, run.stderr.decode()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "cat.hayao.jpg",
        "cat.hayao.json",
        "cat.png.hayao.jpg",
        "cat.png.hayao.json",
    }


def test_results_inside_the_folder_are_not_drawn_again(small: Path) -> None:
    for _ in range(2):
        run = kirei("stylise", small.parent, "-o", small.parent / "out")
        assert run.returncode == 0, run.stderr.decode()
    assert len(list((small.parent / "out").iterdir())) == 2


def test_standard_input_goes_to_standard_output(small: Path) -> None:
    run = kirei("stylise", "-", "--format", "png", stdin=small.read_bytes())
    assert run.returncode == 0, run.stderr.decode()
    with Image.open(io.BytesIO(run.stdout)) as picture:
        assert (picture.format, picture.size) == ("PNG", (300, 200))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--strength", "2"], "invalid_option: strength is 2.0; it lies between 0 and 1"),
        (["--style", "rembrandt"], "unknown_style: no style 'rembrandt'; there is"),
        (["--colour", "red"], "No such option"),
        (["-o", "-", "--json"], "nothing else"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_code_2(
    arguments: list[str], said: str, small: Path
) -> None:
    run = kirei("stylise", small, *arguments)
    assert run.returncode == 2
    assert said in run.stderr.decode() and "Traceback" not in run.stderr.decode()


def test_an_unfit_environment_is_said() -> None:
    run = kirei("styles", KIREI_THREADS="many")
    assert run.returncode == 2 and "threads" in run.stderr.decode()


def test_styles_and_weights_can_be_listed_and_verified(tmp_path: Path) -> None:
    run = kirei("styles")
    assert run.returncode == 0 and "hayao" in run.stdout.decode()
    run = kirei("weights", "verify")
    listed = json.loads((ROOT / "layers" / "weights" / "manifest.json").read_text())["weights"]
    served = [role for entry in listed for role in entry["files"] if role != "float"]
    assert run.returncode == 0 and run.stdout.decode().count("  ok") == len(served)
    run = kirei("weights", "verify", KIREI_WEIGHTS_DIR=str(tmp_path))
    assert run.returncode == 1
    assert run.stderr.decode().startswith("kirei: weights_invalid: ")


def test_a_photo_that_would_take_too_long_is_drawn_smaller(tmp_path: Path) -> None:
    large = tmp_path / "large.jpg"
    with Image.open(CHELSEA) as photo:
        photo.resize((4000, 3000)).save(large)
    flags = ("--max-side-px", "4000", "--upscale", "off", "--denoise", "off", "--faces", "off")
    run = kirei("stylise", large, "-o", tmp_path / "out", "--max-seconds", "10", *flags)
    assert run.returncode == 0, run.stderr.decode()
    told = json.loads((tmp_path / "out" / "large.hayao.json").read_text())
    (budget,) = [decision for decision in told["decisions"] if decision["step"] == "budget"]
    assert budget["ran"] and budget["threshold"] <= 10
    assert told["output"]["width_px"] < 4000
    assert any("are left" in warning for warning in told["warnings"])
    assert b"for want of time, it is drawn at" in run.stderr


def test_a_photo_for_which_there_is_no_time_is_refused_by_name(tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    Image.new("RGB", (7000, 7000)).save(large, compress_level=1)
    run = kirei("stylise", large, "-o", tmp_path / "out", "--max-seconds", "1")
    assert run.returncode == 1
    assert b"out_of_time" in run.stderr
    assert kirei("stylise", large, "--max-seconds", "0").returncode == 2


def test_a_photo_whose_picture_would_have_too_long_a_name_fails_alone(tmp_path: Path) -> None:
    for name in ("l" * 250, "short"):
        Image.new("RGB", (64, 48), "tan").save(tmp_path / f"{name}.png")
    run = kirei("stylise", tmp_path, "-o", tmp_path / "out")
    assert run.returncode == 1
    assert "File name too long" in " ".join(run.stderr.decode().split())
    assert b"Traceback" not in run.stderr
    assert (tmp_path / "out" / "short.hayao.jpg").exists()
