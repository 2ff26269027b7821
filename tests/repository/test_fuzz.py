"""A little of `make fuzz` with every run, always the same, and all that was ever found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fuzz_finds import FINDS
from fuzz_targets import TARGETS, check
from hypothesis import HealthCheck, given, settings

from adapters import direct, job_log, logger, notifications, s3_batch
from adapters.http import api as http_api

EXAMPLES = 60


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the targets change for themselves is put back."""
    for module in (notifications, direct, http_api, s3_batch):
        monkeypatch.setattr(module, "process_worker", module.process_worker)
    monkeypatch.setattr(job_log, "_metrics_enabled", True)
    level = logger.log_level
    yield
    logger.setLevel(level)
    http_api.process_api.cache_clear()


@pytest.mark.parametrize("name", TARGETS)
def test_a_door_answers_or_names_what_is_wrong(name: str) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(TARGETS[name].strategy)
    def send(value: Any) -> None:
        check(name, value)

    send()


@pytest.mark.parametrize(
    ("name", "value"), FINDS, ids=[f"{n}-{i}" for i, (n, _) in enumerate(FINDS)]
)
def test_what_was_found_is_found_no_more(name: str, value: Any) -> None:
    check(name, value)


def test_the_command_says_what_it_sent_and_ends_well() -> None:
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [
            sys.executable,
            "tests/support/fuzz_run.py",
            "--examples",
            "50",
            "--seed",
            "1",
            "options",
            "forms",
        ],
        cwd=root,
        env={
            "PYTHONPATH": f"{root}:{root / 'tests' / 'adapters'}:{root / 'tests' / 'pipeline'}",
            "PATH": "/usr/bin",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert "options: " in run.stdout and " sent, slowest " in run.stdout


def test_the_command_prints_what_it_found_made_small(capsys: pytest.CaptureFixture[str]) -> None:
    import random

    import fuzz_run

    def broken(value: Any) -> None:
        assert "x" not in value, "a fault"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fuzz_run, "check", lambda name, value: broken(value))
        told = fuzz_run.run("options", 60, 1000, random.Random(1))
    assert "a fault" in told["error"]
    assert "'x': " in told["find"]
