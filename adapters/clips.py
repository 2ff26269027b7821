"""Clips at the doors: how large they may be, and how one is drawn.

A photo is held in memory; a clip is read and written as a file, in a folder of its own that goes
when the clip is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from mimetypes import guess_type
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from adapters.jobs import StylisedPhoto
from adapters.storage.objects import Bucket
from adapters.tasks import Order
from pipeline import (
    InvalidRequest,
    Options,
    Origin,
    OutOfDescriptors,
    Settings,
    StoreUnavailable,
    live_photo_of,
    moving_part,
)

if TYPE_CHECKING:
    from pipeline import Pipeline

VIDEO = "video/"  # the beginning of a clip's media type

OnFrame = Callable[[int, int], object]


def max_bytes(settings: Settings, content_type: str, key: str = "") -> int:
    """Returns how large a file may be, by its media type or its name.

    What is no video by either counts as a photo: nobody holds the memory of a clip with one.
    """
    is_video = content_type.startswith(VIDEO) or (guess_type(key)[0] or "").startswith(VIDEO)
    return settings.max_clip_bytes if is_video else settings.max_input_bytes


def draw_clip(
    pipeline: Pipeline,
    clip: bytes,
    order: Order,
    origin: Origin,
    *,
    on_frame: OnFrame | None = None,
    time_left_s: float | None = None,
) -> StylisedPhoto:
    """Draws a clip.

    Args:
        pipeline: Draws it.
        clip: The clip's file, or the film of a motion photo.
        order: How to draw it.
        origin: Where it came from; with an etag or a version.
        on_frame: See Pipeline.run_clip.
        time_left_s: See Pipeline.run_clip.

    Raises:
        KireiError: As Pipeline.run_clip.
        StoreUnavailable: The disk is full, or cannot be written.
    """
    from pipeline import sidecar_document

    with working_file(clip) as source:
        result = pipeline.run_clip(
            source,
            source.with_name("drawn"),
            drawing_options(order),
            origin,
            on_frame=on_frame,
            time_left_s=time_left_s,
        )
        image = result.path.read_bytes()
    return StylisedPhoto(image, result.extension, sidecar_document(result.sidecar))


@contextmanager
def working_folder() -> Iterator[Path]:
    """A folder for the files of one clip. Raises StoreUnavailable where the disk fails."""
    try:
        with TemporaryDirectory(prefix="kirei-") as folder:
            yield Path(folder)
    except OSError as error:
        if error.errno in OutOfDescriptors.errnos:
            raise OutOfDescriptors(f"the clip's files: {error.strerror}") from error
        raise StoreUnavailable(f"the clip's files: {error.strerror}") from error


@contextmanager
def working_file(data: bytes) -> Iterator[Path]:
    """A file of these bytes, in a folder of its own. Raises as ``working_folder``."""
    with working_folder() as folder:
        path = folder / "clip"
        path.write_bytes(data)
        yield path


def clip_in(data: bytes, order: Order) -> slice | None:
    """Which part of a file is drawn as a clip; None for a photo, and for a line drawing."""
    options = order.options
    return moving_part(data, options) if isinstance(options, Options) else None


def drawing_options(order: Order) -> Options:
    """The options of an order to draw. Raises InvalidRequest: it is another."""
    if not isinstance(order.options, Options):
        raise InvalidRequest("a clip is drawn, not coloured")
    return order.options


def live_photo(bucket: Bucket, key: str, order: Order) -> str | None:
    """The key of the photo whose moving part an object is, if it is there.

    With ``motion=on`` the moving part is drawn as well.
    """
    options = order.options
    if not isinstance(options, Options) or options.motion == "on":
        return None
    stem = key.rpartition(".")[0]
    if live_photo_of(key, [f"{stem}.jpg"]) is None:  # not the name of a film
        return None
    return live_photo_of(key, bucket.keys(f"{stem}."))
