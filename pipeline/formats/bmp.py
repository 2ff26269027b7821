"""The colour space in a BMP of version 4 or 5, which Pillow does not read.

Source: Microsoft, BITMAPV4HEADER and BITMAPV5HEADER.
"""

from __future__ import annotations

import struct

from pipeline.formats.colour import Colour, Unusable, described
from pipeline.formats.primaries import Primaries, is_srgb
from pipeline.formats.transfer import is_srgb_gamma, power

SOURCE = "BMP header"
HEADER = 14  # where it begins
V4_BYTES, V5_BYTES = 108, 124
CALIBRATED, EMBEDDED = 0, int.from_bytes(b"MBED", "big")
PLAUSIBLE_GAMMA = (0.1, 10.0)


def profile(data: bytes) -> bytes | None:
    """The embedded ICC profile."""
    if _header_bytes(data) < V5_BYTES or _space(data) != EMBEDDED:
        return None
    begin, length = struct.unpack_from("<II", data, HEADER + 112)
    return data[HEADER + begin : HEADER + begin + length] or None


def colour(data: bytes) -> Colour | Unusable | None:
    """Its end points and gamma, where the header says that they apply."""
    if _header_bytes(data) < V4_BYTES or _space(data) != CALIBRATED:
        return None
    numbers = [number / 2**30 for number in struct.unpack_from("<9i", data, HEADER + 60)]
    gammas = [number / 65536 for number in struct.unpack_from("<3I", data, HEADER + 96)]
    points = [numbers[at : at + 3] for at in (0, 3, 6)]
    if not any(map(any, points)) or not any(gammas):  # many programs leave them empty
        return None
    if any(sum(point) <= 0 for point in points):
        return Unusable(SOURCE, "its end points are no colours")
    red, green, blue = ((x / (x + y + z), y / (x + y + z)) for x, y, z in points)
    primaries = Primaries("end points", red, green, blue)
    gamma = gammas[0]
    if not PLAUSIBLE_GAMMA[0] <= gamma <= PLAUSIBLE_GAMMA[1]:
        return Unusable(SOURCE, f"a gamma of {gamma:g}")
    gamma = 1 / gamma if gamma < 1 else gamma  # programs write it either way
    plain = is_srgb(primaries)
    return described(
        SOURCE,
        None if plain else primaries,
        None if is_srgb_gamma(gamma) and plain else power(gamma),
    )


def _header_bytes(data: bytes) -> int:
    length = int.from_bytes(data[HEADER : HEADER + 4], "little")
    return length if len(data) >= HEADER + length else 0


def _space(data: bytes) -> int:
    return int.from_bytes(data[HEADER + 56 : HEADER + 60], "little")
