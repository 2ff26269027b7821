"""A bucket in a folder, for one machine: objects are files, and their keys are the paths.

Metadata lies under ``.kirei`` in the same folder, beside the secret that signs links. Several
processes may work on one folder: content is written to a temporary file, and moved to its place
under a lock.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from adapters.storage.links import Links
from adapters.storage.objects import OWNER, Bucket, ObjectState, StoredObject
from pipeline import InvalidRequest, ObjectNotFound, OutOfDescriptors, StoreUnavailable

LOCAL = "local"  # the bucket's name in sidecars
PRIVATE = ".kirei"  # the folder of metadata, and in it:
PARTS, LOCK, SERVING, SECRET = "parts", "lock", "serving", "secret"
MAX_PART_AGE_S = 3600.0  # of a temporary file; the process that wrote an older one has ended


class FileObject(StoredObject):
    """An open file in the place of an object."""

    def __init__(self, state: ObjectState, file: BinaryIO, content_type: str) -> None:
        super().__init__(state, os.fstat(file.fileno()).st_size, content_type)
        self._file = file

    def _fetch(self) -> bytes:
        with _named_errors("reading"):
            return self._file.read()


class FolderBucket(Bucket):
    """What a bucket of S3 does, in a folder.

    Attributes:
        name: The bucket's name, as it stands in sidecars.
        links: Makes and checks links to the objects.
        on_created: If set, called with the key of every new object, like S3's events.
    """

    def __init__(self, folder: Path, name: str = LOCAL) -> None:
        self.name = name
        self.on_created: Callable[[str], object] | None = None
        self._folder = folder.resolve()
        self._private = self._folder / PRIVATE
        with _named_errors(str(folder)):
            (self._private / PARTS).mkdir(parents=True, exist_ok=True)
            with self._locked():
                self.links = Links(self._read_secret())

    def named(self, name: str) -> FolderBucket:
        """Returns this bucket for its own name. Raises ObjectNotFound for any other."""
        if name != self.name:
            raise ObjectNotFound(f"there is no bucket {name}", measured=name)
        return self

    @contextmanager
    def open(self, key: str, version_id: str | None = None) -> Iterator[StoredObject]:
        """See Bucket.open. A folder has no versions: naming one raises ObjectNotFound."""
        if version_id is not None:
            raise ObjectNotFound(f"{key} has no version {version_id}", measured=version_id)
        path = self._path(key)
        with _named_errors(key):
            file = path.open("rb")
        with file:
            # a file that somebody else put there has no metadata
            has_metadata = self._metadata_path(key).is_file()
            content_type = self.content_type(key) if has_metadata else ""
            yield FileObject(self._state(key, os.fstat(file.fileno())), file, content_type)

    def content_type(self, key: str) -> str:
        """Returns the media type that an object was put with. Raises ObjectNotFound."""
        return str(self._read_metadata(key)["content_type"])

    def head(self, key: str) -> ObjectState | None:
        """See Bucket.head."""
        path = self._path(key)
        try:
            return self._state(key, path.stat()) if path.is_file() else None
        except FileNotFoundError:  # deleted between the two
            return None

    def keys(self, prefix: str) -> list[str]:
        """See Bucket.keys. The part of the prefix after its last slash is the start of a name."""
        parent, _, start = prefix.rpartition("/")
        folder = self._path(parent)
        with _named_errors(prefix):
            paths = list(folder.iterdir()) if folder.is_dir() else []
            names = [path.name for path in paths if path.name.startswith(start) and path.is_file()]
        return sorted(f"{parent}/{name}" for name in names)

    def put(self, key: str, body: bytes, content_type: str, metadata: Mapping[str, str]) -> None:
        """Writes an object, whoever owned it. Raises StoreUnavailable."""
        with self._new_file(key) as (part, commit):
            part.write_bytes(body)
            commit(content_type, metadata, None)

    def put_owned(
        self, key: str, body: bytes, content_type: str, metadata: Mapping[str, str]
    ) -> bool:
        """See Bucket.put_owned."""
        with self._new_file(key) as (part, commit):
            part.write_bytes(body)
            return commit(content_type, metadata, metadata[OWNER])

    def delete_owned(self, key: str, owner: str) -> None:
        """See Bucket.delete_owned."""
        with self._locked():
            state = self.head(key)
            if state is not None and state.metadata.get(OWNER) == owner:
                with _named_errors(key):
                    self._path(key).unlink(missing_ok=True)
                    self._metadata_path(key).unlink(missing_ok=True)

    def copy(self, key: str, target: str, metadata: Mapping[str, str]) -> None:
        """See Bucket.copy."""
        source, content_type = self._path(key), self.content_type(key)
        with self._new_file(target) as (part, commit):
            shutil.copyfile(source, part)
            commit(content_type, metadata, None)

    def presigned_url(self, key: str, lifetime_s: int) -> str:
        """See Bucket.presigned_url. It is a path of this server, without a host."""
        return self.links.download_url(key, lifetime_s)

    def presigned_post(
        self, key: str, fields: Mapping[str, str], max_bytes: int, lifetime_s: int
    ) -> tuple[str, dict[str, str]]:
        """See Bucket.presigned_post. The address is a path of this server, without a host."""
        return self.links.upload_form(key, fields, max_bytes, lifetime_s)

    # --- several processes ----------------------------------------------------------------------

    @contextmanager
    def claim(self, key: str) -> Iterator[bool]:
        """Claims an object for the duration of the block.

        Yields:
            Whether the object is this caller's alone to work on; False where another has claimed
            it. The claims of a process end with it.

        Raises:
            ObjectNotFound: There is no such object.
        """
        path = self._path(key)
        with _named_errors(key):
            file = path.open("rb")
        with file:
            yield _flock(file, wait=False)

    def claim_folder(self) -> bool:
        """Claims the folder until this process ends; returns whether no other serves it."""
        with _named_errors(SERVING):
            self._serving = (self._private / SERVING).open("ab")
        return _flock(self._serving, wait=False)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Excludes all other threads and processes: each opened file has a lock of its own."""
        with _named_errors(LOCK):
            file = (self._private / LOCK).open("ab")
        with file:
            _flock(file, wait=True)
            yield

    # --- age ------------------------------------------------------------------------------------

    def expire(self, max_age_s: float, keep: Callable[[str], bool]) -> int:
        """Deletes old objects, and temporary files that ended processes left behind.

        Files that were not put by this class belong to somebody else, and stay.

        Args:
            max_age_s: Objects that are older than this are deleted.
            keep: Tells by its key whether an object stays, whatever its age.

        Returns:
            The number of deleted objects.
        """
        now, deleted = time.time(), 0
        with _named_errors(PRIVATE):
            for part in (self._private / PARTS).iterdir():
                if _age_s(part, now) > MAX_PART_AGE_S:
                    part.unlink(missing_ok=True)
            for metadata_path in self._private.rglob("*.json"):
                key = metadata_path.relative_to(self._private).as_posix().removesuffix(".json")
                path = self._path(key)
                if _age_s(metadata_path, now) > max_age_s and not keep(key):
                    with self._locked():
                        if _age_s(path, now) > max_age_s:
                            path.unlink(missing_ok=True)
                            metadata_path.unlink(missing_ok=True)
                            deleted += 1
        return deleted

    # --- files ----------------------------------------------------------------------------------

    def _path(self, key: str) -> Path:
        """A file in the folder, and not one of our private ones. Raises InvalidRequest."""
        path = (self._folder / key).resolve() if "\0" not in key else Path()
        if not path.is_relative_to(self._folder) or path.is_relative_to(self._private):
            raise InvalidRequest("not a valid object name", measured=key)
        return path

    def _metadata_path(self, key: str) -> Path:
        return self._private / f"{key}.json"

    def _part(self) -> Path:
        """A temporary file's path, which no other has."""
        return self._private / PARTS / secrets.token_hex(16)

    def _state(self, key: str, status: os.stat_result) -> ObjectState:
        etag = f"{status.st_mtime_ns:x}-{status.st_size:x}"
        # a file that somebody else put there has no metadata, and no owner
        has_metadata = self._metadata_path(key).is_file()
        metadata = self._read_metadata(key)["metadata"] if has_metadata else {}
        return ObjectState(etag, None, metadata)

    def _read_metadata(self, key: str) -> dict[str, Any]:
        self._path(key)
        with _named_errors(key):
            text = self._metadata_path(key).read_bytes()
        try:
            document = json.loads(text)
            return {
                "content_type": str(document["content_type"]),
                "metadata": dict(document["metadata"]),
            }
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise ObjectNotFound(f"the metadata of {key} is damaged") from error

    def _read_secret(self) -> bytes:
        path = self._private / SECRET
        if not path.exists():
            part = self._part()
            part.touch(mode=0o600)
            part.write_bytes(secrets.token_bytes(32))
            part.replace(path)
        return path.read_bytes()

    @contextmanager
    def _new_file(
        self, key: str
    ) -> Iterator[tuple[Path, Callable[[str, Mapping[str, str], str | None], bool]]]:
        """A temporary file to write to, and the function that moves it to its place.

        That function takes content type, metadata and, optionally, the owner; it returns False,
        and changes nothing, where the object belongs to another owner. The object appears whole or
        not at all, its metadata first.
        """
        path, metadata_path = self._path(key), self._metadata_path(key)
        part, metadata_part = self._part(), self._part()
        is_created = False

        def commit(content_type: str, metadata: Mapping[str, str], owner: str | None) -> bool:
            nonlocal is_created
            document = {"content_type": content_type, "metadata": dict(metadata)}
            metadata_part.write_text(json.dumps(document))
            with self._locked():
                existing = self.head(key) if owner else None
                if existing is not None and existing.metadata.get(OWNER) != owner:
                    return False
                metadata_part.replace(metadata_path)
                part.replace(path)
            is_created = True
            return True

        try:
            with _named_errors(key):
                for parent in (metadata_path.parent, path.parent):
                    parent.mkdir(parents=True, exist_ok=True)
                yield part, commit
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
                metadata_part.unlink(missing_ok=True)
        if is_created and self.on_created:
            self.on_created(key)


def _flock(file: BinaryIO, *, wait: bool) -> bool:
    """Takes the lock of an open file, until it is closed; returns False if another has it."""
    with _named_errors(str(file.name)):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True


def _age_s(path: Path, now: float) -> float:
    """Seconds since a file was written; infinite where there is none."""
    try:
        return now - path.stat().st_mtime
    except FileNotFoundError:
        return math.inf


@contextmanager
def _named_errors(location: str) -> Iterator[None]:
    """Turns errors of the file system into Kirei's."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise ObjectNotFound(f"{location} does not exist") from error
    except OSError as error:
        if error.errno in OutOfDescriptors.errnos:
            raise OutOfDescriptors(f"{location}: {error.strerror}") from error
        raise StoreUnavailable(f"{location}: {error.strerror}") from error
