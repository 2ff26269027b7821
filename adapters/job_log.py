"""The log: one line for every job, whatever becomes of it, and the few metrics that are read.

A custom metric costs by the month, and a line by its length: what neither an alarm nor the
dashboard of template.yaml reads is in the line alone.

A request that brings no photo is not a job, because strangers ask for absent pages, without a
token, all day. Such a request gets a line if something was wrong with it, and no metrics, because
alarms watch these.

A line holds a summary of the sidecar, or the error. It never holds a photo, the query of a URL
(where signatures and tokens are) or an event.
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
from adapters.jobs import Outcome
from pipeline import PermanentError

# A URL up to its query or fragment, which is cut off.
QUERY = re.compile(r"(\bhttps?://[^\s\"'<>?#]*)[?#][^\s\"'<>]*", re.IGNORECASE)
MAX_TEXT_CHARACTERS = 2000  # of a message, or of a traceback's end: they quote callers
CLIENT_DELAYS = RequestTimeout | TooManyRequests  # the client sends again; no fault of Kirei's
LOG_LEVELS = {"refused": logger.warning, "unreadable": logger.error, "failed": logger.error}

# Metrics by how a job ended: the alarms and the dashboard of template.yaml read them.
METRICS = {
    "stylised": "Stylised",
    "skipped": "Skipped",
    "refused": "Refused",
    "failed": "Transient",
}

# The log line of the present job. The only context variable of Kirei.
_current_entry: ContextVar[Entry | None] = ContextVar("entry", default=None)
_metrics_enabled = True


def disable_metrics() -> None:
    """From now on this process writes lines only, because nobody collects its metrics."""
    global _metrics_enabled
    _metrics_enabled = False


class Entry:
    """The log line of one job, or of one request that is not a job.

    Attributes:
        status: How it ended; an entry without a status is not logged.
        is_job: Whether it counts as a job.
    """

    def __init__(self, is_job: bool) -> None:
        self.status: str | None = None
        self.is_job = is_job
        self._fields: dict[str, Any] = {}

    def add(self, **known: Any) -> None:
        """Adds fields to the line; those that are None are left out."""
        self._fields |= {name: value for name, value in known.items() if value is not None}

    def finish(self, outcome: Outcome) -> None:
        """Notes how the job ended."""
        self.status = outcome.status
        self.add(why=outcome.why, record_key=outcome.record_key, error=outcome.error)
        if outcome.sidecar:
            self.add(**_summary(outcome.sidecar))

    def finish_drawn(self, sidecar: Mapping[str, Any]) -> None:
        """Notes that the job drew a picture. Stages, steps and faces are in the line alone."""
        self.status = "stylised"
        self.add(**_summary(sidecar))
        _count("PipelineDuration", sidecar["timings_ms"]["total"], MetricUnit.Milliseconds)

    def fail(self, error: BaseException) -> None:
        """Notes that the job ended with an error: it was refused, or will be tried again."""
        is_refused = isinstance(error, PermanentError | CLIENT_DELAYS)
        self.status = "refused" if is_refused else "failed"
        as_dict = getattr(error, "as_dict", None)
        unnamed = {"code": type(error).__name__, "message": str(error)}
        self.add(error=as_dict() if as_dict else unnamed)
        if not is_refused:
            self.add(traceback="".join(traceback.format_exception(error)))

    def fail_unreadable(self, error: PermanentError) -> None:
        """Notes that a message asks for nothing that can be understood."""
        self.status = "unreadable"
        self.add(error=error.as_dict())

    def emit(self) -> None:
        """Writes the line and the metrics. An entry without a status is not logged."""
        if self.status is None:
            return
        if not self.is_job and self.status == "refused":
            logger.info("request_refused", **_clean(self._fields))
            return
        log = LOG_LEVELS.get(self.status, logger.info)
        log(self.status, **_clean(self._fields))
        if not self.is_job:
            return
        name = METRICS.get(self.status)
        if name:
            _count(name, 1)


@contextmanager
def entry(*, is_job: bool = True, **known: Any) -> Iterator[Entry]:
    """Opens the entry of a job, or continues the one that is open.

    An exception is noted and raised again. What begins as a request may turn out to be a job, but
    not the other way round.

    Args:
        is_job: Whether it counts as a job.
        **known: Fields of the line.

    Yields:
        The entry. It is emitted when the outermost block ends.
    """
    outer = _current_entry.get()
    if outer is not None:
        outer.add(**known)
        outer.is_job |= is_job
        yield outer
        return
    new = Entry(is_job)
    new.add(**known)
    token = _current_entry.set(new)
    try:
        yield new
    except Exception as error:
        new.fail(error)
        raise
    finally:
        _current_entry.reset(token)
        new.emit()


def flush_metrics() -> None:
    """Writes the metrics since the last call, if any, as a line in CloudWatch's format (EMF)."""
    if metrics.provider.metric_set:
        metrics.flush_metrics()


def _summary(sidecar: Mapping[str, Any]) -> dict[str, Any]:
    """What a line says about a sidecar."""
    source, output = sidecar["source"], sidecar["output"]
    return {
        "pipeline_version": sidecar["pipeline_version"],
        "fingerprint": sidecar["fingerprint"],
        "version_id": source["version_id"],
        "etag": source["etag"],
        "photo": {name: source[name] for name in ("format", "width_px", "height_px", "bytes")},
        "picture": {name: output[name] for name in ("format", "width_px", "height_px", "bytes")},
        **_of_task(sidecar),
        "engine": sidecar["engine"],
        "steps": [decision["step"] for decision in sidecar["decisions"] if decision["ran"]],
        "warnings": list(sidecar["warnings"]),
        "timings_ms": {name: round(value, 1) for name, value in sidecar["timings_ms"].items()},
    }


def _of_task(sidecar: Mapping[str, Any]) -> dict[str, Any]:
    """What a line says about the picture of one task and not of another."""
    if "style" not in sidecar:
        return {
            "task": sidecar["task"],
            "palette": sidecar["palette"],
            "hints": len(sidecar["hints"]),
        }
    return {
        "style": sidecar["style"],
        "strength": sidecar["strength"],
        "faces": len(sidecar["faces"]),
    }


def _clean(value: Any) -> Any:
    """The same without queries of URLs, and with long texts cut."""
    if isinstance(value, str):
        return QUERY.sub(r"\1", value)[-MAX_TEXT_CHARACTERS:]
    if isinstance(value, Mapping):
        return {name: _clean(part) for name, part in value.items()}
    return [_clean(part) for part in value] if isinstance(value, list) else value


def _count(name: str, value: float, unit: MetricUnit = MetricUnit.Count) -> None:
    if _metrics_enabled:
        metrics.add_metric(name, unit, value)
