"""Schemathesis makes requests from openapi.json, right and wrong ones, and holds the answers
against it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings, strategies
from schemathesis.specs.openapi.checks import positive_data_acceptance
from serving import Serving, serving

from pipeline import Pipeline, Settings

ROOT = Path(__file__).parent.parent
TOKEN = "a-token"
# a photo among what is generated, so that pictures are drawn, too
PHOTO = (ROOT / "web" / "thumbnails" / "cel.jpg").read_bytes()
for kind in ("image/*", "application/octet-stream"):
    schemathesis.openapi.media_type(kind, strategies.just(PHOTO) | strategies.binary(max_size=64))
SCHEMA = schemathesis.openapi.from_dict(json.loads((ROOT / "openapi.json").read_text()))


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    with tempfile.TemporaryDirectory() as folder:
        pipeline = Pipeline(Settings(max_input_bytes=100_000))
        with serving(pipeline, Path(folder), TOKEN) as running:
            yield running


@SCHEMA.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_as_the_schema_says(server: Serving, case: schemathesis.Case) -> None:
    # bytes of the right type may be no photo, and text no style: no schema can say which are
    excluded = [positive_data_acceptance] if case.method == "POST" else []
    case.call_and_validate(
        base_url=server.url,
        headers={"Authorization": f"Bearer {TOKEN}"},
        timeout=60,
        excluded_checks=excluded,
    )
