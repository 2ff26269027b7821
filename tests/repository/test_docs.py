"""What the README and the model card state is what the code and the manifest hold."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import pytest

from adapters.errors import STATUSES
from pipeline import Options, Settings
from pipeline.stages import STAGES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
CARD = (ROOT / "layers" / "weights" / "MODEL_CARD.md").read_text()
MANIFEST = json.loads((ROOT / "layers" / "weights" / "manifest.json").read_text())


@pytest.mark.parametrize("option", fields(Options), ids=lambda item: item.name)
def test_every_option_stands_in_the_readme_with_its_default(option: Field[Any]) -> None:
    rows = [line for line in README.splitlines() if f"`{option.name}`" in line and "|" in line]
    assert len(rows) == 1, option.name
    default = f"{option.default:g}" if isinstance(option.default, float) else option.default
    assert rows[0].split("|")[3].strip() == str(default)
    bounds = option.metadata.get("range")
    if bounds:
        values = (*option.metadata.get("words", ()), f"{bounds[0]}..{bounds[1]}")
        assert rows[0].split("|")[2].strip() == ", ".join(values)


def test_every_setting_stands_in_the_readme() -> None:
    for item in fields(Settings):
        assert f"`KIREI_{item.name.upper()}`" in README


def test_every_error_code_stands_in_the_readme_with_its_status() -> None:
    section = README[README.index("| code | HTTP |") :]
    for code, status in STATUSES.items():
        row = next(line for line in section.splitlines() if f"`{code}`" in line)
        assert row.split("|")[2].strip() == str(status)


def test_every_file_that_the_documents_name_is_there() -> None:
    for text, folder in ((README, ROOT), (CARD, ROOT / "layers" / "weights")):
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
            assert (folder / target).exists(), target
        for name in re.findall(r"`((?:pipeline|training|layers|samples|events)/[\w./]+)`", text):
            assert (ROOT / name).exists(), name


def test_the_card_states_the_figures_of_the_manifest() -> None:
    for entry in MANIFEST["weights"]:
        card = CARD[CARD.index(f"## {entry['name']}") :]
        for name, value in entry["figures"].items():
            assert f"| {name} | {value:.2f} |" in card, name
        seen = next(name for name in ("windows", "photographs", "faces") if name in entry["recipe"])
        assert f"{entry['recipe'][seen]} {seen}" in card
        assert f"{entry['recipe']['steps_done']:,} steps" in card
        for file in entry["files"].values():
            assert file["file"] in card


PLACE = re.compile(r"^\| .* \| `([\w/.]+\.py)`: (`\w+`(?:, `\w+`)*) \|$", re.MULTILINE)
PLACES = PLACE.findall((ROOT / "ARCHITECTURE.md").read_text())


@pytest.mark.parametrize(("path", "names"), PLACES)
def test_a_behaviour_is_decided_where_the_architecture_says(path: str, names: str) -> None:
    tree = ast.parse((ROOT / path).read_text())
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            defined |= {ast.unparse(target) for target in targets}
    for name in re.findall(r"\w+", names):
        assert name in defined, f"{path}: {name}"


def test_the_architecture_names_many_behaviours_and_every_file_it_names_is_there() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    assert len(PLACES) >= 12
    rows = text[text.index("| behaviour | where |") : text.index("## Glossary")]
    assert len(PLACES) == rows.count("\n| ")  # every row is read above
    for name in re.findall(
        r"`((?:pipeline|adapters|operations|training|tests|layers)/[\w./]+)`", text
    ):
        assert (ROOT / name).exists(), name
    for target in re.findall(r"\]\((?!http|#)([^)#]+)\)", text):
        assert (ROOT / target).exists(), target


def test_the_architecture_lists_the_stages_in_their_order() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rows = text[text.index("| stage | module |") :].split("\n\n")[0].splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == [stage.name for stage in STAGES]


def test_the_glossary_has_twenty_five_words_in_order() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rows = text[text.index("| word | meaning |") :].splitlines()[2:]
    words = [row.split("|")[1].strip() for row in rows if row.startswith("|")]
    assert words == sorted(words) and len(words) == 25
