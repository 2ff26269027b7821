"""stacks/deployer.yaml: who has its policy may make all that template.yaml has, and no more."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from batch_operations import Role
from metric_math import substituted
from templates import RESOURCES, ROOT, Loader

MAX_POLICY_CHARACTERS = 6144  # of a managed policy, white space not counted
LONGEST_NAME = "k" * 66  # that a stack may have: see UploadQueue
ACCOUNT, REGION = "123456789012", "eu-central-1"
HERE = f"{REGION}:{ACCOUNT}"
TOPIC = f"arn:aws:sns:{HERE}:kirei-AlarmTopic-1"
DEPLOYER = yaml.load((ROOT / "stacks" / "deployer.yaml").read_text(), Loader)["Resources"]

# What CloudFormation does in the deployer's name for a resource of the type, from its making to its
# removal, and what the resource is called in the stack "kirei"
# (https://docs.aws.amazon.com/cloudcontrolapi/latest/userguide/resource-types.html, its handlers).
ROLE = (
    *("iam:CreateRole", "iam:GetRole", "iam:PassRole", "iam:TagRole", "iam:PutRolePolicy"),
    *("iam:PutRolePermissionsBoundary", "iam:DeleteRolePermissionsBoundary", "iam:DeleteRole"),
    *("iam:UpdateAssumeRolePolicy", "iam:ListAttachedRolePolicies", "iam:DeleteRolePolicy"),
)
NEEDED: dict[str, tuple[str, tuple[str, ...]]] = {
    "AWS::Serverless::Function": (
        f"arn:aws:lambda:{HERE}:function:kirei-StyliseFunction-1",
        (
            *("lambda:CreateFunction", "lambda:UpdateFunctionCode", "lambda:DeleteFunction"),
            *("lambda:PutFunctionEventInvokeConfig", "lambda:TagResource"),
        ),
    ),
    "AWS::Logs::LogGroup": (
        f"arn:aws:logs:{HERE}:log-group:kirei-LogGroup-1",
        ("logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:DeleteLogGroup"),
    ),
    "AWS::IAM::Role": (f"arn:aws:iam::{ACCOUNT}:role/kirei-StyliseRole-1", ROLE),
    "AWS::IAM::Policy": (
        f"arn:aws:iam::{ACCOUNT}:role/kirei-StyliseRole-1",
        ("iam:PutRolePolicy", "iam:GetRolePolicy", "iam:DeleteRolePolicy"),
    ),
    "AWS::Lambda::Version": (
        f"arn:aws:lambda:{HERE}:function:kirei-StyliseFunction-1:1",
        ("lambda:GetFunctionConfiguration", "lambda:DeleteFunction"),
    ),
    "AWS::Lambda::Alias": (
        f"arn:aws:lambda:{HERE}:function:kirei-StyliseFunction-1:live",
        ("lambda:UpdateAlias", "lambda:DeleteAlias"),
    ),
    "AWS::Lambda::EventInvokeConfig": (
        f"arn:aws:lambda:{HERE}:function:kirei-StyliseFunction-1:live",
        ("lambda:PutFunctionEventInvokeConfig", "lambda:DeleteFunctionEventInvokeConfig"),
    ),
    "AWS::Lambda::EventSourceMapping": (
        f"arn:aws:lambda:{HERE}:event-source-mapping:0",
        ("lambda:CreateEventSourceMapping", "lambda:DeleteEventSourceMapping"),
    ),
    "AWS::Lambda::Permission": (
        f"arn:aws:lambda:{HERE}:function:kirei-StyliseFunction-1",
        ("lambda:AddPermission", "lambda:RemovePermission"),
    ),
    "AWS::CodeDeploy::Application": (
        f"arn:aws:codedeploy:{HERE}:application:kirei-CanaryApplication-1",
        ("codedeploy:CreateApplication", "codedeploy:DeleteApplication"),
    ),
    "AWS::CodeDeploy::DeploymentGroup": (
        f"arn:aws:codedeploy:{HERE}:deploymentgroup:kirei-CanaryApplication-1/kirei-CanaryGroup-1",
        ("codedeploy:CreateDeploymentGroup", "codedeploy:CreateDeployment"),
    ),
    "AWS::CloudWatch::Alarm": (
        f"arn:aws:cloudwatch:{HERE}:alarm:kirei-ErrorsAlarm-1",
        ("cloudwatch:PutMetricAlarm", "cloudwatch:DescribeAlarms", "cloudwatch:DeleteAlarms"),
    ),
    "AWS::CloudWatch::Dashboard": (
        f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/kirei",
        ("cloudwatch:PutDashboard", "cloudwatch:GetDashboard", "cloudwatch:DeleteDashboards"),
    ),
    "AWS::SQS::Queue": (
        f"arn:aws:sqs:{HERE}:kirei-uploads",
        ("sqs:CreateQueue", "sqs:TagQueue", "sqs:DeleteQueue"),
    ),
    "AWS::SQS::QueuePolicy": (f"arn:aws:sqs:{HERE}:kirei-uploads", ("sqs:SetQueueAttributes",)),
    "AWS::Events::Rule": (
        f"arn:aws:events:{HERE}:rule/kirei-uploads",
        ("events:PutRule", "events:PutTargets", "events:RemoveTargets", "events:DeleteRule"),
    ),
    "AWS::S3::Bucket": (
        "arn:aws:s3:::kirei-photos-1",
        (
            *("s3:CreateBucket", "s3:PutBucketPublicAccessBlock", "s3:PutBucketOwnershipControls"),
            *("s3:PutEncryptionConfiguration", "s3:PutLifecycleConfiguration", "s3:PutBucketCORS"),
            *("s3:PutBucketVersioning", "s3:PutBucketNotification", "s3:PutBucketTagging"),
        ),
    ),
    "AWS::S3::BucketPolicy": (
        "arn:aws:s3:::kirei-outputbucket-1",
        ("s3:PutBucketPolicy", "s3:GetBucketPolicy", "s3:DeleteBucketPolicy"),
    ),
    "AWS::Serverless::HttpApi": (
        f"arn:aws:apigateway:{REGION}::/apis/a1/stages/$default",
        ("apigateway:POST", "apigateway:PATCH", "apigateway:DELETE"),
    ),
    "AWS::SecretsManager::Secret": (
        f"arn:aws:secretsmanager:{HERE}:secret:ApiToken-1-a",
        ("secretsmanager:CreateSecret", "secretsmanager:DeleteSecret"),
    ),
    "AWS::StepFunctions::StateMachine": (
        f"arn:aws:states:{HERE}:stateMachine:kirei-long-clips",
        (
            *("states:CreateStateMachine", "states:DescribeStateMachine", "states:TagResource"),
            *("states:UpdateStateMachine", "states:DeleteStateMachine"),
        ),
    ),
    "AWS::SNS::Topic": (TOPIC, ("sns:CreateTopic", "sns:TagResource", "sns:DeleteTopic")),
    "AWS::SNS::TopicPolicy": (
        f"arn:aws:sns:{HERE}:kirei-AlarmTopic-1",
        ("sns:SetTopicAttributes",),
    ),
    "AWS::SNS::Subscription": (f"arn:aws:sns:{HERE}:kirei-AlarmTopic-1", ("sns:Subscribe",)),
}


def document(stack: str) -> Any:
    """The policy as CloudFormation writes it for a stack of that name."""
    names = {
        "AWS::Partition": "aws",
        "AWS::Region": REGION,
        "AWS::AccountId": ACCOUNT,
        "StackName": stack,
    }
    resolved = substituted(DEPLOYER["DeployerPolicy"]["Properties"]["PolicyDocument"], names)
    repository = f"arn:aws:ecr:{HERE}:repository/kirei-deployer-images-abcdefghijkl"
    text = json.dumps(resolved, separators=(",", ":"))
    return json.loads(text.replace('{"Fn::GetAtt":["Images","Arn"]}', json.dumps(repository)))


@pytest.fixture(scope="module")
def deployer() -> Role:
    return Role(document("kirei")["Statement"])


def test_whoever_deploys_may_make_every_resource_of_the_template(deployer: Role) -> None:
    assert {item["Type"] for item in RESOURCES.values()} == set(NEEDED)
    for arn, actions in NEEDED.values():
        for action in actions:
            deployer.check(action, arn)
    for action in ("ec2:DescribeSubnets", "ec2:DescribeSecurityGroups", "ec2:DescribeVpcs"):
        deployer.check(action, "*")  # for a function in a VPC


@pytest.mark.parametrize(
    ("action", "arn"),
    [
        ("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/admin"),
        ("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/kirei-me"),
        ("s3:GetObject", "arn:aws:s3:::kirei-photos-1/uploads/a.jpg"),
        ("s3:CreateBucket", "arn:aws:s3:::somebody"),
        ("lambda:UpdateFunctionCode", f"arn:aws:lambda:{HERE}:function:other"),
        ("states:DeleteStateMachine", f"arn:aws:states:{HERE}:stateMachine:other"),
        ("states:StartExecution", f"arn:aws:states:{HERE}:stateMachine:other"),
        ("cloudformation:DeleteStack", f"arn:aws:cloudformation:{HERE}:stack/other/1"),
    ],
)
def test_and_nothing_beside_it(deployer: Role, action: str, arn: str) -> None:
    with pytest.raises(PermissionError):
        deployer.check(action, arn)


def test_the_policy_is_as_short_as_iam_asks_for_with_any_name() -> None:
    text = json.dumps(document(LONGEST_NAME))
    assert len(re.sub(r"\s", "", text)) <= MAX_POLICY_CHARACTERS
