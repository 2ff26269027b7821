"""Stacks that an operator has chosen otherwise: how uploads come, which buckets, releases."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.request import Request

import pytest
from deployed import REGION, Deployed, fetch, let_read, wait_for
from line_drawings import boxes
from test_stack import picture_size

pytestmark = [pytest.mark.stack, pytest.mark.timeout(0)]

LOCATION = {"LocationConstraint": REGION}
SMALL = {"style": "cel", "max_side_px": "128"}


@pytest.fixture(scope="module")
def one_bucket(deploy: Callable[..., Deployed]) -> Deployed:
    """Both buckets are one, which calls the function itself."""
    return deploy(
        "kirei-one",
        InputBucketName="kirei-both",
        OutputBucketName="kirei-both",
        Delivery="s3",
        ApiAuth="none",
        Tracing="on",
        ReservedConcurrency="5",
        PictureExpirationDays="30",
        HasDashboard="off",
    )


def test_one_bucket_calls_the_function_and_its_pictures_do_not(
    one_bucket: Deployed, photo: bytes
) -> None:
    one_bucket.upload("uploads/a.jpg", photo, **SMALL)
    assert one_bucket.drawn("stylised/a.cel")["source"]["bucket"] == "kirei-both"
    one_bucket.upload("uploads/b.jpg", photo, **SMALL)
    one_bucket.drawn("stylised/b.cel")
    one_bucket.upload("lineart/boxes.png", boxes())
    one_bucket.drawn("stylised/boxes.colour")
    drawn = [
        "stylised/a.cel.jpg",
        "stylised/a.cel.json",
        "stylised/b.cel.jpg",
        "stylised/b.cel.json",
        "stylised/boxes.colour.json",
        "stylised/boxes.colour.png",
    ]
    assert one_bucket.keys("stylised/") == drawn
    assert one_bucket.keys("failed/") == []


def test_the_page_may_read_pictures_of_one_bucket(one_bucket: Deployed) -> None:
    url = one_bucket.client("s3").generate_presigned_url(
        "get_object", Params={"Bucket": "kirei-both", "Key": "stylised/a.cel.jpg"}
    )
    status, headers, _ = fetch(Request(url, headers={"Origin": "https://example.org"}))
    assert (status, headers["Access-Control-Allow-Origin"]) == (200, "*")


def test_an_api_that_asks_nobody_says_so(one_bucket: Deployed, photo: bytes) -> None:
    assert "ApiWarning" in one_bucket.outputs
    status, _, picture = one_bucket.ask(
        "/v1/stylise?max_side_px=128", photo, token="", content_type="image/jpeg"
    )
    assert (status, max(picture_size(picture))) == (200, 128)


def test_a_call_that_failed_for_good_is_kept_and_made_again(
    one_bucket: Deployed, kirei: Callable[..., str], photo: bytes
) -> None:
    s3 = one_bucket.client("s3")
    s3.create_bucket(Bucket="kirei-closed", CreateBucketConfiguration=LOCATION)
    s3.put_object(Bucket="kirei-closed", Key="event.jpg", Body=photo)
    call = {"bucket": "kirei-closed", "key": "event.jpg", **SMALL}
    one_bucket.client("lambda").invoke(
        FunctionName=one_bucket.outputs["FunctionArn"],
        InvocationType="Event",
        Payload=json.dumps(call).encode(),
    )

    def failures() -> list[Any]:
        lines = kirei("failures", "--stack", "kirei-one", "--json").splitlines()
        return [json.loads(line) for line in lines]

    (failure,) = wait_for(failures)
    assert (failure["kind"], failure["code"]) == ("failed_event", "StoreUnavailable")
    assert failure["key"] == "event.jpg"
    let_read(one_bucket, "kirei-closed")
    assert "1 failed calls repeated" in kirei("redrive", "--stack", "kirei-one")
    one_bucket.drawn("stylised/event.cel")
    assert failures() == []


@pytest.fixture(scope="module")
def existing(deploy: Callable[..., Deployed], client: Callable[[str], Any]) -> Deployed:
    """A bucket that was there before, versions, a KMS key, and a release behind an alias."""
    s3 = client("s3")
    s3.create_bucket(Bucket="kirei-there", CreateBucketConfiguration=LOCATION)
    s3.put_bucket_versioning(Bucket="kirei-there", VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(
        Bucket="kirei-there", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    key = client("kms").create_key(MultiRegion=True)["KeyMetadata"]["Arn"]
    return deploy("kirei-events", **existing_parameters(key, "one"))


def existing_parameters(key: str, release: str) -> dict[str, str]:
    return {
        "InputBucketName": "kirei-there",
        "InputBucketExists": "yes",
        "Delivery": "eventbridge",
        "Versioning": "on",
        "KmsKeyArn": key,
        "ApiAuth": "iam",
        "HasDashboard": "off",
        "Release": release,
    }


def test_a_bucket_that_was_there_before_sends_its_photos(existing: Deployed, photo: bytes) -> None:
    existing.upload("uploads/写真+1 (2).jpg", photo, **SMALL)
    source = existing.drawn("stylised/写真+1 (2).cel")["source"]
    head = existing.client("s3").head_object(Bucket="kirei-there", Key="uploads/写真+1 (2).jpg")
    assert source["version_id"] == head["VersionId"]
    existing.upload("lineart/boxes.png", boxes())
    existing.drawn("stylised/boxes.colour")
    existing.upload("uploads/bad.jpg", b"no photo")
    wait_for(lambda: existing.keys("failed/") == ["failed/bad.jpg.json"])
    resources = existing.client("cloudformation").describe_stack_resources(StackName="kirei-events")
    buckets = {
        each["LogicalResourceId"]
        for each in resources["StackResources"]
        if each["ResourceType"] == "AWS::S3::Bucket"
    }
    assert buckets == {"OutputBucket"}


def test_whoever_does_not_sign_is_stopped_by_the_gateway(existing: Deployed) -> None:
    stopped = fetch(Request(existing.endpoint + "/v1/styles", headers={"Host": existing.host}))
    assert stopped[0] == 403 and json.loads(stopped[2]) == {"message": "Forbidden"}
    assert existing.ask("/", token="")[0] == 200


def test_another_release_is_another_version_behind_the_alias(
    existing: Deployed, deploy: Callable[..., Deployed], photo: bytes
) -> None:
    function = existing.outputs["FunctionName"]
    assert existing.outputs["FunctionArn"].endswith(f":{function}:live")

    def serving() -> str:
        alias = existing.client("lambda").get_alias(FunctionName=function, Name="live")
        return str(alias["FunctionVersion"])

    assert serving() == "1"
    secret = existing.client("kms").list_keys()["Keys"][0]["KeyArn"]
    again = deploy("kirei-events", **existing_parameters(secret, "two"), MemorySize="3000")
    assert again.outputs["FunctionArn"] == existing.outputs["FunctionArn"]
    assert serving() == "2"
    existing.upload("uploads/second.jpg", photo, **SMALL)
    existing.drawn("stylised/second.cel")
