"""What of a file is drawn as a clip, by its bytes and the options."""

from __future__ import annotations

from pipeline.clips.sniff import VIDEO, clip_kind, motion_video
from pipeline.settings import Options


def moving_part(data: bytes, options: Options) -> slice | None:
    """Which part of a file is drawn as a clip.

    Args:
        data: The file.
        options: With ``motion=on`` the film of a motion photo is drawn in place of its still.

    Returns:
        All of a clip, the film in a motion photo, or None where the still is drawn. That is also
        what becomes of an animated picture where clips cannot be written, for want of PyAV.
    """
    kind = clip_kind(data)
    if kind in VIDEO:
        return slice(0, len(data))
    if kind is not None:
        from pipeline.clips.reader import clips_available  # it brings in numpy

        return slice(0, len(data)) if clips_available() else None
    return motion_video(data) if options.motion == "on" else None
