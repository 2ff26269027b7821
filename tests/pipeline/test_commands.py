"""Commands that other packages add: there when asked for, one line where they cannot be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def kirei(*arguments: str, without: str) -> subprocess.CompletedProcess[str]:
    """The command line where a module cannot be imported."""
    code = f"import sys; sys.modules[{without!r}] = None; from pipeline.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


def test_the_command_line_works_without_training() -> None:
    for arguments in (["--help"], ["weights", "--help"]):
        run = kirei(*arguments, without="training")
        assert run.returncode == 0 and "weights" in run.stdout and "not installed" in run.stdout
    for arguments in (["train", "animegan", "--photos", "x"], ["weights", "import", "--help"]):
        run = kirei(*arguments, without="training")
        assert run.returncode == 1 and run.stdout == ""
        assert run.stderr.startswith("kirei: ") and run.stderr.count("\n") == 1


def test_what_needs_torch_says_so_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "some.pt"
    file.touch()
    for command in ("import", "add"):
        asked = [str(file), "--name", "a", "--title", "a", "--licence", "a"]
        run = kirei("weights", command, *asked, without="torch")
        assert run.returncode == 1 and "make setup" in run.stderr
        assert run.stderr.startswith("kirei: ") and run.stderr.count("\n") == 1


def test_asking_for_help_does_not_load_torch() -> None:
    code = "import sys; from pipeline.cli import main; main(standalone_mode=False); "
    code += "print('loaded', *sorted(m for m in sys.modules if '.' not in m))"
    run = subprocess.run(
        [sys.executable, "-c", code, "weights", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    loaded = run.stdout.rpartition("loaded")[2].split()
    assert "import" in run.stdout and "training" in loaded
    assert not {"torch", "numpy", "onnx", "onnxruntime"} & set(loaded)
