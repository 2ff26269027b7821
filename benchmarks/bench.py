"""One report of how fast this is, and beside what: peers, the machine's limit, the whole way.

    make bench        (python -m benchmarks.bench [--only PART ...] [--teachers DIR])

Writes benchmarks/results.md and results.json, and plots into docs/. Whatever is compared is
measured by turns in one run, so that a machine that changes its pace changes it for all. With
--only the other parts are kept as they were.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import onnxruntime
import torch

from benchmarks import (
    bars,
    check,
    int8,
    limit,
    peers,
    plots,
    processors,
    sizes,
    stages,
    start,
    throughput,
)
from benchmarks.machine import ROOT, THREADS, processor

PARTS: Mapping[str, tuple[str, ModuleType]] = {
    "peers": ("Beside the published generators", peers),
    "sizes": ("Beside AnimeGANv2 at three sizes", sizes),
    "stages": ("The whole way, stage by stage", stages),
    "limit": ("Beside what the machine can do", limit),
    "processors": ("Beside ONNX Runtime's own convolutions, on three processors", processors),
    "int8": ("What int8 costs", int8),
    "start": ("From the start of the process to the first answer", start),
    "throughput": ("Photos a minute, and what they cost", throughput),
}
RESULTS = ROOT / "benchmarks" / "results.json"
REPORT = ROOT / "benchmarks" / "results.md"
LAYERS = ROOT / "benchmarks" / "layers.md"


def measured(
    chosen: list[str], earlier: Mapping[str, Any], teachers: Path | None = None
) -> dict[str, Any]:
    """The figures of all parts, those of the chosen ones measured now.

    ``machine`` is that of the whole report, ``measured_on`` names those of parts on others.
    """
    here, whole = machine(), set(chosen) == set(PARTS)
    found: dict[str, Any] = {"machine": here if whole else earlier.get("machine", here)}
    others = {} if whole else earlier.get("measured_on", {})
    others = {name: other for name, other in others.items() if name not in chosen}
    if here != found["machine"]:
        others |= {name: described(here) for name in chosen}
    found["measured_on"] = others
    for name, (title, part) in PARTS.items():
        if name in chosen:
            print(f"{title} ...", flush=True)
            more = {"teachers": teachers} if part is sizes else {}
            found[name] = part.measure(**more)
        elif name in earlier:
            found[name] = earlier[name]
    found["guard"] = check.measure() if whole else earlier.get("guard", {})
    return found


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "processor": processor(),
        "threads": THREADS,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
        "opencv": version("opencv-python-headless"),
    }


def described(about: Mapping[str, Any]) -> str:
    """A machine in words."""
    return (
        f"{about['processor']}, {about['threads']} threads; Python {about['python']}, torch "
        f"{about['torch']}, ONNX Runtime {about['onnxruntime']}, OpenCV {about['opencv']}"
    )


def report(found: Mapping[str, Any]) -> str:
    """The figures in Markdown, what was asked for first."""
    made = [
        "# Speed, measured",
        "",
        f"{described(found['machine'])}. Made by `make bench`.",
        "",
        "## What is asked, and what is",
        "",
        *bars.lines(found),
    ]
    for name, (title, part) in PARTS.items():
        if name in found:
            lines: Callable[[Any], list[str]] = part.lines
            made += ["", f"## {title}", ""]
            if other := found.get("measured_on", {}).get(name):
                made += [f"Measured on another machine: {other}.", ""]
            made += lines(found[name])
    return "\n".join(made) + "\n"


def main() -> None:
    """Measures everything, or some parts, and writes results.json, results.md and the plots."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument(
        "--price-per-gb-second",
        type=float,
        default=throughput.PRICE_PER_GB_SECOND,
        metavar="DOLLARS",
        help="what Lambda takes for a second of a gigabyte (default: %(default).10f)",
    )
    parser.add_argument("--teachers", type=Path, help="folder with AnimeGANv3, to compare with")
    options = parser.parse_args()
    earlier = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    found = measured(options.only, earlier, options.teachers)
    if "throughput" in found:
        found["throughput"]["price_per_gb_second"] = options.price_per_gb_second
    if "processors" in options.only:
        LAYERS.write_text("\n".join(processors.layer_lines(found["processors"])) + "\n")
        processors.drop_layers(found["processors"])  # hundreds, which that page has
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    text = report(found)
    print(text)
    REPORT.write_text(text)
    plots.draw(found, ROOT / "docs")


if __name__ == "__main__":
    main()
