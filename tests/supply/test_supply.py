"""The supply chain: what is installed is what was locked, and nothing is unpickled."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pipeline import VERSION
from supply import parameters
from supply.bom import bill
from supply.licences import page
from supply.parts import IMAGE, IMAGE_TORCH, bundled, licence, packages, weights
from supply.release import notes, version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
SERVE, DEVELOPMENT = (ROOT / "requirements" / f"{name}.txt" for name in ("serve", "development"))
OURS = ("adapters", "operations", "pipeline")
UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def requirements(lines: list[str]) -> dict[str, Requirement]:
    return {canonicalize_name(Requirement(line).name): Requirement(line) for line in lines}


def outside(lines: list[str], versions: dict[str, str]) -> list[str]:
    """The requirements that a lock does not meet, or does not have."""
    return [
        str(wanted)
        for name, wanted in requirements(lines).items()
        if name not in versions or not wanted.specifier.contains(versions[name])
    ]


def needed(names: set[str]) -> set[str]:
    """The packages and all that they need on Linux, by the metadata of what is installed."""
    todo, done = sorted(names), set()
    while todo:
        name = todo.pop()
        done.add(name)
        for line in requires(name) or []:
            wanted = Requirement(line)
            inner = canonicalize_name(wanted.name)
            if inner not in done and (not wanted.marker or wanted.marker.evaluate({"extra": ""})):
                todo.append(inner)
    return done


def test_the_image_holds_what_is_required_and_what_that_needs_with_hashes() -> None:
    """`make lock` mends it."""
    lines = [*PROJECT["dependencies"], *EXTRAS["aws"], *EXTRAS["clips"]]
    locked = {package.name: package for package in packages(IMAGE)}
    assert not outside(lines, {name: part.version for name, part in locked.items()})
    assert set(locked) == needed(set(requirements(lines)))
    for package in [*locked.values(), *packages(IMAGE_TORCH)]:
        assert package.hashes, package.name


def test_the_second_engine_is_locked_on_top_of_it() -> None:
    torch = {package.name: package.version for package in packages(IMAGE_TORCH)}
    assert {package.name: package.version for package in packages(IMAGE)}.items() <= torch.items()
    assert torch["torch"].endswith("+cpu") and not outside(EXTRAS["torch"], torch)


def test_what_the_command_line_needs_is_locked_and_installed_by_hash() -> None:
    locked = {package.name: package for package in packages(SERVE)}
    versions = {name: part.version for name, part in locked.items()}
    lines = [*PROJECT["dependencies"], *EXTRAS["clips"]]
    assert not outside(lines, versions)
    assert set(locked) == needed(set(requirements(lines)))
    assert "--require-hashes -r requirements/serve.txt" in (ROOT / "Makefile").read_text()


def test_a_distribution_leaves_room_and_no_line_installs_somebody_elses_kirei() -> None:
    assert PROJECT["name"] == "kirei-anime" and PROJECT["scripts"] == {"kirei": "pipeline.cli:main"}
    for line in [*PROJECT["dependencies"], *EXTRAS["aws"], *EXTRAS["clips"]]:
        operators = {part.operator for part in Requirement(line).specifier}
        assert operators == {">=", "<"}, line
    listed = subprocess.run(
        [
            "git",
            "grep",
            "-lE",
            r"(install|pipx|uvx|run)( -[-a-zU]+)* '?kirei(\[|'|$|`)",
            "--",
            ":!tests",
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert listed.stdout == ""


def test_every_package_of_every_extra_is_locked_with_hashes() -> None:
    locked = {package.name: package for package in packages(DEVELOPMENT)}
    versions = {name: package.version.removesuffix("+cpu") for name, package in locked.items()}
    for extra, lines in {"": PROJECT["dependencies"], **EXTRAS}.items():
        assert not outside(lines, versions), extra
    lines = [*PROJECT["dependencies"], *EXTRAS["aws"], *EXTRAS["train"]]
    assert set(locked) >= needed(set(requirements(lines)))
    for lock in (SERVE, DEVELOPMENT):
        for package in packages(lock):
            assert package.hashes, package.name
    # one version of a package everywhere
    for package in [*packages(IMAGE_TORCH), *packages(SERVE)]:
        assert locked[package.name].version == package.version


@pytest.mark.parametrize(
    "path", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda p: p.name
)
def test_lock_files_name_no_index_and_no_loose_version(path: Path) -> None:
    for line in path.read_text().replace("\\\n", " ").splitlines():
        assert "://" not in line and not line.startswith("-"), line
        assert line.startswith("#") or re.match(r"[A-Za-z0-9._-]+(\[[\w,-]+\])?==\S+", line), line


def test_the_image_takes_only_locked_wheels() -> None:
    text = (ROOT / "Dockerfile").read_text()
    installs = re.findall(r"pip [^\n]*install(?:.|\\\n)*?\n(?!.*\\\n)", text)
    assert len(installs) == 1
    for flag in ("--require-hashes", "--no-deps", "--only-binary :all:"):
        assert flag in text
    users = re.findall(r"^USER (\S+)$", text, re.MULTILINE)
    assert users and users[-1].isdecimal() and int(users[-1]) > 0


def test_the_page_of_parameters_is_current() -> None:
    """`make parameters` mends it."""
    assert (ROOT / "docs" / "parameters.md").read_text() == parameters.page()


def test_the_list_of_licences_is_current() -> None:
    """`make licences` mends it."""
    text = (ROOT / "docs" / "licences.md").read_text()
    for package in [*packages(IMAGE), *packages(IMAGE_TORCH)]:
        assert f"| {package.name} | {package.version} | " in text
    for name in requirements([*PROJECT["dependencies"], *EXTRAS["aws"], *EXTRAS["clips"]]):
        assert f"| {licence(name)} |\n" in text[text.index(f"| {name} | ") :]
    for entry in weights():
        assert f"| `{entry['name']}` | {entry['licence']} |" in text
    assert bundled("pillow") and page().count("\n") == text.count("\n")


def test_the_bill_of_materials_is_whole_and_always_the_same() -> None:
    document = bill()
    assert document == bill()
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    parts = {part["bom-ref"]: part for part in document["components"]}
    assert len(parts) == len(document["components"])
    for package in packages(IMAGE):
        part = parts[f"pkg:pypi/{package.name}@{package.version}"]
        assert part["licenses"] and part["externalReferences"][0]["hashes"]
    files = {
        file["file"]: file["sha256"] for entry in weights() for file in entry["files"].values()
    }
    models = {part["name"]: part for part in parts.values() if part["type"] != "library"}
    assert {name: model["hashes"][0]["content"] for name, model in models.items()} == files
    assert set(document["dependencies"][0]["dependsOn"]) == set(parts)
    json.dumps(document)


def modules() -> Iterator[tuple[Path, ast.AST]]:
    for package in OURS:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path, ast.parse(path.read_text())
    yield ROOT / "handler.py", ast.parse((ROOT / "handler.py").read_text())


def test_nothing_is_unpickled_at_run_time() -> None:
    loads = 0
    for path, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                assert not {alias.name.split(".")[0] for alias in node.names} & UNPICKLERS, path
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in UNPICKLERS, path
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                given = {word.arg: word.value for word in node.keywords}
                owner = ast.unparse(node.func.value)
                if owner == "torch" and node.func.attr == "load":
                    loads += 1
                    only = given.get("weights_only")
                    assert isinstance(only, ast.Constant) and only.value is True, path
                if node.func.attr in ("load", "read_pickle") and owner in ("np", "numpy"):
                    assert "allow_pickle" not in given, path
    training = [ast.parse(path.read_text()) for path in (ROOT / "training").rglob("*.py")]
    calls = [
        node
        for tree in training
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load"
    ]
    assert loads + len(calls) > 0  # the rule has something to hold
    for call in calls:
        assert "weights_only=True" in ast.unparse(call)


def test_a_pickle_with_code_is_refused(tmp_path: Path) -> None:
    """By what imports weights, in a process of its own that would leave a mark."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    mark = tmp_path / "mark"

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return __import__("os").system, (f"touch {mark}",)

    file = tmp_path / "evil.pt"
    torch.save({"weight": Evil()}, file)
    asked = ["--name", "evil", "--title", "evil", "--licence", "none"]
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "weights", "import", file, *asked],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 1 and not mark.exists()
    assert "Traceback" not in done.stderr


def targets(text: str) -> set[str]:
    return set(re.findall(r"\bmake ([a-z][a-z-]+)", text))


WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def workflow(name: str) -> Any:
    return yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())


def commands(document: Any) -> set[str]:
    """The commands that the steps of a workflow run."""
    steps = [step for job in document["jobs"].values() for step in job["steps"]]
    return {step["run"] for step in steps if "run" in step}


def test_the_workflow_runs_what_the_other_ci_runs() -> None:
    here = targets("\n".join(commands(workflow("ci"))))
    script = (ROOT / ".ci" / "run").read_text()
    assert here == targets(re.sub(r'(?m)^\s*echo ".*"$|^#.*$', "", script))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_targets_that_exist_and_trusts_no_tag(path: Path) -> None:
    document = yaml.safe_load(path.read_text())
    makefile = (ROOT / "Makefile").read_text()
    for target in targets("\n".join(commands(document))):
        assert f"\n{target}:" in makefile, target
    for job in document["jobs"].values():
        for step in job["steps"]:
            assert "uses" not in step or re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step["uses"])
            # a branch's or tag's name is text from outside: it reaches a shell as a variable
            assert "${{" not in step.get("run", "")
    assert document["permissions"] == {"contents": "read"}


def test_the_weekly_workflow_runs_what_is_too_long_for_every_change() -> None:
    assert commands(workflow("weekly")) == {
        "make audit",
        "make fuzz SECONDS=1800",
        "make mutants",
        "make test-heavy",
    }


def test_the_command_line_is_tried_on_two_systems_and_the_tests_on_three_pythons() -> None:
    jobs = workflow("ci")["jobs"]
    lowest = re.fullmatch(r">=3\.(\d+)", PROJECT["requires-python"])
    assert lowest is not None
    pythons = jobs["check"]["strategy"]["matrix"]["python"]
    assert pythons == [f"3.{int(lowest[1]) + later}" for later in range(3)]
    systems = jobs["command-line"]["strategy"]["matrix"]["system"]
    assert {system.split("-")[0] for system in systems} == {"ubuntu", "macos"}


def test_only_the_job_that_publishes_may_write_and_it_runs_nothing_of_ours() -> None:
    jobs = workflow("release")["jobs"]
    assert "permissions" not in jobs["build"]
    assert jobs["publish"]["permissions"] == {"contents": "write"}
    uses = [step.get("uses", "") for step in jobs["publish"]["steps"]]
    assert not any(name.startswith("actions/checkout") for name in uses)
    assert targets("\n".join(step.get("run", "") for step in jobs["publish"]["steps"])) == set()


def test_the_changelog_has_notes_of_the_version() -> None:
    text = notes(VERSION, (ROOT / "CHANGELOG.md").read_text())
    assert "### Added" in text and "[0." not in text
    assert version() == VERSION


def test_a_release_needs_a_tag_that_is_the_version_and_notes() -> None:
    def release(tag: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "supply.release", tag]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)

    assert release(f"v{VERSION}").stdout == notes(VERSION, (ROOT / "CHANGELOG.md").read_text())
    wrong = release("v9.9.9")
    assert wrong.returncode == 1 and VERSION in wrong.stderr and "Traceback" not in wrong.stderr
    with pytest.raises(LookupError, match="no notes"):
        notes("9.9.9", "## [9.9.9]\n\n## [0.1.0]\n\n- a\n")
