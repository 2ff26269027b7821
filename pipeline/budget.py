"""Whether a photo can be drawn in the time and memory that are left, and what is left out if not.

What stages cost is learned from the photos that this process has drawn; for a stage that it has
not seen yet the figures below stand. What does not fit is left out in a fixed order: the doubling,
then size, then the faces.
"""

from __future__ import annotations

import resource
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from pipeline.domain import Decision
from pipeline.errors import OutOfTime, TooMuchMemory
from pipeline.settings import Options

# Seconds a megapixel of one slow core, until this process has seen better: twice what two cores
# of a server were measured at (README, Figures). The steps of the repair have one each.
FIRST_S = {
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
REMEMBERED = 8  # runs of a stage, the dearest of which counts
SAFETY = 1.25
LEARNT_FROM_MP = 0.25  # what a smaller photo costs is mostly the same for every size
LEAST_SIDE_PX = 512  # a smaller picture is not what anybody asked for
SMALLER = 0.8  # of the side, from one try to the next
# Of the picture that is drawn, all copies of it that are held at once: 34 were measured with one
# face, at 12 and at 48 megapixels; the rest is room for a crowd of them.
BYTES_PER_PIXEL = 64
# And of the pixels that the style's network draws at once, beside these: 80 to 110 were measured.
BYTES_PER_WORKING_PIXEL = 110
MB = 1_000_000


class Costs:
    """Seconds a megapixel by stage, as this process has seen them. Threads may share it."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[float]] = {}

    def learn(self, name: str, megapixels: float, elapsed_s: float) -> None:
        """One run of a stage over so many megapixels."""
        if megapixels >= LEARNT_FROM_MP:
            self._seen.setdefault(name, deque(maxlen=REMEMBERED)).append(elapsed_s / megapixels)

    def learn_all(self, plan: Plan, timings_ms: Mapping[str, float]) -> None:
        """What a run took, by stage."""
        for stage, name, megapixels, _ in plan.stages():
            self.learn(name, megapixels, timings_ms[stage] / 1000)

    def expected_s(self, name: str, megapixels: float, first_s: float) -> float:
        """Of a run; ``first_s`` is its seconds a megapixel where none was seen."""
        return megapixels * max(self._seen.get(name, (first_s,)))


@dataclass(frozen=True)
class Plan:
    """What is to be done to a decoded photo, as far as it costs.

    ``steps`` are those of the repair, in ``mode``, that the gate found; ``working_mp`` gives the
    megapixels that the style draws of a picture of so many by so many pixels, in tiles of about
    ``tile_px``.
    """

    width_px: int
    height_px: int
    mode: str
    steps: tuple[str, ...]
    faces: bool
    style: str
    working_mp: Callable[[int, int], float]
    tile_px: int = 1024
    whole: bool = True  # nothing was left out

    @property
    def side_px(self) -> int:
        """The longer side of the photo, before any doubling."""
        return max(self.width_px, self.height_px)

    @property
    def times(self) -> int:
        """How much larger than the photo's the sides of the drawing are."""
        return 2 if "upscale" in self.steps else 1

    @property
    def megapixels(self) -> float:
        """Of the drawing."""
        return self.width_px * self.height_px * self.times**2 / 1e6

    @property
    def drawn_mp(self) -> float:
        """Megapixels that the style draws."""
        return self.working_mp(self.width_px * self.times, self.height_px * self.times)

    @property
    def memory_mb(self) -> int:
        """What all of it holds at once, beside the opened networks."""
        tile_mp = min(self.drawn_mp, (1.125 * self.tile_px) ** 2 / 1e6)
        return round(self.megapixels * BYTES_PER_PIXEL + tile_mp * BYTES_PER_WORKING_PIXEL)

    def stages(self) -> Iterator[tuple[str, str, float, float]]:
        """Stage, the name its cost is kept under, megapixels, seconds for each at first."""
        drawn = self.megapixels
        repairing_s = sum(FIRST_S[step] for step in self.steps)
        if self.mode == "auto" and self.steps:  # one pass of a network, whatever it mends
            repairing_s = FIRST_S["restore"]
        yield "enhance", f"enhance {self.mode} {self.steps}", drawn, repairing_s
        if self.faces:
            yield "faces", "faces", drawn, FIRST_S["faces"]
        yield "stylise", f"stylise {self.style}", self.drawn_mp, FIRST_S["stylise"]
        for stage in ("enlarge", "redraw", "repair", "measure", "encode"):
            if stage != "redraw" or self.faces:
                yield stage, stage, drawn, FIRST_S[stage]

    def limited(self, options: Options) -> Options:
        """The options with which the stages do no more than this plan."""
        if self.whole:
            return options
        faces = options.faces if self.faces else "off"
        side_px = min(options.max_side_px, max(LEAST_SIDE_PX, self.side_px))
        return replace(options, upscale="off", max_side_px=side_px, faces=faces)

    def less(self) -> Iterator[tuple[Plan, str, str]]:
        """Plans that cost less and less, each with what was left out last and that in words."""
        plan = replace(self, whole=False)
        if "upscale" in plan.steps:
            plan = replace(plan, steps=tuple(step for step in plan.steps if step != "upscale"))
            yield plan, "upscale", "it is not doubled"
        while plan.side_px > LEAST_SIDE_PX:
            scale = max(SMALLER, LEAST_SIDE_PX / plan.side_px)
            sides = (max(1, round(side * scale)) for side in (plan.width_px, plan.height_px))
            plan = replace(plan, width_px=next(sides), height_px=next(sides))
            yield plan, "side", f"it is drawn at {plan.side_px} px"
        if plan.faces:
            plan = replace(plan, faces=False)
            yield plan, "faces", "its faces are left as drawn"


@dataclass(frozen=True)
class Budget:
    """What there is for one photo: ``deadline_s`` on time.monotonic's clock, ``free_bytes`` of
    memory; None where it is not limited.
    """

    deadline_s: float | None = None
    free_bytes: int | None = None

    @classmethod
    def start(cls, memory_mb: int, time_left_s: float | None) -> Self:
        """From now on; ``memory_mb`` is what this process may hold in all, 0 for anything."""
        return cls(
            None if time_left_s is None else time.monotonic() + time_left_s,
            memory_mb * MB - resident_bytes() if memory_mb else None,
        )

    @property
    def left_s(self) -> float | None:
        """Seconds until the deadline. Raises OutOfTime when there are none."""
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
    except OSError:  # no Linux: the most there was
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return pages * resource.getpagesize()


def expected_s(plan: Plan, costs: Costs, first: str = "enhance") -> float:
    """Seconds that a plan takes from its stage ``first`` on."""
    listed = list(plan.stages())
    start = [stage for stage, *_ in listed].index(first)
    return sum(costs.expected_s(name, area, first_s) for _, name, area, first_s in listed[start:])


def affordable(
    plan: Plan, budget: Budget, costs: Costs, opened: bool
) -> tuple[Plan, tuple[Decision, ...], tuple[str, ...]]:
    """in: what is wanted, and whether the networks are open; out: what the budget allows of it,
    the decision, and in words what was left out and why. Where nothing is limited there is
    nothing to decide.

    Raises OutOfTime or TooMuchMemory when even the least does not fit.
    """
    left_s, free_bytes = budget.left_s, budget.free_bytes
    if left_s is None and free_bytes is None:
        return plan, (), ()
    opening_s = 0.0 if opened else OPENING_S
    if free_bytes is not None and not opened:
        free_bytes = max(0, free_bytes - OPENING_BYTES)
    omitted: dict[str, str] = {}
    needed_s = opening_s + SAFETY * expected_s(plan, costs)
    lack = first = _lack(plan, needed_s, left_s, free_bytes)
    for less, step, words in plan.less():
        if lack is None:
            break
        plan, omitted[step] = less, words
        needed_s = opening_s + SAFETY * expected_s(plan, costs)
        lack = _lack(plan, needed_s, left_s, free_bytes)
    if lack:
        raise lack
    told = tuple(f"{words}, for {first.message}" for words in omitted.values()) if first else ()
    why = "; ".join(omitted.values()) or "all of it fits"
    return plan, (Decision("budget", bool(omitted), why, round(needed_s, 3), left_s),), told


def _lack(
    plan: Plan, needed_s: float, left_s: float | None, free_bytes: int | None
) -> OutOfTime | TooMuchMemory | None:
    """What stands against a plan."""
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
