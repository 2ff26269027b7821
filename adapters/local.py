"""The worker of one machine: uploads lie in a folder and are worked on in threads of our own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pipeline
from adapters import logger
from adapters.api_errors import InternalError
from adapters.api_uploads import FOLDER, Uploads
from adapters.events import Job
from adapters.folder import FolderStore
from adapters.worker import FAILED, STYLISED, AdapterSettings, Worker
from pipeline import TransientError

BUCKET = "local"  # what stands in sidecars
SETTINGS = AdapterSettings(output_bucket=BUCKET, input_prefix="uploads/", url_lifetime_s=3600)


class LocalWorker(Worker):
    """A worker that knows at which stage each upload is.

    ``runs`` does the work, in as many threads as photos are drawn at once; what waits in it is
    lost when the process ends, and found again in the folder when the next one starts.
    """

    def __init__(
        self, pipeline: pipeline.Pipeline, folder: FolderStore, runs: ThreadPoolExecutor
    ) -> None:
        super().__init__(pipeline, folder, SETTINGS)
        self.folder = folder
        self.runs = runs
        self._stages: dict[str, str | None] = {}  # by key; None while it waits
        self._failed: dict[str, TransientError] = {}
        folder.created = self._created

    @property
    def waiting(self) -> int:
        """How many uploads are not done yet."""
        return len(self._stages)

    def resume(self) -> None:
        """Takes up the uploads of an earlier process that have no result yet."""
        done = {
            key.rpartition("/")[2].partition(".")[0]
            for folder in (STYLISED, FAILED)
            for key in self.folder.keys(BUCKET, folder + FOLDER)
            if key.endswith(".json")
        }
        for key in self.folder.keys(BUCKET, SETTINGS.input_prefix + FOLDER):
            if key.rpartition("/")[2] not in done:
                self._created(key)

    def progress(self, key: str) -> tuple[str, str | None]:
        """``waiting`` or ``working``, and the stage. Raises TransientError for a photo that was
        given up for no fault of its own; the next start tries it again.
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

    def _created(self, key: str) -> None:
        """The event of a new object."""
        if key.startswith(SETTINGS.input_prefix):
            self._failed.pop(key, None)
            self._stages[key] = None
            self.runs.submit(self._do, key)

    def _do(self, key: str) -> None:
        try:
            self.work(Job(BUCKET, key, notified=True))
        except TransientError as error:
            logger.exception("given up until the next start", key=key)
            self._failed[key] = error
        except Exception:
            logger.exception("given up until the next start", key=key)
            self._failed[key] = InternalError("something is broken here; the log has it")
        finally:
            self._stages.pop(key, None)


class LocalUploads(Uploads):
    """The uploads of one machine, whose progress is known."""

    def __init__(self, worker: LocalWorker) -> None:
        super().__init__(worker, BUCKET)
        self._local = worker

    def progress(self, upload_id: str) -> dict[str, Any]:
        status, stage = self._local.progress(self._key(upload_id))
        return {"id": upload_id, "status": status, "stage": stage}
