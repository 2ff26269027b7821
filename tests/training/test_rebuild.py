"""The plans by which the weights are made again are those of the weights that are shipped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch's CPU wheel is not installed")

from training.engine.recipe import changed
from training.export.manifest import CHECKPOINTS
from training.rebuild import MODULES
from training.recipes import PLANS

ROOT = Path(__file__).parents[2]
ENTRIES = {
    entry["name"]: entry
    for entry in json.loads((ROOT / "layers/weights/manifest.json").read_text())["weights"]
}


def test_every_shipped_network_has_a_plan_and_a_task() -> None:
    assert set(ENTRIES) <= set(PLANS)
    assert {"cel", "upsampler"} <= set(ENTRIES)
    assert set(PLANS) <= set(MODULES)


@pytest.mark.parametrize("name", sorted(PLANS))
def test_the_manifest_tells_of_the_plans_stages(name: str) -> None:
    """Of all settings: those that a plan does not name have the defaults of today's recipe."""
    if name not in ENTRIES:
        pytest.skip(f"the weights have no {name} yet")
    kind, recipe = MODULES[name].Recipe, ENTRIES[name]["recipe"]
    stages = PLANS[name].stages
    planned = [changed(kind(), stage.settings.split()) for stage in stages]
    assert [kind(**entry["recipe"]) for entry in recipe["history"]] == planned
    pairs = zip(stages, planned, strict=True)
    ends = [min(settings.steps, stage.until or settings.steps) for stage, settings in pairs]
    assert [entry["from_step"] for entry in recipe["history"]] == [0, *ends[:-1]]
    assert recipe["steps_done"] == ends[-1]
    start = PLANS[name].start
    assert start is None or (CHECKPOINTS / start).exists()
