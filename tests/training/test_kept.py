"""What a person chose of a style by looking outlives its training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch's CPU wheel is not installed")

from training.export.manifest import OutputDirs, WeightInfo, install, new_spec


def test_a_style_that_is_made_anew_keeps_what_was_chosen_for_it(tmp_path: Path) -> None:
    dirs = OutputDirs(tmp_path / "weights", tmp_path / "checkpoints")

    def made(**given: object) -> dict[str, object]:
        title = given.pop("title", "Mine")
        info = WeightInfo("mine", str(title), "MIT")
        spec = new_spec(info, "style", "student", "none", working_px=384, **given)
        files = {"picture": ("mine.onnx", b"a graph")}
        install(dirs, spec, files, inherit=not given)
        weights = json.loads((dirs.weights / "manifest.json").read_text())["weights"]
        return next(each for each in weights if each["name"] == "mine")

    assert "scene_px" not in made()
    chosen = {"scene_px": 700, "face_px": 210, "faces_default": "off", "description": "Ink"}
    assert made(**chosen).items() >= chosen.items()
    again = made(title="Mine, anew")
    assert again.items() >= chosen.items() and again["title"] == "Mine, anew"
    assert made(scene_px=800)["scene_px"] == 800
