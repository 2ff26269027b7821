"""What a backfill counts, costs, asks and begins."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from answers import raw
from buckets import INPUT, OUTPUT, put
from shipped import shipped_styles

from operations.estimate import Prices, Work, estimate
from operations.stack import client
from pipeline import Settings

ROOT = Path(__file__).resolve().parents[2]
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:kirei-StyliseFunction"
ROLE = "arn:aws:iam::123456789012:role/kirei-BackfillRole"


@pytest.fixture
def jobs() -> Any:
    """Jobs that S3 Batch Operations was asked for, as the XML that went over the wire."""
    asked = []

    def answer(request: Any, **_: Any) -> Any:
        asked.append(ElementTree.fromstring(request.body))
        text = "<CreateJobResult><JobId>a-job</JobId></CreateJobResult>"
        return raw(request, text)

    client("s3control").meta.events.register("before-send.s3-control.CreateJob", answer)
    return asked


def value(tree: Any, path: Any) -> Any:
    """Text at a path of names, whatever their namespace."""
    for name in path.split("/"):
        tree = next(child for child in tree if child.tag.rpartition("}")[2] == name)
    return tree.text


def test_a_backfill_counts_reckons_asks_and_begins(
    s3: Any, stack: Any, run: Any, jobs: Any, photo: bytes
) -> None:
    for name in ("uploads/a.jpg", "uploads/b/c.JPG", "uploads/d.txt", "uploads/b/", "other/e.jpg"):
        put(s3, name, photo)
    arguments = ["--bucket", INPUT, "--prefix", "uploads/", "--suffix", ".jpg", "--suffix", ".JPG"]
    done = run("backfill", *arguments, "--style", "cel", "--max-side-px", "800", input="y\n")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("2 photos, ")
    assert "1.00 s each (assumed), 3008 MB" in done.stdout
    assert "job a-job was created" in done.stdout
    (job,) = jobs
    invoke = "Operation/LambdaInvoke"
    assert value(job, f"{invoke}/FunctionArn") == FUNCTION
    assert value(job, f"{invoke}/InvocationSchemaVersion") == "2.0"
    text = ElementTree.tostring(job, encoding="unicode")
    for name, given in (("style", "cel"), ("max_side_px", "800")):
        assert f"key>{name}<" in text and f"value>{given}<" in text
    listing = "ManifestGenerator/S3JobManifestGenerator"
    assert value(job, f"{listing}/SourceBucket") == f"arn:aws:s3:::{INPUT}"
    assert value(job, f"{listing}/Filter/KeyNameConstraint/MatchAnyPrefix/member") == "uploads/"
    assert text.count("MatchAnySuffix>") == 2 and ".JPG" in text
    assert value(job, "Report/Bucket") == f"arn:aws:s3:::{OUTPUT}"
    assert value(job, "Report/Prefix") == "backfill"
    assert value(job, "RoleArn") == ROLE


def test_a_dry_run_and_a_no_begin_nothing(
    s3: Any, stack: Any, run: Any, jobs: Any, photo: bytes
) -> None:
    put(s3, "uploads/a.jpg", photo)
    arguments = ("--bucket", INPUT, "--prefix", "uploads/")
    assert run("backfill", *arguments, "--dry-run").exit_code == 0
    assert run("backfill", *arguments, input="n\n").exit_code == 1
    done = run("backfill", "--bucket", INPUT, "--prefix", "uploads/none/", "--yes")
    assert done.exit_code == 1 and "holds no such photo" in done.stderr
    assert jobs == []
    assert run("backfill", *arguments, "--yes").exit_code == 0
    assert len(jobs) == 1


KNOWN = ", ".join(shipped_styles())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--bucket", "elsewhere"], "the function may read s3://kirei-input/uploads/"),
        (["--bucket", INPUT, "--prefix", "up"], "deploy with BackfillBucketName"),
        (["--bucket", "old-photos", "--strength", "7"], "strength is 7.0"),
        (
            ["--bucket", "old-photos", "--style", "rococo"],
            f"there is {KNOWN}",
        ),
        (["--bucket", "old-photos", "--price", "gold=1"], "NAME one of lambda_gigabyte_second"),
        (["--bucket", "old-photos", "--price", "s3_get=cheap"], "NAME=DOLLARS"),
        (["--bucket", "old-photos", "--stack", "another"], "DescribeStacks"),
        (["--bucket", "old-photos"], "ListObjectsV2: NoSuchBucket"),
        (["--bucket", INPUT, "--prefix", "lineart/", "--style", "cel"], "--task colour takes"),
        (["--bucket", "old-photos", "--palette", "meadow"], "unknown option 'palette'"),
        (["--bucket", "old-photos", "--task", "colour", "--fps", "4"], "unknown option 'fps'"),
    ],
)
def test_a_backfill_that_cannot_be_says_so_in_one_line(
    stack: Any, run: Any, jobs: Any, arguments: Any, said: Any
) -> None:
    done = run("backfill", *arguments, "--yes")
    assert done.exit_code == 1
    assert said in done.stderr and done.stderr.count("\n") == 1
    assert jobs == []


def test_an_option_that_the_layer_has_no_net_for_begins_nothing(
    stack: Any, run: Any, jobs: Any, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    layer = Path(shutil.copytree(Settings().weights_dir, tmp_path / "weights"))
    document = json.loads((layer / "manifest.json").read_text())
    document["weights"] = [one for one in document["weights"] if one["kind"] != "parser"]
    (layer / "manifest.json").write_text(json.dumps(document))
    environment.setenv("KIREI_WEIGHTS_DIR", str(layer))
    done = run("backfill", "--bucket", INPUT, "--prefix", "uploads/", "--faces", "on", "--yes")
    assert done.exit_code == 1 and "faces=on: the folder of weights has no parser" in done.stderr
    assert jobs == []


def test_the_time_of_a_photo_is_the_functions_own_where_it_ran(
    s3: Any, stack: Any, run: Any, photo: bytes
) -> None:
    put(s3, "uploads/a.jpg", photo)
    dimension = {"Name": "FunctionName", "Value": stack["FunctionName"]}
    data = [
        {"MetricName": "Duration", "Dimensions": [dimension], "Value": milliseconds}
        for milliseconds in (400, 600)
    ]
    client("cloudwatch").put_metric_data(Namespace="AWS/Lambda", MetricData=data)
    arguments = ("--bucket", INPUT, "--prefix", "uploads/", "--dry-run", "--json")
    told = json.loads(run("backfill", *arguments).stdout)
    assert told["seconds_each"] == 0.5
    assert told["seconds_from"] == "mean of the last 14 days"
    given = run("backfill", *arguments, "--seconds", "3", "--price", "batch_job=0").stdout
    assert json.loads(given)["seconds_each"] == 3
    assert json.loads(given)["total"] < 0.01


def test_the_estimate_of_ten_million_photos_is_the_plans() -> None:
    """docs/backfill.md states these."""
    work = Work(10_000_000, 0, 10_000, 1.0, "assumed", 3008, 1000)
    found = estimate(work, Prices())
    plan = (ROOT / "docs" / "backfill.md").read_text()
    for dollars in (*found.dollars.values(), found.total):
        assert f"${dollars:,.0f}" in plan
    assert f"{found.hours:.1f} hours" in plan
