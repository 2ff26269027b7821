"""PNG: its colour chunks, and its 16 bits a channel, of which Pillow keeps 8.

Source: PNG specification, third edition (W3C, 2025), chapters 4.3, 11.3.2 and 12.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.formats.colour import Colour, Unusable, by_codes, described
from pipeline.formats.primaries import Primaries, is_srgb
from pipeline.formats.transfer import is_srgb_gamma, power

SIGNATURE_BYTES = 8
MAX_CHUNKS = 10_000  # before the pixels; a file may have as many as it has bytes
PLAUSIBLE_GAMMA = (0.1, 10.0)

CICP, SRGB, GAMMA = "cICP chunk", "sRGB chunk", "gAMA and cHRM chunks"


def depth(data: bytes) -> int:
    """Bits of a channel, by the header; 0 where there is no header."""
    return data[24] if data[12:16] == b"IHDR" and len(data) > 24 else 0


def colours(data: bytes, icc: Colour | Unusable | None) -> Iterator[Colour | Unusable | None]:
    """The colour spaces that its chunks and its iCCP profile name, best first."""
    chunks = dict(_chunks(data))
    yield _cicp(chunks.get(b"cICP"))
    yield icc
    if b"sRGB" in chunks:
        yield described(SRGB, None, None, name="sRGB")
    yield _gamma(chunks.get(b"gAMA"), chunks.get(b"cHRM"))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and body of the short chunks before the pixels."""
    at = SIGNATURE_BYTES
    for _ in range(MAX_CHUNKS):
        head = data[at : at + 8]
        if len(head) < 8:
            return
        length, name = struct.unpack(">I4s", head)
        if name in (b"IDAT", b"IEND"):
            return
        if length <= 32:
            yield name, data[at + 8 : at + 8 + length]
        at += 12 + length


def _cicp(body: bytes | None) -> Colour | Unusable | None:
    if body is None:
        return None
    if len(body) != 4 or body[2] != 0 or body[3] > 1:
        return Unusable(CICP, "it is not four bytes for RGB")
    return by_codes(CICP, body[0], body[1], full_range=body[3] == 1)


def _gamma(gamma: bytes | None, chromaticities: bytes | None) -> Colour | Unusable | None:
    if gamma is None and chromaticities is None:
        return None
    primaries, transfer = None, None
    if chromaticities is not None:
        if len(chromaticities) != 32:
            return Unusable(GAMMA, "cHRM is not eight numbers")
        numbers = [number / 100_000 for number in struct.unpack(">8I", chromaticities)]
        white, red, green, blue = ((numbers[at], numbers[at + 1]) for at in range(0, 8, 2))
        primaries = Primaries("cHRM", red, green, blue, white)
        primaries = None if is_srgb(primaries) else primaries
    if gamma is not None:
        exponent = int.from_bytes(gamma, "big") / 100_000
        if not PLAUSIBLE_GAMMA[0] <= exponent <= PLAUSIBLE_GAMMA[1]:
            return Unusable(GAMMA, f"a gamma of {exponent:g}")
        if primaries or not is_srgb_gamma(1 / exponent):
            transfer = power(1 / exponent)
    return described(GAMMA, primaries, transfer)


def sixteen_bits(data: bytes) -> NDArray[np.uint16] | None:
    """Reads a file with 16 bits a channel, without its alpha.

    Returns:
        (H, W, 3) red, green and blue, or (H, W) grey; None where the library cannot read it.
    """
    values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16:
        return None
    if values.ndim == 2:
        return np.asarray(values, np.uint16)
    return np.asarray(values[..., 2::-1], np.uint16)
