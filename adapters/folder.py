"""A folder in the place of S3, for one machine: objects are files, their keys the paths.

Metadata lies under ``.kirei`` in the same folder, and there the secret with which links are signed:
as in S3, whoever has a link needs nothing else, and it expires.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from adapters.api_errors import Forbidden
from adapters.store import OWNER, Found, Head, Store
from pipeline import InvalidRequest, ObjectNotFound, StoreUnavailable, TooManyBytes

OWN = ".kirei"
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
        self._writing = threading.Lock()
        self.created: Callable[[str], None] = lambda key: None
        with _translated(str(folder)):
            (self._folder / OWN).mkdir(parents=True, exist_ok=True)
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
        self._put_file(key, lambda part: part.write_bytes(body), content_type, metadata)

    def put_owned(
        self, bucket: str, key: str, body: bytes, content_type: str, mark: Mapping[str, str]
    ) -> bool:
        found = self.head(bucket, key)
        if found is not None and found.metadata.get(OWNER) != mark[OWNER]:
            return False
        self._put_file(key, lambda part: part.write_bytes(body), content_type, mark)
        return True

    def delete_owned(self, bucket: str, key: str, owner: str) -> None:
        found = self.head(bucket, key)
        if found is not None and found.metadata.get(OWNER) == owner:
            with _translated(key):
                self._path(key).unlink(missing_ok=True)

    def copy(self, bucket: str, key: str, copy: str, metadata: Mapping[str, str]) -> None:
        source, content_type = self._path(key), self.content_type(key)
        self._put_file(copy, lambda part: shutil.copyfile(source, part), content_type, metadata)

    # --- links ----------------------------------------------------------------------------------

    def presigned_url(self, bucket: str, key: str, lifetime_s: int) -> str:
        expires = int(time.time()) + lifetime_s
        return f"{FILES}{quote(key)}?expires={expires}&signature={self._sign(key, str(expires))}"

    def check_link(self, key: str, expires: str, signature: str) -> None:
        """Raises Forbidden for a link that was not made here, or is too old."""
        self._check(signature, key, expires)
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
        return f"{UPLOADS}{key.rpartition('/')[2]}", signed

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
        path = self._folder / OWN / "secret"
        if not path.exists():
            part = path.with_suffix(".part")
            part.touch(mode=0o600)
            part.write_bytes(secrets.token_bytes(32))
            part.replace(path)
        return path.read_bytes()

    # --- files ----------------------------------------------------------------------------------

    def _path(self, key: str) -> Path:
        """Below the folder, and not where our own files lie. Raises InvalidRequest."""
        path = (self._folder / key).resolve() if "\0" not in key else Path()
        if not path.is_relative_to(self._folder) or path.is_relative_to(self._folder / OWN):
            raise InvalidRequest("that is no name for an object", measured=key)
        return path

    def _head(self, key: str, about: os.stat_result) -> Head:
        etag = f"{about.st_mtime_ns:x}-{about.st_size:x}"
        return Head(etag, None, self._about(key)["metadata"])

    def _about(self, key: str) -> dict[str, Any]:
        self._path(key)
        with _translated(key):
            document: dict[str, Any] = json.loads(self._about_path(key).read_bytes())
        return document

    def _about_path(self, key: str) -> Path:
        return self._folder / OWN / f"{key}.json"

    def _put_file(
        self,
        key: str,
        write: Callable[[Path], object],
        content_type: str,
        metadata: Mapping[str, str],
    ) -> None:
        """Whole or not at all, the metadata first."""
        path, about_path = self._path(key), self._about_path(key)
        about = json.dumps({"content_type": content_type, "metadata": dict(metadata)})
        with self._writing, _translated(key):
            for place in (about_path, path):
                place.parent.mkdir(parents=True, exist_ok=True)
            part = about_path.with_suffix(".part")
            part.write_text(about)
            part.replace(about_path)
            write(part)
            part.replace(path)
        self.created(key)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """What the file system says, in our errors."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise ObjectNotFound(f"{what} is not there") from error
    except OSError as error:
        raise StoreUnavailable(f"{what}: {error.strerror}") from error
