"""Sends the corpus of tests/hostile.py, or the files named, through one warm pipeline.

    python tests/corpus_run.py [NAME...]

prints one JSON object a file: what became of it ("picture" or the code of an error), seconds of
processor and of the clock, and how many megabytes the process and its decoder held together at
most, in all and above what they held before. A file may make the process take 1.5 GB, no more;
making the files is not limited.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from hostile import corpus, sound

from pipeline import KireiError, Options, Pipeline, Settings

LIMIT_BYTES = 1_500_000_000
SAMPLED_EACH_S = 0.01


def held(process: int | str, field: str) -> int:
    """Bytes of one line of a process's status; 0 when it is gone."""
    with suppress(OSError, ValueError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    return 0


def children() -> list[str]:
    return Path(f"/proc/self/task/{Path('/proc/self').resolve().name}/children").read_text().split()


class Peak(Thread):
    """The most that this process and its children held together, while it runs."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most: dict[str, int] = {}
        self.stopped = Event()
        self.own_s = 0.0  # processor time of looking
        for process in ["self", *children()]:
            with suppress(OSError):
                Path(f"/proc/{process}/clear_refs").write_text("5")  # the peak so far is forgotten
        self.before = sum(held(process, "VmRSS") for process in ["self", *children()])

    def run(self) -> None:
        while not self.stopped.wait(SAMPLED_EACH_S):
            self.look()
        self.own_s = time.thread_time()

    def look(self) -> None:
        for process in ["self", *children()]:
            self.most[process] = max(self.most.get(process, 0), held(process, "VmHWM"))

    def end(self) -> tuple[float, float]:
        """Megabytes: the most there was, and by how much that is above what was held before. One
        child follows another: only the largest counts.
        """
        self.stopped.set()
        self.join()
        self.look()
        own = self.most.pop("self")
        most = own + max(self.most.values(), default=0)
        return most / 1e6, (most - self.before) / 1e6


def processor_s() -> float:
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    alive = 0.0
    for child in children():
        fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        alive += (int(fields[11]) + int(fields[12])) / 100
    return alive + sum(use.ru_utime + use.ru_stime for use in uses)


@contextmanager
def limited() -> Iterator[None]:
    """LIMIT_BYTES of addresses more than there are, as long as it lasts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (held("self", "VmSize") + LIMIT_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def main(names: list[str]) -> None:
    pipeline = Pipeline(Settings())
    pipeline.run(sound()["jpg"], Options())
    for name, data in corpus():
        if names and name not in names:
            continue
        if not children():  # the last file ended it: a fresh one is the baseline
            pipeline.run(sound()["jpg"], Options())
        peak = Peak()
        peak.start()
        began_s, worked_s = time.monotonic(), processor_s()
        try:
            with limited():
                pipeline.run(data, Options())
            what = "picture"
        except KireiError as error:
            what = error.code
        except BaseException:
            what = f"crash: {traceback.format_exc()}"
        worked_s, clock_s = processor_s() - worked_s, time.monotonic() - began_s
        peak_mb, risen_mb = peak.end()
        told = {
            "name": name,
            "what": what,
            "peak_mb": round(peak_mb, 1),
            "risen_mb": round(risen_mb, 1),
            "processor_s": round(worked_s - peak.own_s, 3),
            "clock_s": round(clock_s, 3),
        }
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
