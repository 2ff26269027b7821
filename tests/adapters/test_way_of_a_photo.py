"""A photo's way from the entry to the written sidecar, followed call by call."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from buckets import OUTPUT, keys, put, s3_event

from adapters.jobs import Job as ObjectJob
from adapters.tasks import Order
from pipeline import ColourResult, Result
from pipeline.decoder import Decoded
from pipeline.domain import Photo
from pipeline.job import Job, Request
from pipeline.result import Sidecar

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("handler.py", "adapters", "pipeline")
# what the photo is on its way; its file's bytes count as well
VALUES = (ObjectJob, Order, Request, Job, Decoded, Photo, Sidecar, Result, ColourResult)
MAX_MODULES = 25
# no call goes from one of these to one above it
LAYERS = ("handler", "adapters", "pipeline.run", "pipeline.stages", "pipeline")


class Walk:
    """Which modules of ours call which, and which of them are given the photo."""

    def __init__(self, data: bytes) -> None:
        self.calls: set[tuple[str, str]] = set()
        self.given: set[str] = set()
        self._data = data
        self._names: dict[str, str | None] = {}

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        module = self._module(frame)
        if event != "call" or module is None:
            return
        if any(
            isinstance(v, VALUES) or (isinstance(v, bytes) and v == self._data)
            for v in self._handed(frame)
        ):
            self.given.add(module)
        caller = frame.f_back
        while caller is not None and self._module(caller) is None:
            caller = caller.f_back
        if caller is not None:
            self.calls.add((str(self._module(caller)), module))

    @staticmethod
    def _handed(frame: FrameType) -> Iterator[Any]:
        """The arguments of a call, but for the value whose own method is called."""
        arguments = frame.f_code.co_varnames[: frame.f_code.co_argcount]
        yield from (frame.f_locals[name] for name in arguments if name != "self")

    def _module(self, frame: FrameType) -> str | None:
        file = frame.f_code.co_filename
        if file not in self._names:
            path = Path(file)
            inside = path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in PACKAGES
            names = path.relative_to(ROOT).with_suffix("").parts if inside else ()
            self._names[file] = ".".join(names).removesuffix(".__init__") or None
        return self._names[file]


def layer(module: str) -> int:
    """The number of the first of LAYERS that a module belongs to."""
    return next(n for n, name in enumerate(LAYERS) if f"{module}.".startswith(f"{name}."))


def test_a_photo_goes_down_through_few_modules_and_never_back_up(
    s3: Any, invoke: Callable[[Any], Any], photo: bytes
) -> None:
    put(s3, "uploads/first.jpg", photo)
    invoke(s3_event("uploads/first.jpg"))  # what is loaded and opened once is no part of the way
    put(s3, "uploads/walked.jpg", photo)
    walk = Walk(photo)
    sys.setprofile(walk)
    try:
        invoke(s3_event("uploads/walked.jpg"))
    finally:
        sys.setprofile(None)
    assert "stylised/walked.hayao.json" in keys(s3, OUTPUT)
    reached = {module for call in walk.calls for module in call}
    assert {"handler", "adapters.worker", "pipeline.run", "pipeline.encode"} <= reached
    # `pipeline` itself is no step: its names are read from anywhere
    up = {(a, b) for a, b in walk.calls if b != "pipeline" and layer(b) < layer(a)}
    assert not up
    assert len(walk.given) <= MAX_MODULES, sorted(walk.given)
