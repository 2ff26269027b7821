"""Draws the training logs of docs/training: one picture a network, a panel a figure.

    python -m training.engine.plot

Reads docs/training/NAME.jsonl (the log.jsonl of a run) and writes NAME.svg beside it.
"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

# letters as text, and the same names in the same file each time
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "kirei"})

LOGS = Path(__file__).resolve().parents[2] / "docs" / "training"
BARS = {"psnr_db": (30.0,), "ssim": (0.92,), "line_f1": (0.90,), "gradient_ratio": (0.95, 1.05)}


def plot(log: Path) -> Path:
    """NAME.jsonl, a JSON object with ``step`` and figures a line, to NAME.svg."""
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    names = [name for name in rows[0] if name != "step"]
    figure, panels = plt.subplots(1, len(names), figsize=(3 * len(names), 2.4))
    for name, panel in zip(names, panels, strict=True):
        panel.plot([row["step"] for row in rows], [row[name] for row in rows], color="#d6336c")
        if log.stem != "upsampler":
            for bar in BARS.get(name, ()):
                panel.axhline(bar, color="#868e96", linewidth=0.8, linestyle=":")
        panel.set_title(name, fontsize=9)
        panel.set_xlabel("step", fontsize=8)
        panel.tick_params(labelsize=7)
    figure.suptitle(f"{log.stem}, on held-out pictures", fontsize=10)
    figure.tight_layout()
    path = log.with_suffix(".svg")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return path


def main() -> None:
    """Draws all logs."""
    for log in sorted(LOGS.glob("*.jsonl")):
        print(plot(log))


if __name__ == "__main__":
    main()
