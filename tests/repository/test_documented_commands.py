"""Every command of README and docs: it runs, or its parts are checked against what they name."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pillow_heif
import pytest
import yaml
from clips import video
from interrupts import interruptible
from PIL import Image

import pipeline.cli

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "CONTRIBUTING.md",
    ROOT / "training" / "README.md",
]
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"(?:^\n)((?:^ {4}\S.*\n|^ {6}\S.*\n|^\n(?= {4}))+)", re.MULTILINE)
APART = re.compile(r"kirei (serve|watch|completion)")  # have tests of their own
MAX_WATCH_S = 60
COMPLETIONS = {
    "bash": ".local/share/bash-completion/completions/kirei",
    "zsh": ".zfunc/_kirei",
    "fish": ".config/fish/completions/kirei.fish",
}
LOCAL_ADDRESS = "http://127.0.0.1:8000"

# What the commands begin with that are not run here, and why.
NOT_RUN = {
    "aws": "needs an account of AWS",
    "sam": "needs an account of AWS",
    "kirei failures": "needs an account of AWS",
    "kirei redrive": "needs an account of AWS",
    "kirei backfill": "needs an account of AWS",
    "kirei costs": "needs an account of AWS",
    "docker": "needs a Docker engine: tests/container",
    "pipx": "installs into the home folder: tests/wheel",
    "make": "takes minutes, or is the test itself: its targets are looked up",
    "kirei train": "takes minutes, or a GPU: tests/training",
    "kirei weights add": "needs a trained checkpoint: tests/training",
    "python -m training.export.colouriser": "needs a trained checkpoint: tests/training",
    "filter": "is a query for Logs Insights",
}


def commands(page: Path) -> list[str]:
    """The commands in the indented blocks of a page, without comments."""
    text = FENCED.sub("", page.read_text())
    lines: list[str] = []
    for block in BLOCK.findall(text):
        joined = re.sub(r"\\\n\s*", "", block)
        lines += [re.sub(r"\s+# .*", "", line).strip() for line in joined.splitlines()]
    return [line for line in lines if line]


COMMANDS = [(page.name, command) for page in PAGES for command in commands(page)]
IDS = [f"{name}: {command}" for name, command in COMMANDS]


def reason_not_to_run(command: str) -> str | None:
    parts = command.split(" && ")
    return next(
        (
            why
            for part in parts
            for start, why in NOT_RUN.items()
            if f"{part} ".startswith(f"{start} ")
        ),
        None,
    )


RUN = [command for _, command in COMMANDS if not reason_not_to_run(command)]


def test_the_pages_have_commands_of_every_kind() -> None:
    text = "\n".join(command for _, command in COMMANDS)
    for start in (*NOT_RUN, "kirei stylise", "kirei serve", "kirei styles", "curl"):
        assert re.search(rf"(?:^|&& ){start}\b", text, re.MULTILINE), start
    assert len(set(RUN)) >= 12


@pytest.mark.parametrize("command", sorted({c for _, c in COMMANDS if "kirei " in c}))
def test_commands_of_kirei_and_their_flags_exist(command: str) -> None:
    words = shlex.split(command.split(" | ")[0].split(" < ")[0])
    if words[0] != "kirei":
        return  # an image or a stack of that name
    found: click.Command = pipeline.cli.main
    context = click.Context(found)
    rest = words[1:]
    while isinstance(found, click.Group) and rest:
        name = rest.pop(0)
        child = found.get_command(context, name)
        assert child is not None, name
        found, context = child, click.Context(child)
    flags = {flag for parameter in found.params for flag in parameter.opts}
    for word in rest:
        if word.startswith("-") and word != "-":
            assert word in flags, word


@pytest.mark.parametrize("command", sorted({c for _, c in COMMANDS if re.match("make|sam|aws", c)}))
def test_targets_parameters_and_files_exist(command: str) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([\w-]+)", command)) <= targets
    template = ROOT / "template.yaml"
    for file in re.findall(r"(?:--template-file|-e) (\S+)", command):
        assert (ROOT / file).is_file(), file
        template = ROOT / file if file.endswith(".yaml") else template
    if "--parameter-overrides" in command:
        parameters = yaml.load(template.read_text(), yaml.BaseLoader)["Parameters"]
        named = re.findall(r"(?<= )(\w+)=", command.split("--parameter-overrides")[1])
        assert named and set(named) <= parameters.keys()


def test_targets_that_the_text_names_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        for target in re.findall(r"`make ([\w-]+)", page.read_text()):
            assert target in targets, f"{page.name}: make {target}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the photographs that the commands name."""
    folder = tmp_path_factory.mktemp("user")
    with Image.open(ROOT / "samples" / "astronaut.jpg") as photo:
        small = photo.resize((256, 256))
    small.save(folder / "selfie.jpg")
    pillow_heif.from_pillow(small).save(folder / "selfie.heic")
    (folder / "holiday").mkdir()
    small.save(folder / "holiday" / "beach.jpg")
    shutil.copyfile(ROOT / "samples" / "drawing.png", folder / "drawing.png")
    (folder / "clip.mp4").write_bytes(video(0.5))
    return folder


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which `kirei` and `python` are those under test."""
    programs = tmp_path_factory.mktemp("programs")
    for name, words in (("kirei", "-m pipeline"), ("python", "")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        program.chmod(0o755)
    return {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def address(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """Where a `kirei serve` listens."""
    with subprocess.Popen(
        ["kirei", "serve", "--port", "0", "--folder", folder / "served"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=interruptible,
    ) as server:
        assert server.stdout is not None
        found = re.search(r"http://\S+(?=/)", server.stdout.readline())
        assert found
        yield found[0]
        server.terminate()


def is_a_picture(data: bytes) -> bool:
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
    return True


@pytest.mark.parametrize("command", sorted({c for c in RUN if "kirei serve" in c}))
def test_the_server_starts(command: str, folder: Path, environment: dict[str, str]) -> None:
    words = [*shlex.split(command), "--port", "0"]
    with subprocess.Popen(
        words,
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=interruptible,
    ) as server:
        assert server.stdout is not None
        lines: list[str] = []
        while not any("Kirei is at http://" in line for line in lines):
            line = server.stdout.readline()
            assert line, lines
            lines.append(line)
        server.terminate()
        assert ("0.0.0.0" in command) == any("Token" in line for line in lines)


def test_a_folder_is_watched(folder: Path, environment: dict[str, str]) -> None:
    (command,) = {c for c in RUN if "kirei watch" in c and "-o out" in c}
    shutil.rmtree(folder / "out", ignore_errors=True)
    with subprocess.Popen(
        shlex.split(command), env=environment, cwd=folder, preexec_fn=interruptible
    ) as watching:
        deadline = time.monotonic() + MAX_WATCH_S
        while not list(folder.glob("out/*.json")):  # written last
            assert watching.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
        watching.send_signal(signal.SIGINT)
        assert watching.wait(MAX_WATCH_S) == 0
    (drawn,) = folder.glob("out/*.jpg")
    assert is_a_picture(drawn.read_bytes())


@pytest.mark.parametrize(("shell", "file"), COMPLETIONS.items())
def test_a_shell_is_given_its_completion(
    shell: str, file: str, folder: Path, environment: dict[str, str]
) -> None:
    (command,) = (c for c in RUN if c.startswith(f"kirei completion {shell} "))
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    at_home = {**environment, "HOME": str(folder)}
    subprocess.run(["bash", "-c", command], env=at_home, cwd=folder, check=True)
    assert "_KIREI_COMPLETE" in (folder / file).read_text()


@pytest.mark.parametrize("command", sorted({c for c in RUN if not APART.search(c)}))
def test_it_runs(command: str, folder: Path, environment: dict[str, str], address: str) -> None:
    if command.startswith("curl") and shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    if "training." in command:
        pytest.importorskip("onnx")
    shutil.rmtree(folder / "out", ignore_errors=True)
    picture = folder / "picture.jpg"
    picture.unlink(missing_ok=True)
    ran = subprocess.run(
        ["bash", "-c", command.replace(LOCAL_ADDRESS, address)],
        env={**environment, "API": address, "HOME": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    if picture.name in command:
        assert is_a_picture(picture.read_bytes())
    elif "coloured.png" in command:
        with Image.open(folder / "coloured.png") as coloured:
            assert coloured.format == "PNG"
    elif "-o out" in command:
        suffix = "png" if command.startswith("kirei colour") else "jpg"
        found = (folder / "out").rglob(f"*.{suffix}")
        drawn = [path for path in found if "-sheet" not in path.name]
        assert len(drawn) == 1 + ("holiday/" in command)
        assert all(is_a_picture(path.read_bytes()) for path in drawn)
    elif command.startswith("curl"):
        assert json.loads(ran.stdout).keys() & {"url", "output"}
    elif "avatar.png" in command:
        with Image.open(folder / "avatar.png") as avatar:
            assert avatar.format == "PNG" and avatar.width == avatar.height
    elif "=" not in command.split()[0] and "mkdir" not in command:
        assert ran.stdout.strip()


def test_the_six_lines_of_python_run(folder: Path, environment: dict[str, str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 6
    ran = subprocess.run(
        ["python", "-c", code],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.startswith("1 faces; [") and "non-commercial" in ran.stdout
    assert is_a_picture((folder / "picture.jpg").read_bytes())


def test_every_command_of_the_table_exists_and_every_command_is_in_it() -> None:
    table = (ROOT / "docs" / "cli.md").read_text()
    rows = re.findall(r"^\| (`kirei .*?) \|", table, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(?:kirei )?(\w+)`", row)}
    context = click.Context(pipeline.cli.main)
    assert named == {*pipeline.cli.main.list_commands(context)}
