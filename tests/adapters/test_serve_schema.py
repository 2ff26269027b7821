"""Schemathesis makes requests from openapi.json, right and wrong ones, and holds the answers
against it.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings, strategies
from PIL import Image
from schemathesis.specs.openapi.checks import positive_data_acceptance
from serving import Serving, serving

from pipeline import Pipeline, Settings

ROOT = Path(__file__).parents[2]
TOKEN = "a-token"
# a photo among what is generated, so that pictures are drawn, too
FILE = io.BytesIO()
Image.linear_gradient("L").resize((24, 16)).save(FILE, "PNG")
PHOTO = FILE.getvalue()
for kind in ("image/*", "application/octet-stream"):
    schemathesis.openapi.media_type(kind, strategies.just(PHOTO) | strategies.binary(max_size=64))
SCHEMA = schemathesis.openapi.from_dict(json.loads((ROOT / "openapi.json").read_text()))
# the hundreds of cases at the edges of the schema are made when tests are collected, for a minute:
# they are the long test's
SCHEMA.config.phases.coverage.enabled = False


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    with tempfile.TemporaryDirectory() as folder:
        pipeline = Pipeline(Settings(max_input_bytes=100_000))
        with serving(pipeline, Path(folder), TOKEN) as running:
            yield running


@SCHEMA.parametrize()
@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_as_the_schema_says(server: Serving, case: Any) -> None:
    # bytes of the right type may be no photo, and text no style: no schema can say which are
    excluded = [positive_data_acceptance] if case.method == "POST" else []
    headers = {"Authorization": f"Bearer {TOKEN}"}
    case.call_and_validate(
        base_url=server.url, headers=headers, timeout=60, excluded_checks=excluded
    )


@pytest.mark.heavy
@pytest.mark.timeout(0)
def test_every_answer_is_so_at_length(server: Serving, tmp_path: Path) -> None:
    """All that schemathesis can think of: examples, edges, chance, and requests in a row."""
    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", str(ROOT / "openapi.json")),
            *("--url", server.url, "--header", f"Authorization: Bearer {TOKEN}"),
            *("--exclude-checks", "positive_data_acceptance", "--max-examples", "60"),
            *("--generation-deterministic", "--no-color"),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stdout + run.stderr
