"""One process of the function, many jobs: prints what it and its decoder hold after each, how
many faces were refined in it and which steps of the repair ran.

    python tests/support/soak_run.py JOBS

Photos of several sizes and formats, no two the same, with faces and without, sharp and blurred,
refused ones among them; by events and by HTTP.
"""

from __future__ import annotations

import base64
import gc
import io
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
from buckets import put, s3_event
from calls import context
from corpus_run import children, held
from PIL import Image, ImageFilter

from handler import lambda_handler

SIDES = (64, 96, 160, 320, 512)
FORMATS = ("JPEG", "PNG", "WEBP")
REFUSED = (b"no image", b"", b"\xff\xd8\xff" + bytes(500))
BAD_SHARE = 8  # one photo in so many is bad
SHIFT = 0.15  # of its sides, by which a photo is cut at most


def photos(chance: random.Random) -> Iterator[bytes]:
    """One after the other, without an end."""
    known = [
        Image.open(Path(__file__).resolve().parents[2] / "samples" / f"{name}.jpg")
        for name in ("chelsea", "astronaut")
    ]
    while True:
        photo = chance.choice(known)
        left, top, right, bottom = (chance.uniform(0, SHIFT) for _ in range(4))
        wide, high = photo.size
        cut = (left * wide, top * high, (1 - right) * wide, (1 - bottom) * high)
        side = chance.choice(SIDES)
        picture = photo.convert("RGB").resize((side, side * 3 // 4), box=cut)
        if chance.random() < 0.25:
            picture = picture.filter(ImageFilter.GaussianBlur(2))
        file = io.BytesIO()
        picture.save(file, chance.choice(FORMATS))
        data = file.getvalue()
        bad = (*REFUSED, data[: len(data) // 2])
        yield data if chance.randrange(BAD_SHARE) else chance.choice(bad)


def http(data: bytes, number: int) -> dict[str, object]:
    """A call of the API; each asks for another quality, so that none is found done."""
    return {
        "version": "2.0",
        "rawPath": "/v1/stylise",
        "rawQueryString": f"quality={number % 90 + 1}",
        "queryStringParameters": {"quality": str(number % 90 + 1)},
        "headers": {"content-type": "image/jpeg"},
        "requestContext": {
            "http": {"method": "POST", "path": "/v1/stylise"},
            "requestId": str(number),
            "stage": "$default",
        },
        "body": base64.b64encode(data).decode(),
        "isBase64Encoded": True,
    }


def main(jobs: int) -> None:
    s3 = boto3.client("s3")
    for number, data in zip(range(jobs), photos(random.Random(4)), strict=False):
        told = {}
        if number % 2:
            lambda_handler(http(data, number), context())
        else:
            put(s3, f"uploads/{number}.jpg", data)
            answer = lambda_handler(s3_event(f"uploads/{number}.jpg"), context())
            told = answer["results"][0].get("sidecar", {})
        gc.collect()  # what waits for the collector is no leak
        processes = ["self", *children()]
        held_mb = sum(held(process, "VmRSS") for process in processes) / 1e6
        line = {
            "held_mb": round(held_mb, 2),
            "refined": sum(1 for face in told.get("faces", []) if face["not_refined"] is None),
            "steps": [one["step"] for one in told.get("decisions", []) if one["ran"]],
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
