"""The worker of one machine: uploads lie in a folder and are worked on in threads of our own."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock, Thread
from typing import Any

import pipeline
from adapters import logger
from adapters.errors import InternalError
from adapters.events import Job
from adapters.http.uploads import FOLDER, Uploads
from adapters.settings import AdapterSettings
from adapters.storage.folder import FolderStore
from adapters.worker import FAILED, STYLISED, Worker
from pipeline import MAX_SECONDS, ObjectNotFound, OutOfDescriptors, StoreUnavailable, TransientError

BUCKET = "local"  # what stands in sidecars
SETTINGS = AdapterSettings(output_bucket=BUCKET, input_prefix="uploads/", url_lifetime_s=3600)
SWEEP_S = 15.0
EXPIRY_S = 600.0  # from one search for what is too old to the next
MENDED_LATER = (StoreUnavailable, OutOfDescriptors)  # by more room, or when others are done


class LocalWorker(Worker):
    """A worker that knows at which stage each upload is.

    ``runs`` does the work, in as many threads as photos are drawn at once. What waits in it is
    lost when the process ends, and found in the folder by the next one, or by another that serves
    the same folder: each looks there for uploads that nobody works on, every SWEEP_S.

    ``max_seconds``: for one photo, from when its turn comes. ``keep_s``: how long photos and
    pictures are kept; None for ever.
    """

    def __init__(
        self,
        pipeline: pipeline.Pipeline,
        folder: FolderStore,
        runs: ThreadPoolExecutor,
        *,
        max_seconds: float = MAX_SECONDS,
        keep_s: float | None = None,
    ) -> None:
        super().__init__(pipeline, folder, SETTINGS)
        self.folder = folder
        self.runs = runs
        self._max_seconds = max_seconds
        self._keep_s = keep_s
        self._lock = Lock()
        self._stages: dict[str, str | None] = {}  # by key; None while it waits
        self._clients: dict[str, str] = {}  # who brought those, where that is known
        self._failed: dict[str, TransientError] = {}
        self._working = 0
        self._stopping = Event()
        self._expired_s = -math.inf
        folder.created = self._created

    @property
    def waiting(self) -> Counter[str]:
        """How many uploads of each client are not done yet."""
        with self._lock:
            return Counter(self._clients.get(key, "") for key in self._stages)

    def start(self) -> None:
        """Takes up the uploads of an earlier process, and from then on looks for more."""
        self.sweep()
        Thread(target=self._sweep_on, name="sweep", daemon=True).start()

    def stop(self, timeout_s: float) -> None:
        """Begins nothing any more, and waits so long for what is in hand."""
        self._stopping.set()
        self.runs.shutdown(wait=False, cancel_futures=True)
        until_s = time.monotonic() + timeout_s
        while self._working and time.monotonic() < until_s:
            time.sleep(0.05)

    def sweep(self) -> None:
        """Begins the uploads that have no result and that nobody works on here, and those again
        that failed for what the world may have mended by now; deletes what is too old.
        """
        uploads = self.folder.keys(BUCKET, SETTINGS.input_prefix + FOLDER)
        with self._lock:
            here = set(self._stages)
            given_up = {
                key for key, error in self._failed.items() if not isinstance(error, MENDED_LATER)
            }
        # listed last: an upload that is not here any more has its result by now
        done = {
            key.rpartition("/")[2].partition(".")[0]
            for folder in (STYLISED, FAILED)
            for key in self.folder.keys(BUCKET, folder + FOLDER)
            if key.endswith(".json")
        }
        for key in uploads:
            if key not in here | given_up and key.rpartition("/")[2] not in done:
                self._created(key)
        if self._keep_s is not None and time.monotonic() - self._expired_s > EXPIRY_S:
            self._expired_s = time.monotonic()
            self.folder.expire(self._keep_s, kept=self._is_in_work)

    def progress(self, key: str) -> tuple[str, str | None]:
        """``waiting`` or ``working``, and the stage. Raises TransientError for a photo that was
        given up for no fault of its own; it is tried again when the world may be mended, or by
        the next start.
        """
        if key in self._failed:
            raise self._failed[key]
        stage = self._stages.get(key)
        return ("waiting" if stage is None else "working"), stage

    def observer(self, key: str | None) -> Callable[[str], object] | None:
        if key is None:
            return None
        name = key

        def at(stage: str) -> None:
            self._stages[name] = stage

        return at

    def time_left_s(self) -> float:
        return self._max_seconds

    def put_upload(
        self, key: str, data: bytes, content_type: str, metadata: Mapping[str, str], client: str
    ) -> None:
        """Lays down a photo that a client sent, which begins its work. Raises StoreUnavailable."""
        with self._lock:
            self._clients[key] = client
        try:
            self.folder.put(key, data, content_type, metadata)
        finally:
            with self._lock:
                if key not in self._stages:
                    self._clients.pop(key, None)

    def _sweep_on(self) -> None:
        while not self._stopping.wait(SWEEP_S):
            try:
                self.sweep()
            except Exception:
                logger.exception("the folder could not be looked through")

    def _is_in_work(self, key: str) -> bool:
        with self._lock:
            return key in self._stages

    def _created(self, key: str) -> None:
        """The event of a new object."""
        if not key.startswith(SETTINGS.input_prefix):
            return
        with self._lock:
            if key in self._stages:
                return
            self._stages[key] = None
        try:
            self.runs.submit(self._do, key)
        except RuntimeError:  # it is told to stop: the next start finds the upload
            self._forget(key)

    def _do(self, key: str) -> None:
        with self._lock:
            self._working += 1
        try:
            with self.folder.claim(key) as is_ours:
                if is_ours:  # else another process has it, and if that ends, a sweep finds it
                    self.work(Job(BUCKET, key, notified=True))
            self._failed.pop(key, None)
        except ObjectNotFound:  # deleted, or too old, before its turn came
            self._failed.pop(key, None)
        except TransientError as error:
            logger.exception("given up for now", key=key)
            self._failed[key] = error
        except Exception:
            logger.exception("given up until the next start", key=key)
            self._failed[key] = InternalError("something is broken here; the log has it")
        finally:
            with self._lock:
                self._working -= 1
            self._forget(key)

    def _forget(self, key: str) -> None:
        with self._lock:
            self._stages.pop(key, None)
            self._clients.pop(key, None)


class LocalUploads(Uploads):
    """The uploads of one machine, whose progress is known."""

    def __init__(self, worker: LocalWorker) -> None:
        super().__init__(worker, BUCKET)
        self._local = worker

    def progress(self, upload_id: str) -> dict[str, Any]:
        status, stage = self._local.progress(self._key(upload_id))
        return {"id": upload_id, "status": status, "stage": stage}
