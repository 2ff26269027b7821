"""Files that cannot be distributed: where they lie, and how a test that needs them skips.

KIREI_TEACHERS   published networks, under the names of MODEL_CARD.md   ../shared/teachers
KIREI_DATA       photographs to train and to evaluate with              ../shared/data
KIREI_CASES      files of people that once came out wrong               ../shared/cases
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared"
TEACHERS = Path(os.environ.get("KIREI_TEACHERS", SHARED / "teachers")).absolute()
DATA = Path(os.environ.get("KIREI_DATA", SHARED / "data")).absolute()
CASES = Path(os.environ.get("KIREI_CASES", SHARED / "cases")).absolute()
VARIABLES = {TEACHERS: "KIREI_TEACHERS", DATA: "KIREI_DATA", CASES: "KIREI_CASES"}


def absence(path: Path) -> str:
    """What a test says that skips because a file is not here."""
    variable = next(
        (variable for folder, variable in VARIABLES.items() if folder in (path, *path.parents)),
        None,
    )
    if variable is None:
        raise ValueError(f"{path} is in none of the folders of this module")
    return f"{path.name} is not here; it cannot be distributed; {variable} names its folder"


def needs(path: Path) -> pytest.MarkDecorator:
    """Marks a test that needs a file or folder of those above."""
    return pytest.mark.skipif(not path.exists(), reason=absence(path))
