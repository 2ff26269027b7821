"""Powertools' resolver of HTTP API events, for several threads at once."""

from __future__ import annotations

import threading
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver


class ThreadedResolver(APIGatewayHttpResolver):
    """A resolver whose event, context and notes belong to the thread.

    Powertools keeps the current event in an attribute of a class. That is right in Lambda, where
    there is one event at a time; `kirei serve` responds in several threads. (Powertools'
    HttpResolverLocal does that, too, but it takes every body for UTF-8 text and reads it whole,
    whatever its length.)
    """

    def __init__(self) -> None:
        self._own = threading.local()
        super().__init__()

    def _to_proxy_event(self, event: dict[str, Any]) -> Any:
        self._own.event = super()._to_proxy_event(event)
        return self._own.event

    @property
    def current_event(self) -> Any:
        """The event that this thread responds to."""
        return self._own.event

    @current_event.setter
    def current_event(self, value: Any) -> None:
        self._own.event = value

    @property
    def context(self) -> dict[str, Any]:
        """What was attached to that event."""
        self._own.__dict__.setdefault("context", {})
        return self._own.context

    @context.setter
    def context(self, value: dict[str, Any]) -> None:
        self._own.context = value

    @property
    def processed_stack_frames(self) -> list[str]:
        """Powertools' own notes on that event."""
        self._own.__dict__.setdefault("frames", [])
        return self._own.frames

    @processed_stack_frames.setter
    def processed_stack_frames(self, value: list[str]) -> None:
        self._own.frames = value
