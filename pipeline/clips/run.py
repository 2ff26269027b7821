"""A clip from its file to its drawn file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.budget import Budget
from pipeline.clips.result import ClipResult, Segment
from pipeline.errors import EngineUnavailable
from pipeline.job import Services
from pipeline.origin import Origin
from pipeline.settings import Options


@dataclass(frozen=True, eq=False)
class ClipRequest:
    """What the drawing of a clip is given.

    Attributes:
        source: The clip's file.
        output: Where the drawn clip is written.
        options: What the caller asked for, with the style's own name.
        origin: Where the file came from.
        budget: Time and memory that there are.
        segment: The part that is drawn; None for all of it.
    """

    source: Path
    output: Path
    options: Options
    origin: Origin
    budget: Budget
    segment: Segment | None = None


def draw_clip(
    request: ClipRequest,
    services: Services,
    pipeline_version: str,
    on_frame: Callable[[int, int], object] | None = None,
) -> ClipResult:
    """Draws a clip; see ``Pipeline.run_clip``."""
    del services, pipeline_version, on_frame
    raise EngineUnavailable(f"{request.source.name}: nothing draws clips yet", stage="clip")
