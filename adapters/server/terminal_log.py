"""The log of `kirei serve` on a terminal: a line for people, in place of JSON for CloudWatch."""

from __future__ import annotations

import logging
from collections.abc import Iterable


class TerminalFormatter(logging.Formatter):
    """What happened, to which photo, and why; the traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns ``kirei: refused uploads/…: too_many_bytes: …``, or more for a failure."""
        key, error = getattr(record, "key", None), getattr(record, "error", None)
        parts = [record.getMessage() + (f" {key}" if key else "")]
        if isinstance(error, dict):
            parts += [str(error["code"]), str(error["message"])]
        line = "kirei: " + ": ".join(parts)
        if record.exc_info:
            return f"{line}\n{self.formatException(record.exc_info)}"
        traceback = getattr(record, "traceback", None)
        return f"{line}\n{traceback}" if traceback else line


def write_for_people(handlers: Iterable[logging.Handler]) -> None:
    """Makes the lines of a logger's handlers readable, from now on and in this process."""
    for handler in handlers:
        handler.setFormatter(TerminalFormatter())
