"""The command `kirei serve`, as a process of its own."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parents[2]


def command(*arguments: str, code: str = "", **environment: str) -> subprocess.Popen[str]:
    """The command in a process of its own, which runs ``code`` before."""
    code += "from adapters.serve import serve; serve()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PATH": "/usr/bin", "PYTHONUNBUFFERED": "1", **environment},
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_it_serves_and_stops_when_what_is_in_hand_is_done(tmp_path: Path, photo: bytes) -> None:
    process = command("--port", "0", "--folder", str(tmp_path))
    line = first_line(process)
    url = line.split()[3].rstrip("/")
    assert url.startswith("http://127.0.0.1:")
    assert requests.get(f"{url}/v1/health", timeout=60).json()["status"] == "ok"
    with ThreadPoolExecutor(4) as clients:
        asked = [clients.submit(requests.post, f"{url}/v1/stylise", photo) for _ in range(4)]
        # two are drawn at once: when the first is done, the last are in hand, and not begun
        wait(asked, return_when=FIRST_COMPLETED)
        process.send_signal(signal.SIGTERM)
        assert [answer.result().status_code for answer in asked] == [200] * 4
    output, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors and photo[:20].hex() not in output
    assert process.returncode in (0, -signal.SIGTERM)
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)


def test_others_need_a_token_even_if_none_was_given(tmp_path: Path) -> None:
    process = command("--host", "0.0.0.0", "--port", "0", "--folder", str(tmp_path))
    token = first_line(process).split()[-1]
    port = first_line(process).rpartition("/ (")[0].rpartition(":")[2]
    url = f"http://127.0.0.1:{port}/v1/options"
    assert len(token) >= 32
    assert requests.get(url, timeout=60).status_code == 401
    headers = {"authorization": f"Bearer {token}"}
    assert requests.get(url, headers=headers, timeout=60).status_code == 200
    linked = first_line(process)  # an address of this machine's, if it is in a network
    assert not linked or f":{port}/#token={token}" in linked
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_what_hinders_it_is_said_in_a_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        cases = [
            (
                command("--port", port, "--folder", str(tmp_path / "a")),
                1,
                "--port 0 takes a free one",
            ),
            (command("--port", "0", "--folder", str(file)), 2, "is a file"),
            (command("--port", "0", "--folder", str(file / "below")), 2, "does not exist"),
            (command("--port", "0", "--token", " "), 2, "spaces"),
            (command("--port", "70000"), 2, "65535"),
            (command("--port", "0", KIREI_TILE_PX="1"), 2, "invalid_option"),
            (command("--port", "0", KIREI_WEIGHTS_DIR=str(tmp_path)), 2, "weights_invalid"),
        ]
        for process, code, said in cases:
            _, errors = process.communicate(timeout=120)
            assert process.returncode == code
            assert said in errors and "Traceback" not in errors
