"""The photographs of people that everybody has, and those that only who set KIREI_DATA has.

A name is that of a file in tests/photographs, samples or docs/gallery/photos; or
``solvay-1927/einstein``, a portrait cut out of a group; or that of a file under KIREI_DATA.
"""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path

import pytest
from outside import DATA, absence
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
FREE = (ROOT / "tests" / "photographs", ROOT / "samples", ROOT / "docs" / "gallery" / "photos")
LENT = tuple(DATA / folder for folder in ("portraits", "faces", "photos"))
BOXES: dict[str, dict[str, list[int]]] = json.loads(
    (ROOT / "tests" / "photographs" / "people.json").read_text()
)
PORTRAIT = 3.2  # sides of a portrait, in heights of its face


def people(group: str) -> list[str]:
    """The portraits that a group photograph holds, by name."""
    return [f"{group}/{name}" for name in BOXES[group]]


@cache
def photograph(name: str) -> bytes:
    """The bytes of a photograph; skips the test where it is not here."""
    group, _, person = name.partition("/")
    path = next(
        (path for folder in (*FREE, *LENT) if (path := folder / f"{group}.jpg").exists()), None
    )
    if path is None:
        pytest.skip(absence(DATA / f"{name}.jpg"))
    return portrait(path, BOXES[group][person]) if person else path.read_bytes()


def portrait(path: Path, box: list[int]) -> bytes:
    """A square PNG around a face, as much of it as the photograph has."""
    left, top, right, bottom = box
    half = PORTRAIT * (bottom - top) / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    with Image.open(path) as picture:
        edges = (
            round(max(0, x - half)),
            round(max(0, y - half)),
            round(min(picture.width, x + half)),
            round(min(picture.height, y + half)),
        )
        cut = picture.convert("RGB").crop(edges)
    file = io.BytesIO()
    cut.save(file, "PNG")
    return file.getvalue()


def faces_within(group: str, max_side_px: int) -> tuple[bytes, list[list[float]]]:
    """A group photograph reduced to a longer side, as PNG, and the boxes of its faces."""
    with Image.open(io.BytesIO(photograph(group))) as picture:
        scale = min(1.0, max_side_px / max(picture.size))
        size = (round(picture.width * scale), round(picture.height * scale))
        reduced = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    file = io.BytesIO()
    reduced.save(file, "PNG")
    return file.getvalue(), [[edge * scale for edge in box] for box in BOXES[group].values()]
