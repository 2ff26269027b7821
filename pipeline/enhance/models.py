"""How a photo is restored, and the models available for it, opened when first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from pipeline.domain import WHOLE, Content
from pipeline.model import Model
from pipeline.quality_model import QualityEstimator


@dataclass(frozen=True)
class RestorationModels:
    """What the options and the folder of weights make of the restoration.

    Attributes:
        mode: "auto" (by the restorer), "classic" or "off".
        gate: "learned" or "laplacian".
        quality: Asked about a photo; there for mode "auto" and for the learned gate.
        restorer: There for mode "auto".
        doubler: The restorer's file that also doubles the photo; there for mode "auto".
        esrgan: Doubles photos in mode "classic"; None where the folder has none.
        content: The part of the photo that is measured; all of it is restored.
    """

    mode: str
    gate: str
    quality: QualityEstimator | None = None
    restorer: Model | None = None
    doubler: Model | None = None
    esrgan: Model | None = None
    content: Content = WHOLE

    def checked(self, before_tile: Callable[[], object]) -> Self:
        """The same models, each with a check between its tiles (see Model.checked)."""
        models: dict[str, Any] = {
            name: model.checked(before_tile)
            for name in ("restorer", "doubler", "esrgan")
            if isinstance(model := getattr(self, name), Model)
        }
        return replace(self, **models)

    @property
    def estimator(self) -> QualityEstimator:
        """The quality model; ValueError where it is not there."""
        if self.quality is None:
            raise ValueError("the quality model is needed")
        return self.quality

    @property
    def thresholds(self) -> Mapping[str, float]:
        """The learned gate's limits by measure; ValueError without a quality model."""
        return self.estimator.thresholds
