"""A warm function over many jobs: it does not grow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SHARE = 0.05  # by which the last hundred may be above the second hundred


def held_mb(jobs: int, endpoint: str) -> list[float]:
    """Megabytes that a fresh function and its decoder hold after each job."""
    run = subprocess.run(
        [sys.executable, "tests/soak_run.py", str(jobs)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "AWS_ENDPOINT_URL": endpoint},
        capture_output=True,
        text=True,
        check=True,
    )
    return [
        told["held_mb"]
        for line in run.stdout.splitlines()
        if "held_mb" in (told := json.loads(line))
    ]


def test_forty_jobs_hold_no_more_than_twenty(s3, moto_endpoint) -> None:
    held = held_mb(40, moto_endpoint)
    assert len(held) == 40
    assert max(held[30:]) <= 1.25 * max(held[10:20])


@pytest.mark.heavy
@pytest.mark.timeout(3600)
def test_five_hundred_jobs_hold_no_more_than_two_hundred(
    s3, moto_endpoint, record_property
) -> None:
    held = held_mb(500, moto_endpoint)
    assert len(held) == 500
    second, last = (sum(part) / 100 for part in (held[100:200], held[400:]))
    sys.stdout.write(f"\nsecond hundred {second:.1f} MB, last hundred {last:.1f} MB\n")
    assert last <= second * (1 + SHARE)
