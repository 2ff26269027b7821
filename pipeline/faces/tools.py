"""What the face stage is lent: the networks of the layer, and the landmarks it remembers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from threading import Lock
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.domain import Face, Picture
from pipeline.settings import Options

Detect = Callable[[Picture], tuple[Face, ...]]
T = TypeVar("T")
R = TypeVar("R")
REMEMBERED = 64  # photos
# The options that change nothing before the faces are looked for. Any other is part of the key.
LATER = {
    "style", "strength", "detail", "faces", "alignment_threshold", "eye_enhance_ratio",
    "skin_smoothing_factor", "parsing_smooth", "post_sharpen_weight", "format", "quality",
}  # fmt: skip


class Landmarks:
    """The faces of the last photos by their content, for a photo that comes again: in another
    style, or with other options. Nothing of a picture is kept but numbers. Safe for threads.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[Face, ...]] = OrderedDict()
        self._lock = Lock()

    def of(self, key: str, pixels: Picture, detect: Detect) -> tuple[Face, ...]:
        """What ``detect`` finds in the picture; it is asked once for the same key."""
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        faces = detect(pixels)
        with self._lock:
            self._known[key] = faces
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return faces


def photo_key(digest: str, options: Options) -> str:
    """Equal for equal pixels at the face stage: the SHA-256 of the file, and what the earlier
    stages were asked for.
    """
    asked = {name: value for name, value in asdict(options).items() if name not in LATER}
    return f"{digest} {asked}"


@dataclass(frozen=True)
class FaceTools:
    """``search``: a photo's faces and what may be one, of HINT_SCORE or more, largest first;
    ``detect``: the faces of a part of it alone; ``parse``: of an aligned face, float32
    (19, S, S) probabilities of its regions; ``landmarks``: what earlier photos had, and ``key``
    the content of this one; ``threads``: how many faces are worked on at once.
    """

    search: Detect
    detect: Detect
    parse: Callable[[Picture], NDArray[np.float32]]
    landmarks: Landmarks
    key: str
    threads: int = 1

    def each(self, work: Callable[[T], R], faces: Sequence[T]) -> list[R]:
        """What ``work`` makes of every face, in their order."""
        if self.threads == 1 or len(faces) < 2:
            return [work(face) for face in faces]
        with ThreadPoolExecutor(self.threads, thread_name_prefix="faces") as pool:
            return list(pool.map(work, faces))
