"""Colour hints in text: which colour a caller wants at which point of a line drawing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.errors import InvalidOption

MAX_HINTS = 256
MAX_SHOWN = 60  # characters of a hint, in a message
NUMBER = r"(\d{1,6}(?:\.\d{0,6})?)(%?)"
HINT = re.compile(
    rf"\s*{NUMBER}\s*,\s*{NUMBER}\s*,\s*#([0-9a-fA-F]{{6}}|[0-9a-fA-F]{{3}})\s*"
    rf"(?:,\s*{NUMBER}\s*)?",
    re.ASCII,
)
PERCENT = 100.0


@dataclass(frozen=True)
class Length:
    """A number of pixels, or a share of a side."""

    number: float
    is_share: bool

    def px(self, side_px: float) -> float:
        """In pixels of a picture with that side."""
        return self.number * side_px if self.is_share else self.number


@dataclass(frozen=True)
class Hint:
    """A dot of colour.

    Attributes:
        x: From the left edge of the upright input.
        y: From its top edge.
        colour: Red, green and blue, 0..255, sRGB.
        radius: Of the dot; a share counts of the longer side. None: one that fits the picture.
    """

    x: Length
    y: Length
    colour: tuple[int, int, int]
    radius: Length | None = None


def parse_hints(text: str) -> tuple[Hint, ...]:
    """Reads hints.

    Args:
        text: ``x,y,#rrggbb`` or ``x,y,#rrggbb,radius``, several separated by semicolons; empty for
            none. Plain numbers are pixels of the upright input, before anything is straightened or
            reduced. With a percent sign they are shares: ``x`` of its width, ``y`` of its height,
            ``radius`` of its longer side. ``#rgb`` is short for ``#rrggbb``.

    Returns:
        The hints, in their order.

    Raises:
        InvalidOption: One cannot be read, or there are more than MAX_HINTS.
    """
    parts = [part for part in text.split(";") if part.strip()]
    if len(parts) > MAX_HINTS:
        raise InvalidOption(
            f"hints has {len(parts)} dots; the limit is {MAX_HINTS}",
            measured=len(parts),
            limit=MAX_HINTS,
        )
    return tuple(_parse(part) for part in parts)


def _parse(part: str) -> Hint:
    match = HINT.fullmatch(part)
    if match is None:
        raise InvalidOption(
            f"hints has {part.strip()[:MAX_SHOWN]!r}; a hint is x,y,#rrggbb or "
            "x,y,#rrggbb,radius, in pixels or with % in shares",
            measured=part.strip()[:MAX_SHOWN],
            limit="x,y,#rrggbb[,radius]",
        )
    x, x_sign, y, y_sign, digits, radius, radius_sign = match.groups()
    digits = digits if len(digits) == 6 else "".join(digit * 2 for digit in digits)
    red, green, blue = bytes.fromhex(digits)
    return Hint(
        x=_length(x, x_sign),
        y=_length(y, y_sign),
        colour=(red, green, blue),
        radius=_length(radius, radius_sign) if radius else None,
    )


def _length(number: str, sign: str) -> Length:
    return Length(float(number) / (PERCENT if sign else 1.0), bool(sign))
