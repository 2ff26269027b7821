"""Every bad or odd image ends in a picture or an error with a name, soon, and in little memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bombs import bombs
from hostile import corpus, flipped, mislabelled, odd_sounds, sound, truncated, two_in_one
from hostile_made import FOREIGN, foreign, lying, moved

from pipeline import errors

ROOT = Path(__file__).parents[2]
# Of the processor: what the clock says depends on who else works on the machine.
MOST_S = 10.0
MOST_REFUSED_MB, MOST_DRAWN_MB = 300, 1500  # above what was held before
REFUSALS = {
    error.code
    for error in (vars(errors)[name] for name in errors.__all__)
    if issubclass(error, errors.PermanentError)
}
# what would take hours or gigabytes on any machine
ENDLESS = {"bomb-scans.jpg", "bomb-scans-large.jpg", "bomb-comment.gif", "bomb-tiles.tif"}
QUICK_BOMBS = {
    "bomb-sides.jpg",
    "bomb-late-fault.jpg",
    "bomb-exif.jpg",
    "bomb-exif-loop.jpg",
    "bomb-text.png",
    "bomb-exif.png",
    "bomb-chunk-length.png",
    "bomb-comment.gif",
    "bomb-sides.bmp",
    "bomb-entries.tif",
    "bomb-large-tile.tif",
    "bomb-sides.webp",
    "bomb-boxes.avif",
    "bomb-hidden-sides.heic",
    "profile-curve.png",
}


def sent(*names: str) -> Iterator[dict[str, Any]]:
    """What became of files of the corpus, all of them where none is named."""
    with subprocess.Popen(
        [sys.executable, "tests/support/corpus_run.py", *names],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        for line in run.stdout:
            yield json.loads(line)
    assert run.returncode == 0


def faults(told: dict[str, Any]) -> list[str]:
    """What is wrong with how one ended."""
    drawn = told["what"] == "picture"
    found = [] if drawn or told["what"] in REFUSALS else ["no name"]
    found += ["too long"] if told["processor_s"] > MOST_S else []
    most_mb = MOST_DRAWN_MB if drawn else MOST_REFUSED_MB
    return found + (["too much memory"] if told["risen_mb"] > most_mb else [])


def test_the_corpus_is_large_and_of_every_sort() -> None:
    names = [name for part in (odd_sounds, truncated, flipped) for name, _ in part()]
    names += [name for part in (two_in_one, mislabelled) for name, _ in part()]
    assert len(names) == len(set(names)) > 300
    made = [name for part in (moved, foreign, lying) for name, _ in part(sound())]
    assert len(made) == len(set(made)) and not set(made) & set(names)
    assert len(made) >= 224
    for format in ("jpg", "png", "webp", "bmp", "gif", "tif", "avif", "heic"):
        for sort in ("sound.", "cut-0.", "cut-late.", "flipped-0."):
            assert any(name.startswith(sort) and name.endswith(format) for name in names)


def test_some_of_the_corpus() -> None:
    cheap = [name for part in (two_in_one, mislabelled) for name, _ in part()]
    cheap += [name for name, _ in truncated()][::15] + [name for name, _ in flipped()][::15]
    told = list(sent(*cheap, *QUICK_BOMBS))
    assert len(told) == len(cheap) + len(QUICK_BOMBS)
    assert [(one, faults(one)) for one in told if faults(one)] == []
    ends = {one["name"]: one["what"] for one in told}
    assert ends["archive.jpg"] == ends["php.jpg"] == ends["png-is-no.jpg"] == "picture"
    assert ends["document.jpg"] == ends["entity.png"] == ends["program.jpg"] == "not_an_image"
    assert ends["bomb-comment.gif"] == "too_costly"
    assert ends["nothing.jpg"] == "empty_input"


def test_some_that_were_made_for_an_attack() -> None:
    names = [name for name, _ in foreign(sound())][::4] + [name for name, _ in moved(sound())][::31]
    names += [name for name, _ in lying(sound())][::3]
    told = list(sent(*names))
    assert len(told) == len(names)
    assert [(one, faults(one)) for one in told if faults(one)] == []
    ends = {one["name"]: one["what"] for one in told}
    assert {ends[f"made-{name}.jpg"] for name in list(FOREIGN)[::4]} == {"not_an_image"}
    assert not list(ROOT.rglob("PWNED"))


@pytest.mark.heavy
@pytest.mark.timeout(7200)
def test_all_of_the_corpus() -> None:
    told = list(sent())
    assert len(told) == len(list(corpus())) >= 650
    assert {name for name, _ in bombs()} <= {one["name"] for one in told}
    assert [(one, faults(one)) for one in told if faults(one)] == []
    refused = [one for one in told if one["what"] != "picture"]
    slowest = max(told, key=lambda one: one["processor_s"])
    largest = max(refused, key=lambda one: one["risen_mb"])
    costly = [one["name"] for one in told if one["what"] == "too_costly"]
    assert set(costly) >= ENDLESS
    fullest = max(told, key=lambda one: one["peak_mb"])
    figures = f"{len(told)} files, {len(refused)} refused; slowest {slowest}; most memory {fullest}"
    figures += f"; of a refusal {largest}; too costly {costly}"
    sys.stdout.write(f"\n{figures}\n")
