"""What the repair is lent: networks of the layer, opened when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.domain import WHOLE, Content, Engine, Picture, QualityEstimate, WeightSpec


@dataclass(frozen=True)
class Tools:
    """How a photo is to be repaired, and with what.

    ``mode``: "auto" (the restorer), "classic" or "off"; ``gate``: "learned" or "laplacian".
    For auto, ``restorer``, ``open_restorer`` (by role: "picture" or "double") and ``estimate``
    are there; for the learned gate, ``thresholds``. ``esrgan`` is None where the layer has none.
    ``content`` is what of the photo is looked at; all of it is repaired.
    """

    mode: str
    gate: str
    tile_px: int
    thresholds: dict[str, float]
    restorer: WeightSpec | None
    open_restorer: Callable[[str], Engine]
    esrgan: WeightSpec | None
    open_esrgan: Callable[[], Engine]
    estimate: Callable[[Picture], QualityEstimate]
    content: Content = WHOLE

    @property
    def needs_estimate(self) -> bool:
        """Whether the quality model is asked about a photo."""
        return self.mode == "auto" or self.gate == "learned"
