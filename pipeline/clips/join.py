"""Segments of a drawn clip, and the sound of its source, into one file.

Pictures are not encoded again: their packets are copied, each segment's behind those before it.
That happens in a process of its own, as all that reads the source does.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pipeline.clips.domain import WriterSettings
from pipeline.clips.joining import JoinTask
from pipeline.clips.reader import opened_source
from pipeline.errors import DecoderLost, InvalidRequest
from pipeline.messages import receive
from pipeline.sandbox import Child, refuse_if_guilty, refused

MODULE = "pipeline.clips.joining"
JOINED_FORMATS = ("mp4", "webm")


def join_segments(
    segments: Sequence[tuple[Path, float]],
    output: Path,
    format: str,
    source: Path | None,
    timeout_s: float | None = None,
) -> tuple[str, tuple[str, ...]]:
    """Joins drawn segments.

    Args:
        segments: Their files, in order, each with the time at which it begins.
        output: Where the clip is written; what is there is replaced when it is whole.
        format: "mp4" or "webm", that of the segments.
        source: The clip whose sound is taken; None for none.
        timeout_s: How long it may take; None for any time.

    Returns:
        How the sound was written ("copied", the codec it is encoded in, "none"), and what was left
        out, in words.

    Raises:
        InvalidRequest: There are no segments, or of another format.
        PermanentError: A segment or the source is damaged, by name.
        DecoderLost: The process was ended from outside, or took too long.
    """
    if not segments or format not in JOINED_FORMATS:
        raise InvalidRequest(f"{len(segments)} segments of {format} cannot be joined")
    part = output.with_name(f".{output.name}.{os.getpid()}.part")
    first_s = segments[0][1]
    with ExitStack() as opened:
        files = [opened.enter_context(opened_source(path)) for path, _ in segments]
        sound = opened.enter_context(opened_source(source)) if source else None
        opened.callback(part.unlink, missing_ok=True)
        target = opened.enter_context(part.open("w+b"))
        numbers = [file.fileno() for file in (*files, target, *([sound] if sound else []))]
        task = JoinTask(
            format=format,
            segments=tuple(file.fileno() for file in files),
            starts_s=tuple(start_s - first_s for _, start_s in segments),
            target=target.fileno(),
            source=sound.fileno() if sound else None,
            settings=WriterSettings(sound_start_s=first_s),
        )
        until_s = None if timeout_s is None else time.monotonic() + timeout_s
        child = Child(MODULE, [task.to_json()], numbers)
        opened.callback(child.kill)
        try:
            child.first_answer(until_s)
            answer = refused(receive(child.socket))
        except TimeoutError as error:
            raise DecoderLost("joining the segments took too long", stage="encode") from error
        except OSError as error:
            refuse_if_guilty(child.wait())
            raise DecoderLost(
                "the joining process was ended from outside", stage="encode"
            ) from error
        part.replace(output)
        return str(answer["sound"]), tuple(str(remark) for remark in answer["remarks"])


def join_sidecars(
    sidecars: Sequence[dict[str, Any]], joined_bytes: int, remarks: Sequence[str]
) -> dict[str, Any]:
    """The sidecar of a clip that was drawn in segments, as JSON.

    Costs are those of all segments together; what it says of a photo is of the first drawing.

    Args:
        sidecars: Of the segments, in order.
        joined_bytes: Size of the joined file.
        remarks: What joining had to leave out.
    """
    first = sidecars[0]
    clips = [sidecar["clip"] for sidecar in sidecars]
    drawn_frames = sum(clip["drawn_frames"] for clip in clips)
    timings_ms: dict[str, float] = {}
    for sidecar in sidecars:
        for stage, elapsed_ms in sidecar["timings_ms"].items():
            timings_ms[stage] = round(timings_ms.get(stage, 0.0) + elapsed_ms, 4)
    stages = timings_ms.keys() - {"total"}
    warnings = [warning for sidecar in sidecars for warning in sidecar["warnings"]]
    return {
        **first,
        "output": {**first["output"], "bytes": joined_bytes},
        "timings_ms": timings_ms,
        "warnings": [*dict.fromkeys((*warnings, *remarks))],
        "clip": {
            **clips[0],
            "drawn_frames": drawn_frames,
            "shots": [
                _most_faces(shots) for shots in zip(*(c["shots"] for c in clips), strict=True)
            ],
            "steadiness": _mean_steadiness(clips),
            "frame_ms": {
                stage: round(timings_ms[stage] / max(1, drawn_frames), 4)
                for stage in timings_ms
                if stage in stages
            },
        },
    }


def _most_faces(shots: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A shot as the segment saw it that followed most faces through it."""
    return max(shots, key=lambda shot: int(shot["faces"]))


def _mean_steadiness(clips: Sequence[dict[str, Any]]) -> dict[str, float] | None:
    measured = [(clip["steadiness"], clip["drawn_frames"]) for clip in clips if clip["steadiness"]]
    frames = sum(count for _, count in measured)
    if not frames:
        return None
    return {
        name: round(sum(values[name] * count for values, count in measured) / frames, 4)
        for name in measured[0][0]
    }
