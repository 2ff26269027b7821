"""The plans by which the weights are made again are those of the weights that are shipped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch's CPU wheel is not installed")

from training.engine.recipe import changed
from training.export.layer import CHECKPOINTS
from training.rebuild import (
    DETECTOR,
    MAKERS,
    PARSER,
    PLANS,
    QUALITY,
    RESTORER,
    TAUGHT,
    UPSAMPLER,
    Stage,
)
from training.tasks import detector, parser, quality, upsampler
from training.tasks import restorer as restore
from training.tasks import student as distil

ROOT = Path(__file__).parents[2]
ENTRIES = {
    entry["name"]: entry
    for entry in json.loads((ROOT / "layers/weights/manifest.json").read_text())["weights"]
}


def test_every_file_of_the_layer_has_a_plan() -> None:
    assert {*PLANS, "upsampler"} <= set(ENTRIES) <= {*PLANS, *MAKERS, *TAUGHT}


@pytest.mark.parametrize("name", PLANS)
def test_the_manifest_tells_of_the_plans_stages(name: str) -> None:
    """Of all settings: those that a plan does not name have the defaults of today's recipe."""
    history, stages = ENTRIES[name]["recipe"]["history"], PLANS[name].stages
    planned = [changed(distil.Recipe(), stage.settings.split()) for stage in stages]
    assert [distil.Recipe(**entry["recipe"]) for entry in history] == planned
    assert [entry["from_step"] for entry in history] == [0, *(s.until for s in stages[:-1])]
    assert ENTRIES[name]["recipe"]["steps_done"] == planned[-1].steps
    start = PLANS[name].start
    assert start is None or (CHECKPOINTS / start).exists()


def test_the_manifest_tells_of_the_upsamplers_settings() -> None:
    told = ENTRIES["upsampler"]["recipe"]["history"]
    planned = [changed(upsampler.Recipe(), stage.settings.split()) for stage in UPSAMPLER]
    assert [upsampler.Recipe(**entry["recipe"]) for entry in told] == planned
    ends = [s.until or recipe.steps for s, recipe in zip(UPSAMPLER, planned, strict=True)]
    assert [entry["from_step"] for entry in told] == [0, *ends[:-1]]


@pytest.mark.parametrize(
    ("name", "plan", "kind"),
    [
        ("restorer", RESTORER, restore.Recipe),
        ("quality", QUALITY, quality.Recipe),
        ("detector", DETECTOR, detector.Recipe),
        ("parser", PARSER, parser.Recipe),
    ],
)
def test_the_manifest_tells_of_the_settings_of_the_other_nets(
    name: str, plan: tuple[Stage, ...], kind: type
) -> None:
    if name not in ENTRIES:
        pytest.skip(f"the layer has no {name} yet")
    told = ENTRIES[name]["recipe"]["history"]
    planned = [changed(kind(), stage.settings.split()) for stage in plan]
    assert [kind(**entry["recipe"]) for entry in told] == planned
    ends = [stage.until or recipe.steps for stage, recipe in zip(plan, planned, strict=True)]
    assert [entry["from_step"] for entry in told] == [0, *ends[:-1]]
