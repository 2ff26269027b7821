"""Training AnimeGAN on two small folders: the same run in one or two parts, and what stops it."""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from rich.console import Console
from skimage import data

torch = pytest.importorskip("torch", reason="torch's CPU wheel is not installed")

from training.cli import train  # noqa: E402
from training.engine.checkpoint import load, restore, save  # noqa: E402
from training.engine.errors import CheckpointNotSaved, LossNotFinite, ResumeMismatch  # noqa: E402
from training.engine.loop import train as train_task  # noqa: E402
from training.engine.recipe import changed  # noqa: E402
from training.tasks.animegan import AnimeGANTask, networks  # noqa: E402
from training.tasks.animegan_recipe import Recipe, published  # noqa: E402

ROOT = Path(__file__).parents[2]
TINY = "batch=1 crop_px=32 side_px=40 initialisation_steps=1 log_every=1"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """With more, the order of sums depends on who is faster."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Two photographs and three style pictures, no two of one size."""
    for folder, photo, count in (("photos", data.astronaut(), 2), ("style", data.chelsea(), 3)):
        (tmp_path / folder).mkdir()
        for number in range(count):
            part = photo[: 60 + 20 * number, : 120 - 10 * number]
            flat = cv2.bilateralFilter(part, 9, 60, 5) if folder == "style" else part
            Image.fromarray(flat).save(tmp_path / folder / f"{number}.png")
    return tmp_path


def run(folders: Path, out: str, *settings: str, version: str = "v2") -> Result:
    command = ["animegan", "--photos", str(folders / "photos"), "--style", str(folders / "style")]
    command += ["-o", str(folders / out), "--version", version, "--device", "cpu"]
    for setting in [*TINY.split(), *settings]:
        command += ["--set", setting]
    return CliRunner().invoke(train, command, catch_exceptions=False)


def checkpoint(folders: Path, out: str) -> dict[str, Any]:
    found: dict[str, object] = torch.load(folders / out / "last.pt", weights_only=True)
    return found


def same(one: object, other: object) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    return one == other


@pytest.mark.parametrize(("version", "precision"), [("v1", "bfloat16"), ("v2", "float32")])
def test_four_steps_are_two_and_two_more(folders: Path, version: str, precision: str) -> None:
    settings = f"precision={precision}"
    assert run(folders, "whole", settings, "steps=4", version=version).exit_code == 0
    run(folders, "halves", settings, "steps=2", version=version)
    half = checkpoint(folders, "halves")
    run(folders, "halves", settings, "steps=4", version=version)
    whole, halves = checkpoint(folders, "whole"), checkpoint(folders, "halves")
    assert whole["step"] == halves["step"] == 4 and half["step"] == 2
    assert whole["architecture"] == {"v1": "animegan", "v2": "animeganv2"}[version]
    for part in ("generator", "discriminator", "generator_optimiser", "discriminator_optimiser"):
        assert same(whole[part], halves[part]), part
        assert not same(half[part], halves[part]), part
    assert [entry["from_step"] for entry in halves["history"]] == [0, 2]
    assert any(name.endswith("_u") for name in whole["discriminator"])

    rows = [json.loads(line) for line in (folders / "halves/log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert [row["phase"] for row in rows] == ["initialisation", "drawing", "drawing", "drawing"]
    assert set(rows[0]) == {"step", "phase", "content", "seconds_a_step"}
    sheet: Any = cv2.imread(str(folders / "halves" / "sheet-000004.png"))
    assert sheet.shape == (2 * 32, 2 * 32, 3)
    assert not np.array_equal(sheet[:, :32], sheet[:, 32:])


def test_rows_of_steps_that_were_not_saved_are_dropped_on_resuming(folders: Path) -> None:
    run(folders, "out", "steps=1")
    with (folders / "out" / "log.jsonl").open("a") as log:
        log.write('{"step": 2}\n{"step": 3, "pha')
    run(folders, "out", "steps=2")
    rows = (folders / "out" / "log.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == [1, 2]
    assert "phase" in json.loads(rows[1])


def test_initialisation_brings_the_drawing_to_the_photo(folders: Path) -> None:
    settings = ["steps=80", "initialisation_steps=80", "initialisation_rate=1e-3", "batch=2"]
    assert run(folders, "out", *settings, "seed=3").exit_code == 0
    log = (folders / "out" / "log.jsonl").read_text().splitlines()
    content = [json.loads(row)["content"] for row in log]
    assert np.mean(content[-5:]) < 0.6 * np.mean(content[:3])


def test_a_terminal_gets_a_progress_bar(folders: Path) -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=160)
    recipe = changed(Recipe(), [*TINY.split(), "steps=2"])
    task = AnimeGANTask(recipe, folders / "photos", folders / "style", None)
    train_task(task, folders / "out", console=console)
    for text in ("drawing", "2/2", "adversarial", "last.pt"):
        assert text in shown.getvalue(), text


def test_few_pictures_and_small_ones_are_warned_of_and_trained_on(folders: Path) -> None:
    Image.new("RGB", (20, 25), (90, 120, 200)).save(folders / "style" / "small.png")
    result = run(folders, "out", "steps=1")
    assert result.exit_code == 0
    assert "warning" in result.stderr and "only 4 style pictures" in result.stderr
    assert "1 of 4 style pictures are smaller than the crop of 32 px" in result.stderr
    assert "small.png" in result.stderr
    assert "student cel" in result.stderr


def torn_picture(folders: Path) -> str:
    image = Image.fromarray(data.astronaut())
    path = folders / "style" / "torn.jpg"
    image.save(path)
    path.write_bytes(path.read_bytes()[:20_000])
    return "torn.jpg: not a readable picture"


def text_as_picture(folders: Path) -> str:
    (folders / "photos" / "note.png").write_text("not a picture")
    return "note.png: not a readable picture"


def no_picture(folders: Path) -> str:
    for path in (folders / "style").iterdir():
        path.unlink()
    return "style: no style pictures"


def no_folder(folders: Path) -> str:
    (folders / "photos").rename(folders / "elsewhere")
    return "photos: no photographs"


@pytest.mark.parametrize("damage", [torn_picture, text_as_picture, no_picture, no_folder])
def test_bad_data_stops_before_the_first_step(folders: Path, damage: Callable[[Path], str]) -> None:
    message = damage(folders)
    result = run(folders, "out", "steps=1")
    assert result.exit_code == 1
    assert message in result.stderr and len(result.stderr.splitlines()) == 1
    assert not (folders / "out").exists()


@pytest.mark.parametrize("phase", ["initialisation_steps=9", "initialisation_steps=1"])
def test_a_loss_that_is_not_finite_stops_and_the_last_state_stays(
    folders: Path, phase: str
) -> None:
    run(folders, "out", "steps=2", phase)
    before = (folders / "out" / "last.pt").read_bytes()
    explosive = ["initialisation_rate=1e30", "generator_rate=1e30", "discriminator_rate=1e30"]
    result = run(folders, "out", "steps=8", phase, *explosive)
    assert result.exit_code == 1
    assert "not finite" in result.stderr or "the loss is" in result.stderr
    assert "Traceback" not in result.stderr
    assert (folders / "out" / "last.pt").read_bytes() == before
    assert run(folders, "out", "steps=3", phase).exit_code == 0
    assert checkpoint(folders, "out")["step"] == 3


def test_a_state_that_is_not_finite_is_not_saved(tmp_path: Path) -> None:
    """The loss is of the weights before the step, so it can be finite when they no longer are."""
    path = tmp_path / "last.pt"
    save(path, {"architecture": "animegan", "step": 1, "generator": {"weight": torch.ones(3)}})
    before = path.read_bytes()
    broken = {"weight": torch.tensor([1.0, float("nan"), 1.0])}
    with pytest.raises(LossNotFinite, match=r"step 2: generator\.weight"):
        save(path, {"architecture": "animegan", "step": 2, "generator": broken})
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["last.pt"]


SAVE_IN_LITTLE_SPACE = """
import resource, sys
from pathlib import Path
import torch
from training.engine.checkpoint import save
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
save(Path(sys.argv[1]), {"architecture": "animegan", "step": 2, "generator": torch.rand(100_000)})
"""


def test_a_disk_that_is_full_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    save(path, {"step": 1, "history": [], "generator": torch.rand(100_000)})
    before = path.read_bytes()
    assert len(before) > 50_000  # the limit below is met in the middle of the file
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SAVE_IN_LITTLE_SPACE, str(path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert CheckpointNotSaved.__name__ in done.stderr and "an earlier step is good" in done.stderr
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]
    assert load(path, "animegan")["step"] == 1


def test_a_full_disk_stops_the_training_with_one_line(folders: Path) -> None:
    run(folders, "out", "steps=1")
    before = (folders / "out" / "last.pt").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        result = run(folders, "out", "steps=2")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert result.exit_code == 1 and "step 2 was not saved" in result.stderr.splitlines()[-1]
    assert (folders / "out" / "last.pt").read_bytes() == before
    assert run(folders, "out", "steps=2").exit_code == 0


KILL_WHILE_SAVING = """
import os, signal, sys
from pathlib import Path
import torch
from training.engine.checkpoint import save
os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
save(Path(sys.argv[1]), {"architecture": "animegan", "step": 2, "generator": torch.rand(1000)})
"""


def test_a_kill_while_saving_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    save(path, {"step": 1, "history": [], "generator": torch.rand(1000)})
    command = [sys.executable, "-c", KILL_WHILE_SAVING, str(path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True)
    assert done.returncode == -9 and path.with_suffix(".part").exists()
    assert load(path, "animegan")["step"] == 1
    save(path, {"step": 3, "history": [], "generator": torch.rand(1000)})
    assert load(path, "animegan")["step"] == 3 and not path.with_suffix(".part").exists()


def test_a_checkpoint_of_another_training_is_refused(folders: Path) -> None:
    run(folders, "out", "steps=1")
    result = run(folders, "out", "steps=2", version="v1")
    assert result.exit_code == 1
    assert "holds animeganv2; animegan was asked for" in result.stderr
    path = folders / "out" / "last.pt"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ResumeMismatch, match="not a checkpoint"):
        load(path, "animeganv2")
    save(path, {"architecture": "animeganv2", "step": 1, "history": [], "generator": {}})
    generator, _ = networks(Recipe())
    with pytest.raises(ResumeMismatch, match="does not fit"):
        restore(path, "animeganv2", {"generator": generator})


def test_presets_are_the_published_settings() -> None:
    paprika = published("v2", "paprika")
    weights = (paprika.content_weight, paprika.style_weight, paprika.colour_weight)
    assert weights == (2.0, 0.6, 50.0) and paprika.variation_weight == 0.1
    assert (paprika.generator_rate, paprika.discriminator_rate, paprika.batch) == (2e-5, 4e-5, 12)
    first = published("v1", "shinkai")
    assert (first.content_weight, first.style_weight, first.variation_weight) == (1.1, 3.0, 0.0)
    assert (first.generator_rate, first.discriminator_rate, first.batch) == (8e-5, 1.6e-4, 6)
    assert published("v2", "hayao") == Recipe()


@pytest.mark.parametrize(
    "change",
    "colour=red batch=0 batch=two crop_px=60 crop_px=16 side_px=8 version=v3 steps=0".split(),
)
def test_a_setting_that_cannot_be_is_named(folders: Path, change: str) -> None:
    with pytest.raises(ValueError, match=change.partition("=")[0]):
        changed(Recipe(), [change])
    result = run(folders, "out", change)
    assert result.exit_code == 2 and change.partition("=")[0] in result.stderr
    assert not (folders / "out").exists()


def test_the_first_weights_have_hes_scale() -> None:
    torch.manual_seed(0)
    for version in ("v1", "v2"):
        generator, _ = networks(Recipe(version=version))
        weights = [p for name, p in generator.named_parameters() if p.ndim == 4]
        for weight in weights:
            if weight.numel() > 10_000:
                wanted = (2 / 1.04 / weight[0].numel()) ** 0.5
                assert weight.std().item() == pytest.approx(wanted, rel=0.05)
        out = weights[-1]
        assert out.shape[:2] in ((3, 64), (3, 32))
