"""One photo: fetch, run the pipeline, write; and what is skipped, refused or tried again.

Under the output bucket: ``stylised/REST.STYLE.EXT`` with its ``.json`` for ``uploads/REST.ext``,
``stylised/http/FINGERPRINT.STYLE.EXT`` for photos without a key, ``failed/REST.ext.json`` for
those refused.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any, Self

from aws_lambda_powertools.metrics import MetricUnit

# by its module, for a name of it that brings in numpy or more is loaded when it is first used,
# which a cold start can do without
import pipeline
from adapters import logger, metrics
from adapters.events import Ignored, Job
from adapters.store import MARK, OWNER, Found, Store, owner_of
from pipeline import (
    InvalidOption,
    KireiError,
    Misconfigured,
    Options,
    PermanentError,
    Settings,
    StoreUnavailable,
)

STYLISED, FAILED = "stylised/", "failed/"
JSON = "application/json"


@dataclass(frozen=True)
class AdapterSettings:
    """Where things lie in S3: OUTPUT_BUCKET, INPUT_PREFIX and URL_LIFETIME_S of the environment."""

    output_bucket: str | None
    input_prefix: str
    url_lifetime_s: int

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Raises Misconfigured."""
        lifetime = environment.get("URL_LIFETIME_S", "3600")
        if not lifetime.isdecimal() or not 1 <= int(lifetime) <= 604_800:
            raise Misconfigured(f"URL_LIFETIME_S is {lifetime!r}; it lies between 1 and 604800")
        return cls(
            output_bucket=environment.get("OUTPUT_BUCKET") or None,
            input_prefix=environment.get("INPUT_PREFIX", "uploads/"),
            url_lifetime_s=int(lifetime),
        )


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

    def stylise(self, data: bytes, options: Options, **origin: str | None) -> pipeline.Result:
        """The pipeline's run, counted. Raises what it raises."""
        on_stage = self.observer(origin.get("key"))
        result = self.pipeline.run(data, options, on_stage=on_stage, **origin)
        metrics.add_metric("Stylised", MetricUnit.Count, 1)
        total_ms = result.sidecar.timings_ms["total"]
        metrics.add_metric("PipelineDuration", MetricUnit.Milliseconds, total_ms)
        return result

    def work(self, job: Job | Ignored) -> Outcome:
        """Does one job. A photo at fault is written down and its Outcome says so; only
        TransientError is raised.
        """
        outcome = self._skipped(job) if isinstance(job, Ignored) else self._work(job)
        if outcome.status in ("skipped", "refused"):
            metrics.add_metric(outcome.status.capitalize(), MetricUnit.Count, 1)
        logger.info(
            outcome.status,
            bucket=outcome.bucket,
            key=outcome.key,
            why=outcome.why,
            record_key=outcome.record_key,
            error=outcome.error,
        )
        return outcome

    def _work(self, job: Job) -> Outcome:
        why = self._why_not(job)
        if why:
            return self._skipped(Ignored(why, job.bucket, job.key))
        origin: dict[str, str | None] = {"bucket": job.bucket, "key": job.key}
        origin |= {"version_id": job.version_id, "etag": None}
        style = job.options.get("style")
        try:
            with self._store.open(job.bucket, job.key, job.version_id) as found:
                if MARK in found.metadata:
                    return self._skipped(Ignored("this pipeline wrote it", job.bucket, job.key))
                origin |= {"version_id": found.version_id, "etag": found.etag}
                asked = {**metadata_options(found.metadata), **job.options}
                style = asked.get("style", style)
                return self._stylise_object(job, found, Options.from_mapping(asked), origin)
        except PermanentError as error:
            return self._refused(job, error, origin, style)

    def _stylise_object(
        self, job: Job, found: Found, options: Options, origin: dict[str, str | None]
    ) -> Outcome:
        names = _names(self._rest(job.key), options.style, job.bucket, job.key)
        names, sidecar = self._names_free(names, job)
        wanted = pipeline.fingerprint(self.pipeline.version, options, **origin)
        if sidecar and sidecar.get("fingerprint") == wanted and self._is_whole(sidecar):
            key = f"{names[0]}.json"
            return Outcome("already_stylised", job.bucket, job.key, None, key, sidecar)
        self.pipeline.open_ahead(options)  # while the object is downloaded
        data = found.read(self.pipeline.settings.max_input_bytes)
        result = self.stylise(data, options, **origin)
        owner = owner_of(job.bucket, job.key)
        for name in names:
            document = self._write(result, name, owner)
            if document is not None:
                key = f"{name}.json"
                return Outcome("stylised", job.bucket, job.key, None, key, document)
        raise StoreUnavailable(f"every name for the result of {job.key} is another photo's")

    def kept(self, data: bytes, options: Options) -> dict[str, Any]:
        """The sidecar, as a dict, of a photo without a key; the picture lies in the output bucket
        and ``output.url`` gives it to whoever has it. Computed only if it is not there yet.
        """
        etag = hashlib.sha256(data).hexdigest()
        wanted = pipeline.fingerprint(
            self.pipeline.version, options, bucket=None, key=None, version_id=None, etag=etag
        )
        key = f"{STYLISED}http/{wanted}.{options.style}.json"
        sidecar = self._store.get_json(self.output_bucket, key)
        if sidecar and sidecar.get("fingerprint") == wanted and self._is_whole(sidecar):
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
        sidecar = pipeline.sidecar_json(replace(result.sidecar, output=output))
        mark = {MARK: self.pipeline.version, OWNER: owner}
        if self._store.put_owned(bucket, key, result.image, output.content_type, mark) and (
            self._store.put_owned(bucket, f"{name}.json", sidecar, JSON, mark)
        ):
            document: dict[str, Any] = json.loads(sidecar)
            return document
        return None

    def _with_url(self, sidecar: dict[str, Any]) -> dict[str, Any]:
        """The stored sidecar has no URL: one expires, and lets in whoever reads it."""
        output = sidecar["output"]
        lifetime = self.adapter.url_lifetime_s
        url = self._store.presigned_url(output["bucket"], output["key"], lifetime)
        return sidecar | {"output": output | {"url": url}}

    def _is_whole(self, sidecar: dict[str, Any]) -> bool:
        """Whether the picture is still there: a sidecar alone is no result."""
        return self._store.exists(self.output_bucket, sidecar["output"]["key"])

    def _names_free(self, names: list[str], job: Job) -> tuple[list[str], dict[str, Any] | None]:
        """The names from the first that is free or this photo's own, and the sidecar there."""
        for number, name in enumerate(names):
            sidecar = self._store.get_json(self.output_bucket, f"{name}.json")
            source = (sidecar or {}).get("source", {})
            if sidecar is None or (source.get("bucket"), source.get("key")) == (
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
        return None

    def _skipped(self, ignored: Ignored) -> Outcome:
        return Outcome("skipped", ignored.bucket, ignored.key, ignored.why)

    def _refused(
        self, job: Job, error: PermanentError, origin: dict[str, str | None], style: Any
    ) -> Outcome:
        key = f"{FAILED}{self._rest(job.key)}.json"
        version = self.pipeline.version
        name = style if isinstance(style, str) else None
        record = pipeline.failure_record(error, pipeline_version=version, style=name, **origin)
        mark = {MARK: version, OWNER: owner_of(job.bucket, job.key)}
        self._store.put(self.output_bucket, key, record, JSON, mark)
        return Outcome("refused", job.bucket, job.key, None, key, error=error.as_dict())


def count_error(error: KireiError) -> None:
    """Metrics of a call that no Outcome stands for."""
    name = "Refused" if isinstance(error, PermanentError) else "Transient"
    metrics.add_metric(name, MetricUnit.Count, 1)


def _names(rest: str, style: str, bucket: str, key: str) -> list[str]:
    """Names, without extension, in the order in which they are wanted.

    ``a/b.jpg`` wants ``a/b.STYLE``; where ``a/b.png`` has that, ``a/b.jpg.STYLE``; and where even
    that is another photo's (of another bucket, say), one that no other has.
    """
    folder, slash, file = rest.rpartition("/")
    stem = file.rpartition(".")[0] or file
    own = f"{file}.{owner_of(bucket, key)[:12]}"
    return [f"{STYLISED}{folder}{slash}{name}.{style}" for name in (stem, file, own)]


def metadata_options(metadata: Mapping[str, str]) -> dict[str, str]:
    """Options among an object's metadata, where ``max-side-px`` is ``max_side_px``, too."""
    known = {item.name for item in fields(Options)}
    named = {name.replace("-", "_").lower(): value for name, value in metadata.items()}
    return {name: value for name, value in named.items() if name in known}


@cache
def worker() -> Worker:
    """The worker of this process, made from the environment once. Raises Misconfigured."""
    try:
        settings = Settings.from_environment(os.environ)
    except InvalidOption as error:
        # no caller's fault: as an InvalidOption it would be written down against the photo
        raise Misconfigured(f"the environment: {error.message}") from error
    return Worker(
        pipeline.Pipeline(settings), Store(), AdapterSettings.from_environment(os.environ)
    )
