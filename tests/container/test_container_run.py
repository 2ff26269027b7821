"""The image outside Lambda: the page, and the command line."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from local_s3 import docker
from PIL import Image

pytestmark = pytest.mark.container
MAX_START_S = 60


@pytest.fixture
def page(image: str) -> Iterator[str]:
    """A container that was started as the README says, as the image's user on a read-only root."""
    container = docker(
        *("run", "--detach", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"),
        *("--publish", "127.0.0.1::8000", image),
    )
    yield container
    sys.stdout.write(docker("logs", container))  # shown where the test fails
    docker("rm", "--force", container)


def get(url: str, token: str = "") -> bytes:
    """What a server that may still be starting answers."""
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {token}"})
    deadline_s = time.monotonic() + MAX_START_S
    while True:
        try:
            with urllib.request.urlopen(request, timeout=MAX_START_S) as response:
                content: bytes = response.read()
                return content
        except urllib.error.HTTPError:
            raise
        except OSError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.5)


def test_without_arguments_it_serves_the_page_to_those_who_have_its_token(page: str) -> None:
    url = f"http://{docker('port', page, '8000')}"
    assert b"<title>Kirei" in get(url)
    linked = re.search(r"http://localhost:8000/#token=(\S+)", docker("logs", page))
    assert linked is not None
    assert b"hayao" in get(f"{url}/v1/styles", linked[1])
    with pytest.raises(urllib.error.HTTPError, match="401"):
        get(f"{url}/v1/styles")


def test_with_arguments_it_is_the_command_line(image: str, photo_file: bytes) -> None:
    run = subprocess.run(
        ["docker", "run", "--rm", "--interactive", image, "stylise", "-", "--max-side-px", "128"],
        input=photo_file,
        capture_output=True,
        check=True,
    )
    with Image.open(io.BytesIO(run.stdout)) as picture:
        assert max(picture.size) == 128
