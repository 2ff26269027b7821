"""How steady drawn clips are, how much of a sensor's noise is left, and what clips cost.

    make eval-clips [DATA=DIR] [LONG=1]

DATA holds photographs in ``hd`` and clips in ``clips``. Six clips are made of photographs by
panning and zooming, so that their true flow is known; of real clips the flow is estimated at full
size, finer than the steadying itself does. A clip of one photo with a sensor's noise tells what is
left of it. Time and memory are those of fresh processes. Writes benchmarks/clips.md.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import ROOT, THREADS, processor
from pipeline import Options, Origin, Pipeline, Settings
from pipeline.budget import Budget, Costs
from pipeline.clips.domain import WriterSettings
from pipeline.clips.drawing import FrameDrawer
from pipeline.clips.flow import Floats, Motion
from pipeline.clips.reader import ClipReader
from pipeline.clips.shots import is_cut, signature
from pipeline.clips.steady import Observer, Steadier, lightness, warping_error
from pipeline.clips.tracking import FaceTracker
from pipeline.clips.writer import ClipWriter
from pipeline.domain import Photo, RgbImage, Source
from pipeline.job import Request, Services, ShotFrame
from pipeline.registry import ModelRegistry
from pipeline.weights import WeightStore

SIZE = (1280, 720)  # of made clips
FRAMES = 10
CLIP_FRAMES = 14  # of a real clip, at 12 a second
# Pixels a frame to the right and down, and zoom a frame: none is a whole number.
MOVES = (
    (3.37, 0.0, 1.0),
    (0.0, 2.71, 1.0),
    (-4.63, 1.29, 1.0),
    (0.0, 0.0, 1.008),
    (0.0, 0.0, 0.9925),
    (1.83, -0.77, 1.004),
)
NOISE = 5.0  # levels: a telephone's camera in a room
NOISE_FRAMES = 24
NOISE_COUNTED = 12  # of them, the last ones
HD = (1920, 1080)
SECONDS, LONG_SECONDS, RATE = 10, 60, 24
SOURCE = Source("mov", "RGB", *SIZE, 0)


@dataclass(frozen=True)
class Row:
    """Warping errors of a clip in L*: its own, its drawings' one by one, the steadied ones'."""

    name: str
    source: float
    drawn: float
    steadied: float


def moving(photo: RgbImage, move: tuple[float, float, float]) -> Iterator[tuple[RgbImage, Floats]]:
    """Yields frames of a photo that is panned and zoomed, each with its true flow to the last.

    Args:
        photo: uint8 (H, W, 3) RGB, larger than SIZE.
        move: See MOVES.
    """
    centre = np.array(photo.shape[1::-1]) / 2
    previous: NDArray[np.float64] | None = None
    for number in range(FRAMES):
        zoom = move[2] ** number
        offset = centre + np.array(move[:2]) * (number - FRAMES / 2)
        # from a pixel of the frame to one of the photo
        matrix = np.array(
            [
                [zoom, 0, offset[0] - zoom * SIZE[0] / 2],
                [0, zoom, offset[1] - zoom * SIZE[1] / 2],
                [0, 0, 1],
            ]
        )
        frame = cv2.warpAffine(
            photo, matrix[:2], SIZE, flags=cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
        )
        back = np.eye(3) if previous is None else np.linalg.inv(previous) @ matrix
        x, y = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
        flow = np.stack(
            [back[0, 0] * x + back[0, 2] - x, back[1, 1] * y + back[1, 2] - y], -1
        ).astype(np.float32)
        previous = matrix
        yield np.asarray(frame, np.uint8), flow


def true_motion(flow: Floats) -> Motion:
    """The motion of a true flow: all is seen but what comes in from outside."""
    height, width = flow.shape[:2]
    x, y = np.arange(width) + flow[..., 0], np.arange(height)[:, None] + flow[..., 1]
    seen = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return Motion(flow, seen.astype(np.float32))


def fine_motion(before: RgbImage, after: RgbImage) -> Motion:
    """Motion estimated at full size by the finer preset, with the check both ways."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    a, b = (np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)) for picture in (before, after))
    backward, forward = search.calc(b, a, None), search.calc(a, b, None)
    motion = true_motion(np.asarray(backward, np.float32))
    x, y = (
        np.arange(b.shape[1]) + backward[..., 0],
        np.arange(b.shape[0])[:, None] + backward[..., 1],
    )
    returned = cv2.remap(forward, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)
    error = ((backward + returned) ** 2).sum(-1)
    tolerance = 0.01 * ((backward**2).sum(-1) + (returned**2).sum(-1)) + 0.5
    return Motion(motion.flow, motion.seen * (error < tolerance))


class Painter:
    """Draws frames one by one and steadies them, as a clip's run does."""

    def __init__(self, style: str) -> None:
        settings = Settings(threads=THREADS)
        registry = ModelRegistry(
            WeightStore(settings.weights_dir, settings.checkpoints_dir), settings
        )
        services = Services(settings, registry, None)  # type: ignore[arg-type]  # nothing is decoded
        request = Request(b"", "", Options(style=style), Origin(), Budget())
        self._drawer = FrameDrawer(request, services, Costs())

    def draw(self, frames: Sequence[RgbImage]) -> tuple[list[RgbImage], list[RgbImage]]:
        """The drawings of the frames of one shot, as they are drawn and steadied."""
        photos = [Photo(frame) for frame in frames]
        decisions = self._drawer.decide(photos[0], SOURCE)
        observe, steady, tracker = Observer(), Steadier(1.0), FaceTracker()
        drawn, steadied = [], []
        renderings: dict[int, object] = {}
        for number, photo in enumerate(photos):
            moment = observe(photo.pixels, number == 0)
            follow = partial(tracker.follow, motion=moment.motion)
            taken = ShotFrame(decisions, follow, renderings)  # type: ignore[arg-type]
            job = self._drawer.draw(photo, SOURCE, taken, {})
            drawn.append(job.postprocessed.pixels)
            steadied.append(steady(drawn[-1], moment))
        return drawn, steadied


def measure(name: str, frames: list[RgbImage], motions: list[Motion], painter: Painter) -> Row:
    """Draws a clip and measures it.

    Args:
        name: Of the clip.
        frames: Of one shot.
        motions: From each frame but the first to the one before.
        painter: Draws.
    """
    errors = []
    for pictures in (frames, *painter.draw(frames)):
        light = [lightness(picture) for picture in pictures]
        pairs = zip(pairwise(light), motions, strict=True)
        errors.append(float(np.mean([warping_error(*pair, motion) for pair, motion in pairs])))
    return Row(name, *errors)


def last_shot(path: Path) -> list[RgbImage]:
    """Frames of the last shot within the first CLIP_FRAMES of a clip, at 12 a second."""
    frames: list[RgbImage] = []
    with ClipReader(Settings(), path, 1920) as reader:
        for frame in reader.frames(rate=12.0):
            if frames and is_cut(signature(frames[-1]), signature(frame.pixels)):
                frames = []
            frames.append(frame.pixels)
            if frame.index and frame.time_s * 12 >= CLIP_FRAMES:
                break
    return frames


def noise_left(photo: RgbImage, painter: Painter) -> tuple[float, float, float]:
    """Standard deviation over time of a still photo with noise, of its drawings, and steadied."""
    generator = np.random.default_rng(0)
    photo = np.asarray(cv2.resize(photo, SIZE, interpolation=cv2.INTER_AREA), np.uint8)
    frames = [
        np.clip(photo + generator.normal(0, NOISE, photo.shape), 0, 255).astype(np.uint8)
        for _ in range(NOISE_FRAMES)
    ]
    spreads = []
    for pictures in (frames, *painter.draw(frames)):
        counted = np.stack(pictures[-NOISE_COUNTED:])
        # row by row: all frames at once in floating point would be gigabytes
        rows = [counted[:, row].astype(np.float32).std(0).mean() for row in range(SIZE[1])]
        spreads.append(float(np.mean(rows)))
    return spreads[0], spreads[1], spreads[2]


def make_clip(photo: RgbImage, path: Path, seconds: int) -> None:
    """Writes a clip of 1920x1080 that pans over a photo and back."""
    scale = 1.1 * max(HD[0] / photo.shape[1], HD[1] / photo.shape[0])
    size = (round(photo.shape[1] * scale) + 1, round(photo.shape[0] * scale) + 1)
    photo = np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)
    reach = (size[0] - HD[0], size[1] - HD[1])
    with ClipWriter(path, "mp4", HD, WriterSettings(rate=RATE)) as writer:
        for number in range(seconds * RATE):
            share = 0.5 - 0.5 * np.cos(2 * np.pi * number / (10 * RATE))
            left, top = (float(side * share) for side in reach)
            moved = np.array([[1, 0, left], [0, 1, top]])
            frame = cv2.warpAffine(photo, moved, HD, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
            writer.write(np.asarray(frame, np.uint8), number / RATE, 1 / RATE)


@dataclass(frozen=True)
class Cost:
    """What a run in a fresh process took: seconds, seconds of processor, most memory in MB."""

    elapsed_s: float
    cpu_s: float
    peak_mb: float


def cost_of(path: Path) -> Cost:
    """Draws a clip, or a photo, in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.clips", "--draw", str(path)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    return Cost(*(float(value) for value in answer.stdout.split()))


def draw_alone(path: Path) -> None:
    """Draws a file and prints the figures of Cost."""
    pipeline, options = Pipeline(Settings(threads=THREADS)), Options()
    begun_s = time.perf_counter()
    if path.suffix == ".mp4":
        with TemporaryDirectory() as folder:
            pipeline.run_clip(path, Path(folder) / "drawn.mp4", options)
    else:
        pipeline.run(path.read_bytes(), options)
    elapsed_s = time.perf_counter() - begun_s
    own, others = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    cpu_s = own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime
    sys.stdout.write(f"{elapsed_s} {cpu_s} {own.ru_maxrss / 1024}\n")


def main() -> None:
    """Measures, and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT / "samples")
    parser.add_argument("--long", action="store_true", help="also a clip of a minute")
    parser.add_argument("--draw", type=Path, help="draw one file, and print what it took")
    arguments = parser.parse_args()
    if arguments.draw:
        draw_alone(arguments.draw)
        return
    painter = Painter("hayao")
    folder = arguments.data / "hd" if (arguments.data / "hd").is_dir() else arguments.data
    paths = sorted(path for path in folder.glob("*.jpg"))[: len(MOVES)]
    photos = [np.asarray(cv2.imread(str(path)))[..., ::-1].copy() for path in paths]
    rows = []
    for number, move in enumerate(MOVES):
        name = f"made {number + 1} ({paths[number % len(paths)].stem})"
        moved = list(moving(large(photos[number % len(photos)]), move))
        motions = [true_motion(flow) for _, flow in moved[1:]]
        rows.append(measure(name, [frame for frame, _ in moved], motions, painter))
        show(rows[-1])
    for path in sorted((arguments.data / "clips").glob("*.mp4")):
        frames = last_shot(path)
        motions = [fine_motion(*pair) for pair in pairwise(frames)]
        rows.append(measure(path.stem, frames, motions, painter))
        show(rows[-1])
    noise = noise_left(photos[0], painter)
    sys.stdout.write(f"noise {noise}\n")
    costs: dict[str, Cost] = {}
    with TemporaryDirectory() as temporary:
        still = Path(temporary) / "photo.png"
        cv2.imwrite(str(still), cv2.resize(photos[0], HD)[..., ::-1])
        costs["a photo"] = cost_of(still)
        for seconds in (SECONDS, LONG_SECONDS) if arguments.long else (SECONDS,):
            clip = Path(temporary) / "clip.mp4"
            make_clip(photos[0], clip, seconds)
            costs[f"a clip of {seconds} s"] = cost_of(clip)
    write_report(rows, noise, costs)


def large(photo: RgbImage) -> RgbImage:
    """A photo of 1.25 times SIZE at least."""
    scale = 1.25 * max(SIZE[0] / photo.shape[1], SIZE[1] / photo.shape[0])
    return np.asarray(cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


def show(row: Row) -> None:
    """Prints a row as it is measured."""
    sys.stdout.write(f"{row.name}: {row.source:.3f} {row.drawn:.3f} {row.steadied:.3f}\n")
    sys.stdout.flush()


def write_report(rows: Sequence[Row], noise: Sequence[float], costs: dict[str, Cost]) -> None:
    """Writes benchmarks/clips.md."""
    frame_mb = HD[0] * HD[1] * 3 / 2**20
    photo_mb = costs["a photo"].peak_mb
    lines = [
        "# Clips: steadiness, noise, time and memory",
        "",
        f"Written by `make eval-clips`, on {processor()}, {THREADS} threads; the load was "
        f"{os.getloadavg()[1]:.0f}.",
        "",
        "Warping errors: mean absolute difference in L* of successive frames, moved by the flow",
        "of the source; what is hidden is left out. Made clips have their true flow.",
        "",
        "| clip | source | drawn one by one | steadied | over source | over one by one |",
        "|---|---|---|---|---|---|",
        *(
            f"| {row.name} | {row.source:.2f} | {row.drawn:.2f} | {row.steadied:.2f} "
            f"| {row.steadied / row.source:.2f} | {row.steadied / row.drawn:.2f} |"
            for row in rows
        ),
        "",
        f"A still photo with noise of {NOISE:g} levels: standard deviation over time "
        f"{noise[0]:.2f} levels in the frames, {noise[1]:.2f} in drawings one by one, "
        f"{noise[2]:.2f} in steadied ones.",
        "",
        "| 1920x1080, hayao, 12 drawings a second | seconds | seconds of processor | memory "
        "| frames over a photo |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {cost.elapsed_s:.1f} | {cost.cpu_s:.1f} | {cost.peak_mb:.0f} MB "
            f"| {(cost.peak_mb - photo_mb) / frame_mb:.1f} |"
            for name, cost in costs.items()
        ),
        "",
        "Memory is that of the process that draws; reading and writing have their own processes.",
    ]
    (ROOT / "benchmarks" / "clips.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
