"""What a restorer is worth: decibels against the photo that was degraded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from pipeline.domain import RgbImage
from pipeline.measure import psnr_db
from training.data.restorer import Pair


def lanczos(picture: RgbImage) -> RgbImage:
    """Twice the size without a network, to compare with."""
    return cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_LANCZOS4)


def restoration_metrics(
    pairs: Sequence[Pair], restored: Sequence[RgbImage], doubled: Sequence[RgbImage]
) -> dict[str, float]:
    """Mean PSNR against the targets in dB, at the same size and at twice the size.

    Args:
        pairs: with their doubled targets.
        restored: predictions at the same size.
        doubled: predictions at twice the size.

    Returns:
        Of the inputs (``given_db``) and of what Lanczos doubles (``lanczos_db``), and of the
        predictions.

    Raises:
        ValueError: a pair has no doubled target.
    """
    rows = []
    for pair, same, twice in zip(pairs, restored, doubled, strict=True):
        if pair.doubled is None:
            raise ValueError("a pair without its doubled picture cannot be measured")
        rows.append(
            (
                psnr_db(pair.input, pair.target),
                psnr_db(same, pair.target),
                psnr_db(lanczos(pair.input), pair.doubled),
                psnr_db(twice, pair.doubled),
            )
        )
    names = ("given_db", "restored_db", "lanczos_db", "doubled_db")
    return {name: float(mean) for name, mean in zip(names, np.mean(rows, axis=0), strict=True)}


def gains(metrics: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Sums up ``restoration_metrics`` by kind of damage for the log.

    Returns:
        In dB over doing nothing, by kind, and over Lanczos on average; and the PSNR of restored
        clean photos.
    """
    summary = {
        f"{kind}_gain_db": row["restored_db"] - row["given_db"]
        for kind, row in metrics.items()
        if kind != "clean"
    }
    summary["clean_db"] = metrics["clean"]["restored_db"]
    doubled = [row["doubled_db"] - row["lanczos_db"] for row in metrics.values()]
    return summary | {"doubled_gain_db": float(np.mean(doubled))}
