"""Opens every bad clip in this one process, without the sandbox's limits; prints how each ends.

A process of its own for each would take a minute. What bounds them there has tests of its own; here
it must be FFmpeg's own bounds, and ours, that keep a clip from opening what it names.

    python bad_clips_run.py PORT
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from unittest import mock

from bad_clips import bad_clips

from pipeline.clips import decoding
from pipeline.clips.decoding import Clip, named
from pipeline.clips.pace import paced
from pipeline.settings import Settings

LIMITS = Settings(max_clip_frames=500, max_clip_pixels=2_000_000, threads=1)


def ending(data: bytes) -> str:
    """The error's code, or how many frames there were."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        try:
            clip = Clip(file.fileno(), LIMITS, None)
            return str(sum(1 for _ in paced(clip.frames(0.0, 256), 0.0, None, None)))
        except Exception as error:  # noqa: BLE001  # as the sandbox names them
            return named(error).code


def main() -> None:
    """Prints a line of JSON for each: its name, end, seconds of processor, and MB of memory."""
    with (
        mock.patch.object(decoding, "limit_cpu"),
        mock.patch.object(decoding, "limit_memory"),
    ):
        for name, data in bad_clips(int(sys.argv[1])):
            began_s = time.process_time()
            held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            end = ending(data)
            taken_s = time.process_time() - began_s
            grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held) // 1024
            print(json.dumps([name, end, round(taken_s, 2), grown_mb]), flush=True)


if __name__ == "__main__":
    main()
