"""What of a file is drawn as a clip, by its bytes and the options."""

from __future__ import annotations

from pipeline.clips.sniff import is_clip, motion_video
from pipeline.settings import Options


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
