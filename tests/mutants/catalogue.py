"""The mutants: what is broken on purpose, where, and which tests must notice.

One TOML file per package, each entry with

    name         what a user would suffer, in words
    file         where
    old, new     the exact text, which stands there once, and what replaces it
    tests        selections for pytest; the narrowest that should notice
    explanation  only where no test can notice: why that is right
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = Path(__file__).resolve().parent


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
    return mutants
