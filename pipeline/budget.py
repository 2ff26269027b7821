"""Whether a photo can be drawn in the time and memory that are left, and what is left out if not.

What stages cost is learned from the photos that this process has drawn; for a stage that it has
not seen yet the defaults below are used. What does not fit is left out in a fixed order: the
doubling, then size, then the faces.
"""

from __future__ import annotations

import resource
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, Self

from pipeline.domain import Decision
from pipeline.errors import OutOfTime, TooMuchMemory
from pipeline.settings import Options

# Seconds a megapixel of one slow core, until this process has seen better: twice what two cores
# of a server were measured at (docs/figures.md). The steps of the restoration have one each.
DEFAULT_S = {
    "restore": 0.6,
    "upscale": 0.2,
    "denoise": 2.0,
    "clahe": 0.1,
    "sharpen": 0.1,
    "faces": 0.4,
    "stylise": 0.6,
    "redraw": 0.4,
    "enlarge": 0.1,
    "repair": 0.05,
    "measure": 0.1,
    "encode": 0.1,
}
OPENING_S, OPENING_BYTES = 1.0, 350_000_000  # of networks and what they keep, once a process
MAX_REMEMBERED = 8  # recent runs of a stage; the slowest of them is used
SAFETY = 1.25
MIN_LEARNED_MP = 0.25  # what a smaller photo costs is mostly the same for every size
MIN_SIDE_PX = 512  # a smaller picture is not what anybody asked for
SHRINK = 0.8  # of the side, from one attempt to the next
# Of the finished picture, all copies of it that are held at once: 34 were measured with one face,
# at 12 and at 48 megapixels; the rest leaves room for a crowd.
BYTES_PER_PIXEL = 64
# And of the pixels that the style's network draws at once, beside these: 80 to 110 were measured.
BYTES_PER_WORKING_PIXEL = 110
MB = 1_000_000


class WorkingScaleRule(Protocol):
    """How large a picture is drawn by the style's network."""

    def size(self, width_px: int, height_px: int) -> tuple[int, int]:
        """Width and height at which a picture of that size is drawn."""
        ...


class Costs:
    """Seconds a megapixel by stage, as this process has seen them. Threads may share it."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[float]] = {}

    def learn(self, name: str, megapixels: float, elapsed_s: float) -> None:
        """Remembers one run of a stage over so many megapixels."""
        if megapixels >= MIN_LEARNED_MP:
            runs = self._seen.setdefault(name, deque(maxlen=MAX_REMEMBERED))
            runs.append(elapsed_s / megapixels)

    def learn_all(self, plan: WorkPlan, timings_ms: Mapping[str, float]) -> None:
        """Remembers what a whole run took, by stage."""
        for stage, name, megapixels, _ in plan.stages():
            self.learn(name, megapixels, timings_ms[stage] / 1000)

    def expected_s(self, name: str, megapixels: float, default_s: float) -> float:
        """Seconds that a run would take; ``default_s`` a megapixel where none was seen."""
        return megapixels * max(self._seen.get(name, (default_s,)))


@dataclass(frozen=True)
class WorkPlan:
    """What is to be done to a decoded photo, as far as it costs.

    Attributes:
        width_px: Width of the photo.
        height_px: Its height.
        mode: Of the restoration: "auto", "classic" or "off".
        steps: Of the restoration, those that the gate found.
        faces: Whether faces are looked for.
        style: The style's name.
        working: How large the style's network draws it.
        tile_px: Side of the tiles in which it draws.
        whole: Whether nothing was left out.
    """

    width_px: int
    height_px: int
    mode: str
    steps: tuple[str, ...]
    faces: bool
    style: str
    working: WorkingScaleRule
    tile_px: int = 1024
    whole: bool = True

    @property
    def side_px(self) -> int:
        """The longer side of the photo, before any doubling."""
        return max(self.width_px, self.height_px)

    @property
    def scale(self) -> int:
        """Side of the finished picture over side of the photo."""
        return 2 if "upscale" in self.steps else 1

    @property
    def megapixels(self) -> float:
        """Of the finished picture."""
        return self.width_px * self.height_px * self.scale**2 / 1e6

    @property
    def drawn_mp(self) -> float:
        """Megapixels that the style's network draws."""
        width, height = self.working.size(self.width_px * self.scale, self.height_px * self.scale)
        return width * height / 1e6

    @property
    def memory_mb(self) -> int:
        """Megabytes that are held at once, beside the opened networks."""
        tile_mp = min(self.drawn_mp, (1.125 * self.tile_px) ** 2 / 1e6)
        return round(self.megapixels * BYTES_PER_PIXEL + tile_mp * BYTES_PER_WORKING_PIXEL)

    def stages(self) -> Iterator[tuple[str, str, float, float]]:
        """Yields stage, the name its cost is kept under, megapixels, default seconds for each."""
        finished = self.megapixels
        restoring_s = sum(DEFAULT_S[step] for step in self.steps)
        if self.mode == "auto" and self.steps:  # one pass of a network, whatever it repairs
            restoring_s = DEFAULT_S["restore"]
        yield "enhance", f"enhance {self.mode} {self.steps}", finished, restoring_s
        if self.faces:
            yield "faces", "faces", finished, DEFAULT_S["faces"]
        yield "stylise", f"stylise {self.style}", self.drawn_mp, DEFAULT_S["stylise"]
        for stage in ("enlarge", "redraw", "repair", "measure", "encode"):
            if stage != "redraw" or self.faces:
                yield stage, stage, finished, DEFAULT_S[stage]

    def limited(self, options: Options) -> Options:
        """The options with which the stages do no more than this plan."""
        if self.whole:
            return options
        faces = options.faces if self.faces else "off"
        side_px = min(options.max_side_px, max(MIN_SIDE_PX, self.side_px))
        return replace(options, upscale="off", max_side_px=side_px, faces=faces)

    def fallbacks(self) -> Iterator[tuple[WorkPlan, str, str]]:
        """Yields cheaper and cheaper plans, each with what was left out last and that in words."""
        plan = replace(self, whole=False)
        if "upscale" in plan.steps:
            plan = replace(plan, steps=tuple(step for step in plan.steps if step != "upscale"))
            yield plan, "upscale", "it is not doubled"
        while plan.side_px > MIN_SIDE_PX:
            scale = max(SHRINK, MIN_SIDE_PX / plan.side_px)
            width, height = (max(1, round(s * scale)) for s in (plan.width_px, plan.height_px))
            plan = replace(plan, width_px=width, height_px=height)
            yield plan, "side", f"it is drawn at {plan.side_px} px"
        if plan.faces:
            plan = replace(plan, faces=False)
            yield plan, "faces", "its faces are left as drawn"


@dataclass(frozen=True)
class Budget:
    """What there is for one photo.

    Attributes:
        deadline_s: On time.monotonic's clock; None where time is not limited.
        free_bytes: Of memory; None where that is not limited.
    """

    deadline_s: float | None = None
    free_bytes: int | None = None

    @classmethod
    def start(cls, memory_mb: int, time_left_s: float | None) -> Self:
        """Starts the clock.

        Args:
            memory_mb: What this process may hold in all; 0 for any amount.
            time_left_s: Seconds from now; None for any time.
        """
        return cls(
            None if time_left_s is None else time.monotonic() + time_left_s,
            memory_mb * MB - resident_bytes() if memory_mb else None,
        )

    @property
    def left_s(self) -> float | None:
        """Seconds until the deadline; None where there is none.

        Raises:
            OutOfTime: There are none left.
        """
        if self.deadline_s is None:
            return None
        left_s = self.deadline_s - time.monotonic()
        if left_s <= 0:
            raise OutOfTime("there is no time left", measured=round(left_s, 3), limit=0)
        return left_s

    def check_time(self) -> None:
        """Raises OutOfTime when there is no time left. Called between tiles of a network."""
        _ = self.left_s

    def check(self, needed_s: float) -> None:
        """Raises OutOfTime when less than this is left: better now than in the middle of it."""
        left_s = self.left_s
        if left_s is not None and left_s < needed_s:
            raise OutOfTime(
                f"it would take {needed_s:.1f} s more and {left_s:.1f} s are left",
                measured=round(needed_s, 3),
                limit=round(left_s, 3),
            )


def resident_bytes() -> int:
    """Memory of this process that is in use."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:  # not Linux: the peak so far
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return pages * resource.getpagesize()


def expected_s(plan: WorkPlan, costs: Costs, first: str = "enhance") -> float:
    """Seconds that a plan takes from its stage ``first`` on."""
    stages = list(plan.stages())
    start = [stage for stage, *_ in stages].index(first)
    return sum(costs.expected_s(name, area, each_s) for _, name, area, each_s in stages[start:])


def fit_to_budget(
    plan: WorkPlan, budget: Budget, costs: Costs, is_open: bool
) -> tuple[WorkPlan, tuple[Decision, ...], tuple[str, ...]]:
    """Reduces a plan to what the budget allows.

    Args:
        plan: All that was asked for.
        budget: What there is.
        costs: What stages have cost so far.
        is_open: Whether the networks are open already.

    Returns:
        The plan that fits; the decision, none where nothing is limited; and warnings that say
        what was left out and why.

    Raises:
        OutOfTime, TooMuchMemory: Even the cheapest plan does not fit.
    """
    left_s, free_bytes = budget.left_s, budget.free_bytes
    if left_s is None and free_bytes is None:
        return plan, (), ()
    opening_s = 0.0 if is_open else OPENING_S
    if free_bytes is not None and not is_open:
        free_bytes = max(0, free_bytes - OPENING_BYTES)
    omitted: dict[str, str] = {}
    needed_s = opening_s + SAFETY * expected_s(plan, costs)
    shortfall = first = _shortfall(plan, needed_s, left_s, free_bytes)
    for fallback, step, words in plan.fallbacks():
        if shortfall is None:
            break
        plan, omitted[step] = fallback, words
        needed_s = opening_s + SAFETY * expected_s(plan, costs)
        shortfall = _shortfall(plan, needed_s, left_s, free_bytes)
    if shortfall:
        raise shortfall
    warnings = tuple(f"{words}, for {first.message}" for words in omitted.values()) if first else ()
    why = "; ".join(omitted.values()) or "all of it fits"
    return plan, (Decision("budget", bool(omitted), why, round(needed_s, 3), left_s),), warnings


def _shortfall(
    plan: WorkPlan, needed_s: float, left_s: float | None, free_bytes: int | None
) -> OutOfTime | TooMuchMemory | None:
    """Why a plan does not fit; None where it does."""
    if left_s is not None and needed_s > left_s:
        return OutOfTime(
            f"it would take about {needed_s:.1f} s and {left_s:.1f} s are left",
            measured=round(needed_s, 3),
            limit=round(left_s, 3),
        )
    needed_mb = plan.memory_mb
    if free_bytes is not None and needed_mb > free_bytes // MB:
        return TooMuchMemory(
            f"it would take about {needed_mb} MB and {free_bytes // MB} MB are free",
            stage="budget",
            measured=needed_mb,
            limit=free_bytes // MB,
        )
    return None
