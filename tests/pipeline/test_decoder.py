"""The decoding process: the same pixels as without it, and an end to whatever costs too much."""

from __future__ import annotations

import gc
import io
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bombs import of_gif, of_jpeg
from hostile import sound
from PIL import Image

from pipeline.decode import decode_image, fit
from pipeline.decoder import OPAQUE_BYTES, TRANSPARENT_BYTES, WEBP_BYTES, Decoder, _answer
from pipeline.errors import (
    NotAnImage,
    OutOfTime,
    TooCostly,
    TooManyPixels,
    TooMuchMemory,
    TruncatedImage,
)
from pipeline.messages import send
from pipeline.settings import Settings

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning")


@pytest.fixture(scope="module")
def decoder() -> Any:
    return Decoder(Settings(decode_cpu_s=0.1))


def process_of(decoder: Any) -> Any:
    """The process that waits for the next photo."""
    decoder.decode(sound()["png"], 64)
    return decoder._idle[-1].process


def bomb(of: Any, name: Any) -> Any:
    return next(data for found, data in of() if found == name)


@pytest.mark.parametrize("ending", sound())
@pytest.mark.parametrize("side_px", [1920, 50])
def test_the_pixels_are_those_of_decode(decoder: Any, ending: Any, side_px: Any) -> None:
    data = sound()[ending]
    photo, source = decode_image(data, Settings())
    photo = fit(photo, side_px)
    decoded = decoder.decode(data, side_px)
    assert np.array_equal(decoded.photo.pixels, photo.pixels)
    assert (decoded.photo.alpha is None) == (photo.alpha is None)
    if photo.alpha is not None:
        assert np.array_equal(decoded.photo.alpha, photo.alpha)
    assert asdict(decoded.source) == asdict(source)
    assert decoded.warnings == ()


def test_refusals_come_through_whole_and_cost_no_process(decoder: Any) -> None:
    process = process_of(decoder)
    with pytest.raises(NotAnImage, match="no JPEG"):
        decoder.decode(b"text", 1920)
    with pytest.raises(TooManyPixels) as caught:
        decoder.decode(bomb(of_jpeg, "bomb-sides.jpg"), 1920)
    assert (caught.value.measured, caught.value.limit) == (3_600_000_000, 50_000_000)
    with pytest.raises(TruncatedImage):
        decoder.decode(sound()["jpg"][:-200], 1920)
    assert process_of(decoder) is process


def test_what_takes_too_much_of_the_processor_is_refused(decoder: Any) -> None:
    process = process_of(decoder)
    with pytest.raises(TooCostly, match="processor"):
        decoder.decode(bomb(of_jpeg, "bomb-scans.jpg"), 1920)
    assert process.returncode == -signal.SIGXCPU
    assert process_of(decoder) is not process  # and the next photo is decoded


def test_what_takes_too_much_memory_is_refused() -> None:
    decoder = Decoder(Settings())
    with pytest.raises(TooCostly, match="memory"):
        decoder.decode(bomb(of_gif, "bomb-comment.gif"), 1920)


def test_a_process_that_somebody_ended_is_replaced(decoder: Any) -> None:
    for number in (signal.SIGKILL, signal.SIGSEGV):
        process = process_of(decoder)
        process.send_signal(number)
        process.wait()
        assert decoder.decode(sound()["png"], 64).source.format == "png"


def test_too_little_time() -> None:
    with pytest.raises(OutOfTime) as caught:
        Decoder(Settings()).decode(bomb(of_jpeg, "bomb-scans.jpg"), 1920, 0.001)
    assert caught.value.stage == "decode"


def test_the_time_is_over_for_a_caller_that_was_kept_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a busy machine the process may have started, worked and ended before anybody looks."""
    own = Decoder(Settings(decode_cpu_s=0.1))
    process_of(own)
    ours, beats = time.monotonic, iter([0.0, 5.0])
    monkeypatch.setattr("pipeline.sandbox.time.monotonic", lambda: ours() + next(beats, 5.0))
    with pytest.raises(OutOfTime):
        own.decode(sound()["png"], 64, 4.0)


def large(format: Any, mode: Any = "RGB") -> Any:
    rows, columns = np.mgrid[:1200, :2000]
    grey = Image.fromarray(((rows + columns) % 256).astype(np.uint8))
    file = io.BytesIO()
    grey.convert(mode).save(file, format)
    return file.getvalue()


def test_too_little_memory_reduces_a_jpeg_and_refuses_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # the system takes pages back from this process when it likes
    monkeypatch.setattr("pipeline.decoder.resident_bytes", lambda: 300_000_000)
    # less than the 53 MB of 2.4 megapixels, and the decoder's own 60 MB or so
    small = Decoder(Settings(memory_mb=400))
    decoded = small.decode(large("JPEG"), 4000)
    assert decoded.reduced_by in (2, 4)
    assert decoded.photo.pixels.shape == (1200 // decoded.reduced_by, 2000 // decoded.reduced_by, 3)
    assert (decoded.source.width_px, decoded.source.height_px) == (2000, 1200)
    assert f"1/{decoded.reduced_by} of its sides" in decoded.warnings[0]
    with pytest.raises(TooMuchMemory) as caught:
        small.decode(large("PNG"), 4000)
    assert caught.value.measured == 52
    assert isinstance(caught.value.limit, int) and caught.value.limit < 52


def test_the_process_knows_nothing_of_the_functions_environment(
    decoder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret")
    own = Decoder(Settings())
    process = process_of(own)
    environment = Path(f"/proc/{process.pid}/environ").read_bytes()
    names = {item.partition(b"=")[0].decode() for item in environment.split(b"\0") if item}
    assert names <= {"PYTHONPATH", "MALLOC_ARENA_MAX", "OPENBLAS_NUM_THREADS", "LC_CTYPE"}


def test_no_process_outlives_its_decoder() -> None:
    decoder = Decoder(Settings())
    process = process_of(decoder)
    del decoder
    gc.collect()
    assert process.returncode is not None


def test_a_process_ends_when_its_parent_is_killed() -> None:
    code = (
        "import os, signal, sys; sys.path.insert(0, 'tests/support')\n"
        "from hostile import sound\n"
        "from pipeline.decoder import Decoder\n"
        "from pipeline.settings import Settings\n"
        "decoder = Decoder(Settings()); decoder.decode(sound()['png'], 64)\n"
        "print(decoder._idle[0].process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == -signal.SIGKILL
    process = Path("/proc", run.stdout.strip())
    until = time.monotonic() + 60
    while process.exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert not process.exists()


def peak_bytes(data: Any) -> Any:
    """How much more than before the process held at most while it decoded."""
    decoder = Decoder(Settings())
    pid = process_of(decoder).pid

    def held(field: Any) -> Any:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))

    Path(f"/proc/{pid}/clear_refs").write_text("5")
    before = held("VmRSS")
    decoder.decode(data, 1000)
    return held("VmHWM") - before


@pytest.mark.parametrize(
    ("format", "mode", "most"),
    [
        ("JPEG", "RGB", OPAQUE_BYTES),
        ("TIFF", "I;16", OPAQUE_BYTES),
        ("PNG", "RGBA", TRANSPARENT_BYTES),
        ("WEBP", "RGB", OPAQUE_BYTES + WEBP_BYTES),
        ("WEBP", "RGBA", TRANSPARENT_BYTES + WEBP_BYTES),
    ],
)
def test_decoding_takes_the_memory_that_is_reckoned_with(format: Any, mode: Any, most: Any) -> None:
    data, noise = large(format, mode), 4_000_000  # of tables and the allocator
    assert peak_bytes(data) <= 2000 * 1200 * most + len(data) + noise


def test_a_second_caller_has_a_process_of_its_own() -> None:
    decoder = Decoder(Settings())
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: decoder.decode(large("JPEG"), 300), range(8)))
    assert len({decoded.photo.pixels.tobytes() for decoded in found}) == 1
    assert 1 <= len(decoder._idle) <= 4


@pytest.mark.parametrize("shape", [(65, 10, 3), (10, 65, 3), (10, 10, 4), (0, 10, 3)])
def test_a_picture_of_another_size_than_was_asked_for_is_no_answer(
    decoder: Any, shape: tuple[int, int, int]
) -> None:
    """Whoever took the process over may send anything; megabytes of it would be drawn."""
    source = asdict(decoder.decode(sound()["png"], 64).source)
    told = {"shape": shape, "alpha": False, "source": source, "reduced_by": 1, "remarks": []}
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send(theirs, told)
        theirs.sendall(bytes(int(np.prod(shape))))
        with pytest.raises(ConnectionAbortedError):
            _answer(ours, 64)
