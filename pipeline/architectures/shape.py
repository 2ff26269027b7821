"""What all settings of architectures have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Shape:
    """Settings of an architecture, as they stand in checkpoints and in the manifest."""

    def as_dict(self) -> dict[str, object]:
        """For a checkpoint or the manifest."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of ``as_dict``; JSON's lists become tuples."""
        return cls(
            **{
                name: tuple(value) if isinstance(value, list) else value
                for name, value in values.items()
            }
        )
