"""Where a photo came from. In a module of its own, which imports nothing: callers name it early."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Origin:
    """Where a photo came from, in the words of its store; opaque to the pipeline.

    Attributes:
        bucket: The container, if any.
        key: The object's key, or the path of a file.
        version_id: The object's version, where the bucket has versions.
        etag: A digest of the content.
    """

    bucket: str | None = None
    key: str | None = None
    version_id: str | None = None
    etag: str | None = None

    def with_digest(self, digest: str) -> Origin:
        """The same, with the file's digest as its etag where nothing else tells its version."""
        return self if self.version_id or self.etag else replace(self, etag=digest)
