"""The values that travel between reading, drawing and writing a clip. All frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.domain import GrayImage, RgbImage

ClipFormat = Literal["mp4", "webm", "webp", "gif", "apng"]


@dataclass(frozen=True)
class ClipInfo:
    """What a clip's file says, before its frames are drawn.

    Attributes:
        container: "mov" (MP4 and MOV), "matroska" (WebM and MKV), "gif", "webp", "apng" or "avif".
        video_codec: As FFmpeg names it: "h264", "hevc", "vp8", "vp9", "av1"; else the container's
            name.
        audio_codec: As FFmpeg names it; None without sound.
        width_px: Columns as shown: turned upright, pixels square.
        height_px: Rows as shown.
        frame_count: Frames that the file lists. Damaged ones among them do not arrive.
        rate: Frames a second on average.
        duration_s: From the first frame to the end of the last.
        has_sound: Whether there is a track of sound that can be written again.
        is_hdr: Whether its light goes beyond diffuse white (PQ or HLG), so that it was tone-mapped.
        is_variable: Whether some frames are shown longer than others.
        rotation_deg: By how much the stored frames are turned clockwise to be upright: 0, 90, 180
            or 270.
        loops: How often it plays; 0: without end.
    """

    container: str
    video_codec: str
    audio_codec: str | None
    width_px: int
    height_px: int
    frame_count: int
    rate: float
    duration_s: float
    has_sound: bool
    is_hdr: bool
    is_variable: bool
    rotation_deg: int
    loops: int

    @property
    def is_video(self) -> bool:
        """Whether it is a video, and no animated image."""
        return self.container in ("mov", "matroska")


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a clip.

    Attributes:
        pixels: uint8 (H, W, 3) RGB, sRGB, upright.
        alpha: uint8 (H, W), 0 transparent to 255 opaque; None where all is opaque.
        time_s: When it is shown first, from the clip's beginning, from which sound counts as well.
        duration_s: How long it is shown, until the next frame that is delivered.
        index: Its number among all frames of the file, from 0.
    """

    pixels: RgbImage
    alpha: GrayImage | None
    time_s: float
    duration_s: float
    index: int


@dataclass(frozen=True)
class WriterSettings:
    """How a clip is written.

    Attributes:
        quality: 1 to 100, as of JPEG. Of a GIF it sets nothing.
        rate: Frames a second on average, for players that show it and for key frames.
        loops: How often it plays, where the format holds that; 0: without end.
        threads: Of the encoder.
        sound_start_s: The time in the source that is the beginning of what is written.
        sound_end_s: The time in the source at which its sound ends; None: all of it is written.
    """

    quality: int = 92
    rate: float = 12.0
    loops: int = 0
    threads: int = 2
    sound_start_s: float = 0.0
    sound_end_s: float | None = None
