"""What the deployment says of S3 and the queue, out of the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from pipeline import Misconfigured


@dataclass(frozen=True)
class AdapterSettings:
    """Where things lie in S3: OUTPUT_BUCKET, INPUT_PREFIX and URL_LIFETIME_S of the environment;
    and MAX_RECEIVES, after how many tries a queue gives a message up.
    """

    output_bucket: str | None
    input_prefix: str
    url_lifetime_s: int
    max_receives: int = 5

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Raises Misconfigured."""
        return cls(
            output_bucket=environment.get("OUTPUT_BUCKET") or None,
            input_prefix=environment.get("INPUT_PREFIX", "uploads/"),
            url_lifetime_s=_whole_number(environment, "URL_LIFETIME_S", 3600, 604_800),
            max_receives=_whole_number(environment, "MAX_RECEIVES", cls.max_receives, 1000),
        )


def _whole_number(environment: Mapping[str, str], name: str, default: int, most: int) -> int:
    """From 1 on. Raises Misconfigured."""
    text = environment.get(name, str(default))
    if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise Misconfigured(f"{name} is {text!r}; it lies between 1 and {most}")
    return int(text)
