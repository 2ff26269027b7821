"""A process of its own for untrusted files, held by the kernel to processor time and memory.

The parent starts it without the function's environment and speaks with it over a socket; the child
sets its own limits, anew for each piece of work. A child that exceeds them ends alone, and the
parent refuses the file by name.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import cache
from typing import Any

from pipeline.errors import (
    ClipTooLong,
    DecoderLost,
    EmptyInput,
    ExtremeAspect,
    NoPicture,
    NotAnImage,
    OutOfDescriptors,
    PermanentError,
    TooCostly,
    TooManyBytes,
    TooManyFrames,
    TooManyPixels,
    TooMuchMemory,
    TruncatedImage,
    UnsupportedVariant,
)
from pipeline.messages import receive

# What a child may answer that it refuses a file with.
REFUSALS: dict[str, type[PermanentError]] = {
    error.code: error
    for error in (
        ClipTooLong,
        EmptyInput,
        ExtremeAspect,
        NoPicture,
        NotAnImage,
        TooCostly,
        TooManyBytes,
        TooManyFrames,
        TooManyPixels,
        TooMuchMemory,
        TruncatedImage,
        UnsupportedVariant,
    )
}
STARTING_S = 60.0  # a child that is not ready by then will not be
ENDING_S = 10.0  # from closing its socket to its end, on a busy machine
OWN_SIGNALS = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)


class Child:
    """The parent's end of one process.

    Args:
        module: Of pipeline, run as a program; its standard input is the socket.
        arguments: Of the program.
        descriptors: Open files that it inherits, under the same numbers.

    Raises:
        OutOfDescriptors: Too few files may be open.
        DecoderLost: It did not start.
    """

    def __init__(
        self, module: str, arguments: Sequence[str], descriptors: Sequence[int] = ()
    ) -> None:
        try:
            self.socket, theirs = socket.socketpair()
            with theirs:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", module, *arguments],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,  # where codecs write their warnings
                    pass_fds=descriptors,
                    # credentials, say, are none of its business; the rest keeps its memory small
                    env={
                        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                        "MALLOC_ARENA_MAX": "2",
                        "OPENBLAS_NUM_THREADS": "1",
                    },
                )
        except OSError as error:
            if error.errno in OutOfDescriptors.errnos:
                raise OutOfDescriptors(f"the decoding process: {error.strerror}") from error
            raise DecoderLost(f"the decoding process did not start: {error.strerror}") from error

    @property
    def is_there(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None

    def wait_until(self, until_s: float | None) -> None:
        """Limits what its socket waits for to a moment of time.monotonic; None: without a limit.

        Raises TimeoutError where that moment is over, whatever the process has done since.
        """
        left_s = None if until_s is None else until_s - time.monotonic()
        if left_s is not None and left_s <= 0:
            raise TimeoutError
        self.socket.settimeout(left_s)

    def first_answer(self, until_s: float | None) -> dict[str, Any]:
        """Waits for what the process sends when it is ready.

        Args:
            until_s: A moment of time.monotonic, to which the next answer is held, too; None:
                without a limit, but for STARTING_S here.

        Raises:
            TimeoutError: That moment is over.
            OSError: The process is gone.
        """
        self.wait_until(time.monotonic() + STARTING_S if until_s is None else until_s)
        answer = receive(self.socket)
        self.wait_until(until_s)
        return answer

    def wait(self) -> int:
        """The return code of a process that closed its end; negative for a signal."""
        self.socket.close()
        try:
            return self.process.wait(ENDING_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def kill(self) -> None:
        """Ends the process, whatever it does."""
        self.socket.close()
        self.process.kill()
        self.process.wait()


def refused(answer: dict[str, Any]) -> dict[str, Any]:
    """A child's answer, or the refusal that it is. Raises PermanentError."""
    if "code" in answer:
        raise REFUSALS[answer.pop("code")](**answer)
    return answer


def refuse_if_guilty(ended_by: int) -> None:
    """Raises the refusal where a file ended its child; returns where somebody else did."""
    if ended_by == -signal.SIGXCPU:
        raise TooCostly("it takes more processor time than pictures of its size do")
    if -ended_by in OWN_SIGNALS:
        name = signal.Signals(-ended_by).name
        raise TruncatedImage(f"the file is damaged: reading it ended with {name}")


# --- the child --------------------------------------------------------------------------------


def limit_cpu(seconds: int) -> None:
    """Limits the processor time of this process, counted from its beginning."""
    _set_limit(resource.RLIMIT_CPU, seconds)


def limit_memory(more_bytes: int | None) -> None:
    """Limits the address space to so much more than now; None removes the limit."""
    try:
        pages = int(os.pread(_statm(), 64, 0).split()[0])
    except OSError:  # no Linux, and no such limit that the kernel would keep
        return
    limit = resource.RLIM_INFINITY
    if more_bytes is not None:
        limit = pages * resource.getpagesize() + more_bytes
    _set_limit(resource.RLIMIT_AS, limit)


@cache
def _statm() -> int:
    """What the kernel says of this process, kept open for when nothing more can be opened."""
    return os.open("/proc/self/statm", os.O_RDONLY)


def limit_files(max_written_bytes: int) -> None:
    """Limits what may be written to any one file, and forbids core dumps."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (max_written_bytes, max_written_bytes))


def open_nothing_more() -> None:
    """From now on this process opens no file and no socket, whatever a file names."""
    limit_memory(None)  # which keeps open what later limits need
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def _set_limit(kind: int, soft: int) -> None:
    """Sets a soft limit within the hard one."""
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        soft = hard if soft == resource.RLIM_INFINITY else min(soft, hard)
    resource.setrlimit(kind, (soft, hard))
