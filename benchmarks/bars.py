"""What is asked of the speed, and whether a run had it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.processors import SHARE, shares
from benchmarks.start import OURS, TORCH

AT_LEAST, UNDER = "at least", "under"
HOLDS: Mapping[str, Callable[[float, float], bool]] = {AT_LEAST: operator.ge, UNDER: operator.lt}


@dataclass(frozen=True)
class Bar:
    """``value`` is asked to be ``relation`` (AT_LEAST or UNDER) ``limit``, all of one unit."""

    what: str
    value: float
    relation: str
    limit: float
    unit: str

    @property
    def met(self) -> bool:
        """Whether the run had it."""
        return HOLDS[self.relation](self.value, self.limit)


def of(found: Mapping[str, Any]) -> Iterator[Bar]:
    """The bars of the parts that a run measured."""
    at = {(row["width"], row["height"]): row for row in found.get("sizes", ())}
    if small := at.get((512, 512)):
        against = "stylise at 512x512, against AnimeGANv2 in {}"
        yield Bar(
            against.format("eager torch"), small["eager_s"] / small["stylise_s"], AT_LEAST, 80, "x"
        )
        if newer_s := small.get("animeganv3_s"):
            what = "stylise at 512x512, against AnimeGANv3 in ONNX Runtime"
            yield Bar(what, newer_s / small["stylise_s"], AT_LEAST, 22, "x")
        yield Bar(
            against.format("ONNX Runtime, fp32"),
            small["onnx_s"] / small["stylise_s"],
            AT_LEAST,
            20,
            "x",
        )
    stages = found.get("stages")
    if stages:
        rows = {(r["width"], r["height"], r["threads"]): r for r in stages["sizes"]}
        large, largest = rows[1920, 1080, 2], rows[6000, 4000, 2]
        if full := at.get((1920, 1080)):
            share = large["warm_ms"]["total"] / 1000 / full["eager_s"]
            what = "the whole way of 1920x1080, against AnimeGANv2 in eager torch"
            yield Bar(what, 100 * share, UNDER, 6, "%")
        chain = stages["chain"]
        yield Bar(
            "a blurred selfie of 640x480, against the published chain",
            chain["published_s"] / chain["ours_s"],
            AT_LEAST,
            10,
            "x",
        )
        per_megapixel = [
            row["warm_ms"]["stylise"] / (row["width"] * row["height"])
            for row in stages["full size"]
        ]
        spread = 100 * (max(per_megapixel) / min(per_megapixel) - 1)
        what = "drawing at full size, a megapixel, from 1 to 24: most over least"
        yield Bar(what, spread, UNDER, 15, "% more")
        yield Bar("peak memory at 1920x1080", large["peak_mb"], UNDER, 600, "MB")
        yield Bar("peak memory at 24 megapixels", largest["peak_mb"], UNDER, 1300, "MB")
        whole = stages["full size"][-1]
        yield Bar("peak memory at 24 megapixels, full size", whole["peak_mb"], UNDER, 1300, "MB")
    if processors := found.get("processors"):
        for processor, by_network in shares(processors).items():
            for name, share in by_network.items():
                what = f"{name}, {processor}: share of the best convolution's rate"
                yield Bar(what, 100 * share, AT_LEAST, 100 * SHARE, "%")
    if start := found.get("start"):
        share = start["first answer"][OURS]["first answer"] / start[TORCH]
        what = "start of the process to the first 512x512 answer, against `import torch`"
        yield Bar(what, 100 * share, UNDER, 100, "%")


def lines(found: Mapping[str, Any]) -> list[str]:
    """The table in Markdown."""
    return [
        "| | measured | asked | |",
        "|---|---|---|---|",
        *(
            f"| {bar.what} | {bar.value:.1f} {bar.unit} | {bar.relation} {bar.limit:g} {bar.unit} |"
            f" {'met' if bar.met else '**missed**'} |"
            for bar in of(found)
        ),
    ]
