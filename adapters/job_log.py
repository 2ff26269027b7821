"""One line for every job, whatever becomes of it, and the few figures that somebody reads.

A custom metric costs by the month, a line by its length: what neither an alarm nor the dashboard of
template.yaml reads stands in the line alone.

A request that brings no photo is no job: strangers ask for what is not there, without a token, all
day. It has a line where something was wrong with it, and no figures, by which alarms go.

A line holds what the sidecar says in short, or the error. It never holds a photo, a URL's query
(where signatures and tokens stand) or an event.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from adapters import logger, metrics
from adapters.errors import RequestTimeout, TooManyRequests
from pipeline import PermanentError

# A URL up to its query or fragment, and what is cut off.
QUERY = re.compile(r"(\bhttps?://[^\s\"'<>?#]*)[?#][^\s\"'<>]*", re.IGNORECASE)
LONGEST_TEXT = 2000  # of a message or a traceback's end: strangers' files and names stand in them
SENDERS = RequestTimeout | TooManyRequests  # to be sent again, and no fault of ours
LEVELS = {"refused": logger.warning, "unreadable": logger.error, "failed": logger.error}

# of what became of a job; template.yaml's alarms and dashboard read them
METRICS = {
    "stylised": "Stylised",
    "skipped": "Skipped",
    "refused": "Refused",
    "failed": "Transient",
}

_current: ContextVar[Entry | None] = ContextVar("entry", default=None)
_figures_are_on = True


def switch_figures_off() -> None:
    """From here on this process prints lines only: nobody collects its figures."""
    global _figures_are_on
    _figures_are_on = False


class Entry:
    """What is known of a job so far, or of a request that is none. Nothing is told of one of which
    nothing became known.
    """

    def __init__(self) -> None:
        self.status: str | None = None
        self.is_job = False
        self._told: dict[str, Any] = {}

    def add(self, **known: Any) -> None:
        """Fields of the line; those that say nothing are left out."""
        self._told |= {name: value for name, value in known.items() if value is not None}

    def done(self, status: str, sidecar: Mapping[str, Any] | None = None, **known: Any) -> None:
        """The job came to an end of which somebody is told, with these fields."""
        self.status = status
        self.add(**known, **(_essentials(sidecar) if sidecar else {}))

    def drawn(self, sidecar: Mapping[str, Any]) -> None:
        """A picture was made in this job. Its stages' times, steps and faces stand in the line."""
        self.done("stylised", sidecar)
        _count("PipelineDuration", sidecar["timings_ms"]["total"], MetricUnit.Milliseconds)

    def failed(self, error: BaseException) -> None:
        """The job ended with an error: refused for good, or to be tried again."""
        told = getattr(error, "as_dict", None)
        self.status = "refused" if isinstance(error, PermanentError | SENDERS) else "failed"
        self.add(error=told() if told else {"code": type(error).__name__, "message": str(error)})
        if self.status == "failed":
            self.add(traceback="".join(traceback.format_exception(error)))

    def unreadable(self, error: PermanentError) -> None:
        """A message asks for nothing that anybody understands."""
        self.done("unreadable", error=error.as_dict())

    def tell(self) -> None:
        """Writes the line and the figures."""
        if self.status is None:
            return
        if not self.is_job and self.status == "refused":
            logger.info("request_refused", **_clean(self._told))
            return
        log = LEVELS.get(self.status, logger.info)
        log(self.status, **_clean(self._told))
        if not self.is_job:
            return
        name = METRICS.get(self.status)
        if name:
            _count(name, 1)


@contextmanager
def entry(*, is_job: bool = True, **known: Any) -> Iterator[Entry]:
    """The entry of what is under way, or a new one, told of at the end. An exception is noted and
    goes on. What begins as a request may turn out to be a job, and not the other way.
    """
    outer = _current.get()
    if outer is not None:
        outer.add(**known)
        outer.is_job |= is_job
        yield outer
        return
    fresh = Entry()
    fresh.add(**known)
    fresh.is_job = is_job
    token = _current.set(fresh)
    try:
        yield fresh
    except Exception as error:
        fresh.failed(error)
        raise
    finally:
        _current.reset(token)
        fresh.tell()


def _essentials(sidecar: Mapping[str, Any]) -> dict[str, Any]:
    """What a line says of a sidecar, in its JSON form."""
    source, output = sidecar["source"], sidecar["output"]
    return {
        "pipeline_version": sidecar["pipeline_version"],
        "fingerprint": sidecar["fingerprint"],
        "version_id": source["version_id"],
        "etag": source["etag"],
        "photo": {name: source[name] for name in ("format", "width_px", "height_px", "bytes")},
        "picture": {name: output[name] for name in ("format", "width_px", "height_px", "bytes")},
        "style": sidecar["style"],
        "strength": sidecar["strength"],
        "engine": sidecar["engine"],
        "steps": [decision["step"] for decision in sidecar["decisions"] if decision["ran"]],
        "faces": len(sidecar["faces"]),
        "warnings": list(sidecar["warnings"]),
        "timings_ms": {name: round(value, 1) for name, value in sidecar["timings_ms"].items()},
    }


def _clean(value: Any) -> Any:
    """The same without queries of URLs and without endless texts."""
    if isinstance(value, str):
        return QUERY.sub(r"\1", value)[-LONGEST_TEXT:]
    if isinstance(value, Mapping):
        return {name: _clean(part) for name, part in value.items()}
    return [_clean(part) for part in value] if isinstance(value, list) else value


def _count(name: str, value: float, unit: MetricUnit = MetricUnit.Count) -> None:
    if _figures_are_on:
        metrics.add_metric(name, unit, value)


def flush() -> None:
    """Prints the figures since the last time, if any, as a line in CloudWatch's format (EMF)."""
    if metrics.provider.metric_set:
        metrics.flush_metrics()
