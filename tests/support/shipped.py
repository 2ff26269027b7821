"""What the shipped layer of weights holds, told by its manifest: styles come and go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline import Options

WEIGHTS = Path(__file__).resolve().parents[2] / "layers" / "weights"


def shipped(kind: str) -> list[dict[str, Any]]:
    """The entries of the networks of that kind, by name."""
    entries = json.loads((WEIGHTS / "manifest.json").read_text())["weights"]
    return sorted((entry for entry in entries if entry["kind"] == kind), key=lambda e: e["name"])


def shipped_styles() -> list[str]:
    """The names of the styles, in order."""
    return [entry["name"] for entry in shipped("style")]


def scene_styles() -> list[str]:
    """Those that draw whole pictures; the others draw heads, and one of these around them."""
    return [entry["name"] for entry in shipped("style") if not entry.get("around")]


def another_style() -> str:
    """The first style that is not the default."""
    return next(name for name in shipped_styles() if name != Options().style)
