"""What somebody has who installed the wheel and has no checkout: all commands work anywhere."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.wheel
ROOT = Path(__file__).parents[2]
UV = ROOT / ".venv-supply" / "bin" / "uv"
PHOTO = ROOT / "samples" / "chelsea.jpg"
PYTHONS = ("3.11", "3.12", "3.13")
# the newest of all ranges on every Python, and the oldest on the lowest
CASES = [(python, "highest") for python in PYTHONS] + [(PYTHONS[0], "lowest-direct")]
MAX_WHEEL_BYTES = 32 * 2**20
MAX_SERVE_START_S = 60


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command: list[str | Path] = [UV, "build", "--quiet", "--wheel", "--out-dir", folder]
    shutil.rmtree(ROOT / "build" / "lib", ignore_errors=True)  # an earlier build's, as make wheel
    subprocess.run(command, check=True, cwd=ROOT)
    (file,) = folder.glob("*.whl")
    return file


def interpreter(version: str) -> str | None:
    """A Python of that version here: on the path, or beside the one that runs the tests."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    here = Path.home() / ".pyenv" / "versions"
    installed = sorted(here.glob(f"{version}.*/bin/python"))
    return str(installed[-1]) if installed else shutil.which(f"python{version}")


@pytest.fixture(scope="session", params=CASES, ids="-".join)
def installed(
    request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of the commands of a fresh environment."""
    version, resolution = request.param
    base = interpreter(version)
    if base is None:
        pytest.skip(f"there is no Python {version} here")
    folder = tmp_path_factory.mktemp(f"venv-{version}-{resolution}")
    subprocess.run([UV, "venv", "--quiet", "--python", base, folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    install = [UV, "pip", "install", "--quiet", "--python", python, "--resolution", resolution]
    subprocess.run([*install, "--only-binary", ":all:", wheel], check=True)
    return python.parent


def environment(commands: Path) -> dict[str, str]:
    """Nothing of the checkout, of this environment or of somebody's home."""
    home = commands.parent.parent / "home"
    home.mkdir(exist_ok=True)
    return {"PATH": f"{commands}:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8"}


def kirei(commands: Path, folder: Path, *arguments: str | Path) -> str:
    run = subprocess.run(
        [commands / "kirei", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=environment(commands),
    )
    assert run.returncode == 0, run.stderr
    assert "Traceback" not in run.stderr
    return run.stdout


def test_a_photo_is_drawn_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    shutil.copy(PHOTO, tmp_path / "cat.jpg")
    kirei(installed, tmp_path, "stylise", "cat.jpg")
    sidecar = json.loads((tmp_path / "out" / "cat.hayao.json").read_text())
    assert sidecar["style"] == "hayao"
    assert (tmp_path / "out" / "cat.hayao.jpg").stat().st_size > 10_000


def test_the_styles_are_listed_and_the_weights_are_as_listed(
    installed: Path, tmp_path: Path
) -> None:
    shipped = json.loads((ROOT / "layers" / "weights" / "manifest.json").read_text())["weights"]
    styles = kirei(installed, tmp_path, "styles")
    assert all(entry["name"] in styles for entry in shipped if entry["kind"] == "style")
    served = [role for entry in shipped for role in entry["files"] if role != "float"]
    assert kirei(installed, tmp_path, "weights", "verify").count("  ok") == len(served)


@pytest.mark.parametrize("command", ["train", "train animegan", "serve", "weights import"])
def test_a_command_of_another_package_explains_itself(
    command: str, installed: Path, tmp_path: Path
) -> None:
    assert "Usage: kirei" in kirei(installed, tmp_path, *command.split(), "--help")


@pytest.fixture
def server(installed: Path, tmp_path: Path) -> Iterator[str]:
    process = subprocess.Popen(
        [installed / "kirei", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environment(installed) | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    address = re.search(r"http://\S+", process.stdout.readline())
    assert address is not None
    yield address[0]
    process.terminate()
    process.communicate(timeout=MAX_SERVE_START_S)


def test_the_page_is_served_with_its_examples(server: str) -> None:
    for path, content in (("", "text/html"), ("app/examples/before.webp", "image/webp")):
        with urllib.request.urlopen(server + path, timeout=MAX_SERVE_START_S) as response:
            assert response.headers["content-type"].startswith(content)
            assert response.read()


def test_the_wheel_holds_what_the_checkout_has_and_no_more(wheel: Path) -> None:
    """Nothing is forgotten that a new folder or file brings."""
    from zipfile import ZipFile

    with ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert wheel.stat().st_size < MAX_WHEEL_BYTES
    listed = subprocess.run(
        ["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.splitlines()
    packages = ("adapters", "layers", "operations", "pipeline", "training", "web")
    tracked = {name for name in listed if name.split("/")[0] in packages}
    readme = "training/README.md"  # for those who read the sources
    assert names == {name for name in tracked - {readme} if (ROOT / name).exists()}
    assert wheel.name.startswith("kirei_anime-")  # `kirei` is somebody else's
