"""Processes that are interrupted as from a keyboard."""

from __future__ import annotations

import signal


def interruptible() -> None:
    """For ``preexec_fn``: a child of what runs in the background would ignore SIGINT, too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
