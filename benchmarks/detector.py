"""The detector beside its teacher: how long each takes, by turns in one run.

And how well the teacher agrees with itself on photographs that were moved: no student can be
asked to do better.

    python -m benchmarks.detector --data DIR --teachers DIR
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime

from pipeline import Settings
from pipeline.decode import decode_image
from pipeline.domain import RgbImage
from pipeline.faces.detect import PADDING, FaceDetector
from pipeline.registry import ModelRegistry
from pipeline.weights import WeightStore
from training.metrics.detection import (
    Metrics,
    detection_metrics,
    detections,
    held_out_pictures,
)
from training.published.retinaface import TEACHER, RetinaFaceTeacher

ROOT = Path(__file__).resolve().parent.parent
SIDES = (480, 640)
ROUNDS = 60
MOVED = (3, 5)  # px


def by_turns(works: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """The median of each, in ms; whatever else the machine does slows all of them."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            times[name].append((time.perf_counter() - start) * 1e3)
    return {name: statistics.median(taken) for name, taken in times.items()}


def moved(picture: RgbImage) -> RgbImage:
    """The picture moved by MOVED px to the right and down."""
    right, down = MOVED
    made = np.empty_like(picture)
    made[:] = PADDING
    made[down:, right:] = picture[:-down, :-right]
    return made


def steadiness(teacher: RetinaFaceTeacher, data: Path) -> Metrics:
    """Measures how well the teacher agrees with itself on photographs that were moved.

    Args:
        teacher: The published detector.
        data: The folder of photographs; the held-out ones are used.

    Returns:
        The figures of the moved photographs against the unmoved ones.
    """
    photographs = held_out_pictures(data, 0)["photographs"]
    found = [detections(teacher.answers(one), one) for one in photographs]
    again = [detections(teacher.answers(moved(one)), one) for one in photographs]
    back = (-MOVED[0], -MOVED[1])
    return detection_metrics(found, [one.rescaled((1, 1), back) for one in again])


def main() -> None:
    """Prints the figures of the detector and of its teacher."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--teachers", type=Path, required=True, help=f"folder of {TEACHER}")
    parser.add_argument(
        "--data", type=Path, help="folder of photos/, portraits/, for the agreement"
    )
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    settings = Settings(threads=options.threads)
    layer = WeightStore(settings.weights_dir, settings.checkpoints_dir)
    spec = layer.require("detector")
    model = ModelRegistry(layer, settings).model(spec, "faces")
    detector = FaceDetector(model)
    session = onnxruntime.SessionOptions()
    session.intra_op_num_threads = options.threads
    session.add_session_config_entry("session.intra_op.allow_spinning", "0")
    teacher = onnxruntime.InferenceSession(
        options.teachers / TEACHER, session, providers=["CPUExecutionProvider"]
    )
    planes = np.random.default_rng(1).uniform(-1, 1, (1, 3, *SIDES)).astype(np.float32)
    photos = {
        name: decode_image((ROOT / "samples" / f"{name}.jpg").read_bytes(), settings)[0].pixels
        for name in ("astronaut", "rocket")
    }
    works: dict[str, Callable[[], object]] = {
        "teacher": lambda: teacher.run(None, {"input0": planes}),
        "detector": lambda: model.run({"picture": planes}),
        "detect, one face": lambda: detector.detect(photos["astronaut"]),
        "detect, no face": lambda: detector.detect(photos["rocket"]),
    }
    taken = by_turns(works)
    for name, ms in taken.items():
        print(f"{name:18} {ms:6.1f} ms")
    print(f"{taken['teacher'] / taken['detector']:.2f} times faster, {options.threads} threads")
    if options.data:
        agreement = steadiness(RetinaFaceTeacher(options.teachers / TEACHER), options.data)
        print(f"the teacher on photographs moved by {MOVED} px: {agreement}")


if __name__ == "__main__":
    main()
