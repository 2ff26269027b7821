"""How well the quality model measures, and the gate decides by it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pipeline import quality_model
from pipeline.architectures.quality import MEASURES
from pipeline.domain import QualityEstimate

SHARE = 0.9915  # of clean photos under the threshold of each measure; of all four, 0.967

Measures = NDArray[np.float32]  # (N, 5) in the order of MEASURES


def faults(measures: Measures) -> dict[str, NDArray[np.float32]]:
    """What the gate has thresholds for, (N,) each: more is worse. As the gate itself has them."""
    rows = [quality_model.faults(QualityEstimate(*map(float, row))) for row in measures]
    return {name: np.array([row[name] for row in rows], np.float32) for name in rows[0]}


def thresholds_of(clean: Measures, share: float = SHARE) -> dict[str, float]:
    """The gate's thresholds.

    Args:
        clean: what the model predicts of clean photos.
        share: of them, how many stay under the threshold of a measure.
    """
    quantiles = {name: np.quantile(values, share) for name, values in faults(clean).items()}
    return {name: round(float(value), 3) for name, value in quantiles.items()}


def acts(measures: Measures, thresholds: Mapping[str, float]) -> NDArray[np.bool_]:
    """Whether the gate restores a photo, for any of its faults, (N,)."""
    over = [values > thresholds[name] for name, values in faults(measures).items()]
    return np.asarray(np.stack(over).any(0))


def quality_metrics(
    predictions: Mapping[str, Measures],
    targets: Mapping[str, Measures],
    thresholds: Mapping[str, float],
) -> dict[str, float]:
    """Mean absolute errors, and the gate's two kinds of success.

    Args:
        predictions: by kind of damage.
        targets: by kind of damage.
        thresholds: of the gate.

    Returns:
        ``MEASURE_error`` over all kinds; ``clean_left_alone``, the share of clean photos that the
        gate leaves alone; ``spoilt_found``, the share of those with a fault that is clearly there
        on which it acts.
    """
    predicted, true = (np.concatenate(list(rows.values())) for rows in (predictions, targets))
    errors = np.abs(predicted - true).mean(0)
    metrics = {f"{name}_error": float(error) for name, error in zip(MEASURES, errors, strict=True)}
    clearly = true[:, -1] <= 0.5
    metrics["clean_left_alone"] = float(1 - acts(predictions["clean"], thresholds).mean())
    metrics["spoilt_found"] = float(acts(predicted[clearly], thresholds).mean())
    return metrics
