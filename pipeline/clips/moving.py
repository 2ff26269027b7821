"""What of a file is drawn as a clip, by its bytes and the options; whether clips can be read."""

from __future__ import annotations

from importlib.util import find_spec

from pipeline.clips.sniff import is_clip, motion_video
from pipeline.settings import Options

PYAV = "av"


def can_read_clips() -> bool:
    """Whether PyAV is installed, by which clips are read and written. Nothing is imported."""
    return find_spec(PYAV) is not None


def moving_part(data: bytes, options: Options) -> slice | None:
    """Which part of a file is drawn as a clip.

    Args:
        data: The file.
        options: With ``motion=on`` the film of a motion photo is drawn in place of its still.

    Returns:
        All of a clip, the film in a motion photo, or None where the still is drawn.
    """
    if is_clip(data):
        return slice(0, len(data))
    return motion_video(data) if options.motion == "on" else None
