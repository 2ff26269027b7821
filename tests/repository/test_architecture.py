"""The rules of the house: who imports whom, what importing costs, how long a file may be."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pipeline

ROOT = Path(__file__).parents[2]
PACKAGES = ("adapters", "operations", "pipeline", "supply", "training", "benchmarks", "tests")
STAGES = (
    "decode",
    "quality",
    "enhance",
    "stylise",
    "enlarge",
    "postprocess",
    "measure",
    "encode",
    "faces",
)
STAGE_MAY = {"domain", "result", "errors", "settings", "tiling", "model", "quality_model", "light"}
# module of pipeline -> modules of pipeline that it may import
MAY = {
    **dict.fromkeys(STAGES, STAGE_MAY),
    "decode": {*STAGE_MAY, "formats"},
    # a face drawn by itself may have a style of its own, and is brought to the photo's size
    "faces": {*STAGE_MAY, "enlarge", "stylise"},
    "framing": {"domain", "faces"},
    "errors": set(),
    "settings": {"errors", "hints"},
    "hints": {"errors"},
    "domain": set(),
    "origin": set(),
    "result": {"domain"},
    "tiling": set(),
    "light": {"domain"},
    # what belongs to a format of files; the stage that reads them is decode
    "formats": {"domain", "errors"},
    "model": {"domain", "tiling"},
    "quality_model": {"domain", "light", "model"},
    "commands": {"errors", "settings"},
    "companions": set(),
    # what the command line is made of
    "photos": {"companions"},
    "clip_files": {"errors"},
    "outputs": {"errors", "photos"},
    "batch": {
        *("clip_files", "clips", "errors", "lineart", "origin", "outputs", "photos", "result"),
        *("run", "settings", "sheet", "sidecar"),
    },
    "console": {"batch", "errors", "photos", "settings", "sidecar"},
    "batch_cli": {"batch", "cli", "commands", "console", "outputs", "photos"},
    "colour_cli": {
        *(
            "batch",
            "batch_cli",
            "cli",
            "commands",
            "console",
            "errors",
            "origin",
            "outputs",
            "photos",
        ),
        "settings",
    },
    "watch": {"photos"},
    "weights": {"domain", "errors"},
    "engines": {"domain", "errors", "settings", "weights", "architectures"},
    "sidecar": {"clips", "result", "domain", "errors", "lineart", "origin", "settings"},
    "clips": {
        *(*STAGES, *STAGE_MAY, "budget", "decoder", "formats", "job", "messages", "origin"),
        *("planning", "provenance", "registry", "report", "sandbox", "scale", "sidecar", "stages"),
        "timings",
        "visible",
    },
    # the stages of line drawings; colouring orders them
    "lineart": {*STAGE_MAY, "hints"},
    "colouring": {
        *(*STAGES, *STAGE_MAY, "budget", "decoder", "hints", "job", "lineart", "origin", "sheet"),
        "timings",
    },
    "colour_report": {
        *("colouring", "domain", "lineart", "measure", "provenance", "report", "sidecar"),
    },
    "sheet": {"result", "lineart", "decode", "encode", "domain", "settings"},
    "decoder": {
        *("budget", "decode", "domain", "errors", "formats", "messages"),
        "sandbox",
        "settings",
    },
    "sandbox": {"errors", "messages"},
    "messages": set(),
    "budget": {"domain", "errors", "settings"},
    "timings": set(),
    "visible": {"domain"},
    "scale": {"domain", "settings"},
    "registry": {*STAGES, *STAGE_MAY, "weights", "engines"},
    "provenance": {"result", "domain", "enhance", "model", "weights"},
    "job": {*STAGES, *STAGE_MAY, "budget", "decoder", "framing", "origin", "registry", "scale"},
    "stages": {*STAGES, *STAGE_MAY, "framing", "job", "visible"},
    "planning": {*STAGES, *STAGE_MAY, "budget", "job", "scale"},
    "report": {"result", "domain", "job", "model", "origin", "provenance", "sidecar"},
    "run": {
        *("budget", "clips", "colour_report", "colouring", "decoder", "domain", "errors", "job"),
        *("lineart", "origin", "planning", "provenance", "registry", "report", "result"),
        *("settings", "stages", "timings", "weights"),
    },
}
HEAVY = {"torch", "onnxruntime", "cv2", "PIL", "pydantic", "numpy"}
# what no answer takes: trainers, models of HTTP, clients of AWS, codecs that are seldom needed
UNNEEDED = {
    *("torch", "pydantic", "boto3", "botocore", "onnx", "scipy", "skimage", "matplotlib"),
    *("safetensors", "openvino", "aws_lambda_powertools", "pillow_heif"),
}


def sources() -> list[Path]:
    found = [ROOT / "handler.py"]
    for package in PACKAGES:
        found += sorted((ROOT / package).rglob("*.py"))
    return found


def imported(path: Path, top_only: bool = False) -> set[str]:
    """Dotted names of all that a file imports, "package.name" for "from package import name"."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_only else list(ast.walk(tree))
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def parts(name: str, package: str) -> str:
    return name.removeprefix(f"{package}.").split(".")[0]


def of_pipeline(path: Path) -> set[str]:
    """The modules of pipeline that a file imports; its public names do not count."""
    names = {parts(n, "pipeline") for n in imported(path) if n.startswith("pipeline.")}
    return names - set(pipeline.__all__)


@pytest.mark.parametrize("module", sorted(MAY))
def test_a_module_of_the_pipeline_imports_what_it_may(module: str) -> None:
    folder = ROOT / "pipeline" / module
    files = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
    assert files
    for path in files:
        found = of_pipeline(path)
        inside = {module} if folder.is_dir() else set()
        assert found <= MAY[module] | inside, f"{path} imports {found - MAY[module]}"
        outside = {name.split(".")[0] for name in imported(path)}
        assert not outside & {"boto3", "botocore", "aws_lambda_powertools", "adapters"}
        if module in STAGES:
            assert not outside & {"torch", "onnxruntime"}
        if module in ("domain", "errors", "hints", "settings", "tiling"):
            assert outside <= {"pipeline", "numpy", *sys.stdlib_module_names}


def test_every_module_of_the_pipeline_has_a_rule() -> None:
    entries = [p for p in (ROOT / "pipeline").iterdir() if p.is_file() or any(p.glob("*.py"))]
    here = {p.stem if p.suffix == ".py" else p.name for p in entries}
    without_rule = {"__init__", "__main__", "cli", "architectures"}
    assert here - without_rule - {"py.typed", "sidecar.schema.json", "colour.schema.json"} == set(
        MAY
    )


def test_adapters_know_the_public_names_only() -> None:
    above = [*(ROOT / "adapters").rglob("*.py"), *(ROOT / "operations").rglob("*.py")]
    for path in [*above, ROOT / "handler.py"]:
        assert of_pipeline(path) == set(), path
    assert not {n for n in imported(ROOT / "handler.py") if n.startswith("pipeline")}


def test_nothing_below_reads_the_environment() -> None:
    for path in (ROOT / "pipeline").rglob("*.py"):
        text = path.read_text().replace("environment", "").replace("os.environ.setdefault(", "")
        assert path.name == "cli.py" or "environ" not in text, path


def test_the_engine_leaves_nothing_in_the_home_folder(tmp_path: Path) -> None:
    """ONNX Runtime would keep an identifier for its telemetry there."""
    command = [sys.executable, "-m", "pipeline", "stylise", "samples/chelsea.jpg", "-o"]
    environment = {"PATH": "/usr/bin", "HOME": str(tmp_path / "home")}
    (tmp_path / "home").mkdir()
    subprocess.run(
        [*command, str(tmp_path / "out")], check=True, cwd=ROOT, env=environment, timeout=120
    )
    assert not [path for path in (tmp_path / "home").rglob("*") if path.is_file()]


def test_nothing_imports_training_benchmarks_or_operations() -> None:
    for package in ("pipeline", "adapters"):
        for path in (ROOT / package).rglob("*.py"):
            tops = {name.split(".")[0] for name in imported(path)}
            assert not tops & {"training", "benchmarks", "operations", "tests"}, path


@pytest.mark.parametrize("module", ["handler", "pipeline", "pipeline.cli"])
def test_importing_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sorted(m for m in sys.modules if '.' not in m))"
    environment = {"PATH": "/usr/bin", "AWS_DEFAULT_REGION": "eu-west-1", "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert not HEAVY & set(run.stdout.split())


def test_a_whole_answer_loads_nothing_that_it_does_not_need() -> None:
    code = (
        "import sys; from pathlib import Path; from pipeline import Options, Pipeline, Settings; "
        f"photo = Path({str(ROOT / 'samples' / 'astronaut.jpg')!r}).read_bytes(); "
        "made = Pipeline(Settings()).run(photo, Options(max_side_px=256)); "
        "print(*sorted(m for m in sys.modules if '.' not in m))"
    )
    environment = {"PATH": "/usr/bin", "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    loaded = set(run.stdout.split())
    assert "onnxruntime" in loaded
    assert not loaded & UNNEEDED


def test_the_public_names_are_sorted_complete_and_there() -> None:
    def order(name: str) -> tuple[int, str]:  # constants, classes, functions, as ruff sorts
        return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)

    assert pipeline.__all__ == sorted(pipeline.__all__, key=order)
    for name in pipeline.__all__:
        assert getattr(pipeline, name) is not None
    with pytest.raises(AttributeError):
        _ = pipeline.nothing_of_that_name
    from pipeline import errors

    branches = {"KireiError", "PermanentError", "TransientError"}
    assert set(errors.__all__) <= set(pipeline.__all__) | branches


def test_every_error_has_a_code_of_its_own_and_stands_in_the_tree() -> None:
    from pipeline import errors

    leaves = [getattr(errors, name) for name in errors.__all__]
    codes = [leaf.code for leaf in leaves if "code" in vars(leaf)]
    assert len(codes) == len(set(codes))
    for leaf in leaves:
        assert leaf.__name__ in (errors.__doc__ or "")
        if leaf.code != "error":
            assert f" {leaf.code} " in (errors.__doc__ or "")


def test_files_are_short_and_the_entry_is_thin() -> None:
    for path in sources():
        assert len(path.read_text().splitlines()) < 400, path
    assert len((ROOT / "handler.py").read_text().splitlines()) <= 100


def test_what_trains_a_network_is_one_short_file() -> None:
    for path in (ROOT / "training" / "tasks").glob("*.py"):
        assert len(path.read_text().splitlines()) < 150, path


def test_nothing_but_the_log_is_passed_on_unseen() -> None:
    """A context variable is an argument that no signature shows."""
    users = {path for path in sources() if any(n.startswith("contextvars") for n in imported(path))}
    assert users == {ROOT / "adapters" / "job_log.py"}


def test_no_two_test_files_have_one_name() -> None:
    """Without packages pytest imports them by name alone."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
