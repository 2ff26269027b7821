"""The two stacks that stand beside Kirei's: whoever deploys, and CloudFront."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from deployed import REGION, ROOT, Deployed, wait_for

pytestmark = [pytest.mark.stack, pytest.mark.timeout(0)]

NAME = "kirei-by-deployer"
SMALL = {"style": "cel", "max_side_px": "128"}


def made(client: Callable[[str], Any], name: str, file: str, **parameters: str) -> dict[str, str]:
    """A stack of one of the templates under stacks/; its outputs."""
    cloudformation = client("cloudformation")
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=(ROOT / "stacks" / file).read_text(),
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
        ],
        Capabilities=["CAPABILITY_IAM"],
    )

    def stack() -> Any:
        return cloudformation.describe_stacks(StackName=name)["Stacks"][0]

    wait_for(lambda: not stack()["StackStatus"].endswith("IN_PROGRESS"))
    assert stack()["StackStatus"] == "CREATE_COMPLETE", stack()
    return {item["OutputKey"]: item["OutputValue"] for item in stack()["Outputs"]}


@pytest.mark.usefixtures("built")
def test_whoever_has_the_deployers_policy_deploys_and_deletes(
    client: Callable[[str], Any], sam: Callable[..., str], endpoint: str, photo: bytes
) -> None:
    outputs = made(client, "kirei-deployer", "deployer.yaml", StackName=NAME)
    iam = client("iam")
    iam.create_user(UserName="deployer")
    iam.attach_user_policy(UserName="deployer", PolicyArn=outputs["DeployerPolicyArn"])
    key = iam.create_access_key(UserName="deployer")["AccessKey"]
    as_deployer = {
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
    }
    session: Any = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=REGION)
    theirs = session.client("cloudformation", endpoint_url=endpoint)
    with pytest.raises(ClientError, match="AccessDenied"):
        theirs.delete_stack(StackName="somebody-elses")
    sam(
        *("deploy", "--stack-name", NAME, "--config-env", "repository"),
        *("--config-file", str(ROOT / "samconfig.toml")),
        *("--image-repository", outputs["Repository"]),
        **as_deployer,
    )
    (stack,) = client("cloudformation").describe_stacks(StackName=NAME)["Stacks"]
    found = {item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]}
    deployed = Deployed(NAME, found, client, endpoint, 0)
    deployed.upload("uploads/a.jpg", photo, **SMALL)
    deployed.drawn("stylised/a.cel")
    sam("delete", "--stack-name", NAME, "--no-prompts", "--region", REGION, **as_deployer)


def test_cloudfront_and_its_firewall_are_made(client: Callable[[str], Any]) -> None:
    domain = f"abc123.execute-api.{REGION}.amazonaws.com"
    outputs = made(client, "kirei-cdn", "cdn.yaml", ApiDomain=domain)
    assert outputs["Url"] == f"https://{outputs['DistributionDomain']}/"
    (distribution,) = client("cloudfront").list_distributions()["DistributionList"]["Items"]
    (origin,) = distribution["Origins"]["Items"]
    assert origin["DomainName"] == domain
    assert [each["PathPattern"] for each in distribution["CacheBehaviors"]["Items"]] == [
        *("/v1/styles/*/thumbnail.jpg", "/v1/*"),
    ]
