"""Primaries: chromaticities, and the matrix from their light to that of sRGB.

Sources: ITU-T H.273 (table 2), CIE 015 (chromaticity), Bradford's adaptation as in ICC.1 annex E.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]  # (3, 3)

D65, C, EQUAL, DCI = (0.3127, 0.3290), (0.310, 0.316), (1 / 3, 1 / 3), (0.314, 0.351)
D50_XYZ = np.array([0.9642, 1.0, 0.8249])  # of ICC's connection space
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
Point = tuple[float, float]


@dataclass(frozen=True)
class Primaries:
    """Chromaticities x, y of red, green, blue and white."""

    name: str
    red: Point
    green: Point
    blue: Point
    white: Point = D65

    def to_xyz(self) -> Matrix:
        """The matrix from light of the three primaries to XYZ, white having Y = 1.

        Raises:
            ValueError: The primaries span no triangle.
        """
        columns = np.array([_xyz(point) for point in (self.red, self.green, self.blue)]).T
        if not np.isfinite(columns).all() or abs(np.linalg.det(columns)) < 1e-6:
            raise ValueError("the primaries lie on a line")
        return np.asarray(columns * np.linalg.solve(columns, _xyz(self.white)))

    def luminance(self) -> NDArray[np.float64]:
        """The share of each channel in luminance."""
        return np.asarray(self.to_xyz()[1])


def _xyz(point: Point) -> NDArray[np.float64]:
    x, y = point
    if y == 0:  # an imaginary primary of Y = 0, as blue of ST 428 has
        return np.array([x, 0.0, 1 - x])
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _adaptation(source: NDArray[np.float64], target: NDArray[np.float64]) -> Matrix:
    """Bradford's matrix from one white's XYZ to another's."""
    scale = (BRADFORD @ target) / (BRADFORD @ source)
    return np.asarray(np.linalg.inv(BRADFORD) @ (scale[:, None] * BRADFORD))


SRGB = Primaries("sRGB", (0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
DISPLAY_P3 = Primaries("Display P3", (0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
BT2020 = Primaries("BT.2020", (0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
ADOBE_RGB = Primaries("Adobe RGB (1998)", (0.640, 0.330), (0.210, 0.710), (0.150, 0.060))
SMPTE170 = Primaries("SMPTE 170M", (0.630, 0.340), (0.310, 0.595), (0.155, 0.070))

# ColourPrimaries of H.273 that say something; 2 says nothing
BY_CODE = {
    1: SRGB,
    4: Primaries("BT.470 M", (0.67, 0.33), (0.21, 0.71), (0.14, 0.08), C),
    5: Primaries("BT.470 BG", (0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: SMPTE170,
    7: SMPTE170,
    8: Primaries("film", (0.681, 0.319), (0.243, 0.692), (0.145, 0.049), C),
    9: BT2020,
    10: Primaries("XYZ", (1.0, 0.0), (0.0, 1.0), (0.0, 0.0), EQUAL),
    11: Primaries("DCI-P3", (0.680, 0.320), (0.265, 0.690), (0.150, 0.060), DCI),
    12: DISPLAY_P3,
    22: Primaries("EBU 3213", (0.630, 0.340), (0.295, 0.605), (0.155, 0.077)),
}


def to_srgb(primaries: Primaries) -> Matrix:
    """The matrix from light of these primaries to light of sRGB's. Raises ValueError."""
    adapted = _adaptation(_xyz(primaries.white), _xyz(D65)) @ primaries.to_xyz()
    return np.asarray(np.linalg.solve(SRGB.to_xyz(), adapted))


SAME_POINT = 0.005  # chromaticities closer than this are the same


def is_same(mine: Primaries, its: Primaries) -> bool:
    """Whether both are the same, within the rounding of programs that write them."""
    return all(
        abs(value - other) <= SAME_POINT
        for point in ("red", "green", "blue", "white")
        for value, other in zip(getattr(mine, point), getattr(its, point), strict=True)
    )


def is_srgb(primaries: Primaries) -> bool:
    """Whether these are sRGB's, within the rounding of programs that write them."""
    return is_same(primaries, SRGB)


# the XYZ of sRGB's red, green and blue relative to D50, as columns
SRGB_COLUMNS = _adaptation(_xyz(D65), D50_XYZ) @ SRGB.to_xyz()


def d50_to_srgb(columns: Matrix) -> Matrix:
    """The matrix to light of sRGB for primaries given as an ICC profile holds them.

    That is the XYZ of red, green and blue relative to D50, as columns.
    """
    return np.asarray(np.linalg.solve(SRGB_COLUMNS, columns))
