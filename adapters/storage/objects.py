"""Objects and the bucket they lie in, whatever keeps them: S3 or a folder."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from adapters.storage.content_encoding import decode_content
from pipeline import ObjectNotFound, TooManyBytes

# Metadata of every object that Kirei writes.
MARK = "kirei"  # the pipeline's version
OWNER = "kirei-source"  # the photo that the object came from, see owner_of
FINGERPRINT = "kirei-fingerprint"  # of a picture: what it was computed from
MAX_JSON_BYTES = 4_000_000


@dataclass(frozen=True)
class ObjectState:
    """One state of an object: two equal states have equal content and equal options."""

    etag: str
    version_id: str | None
    metadata: Mapping[str, str]


class StoredObject(ABC):
    """An object that was opened: its headers are known, its body is not read yet.

    Attributes:
        state: Etag, version and metadata.
        size_bytes: Length of the body as it is stored.
        content_type: The media type that it was put with; empty where there is none.
        encoding: The Content-Encoding; empty where the object has none.
    """

    def __init__(
        self, state: ObjectState, size_bytes: int, content_type: str, encoding: str = ""
    ) -> None:
        self.state = state
        self.size_bytes = size_bytes
        self.content_type = content_type
        self.encoding = encoding

    def read(self, max_bytes: int) -> bytes:
        """Returns the whole body, with its Content-Encoding undone.

        Args:
            max_bytes: Limit of the stored body and of the decoded one.

        Raises:
            TooManyBytes: Before anything is fetched, or before more than the limit is decoded.
            TruncatedImage: The encoded body is damaged.
            UnsupportedVariant: The Content-Encoding is unknown.
            StoreUnavailable: The body could not be fetched.
        """
        if self.size_bytes > max_bytes:
            raise TooManyBytes(
                f"the object has {self.size_bytes} bytes; the limit is {max_bytes}",
                stage="fetch",
                measured=self.size_bytes,
                limit=max_bytes,
            )
        body = self._fetch()
        return decode_content(body, self.encoding, max_bytes) if self.encoding else body

    @abstractmethod
    def _fetch(self) -> bytes: ...


class Bucket(ABC):
    """A named set of objects.

    Reading raises ObjectNotFound, ObjectArchived, ObjectEncrypted, ObjectForbidden,
    InvalidRequest (for an impossible name) and StoreUnavailable. Writing raises StoreUnavailable
    alone, because a failed write is never the photo's fault.
    """

    name: str

    @abstractmethod
    def open(self, key: str, version_id: str | None = None) -> AbstractContextManager[StoredObject]:
        """Opens an object; its body is fetched only when it is read."""

    @abstractmethod
    def head(self, key: str) -> ObjectState | None:
        """Returns the present state of an object, None where there is no such object."""

    @abstractmethod
    def keys(self, prefix: str) -> list[str]:
        """Returns the first keys with a prefix, at most a thousand of S3's."""

    @abstractmethod
    def put_owned(
        self, key: str, body: bytes, content_type: str, metadata: Mapping[str, str]
    ) -> bool:
        """Writes an object unless another owner has the key.

        Args:
            key: Where to write.
            body: The content.
            content_type: Its media type.
            metadata: Must hold OWNER.

        Returns:
            False, and nothing is written, if the key belongs to another owner. Two photos may want
            one key at the same moment: the storage itself decides who was first.
        """

    @abstractmethod
    def delete_owned(self, key: str, owner: str) -> None:
        """Deletes an object if it exists and belongs to the owner."""

    @abstractmethod
    def copy(self, key: str, target: str, metadata: Mapping[str, str]) -> None:
        """Copies an object within the bucket, with new metadata. Raises ObjectNotFound."""

    @abstractmethod
    def presigned_url(self, key: str, lifetime_s: int) -> str:
        """Returns a link that lets anyone read the object for a while. Nothing is sent."""

    @abstractmethod
    def presigned_post(
        self, key: str, fields: Mapping[str, str], max_bytes: int, lifetime_s: int
    ) -> tuple[str, dict[str, str]]:
        """Returns the address and the fields of a form that lets anyone upload one object.

        Args:
            key: The object that may be written.
            fields: Fields that the form must carry unchanged, such as its Content-Type.
            max_bytes: Size limit of the upload.
            lifetime_s: Seconds until the form expires.
        """

    def get_json(self, key: str) -> dict[str, Any] | None:
        """Returns an object's JSON document; None if it is absent or is not a JSON object."""
        try:
            with self.open(key) as stored:
                document = json.loads(stored.read(MAX_JSON_BYTES))
        except (ObjectNotFound, TooManyBytes, ValueError, RecursionError):
            return None
        return document if isinstance(document, dict) else None


def owner_of(*identity: str) -> str:
    """Returns a digest that names a source in metadata, where only ASCII is allowed."""
    return hashlib.sha256("\n".join(identity).encode()).hexdigest()
