"""Whose terms a picture carries: told with it, and before it is made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from shipped import shipped, shipped_styles

from pipeline import Options, Pipeline, Settings, Sidecar
from pipeline.cli import main

ROOT = Path(__file__).parents[2]
PORTRAIT = (ROOT / "samples" / "astronaut.jpg").read_bytes()
PIPELINE = Pipeline(Settings())
LICENCES = {
    entry["name"]: entry["licence"]
    for kind in ("style", "upsampler", "quality", "restorer", "detector", "parser")
    for entry in shipped(kind)
}
FACE_NETS = {"detector", "parser"}
BY_DEFAULT_OFF = [
    entry["name"] for entry in shipped("style") if entry.get("faces_default") == "off"
]


def drawn(**given: Any) -> Sidecar:
    return PIPELINE.run(PORTRAIT, Options(**given)).sidecar


@pytest.mark.parametrize("style", shipped_styles())
def test_a_picture_tells_the_terms_of_every_network_that_had_a_part(style: str) -> None:
    sidecar = drawn(style=style)
    told = {terms.weights: terms.licence for terms in sidecar.terms}
    assert len(told) == len(sidecar.terms)
    assert told == {name: LICENCES[name] for name in told}
    files = {use.name.split(".")[0] for use in sidecar.weights}
    assert files == set(told)
    assert style in told and "quality" in told


def test_the_terms_depend_on_what_was_done() -> None:
    assert {terms.weights for terms in drawn(faces="on").terms} >= FACE_NETS
    assert not {terms.weights for terms in drawn(faces="off").terms} & FACE_NETS
    assert "restorer" in {terms.weights for terms in drawn(denoise="on").terms}
    plain = drawn(faces="off", enhance="off", gate="laplacian", detail=1)
    assert [terms.weights for terms in plain.terms] == [plain.style]


def test_a_style_for_business_leaves_faces_alone_unless_asked() -> None:
    """Its pictures are free of the face nets' terms; so are those that `kirei styles` tells."""
    assert "cel" in BY_DEFAULT_OFF
    for style in BY_DEFAULT_OFF:
        sidecar = drawn(style=style)
        assert all(terms.licence.startswith("Apache-2.0") for terms in sidecar.terms)
        assert all(terms.licence.startswith("Apache-2.0") for terms in PIPELINE.terms(style))
        decision = next(each for each in sidecar.decisions if each.step == "faces")
        assert (decision.ran, decision.why) == (
            False,
            "the style leaves faces as they are drawn, unless faces=on",
        )
        assert sidecar.faces == () and sidecar.drawing.chosen_by == "scene"
        asked = drawn(style=style, faces="on")
        assert len(asked.faces) == 1 and asked.faces[0].refined
        assert {terms.weights for terms in asked.terms} >= FACE_NETS


@pytest.mark.parametrize("style", shipped_styles())
def test_no_picture_carries_more_than_was_told_before(style: str) -> None:
    before = set(PIPELINE.terms(style))
    assert set(drawn(style=style).terms) <= before
    assert {terms.weights for terms in before} >= {style, "upsampler", "quality", "restorer"}


def test_the_command_line_lists_titles_and_terms() -> None:
    listed = " ".join(CliRunner().invoke(main, ["styles"], env={"COLUMNS": "400"}).output.split())
    for entry in shipped("style"):
        assert entry["title"] in listed and entry["description"] in listed
    whole = json.loads(CliRunner().invoke(main, ["styles", "--json"]).output)
    assert {style["name"] for style in whole} == {entry["name"] for entry in shipped("style")}
    for style in whole:
        row = listed[listed.index(f"│ {style['name']} │") :].split("├")[0]
        terms = PIPELINE.terms(style["name"])
        assert style["terms"] == [{"weights": t.weights, "licence": t.licence} for t in terms]
        for each in terms:  # in the table, each network under the first words of its licence
            assert each.weights in row and each.licence.split(":")[0].split(" (")[0] in row


def test_a_layer_without_face_nets_has_none_of_their_terms(tmp_path: Path) -> None:
    folder = shutil.copytree(Settings().weights_dir, tmp_path / "weights")
    document = json.loads((folder / "manifest.json").read_text())
    document["weights"] = [entry for entry in document["weights"] if entry["kind"] not in FACE_NETS]
    (folder / "manifest.json").write_text(json.dumps(document))
    pipeline = Pipeline(Settings(weights_dir=folder))
    assert not {terms.weights for terms in pipeline.terms(Options().style)} & FACE_NETS


@pytest.mark.parametrize("entry", shipped("style"), ids=lambda entry: entry["name"])
def test_every_shipped_style_says_for_people_what_it_is(entry: dict[str, Any]) -> None:
    assert entry["title"] and entry["licence"]
    assert len(str(entry.get("description", ""))) > 10
    card = (ROOT / "layers" / "weights" / "MODEL_CARD.md").read_text()
    assert f"## {entry['name']}" in card
