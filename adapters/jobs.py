"""What events ask for, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class Job:
    """One object to stylise.

    Attributes:
        bucket: The object's bucket.
        key: Its key.
        version_id: The version to read; None for the present one.
        options: Win over those in the object's metadata.
        notified: Whether a bucket announced the object, and nobody asked for it by name. Such a
            job has no version: notifications come twice and out of order, so the object is read as
            it is now, and a late notification finds it done.
        correlation_id: The sender's id of this job, if any.
        is_last_try: Whether the sender gives up if the job fails once more.
    """

    bucket: str
    key: str
    version_id: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    notified: bool = False
    correlation_id: str | None = None
    is_last_try: bool = False


@dataclass(frozen=True)
class Ignored:
    """A record that asks for nothing, and why."""

    why: str
    bucket: str | None = None
    key: str | None = None
    correlation_id: str | None = None


@dataclass(frozen=True)
class InlinePhoto:
    """A photo that came within the event itself."""

    data: bytes
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What became of one object.

    Attributes:
        status: ``stylised``, ``already_stylised``, ``skipped`` or ``refused``.
        bucket: The object's bucket.
        key: Its key.
        why: Why it was skipped.
        record_key: Where its JSON lies in the output bucket: the sidecar or the failure record.
        sidecar: The sidecar, of a picture.
        error: The error, of a refused photo.
    """

    status: str
    bucket: str | None
    key: str | None
    why: str | None = None
    record_key: str | None = None
    sidecar: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Returns the fields that are not None."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Progress:
    """How far an upload without a result is.

    Attributes:
        status: ``waiting`` or ``working``.
        stage: Of a photo that is drawn.
        frames: Of a clip that is drawn: how many frames are, and how many there will be.
    """

    status: str
    stage: str | None = None
    frames: tuple[int, int] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Returns it as the HTTP API tells it."""
        document: dict[str, Any] = {"status": self.status, "stage": self.stage}
        if self.frames:
            document["frames"] = dict(zip(("done", "total"), self.frames, strict=True))
        return document


@dataclass(frozen=True)
class StylisedPhoto:
    """A drawn picture or clip, and its sidecar as JSON; ``extension`` is without the dot."""

    image: bytes
    extension: str
    sidecar: dict[str, Any]

    @property
    def content_type(self) -> str:
        """The picture's media type."""
        return str(self.sidecar["output"]["content_type"])

    @property
    def fingerprint(self) -> str:
        """What the picture was computed from, as a digest."""
        return str(self.sidecar["fingerprint"])

    @property
    def label(self) -> str:
        """What was done, as names have it: the style's name, or the task's."""
        return str(self.sidecar.get("style") or self.sidecar["task"])
