"""From the last release to this one; away, and there again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deployed import ROOT, Deployed

pytestmark = [pytest.mark.stack, pytest.mark.timeout(0)]

REPOSITORY = "000000000000.dkr.ecr.eu-central-1.amazonaws.com/kirei"
RELEASED = Path(__file__).with_name("released-0.1.0.yaml")
SMALL = {"style": "cel", "max_side_px": "128"}
KEPT = (
    "InputBucket",
    "OutputBucket",
    "UploadQueueUrl",
    "DeadLettersUrl",
    "FunctionName",
    "HttpApiUrl",
)


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The last release's template, as `sam build` would leave it, about the image of today."""
    text = RELEASED.read_text()
    metadata = "      PackageType: Image\n"
    assert text.count(metadata) == 1
    text = text.replace(metadata, f"{metadata}      ImageUri: stylisefunction:latest\n")
    for line in (
        "      Dockerfile: Dockerfile\n",
        "      DockerContext: .\n",
        "      DockerTag: latest\n",
    ):
        assert text.count(line) == 1
        text = text.replace(line, "")
    path = tmp_path_factory.mktemp("released") / "template.yaml"
    path.write_text(text)
    return str(path)


def test_a_stack_of_the_last_release_is_updated_and_keeps_what_it_has(
    released: str, deploy: Callable[..., Deployed], photo: bytes
) -> None:
    # into a repository of one's own, which samconfig.toml has an environment for
    before = deploy(
        "kirei-old",
        *("--template-file", released, "--config-file", str(ROOT / "samconfig.toml")),
        *("--config-env", "repository", "--image-repository", REPOSITORY),
    )
    before.upload("uploads/before.jpg", photo, **SMALL)
    before.drawn("stylised/before.cel")
    token = before.token
    after = deploy("kirei-old")
    assert {name: after.outputs[name] for name in KEPT} == {
        name: before.outputs[name] for name in KEPT
    }
    assert after.token == token
    after.upload("uploads/after.jpg", photo, **SMALL)
    after.drawn("stylised/after.cel")
    assert "stylised/before.cel.jpg" in after.keys("stylised/")
    assert after.ask("/v1/styles")[0] == 200


def test_a_deleted_stack_keeps_its_photos_and_can_be_deployed_again(
    deploy: Callable[..., Deployed],
    sam: Callable[..., str],
    client: Callable[[str], Any],
    photo: bytes,
) -> None:
    gone = deploy("kirei-old")
    sam("delete", "--stack-name", "kirei-old", "--no-prompts", "--region", "eu-central-1")
    there = {bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]}
    assert {gone.outputs["InputBucket"], gone.outputs["OutputBucket"]} <= there
    queues = client("sqs").list_queues(QueueNamePrefix="kirei-old").get("QueueUrls", [])
    assert queues == []
    again = deploy("kirei-old")
    assert again.outputs["InputBucket"] != gone.outputs["InputBucket"]
    again.upload("uploads/again.jpg", photo, **SMALL)
    again.drawn("stylised/again.cel")
    # the photos that were kept: as a bucket that is there
    client("s3").put_bucket_notification_configuration(
        Bucket=gone.outputs["InputBucket"],
        NotificationConfiguration={"EventBridgeConfiguration": {}},
    )
    kept = deploy(
        "kirei-old",
        InputBucketName=gone.outputs["InputBucket"],
        InputBucketExists="yes",
        OutputBucketName=gone.outputs["OutputBucket"],
        Delivery="eventbridge",
    )
    kept.upload("uploads/kept.jpg", photo, **SMALL)
    kept.drawn("stylised/kept.cel")
    assert "stylised/before.cel.jpg" in kept.keys("stylised/")
