"""The mutants: what is broken on purpose, where, and which tests must notice.

One TOML file per package, each entry with

    name         what a user would suffer, in words
    file         where
    old, new     the exact text, which stands there once, and what replaces it
    tests        selections for pytest; the narrowest that should notice
    explanation  only where no test can notice: why that is right

Those of the manifest of weights are made here, for their texts change with every training.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from pipeline import Options

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = Path(__file__).resolve().parent
MANIFEST = "layers/weights/manifest.json"


@dataclass(frozen=True)
class Mutant:
    """One change that breaks something a user relies on."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    explanation: str | None = None


def catalogue() -> list[Mutant]:
    """Reads every mutant, in the order of the files.

    Returns:
        The mutants.

    Raises:
        TypeError: An entry lacks a field or has one that is unknown.
    """
    mutants = []
    for path in sorted(FOLDER.glob("*.toml")):
        for entry in tomllib.loads(path.read_text())["mutant"]:
            mutants.append(Mutant(**{**entry, "tests": tuple(entry["tests"])}))
    return [*mutants, *mutants_of_weights((ROOT / MANIFEST).read_text())]


def mutants_of_weights(manifest: str) -> list[Mutant]:
    """Makes the mutants of what is shipped.

    Args:
        manifest: The text of the manifest.

    Returns:
        The mutants; each leaves a manifest whose files and hashes are right.
    """
    default, other = Options().style, "cel"
    files = {name: _between(manifest, name, '"files": {', '"float"') for name in (default, other)}
    head = _between(manifest, default, '"name"', '"overlap_px": ')
    overlap = int(re.match(r"\d+", manifest[manifest.index(head) + len(head) :])[0])  # type: ignore[index]
    return [
        Mutant(
            f"{default} draws with the files of {other}",
            MANIFEST,
            files[default],
            files[other],
            ("tests/pipeline/test_golden.py -k draws_what_it_drew",),
        ),
        Mutant(
            f"tiles of {default} show their borders: its overlap is 8 px too small",
            MANIFEST,
            f"{head}{overlap}",
            f"{head}{overlap - 8}",
            ("tests/pipeline/test_stylise.py -k tiles",),
        ),
    ]


def _between(manifest: str, name: str, start: str, end: str) -> str:
    """The text of an entry from one mark to the next one of another kind."""
    entry = manifest.index(f'"name": "{name}"')
    first = manifest.index(start, entry)
    return manifest[first : manifest.index(end, first) + (len(end) if start == '"name"' else 0)]
