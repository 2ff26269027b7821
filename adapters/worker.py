"""One photo: fetch, run the pipeline, write; and what is skipped, refused or tried again.

Under the output bucket: ``stylised/REST.STYLE.EXT`` with its ``.json`` for ``uploads/REST.ext``,
``stylised/http/FINGERPRINT.STYLE.EXT`` for photos without a key, ``failed/REST.ext.json`` for
those refused.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any

# by its module, for a name of it that brings in numpy or more is loaded when it is first used,
# which a cold start can do without
import pipeline
from adapters import deadline, job_log, logger
from adapters.errors import InternalError, faults_named
from adapters.events import Ignored, Job
from adapters.settings import AdapterSettings
from adapters.storage.records import read_sidecar
from adapters.storage.s3 import FINGERPRINT, MARK, OWNER, Found, Head, Store, owner_of
from pipeline import (
    InvalidOption,
    KireiError,
    Misconfigured,
    NotAnImage,
    ObjectArchived,
    ObjectEncrypted,
    ObjectForbidden,
    Options,
    Origin,
    PermanentError,
    Settings,
    StoreUnavailable,
)

STYLISED, FAILED = "stylised/", "failed/"
JSON = "application/json"
MOST_KEY_BYTES = 1024  # that S3 takes; a photo's key may have as many, and a result's has more
LONGEST_ENDING = len(".json")
# Objects that are there and cannot be read: S3 tells nothing of them to compare with
UNREADABLE = (ObjectArchived, ObjectEncrypted, ObjectForbidden)
NO_ORIGIN = Origin()
MOST_ROUNDS = 3  # of one job whose photo is replaced while it is drawn


@dataclass(frozen=True)
class Outcome:
    """What became of one object: ``stylised``, ``already_stylised``, ``skipped`` or ``refused``.

    ``record_key`` is where its JSON lies in the output bucket: the sidecar or the failure.
    """

    status: str
    bucket: str | None
    key: str | None
    why: str | None = None
    record_key: str | None = None
    sidecar: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The fields that say something."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


class _OvertakenError(Exception):
    """Someone replaced the photo, or its picture, while this job was at it."""


class Worker:
    """The pipeline between two buckets. What it holds from one event to the next are opened
    engines and the connection to S3.
    """

    def __init__(self, pipeline: pipeline.Pipeline, store: Store, adapter: AdapterSettings) -> None:
        self.pipeline = pipeline
        self.adapter = adapter
        self._store = store

    @property
    def store(self) -> Store:
        """Where photos and pictures lie."""
        return self._store

    @property
    def output_bucket(self) -> str:
        """Raises Misconfigured when the environment names none."""
        if self.adapter.output_bucket is None:
            raise Misconfigured("OUTPUT_BUCKET is not set: there is no place for the result")
        return self.adapter.output_bucket

    def observer(self, key: str | None) -> Callable[[str], object] | None:
        """Whoever wants to hear of the stages of a photo's run: in Lambda, nobody."""
        return None

    def time_left_s(self) -> float | None:
        """How long the next photo may take; None for as long as it likes."""
        return deadline.left_s()

    def stylise(self, data: bytes, options: Options, origin: Origin = NO_ORIGIN) -> pipeline.Result:
        """The pipeline's run, counted. Raises what it raises."""
        with job_log.entry() as entry:
            with faults_named():
                result = self.pipeline.run(
                    data,
                    options,
                    origin,
                    on_stage=self.observer(origin.key),
                    time_left_s=self.time_left_s(),
                )
            entry.drawn(pipeline.sidecar_document(result.sidecar))
            return result

    def work(self, job: Job | Ignored) -> Outcome:
        """Does one job. A photo at fault is written down and its Outcome says so; only
        TransientError is raised: a fault of ours, too, is one of these, and is written down when
        the job comes for the last time.
        """
        with job_log.entry(
            bucket=job.bucket, key=job.key, correlation_id=job.correlation_id
        ) as entry:
            outcome = self._skipped(job) if isinstance(job, Ignored) else self._guarded(job)
            entry.done(
                outcome.status,
                outcome.sidecar,
                why=outcome.why,
                record_key=outcome.record_key,
                error=outcome.error,
            )
        return outcome

    def _guarded(self, job: Job) -> Outcome:
        try:
            with faults_named():
                return self._work(job)
        except InternalError as fault:
            if job.is_last_try:
                origin = Origin(job.bucket, job.key)
                self._refused(job, fault, origin, job.options.get("style"))
            raise

    def _work(self, job: Job) -> Outcome:
        why = self._why_not(job)
        if why:
            return self._skipped(Ignored(why, job.bucket, job.key))
        for _ in range(MOST_ROUNDS):
            try:
                return self._one_round(job)
            except _OvertakenError:
                logger.debug("overtaken, begins anew", bucket=job.bucket, key=job.key)
        raise StoreUnavailable(f"{job.key} was replaced each time it was drawn")

    def _one_round(self, job: Job) -> Outcome:
        """Reads the photo as it is and brings it to its end. Raises _OvertakenError where that
        is no longer how it is: events come twice, at once and out of order, and whoever writes
        last must have seen the last photo.
        """
        origin = Origin(job.bucket, job.key, job.version_id)
        style = job.options.get("style")
        seen: Head | None = None
        try:
            with self._store.open(job.bucket, job.key, job.version_id) as found:
                seen = found.head
                if MARK in seen.metadata:
                    return self._skipped(Ignored("this pipeline wrote it", job.bucket, job.key))
                origin = replace(origin, version_id=seen.version_id, etag=seen.etag)
                asked = {**metadata_options(seen.metadata), **job.options}
                style = asked.get("style", style)
                options = self.pipeline.resolved(Options.from_mapping(asked))
                outcome = self._stylise_object(job, found, options, origin)
        except PermanentError as error:
            what = pipeline.companion(job.key, error.measured)
            if what and isinstance(error, NotAnImage):
                return self._skipped(Ignored(f"it is no photo but {what}", job.bucket, job.key))
            outcome = self._refused(job, error, origin, style)
            if not isinstance(error, UNREADABLE):
                self._check_current(job, seen)
        else:
            self._check_current(job, seen)
            self._forget_failure(job)
        return outcome

    def _stylise_object(self, job: Job, found: Found, options: Options, origin: Origin) -> Outcome:
        self.pipeline.style(options.style)  # it becomes part of names
        wanted_names = _names(self._rest(job.key), options.style, job.bucket, job.key)
        names, sidecar = self._names_free(wanted_names, job)
        wanted = pipeline.fingerprint(self.pipeline.version, options, origin)
        if sidecar and sidecar.get("fingerprint") == wanted and self._is_whole(sidecar):
            key = f"{names[0]}.json"
            return Outcome("already_stylised", job.bucket, job.key, None, key, sidecar)
        self.pipeline.preload(options)  # while the object is downloaded
        data = found.read(self.pipeline.settings.max_input_bytes)
        result = self.stylise(data, options, origin)
        owner = owner_of(job.bucket, job.key)
        for name in names:
            document = self._write(result, name, owner)
            if document is not None:
                if not self._is_whole(document):
                    raise _OvertakenError
                self._clear(wanted_names[: wanted_names.index(name)], result.extension, owner)
                key = f"{name}.json"
                return Outcome("stylised", job.bucket, job.key, None, key, document)
        raise StoreUnavailable(f"every name for the result of {job.key} is another photo's")

    def _check_current(self, job: Job, seen: Head | None) -> None:
        """Raises _OvertakenError where the photo is another one by now. One that is gone by now
        changes nothing, and a version asked for by name is always the same.
        """
        now = None if job.version_id else self._store.head(job.bucket, job.key)
        if now is not None and now != seen:
            raise _OvertakenError

    def _clear(self, names: list[str], extension: str, owner: str) -> None:
        """Takes away pictures of this photo under names that turned out to be another photo's: it
        had written the picture there when the other one's sidecar, of another format, came.
        """
        for name in names:
            self._store.delete_owned(self.output_bucket, f"{name}.{extension}", owner)

    def kept(self, data: bytes, options: Options) -> dict[str, Any]:
        """The sidecar, as a dict, of a photo without a key; the picture lies in the output bucket
        and ``output.url`` gives it to whoever has it. Computed only if it is not there yet.
        """
        options = self.pipeline.resolved(options)
        etag = hashlib.sha256(data).hexdigest()
        wanted = pipeline.fingerprint(self.pipeline.version, options, Origin(etag=etag))
        key = f"{STYLISED}http/{wanted}.{options.style}.json"
        sidecar = read_sidecar(self._store, self.output_bucket, key)
        if sidecar and sidecar.get("fingerprint") == wanted and self._is_whole(sidecar):
            with job_log.entry() as entry:
                entry.done("already_stylised", sidecar, record_key=key)
            return self._with_url(sidecar)
        return self.keep(self.stylise(data, options))

    def keep(self, result: pipeline.Result) -> dict[str, Any]:
        """Writes a result without a key to the output bucket; returns as ``kept`` does."""
        print_ = result.sidecar.fingerprint
        name = f"{STYLISED}http/{print_}.{result.sidecar.style}"
        document = self._write(result, name, owner_of(print_))
        if document is None:
            raise StoreUnavailable(f"{name} is another photo's")
        return self._with_url(document)

    def _write(self, result: pipeline.Result, name: str, owner: str) -> dict[str, Any] | None:
        """Picture first, sidecar last; None if the name is another photo's."""
        bucket, key = self.output_bucket, f"{name}.{result.extension}"
        output = replace(result.sidecar.output, bucket=bucket, key=key)
        document = pipeline.sidecar_document(replace(result.sidecar, output=output))
        sidecar = pipeline.to_json(document)
        mark = {MARK: self.pipeline.version, OWNER: owner}
        printed = mark | {FINGERPRINT: result.sidecar.fingerprint}
        if self._store.put_owned(bucket, key, result.image, output.content_type, printed) and (
            self._store.put_owned(bucket, f"{name}.json", sidecar, JSON, mark)
        ):
            return document
        return None

    def _with_url(self, sidecar: dict[str, Any]) -> dict[str, Any]:
        """The stored sidecar has no URL: one expires, and lets in whoever reads it."""
        output = sidecar["output"]
        lifetime = self.adapter.url_lifetime_s
        url = self._store.presigned_url(output["bucket"], output["key"], lifetime)
        return sidecar | {"output": output | {"url": url}}

    def _is_whole(self, sidecar: dict[str, Any]) -> bool:
        """Whether the picture is there and the one that the sidecar speaks of."""
        picture = self._store.head(self.output_bucket, sidecar["output"]["key"])
        found = picture and picture.metadata.get(FINGERPRINT)
        return found is not None and found == sidecar["fingerprint"]

    def _names_free(self, names: list[str], job: Job) -> tuple[list[str], dict[str, Any] | None]:
        """The names from the first that is free or this photo's own, and the sidecar there."""
        for number, name in enumerate(names):
            sidecar = read_sidecar(self._store, self.output_bucket, f"{name}.json")
            if sidecar is None or (sidecar["source"]["bucket"], sidecar["source"]["key"]) == (
                job.bucket,
                job.key,
            ):
                return names[number:], sidecar
        return names[-1:], None

    def _rest(self, key: str) -> str:
        return key.removeprefix(self.adapter.input_prefix)

    def _why_not(self, job: Job) -> str | None:
        """Why an object is none of ours, by its name alone."""
        if job.bucket == self.output_bucket and job.key.startswith((STYLISED, FAILED)):
            return "it lies where results are written"
        if not job.notified:
            return None
        if not job.key.startswith(self.adapter.input_prefix):
            return f"the key does not start with {self.adapter.input_prefix}"
        if job.key.endswith("/"):
            return "it is the mark of a folder"
        what = pipeline.companion(job.key)
        return f"it is no photo but {what}" if what else None

    def _skipped(self, ignored: Ignored) -> Outcome:
        return Outcome("skipped", ignored.bucket, ignored.key, ignored.why)

    def _refused(self, job: Job, error: KireiError, origin: Origin, style: Any) -> Outcome:
        version = self.pipeline.version
        name = style if isinstance(style, str) else None
        document = pipeline.failure_document(
            error, pipeline_version=version, origin=origin, style=name, options=job.options
        )
        record = pipeline.to_json(document)
        mark = {MARK: version, OWNER: owner_of(job.bucket, job.key)}
        for key in self._failure_keys(job):
            if self._store.put_owned(self.output_bucket, key, record, JSON, mark):
                return Outcome("refused", job.bucket, job.key, None, key, error=error.as_dict())
        raise StoreUnavailable(f"every name for the failure of {job.key} is another photo's")

    def _forget_failure(self, job: Job) -> None:
        """What was refused before and is drawn now is no failure any more."""
        owner = owner_of(job.bucket, job.key)
        for key in self._failure_keys(job):
            self._store.delete_owned(self.output_bucket, key, owner)

    def _failure_keys(self, job: Job) -> list[str]:
        """Where the record of a refusal lies; the second is for the same key of another bucket."""
        name, own = f"{FAILED}{self._rest(job.key)}", owner_of(job.bucket, job.key)[:12]
        return [f"{_fitting(one)}.json" for one in (name, f"{name}.{own}")]


def _names(rest: str, style: str, bucket: str, key: str) -> list[str]:
    """Names, without extension, in the order in which they are wanted.

    ``a/b.jpg`` wants ``a/b.STYLE``; where ``a/b.png`` has that, ``a/b.jpg.STYLE``; and where even
    that is another photo's (of another bucket, say), one that no other has.
    """
    folder, slash, file = rest.rpartition("/")
    stem = file.rpartition(".")[0] or file
    own = f"{file}.{owner_of(bucket, key)[:12]}"
    names = [f"{STYLISED}{folder}{slash}{name}.{style}" for name in (stem, file, own)]
    return [_fitting(name) for name in names]


def _fitting(name: str) -> str:
    """The name, its end replaced by a digest of it where it is too long for S3 with an ending."""
    whole, most = name.encode(), MOST_KEY_BYTES - LONGEST_ENDING
    if len(whole) <= most:
        return name
    digest = f".{hashlib.sha256(whole).hexdigest()[:32]}"
    return whole[: most - len(digest)].decode(errors="ignore") + digest


def metadata_options(metadata: Mapping[str, str]) -> dict[str, str]:
    """Options among an object's metadata, where ``max-side-px`` is ``max_side_px``, too."""
    known = {item.name for item in fields(Options)}
    named = {name.replace("-", "_").lower(): value for name, value in metadata.items()}
    return {name: value for name, value in named.items() if name in known}


@cache
def worker() -> Worker:
    """The worker of this process, made from the environment once. Raises Misconfigured."""
    memory_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "0")
    try:
        settings = Settings.from_environment({"KIREI_MEMORY_MB": memory_mb, **os.environ})
    except InvalidOption as error:
        # no caller's fault: as an InvalidOption it would be written down against the photo
        raise Misconfigured(f"the environment: {error.message}") from error
    return Worker(
        pipeline.Pipeline(settings), Store(), AdapterSettings.from_environment(os.environ)
    )
