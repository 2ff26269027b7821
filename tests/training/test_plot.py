"""Training logs become plots, one panel a figure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from training.engine.plot import plot


def test_a_log_becomes_a_picture_with_a_panel_for_each_figure(tmp_path: Path) -> None:
    log = tmp_path / "style.jsonl"
    rows = [{"step": 500 * n, "psnr_db": 20 + n, "line_f1": 0.1 * n} for n in (1, 2, 3)]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    drawn = plot(log).read_text()
    assert drawn.lstrip().startswith("<?xml") and drawn.count('id="axes_') == 2
    assert plot(log).read_text() == drawn  # the same file for the same log
