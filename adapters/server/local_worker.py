"""The worker of one machine: uploads lie in a folder, and threads of this process draw them."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock, Thread

from adapters import logger
from adapters.deadline import Deadline
from adapters.errors import InternalError
from adapters.jobs import Job, Progress
from adapters.keys import FAILED, OVER_HTTP, STYLISED, UPLOADS
from adapters.settings import AdapterSettings
from adapters.storage.folder import LOCAL, FolderBucket
from adapters.worker import Worker
from pipeline import (
    MAX_CLIP_MINUTES,
    MAX_SECONDS,
    ObjectNotFound,
    OutOfDescriptors,
    Pipeline,
    StoreUnavailable,
    TransientError,
)

SETTINGS = AdapterSettings(output_bucket=LOCAL, input_prefix=UPLOADS, url_lifetime_s=3600)
SWEEP_S = 15.0  # between two looks for uploads that nobody works on
EXPIRY_S = 600.0  # between two looks for objects that are too old
RETRIED = (StoreUnavailable, OutOfDescriptors)  # more room, or fewer jobs, may help


class LocalWorker(Worker):
    """A worker that knows at which stage each upload is.

    What waits is lost when the process ends. The next process finds it in the folder, and so does
    another that serves the same folder: each looks there every SWEEP_S for uploads that nobody
    works on.

    Attributes:
        folder: Where photos and pictures lie.
        threads: Does the work, as many photos at once as it has threads.

    Args:
        pipeline: Draws the photos.
        folder: Where photos and pictures lie.
        threads: Does the work.
        max_seconds: Limit for one photo, from the moment its work begins.
        max_clip_seconds: Limit for one clip, from the moment its drawing begins.
        keep_s: How long photos and pictures are kept; None for ever.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        folder: FolderBucket,
        threads: ThreadPoolExecutor,
        *,
        max_seconds: float = MAX_SECONDS,
        max_clip_seconds: float = MAX_CLIP_MINUTES * 60,
        keep_s: float | None = None,
    ) -> None:
        super().__init__(pipeline, folder.named, SETTINGS, self._note_stage, self._note_frame)
        self.folder = folder
        self.threads = threads
        self._max_seconds = max_seconds
        self._max_clip_seconds = max_clip_seconds
        self._keep_s = keep_s
        self._lock = Lock()
        self._stages: dict[str, str | None] = {}  # by key; None while it waits
        self._frames: dict[str, tuple[int, int]] = {}  # of clips, by key: drawn, and in all
        self._clients: dict[str, str] = {}  # by key: who sent it, if that is known
        self._failed: dict[str, TransientError] = {}
        self._working = 0
        self._stopping = Event()
        self._expired_at_s = -math.inf
        folder.on_created = self._on_created

    @property
    def waiting(self) -> Counter[str]:
        """The number of unfinished uploads of each client."""
        with self._lock:
            return Counter(self._clients.get(key, "") for key in self._stages)

    def deadline(self) -> Deadline:
        """Returns the deadline of a photo whose work begins now."""
        return Deadline.after(self._max_seconds)

    def clip_deadline(self, deadline: Deadline) -> Deadline:
        """Returns the deadline of a clip whose drawing begins now: nobody bills its minutes."""
        del deadline
        return Deadline.after(self._max_clip_seconds)

    def start(self) -> None:
        """Takes up the uploads of an earlier process, and from then on looks for more."""
        self.sweep()
        Thread(target=self._sweep_repeatedly, name="sweep", daemon=True).start()

    def stop(self, timeout_s: float) -> None:
        """Begins nothing any more, and waits up to ``timeout_s`` for the present work."""
        self._stopping.set()
        self.threads.shutdown(wait=False, cancel_futures=True)
        until_s = time.monotonic() + timeout_s
        while self._working and time.monotonic() < until_s:
            time.sleep(0.05)

    def sweep(self) -> None:
        """Begins uploads that have no result and that nobody here works on; deletes old objects.

        Uploads that failed for a reason that may have passed are begun again.
        """
        uploads = self.folder.keys(SETTINGS.input_prefix + OVER_HTTP)
        with self._lock:
            unfinished = set(self._stages)
            given_up = {
                key for key, error in self._failed.items() if not isinstance(error, RETRIED)
            }
        # listed last: an upload that is finished by now has its result already
        finished = {
            key.rpartition("/")[2].partition(".")[0]
            for prefix in (STYLISED, FAILED)
            for key in self.folder.keys(prefix + OVER_HTTP)
            if key.endswith(".json")
        }
        for key in uploads:
            if key not in unfinished | given_up and key.rpartition("/")[2] not in finished:
                self._on_created(key)
        if self._keep_s is not None and time.monotonic() - self._expired_at_s > EXPIRY_S:
            self._expired_at_s = time.monotonic()
            self.folder.expire(self._keep_s, keep=self._is_unfinished)

    def progress(self, key: str) -> Progress:
        """Returns how far an upload without a result is.

        Raises:
            TransientError: It was given up, and the photo is not at fault. It is tried again
                once the reason may have passed, or when the server is started again.
        """
        if key in self._failed:
            raise self._failed[key]
        stage = self._stages.get(key)
        return Progress("waiting" if stage is None else "working", stage, self._frames.get(key))

    def put_upload(
        self, key: str, data: bytes, content_type: str, metadata: Mapping[str, str], client: str
    ) -> None:
        """Stores a photo that a client sent, which begins its work.

        Args:
            key: Where it belongs.
            data: The photo's file.
            content_type: Its media type.
            metadata: Its options.
            client: The client's address.

        Raises:
            StoreUnavailable: It could not be written.
        """
        with self._lock:
            self._clients[key] = client
        try:
            self.folder.put(key, data, content_type, metadata)
        finally:
            with self._lock:
                if key not in self._stages:
                    self._clients.pop(key, None)

    def _note_stage(self, key: str, stage: str) -> None:
        self._stages[key] = stage

    def _note_frame(self, key: str, done: int, total: int) -> None:
        self._frames[key] = done, total
        self._note_stage(key, "stylise")

    def _sweep_repeatedly(self) -> None:
        while not self._stopping.wait(SWEEP_S):
            try:
                self.sweep()
            except Exception:  # noqa: BLE001  the thread goes on; the log has it
                logger.exception("the folder could not be searched")

    def _is_unfinished(self, key: str) -> bool:
        with self._lock:
            return key in self._stages

    def _on_created(self, key: str) -> None:
        """Queues a new upload."""
        if not key.startswith(SETTINGS.input_prefix):
            return
        with self._lock:
            if key in self._stages:
                return
            self._stages[key] = None
        try:
            self.threads.submit(self._work_upload, key)
        except RuntimeError:  # the threads were stopped: the next start finds the upload
            self._forget(key)

    def _work_upload(self, key: str) -> None:
        with self._lock:
            self._working += 1
        try:
            with self.folder.claim(key) as is_ours:
                if is_ours:  # else another process works on it; if that ends, a sweep finds it
                    self.work(Job(self.folder.name, key, notified=True), self.deadline())
            self._failed.pop(key, None)
        except ObjectNotFound:  # deleted, or expired, before its turn came
            self._failed.pop(key, None)
        except TransientError as error:
            logger.exception("given up for now", key=key)
            self._failed[key] = error
        except Exception:  # noqa: BLE001  the next photo is drawn all the same
            logger.exception("given up until the next start", key=key)
            self._failed[key] = InternalError("internal error; see the log")
        finally:
            with self._lock:
                self._working -= 1
            self._forget(key)

    def _forget(self, key: str) -> None:
        with self._lock:
            self._stages.pop(key, None)
            self._frames.pop(key, None)
            self._clients.pop(key, None)
