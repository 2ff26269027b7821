"""What finds and parses faces, and what is remembered of earlier photos."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from threading import Lock
from typing import TypeVar

from pipeline.domain import Face
from pipeline.faces.detect import FaceDetector
from pipeline.faces.parse import FaceParser
from pipeline.faces.restore import FaceRestorer
from pipeline.quality_model import QualityEstimator
from pipeline.settings import Options

T = TypeVar("T")
R = TypeVar("R")
MAX_REMEMBERED = 64  # photos
# The options that change nothing before faces are detected. Any other is part of the key.
LATER_OPTIONS = {
    "style", "strength", "detail", "faces", "alignment_threshold", "eye_enhance_ratio",
    "skin_smoothing_factor", "parsing_smooth", "post_sharpen_weight", "format", "quality",
    "restore_faces", "crop", "steady", "fps", "motion",
}  # fmt: skip


class FaceCache:
    """The faces of the last photos, for a photo that comes again in another style.

    Nothing of a picture is kept but numbers. Safe for threads.
    """

    def __init__(self) -> None:
        self._faces: OrderedDict[str, tuple[Face, ...]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._faces)

    def get_or_detect(
        self, key: str | None, detect: Callable[[], tuple[Face, ...]]
    ) -> tuple[Face, ...]:
        """The faces kept under ``key``; where there are none, those that ``detect`` returns.

        Without a key nothing is kept.
        """
        if key is None:
            return detect()
        with self._lock:
            if key in self._faces:
                self._faces.move_to_end(key)
                return self._faces[key]
        faces = detect()
        with self._lock:
            self._faces[key] = faces
            while len(self._faces) > MAX_REMEMBERED:
                self._faces.popitem(last=False)
        return faces


def photo_key(digest: str, options: Options) -> str:
    """Equal for equal pixels at the face stage.

    Args:
        digest: SHA-256 of the file and what else decides its decoded pixels.
        options: What the caller asked for; what earlier stages read of it becomes part of the key.
    """
    earlier = {name: value for name, value in asdict(options).items() if name not in LATER_OPTIONS}
    return f"{digest} {earlier}"


@dataclass(frozen=True)
class FaceModels:
    """The networks of the face stage.

    Attributes:
        detector: Finds faces in a photo or in a part of it.
        parser: Finds the regions of an aligned face.
        cache: The faces of earlier photos.
        quality: Tells how much detail a face has; None where that is not measured.
        restorer: Restores faces with too little of it; None where that is not wanted.
        threads: How many faces are worked on at once.
    """

    detector: FaceDetector
    parser: FaceParser
    cache: FaceCache
    quality: QualityEstimator | None = None
    restorer: FaceRestorer | None = None
    threads: int = 1

    def map(self, work: Callable[[T], R], faces: Sequence[T]) -> list[R]:
        """``work`` of every face, in their order, several at once."""
        if self.threads == 1 or len(faces) < 2:
            return [work(face) for face in faces]
        with ThreadPoolExecutor(self.threads, thread_name_prefix="faces") as pool:
            return list(pool.map(work, faces))
