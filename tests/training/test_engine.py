"""The loop that all trainings share, with a task of one number."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
from rich.console import Console
from skimage import data

torch = pytest.importorskip("torch", reason="torch's CPU wheel is not installed")

from pipeline.domain import RgbImage  # noqa: E402
from training.data.student import Flaws, StudentPairs, degraded  # noqa: E402
from training.engine.ema import averaged  # noqa: E402
from training.engine.errors import LossNotFinite, ResumeMismatch  # noqa: E402
from training.engine.loop import train  # noqa: E402
from training.engine.task import Task, Turn, to_device  # noqa: E402
from training.losses.adversarial import (  # noqa: E402
    PatchDiscriminator,
    discriminator_loss,
    generator_losses,
)


@dataclass(frozen=True)
class Recipe:
    """Of a training of one number."""

    steps: int = 7
    learning_rate: float = 0.1
    warmup_steps: int = 2
    decay_from: int = 4
    average_decay: float = 0.9
    seed: int = 3


class Number(Task):
    """Learns a number from noisy ones; its second loss is there in every other step."""

    architecture = "number"
    precision = "float32"
    log_every = 4
    validate_every = 4
    recipe: Recipe

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.net = torch.nn.Linear(1, 1, bias=False)
        self.average_decay = recipe.average_decay
        self.optimiser = torch.optim.Adam(self.net.parameters(), recipe.learning_rate)
        self.about = {"shape": {}}

    def batch(self, step: int) -> tuple[Any, Any]:
        random = np.random.default_rng((self.recipe.seed, step))
        return torch.ones(1, 1), torch.tensor([[2 + random.normal()]], dtype=torch.float32)

    def turns(self, batch: tuple[Any, Any], step: int) -> Iterator[Turn]:
        picture, target = batch
        losses = {"square": (self.net(picture) - target).square().mean()}
        if step % 2:
            losses["step"] = torch.tensor(float(step), requires_grad=True)
        yield Turn(self.optimiser, losses, self.clip_norm)

    def validate(self, net: Any) -> dict[str, float]:
        return {"weight": float(net.weight)}

    def sheet(self, net: Any) -> RgbImage:
        return np.full((4, 6, 3), (250, 10, 10), np.uint8)


def run(folder: Path, recipe: Recipe, until: int | None = None) -> str:
    told = io.StringIO()
    train(Number(recipe), folder, until, Console(file=told, width=200))
    return told.getvalue()


def saved(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(folder / "last.pt", weights_only=True)
    return content


def test_a_run_in_three_parts_ends_where_one_run_would_have(tmp_path: Path) -> None:
    run(tmp_path / "whole", Recipe())
    for until in (2, 5, None):
        run(tmp_path / "parts", Recipe(), until)
    whole, parts = saved(tmp_path / "whole"), saved(tmp_path / "parts")
    assert whole["step"] == parts["step"] == 7 and whole["architecture"] == "number"
    for part in ("net", "average"):
        assert torch.equal(whole[part]["weight"], parts[part]["weight"])
    assert parts["history"] == whole["history"]
    rows = [json.loads(row) for row in (tmp_path / "whole/log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [4, 7]
    assert rows[-1]["weight"] == float(whole["average"]["weight"])
    sheet: Any = cv2.imread(str(tmp_path / "whole" / "sheet-000007.png"))
    assert sheet[0, 0].tolist() == [10, 10, 250]


def test_it_stops_at_the_recipes_last_step_whatever_is_asked(tmp_path: Path) -> None:
    run(tmp_path, Recipe(steps=3), until=9)
    assert saved(tmp_path)["step"] == 3


def test_the_mean_of_a_loss_is_over_the_steps_that_had_it(tmp_path: Path) -> None:
    """Steps 0 to 3, then 4 to 6; the second loss in 1 and 3, then in 5 alone."""
    told = [line for line in run(tmp_path, Recipe()).splitlines() if "square" in line]
    means = [float(line.split("step ")[2].split(";")[0]) for line in told]
    assert len(told) == 2 and means == [2.0, 5.0]


def test_changed_settings_hold_from_the_step_at_which_a_run_goes_on(tmp_path: Path) -> None:
    run(tmp_path, Recipe(), until=2)
    run(tmp_path, Recipe(learning_rate=0.2))
    history = saved(tmp_path)["history"]
    assert [entry["from_step"] for entry in history] == [0, 2]
    assert [entry["recipe"]["learning_rate"] for entry in history] == [0.1, 0.2]


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def text(path: Path) -> None:
    path.write_text("no checkpoint")


def foreign(path: Path) -> None:
    torch.save({"architecture": "parser", "step": 1, "history": []}, path)


def of_other_tensors(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    torch.save(content | {"net": {"weight": torch.zeros(2, 2)}}, path)


def without_the_average(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    del content["average"]
    torch.save(content, path)


@pytest.mark.parametrize("damage", [torn, text, foreign, of_other_tensors, without_the_average])
def test_a_checkpoint_that_does_not_fit_is_named_and_stays(tmp_path: Path, damage: object) -> None:
    run(tmp_path, Recipe(), until=2)
    path = tmp_path / "last.pt"
    damage(path)  # type: ignore[operator]
    before = path.read_bytes()
    with pytest.raises(ResumeMismatch, match=r"last\.pt"):
        run(tmp_path, Recipe())
    assert path.read_bytes() == before


def test_a_loss_that_is_not_finite_stops_before_anything_changes(tmp_path: Path) -> None:
    run(tmp_path, Recipe(), until=2)
    before = (tmp_path / "last.pt").read_bytes()
    task = Number(Recipe())
    broken = (torch.ones(1, 1), torch.full((1, 1), torch.nan))
    task.batch = lambda step: broken  # type: ignore[method-assign]
    with pytest.raises(LossNotFinite, match="step 2: the loss is nan"):
        train(task, tmp_path, console=Console(file=io.StringIO()))
    assert (tmp_path / "last.pt").read_bytes() == before


def test_the_average_is_faster_at_first() -> None:
    net = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(net.weight)
    average = averaged(net, 0.6)
    torch.nn.init.ones_(net.weight)
    expected = 0.0
    for step in range(20):
        average.update_parameters(net)
        decay = min(0.6, (step + 1) / (step + 10))
        expected = decay * expected + (1 - decay)
        assert float(average.module.weight) == pytest.approx(expected, abs=1e-6), step


def test_a_step_goes_no_further_than_the_gradient_is_clipped_to(tmp_path: Path) -> None:
    """A loss of enormous slope, descended by plain gradient descent of rate 1."""
    task = Number(Recipe(steps=1))
    torch.nn.init.zeros_(task.net.weight)
    task.optimiser = torch.optim.SGD(task.net.parameters(), 1.0)
    task.clip_norm = 0.5  # type: ignore[misc]
    steep = (torch.full((1, 1), 1e4), torch.full((1, 1), 2e4))
    task.batch = lambda step: steep  # type: ignore[method-assign]
    task.set_rates = lambda step: None  # type: ignore[method-assign]
    train(task, tmp_path, console=Console(file=io.StringIO()))
    assert task.net.weight.item() == pytest.approx(0.5, abs=1e-4)


def test_a_nest_of_tensors_goes_to_a_device_as_it_is() -> None:
    class Pair(NamedTuple):
        one: Any
        others: list[Any]

    moved = to_device(Pair(torch.zeros(1), [torch.ones(2), torch.ones(3)]), "meta")
    assert isinstance(moved, Pair) and isinstance(moved.others, list)
    assert {tensor.device.type for tensor in (moved.one, *moved.others)} == {"meta"}


def test_a_discriminator_serves_any_generator() -> None:
    """Its losses ask the prediction to move, and its own weights only in its own turn."""
    torch.manual_seed(0)
    net = PatchDiscriminator(8)
    condition, target = torch.rand(1, 3, 32, 48), torch.rand(1, 3, 32, 48)
    prediction = torch.rand(1, 3, 32, 48, requires_grad=True)
    asked = generator_losses(net, condition, prediction, target)
    (asked.adversarial + asked.matching).backward()
    assert prediction.grad is not None and prediction.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in net.parameters())
    same = generator_losses(net.eval(), condition, target, target)
    assert same.matching == 0
    prediction.grad = None
    discriminator_loss(net, condition, prediction, target).backward()
    assert prediction.grad is None
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_a_student_can_see_a_bad_photo_and_be_asked_for_the_good_drawing(tmp_path: Path) -> None:
    photo = data.astronaut()[:96, :128]
    cv2.imwrite(str(tmp_path / "00000-a.png"), np.concatenate([photo, photo], 1)[..., ::-1])
    plain = StudentPairs(tmp_path, 64, 64)
    bad = StudentPairs(tmp_path, 64, 64, input_transform=lambda window, random: window // 2)
    good, dark = (pairs.batch(4, Flaws(), (1, 2)) for pairs in (plain, bad))
    assert torch.equal(good.input, good.target) and torch.equal(good.target, dark.target)
    torch.testing.assert_close(dark.input, (good.input + 1) / 2 - 1, atol=0.01, rtol=0)
    assert dark.thumbnail.mean() < good.thumbnail.mean() - 0.2
    random = np.random.default_rng(0)
    assert degraded(0.0)(photo, random) is photo
    changes = [(degraded(1.0)(photo, random) != photo).any() for _ in range(8)]
    assert sum(changes) >= 5  # some kinds leave a photo clean
