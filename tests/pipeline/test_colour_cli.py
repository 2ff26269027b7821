"""``kirei colour``: names, files beside the drawing, what stays, what is refused."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image, ImageDraw

from pipeline.cli import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the commands run, with a drawing of two boxes."""
    monkeypatch.chdir(tmp_path)
    picture = Image.new("L", (240, 160), 255)
    pen = ImageDraw.Draw(picture)
    for left in (20, 130):
        pen.rectangle((left, 30, left + 90, 130), outline=0, width=3)
        pen.ellipse((left + 30, 60, left + 60, 90), outline=0, width=3)
    picture.save("boxes.png")
    return tmp_path


def colour(*arguments: str, **more: Any) -> Result:
    return CliRunner().invoke(main, ["colour", *arguments], **more)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "out").iterdir())


def test_a_drawing_gets_its_picture_and_its_json_and_once(folder: Path) -> None:
    hints = ["--hint", "25%,50%,#d94f70", "--hint", "180,80,#3f8fc4,4"]
    ran = colour("boxes.png", *hints, "--palette", "meadow")
    assert ran.exit_code == 0, ran.output
    assert names(folder) == ["boxes.colour.json", "boxes.colour.png"]
    sidecar = json.loads((folder / "out" / "boxes.colour.json").read_text())
    assert [hint["colour"] for hint in sidecar["hints"]] == ["#d94f70", "#3f8fc4"]
    assert sidecar["output"]["key"] == "out/boxes.colour.png"
    again = colour("boxes.png", *hints, "--palette", "meadow")
    assert "drawn already" in again.output and len(names(folder)) == 2
    other = colour("boxes.png", "--seed", "2")
    assert other.exit_code == 0 and "boxes.colour.2.png" in names(folder)


def test_a_files_suffix_asks_for_layers_or_a_format(folder: Path) -> None:
    for suffix, start in (("ora", b"PK"), ("tif", b"II"), ("jpg", b"\xff\xd8")):
        ran = colour("boxes.png", "-o", f"{suffix}.{suffix}")
        assert ran.exit_code == 0, ran.output
        assert (folder / f"{suffix}.{suffix}").read_bytes().startswith(start)
    for arguments, said in (
        (["-o", "own.ora", "--layers", "tiff"], "--layers is tiff"),
        (["-o", "own.png", "--layers", "ora"], "has no layers"),
        (["-o", "boxes.png"], "is the drawing itself"),
        (["-o", "own.gif"], "pictures are .png"),
        (["--sheet", "--layers", "ora"], "no before/after sheet"),
    ):
        ran = colour("boxes.png", *arguments)
        assert (ran.exit_code, said in ran.output) == (2, True), ran.output


def test_the_files_beside_a_drawing_count_in_what_is_the_same(folder: Path) -> None:
    layer = Image.new("RGBA", (240, 160))
    ImageDraw.Draw(layer).line((40, 115, 90, 115), fill=(217, 79, 112, 255), width=8)
    layer.save("layer.png")
    shutil.copyfile(Path(__file__).parents[2] / "samples" / "coffee.jpg", "coffee.jpg")
    beside = ["--hint-layer", "layer.png", "--reference", "coffee.jpg"]
    assert colour("boxes.png", *beside).exit_code == 0
    sidecar = json.loads((folder / "out" / "boxes.colour.json").read_text())
    assert len(sidecar["hints"]) == 1 and sidecar["hints"][0]["kept"]
    assert "drawn already" in colour("boxes.png", *beside).output
    layer.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save("layer.png")
    assert "drawn already" not in colour("boxes.png", *beside).output
    missing = colour("boxes.png", "--reference", "gone.png")
    assert missing.exit_code == 2 and "gone.png" in missing.output


def test_a_bad_drawing_among_good_ones_is_told_and_the_others_are_coloured(folder: Path) -> None:
    Image.new("L", (300, 200), 255).save("blank.png")
    (folder / "letter.png").write_bytes(b"a letter")
    ran = colour("boxes.png", "blank.png", "letter.png", "--json")
    assert ran.exit_code == 1
    for code in ("not_a_line_drawing", "not_an_image"):
        assert code in ran.output
    assert "boxes.colour.png" in names(folder)


def test_a_dry_run_names_the_pictures_and_draws_none(folder: Path) -> None:
    ran = colour("boxes.png", "--dry-run", "--layers", "ora")
    assert ran.output.strip() == "boxes.png -> out/boxes.colour.ora"
    assert not (folder / "out").exists()


def test_a_drawing_goes_from_standard_input_to_standard_output(folder: Path) -> None:
    ran = colour("-", input=(folder / "boxes.png").read_bytes())
    assert ran.exit_code == 0
    with Image.open(io.BytesIO(ran.stdout_bytes)) as picture:
        assert (picture.format, picture.size) == ("PNG", (240, 160))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--hint", "1,2"], "hints has '1,2'"),
        (["--palette", "neon"], "palette is 'neon'"),
        (["--seed", "nan"], "seed is 'nan'"),
        (["--proposals", "0"], "proposals is 0"),
        (["--max-side-px", "9" * 400], "max_side_px is"),
    ],
)
def test_what_is_no_option_ends_the_command_by_name(
    folder: Path, arguments: list[str], said: str
) -> None:
    ran = colour("boxes.png", *arguments)
    assert ran.exit_code == 2
    assert f"invalid_option: {said}" in " ".join(ran.output.split())


def test_a_folder_of_weights_without_a_colouriser_is_told_before_any_drawing_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = Path(__file__).parents[2] / "layers" / "weights"
    bare = folder / "weights"
    bare.mkdir()
    manifest = json.loads((weights / "manifest.json").read_text())
    manifest["weights"] = [each for each in manifest["weights"] if each["kind"] != "colouriser"]
    (bare / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setenv("KIREI_WEIGHTS_DIR", str(bare))
    ran = colour("gone.png")
    assert ran.exit_code == 2 and "no colouriser" in ran.output
