"""The command line loses nothing: names that collide, files that are there, disks, Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import pytest
from interrupts import interruptible
from PIL import Image

from pipeline import Options

ROOT = Path(__file__).parents[2]
CHELSEA = ROOT / "samples" / "chelsea.jpg"
FAST = ("--enhance", "off", "--faces", "off", "--max-side-px", "64")


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "pipeline", *map(str, arguments)]


def kirei(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def drawn(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*.*") if path.suffix != ".json"}


def photo(path: Path, number: int) -> Path:
    """A photo of its own: each number is another file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(CHELSEA) as sample:
        picture = sample.convert("RGB").resize((90, 60))
    picture.putpixel((0, 0), (20 * number, 0, 0))
    picture.save(path)
    return path


def test_three_photos_of_one_name_all_come_back(tmp_path: Path) -> None:
    photos = [photo(tmp_path / name / "IMG_1.jpg", i) for i, name in enumerate("abc")]
    run = kirei("stylise", *photos, "-o", "out", *FAST, folder=tmp_path)
    assert run.returncode == 0, run.stderr
    names = {"IMG_1.hayao.jpg", "IMG_1.hayao.2.jpg", "IMG_1.hayao.3.jpg"}
    assert drawn(tmp_path / "out") == names
    keys = [
        json.loads(path.read_text())["source"]["key"] for path in (tmp_path / "out").glob("*.json")
    ]
    assert sorted(keys) == [str(path) for path in photos]


def test_a_photo_is_never_written_over(tmp_path: Path) -> None:
    source = photo(tmp_path / "cat.jpg", 1)
    before = source.read_bytes()
    for name in ("cat.jpg", "./cat.jpg", str(source)):
        run = kirei("stylise", "cat.jpg", "-o", name, "--existing", "replace", folder=tmp_path)
        assert run.returncode == 2 and "is the photo itself" in run.stderr
    # as another photo's picture, too
    other = photo(tmp_path / "cat.hayao.jpg", 2)
    kept = other.read_bytes()
    run = kirei(
        *("stylise", "cat.jpg", other, "-o", ".", "--existing", "replace", *FAST), folder=tmp_path
    )
    assert run.returncode == 0, run.stderr
    assert source.read_bytes() == before and other.read_bytes() == kept
    assert drawn(tmp_path) == {"cat.jpg", "cat.hayao.jpg", "cat.hayao.2.jpg", "cat.hayao.hayao.jpg"}


def test_the_same_command_draws_only_what_is_missing(tmp_path: Path) -> None:
    photo(tmp_path / "in" / "a.jpg", 1)
    arguments = ("stylise", "in", "-o", "out", *FAST)
    assert kirei(*arguments, folder=tmp_path).returncode == 0
    first = (tmp_path / "out" / "a.hayao.jpg").stat().st_mtime_ns
    photo(tmp_path / "in" / "b.jpg", 2)
    run = kirei(*arguments, folder=tmp_path)
    assert run.returncode == 0 and "1 drawn, 1 already there, 0 failed" in run.stderr
    assert (tmp_path / "out" / "a.hayao.jpg").stat().st_mtime_ns == first
    assert drawn(tmp_path / "out") == {"a.hayao.jpg", "b.hayao.jpg"}
    # however the photo is named
    run = kirei("stylise", tmp_path / "in" / "a.jpg", "-o", "out", *FAST, folder=tmp_path)
    assert "drawn already: out/a.hayao.jpg" in run.stderr
    # other options, or another photo, are another picture
    run = kirei(*arguments, "--strength", "0.5", folder=tmp_path)
    assert "2 drawn, 0 failed" in run.stderr
    assert len(drawn(tmp_path / "out")) == 4


def test_what_becomes_of_another_photos_picture_is_said_by_a_flag(tmp_path: Path) -> None:
    for i, name in enumerate("ab"):
        photo(tmp_path / name / "x.jpg", i)
    assert kirei("stylise", "a", "-o", "out", *FAST, folder=tmp_path).returncode == 0
    picture = tmp_path / "out" / "x.hayao.jpg"
    first = picture.read_bytes()
    run = kirei("stylise", "b", "-o", "out", "--existing", "skip", *FAST, folder=tmp_path)
    assert run.returncode == 0 and "is there, and stays" in run.stderr
    assert drawn(tmp_path / "out") == {"x.hayao.jpg"} and picture.read_bytes() == first
    run = kirei("stylise", "b", "-o", "out", *FAST, folder=tmp_path)
    assert drawn(tmp_path / "out") == {"x.hayao.jpg", "x.hayao.2.jpg"}
    run = kirei("stylise", "b", "-o", "out", "--existing", "replace", *FAST, folder=tmp_path)
    assert run.returncode == 0
    assert json.loads(picture.with_suffix(".json").read_text())["source"]["key"] == "b/x.jpg"


def test_a_json_that_is_no_sidecar_stays(tmp_path: Path) -> None:
    photo(tmp_path / "cat.png", 1)
    (tmp_path / "package.json").write_text('{"name": "mine"}')
    for existing in ("number", "replace"):
        run = kirei(
            *("stylise", "cat.png", "-o", "package.png", "--existing", existing, *FAST),
            folder=tmp_path,
        )
        assert run.returncode == 0, run.stderr
    assert (tmp_path / "package.json").read_text() == '{"name": "mine"}'
    assert (tmp_path / "package.2.png").exists()


@pytest.mark.parametrize(("suffix", "format"), [("png", "PNG"), ("webp", "WEBP"), ("JPG", "JPEG")])
def test_the_suffix_of_a_picture_is_its_format(suffix: str, format: str, tmp_path: Path) -> None:
    photo(tmp_path / "cat.jpg", 1)
    run = kirei("stylise", "cat.jpg", "-o", f"x.{suffix}", *FAST, folder=tmp_path)
    assert run.returncode == 0, run.stderr
    with Image.open(tmp_path / f"x.{suffix}") as picture:
        assert picture.format == format


@pytest.mark.parametrize(
    ("name", "flags", "said"),
    [
        ("x.tif", (), "pictures are .jpg, .png or .webp"),
        ("x.png", ("--format", "webp"), "-o x.png is png, and --format is webp"),
    ],
)
def test_a_suffix_that_cannot_be_is_refused(
    name: str, flags: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    photo(tmp_path / "cat.jpg", 1)
    run = kirei("stylise", "cat.jpg", "-o", name, *flags, folder=tmp_path)
    assert run.returncode == 2 and said in run.stderr
    assert not (tmp_path / name).exists()


def test_drawings_in_a_searched_folder_are_not_drawn_however_it_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "holiday"
    photo(folder / "a.jpg", 1)
    for arguments in (
        (folder, "-o", "holiday/out", "--sheet"),
        ("holiday", "-o", folder / "out", "--sheet"),
        ("../" + tmp_path.name + "/holiday", "-o", "elsewhere"),
        ("holiday", "-o", "holiday"),
        ("holiday", "-o", "holiday"),
    ):
        run = kirei("stylise", *arguments, *FAST, folder=tmp_path)
        assert run.returncode == 0, run.stderr
    assert drawn(tmp_path) == {
        *("holiday/a.jpg", "holiday/out/a.hayao.jpg", "holiday/out/a.hayao.sheet.jpg"),
        *("elsewhere/a.hayao.jpg", "holiday/a.hayao.jpg"),
    }


def test_a_folder_that_cannot_be_written_is_a_line_and_the_others_go_on(tmp_path: Path) -> None:
    photo(tmp_path / "in" / "a.jpg", 1)
    photo(tmp_path / "in" / "sub" / "b.jpg", 2)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub").write_text("a file in the way")
    run = kirei("stylise", "in", "-o", "out", *FAST, folder=tmp_path)
    assert run.returncode == 1 and "Traceback" not in run.stderr
    assert "in/sub/b.jpg: store_unavailable: out/sub cannot be made" in run.stderr
    assert "1 drawn, 1 failed" in run.stderr
    run = kirei("stylise", "in/a.jpg", "-o", "/dev/full/x", *FAST, folder=tmp_path)
    assert run.returncode == 1 and "Traceback" not in run.stderr


def test_a_full_disk_is_a_line_and_leaves_no_half_of_a_picture(tmp_path: Path) -> None:
    photo(tmp_path / "cat.jpg", 1)
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500)); "
        "from pipeline.cli import main; main()"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, "stylise", "cat.jpg", *FAST],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert run.returncode == 1 and "Traceback" not in run.stderr
    assert "store_unavailable" in run.stderr and "cannot be written: File too large" in run.stderr
    assert not list((tmp_path / "out").iterdir())
    with Path("/dev/full").open("wb") as full:
        to_full = subprocess.run(
            command("stylise", CHELSEA, "-o", "-", *FAST),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=ROOT,
        )
    assert to_full.returncode == 1 and to_full.stderr.count("\n") == 1
    assert "standard output cannot be written: No space left" in to_full.stderr


def test_ctrl_c_ends_with_130_and_the_same_command_goes_on(tmp_path: Path) -> None:
    for i in range(12):
        photo(tmp_path / "in" / f"{i:02}.jpg", i)
    arguments = ("stylise", "in", "-o", "out", *FAST, "-j", "2")
    process = subprocess.Popen(
        command(*arguments),
        preexec_fn=interruptible,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    deadline_s = time.monotonic() + 60
    while len(list((tmp_path / "out").glob("*.json"))) < 2 and time.monotonic() < deadline_s:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    done = len(list((tmp_path / "out").glob("*.json")))
    assert 2 <= done < 12 and "the same command goes on" in errors
    assert "Traceback" not in errors and "Aborted" not in errors
    assert not list((tmp_path / "out").glob(".*"))
    run = kirei(*arguments, folder=tmp_path)
    assert run.returncode == 0 and "already there, 0 failed" in run.stderr
    assert len(drawn(tmp_path / "out")) == 12


def test_ctrl_c_before_the_work_ends_with_130_too(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("stylise", "-", *FAST),
        preexec_fn=interruptible,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    time.sleep(2)  # it waits for a photo
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, b"kirei: stopped\n")


def test_a_fault_of_the_program_costs_one_photo(tmp_path: Path) -> None:
    for number in range(3):
        photo(tmp_path / "in" / f"{number}.jpg", number)
    code = """
from pipeline import Pipeline
from pipeline.cli import main
run = Pipeline.run
def faulty(self, data, options, origin, **more):
    if origin.key.endswith("1.jpg"):
        raise ZeroDivisionError("a fault")
    return run(self, data, options, origin, **more)
Pipeline.run = faulty
main()
"""
    run = subprocess.run(
        [sys.executable, "-c", code, "stylise", "in", *FAST],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert run.returncode == 1 and "2 drawn, 1 failed" in run.stderr
    assert "in/1.jpg: error: a fault of this program" in run.stderr


def test_the_help_has_every_option_once_and_in_sections(tmp_path: Path) -> None:
    for name in ("stylise", "watch"):
        text = kirei(name, "--help", folder=tmp_path).stdout
        for option in fields(Options):
            assert len(re.findall(rf"^  --{option.name.replace('_', '-')} ", text, re.M)) == 1
        for title in ("Options", "Look", "Repair of bad photos", "Faces", "Picture"):
            assert f"\n{title}:\n" in text
        assert not re.search(r"^  [A-Z]", text.partition("\nOptions:\n")[2], re.M)  # no argument


def test_a_dry_run_prints_the_names_and_writes_nothing(tmp_path: Path) -> None:
    photo(tmp_path / "a" / "x.jpg", 1)
    photo(tmp_path / "a" / "x.png", 2)
    photo(tmp_path / "b" / "x.jpg", 3)
    run = kirei("stylise", "a", "b", "absent.jpg", "--dry-run", folder=tmp_path)
    assert run.returncode == 1
    assert run.stdout.splitlines() == [
        "a/x.jpg -> out/x.hayao.jpg",
        "a/x.png -> out/x.png.hayao.{jpg,png}",
        "b/x.jpg -> out/x.hayao.2.jpg",
        "absent.jpg -> object_not_found: cannot be read: No such file or directory",
    ]
    assert not (tmp_path / "out").exists()


def test_a_single_photo_gets_a_line_with_its_time(tmp_path: Path) -> None:
    photo(tmp_path / "cat.jpg", 1)
    run = kirei("stylise", "cat.jpg", *FAST, folder=tmp_path)
    assert run.stderr.startswith("kirei: cat.jpg: drawn in ") and run.stderr.endswith(" s\n")


def test_all_looks_of_a_photo_come_on_one_sheet(tmp_path: Path) -> None:
    photo(tmp_path / "cat.jpg", 1)
    for name in ("out/cat.looks.jpg", "out/cat.looks.2.jpg"):
        run = kirei("looks", "cat.jpg", "--side", "64", folder=tmp_path)
        assert run.returncode == 0 and run.stdout.strip() == name
    with Image.open(tmp_path / "out" / "cat.looks.jpg") as sheet:
        assert sheet.width > 3 * 64 and sheet.height > 2 * 43
    shutil.copy(tmp_path / "cat.jpg", tmp_path / "out" / "dog.jpg")
    run = kirei("stylise", "out", "-o", "drawn", *FAST, folder=tmp_path)
    assert drawn(tmp_path / "drawn") == {"dog.hayao.jpg"}  # a sheet is no photo


def test_styles_can_be_read_by_programs(tmp_path: Path) -> None:
    run = kirei("styles", "--json", folder=tmp_path)
    listed = {style["name"]: style for style in json.loads(run.stdout)}
    assert {"hayao", "cel"} <= set(listed)
    for style in listed.values():
        assert style["title"] and style["description"]
        assert all(term["weights"] and term["licence"] for term in style["terms"])


def test_a_shell_completes_commands_options_and_styles(tmp_path: Path) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "_KIREI_COMPLETE" in kirei("completion", shell, folder=tmp_path).stdout
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "_KIREI_COMPLETE": "bash_complete",
        "COMP_WORDS": "kirei stylise --style ha",
        "COMP_CWORD": "3",
    }
    code = "from pipeline.cli import main; main(prog_name='kirei')"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert run.stdout.split() == ["plain,hayao"]


def test_photos_that_come_into_a_watched_folder_are_drawn(tmp_path: Path) -> None:
    photo(tmp_path / "in" / "first.jpg", 1)
    process = subprocess.Popen(
        command("watch", "in", "-o", "in/out", *FAST),
        preexec_fn=interruptible,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "in/out/first.hayao.jpg"
    assert process.stdout.readline().strip() == "in/out/first.hayao.json"
    content = photo(tmp_path / "other.jpg", 2).read_bytes()
    with (tmp_path / "in" / "slow.jpg").open("wb") as file:  # as a camera's card is copied
        file.write(content[:200])
        file.flush()
        time.sleep(0.5)
        file.write(content[200:])
    (tmp_path / "in" / "new").mkdir()
    shutil.move(tmp_path / "other.jpg", tmp_path / "in" / "moved.jpg")
    names = {process.stdout.readline().strip() for _ in range(4)}
    assert names == {
        f"in/out/{name}.hayao.{ending}" for name in ("slow", "moved") for ending in ("jpg", "json")
    }
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0 and "3 drawn, 0 failed" in errors
