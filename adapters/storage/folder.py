"""A folder in the place of S3, for one machine: objects are files, their keys the paths.

Metadata lies under ``.kirei`` in the same folder, and there the secret with which links are signed:
as in S3, whoever has a link needs nothing else, and it expires. Several processes may work on one
folder: what is written is written under a name of its own, and put in its place under a lock.
"""

from __future__ import annotations

import base64
import fcntl
import hmac
import json
import math
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from adapters.errors import Forbidden
from adapters.storage.s3 import OWNER, Found, Head, Store
from pipeline import (
    InvalidRequest,
    ObjectNotFound,
    OutOfDescriptors,
    StoreUnavailable,
    TooManyBytes,
)

OWN = ".kirei"
PARTS, LOCK, SERVING = "parts", "lock", "serving"  # in it, beside the objects' metadata
MAX_PART_AGE_S = 3600.0  # of a file that is being written; an older one's process has ended
FILES, UPLOADS = "/v1/files/", "/v1/uploads/"  # routes of adapters/serve.py


@dataclass(frozen=True)
class FileFound(Found):
    """A file in the place of an object."""

    def _fetch(self) -> bytes:
        with _translated("reading"):
            return bytes(self._body.read())


class FolderStore(Store):
    """What S3 does for us, in a folder. There is one bucket; what it is called does not matter.

    ``created`` is told the key of every object that is put or copied, as S3 sends its events.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._own = self._folder / OWN
        self.created: Callable[[str], None] = lambda key: None
        with _translated(str(folder)):
            (self._own / PARTS).mkdir(parents=True, exist_ok=True)
            with self._locked():
                self._secret = self._read_secret()

    @contextmanager
    def open(self, bucket: str, key: str, version_id: str | None = None) -> Iterator[Found]:
        path = self._path(key)
        with _translated(key):
            body = path.open("rb")
        with body:
            about = os.fstat(body.fileno())
            yield FileFound(self._head(key, about), about.st_size, body)

    def content_type(self, key: str) -> str:
        """With which type the object was put. Raises ObjectNotFound."""
        return str(self._about(key)["content_type"])

    def head(self, bucket: str, key: str) -> Head | None:
        path = self._path(key)
        try:
            return self._head(key, path.stat()) if path.is_file() else None
        except FileNotFoundError:  # taken away in between
            return None

    def keys(self, bucket: str, prefix: str) -> list[str]:
        folder, _, name = prefix.rpartition("/")
        place = self._path(folder)
        with _translated(prefix):
            found = place.iterdir() if place.is_dir() else ()
            names = [path.name for path in found if path.name.startswith(name) and path.is_file()]
        return sorted(f"{folder}/{name}" for name in names)

    def put(self, key: str, body: bytes, content_type: str, metadata: Mapping[str, str]) -> None:
        """Writes the object, whoever's it was."""
        self._put_file(key, lambda part: part.write_bytes(body), content_type, metadata, None)

    def put_owned(
        self, bucket: str, key: str, body: bytes, content_type: str, mark: Mapping[str, str]
    ) -> bool:
        owner = mark[OWNER]
        return self._put_file(key, lambda part: part.write_bytes(body), content_type, mark, owner)

    def delete_owned(self, bucket: str, key: str, owner: str) -> None:
        with self._locked():
            found = self.head(bucket, key)
            if found is not None and found.metadata.get(OWNER) == owner:
                with _translated(key):
                    self._path(key).unlink(missing_ok=True)
                    self._about_path(key).unlink(missing_ok=True)

    def copy(self, bucket: str, key: str, copy: str, metadata: Mapping[str, str]) -> None:
        source, content_type = self._path(key), self.content_type(key)
        self._put_file(
            copy, lambda part: shutil.copyfile(source, part), content_type, metadata, None
        )

    # --- several processes ----------------------------------------------------------------------

    @contextmanager
    def claim(self, key: str) -> Iterator[bool]:
        """Whether the object is this caller's alone to work on, until the end of the block; False
        where another has claimed it. What a process has claimed is free again when it ends.
        """
        path = self._path(key)
        with _translated(key):
            file = path.open("rb")
        with file:
            yield _flock(file, wait=False)

    def claim_folder(self) -> bool:
        """Whether no other process serves this folder; this one does from here on to its end."""
        with _translated(SERVING):
            self._serving = (self._own / SERVING).open("ab")
        return _flock(self._serving, wait=False)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One at a time, of all threads and processes: each opening has a lock of its own."""
        with _translated(LOCK):
            file = (self._own / LOCK).open("ab")
        with file:
            _flock(file, wait=True)
            yield

    # --- age ------------------------------------------------------------------------------------

    def expire(self, max_age_s: float, kept: Callable[[str], bool]) -> int:
        """Deletes objects that are older, but for those whose key is to be ``kept``, and what
        processes that have ended left half written; returns how many objects. Files that were not
        put by this class are nobody's here, and stay.
        """
        now, deleted = time.time(), 0
        with _translated(OWN):
            for part in (self._own / PARTS).iterdir():
                if _age_s(part, now) > MAX_PART_AGE_S:
                    part.unlink(missing_ok=True)
            for about_path in self._own.rglob("*.json"):
                key = about_path.relative_to(self._own).as_posix().removesuffix(".json")
                path = self._path(key)
                if _age_s(about_path, now) > max_age_s and not kept(key):
                    with self._locked():
                        if _age_s(path, now) > max_age_s:
                            path.unlink(missing_ok=True)
                            about_path.unlink(missing_ok=True)
                            deleted += 1
        return deleted

    # --- links ----------------------------------------------------------------------------------

    def presigned_url(self, bucket: str, key: str, lifetime_s: int) -> str:
        expires = int(time.time()) + lifetime_s
        return f"{FILES}{quote(key)}?expires={expires}&signature={self._sign(key, str(expires))}"

    def check_link(self, key: str, expires: str, signature: str) -> None:
        """Raises Forbidden for a link that was not made here, or is too old."""
        self._check_link(expires, signature, key)

    def _check_link(self, expires: str, signature: str, *signed: str) -> None:
        self._check(signature, *signed, expires)
        if int(expires) < time.time():
            raise Forbidden("the link has expired", measured=int(expires))

    def presigned_post(
        self, bucket: str, key: str, fields: Mapping[str, str], most_bytes: int, lifetime_s: int
    ) -> tuple[str, dict[str, str]]:
        expires = int(time.time()) + lifetime_s
        asked = {"key": key, **fields}
        document = json.dumps({"fields": asked, "most_bytes": most_bytes, "expires": expires})
        policy = base64.b64encode(document.encode()).decode()
        signed = asked | {"policy": policy, "signature": self._sign(policy)}
        link = f"expires={expires}&signature={self._sign('upload', key, str(expires))}"
        return f"{UPLOADS}{key.rpartition('/')[2]}?{link}", signed

    def check_upload_link(self, key: str, expires: str, signature: str) -> None:
        """in: what stands in the link of presigned_post, which lets a body in before its form can
        be read. Raises Forbidden.
        """
        self._check_link(expires, signature, "upload", key)

    def check_post(self, fields: Mapping[str, str], size: int) -> None:
        """in: the fields of a form, and the size of its file. Raises Forbidden unless they are
        those that presigned_post gave out, and of late; TooManyBytes, InvalidRequest.
        """
        policy, signature = fields.get("policy", ""), fields.get("signature", "")
        self._check(signature, policy)
        conditions = json.loads(base64.b64decode(policy))
        if conditions["expires"] < time.time():
            raise Forbidden("the form has expired", measured=conditions["expires"])
        if conditions["fields"] | {"policy": policy, "signature": signature} != dict(fields):
            raise Forbidden("the form has other fields than were given out for it")
        most = conditions["most_bytes"]
        if size > most:
            raise TooManyBytes(
                f"the file has {size} bytes; announced were {most}",
                stage="request",
                measured=size,
                limit=most,
            )
        if size == 0:
            raise InvalidRequest("the file is empty", measured=0, limit=most)

    def _check(self, signature: str, *signed: str) -> None:
        if not hmac.compare_digest(signature.encode(), self._sign(*signed).encode()):
            raise Forbidden("the signature is not ours")

    def _sign(self, *texts: str) -> str:
        return hmac.new(self._secret, "\n".join(texts).encode(), "sha256").hexdigest()

    def _read_secret(self) -> bytes:
        path = self._own / "secret"
        if not path.exists():
            part = self._part()
            part.touch(mode=0o600)
            part.write_bytes(secrets.token_bytes(32))
            part.replace(path)
        return path.read_bytes()

    # --- files ----------------------------------------------------------------------------------

    def _path(self, key: str) -> Path:
        """Below the folder, and not where our own files lie. Raises InvalidRequest."""
        path = (self._folder / key).resolve() if "\0" not in key else Path()
        if not path.is_relative_to(self._folder) or path.is_relative_to(self._own):
            raise InvalidRequest("that is no name for an object", measured=key)
        return path

    def _head(self, key: str, about: os.stat_result) -> Head:
        etag = f"{about.st_mtime_ns:x}-{about.st_size:x}"
        # a file that somebody else laid there has no metadata, and no owner
        metadata = self._about(key)["metadata"] if self._about_path(key).is_file() else {}
        return Head(etag, None, metadata)

    def _about(self, key: str) -> dict[str, Any]:
        self._path(key)
        with _translated(key):
            text = self._about_path(key).read_bytes()
        try:
            document = json.loads(text)
            return {
                "content_type": str(document["content_type"]),
                "metadata": dict(document["metadata"]),
            }
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise ObjectNotFound(f"the metadata of {key} is damaged") from error

    def _about_path(self, key: str) -> Path:
        return self._own / f"{key}.json"

    def _part(self) -> Path:
        """A name for a file that is being written, which no other has."""
        return self._own / PARTS / secrets.token_hex(16)

    def _put_file(
        self,
        key: str,
        write: Callable[[Path], object],
        content_type: str,
        metadata: Mapping[str, str],
        owner: str | None,
    ) -> bool:
        """Whole or not at all, the metadata first. With an ``owner``: False, and nothing is
        written, where the object is another's.
        """
        path, about_path = self._path(key), self._about_path(key)
        about = json.dumps({"content_type": content_type, "metadata": dict(metadata)})
        part, about_part = self._part(), self._part()
        try:
            with _translated(key):
                for place in (about_path, path):
                    place.parent.mkdir(parents=True, exist_ok=True)
                write(part)
                about_part.write_text(about)
            with self._locked():
                found = self.head("", key) if owner else None
                if found is not None and found.metadata.get(OWNER) != owner:
                    return False
                with _translated(key):
                    about_part.replace(about_path)
                    part.replace(path)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
                about_part.unlink(missing_ok=True)
        self.created(key)
        return True


def _flock(file: BinaryIO, *, wait: bool) -> bool:
    """Whether the lock of an open file is had, until that is closed or its process ends."""
    with _translated(str(file.name)):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True


def _age_s(path: Path, now: float) -> float:
    """How long ago a file was written; infinite where there is none."""
    try:
        return now - path.stat().st_mtime
    except FileNotFoundError:
        return math.inf


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """What the file system says, in our errors."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise ObjectNotFound(f"{what} is not there") from error
    except OSError as error:
        if error.errno in OutOfDescriptors.errnos:
            raise OutOfDescriptors(f"{what}: {error.strerror}") from error
        raise StoreUnavailable(f"{what}: {error.strerror}") from error
