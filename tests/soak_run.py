"""One process of the function, many jobs: prints what it and its decoder hold after each.

    python tests/soak_run.py JOBS

Photos of several sizes and formats, refused ones among them, by events and by HTTP.
"""

from __future__ import annotations

import base64
import gc
import io
import json
import random
import sys

import boto3
from buckets import put, s3_event
from conftest import ROOT, Context
from corpus_run import children, held
from PIL import Image

from handler import lambda_handler

SIDES = (64, 96, 160, 320)


def photos() -> list[bytes]:
    photo = Image.open(ROOT / "samples" / "chelsea.jpg").convert("RGB")
    found = [b"no image", photo.tobytes()[:1000]]
    for side in SIDES:
        for format in ("JPEG", "PNG", "WEBP"):
            file = io.BytesIO()
            photo.resize((side, side * 2 // 3)).save(file, format)
            found.append(file.getvalue())
    return [*found, found[-1][:-500]]


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
    s3, chance, known = boto3.client("s3"), random.Random(4), photos()
    for number in range(jobs):
        data = chance.choice(known)
        if number % 2:
            lambda_handler(http(data, number), Context())
        else:
            put(s3, f"uploads/{number}.jpg", data)
            lambda_handler(s3_event(f"uploads/{number}.jpg"), Context())
        gc.collect()  # what waits for the collector is no leak
        processes = ["self", *children()]
        held_mb = sum(held(process, "VmRSS") for process in processes) / 1e6
        print(json.dumps({"held_mb": round(held_mb, 2)}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
