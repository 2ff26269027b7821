"""Clips that are longer than one run draws: handed to a state machine, whose steps are done here.

One step cuts the clip, one draws each segment, and one joins them with the clip's sound. What goes
from one to the next lies under ``segments/`` in the output bucket: the plan, and for each segment
its clip and its sidecar. A step that is done again finds what it wrote, and writes the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pipeline  # Segment is loaded with numpy, so not before a segment is drawn
from adapters import job_log
from adapters.clips import working_file
from adapters.deadline import Deadline
from adapters.errors import unnamed_errors_guarded
from adapters.jobs import Job, StylisedPhoto
from adapters.keys import SEGMENTS
from adapters.process import process_worker
from adapters.storage.objects import MARK, OWNER, owner_of
from adapters.tasks import Order
from pipeline import (
    InvalidRequest,
    ObjectNotFound,
    Options,
    Origin,
    PermanentError,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from adapters.worker import Worker

STEP = "clip_step"  # of an event, by which it is known as a step
JSON = "application/json"

Step = dict[str, Any]


def handle(event: Mapping[str, Any], deadline: Deadline) -> Step:
    """Does one step of the state machine.

    Args:
        event: ``clip_step``, and what the step needs.
        deadline: Of this invocation.

    Returns:
        ``status``: ``split``, ``drawn`` or ``stylised``; or ``refused`` or ``skipped``, and the
        state machine ends.

    Raises:
        TransientError: The step should be tried again.
        InvalidRequest: There is no such step.
    """
    steps: dict[str, Callable[[Worker, Mapping[str, Any], Deadline], Step]] = {
        "split": _split,
        "draw": _draw,
        "join": _join,
    }
    with job_log.entry() as entry:
        step = steps.get(str(event.get(STEP)))
        if step is None:
            raise InvalidRequest(f"{STEP} is one of {', '.join(steps)}")
        try:
            with unnamed_errors_guarded():
                done = step(process_worker(), event, deadline)
        except (KeyError, TypeError, AttributeError) as error:
            raise InvalidRequest(f"the step lacks something: {error}") from error
        entry.status = str(done["status"])
        entry.add(clip_step=event[STEP], why=done.get("why"), plan_key=done.get("plan_key"))
        return done


def _split(worker: Worker, event: Mapping[str, Any], _: Deadline) -> Step:
    """Reads the clip and writes the plan."""
    from pipeline import to_json

    clip = _Clip(worker, event["job"])

    def work(source: Path) -> Step:
        segments = worker.pipeline.split_clip(
            source, clip.options, float(worker.settings.clip_segment_s)
        )
        plan = {
            "job": event["job"],
            "segments": [
                {"index": index, **asdict(segment)} for index, segment in enumerate(segments)
            ],
        }
        key = f"{SEGMENTS}{event['execution']}/plan.json"
        clip.put(key, to_json(plan), JSON)
        return {"status": "split", "plan_key": key, "segments": plan["segments"]}

    return clip.attempt(work)


def _draw(worker: Worker, event: Mapping[str, Any], _: Deadline) -> Step:
    """Draws a segment. Each is drawn alike: the time that a run has chooses nothing here."""
    from pipeline import sidecar_document, to_json

    clip, segment = _planned(worker, event), event["segment"]
    name = f"{_folder(event)}{segment['index']:04d}"
    bucket = worker.results.bucket
    drawn = {"status": "drawn", "segment": segment}
    if bucket.get_json(f"{name}.json") is not None:
        return drawn

    def work(source: Path) -> Step:
        result = worker.pipeline.run_clip(
            source,
            source.with_name("drawn"),
            clip.options,
            clip.origin,
            segment=_segment(segment),
        )
        clip.put(f"{name}.{result.extension}", result.path.read_bytes(), result.content_type)
        clip.put(f"{name}.json", to_json(sidecar_document(result.sidecar)), JSON)
        return drawn

    return clip.attempt(work)


def _join(worker: Worker, event: Mapping[str, Any], deadline: Deadline) -> Step:
    """Joins the segments, writes the result, and deletes what lay between."""
    from pipeline import join_sidecars

    clip = _planned(worker, event)
    bucket, folder = worker.results.bucket, _folder(event)
    plan = bucket.get_json(str(event["plan_key"])) or {}
    names = [f"{folder}{segment['index']:04d}" for segment in plan["segments"]]
    sidecars = [_needed(bucket.get_json(f"{name}.json"), name) for name in names]
    extension = sidecars[0]["output"]["format"]

    def work(source: Path) -> Step:
        parts = []
        for name, segment in zip(names, plan["segments"], strict=True):
            path = source.with_name(f"{segment['index']:04d}")
            with bucket.open(f"{name}.{extension}") as stored:
                path.write_bytes(stored.read(worker.pipeline.settings.max_clip_bytes))
            parts.append((path, float(segment["start_s"])))
        joined = source.with_name("joined")
        remarks = worker.pipeline.join_clip(
            parts, joined, extension, source, timeout_s=deadline.remaining_s()
        )
        image = joined.read_bytes()
        picture = StylisedPhoto(image, extension, join_sidecars(sidecars, len(image), remarks))
        outcome = worker.deliver(picture, clip.order, clip.origin)
        keys = [f"{name}.{kind}" for name in names for kind in (extension, "json")]
        worker.results.delete([*keys, str(event["plan_key"])], clip.owner)
        return {"status": outcome.status, "record_key": outcome.record_key}

    return clip.attempt(work)


class _Clip:
    """The clip of an execution: where it lies, and how it is drawn."""

    def __init__(self, worker: Worker, job: Mapping[str, Any]) -> None:
        self._worker = worker
        self.origin = Origin(job["bucket"], job["key"], job["version_id"], job["etag"])
        self.options = Options.from_mapping(job["options"])
        self.order = Order(self.options)
        self.owner = owner_of(str(job["bucket"]), str(job["key"]))

    def put(self, key: str, content: bytes, content_type: str) -> None:
        """Writes what the next step reads."""
        mark = {MARK: self._worker.pipeline.version, OWNER: self.owner}
        if not self._worker.results.bucket.put_owned(key, content, content_type, mark):
            raise StoreUnavailable(f"{key} belongs to another clip")

    def attempt(self, work: Callable[[Path], Step]) -> Step:
        """Does work with the clip's file; a clip at fault is written down, one replaced skipped."""
        bucket, key = str(self.origin.bucket), str(self.origin.key)
        job = Job(bucket, key, self.origin.version_id, asdict(self.options))
        limit = self._worker.pipeline.settings.max_clip_bytes
        try:
            with self._worker.open_bucket(bucket).open(key, self.origin.version_id) as stored:
                if stored.state.etag != self.origin.etag:
                    return {"status": "skipped", "why": "it was replaced, and drawn anew"}
                data = stored.read(limit)
            with working_file(data) as source:
                del data
                return work(source)
        except PermanentError as error:
            outcome = self._worker.refuse(job, error, self.origin, self.options.style)
            return {
                "status": outcome.status,
                "record_key": outcome.record_key,
                "why": error.message,
            }


def _segment(planned: Mapping[str, Any]) -> pipeline.Segment:
    """A segment of the plan; one that an earlier release wrote names no overlap."""
    return pipeline.Segment(planned["start_s"], planned["end_s"], planned.get("overlap", 0))


def _planned(worker: Worker, event: Mapping[str, Any]) -> _Clip:
    plan = _needed(worker.results.bucket.get_json(str(event["plan_key"])), str(event["plan_key"]))
    return _Clip(worker, plan["job"])


def _needed(document: dict[str, Any] | None, name: str) -> dict[str, Any]:
    if document is None:
        raise ObjectNotFound(f"{name} is gone", measured=name)
    return document


def _folder(event: Mapping[str, Any]) -> str:
    return str(event["plan_key"]).rpartition("/")[0] + "/"
