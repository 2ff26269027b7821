"""The catalogue of mutants is in step with the code; `make mutants` runs them."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest

from tests.mutants.catalogue import ROOT, Mutant, catalogue
from tests.mutants.run import NOTICED, SURVIVED, copy_tree, try_mutant

MUTANTS = catalogue()
PACKAGES = ("adapters", "operations", "pipeline", "supply", "training", "handler.py", "layers")


def test_there_are_at_least_fifty_of_different_names() -> None:
    names = [mutant.name for mutant in MUTANTS]
    assert len(set(names)) == len(names) >= 50


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_has_some(package: str) -> None:
    assert any(mutant.file.split("/")[0] == package for mutant in MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_an_anchor_stands_where_the_catalogue_says(mutant: Mutant) -> None:
    """After a change of that line: put the new text into tests/mutants."""
    text = (ROOT / mutant.file).read_text()
    assert text.count(mutant.old) == 1, mutant.file
    assert mutant.old != mutant.new
    if mutant.file.endswith(".py"):
        ast.parse(text.replace(mutant.old, mutant.new))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_tests_of_a_mutant_exist(mutant: Mutant) -> None:
    assert mutant.tests
    for selection in mutant.tests:
        words = shlex.split(selection)
        paths = [ROOT / word.partition("::")[0] for word in words if word.startswith("tests/")]
        assert paths and all(path.exists() for path in paths), selection
        names = [word.split("::")[1] for word in words if "::" in word]
        if "-k" in words:
            names += re.findall(r"\w+", words[words.index("-k") + 1])
        text = "".join(path.read_text() for path in paths if path.is_file())
        for name in set(names) - {"and", "or", "not"}:
            assert name.partition("[")[0] in text, selection


def test_a_mutant_is_noticed_by_a_test_that_fails_and_survives_one_that_passes(
    tmp_path: Path,
) -> None:
    (tmp_path / "code.py").write_text("LIMIT = 5\n")
    (tmp_path / "test_seeing.py").write_text(
        "from code_under_test import LIMIT\ndef test_it():\n    assert LIMIT == 5\n"
    )
    (tmp_path / "code.py").rename(tmp_path / "code_under_test.py")
    (tmp_path / "test_blind.py").write_text("def test_it():\n    assert True\n")
    mutant = Mutant("the limit is ten", "code_under_test.py", "= 5", "= 10", ("test_seeing.py",))
    assert try_mutant(tmp_path, mutant).state == NOTICED
    blind = Mutant("the limit is ten", "code_under_test.py", "= 5", "= 10", ("test_blind.py",))
    outcome = try_mutant(tmp_path, blind)
    assert outcome.state == SURVIVED and outcome.is_fault
    gone = Mutant("gone", "code_under_test.py", "= 6", "= 10", ("test_blind.py",))
    outcome = try_mutant(tmp_path, gone)
    assert outcome.is_fault and "0 times" in outcome.why
    assert (tmp_path / "code_under_test.py").read_text() == "LIMIT = 5\n"


def test_the_copy_holds_the_tree_and_nothing_ignored(tmp_path: Path) -> None:
    copy_tree(ROOT, tmp_path / "copy")
    assert (tmp_path / "copy" / "handler.py").read_text() == (ROOT / "handler.py").read_text()
    assert not (tmp_path / "copy" / ".venv").exists()
    assert not (tmp_path / "copy" / ".git").exists()
