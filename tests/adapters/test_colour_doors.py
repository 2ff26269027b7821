"""Line drawings through every door: HTTP, bucket, direct calls."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import fields
from typing import Any

import pytest
from buckets import INPUT, OUTPUT, keys, object_of, put, s3_event, sqs_event
from calls import FORM, Invoke, body_of, call, form, json_of, picture_of
from line_drawings import boxes, png
from PIL import Image, ImageDraw

from pipeline import ColourOptions

COLOUR = "/v1/colour"
HINTS = "25%,50%,#d94f70;75%,50%,#3f8fc4"
RED = "#d94f70"


@pytest.fixture(scope="session")
def drawing() -> bytes:
    return boxes()


@pytest.fixture(scope="session")
def layer() -> bytes:
    """A stroke of red in the left box, transparent elsewhere."""
    picture = Image.new("RGBA", (240, 160))
    ImageDraw.Draw(picture).line((40, 115, 90, 115), fill=(217, 79, 112, 255), width=8)
    return png(picture)


def at(picture: Image.Image, x: int, y: int) -> tuple[int, ...]:
    pixel = picture.convert("RGB").getpixel((x, y))
    assert isinstance(pixel, tuple)
    return pixel


def is_near(pixel: tuple[int, ...], colour: tuple[int, int, int], most: int = 40) -> bool:
    return max(abs(one - other) for one, other in zip(pixel, colour, strict=True)) <= most


# --- HTTP ----------------------------------------------------------------------------------------


def test_a_body_a_form_and_json_colour_alike(
    no_bucket: Any, invoke: Invoke, drawing: bytes
) -> None:
    raw = invoke(call("POST", COLOUR, drawing, {"hints": HINTS}))
    picture = picture_of(raw)
    assert picture.size == (240, 160)
    assert is_near(at(picture, 60, 80), (217, 79, 112))  # the knobs that the dots lie in
    assert is_near(at(picture, 180, 80), (63, 143, 196))
    posted = form({"hints": HINTS}, {"image": ("a.png", drawing)})
    assert body_of(invoke(call("POST", COLOUR, posted, content_type=FORM))) == body_of(raw)
    document = {
        "image_base64": base64.b64encode(drawing).decode(),
        "hints": [
            {"x": "25%", "y": "50%", "colour": RED},
            {"x": 180, "y": 80, "colour": "#3f8fc4"},
        ],
    }
    assert body_of(invoke(call("POST", COLOUR, document))) == body_of(raw)


def test_files_beside_the_drawing_have_their_part(
    no_bucket: Any, invoke: Invoke, drawing: bytes, layer: bytes, photo: bytes
) -> None:
    files = {"image": ("a.png", drawing), "hint_layer": ("l.png", layer)}
    stroked = invoke(call("POST", COLOUR, form({}, files), content_type=FORM))
    assert is_near(at(picture_of(stroked), 40, 45), (217, 79, 112))
    document = {
        name: base64.b64encode(content).decode()
        for name, content in (
            ("image_base64", drawing),
            ("hint_layer_base64", layer),
            ("reference_base64", photo),
        )
    }
    both = invoke(call("POST", COLOUR, document))
    assert picture_of(both).size == (240, 160)
    tags = {answer["headers"]["x-kirei-fingerprint"] for answer in (stroked, both)}
    assert len(tags) == 2


def test_layers_and_proposals_come_as_they_were_asked_for(
    no_bucket: Any, invoke: Invoke, drawing: bytes
) -> None:
    layered = invoke(call("POST", COLOUR, drawing, {"layers": "ora"}))
    assert layered["headers"]["Content-Type"] == "image/openraster"
    assert body_of(layered)[:2] == b"PK"
    pages = invoke(call("POST", COLOUR, drawing, {"layers": "tiff"}))
    assert pages["headers"]["Content-Type"] == "image/tiff"
    with Image.open(io.BytesIO(body_of(pages))) as image:
        assert image.n_frames >= 3  # type: ignore[attr-defined]
    sheet = picture_of(invoke(call("POST", COLOUR, drawing, {"proposals": "4", "format": "webp"})))
    assert sheet.format == "WEBP"


def test_json_is_answered_with_the_sidecar_and_computed_once(
    s3: Any, invoke: Invoke, drawing: bytes
) -> None:
    request = call("POST", COLOUR, drawing, {"hints": HINTS}, accept="application/json")
    sidecar = json_of(invoke(request))
    assert (sidecar["task"], [hint["kept"] for hint in sidecar["hints"]]) == ("colour", [True] * 2)
    assert sidecar["output"]["url"].startswith("http")
    stored = keys(s3, OUTPUT)
    assert [key.partition(".")[2] for key in stored] == ["colour.json", "colour.png"]
    before = s3.head_object(Bucket=OUTPUT, Key=stored[1])["LastModified"]
    again = json_of(invoke(request))
    assert again["fingerprint"] == sidecar["fingerprint"]
    assert s3.head_object(Bucket=OUTPUT, Key=stored[1])["LastModified"] == before


def test_an_upload_is_coloured_and_once_more_with_other_wishes(
    s3: Any, invoke: Invoke, drawing: bytes, layer: bytes
) -> None:
    def upload(content: bytes, **asked: Any) -> str:
        fields = {"content_type": "image/png", "bytes": len(content), **asked}
        offered = json_of(invoke(call("POST", "/v1/uploads", fields)), 201)
        metadata = {
            name.removeprefix("x-amz-meta-"): value
            for name, value in offered["fields"].items()
            if name.startswith("x-amz-meta-")
        }
        put(s3, f"uploads/http/{offered['upload_id']}", content, **metadata)
        invoke(sqs_event(s3_event(f"uploads/http/{offered['upload_id']}")))
        return str(offered["upload_id"])

    part = upload(layer, task="part")
    assert keys(s3, OUTPUT) == []  # nothing is drawn of a part
    upload_id = upload(drawing, task="colour", palette="meadow", hint_layer=part)
    done = json_of(invoke(call("GET", f"/v1/results/{upload_id}")))
    assert (done["status"], done["sidecar"]["palette"]) == ("done", "meadow")
    assert len(done["sidecar"]["hints"]) == 1
    same = json_of(invoke(call("POST", COLOUR, {"upload_id": upload_id})), 202)
    assert same["id"] == upload_id
    other = json_of(invoke(call("POST", COLOUR, {"upload_id": upload_id, "seed": 3})), 202)
    assert other["id"] != upload_id
    invoke(sqs_event(s3_event(f"uploads/http/{other['id']}")))
    result = json_of(invoke(call("GET", f"/v1/results/{other['id']}")))
    assert (result["sidecar"]["seed"], result["sidecar"]["palette"]) == (3, "meadow")


def test_palettes_are_listed_with_the_options(no_bucket: Any, invoke: Invoke) -> None:
    listed = json_of(invoke(call("GET", "/v1/palettes")))
    names = [palette["name"] for palette in listed["palettes"]]
    (option,) = [each for each in listed["options"] if each["name"] == "palette"]
    assert option["values"] == ["none", *names]
    assert all(len(palette["colours"]) >= 4 for palette in listed["palettes"])
    assert [each["name"] for each in listed["options"]] == [f.name for f in fields(ColourOptions)]


def test_the_page_of_drawings_has_the_pages_headers(no_bucket: Any, invoke: Invoke) -> None:
    answer = invoke(call("GET", "/colour"))
    assert answer["headers"]["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer["headers"]["Content-Security-Policy"]
    assert b"colour.bundle.js" in body_of(answer)


# --- a bucket ------------------------------------------------------------------------------------


def test_what_lies_under_lineart_or_says_so_is_coloured(
    s3: Any, invoke: Invoke, drawing: bytes
) -> None:
    put(s3, "lineart/deep/a.png", drawing, hints=HINTS)
    put(s3, "uploads/b.png", drawing, task="color", Palette="meadow")
    assert invoke(sqs_event(s3_event("lineart/deep/a.png", "uploads/b.png"))) == {
        "batchItemFailures": []
    }
    assert keys(s3, OUTPUT) == [
        *("stylised/b.colour.json", "stylised/b.colour.png"),
        *("stylised/deep/a.colour.json", "stylised/deep/a.colour.png"),
    ]
    record = json.loads(object_of(s3, OUTPUT, "stylised/b.colour.json"))
    assert (record["task"], record["palette"]) == ("colour", "meadow")
    (again,) = invoke(s3_event("lineart/deep/a.png"))["results"]
    assert again["status"] == "already_stylised"


def test_a_photo_and_a_drawing_of_one_object_lie_beside_each_other(
    s3: Any, invoke: Invoke, drawing: bytes
) -> None:
    put(s3, "uploads/a.png", drawing)
    stylised = {"bucket": INPUT, "key": "uploads/a.png", "max_side_px": 64, "enhance": "off"}
    coloured = {"bucket": INPUT, "key": "uploads/a.png", "task": "colour"}
    for event in (stylised, coloured):
        assert invoke(event)["status"] == "stylised"
    found = {key.removeprefix("stylised/") for key in keys(s3, OUTPUT)}
    assert {"a.colour.png", "a.colour.json", "a.hayao.json"} <= found


def test_files_beside_a_drawing_are_keys_of_its_bucket(
    s3: Any, invoke: Invoke, drawing: bytes, layer: bytes
) -> None:
    put(s3, "lineart/a.layer.png", layer, task="part")
    metadata = {"hint-layer": "lineart/a.layer.png"}
    s3.put_object(Bucket=INPUT, Key="lineart/a.png", Body=drawing, Metadata=metadata)
    results = invoke(s3_event("lineart/a.layer.png", "lineart/a.png"))["results"]
    assert [result["status"] for result in results] == ["skipped", "stylised"]
    assert "belongs to a line drawing" in results[0]["why"]
    for key in ("stylised/x.png", "../secret", "elsewhere/a.png", 7):
        call_ = {"bucket": INPUT, "key": "lineart/a.png", "reference": key}
        assert invoke(call_)["error"]["code"] == "invalid_option"
    gone = invoke({"bucket": INPUT, "key": "lineart/a.png", "reference": "lineart/gone.png"})
    assert gone["error"]["code"] == "object_not_found"


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ({"task": "paint"}, "invalid_option"),
        ({"hints": "1,2"}, "invalid_option"),
        ({"palette": "neon"}, "invalid_option"),
        ({"seed": "1_0"}, "invalid_option"),
    ],
)
def test_what_is_wrong_leaves_a_record_and_comes_back_with_its_options(
    s3: Any, invoke: Invoke, drawing: bytes, metadata: dict[str, str], code: str
) -> None:
    put(s3, "lineart/a.png", drawing, **metadata)
    assert invoke(sqs_event(s3_event("lineart/a.png"))) == {"batchItemFailures": []}
    record = json.loads(object_of(s3, OUTPUT, "failed/a.png.json"))
    assert record["error"]["code"] == code
    assert next(iter(metadata)) in record["error"]["message"]


def test_a_refusal_can_be_asked_for_once_more(s3: Any, invoke: Invoke) -> None:
    put(s3, "lineart/a.png", png(Image.new("L", (240, 160), 255)))
    dots = [{"x": 60, "y": 80, "colour": RED}]
    asked = {"bucket": INPUT, "key": "lineart/a.png", "seed": 3, "hints": dots}
    assert invoke(asked)["error"]["code"] == "not_a_line_drawing"
    record = json.loads(object_of(s3, OUTPUT, "failed/a.png.json"))
    assert record["options"] == {"seed": 3, "hints": f"60.000,80.000,{RED}"}
    again = {"bucket": INPUT, "key": "lineart/a.png", **record["options"]}
    assert invoke(again)["error"]["code"] == "not_a_line_drawing"


def test_a_photograph_under_lineart_is_refused_by_name(
    s3: Any, invoke: Invoke, photo: bytes
) -> None:
    put(s3, "lineart/cat.jpg", photo)
    (told,) = invoke(s3_event("lineart/cat.jpg"))["results"]
    assert (told["status"], told["error"]["code"]) == ("refused", "not_a_line_drawing")


def test_what_was_written_is_never_coloured(s3: Any, invoke: Invoke, drawing: bytes) -> None:
    put(s3, "lineart/a.png", drawing)
    invoke(s3_event("lineart/a.png"))
    copied = {"Bucket": OUTPUT, "Key": "stylised/a.colour.png"}
    s3.copy_object(Bucket=INPUT, Key="lineart/b.png", CopySource=copied)
    (told,) = invoke(s3_event("lineart/b.png"))["results"]
    assert told["status"] == "skipped" and "wrote it" in told["why"]


# --- direct calls --------------------------------------------------------------------------------


def test_bytes_are_coloured_in_a_direct_call(
    no_bucket: Any, invoke: Invoke, drawing: bytes, layer: bytes
) -> None:
    event = {
        "task": "colour",
        "image_base64": base64.b64encode(drawing).decode(),
        "hint_layer_base64": base64.b64encode(layer).decode(),
        "hints": [{"x": 180, "y": 80, "colour": "#3f8fc4", "radius": 4}],
    }
    answer = invoke(event)
    picture = Image.open(io.BytesIO(base64.b64decode(answer["image_base64"])))
    assert is_near(at(picture, 180, 80), (63, 143, 196))
    assert is_near(at(picture, 40, 45), (217, 79, 112))
    assert answer["sidecar"]["task"] == "colour"
