"""Chromium in front of `kirei serve` with the real pipeline, and what every page is held to.

`page` fails a test, whatever it is about, when the page breaks its Content-Security-Policy, logs
an error, throws, or asks another host for anything. Screenshots lie in .cache/browser.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "samples"
SHOTS = ROOT / ".cache" / "browser"
ENGLISH, CHINESE = (
    json.loads((ROOT / "web" / f"{name}.json").read_text()) for name in ("en", "zh")
)
NAMES = ("chromium", "chromium-browser", "google-chrome")
START_S = 180
WAIT_MS = 60_000  # a picture, on a machine that does other things besides
STRETCHED_S = 0.1  # of work, to see how much longer it takes
# an error that the page shows in words is logged by the browser all the same
HTTP_ANSWER = "Failed to load resource: the server responded with a status of "
# somebody else's container came or went on this machine: Chromium drops what it was loading
NETWORK_CHANGED = "Failed to load resource: net::ERR_NETWORK_CHANGED"
# Chromium looks for a newer service worker when it sees fit, now and then while a test has taken
# the server or the connection away, or the network of this machine changed. The page has no hand
# in it; that the worker works is tested in test_installed.
WORKER_NOT_FETCHED = (
    "An unknown error occurred when fetching the script.",
    "A bad HTTP response code",
)

# what a page may not do, written down by the page itself before any of its own scripts runs
WATCH = """
window.violations = [];
document.addEventListener('securitypolicyviolation', (event) =>
  window.violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`));
"""

# storage that is forbidden, written before any script of the page runs
NO_DATABASE = """indexedDB.open = () => { throw new DOMException('forbidden', 'SecurityError'); };
  Object.defineProperty(window, 'localStorage',
    { get() { throw new DOMException('forbidden', 'SecurityError'); } });"""

# what a page waits for from the server, and is of no use without
OFFERED = {"": ".cards", "colour": ".palette >> nth=5"}

Opener = Callable[..., Any]
Figure = Callable[..., None]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The browser. Skips, by name, without Playwright or without Chromium."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="no Playwright: pip install -e '.[browser]'"
    )
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        # a container's root has no namespaces for a sandbox of its own
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def serve(folder: Path, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    """`kirei serve` at a free port; the process and its address."""
    command = [str(Path(sys.executable).with_name("kirei")), "serve", "--port", "0"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [*command, "--folder", str(folder), *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    lines: Queue[str] = Queue()
    threading.Thread(target=lambda: [*map(lines.put, process.stdout or ())], daemon=True).start()
    try:
        first = lines.get(timeout=START_S)
        return process, next(word for word in first.split() if word.startswith("http")).rstrip("/")
    except (Empty, StopIteration):
        process.kill()
        stop(process)
        raise AssertionError("kirei serve did not start") from None


def stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.wait(timeout=START_S)
    if process.stdout:
        process.stdout.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address; open to this machine, without a token."""
    process, address = serve(tmp_path_factory.mktemp("serve"))
    yield address
    stop(process)


def _close(context: Any) -> None:
    """What a page still asks for, a small drawing or a poll, would fail in a route that is closed
    with it, and the error would come out in the next test.
    """
    for routed in (*context.pages, context):
        routed.unroute_all(behavior="ignoreErrors")
    context.close()


@pytest.fixture
def visit(chromium: Any, server: str) -> Iterator[Opener]:
    """Opens the page in a browser of its own, and looks at the end what it did there.

    visit(address, locale=…, phone=True, …): ``path`` is that of the page; ``ready`` waits for what
    it offers; ``expect`` has the beginnings of errors that may be logged, ``also`` other origins
    that may be asked, ``script`` what runs before the page's own; what else is named goes to the
    browser's context.
    """
    contexts: list[Any] = []
    faults: list[str] = []
    pages: list[Any] = []

    def opened(
        address: str = server,
        *,
        path: str = "",
        script: str = "",
        locale: str = "en-GB",
        phone: bool = False,
        ready: bool = True,
        expect: tuple[str, ...] = (),
        also: tuple[str, ...] = (),
        **options: Any,
    ) -> Any:
        size = {"width": 390, "height": 844} if phone else {"width": 1280, "height": 860}
        context = chromium.new_context(
            viewport=size, locale=locale, is_mobile=phone, has_touch=phone, **options
        )
        contexts.append(context)
        context.add_init_script(WATCH + script)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        pages.append(page)
        allowed = (HTTP_ANSWER, NETWORK_CHANGED, *WORKER_NOT_FETCHED, *expect)

        def logged(message: Any) -> None:
            if message.type == "error" and not message.text.startswith(allowed):
                faults.append(f"console: {message.text}")

        def asked(request: Any) -> None:
            if not request.url.startswith((address, "blob:", "data:", *also)):
                faults.append(f"asked another host: {request.url}")

        page.on("console", logged)
        page.on("pageerror", lambda error: faults.append(f"thrown: {error}"))
        context.on("request", asked)
        page.goto(f"{address}/{path}")
        if ready:
            page.locator(OFFERED[path]).wait_for()
        return page

    yield opened
    for page in pages:
        if not page.is_closed():
            faults += page.evaluate("() => window.violations")
    found = [*faults]  # what is still asked for while all is closed fails, and may
    for context in contexts:
        _close(context)
    assert not found


@pytest.fixture
def page(visit: Opener) -> Any:
    """The page as most see it: in English, on a desk, in the light."""
    return visit()


@pytest.fixture
def colour(visit: Opener, server: str) -> Opener:
    """Opens the page of drawings, with the options of visit."""
    from paper import SENT

    return partial(visit, server, path="colour", script=SENT)


@pytest.fixture(scope="session")
def shot() -> Callable[[Any, str], None]:
    """Keeps a screenshot of the whole page."""
    SHOTS.mkdir(parents=True, exist_ok=True)

    def keep(page: Any, name: str) -> None:
        page.screenshot(path=SHOTS / f"{name}.png", full_page=True, animations="disabled")

    return keep


@pytest.fixture(scope="session")
def figure() -> Figure:
    """Keeps what was measured, one line each, in .cache/browser/figures.txt."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    path = SHOTS / "figures.txt"
    path.write_text("")

    def keep(name: str, *values: float) -> None:
        with path.open("a") as lines:
            lines.write(f"{name}: {' '.join(f'{value:.1f}' for value in values)}\n")

    return keep


@pytest.fixture(scope="session")
def encoded() -> Callable[..., bytes]:
    """A sample that is not square as the bytes of a file: encoded("PNG", name="coffee")."""

    def encode(format: str = "JPEG", *, name: str = "coffee", **options: Any) -> bytes:
        buffer = io.BytesIO()
        with Image.open(SAMPLES / f"{name}.jpg") as sample:
            sample.save(buffer, format, **options)
        return buffer.getvalue()

    return encode


def drawn(page: Any) -> Any:
    """Waits for the picture of the photograph that is shown; its <img>."""
    page.locator(".viewer[data-state=done] .after").wait_for()
    page.locator("#report:not([hidden]) h2").wait_for()
    return page.locator(".compare .after")


def until(page: Any, script: str, argument: Any = None) -> None:
    """Waits for what a script promises to be true: wait_for_function takes any promise for that."""
    deadline_s = time.monotonic() + WAIT_MS / 1000
    while not page.evaluate(script, argument):
        assert time.monotonic() < deadline_s, script
        page.wait_for_timeout(50)


def stretch() -> float:
    """By how much all that runs here is stretched just now by what the machine does besides: 1 on a
    quiet one. What a test allows in seconds is allowed that many times.
    """
    clock_s, processor_s = time.perf_counter(), time.process_time()
    while time.process_time() - processor_s < STRETCHED_S:
        pass
    return (time.perf_counter() - clock_s) / (time.process_time() - processor_s)


def rested(page: Any) -> None:
    """Waits until the divider has swept from the photo to the middle."""
    page.wait_for_function(
        "() => document.querySelector('.compare').style.getPropertyValue('--at') === '50'"
    )


def more(page: Any, name: str) -> None:
    """Presses a button of the menu beside Save."""
    page.locator("#photo .actions .menu summary").click()
    page.locator("#photo .actions .entries").get_by_role("button", name=name, exact=True).click()
