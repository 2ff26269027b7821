"""Transfer characteristics: coded values to light, and light to the coded values of sRGB.

Sources: ITU-T H.273 (table 3), ITU-R BT.709, BT.2100 and BT.2408, IEC 61966-2-1, SMPTE ST 428-1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.floating]

REFERENCE_WHITE_NITS = 203.0  # of diffuse white in HDR pictures: BT.2408, table 1
PQ_PEAK_NITS = 10_000.0
HLG_PEAK_NITS, HLG_SYSTEM_GAMMA = 1000.0, 1.2  # of BT.2100's reference display


@dataclass(frozen=True)
class Transfer:
    """How light is coded.

    Attributes:
        name: For the sidecar.
        linear: Values 0..1 to light, of which 1 is diffuse white.
        hdr: "pq" or "hlg": light goes beyond 1, and pictures need a tone map.
    """

    name: str
    linear: Callable[[Values], Values]
    hdr: str | None = None


def srgb_to_linear(values: Values) -> Values:
    """IEC 61966-2-1; negative values are mirrored, as in its extended form."""
    size = np.abs(values)
    light = np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.copysign(light, values))


def linear_to_srgb(light: Values) -> Values:
    """The inverse of ``srgb_to_linear``."""
    size = np.abs(light)
    root = size ** size.dtype.type(1 / 2.4)
    values = np.where(size <= 0.0031308, size * 12.92, 1.055 * root - 0.055)
    return np.asarray(np.copysign(values, light))


def _bt709(values: Values) -> Values:
    """The inverse of BT.709's and BT.2020's camera curve."""
    alpha, beta = 1.09929682680944, 0.018053968510807
    return np.asarray(
        np.where(values < 4.5 * beta, values / 4.5, ((values + alpha - 1) / alpha) ** (1 / 0.45))
    )


def _smpte240(values: Values) -> Values:
    return np.asarray(
        np.where(values < 0.0912, values / 4.0, ((values + 0.1115) / 1.1115) ** (1 / 0.45))
    )


def _pq(values: Values) -> Values:
    """BT.2100, table 4: perceptual quantizer, in units of diffuse white."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    root = np.maximum(values, 0) ** (1 / m2)
    share = (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    return np.asarray(share * (PQ_PEAK_NITS / REFERENCE_WHITE_NITS))


def _hlg(values: Values) -> Values:
    """BT.2100, table 5: hybrid log-gamma to the light of the scene, 0..1.

    The display's part of it needs all three channels: see ``hlg_display``.
    """
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.asarray(np.where(values <= 0.5, values**2 / 3, (np.exp((values - c) / a) + b) / 12))


def hlg_display(scene: Values, luminance: Values) -> Values:
    """Light of the scene to light of the reference display (BT.2100, table 5: OOTF).

    Args:
        scene: (..., 3) light of the scene.
        luminance: Shares of the channels in luminance.

    Returns:
        (..., 3) in units of diffuse white.
    """
    brightness = scene @ luminance.astype(scene.dtype)
    gain = np.maximum(brightness, 0) ** scene.dtype.type(HLG_SYSTEM_GAMMA - 1)
    return np.asarray(scene * (gain * (HLG_PEAK_NITS / REFERENCE_WHITE_NITS))[..., None])


def power(gamma: float) -> Transfer:
    """Light is the coded value to the power of ``gamma``."""
    name = "linear" if gamma == 1 else f"gamma {gamma:.4g}"
    return Transfer(name, lambda values: np.maximum(values, 0) ** gamma)


def is_srgb_gamma(gamma: float) -> bool:
    """Whether a power law stands for sRGB's curve.

    By libpng's tolerance of a twentieth around 2.2, which many programs write where they mean sRGB.
    """
    return abs(gamma / 2.2 - 1) <= 0.05


def _log(decades: float) -> Transfer:
    def linear(values: Values) -> Values:
        return np.asarray(np.where(values <= 0, 0, 10 ** ((values - 1) * decades)))

    return Transfer(f"log {decades:g} decades", linear)


SRGB = Transfer("sRGB", srgb_to_linear)
BT709 = Transfer("BT.709", _bt709)
PQ, HLG = Transfer("PQ", _pq, "pq"), Transfer("HLG", _hlg, "hlg")
ADOBE_RGB = power(563 / 256)

# TransferCharacteristics of H.273 that say something; 2 says nothing
BY_CODE = {
    1: BT709,
    4: power(2.2),
    5: power(2.8),
    6: BT709,
    7: Transfer("SMPTE 240M", _smpte240),
    8: power(1.0),
    9: _log(2),
    10: _log(2.5),
    11: BT709,
    12: BT709,
    13: SRGB,
    14: BT709,
    15: BT709,
    16: PQ,
    17: Transfer("ST 428-1", lambda values: np.maximum(values, 0) ** 2.6 * (52.37 / 48)),
    18: HLG,
}
