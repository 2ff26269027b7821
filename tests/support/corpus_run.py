"""Sends the corpus of tests/support/hostile.py, or the files named, through one warm pipeline.

    python tests/support/corpus_run.py [NAME...]

prints one JSON object a file: what became of it ("picture" or the code of an error), seconds of
processor and of the clock, and how many megabytes the process and its decoder held together at
most, in all and above what they held before. A file may make the process take 1.5 GB, no more. The
files are made by another process, so that its memory is not counted.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

from hostile import sound

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
    """The most that this process and its children held, while it runs: at one moment, of those that
    were looked at, and each at its own, which nothing escapes and which is as much or more.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most: dict[str, int] = {}
        self.at_once = 0
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
        now = 0
        for process in ["self", *children()]:
            now += held(process, "VmRSS")
            self.most[process] = max(self.most.get(process, 0), held(process, "VmHWM"))
        self.at_once = max(self.at_once, now)

    def end(self) -> tuple[float, float]:
        """Megabytes: the most at one moment, and by how much the most of each is above what was
        held before. One child follows another: only the largest counts.
        """
        self.stopped.set()
        self.join()
        self.look()
        own = self.most.pop("self")
        most = own + max(self.most.values(), default=0)
        return self.at_once / 1e6, (most - self.before) / 1e6


def processor_s() -> float:
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    alive = 0.0
    for child in children():
        fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        alive += (int(fields[11]) + int(fields[12])) / 100
    return alive + sum(use.ru_utime + use.ru_stime for use in uses)


def files(names: list[str]) -> Iterator[tuple[str, bytes]]:
    """The files named, or all, in the order in which they are made: the bombs last."""
    with TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, str(Path(__file__).parent / "hostile.py"), folder], check=True
        )
        made = sorted(Path(folder).iterdir(), key=lambda path: path.stat().st_mtime_ns)
        for path in made:
            if not names or path.name in names:
                yield path.name, path.read_bytes()


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
    warm = sound()["jpg"]
    pipeline.run(warm, Options())
    for name, data in files(names):
        if not children():  # the last file ended it: a fresh one is the baseline
            pipeline.run(warm, Options())
        peak = Peak()
        peak.start()
        began_s, worked_s = time.monotonic(), processor_s()
        try:
            with limited():
                pipeline.run(data, Options())
            what = "picture"
        except KireiError as error:
            what = error.code
        except BaseException:  # noqa: BLE001  whatever it is, it is what is looked for
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
