"""Breaks the product on purpose, one line at a time, and says which breaks no test notices.

    python -m tests.mutants.run                     every mutant: make mutants
    python -m tests.mutants.run adapters/ "hard edge"     whose file or name holds a word
    python -m tests.mutants.run --list

Each mutant runs in a copy of the repository under the system's temporary folder; the tree itself is
never written to. A mutant is *noticed* when one of the tests it names fails. It *survives* when
they pass: then a test is missing, or the catalogue explains why none can see it.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.catalogue import ROOT, Mutant, catalogue

TIMEOUT_S = 300
NOTICED, SURVIVED, INVALID = "noticed", "SURVIVED", "INVALID"
PASSED, FAILED = 0, 1  # exit codes of pytest


@dataclass(frozen=True)
class Outcome:
    """What became of one mutant."""

    mutant: Mutant
    state: str
    seconds: float
    why: str

    @property
    def is_fault(self) -> bool:
        """Whether somebody has to act: no test noticed, and nothing explains that."""
        return self.state == INVALID or (self.state == SURVIVED and not self.mutant.explanation)


def main() -> None:
    """Runs the mutants and exits with 1 if one survives without an explanation."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("words", nargs="*", help="only mutants whose file or name holds one")
    parser.add_argument("--list", action="store_true", help="names them and runs nothing")
    parser.add_argument("--skip-baseline", action="store_true", help="take it that the tests pass")
    arguments = parser.parse_args()
    chosen = [
        mutant
        for mutant in catalogue()
        if not arguments.words
        or any(word in f"{mutant.file} {mutant.name}" for word in arguments.words)
    ]
    if arguments.list:
        for mutant in chosen:
            print(f"{mutant.file}: {mutant.name}")
        return
    sys.exit(probe(chosen, check_baseline=not arguments.skip_baseline))


def probe(mutants: Sequence[Mutant], check_baseline: bool) -> int:
    """Runs mutants one after the other.

    Args:
        mutants: What to run.
        check_baseline: Whether to run all their tests on the unchanged copy first: a test that
            fails by itself would notice everything.

    Returns:
        0 if each is noticed or explained, else 1.
    """
    with tempfile.TemporaryDirectory(prefix="kirei-mutants-") as folder:
        copy = Path(folder) / "kirei"
        copy_tree(ROOT, copy)
        if check_baseline:
            selections = sorted({selection for mutant in mutants for selection in mutant.tests})
            for selection in selections:
                code, output = run_tests(copy, (selection,))
                if code != PASSED:
                    print(output[-3000:])
                    print(f"without any mutant this does not pass: pytest {selection}")
                    return 1
            print(f"{len(selections)} selections of tests pass without a mutant", flush=True)
        outcomes = []
        for mutant in mutants:
            outcome = try_mutant(copy, mutant)
            outcomes.append(outcome)
            print(
                f"{outcome.state:9}{outcome.seconds:6.1f} s  {mutant.name}  ({outcome.why})",
                flush=True,
            )
    faults = [outcome for outcome in outcomes if outcome.is_fault]
    noticed = sum(outcome.state == NOTICED for outcome in outcomes)
    explained = len(outcomes) - noticed - len(faults)
    print(f"{noticed} noticed, {explained} explained, {len(faults)} to look at")
    for outcome in faults:
        print(f"  {outcome.state}: {outcome.mutant.name} ({outcome.mutant.file})")
    return 1 if faults else 0


def try_mutant(copy: Path, mutant: Mutant) -> Outcome:
    """Applies a mutant to the copy, runs its tests and takes it back."""
    began = time.monotonic()
    path = copy / mutant.file
    original = path.read_text()
    if original.count(mutant.old) != 1:
        why = f"its anchor stands {original.count(mutant.old)} times in {mutant.file}"
        return Outcome(mutant, INVALID, 0.0, why)
    path.write_text(original.replace(mutant.old, mutant.new))
    try:
        code, output = run_tests(copy, mutant.tests)
    except subprocess.TimeoutExpired:
        # a slow machine would look like a test that noticed
        why = f"no end in {TIMEOUT_S} s: run it alone"
        return Outcome(mutant, INVALID, time.monotonic() - began, why)
    finally:
        path.write_text(original)
    seconds = time.monotonic() - began
    if code == PASSED:
        return Outcome(mutant, SURVIVED, seconds, mutant.explanation or " ".join(mutant.tests))
    if code == FAILED:
        failed = [line for line in output.splitlines() if line.startswith(("FAILED", "ERROR"))]
        return Outcome(mutant, NOTICED, seconds, failed[0].split(" - ")[0] if failed else "failed")
    return Outcome(mutant, INVALID, seconds, f"pytest ended with {code}: {output[-300:]}")


def run_tests(copy: Path, selections: Sequence[str]) -> tuple[int, str]:
    """Runs pytest over selections, which may hold options such as -k, until one fails."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(copy),
        "PYTHONDONTWRITEBYTECODE": "1",  # a mutant of the same length and second looks unchanged
        "PYTHONHASHSEED": "0",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(copy / ".hypothesis"),
    }
    for selection in selections:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=no"]
        done = subprocess.run(
            [*command, *shlex.split(selection)],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        output = done.stdout + done.stderr
        if done.returncode != PASSED:
            return done.returncode, output
    return PASSED, ""


def copy_tree(root: Path, copy: Path) -> None:
    """Copies what git tracks, and what is new and not ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (root / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, copy / name)


if __name__ == "__main__":
    main()
