"""A warm function over many jobs: it does not grow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SHARE = 0.05  # by which the last hundred may be above the second hundred


def jobs_done(jobs: int, endpoint: str) -> list[dict[str, Any]]:
    """What soak_run.py told after each job of a fresh function."""
    run = subprocess.run(
        [sys.executable, "tests/support/soak_run.py", str(jobs)],
        cwd=ROOT,
        env=os.environ
        | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'support'}", "AWS_ENDPOINT_URL": endpoint},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    return [told for told in lines if "held_mb" in told]


def check_work(told: list[dict[str, Any]], jobs: int) -> dict[str, int]:
    """All was done, and what holds memory was in use; in how many of the jobs by events."""
    assert len(told) == jobs
    uses = {
        "faces": sum(1 for one in told if one["refined"]),
        "doubled": sum(1 for one in told if "upscale" in one["steps"]),
        "sharpened": sum(1 for one in told if "sharpen" in one["steps"]),
    }
    assert min(uses.values()) >= jobs // 40
    return uses


def test_forty_jobs_hold_no_more_than_twenty(s3: Any, moto_endpoint: str) -> None:
    told = jobs_done(40, moto_endpoint)
    check_work(told, 40)
    held = [one["held_mb"] for one in told]
    assert max(held[30:]) <= 1.25 * max(held[10:20])


@pytest.mark.heavy
@pytest.mark.timeout(3600)
def test_five_hundred_jobs_hold_no_more_than_two_hundred(s3: Any, moto_endpoint: str) -> None:
    told = jobs_done(500, moto_endpoint)
    uses = check_work(told, 500)
    held = [one["held_mb"] for one in told]
    hundreds = [sum(held[start : start + 100]) / 100 for start in range(0, 500, 100)]
    sys.stdout.write(f"\nMB by hundred {[round(each, 1) for each in hundreds]}, {uses}\n")
    assert hundreds[4] <= hundreds[1] * (1 + SHARE)
