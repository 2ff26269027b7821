"""What the deployment says about S3 and the queue, from environment variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from adapters.keys import LINEART, UPLOADS
from pipeline import Misconfigured


@dataclass(frozen=True)
class AdapterSettings:
    """Where things lie in S3, and how often a queue tries.

    Attributes:
        output_bucket: OUTPUT_BUCKET; None where it is not set.
        input_prefix: INPUT_PREFIX, of the keys of photos.
        url_lifetime_s: URL_LIFETIME_S, of links to pictures.
        max_receives: MAX_RECEIVES, after which a queue gives a message up.
        lineart_prefix: LINEART_PREFIX, of the keys of line drawings.
        long_clip_machine: LONG_CLIP_MACHINE, the ARN of the state machine that draws long clips;
            None where there is none.
        clip_segment_s: CLIP_SEGMENT_S, beyond which a clip is long.
    """

    output_bucket: str | None
    input_prefix: str
    url_lifetime_s: int
    max_receives: int = 5
    lineart_prefix: str = LINEART
    long_clip_machine: str | None = None
    clip_segment_s: int = 20

    @property
    def prefixes(self) -> tuple[str, str]:
        """Those of the keys of photos and of line drawings."""
        return self.input_prefix, self.lineart_prefix

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Reads the environment variables. Raises Misconfigured."""
        return cls(
            output_bucket=environment.get("OUTPUT_BUCKET") or None,
            input_prefix=environment.get("INPUT_PREFIX", UPLOADS),
            url_lifetime_s=_positive_number(environment, "URL_LIFETIME_S", 3600, 604_800),
            max_receives=_positive_number(environment, "MAX_RECEIVES", cls.max_receives, 1000),
            lineart_prefix=environment.get("LINEART_PREFIX") or LINEART,
            long_clip_machine=environment.get("LONG_CLIP_MACHINE") or None,
            clip_segment_s=_positive_number(environment, "CLIP_SEGMENT_S", cls.clip_segment_s, 900),
        )


def _positive_number(environment: Mapping[str, str], name: str, default: int, maximum: int) -> int:
    """A whole number from 1 to the maximum. Raises Misconfigured."""
    text = environment.get(name, str(default))
    if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= maximum:
        raise Misconfigured(f"{name} is {text!r}; it must be a number from 1 to {maximum}")
    return int(text)
