"""docs/colour.md says what the options of line drawings are."""

from __future__ import annotations

from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import pytest

from adapters.tasks import COMPANIONS, MAX_COMPANION_BYTES
from pipeline import ColourOptions
from pipeline.colour_cli import MAX_COMPANION_BYTES as MAX_FILE_BYTES
from pipeline.hints import MAX_HINTS

PAGE = (Path(__file__).parents[2] / "docs" / "colour.md").read_text()


@pytest.mark.parametrize("option", fields(ColourOptions), ids=lambda item: item.name)
def test_every_option_stands_in_the_table_with_its_values_and_default(option: Field[Any]) -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{option.name}` |")]
    _, _, values, default, *_ = (cell.strip() for cell in row.split("|"))
    assert default == str(option.default)
    bounds, choices = option.metadata.get("range"), option.metadata.get("values")
    if bounds:
        assert values == f"{bounds[0]}..{bounds[1]}"
    if choices:
        assert values == ", ".join(choices)


def test_the_limits_are_those_of_the_code() -> None:
    assert f"{MAX_HINTS} at most" in PAGE
    assert MAX_COMPANION_BYTES == MAX_FILE_BYTES == 16 * 1024 * 1024
    assert "16 MiB each" in PAGE
    for name in COMPANIONS:
        assert f"`{name}`" in PAGE
