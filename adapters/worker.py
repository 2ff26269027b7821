"""Stylises photos: reads one, runs the pipeline, and writes the result.

Here is decided what is skipped, refused or tried again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from adapters import job_log, logger
from adapters.clips import clip_in, draw_clip, live_photo, max_bytes
from adapters.deadline import NO_DEADLINE, Deadline
from adapters.errors import InternalError, unnamed_errors_guarded
from adapters.events import not_a_photo
from adapters.handover import hand_over, is_long
from adapters.jobs import Ignored, Job, Outcome, StylisedPhoto
from adapters.keys import FAILED, SEGMENTS, STYLISED, failure_keys, http_result_name, result_names
from adapters.object_orders import is_part, order_of
from adapters.results import Results
from adapters.settings import AdapterSettings
from adapters.storage.objects import MARK, Bucket, ObjectState, StoredObject, owner_of
from adapters.storage.records import read_sidecar
from adapters.tasks import Order, plain_names, recordable
from pipeline import (
    KireiError,
    Misconfigured,
    NotAnImage,
    ObjectArchived,
    ObjectEncrypted,
    ObjectForbidden,
    Origin,
    PermanentError,
    StoreUnavailable,
    companion,
)

# Names of the pipeline that bring in numpy are imported where they are used: a cold start does
# without them.
if TYPE_CHECKING:
    from pipeline import Pipeline

# Objects that exist and cannot be read: S3 reports no state of them to compare with.
UNREADABLE = (ObjectArchived, ObjectEncrypted, ObjectForbidden)
NO_ORIGIN = Origin()
MAX_ROUNDS = 3  # of one job whose photo is replaced while it is drawn


class _OvertakenError(Exception):
    """The photo, or its picture, was replaced while this job worked on it."""


class Worker:
    """Runs the pipeline between two buckets.

    What it keeps from one job to the next are opened networks and the connection to S3.

    Attributes:
        pipeline: Draws the photos.
        settings: Where things lie.
        open_bucket: Returns a bucket by its name.

    Args:
        pipeline: Draws the photos.
        open_bucket: Returns a bucket by its name.
        settings: Where things lie.
        on_stage: Called with a photo's key and the name of each stage of its run as it begins;
            None where nobody listens.
        on_frame: Called with a clip's key, how many of its frames are drawn, and how many there
            will be; None where nobody listens.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        open_bucket: Callable[[str], Bucket],
        settings: AdapterSettings,
        on_stage: Callable[[str, str], object] | None = None,
        on_frame: Callable[[str, int, int], object] | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.settings = settings
        self.open_bucket = open_bucket
        self._on_stage = on_stage
        self._on_frame = on_frame

    @property
    def output_bucket(self) -> str:
        """The output bucket's name. Raises Misconfigured where the environment sets none."""
        if self.settings.output_bucket is None:
            raise Misconfigured("OUTPUT_BUCKET is not set: there is no place for the result")
        return self.settings.output_bucket

    @cached_property
    def results(self) -> Results:
        """What was written to the output bucket. Raises Misconfigured, WeightsInvalid."""
        return Results(self.open_bucket(self.output_bucket), self.pipeline.version)

    def stylise(
        self,
        data: bytes,
        order: Order,
        origin: Origin = NO_ORIGIN,
        deadline: Deadline = NO_DEADLINE,
    ) -> StylisedPhoto:
        """Runs the pipeline once, and logs the run as a job.

        Args:
            data: The photo's file, or the clip's.
            order: What is asked of it.
            origin: Where it came from, if anywhere.
            deadline: When the picture must be ready.

        Raises:
            PermanentError: The photo or the options are at fault.
            TransientError: Something else is; the same call may succeed later.
        """
        with job_log.entry() as entry:
            with unnamed_errors_guarded():
                part = clip_in(data, order)
                if part is None:
                    picture = self._draw_photo(data, order, origin, deadline)
                else:
                    picture = self._draw_clip(data, part, order, origin, deadline)
            entry.finish_drawn(picture.sidecar)
            return picture

    def _draw_photo(
        self, data: bytes, order: Order, origin: Origin, deadline: Deadline
    ) -> StylisedPhoto:
        from pipeline import sidecar_document

        on_stage = None
        if self._on_stage and origin.key:
            on_stage = partial(self._on_stage, origin.key)
        result = order.carry_out(
            self.pipeline, data, origin, on_stage=on_stage, time_left_s=deadline.remaining_s()
        )
        return StylisedPhoto(result.image, result.extension, sidecar_document(result.sidecar))

    def clip_deadline(self, deadline: Deadline) -> Deadline:
        """Returns the deadline of a clip, by that of a photo that came the same way."""
        return deadline

    def _draw_clip(
        self, data: bytes, part: slice, order: Order, origin: Origin, deadline: Deadline
    ) -> StylisedPhoto:
        on_frame = None
        if self._on_frame and origin.key:
            on_frame = partial(self._on_frame, origin.key)
        return draw_clip(
            self.pipeline,
            data[part],
            order,
            origin.with_digest(hashlib.sha256(data).hexdigest()),
            on_frame=on_frame,
            time_left_s=self.clip_deadline(deadline).remaining_s(),
        )

    # --- photos in a bucket ---------------------------------------------------------------------

    def work(self, job: Job | Ignored, deadline: Deadline = NO_DEADLINE) -> Outcome:
        """Does one job.

        A photo that is at fault is written down, and its Outcome says so. Kirei's own faults are
        raised as TransientError, too, and written down when the job comes for the last time.

        Args:
            job: What to do.
            deadline: When the picture must be ready.

        Raises:
            TransientError: The job must be tried again.
        """
        with job_log.entry(
            bucket=job.bucket, key=job.key, correlation_id=job.correlation_id
        ) as entry:
            if isinstance(job, Ignored):
                outcome = Outcome("skipped", job.bucket, job.key, job.why)
            else:
                outcome = self._work_guarded(job, deadline)
            entry.finish(outcome)
        return outcome

    def _work_guarded(self, job: Job, deadline: Deadline) -> Outcome:
        try:
            with unnamed_errors_guarded():
                return self._work_until_current(job, deadline)
        except InternalError as error:
            if job.is_last_try:
                origin = Origin(job.bucket, job.key)
                self.refuse(job, error, origin, job.options.get("style"))
            raise

    def _work_until_current(self, job: Job, deadline: Deadline) -> Outcome:
        why = self._why_ignored(job)
        if why:
            return Outcome("skipped", job.bucket, job.key, why)
        for _ in range(MAX_ROUNDS):
            try:
                return self._work_once(job, deadline)
            except _OvertakenError:
                logger.debug("overtaken, starts again", bucket=job.bucket, key=job.key)
        raise StoreUnavailable(f"{job.key} was replaced each time while it was drawn")

    def _work_once(self, job: Job, deadline: Deadline) -> Outcome:
        """Processes the photo as it is now.

        Events come twice, at once and out of order: whoever writes last must have seen the last
        photo. Raises _OvertakenError where the photo changed meanwhile.
        """
        origin = Origin(job.bucket, job.key, job.version_id)
        style = job.options.get("style")
        state: ObjectState | None = None
        try:
            with self.open_bucket(job.bucket).open(job.key, job.version_id) as stored:
                state = stored.state
                if MARK in state.metadata:
                    return Outcome("skipped", job.bucket, job.key, "this pipeline wrote it")
                origin = replace(origin, version_id=state.version_id, etag=state.etag)
                if is_part(job, state.metadata):
                    return Outcome("skipped", job.bucket, job.key, "it belongs to a line drawing")
                style = job.options.get("style", plain_names(state.metadata).get("style"))
                bucket = self.open_bucket(job.bucket)
                order = order_of(job, state.metadata, bucket, self.settings)
                still = live_photo(bucket, job.key, order)
                if still:
                    why = f"it is not a photo but the moving part of {still}; motion=on draws it"
                    return Outcome("skipped", job.bucket, job.key, why)
                outcome = self._stylise_object(stored, order, origin, deadline)
        except PermanentError as error:
            kind = companion(job.key, error.measured)
            if kind and isinstance(error, NotAnImage):
                why = f"it is not a photo but {kind}"
                return Outcome("skipped", job.bucket, job.key, why)
            outcome = self.refuse(job, error, origin, style)
            if not isinstance(error, UNREADABLE):
                self._check_current(job, state)
        else:
            self._check_current(job, state)
            # what was refused before and is drawn now is no failure any more
            self.results.delete(self._failure_keys(job), owner_of(job.bucket, job.key))
        return outcome

    def _stylise_object(
        self, stored: StoredObject, order: Order, origin: Origin, deadline: Deadline
    ) -> Outcome:
        bucket, key = str(origin.bucket), str(origin.key)
        order = order.resolved(self.pipeline)  # checked before its style becomes part of names
        all_names = result_names(self._rest(key), order.label, bucket, key)
        names, sidecar = self.results.available_names(all_names, origin)
        expected = order.fingerprint(self.pipeline.version, origin)
        if sidecar and self.results.is_whole(sidecar, expected):
            record_key = f"{names[0]}.json"
            return Outcome("already_stylised", bucket, key, None, record_key, sidecar)
        order.preload(self.pipeline)  # while the object is downloaded
        data = stored.read(max_bytes(self.pipeline.settings, stored.content_type, key))
        if is_long(self, data, order):
            return hand_over(self, order, origin)
        picture = self.stylise(data, order, origin, deadline)
        return self.deliver(picture, order, origin)

    def deliver(self, picture: StylisedPhoto, order: Order, origin: Origin) -> Outcome:
        """Writes the picture of an object under the first name that is free or its own.

        Raises:
            StoreUnavailable: Other photos have every name, or the bucket could not be written.
        """
        bucket, key = str(origin.bucket), str(origin.key)
        all_names = result_names(self._rest(key), order.label, bucket, key)
        names, _ = self.results.available_names(all_names, origin)
        owner = owner_of(bucket, key)
        for name in names:
            sidecar = self.results.write(picture, name, owner)
            if sidecar is None:
                continue
            if not self.results.is_whole(sidecar, picture.fingerprint):
                raise _OvertakenError
            # Names that turned out to be another photo's: this photo's picture may lie under one,
            # written before the other's sidecar, of another format, came.
            lost = all_names[: all_names.index(name)]
            self.results.delete([f"{other}.{picture.extension}" for other in lost], owner)
            return Outcome("stylised", bucket, key, None, f"{name}.json", sidecar)
        raise StoreUnavailable(f"other photos have every name for the result of {key}")

    def _check_current(self, job: Job, state: ObjectState | None) -> None:
        """Raises _OvertakenError if the photo was replaced since its state was read.

        A photo that was deleted meanwhile changes nothing, and a version that was asked for by
        name is always the same.
        """
        if job.version_id:
            return
        now = self.open_bucket(job.bucket).head(job.key)
        if now is not None and now != state:
            raise _OvertakenError

    def _why_ignored(self, job: Job) -> str | None:
        """Why an object is not ours to draw, judging by its name alone."""
        if job.bucket == self.output_bucket and job.key.startswith((STYLISED, FAILED, SEGMENTS)):
            return "it lies where results are written"
        if not job.notified:
            return None
        prefixes = self.settings.prefixes
        if not job.key.startswith(prefixes):
            return f"the key does not start with {' or '.join(prefixes)}"
        return not_a_photo(job.key)

    def refuse(self, job: Job, error: KireiError, origin: Origin, style: Any) -> Outcome:
        """Writes the record of a refused photo."""
        from pipeline import failure_document

        record = failure_document(
            error,
            pipeline_version=self.pipeline.version,
            origin=origin,
            style=style if isinstance(style, str) else None,
            options=recordable(job.options),
        )
        owner = owner_of(job.bucket, job.key)
        key = self.results.write_failure(record, self._failure_keys(job), owner)
        if key is None:
            raise StoreUnavailable(f"other photos have every name for the failure of {job.key}")
        return Outcome("refused", job.bucket, job.key, None, key, error=error.as_dict())

    def _failure_keys(self, job: Job) -> list[str]:
        return failure_keys(self._rest(job.key), job.bucket, job.key)

    def _rest(self, key: str) -> str:
        prefix = next((each for each in self.settings.prefixes if key.startswith(each)), "")
        return key.removeprefix(prefix)

    # --- photos without a key -------------------------------------------------------------------

    def stylise_stored(
        self, data: bytes, order: Order, deadline: Deadline = NO_DEADLINE
    ) -> dict[str, Any]:
        """Carries out an order for a photo without a key, unless its picture is already stored.

        Args:
            data: The photo's file.
            order: What is asked of it.
            deadline: When the picture must be ready.

        Returns:
            The sidecar; ``output.url`` is a link to the picture.

        Raises:
            KireiError: As ``stylise``.
        """
        order = order.resolved(self.pipeline)
        origin = Origin(etag=hashlib.sha256(data).hexdigest())
        expected = order.fingerprint(self.pipeline.version, origin)
        key = f"{http_result_name(expected, order.label)}.json"
        sidecar = read_sidecar(self.results.bucket, key)
        if sidecar and self.results.is_whole(sidecar, expected):
            outcome = Outcome("already_stylised", None, None, None, key, sidecar)
            with job_log.entry() as entry:
                entry.finish(outcome)
            return self.results.with_url(sidecar, self.settings.url_lifetime_s)
        return self.store(self.stylise(data, order, deadline=deadline))

    def store(self, picture: StylisedPhoto) -> dict[str, Any]:
        """Writes the picture of a photo without a key; returns as ``stylise_stored``."""
        name = http_result_name(picture.fingerprint, picture.label)
        sidecar = self.results.write(picture, name, owner_of(picture.fingerprint))
        if sidecar is None:
            raise StoreUnavailable(f"{name} belongs to another photo")
        return self.results.with_url(sidecar, self.settings.url_lifetime_s)
