"""What can be asked of a picture: that a photo is drawn, or that a line drawing is coloured.

An order is a task with its options and the files that belong to it. All doors make one, and the
worker carries it out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

from pipeline import (
    ColourOptions,
    EmptyInput,
    InvalidOption,
    Options,
    Origin,
    TooManyBytes,
)

if TYPE_CHECKING:
    from pipeline import ColourResult, Pipeline, Result

STYLISE: Final = "stylise"
COLOUR: Final = "colour"
TASK: Final = "task"  # its name among metadata and fields
PART: Final = "part"  # of an object that belongs to a drawing, and is none itself
OPTIONS: Final[dict[str, type[Options | ColourOptions]]] = {STYLISE: Options, COLOUR: ColourOptions}
SPELLINGS = {"color": COLOUR}
MAX_COMPANION_BYTES = 16 * 1024 * 1024
MAX_COORDINATE = 1_000_000
BASE64: Final = "_base64"  # at the end of a companion's name in JSON
HINT_NUMBERS, HINT_RADIUS = ("x", "y"), "radius"


@dataclass(frozen=True)
class Companions:
    """The files beside a line drawing, each None where there is none.

    Attributes:
        hint_layer: A picture with strokes of colour, transparent elsewhere.
        reference: A picture whose colours are drawn from.
    """

    hint_layer: bytes | None = None
    reference: bytes | None = None

    def __post_init__(self) -> None:
        for name in COMPANIONS:
            content = getattr(self, name)
            if content is None:
                continue
            if not content:
                raise EmptyInput(f"{name} is empty", stage="request")
            if len(content) > MAX_COMPANION_BYTES:
                raise TooManyBytes(
                    f"{name} has {len(content)} bytes; the limit is {MAX_COMPANION_BYTES}",
                    stage="request",
                    measured=len(content),
                    limit=MAX_COMPANION_BYTES,
                )


COMPANIONS: Final = tuple(item.name for item in fields(Companions))
NO_COMPANIONS = Companions()


@dataclass(frozen=True)
class Order:
    """What is asked of one file."""

    options: Options | ColourOptions
    companions: Companions = NO_COMPANIONS

    @property
    def label(self) -> str:
        """The part of a result's name that tells what was done: the style's name, or the task's."""
        return COLOUR if isinstance(self.options, ColourOptions) else self.options.style

    def resolved(self, pipeline: Pipeline) -> Order:
        """The same order, with the style's own name. Raises UnknownStyle."""
        if isinstance(self.options, ColourOptions):
            return self
        return replace(self, options=pipeline.resolved(self.options))

    def preload(self, pipeline: Pipeline) -> None:
        """Opens in the background what the order needs."""
        if isinstance(self.options, Options):
            pipeline.preload(self.options)

    def fingerprint(self, pipeline_version: str, origin: Origin) -> str:
        """What the result of this order will have as its fingerprint."""
        from pipeline import fingerprint  # brings in numpy, which a cold start does without

        beside = {name: getattr(self.companions, name) for name in COMPANIONS}
        return fingerprint(pipeline_version, self.options, origin, beside)

    def carry_out(
        self,
        pipeline: Pipeline,
        data: bytes,
        origin: Origin,
        *,
        on_stage: Callable[[str], object] | None = None,
        time_left_s: float | None = None,
    ) -> Result | ColourResult:
        """Runs the pipeline. See ``Pipeline.run`` and ``Pipeline.colour``."""
        if isinstance(self.options, Options):
            return pipeline.run(
                data, self.options, origin, on_stage=on_stage, time_left_s=time_left_s
            )
        return pipeline.colour(
            data,
            self.options,
            origin,
            hint_layer=self.companions.hint_layer,
            reference=self.companions.reference,
            on_stage=on_stage,
            time_left_s=time_left_s,
        )


def task_named(name: Any) -> str:
    """The task of that name. Raises InvalidOption with those that there are."""
    task = name.strip().lower() if isinstance(name, str) else ""
    task = SPELLINGS.get(task, task)
    if task not in OPTIONS:
        known = ", ".join(OPTIONS)
        shown = repr(name[:80]) if isinstance(name, str) else f"of the type {type(name).__name__}"
        raise InvalidOption(f"task is {shown}; it is one of {known}", measured=shown, limit=known)
    return task


def options_of(task: str, by_name: Mapping[str, Any]) -> Options | ColourOptions:
    """The options of a task, by name.

    Args:
        task: One of OPTIONS.
        by_name: Text or numbers; ``hints`` may be a list of ``{x, y, colour, radius}``.

    Raises:
        InvalidOption: An option is unknown or invalid.
    """
    hints = by_name.get("hints")
    if task == COLOUR and isinstance(hints, list):
        by_name = {**by_name, "hints": hints_text(hints)}
    return OPTIONS[task].from_mapping(by_name)


def recordable(by_name: Mapping[str, Any]) -> dict[str, Any]:
    """Options as a record of a refusal can hold them, so that the same can be asked once more."""
    hints = by_name.get("hints")
    if not isinstance(hints, list):
        return dict(by_name)
    try:
        return {**by_name, "hints": hints_text(hints)}
    except InvalidOption:
        return dict(by_name)


def known_options(task: str, metadata: Mapping[str, str]) -> dict[str, str]:
    """The options of a task among an object's metadata.

    Args:
        task: One of OPTIONS.
        metadata: By name; dashes and underscores, and upper and lower case, are equal.
    """
    known = {item.name for item in fields(OPTIONS[task])}
    return {name: value for name, value in plain_names(metadata).items() if name in known}


def plain_names(metadata: Mapping[str, str]) -> dict[str, str]:
    """Metadata under the names of options: in lower case, with underscores."""
    return {name.replace("-", "_").lower(): value for name, value in metadata.items()}


def hints_text(hints: list[Any]) -> str:
    """Dots of colour as the option ``hints`` has them.

    Args:
        hints: Objects with ``x``, ``y``, ``colour`` ("#rrggbb") and perhaps ``radius``: numbers are
            pixels, text like "12.5%" is a share.

    Raises:
        InvalidOption: One of them is something else.
    """
    return ";".join(_hint_text(number, hint) for number, hint in enumerate(hints, 1))


def _hint_text(number: int, hint: Any) -> str:
    needed = {*HINT_NUMBERS, COLOUR}
    if not isinstance(hint, dict) or not needed <= hint.keys() <= needed | {HINT_RADIUS}:
        raise InvalidOption(
            f"hints: number {number} is not an object of x, y, colour and perhaps radius",
            measured=number,
        )
    colour = hint[COLOUR]
    if not isinstance(colour, str) or "," in colour or ";" in colour:
        raise InvalidOption(f"hints: the colour of number {number} is not #rrggbb", measured=number)
    parts = [_length_text(number, name, hint[name]) for name in HINT_NUMBERS]
    parts.append(colour)
    if hint.get(HINT_RADIUS) is not None:
        parts.append(_length_text(number, HINT_RADIUS, hint[HINT_RADIUS]))
    return ",".join(parts)


def _length_text(number: int, name: str, value: Any) -> str:
    if isinstance(value, str) and "," not in value and ";" not in value:
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or abs(value) >= MAX_COORDINATE:
        raise InvalidOption(
            f"hints: {name} of number {number} is no number of pixels below {MAX_COORDINATE}",
            measured=number,
            limit=MAX_COORDINATE,
        )
    return f"{value:.3f}"
