"""The image and the template, as `sam` builds and calls them, against a real S3 over HTTP.

Nothing here skips: without a Docker engine and `sam` these tests fail.
"""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from buckets import keys, object_of, s3_event
from clips import frame_count, streams, video
from line_drawings import boxes
from local_s3 import HOST, INPUT, NETWORK, OUTPUT, ROOT, docker
from look import why_no_drawing
from PIL import Image

from supply.parts import IMAGE, packages

pytestmark = [pytest.mark.container, pytest.mark.timeout(0)]  # a build takes what it takes

ASTRONAUT = "stylised/astronaut.hayao"
TRICKY = "stylised/our summer/café + cake.hayao"


def assert_drawn(s3: Any, name: str, photo_file: bytes) -> None:
    """Both objects are there, the sidecar speaks of the picture, and the picture is a drawing."""
    content = object_of(s3, OUTPUT, f"{name}.jpg")
    sidecar = json.loads(object_of(s3, OUTPUT, f"{name}.json"))
    assert sidecar["output"]["key"] == f"{name}.jpg"
    assert sidecar["output"]["bytes"] == len(content)
    assert_drawing_of(content, photo_file, "JPEG")


def assert_drawing_of(content: bytes, photo_file: bytes, format: str, gain: int = 1) -> None:
    """The content is a drawing of the photo in that format, and ``gain`` times its size."""
    picture, photo = Image.open(io.BytesIO(content)), Image.open(io.BytesIO(photo_file))
    picture.load()
    wanted = photo.resize((gain * photo.width, gain * photo.height), Image.Resampling.BICUBIC)
    assert (picture.format, picture.size) == (format, wanted.size)
    assert why_no_drawing(picture, wanted) == []


def test_template_passes_the_linter(sam: Callable[..., str]) -> None:
    assert "is a valid SAM Template" in sam("validate", "--lint")


@pytest.mark.parametrize(
    ("event", "names"),
    [
        ("s3_put", [ASTRONAUT]),
        ("s3_put_tricky_key", [TRICKY]),
        ("eventbridge_s3", [TRICKY]),
        ("sqs_s3", [ASTRONAUT, TRICKY]),
        ("s3_batch", [TRICKY]),
        ("direct_bucket", [ASTRONAUT]),
    ],
)
def test_event_about_an_object_writes_picture_and_sidecar(
    event: str, names: list[str], invoke: Callable[[str], Any], s3: Any, photo_file: bytes
) -> None:
    answer = invoke(event)
    written = [key for key in keys(s3, OUTPUT) if key.startswith("stylised/")]
    assert written == sorted(f"{name}.{end}" for name in names for end in ("jpg", "json"))
    for name in names:
        assert_drawn(s3, name, photo_file)
    if event == "sqs_s3":
        assert answer == {"batchItemFailures": []}
    if event == "s3_batch":
        assert [result["resultCode"] for result in answer["results"]] == ["Succeeded"]


@pytest.fixture
def put_object(sam: Callable[..., str], s3: Any, tmp_path: Path) -> Callable[..., str]:
    """Puts an object, calls the function with its event, and returns the only picture's key."""

    def put(key: str, data: bytes, **metadata: str) -> str:
        s3.put_object(Bucket=INPUT, Key=key, Body=data, Metadata=metadata)
        event = tmp_path / "event.json"
        event.write_text(json.dumps(s3_event(key)))
        sam("local", "invoke", "StyliseFunction", "-e", str(event))
        (picture, _) = sorted(keys(s3, OUTPUT), key=lambda name: name.endswith(".json"))
        return picture

    return put


def test_a_clip_is_drawn_with_its_sound(put_object: Callable[..., str], s3: Any) -> None:
    key = put_object("uploads/walk.mp4", video(1.0), fps="4", style="cel")
    assert key == "stylised/walk.cel.mp4"
    drawn = object_of(s3, OUTPUT, key)
    assert frame_count(drawn) == 4 and streams(drawn).keys() == {"video", "audio"}


def test_a_line_drawing_is_coloured_in_its_lines(put_object: Callable[..., str], s3: Any) -> None:
    key = put_object("lineart/boxes.png", boxes(), hints="25%,50%,#d94f70")
    assert key == "stylised/boxes.colour.png"
    picture, lines = (
        Image.open(io.BytesIO(each)) for each in (object_of(s3, OUTPUT, key), boxes())
    )
    assert picture.size == lines.size
    pixels, grey = np.asarray(picture.convert("RGB")).astype(int), np.asarray(lines.convert("L"))
    assert np.abs(pixels[80, 60] - (217, 79, 112)).max() < 40  # the knob that the dot lies in
    assert pixels[grey < 64].mean() < 96 < pixels[grey > 192].mean()  # lines are still there


def test_http_call_answers_the_picture(
    invoke: Callable[[str], Any], event_file: Callable[[str], Any], s3: Any
) -> None:
    answer = invoke("http_post_raw")
    assert answer["statusCode"] == 200 and answer["isBase64Encoded"]
    assert answer["headers"]["Content-Type"] == "image/jpeg"
    sent = base64.b64decode(event_file("http_post_raw")["body"])
    # 256 px a side: too few for a face, so the gate doubles it
    assert_drawing_of(base64.b64decode(answer["body"]), sent, "JPEG", gain=2)
    assert keys(s3, OUTPUT) == []


def test_direct_call_answers_the_picture(
    invoke: Callable[[str], Any], event_file: Callable[[str], Any]
) -> None:
    answer = invoke("direct_base64")
    event = event_file("direct_base64")
    sent = Image.open(io.BytesIO(base64.b64decode(event["image_base64"])))
    picture = Image.open(io.BytesIO(base64.b64decode(answer["image_base64"])))
    picture.load()
    assert picture.format == "WEBP" and answer["content_type"] == "image/webp"
    assert max(picture.size) == event["max_side_px"]
    assert picture.width * sent.height == picture.height * sent.width


def test_s3_test_event_writes_nothing(invoke: Callable[[str], Any], s3: Any) -> None:
    assert invoke("s3_test_event")["results"][0]["status"] == "skipped"
    assert keys(s3, OUTPUT) == []


@pytest.fixture
def locked(invoke: Callable[[str], Any], image: str) -> Iterator[str]:
    """A container with the function under Lambda's emulator as sam starts it, but as the image's
    own user, without any capability, and on a root where nothing can be written, not even in /tmp.
    """
    invoke("s3_test_event")  # sam puts its emulator into an image of its own
    emulated = image.replace(":latest", ":rapid-x86_64")
    user = json.loads(docker("image", "inspect", image))[0]["Config"]["User"]
    container = docker(
        *("run", "--detach", "--network", NETWORK, "--publish", "127.0.0.1::8080"),
        *("--user", user, "--read-only", "--cap-drop", "ALL"),
        *("--security-opt", "no-new-privileges"),
        *("--env", f"AWS_ENDPOINT_URL_S3=http://{HOST}:5000", "--env", f"OUTPUT_BUCKET={OUTPUT}"),
        *("--env", "AWS_ACCESS_KEY_ID=local", "--env", "AWS_SECRET_ACCESS_KEY=local"),
        *("--env", "AWS_DEFAULT_REGION=eu-central-1"),
        *("--entrypoint", "/var/rapid/aws-lambda-rie", emulated),
        *("/bin/sh", "/var/task/adapters/container.sh", "handler.lambda_handler"),
    )
    yield container
    sys.stdout.write(docker("logs", container))  # shown where the test fails
    docker("rm", "--force", container)


def call(container: str, event: Any) -> Any:
    """The answer of the emulator in the container, which may still be starting."""
    address = docker("port", container, "8080")
    url = f"http://{address}/2015-03-31/functions/function/invocations"
    for pause_s in (0.2, 1, 5, 0):
        try:
            with urllib.request.urlopen(url, json.dumps(event).encode()) as answer:
                return json.load(answer)
        except (urllib.error.URLError, ConnectionError):
            if not pause_s:
                raise
            time.sleep(pause_s)
    raise AssertionError


def peak_memory_mb(container: str) -> float:
    """The most that any process of the container has held."""
    status = docker("exec", container, "sh", "-c", "cat /proc/[0-9]*/status")
    return max(int(kilobytes) / 1000 for kilobytes in re.findall(r"VmHWM:\s+(\d+) kB", status))


def test_unprivileged_on_a_read_only_root_in_little_memory(
    locked: str, s3: Any, photo_file: bytes
) -> None:
    large = io.BytesIO()
    Image.open(io.BytesIO(photo_file)).resize((1920, 1080)).save(large, "JPEG", quality=95)
    s3.put_object(Bucket=INPUT, Key="uploads/large.jpg", Body=large.getvalue())
    for name in ("astronaut", "large"):
        answer = call(locked, {"bucket": INPUT, "key": f"uploads/{name}.jpg"})
        assert answer.get("status") == "stylised", answer
    assert_drawn(s3, ASTRONAUT, photo_file)
    drawn = Image.open(io.BytesIO(object_of(s3, OUTPUT, "stylised/large.hayao.jpg")))
    assert drawn.size == (1920, 1080)
    assert 50 < peak_memory_mb(locked) <= 700
    touch = ["touch", "/tmp/x", "/var/task/x", "/opt/weights/x"]
    tried = subprocess.run(["docker", "exec", locked, *touch], capture_output=True, text=True)
    assert tried.stderr.count("Read-only file system") == 3
    (identity,) = {docker("exec", locked, "id", "-u", *more) for more in ((), ("-r",))}
    assert int(identity) > 0


def test_the_image_holds_the_locked_packages_and_no_other(run_python: Callable[..., str]) -> None:
    program = "from importlib.metadata import distributions as d; "
    program += "print(*sorted(f'{i.name}=={i.version}' for i in d()), sep='\\n')"
    held = {re.sub(r"[-_.]+", "-", line).lower() for line in run_python(program).splitlines()}
    locked = {f"{package.name}=={package.version}" for package in packages(IMAGE)}
    assert held == {re.sub(r"[-_.]+", "-", line) for line in locked}


def test_image_is_closed_and_holds_no_more_than_it_needs(
    image: str, run_python: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    about = json.loads(docker("image", "inspect", image))[0]
    assert about["Config"]["User"] not in ("", "0", "root")
    assert run_python("import os; print(os.getuid())") == about["Config"]["User"]
    find = "import importlib.util as u; print([n for n in {} if u.find_spec(n)])"
    assert run_python(find.format(("torch", "pip", "moto", "pytest"))) == "[]"
    assert run_python(find.format(("onnxruntime", "awslambdaric"))) != "[]"
    with capsys.disabled():
        sys.stdout.write(f"\n{image}: {about['Size'] / 1e6:.0f} MB ")


def test_an_image_may_do_without_the_libraries_under_gpl(image: str, photo_file: bytes) -> None:
    """Then there is no libx264 and libx265, and photos are drawn; docs/licences.md promises it."""
    without = "kirei-without-gpl"
    off = [f"--build-arg={name}=off" for name in ("HEIC", "CLIPS")]
    docker("build", "--quiet", *off, "--tag", without, str(ROOT))
    held = [
        docker("run", "--rm", "--entrypoint", "find", one, "/opt", "-name", "libx26[45]*")
        for one in (image, without)
    ]
    assert held[0] and not held[1]
    drawn = subprocess.run(
        [
            *("docker", "run", "--rm", "--interactive", "--entrypoint", "python", without),
            *("-m", "pipeline", "stylise", "-"),
        ],
        input=photo_file,
        capture_output=True,
        check=True,
    )
    assert_drawing_of(drawn.stdout, photo_file, "JPEG")


def test_a_run_leaves_nothing_in_tmp(run_python: Callable[..., str]) -> None:
    """Nor does ONNX Runtime keep or send what it would of its own accord."""
    program = """
import io, os
from PIL import Image
from pipeline import Options, Pipeline, Settings
file = io.BytesIO()
Image.effect_noise((160, 120), 40).save(file, "PNG")
Pipeline(Settings.from_environment(os.environ)).run(file.getvalue(), Options())
print(os.listdir("/tmp"))
"""
    assert run_python(program) == "[]"


def test_look_takes_no_filtered_photo_for_a_drawing(photo_file: bytes) -> None:
    photo = Image.open(io.BytesIO(photo_file)).convert("RGB")
    pixels = np.asarray(photo)
    compressed = io.BytesIO()
    photo.save(compressed, "JPEG", quality=60)
    kernel = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]])
    filtered = {
        "the photo": photo,
        "compressed": Image.open(compressed),
        "blurred": Image.fromarray(cv2.GaussianBlur(pixels, (0, 0), 2)),
        "median": Image.fromarray(cv2.medianBlur(pixels, 7)),
        "bilateral": Image.fromarray(cv2.bilateralFilter(pixels, 9, 60, 9)),
        "mean shift": Image.fromarray(cv2.pyrMeanShiftFiltering(pixels, 10, 30)),
        "sharpened": Image.fromarray(cv2.filter2D(pixels, -1, kernel)),
    }
    taken = [name for name, picture in filtered.items() if not why_no_drawing(picture, photo)]
    assert taken == []
