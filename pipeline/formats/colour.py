"""The colour space of a file: what its numbers mean, from whatever the file says of it.

Sources are ranked as the PNG specification of 2025 ranks them (cICP, iCCP, sRGB, gAMA and cHRM),
and for the containers of HEIF as ISO/IEC 23008-12 does (ICC before nclx); EXIF comes last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from pipeline.formats import primaries as named_primaries
from pipeline.formats import transfer as named_transfers
from pipeline.formats.primaries import Matrix, Primaries, to_srgb
from pipeline.formats.transfer import Transfer

Warn = Callable[[str], object]

SAME_MATRIX, SAME_CURVE = 0.01, 1.5 / 255  # differences that nobody sees
WIDE = -0.005  # light of sRGB below which a colour lies outside


@dataclass(frozen=True, eq=False)
class Colour:
    """A colour space: coded red, green and blue to light of sRGB's primaries.

    Attributes:
        source: What in the file says it.
        name: What it says.
        curves: One for each channel.
        matrix: From the channels' light to light of sRGB.
        luminance: The channels' shares in luminance.
        full_range: False where 16 of 255 is black and 235 white.
        profile: An ICC profile, where that is the source.
        shaper: Whether curves and matrix say all of it: a profile may have tables instead.
    """

    source: str
    name: str
    matrix: Matrix
    curves: tuple[Transfer, Transfer, Transfer]
    luminance: Matrix
    full_range: bool = True
    profile: bytes | None = None
    shaper: bool = True

    @property
    def hdr(self) -> str | None:
        """``pq`` or ``hlg`` for pictures that need a tone map."""
        return self.curves[0].hdr

    @property
    def is_wide(self) -> bool:
        """Whether it has colours outside sRGB."""
        corners = np.array(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, -1)
        return bool((self.matrix @ corners).min() < WIDE)

    @property
    def is_curved(self) -> bool:
        """Whether its curve differs from sRGB's, so that 8 bits would show steps."""
        return self.hdr is not None or not self._curves_like(ASSUMED)

    @property
    def is_srgb(self) -> bool:
        """Whether the numbers can be taken as they are."""
        return self.full_range and self.shaper and self.same_as(ASSUMED)

    def same_as(self, other: Colour) -> bool:
        """Whether both give the same picture to the eye."""
        if self.hdr != other.hdr or np.abs(self.matrix - other.matrix).max() > SAME_MATRIX:
            return False
        return self._curves_like(other)

    def _curves_like(self, other: Colour) -> bool:
        grid = np.linspace(0, 1, 33)
        encode = named_transfers.linear_to_srgb
        return all(
            np.abs(encode(mine.linear(grid)) - encode(theirs.linear(grid))).max() <= SAME_CURVE
            for mine, theirs in zip(self.curves, other.curves, strict=True)
        )


@dataclass(frozen=True)
class Unusable:
    """A colour space that a file names, and why it cannot be used."""

    source: str
    why: str


def described(
    source: str,
    primaries: Primaries | None,
    transfer: Transfer | None,
    *,
    name: str | None = None,
    full_range: bool = True,
) -> Colour | Unusable:
    """A Colour of these primaries and this transfer; None means sRGB's."""
    primaries = primaries or named_primaries.SRGB
    transfer = transfer or named_transfers.SRGB
    try:
        matrix = to_srgb(primaries)
    except (ValueError, np.linalg.LinAlgError) as error:
        return Unusable(source, str(error))
    return Colour(
        source=source,
        name=name or f"{primaries.name}, {transfer.name}",
        matrix=matrix,
        curves=(transfer,) * 3,
        luminance=primaries.luminance(),
        full_range=full_range,
    )


def _srgb(source: str) -> Colour:
    """The default where a file says nothing."""
    primaries, curve = named_primaries.SRGB, named_transfers.SRGB
    return Colour(source, "sRGB", np.eye(3), (curve,) * 3, primaries.luminance())


ASSUMED = _srgb("none")


def by_codes(
    source: str, primaries: int, transfer: int, *, full_range: bool = True
) -> Colour | Unusable | None:
    """A Colour by the code points of H.273; None where they say nothing ("unspecified").

    Transfer 1, 6, 14 and 15 (BT.709, BT.601, BT.2020) with BT.709's or BT.601's primaries is taken
    as sRGB's: encoders write these codes for any ordinary picture, and browsers show it so.
    """
    unknown = [
        f"{kind} {code}"
        for kind, code, known in (
            ("primaries", primaries, named_primaries.BY_CODE),
            ("transfer", transfer, named_transfers.BY_CODE),
        )
        if code != 2 and code not in known
    ]
    if unknown:
        return Unusable(source, f"{' and '.join(unknown)} of H.273 have no meaning")
    if primaries == 2 and transfer == 2 and full_range:
        return None
    curve = named_transfers.BY_CODE.get(transfer)
    if curve is named_transfers.BT709 and primaries in (1, 2, 5, 6, 7):
        curve = None
    return described(source, named_primaries.BY_CODE.get(primaries), curve, full_range=full_range)


def chosen(candidates: Iterable[Colour | Unusable | None], warn: Warn) -> Colour:
    """The first usable of several, best first; sRGB where there is none.

    ``warn`` is called with those before it that cannot be used, and with later ones that differ.
    """
    best: Colour | None = None
    for candidate in candidates:
        if candidate is None:
            continue
        if isinstance(candidate, Unusable):
            if best is None:
                warn(f"the {candidate.source} was ignored: {candidate.why}")
        elif best is None:
            best = candidate
        elif best.shaper and candidate.shaper and not candidate.same_as(best):
            warn(
                f"the {candidate.source} ({candidate.name}) was ignored: "
                f"the {best.source} ({best.name}) comes first"
            )
    return best or ASSUMED
