"""template.yaml, read: what an unattended stack may do, and what it keeps."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from templates import (
    ALLOWED,
    INPUT_BUCKET,
    PARAMETERS,
    TEMPLATE,
    of_type,
    properties,
    texts,
    walk,
)

from adapters.keys import LINEART

PREFIXES = ("InputPrefix", "LineartPrefix")  # of photos, and of line drawings


def test_no_permission_is_a_wildcard() -> None:
    """But for X-Ray and network interfaces, which know no resources, and only where asked for."""
    assert len(ALLOWED) > 12
    anything = []
    for name, statement in ALLOWED:
        assert "NotAction" not in statement and "NotResource" not in statement
        assert not [action for action in texts(statement["Action"]) if "*" in action], name
        assert "*" not in texts(statement.get("Principal", {})), name
        for text in texts(statement.get("Resource", {})):
            if text == "*":
                anything.append(statement["Action"])
            elif "*" in text:  # all objects below a prefix
                assert re.search(r":s3:::\$\{\w+\}/[^*]+\*$|\.Arn\}/[^*]+\*$", text), (name, text)
                assert text.count("*") == 1
    assert len(anything) == 2
    conditional = {
        branch["PolicyName"]: condition
        for value in walk(properties("StyliseRole"))
        if isinstance(value, dict) and "Fn::If" in value and isinstance(value["Fn::If"][1], dict)
        for condition, branch, _ in [value["Fn::If"]]
        if "PolicyDocument" in branch
        and branch["PolicyDocument"]["Statement"][0]["Resource"] == "*"
    }
    assert conditional == {"SendTraces": "IsTraced", "JoinVpc": "IsInVpc"}


def test_every_role_may_be_bounded_and_the_function_be_in_a_vpc() -> None:
    none = {"Ref": "AWS::NoValue"}
    roles = of_type("AWS::IAM::Role")
    assert len(roles) == 4
    for name, role in roles.items():
        boundary = {"Fn::If": ["HasBoundary", {"Ref": "PermissionsBoundaryArn"}, none]}
        assert role["Properties"]["PermissionsBoundary"] == boundary, name
    network = {
        "SubnetIds": {"Ref": "VpcSubnetIds"},
        "SecurityGroupIds": {"Ref": "VpcSecurityGroupIds"},
    }
    assert properties("StyliseFunction")["VpcConfig"] == {"Fn::If": ["IsInVpc", network, none]}


def test_services_that_may_send_or_call_are_those_of_this_account() -> None:
    for name, statement in ALLOWED:
        service = statement.get("Principal", {}).get("Service")
        if service and service != "lambda.amazonaws.com":
            limits = texts([list(each) for each in statement["Condition"].values()])
            assert limits & {"aws:SourceAccount", "aws:SourceArn"}, name
    for name, item in of_type("AWS::Lambda::Permission").items():
        assert item["Properties"]["SourceArn"], name


@pytest.mark.parametrize(
    ("kind", "policy", "named"),
    [
        ("AWS::S3::Bucket", "AWS::S3::BucketPolicy", "Bucket"),
        ("AWS::SQS::Queue", "AWS::SQS::QueuePolicy", "Queues"),
        ("AWS::SNS::Topic", "AWS::SNS::TopicPolicy", "Topics"),
    ],
)
def test_nothing_is_reached_without_tls(kind: str, policy: str, named: str) -> None:
    closed = set()
    for item in of_type(policy).values():
        for value in walk(item["Properties"]["PolicyDocument"]):
            if isinstance(value, dict) and value.get("Effect") == "Deny":
                assert value["Principal"] == "*"
                assert value["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
                closed |= texts(item["Properties"][named])
    assert set(of_type(kind)) == closed


def test_buckets_are_closed_owned_encrypted_and_kept() -> None:
    for name, bucket in of_type("AWS::S3::Bucket").items():
        of = bucket["Properties"]
        assert len(of["PublicAccessBlockConfiguration"]) == 4, name
        assert all(of["PublicAccessBlockConfiguration"].values())
        assert of["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        (rule,) = of["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        default = rule["ServerSideEncryptionByDefault"]
        assert default["SSEAlgorithm"] == {"Fn::If": ["HasKmsKey", "aws:kms", "AES256"]}
        assert "KeepsVersions" in texts(of["VersioningConfiguration"])
        assert bucket["DeletionPolicy"] == "RetainExceptOnCreate"
        assert bucket["UpdateReplacePolicy"] == "Retain"


def test_what_is_chosen_by_parameter_reaches_its_place() -> None:
    none = {"Ref": "AWS::NoValue"}
    function = properties("StyliseFunction")
    assert function["Architectures"] == [{"Ref": "Architecture"}]
    assert PARAMETERS["Architecture"]["AllowedValues"] == ["x86_64", "arm64"]
    assert function["MemorySize"] == {"Ref": "MemorySize"}
    assert function["Tracing"] == {"Fn::If": ["IsTraced", "Active", "PassThrough"]}
    reserved = {"Ref": "ReservedConcurrency"}
    assert function["ReservedConcurrentExecutions"] == {
        "Fn::If": ["HasReservedConcurrency", reserved, none]
    }
    assert function["LoggingConfig"] == {"LogGroup": {"Ref": "LogGroup"}}
    groups = of_type("AWS::Logs::LogGroup")
    assert len(groups) == 2
    for name, group in groups.items():
        assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}, name
    for name, days in (
        ("InputBucket", "PhotoExpirationDays"),
        ("OutputBucket", "PictureExpirationDays"),
    ):
        of = properties(name)
        assert of["VersioningConfiguration"]["Fn::If"][:2] == [
            "KeepsVersions",
            {"Status": "Enabled"},
        ]
        unfinished, replaced, expiring = of["LifecycleConfiguration"]["Rules"][:3]
        assert unfinished["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] <= 7
        assert replaced["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
        _, rule, otherwise = expiring["Fn::If"]
        assert (rule["ExpirationInDays"], otherwise) == ({"Ref": days}, none)
        (encryption,) = of["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        key = encryption["ServerSideEncryptionByDefault"]["KMSMasterKeyID"]
        assert key == {"Fn::If": ["HasKmsKey", {"Ref": "KmsKeyArn"}, none]}


def test_a_key_is_used_by_those_who_read_or_write_and_only_where_there_is_one() -> None:
    used = {}
    for name in ("StyliseRole", "BackfillRole"):
        for value in walk(properties(name)):
            branch = value.get("Fn::If") if isinstance(value, dict) else None
            if branch and branch[0] == "HasKmsKey":
                (allowed,) = [v for v in walk(branch[1]) if isinstance(v, dict) and "Action" in v]
                assert allowed["Resource"] == {"Ref": "KmsKeyArn"}
                used[name] = texts(allowed["Action"])
    assert used == {
        "StyliseRole": {"kms:Decrypt", "kms:GenerateDataKey"},
        "BackfillRole": {"kms:GenerateDataKey"},
    }
    everywhere = [name for name, each in ALLOWED if "kms:" in str(each["Action"])]
    assert sorted(everywhere) == ["BackfillRole", "StyliseRole"]


def test_a_message_is_hidden_six_times_as_long_as_a_run_may_take() -> None:
    table = TEMPLATE["Mappings"]["Timeouts"]
    assert set(table) == set(PARAMETERS["Timeout"]["AllowedValues"])
    assert PARAMETERS["Timeout"]["Default"] in table
    for timeout_s, row in table.items():
        assert row["Visibility"] >= 6 * int(timeout_s)
        assert row["NearMs"] == 800 * int(timeout_s)
    queue = properties("UploadQueue")
    assert queue["VisibilityTimeout"] == {
        "Fn::FindInMap": ["Timeouts", {"Ref": "Timeout"}, "Visibility"]
    }
    assert properties("StyliseFunction")["Timeout"] == {"Ref": "Timeout"}


def test_uploads_come_one_by_one_and_what_fails_is_kept() -> None:
    source = properties("UploadSource")
    assert source["BatchSize"] == 1
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "MaxConcurrency"}}
    assert source["EventSourceArn"] == {"Fn::GetAtt": ["UploadQueue", "Arn"]}
    redrive = properties("UploadQueue")["RedrivePolicy"]
    variables = properties("StyliseFunction")["Environment"]["Variables"]
    assert redrive["maxReceiveCount"] == variables["MAX_RECEIVES"]
    assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": ["DeadLetters", "Arn"]}
    assert redrive["maxReceiveCount"] >= 5
    allowed = properties("DeadLetters")["RedriveAllowPolicy"]
    assert allowed["redrivePermission"] == "byQueue"
    (arn,) = texts(allowed["sourceQueueArns"])
    name = properties("UploadQueue")["QueueName"]["Fn::Sub"]
    assert arn.rpartition(":")[2] in (name, name.rpartition(":")[2])
    destination = properties("StyliseFunction")["EventInvokeConfig"]["DestinationConfig"]
    assert destination["OnFailure"]["Destination"] == {"Fn::GetAtt": ["FailedEvents", "Arn"]}
    for name, queue in of_type("AWS::SQS::Queue").items():
        assert queue["Properties"]["SqsManagedSseEnabled"] is True, name
    days = {
        name: queue["Properties"]["MessageRetentionPeriod"] / 86400
        for name, queue in of_type("AWS::SQS::Queue").items()
    }
    # a message keeps its age when it moves: dead letters must live longer than uploads wait
    assert days == {"UploadQueue": 4, "DeadLetters": 14, "FailedEvents": 14}


def test_each_way_of_delivery_is_the_two_prefixes_of_the_upload_bucket_alone() -> None:
    assert PARAMETERS["Delivery"]["Default"] == "sqs"
    bucket = properties("InputBucket")
    ways = bucket["NotificationConfiguration"]["Fn::If"]
    assert ways[0] == "QueueFromBucket" and ways[2]["Fn::If"][0] == "CalledByBucket"
    queue = ways[1]["QueueConfigurations"]
    function = ways[2]["Fn::If"][1]["LambdaConfigurations"]
    for way in (queue, function):
        found = {
            (configuration["Event"], rule["Value"]["Ref"])
            for configuration in way
            for rule in configuration["Filter"]["S3Key"]["Rules"]
        }
        events = ("s3:ObjectCreated:*", "s3:ObjectRestore:Completed")
        assert found == {(event, prefix) for event in events for prefix in PREFIXES}
        assert len(way) == len(found)
    assert ways[2]["Fn::If"][2] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    rule = properties("UploadRule")
    assert rule["EventPattern"]["detail-type"] == ["Object Created", "Object Restore Completed"]
    assert rule["EventPattern"]["detail"] == {
        "bucket": {"name": [INPUT_BUCKET]},
        "object": {"key": [{"prefix": {"Ref": prefix}} for prefix in PREFIXES]},
    }
    (target,) = rule["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": ["UploadQueue", "Arn"]}
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["DeadLetters", "Arn"]}}


def test_line_drawings_are_read_kept_and_backfilled_like_photos() -> None:
    for prefix in PREFIXES:
        text = f"${{Bucket}}/${{{prefix}}}"
        assert any(text in str(value) for value in walk(properties("ReadPhotos")))
        assert text in str(TEMPLATE["Outputs"]["ReadablePhotos"])
    variables = properties("StyliseFunction")["Environment"]["Variables"]
    assert variables["INPUT_PREFIX"] == {"Ref": "InputPrefix"}
    assert variables["LINEART_PREFIX"] == {"Ref": "LineartPrefix"}
    assert PARAMETERS["LineartPrefix"]["Default"] == LINEART
    rules = [
        rule["Fn::If"] for rule in properties("InputBucket")["LifecycleConfiguration"]["Rules"][2:]
    ]
    expiring = [rule["Prefix"] for condition, rule, _ in rules if condition == "PhotosExpire"]
    assert expiring == [{"Ref": prefix} for prefix in PREFIXES]


def test_the_bucket_has_the_name_that_those_who_let_it_in_know() -> None:
    named = properties("InputBucket")["BucketName"]
    for name in ("UploadQueuePolicy", "BucketMayCall"):
        assert named in list(walk(properties(name)))


def test_results_do_not_lie_in_the_bucket_of_the_photos_unless_asked() -> None:
    variables = properties("StyliseFunction")["Environment"]["Variables"]
    assert variables["OUTPUT_BUCKET"]["Fn::If"][1] == {"Ref": "OutputBucket"}
    assert PARAMETERS["OutputBucketName"]["Default"] == ""


def test_a_failed_message_may_be_brought_again_soon() -> None:
    """A fault that passes costs what adapters/redelivery.py says, not the visibility timeout."""
    actions = {
        action
        for name, each in ALLOWED
        if name == "StyliseRole"
        for action in texts(each["Action"])
    }
    assert "sqs:ChangeMessageVisibility" in actions


def test_where_both_buckets_are_one_the_page_reads_it_and_pictures_expire() -> None:
    bucket = properties("InputBucket")
    (rule,) = bucket["CorsConfiguration"]["CorsRules"]
    assert rule["AllowedMethods"] == {"Fn::If": ["IsOneBucket", ["GET", "POST"], ["POST"]]}
    here = [rule["Fn::If"] for rule in bucket["LifecycleConfiguration"]["Rules"][4:6]]
    assert {condition for condition, _, _ in here} == {"PicturesExpireHere"}
    assert [rule["Prefix"] for _, rule, _ in here] == ["stylised/", "failed/"]
    assert {str(rule["ExpirationInDays"]) for _, rule, _ in here} == {
        "{'Ref': 'PictureExpirationDays'}"
    }


def test_keys_of_one_region_and_of_many_are_taken() -> None:
    pattern = PARAMETERS["KmsKeyArn"]["AllowedPattern"]
    arn = "arn:aws:kms:eu-central-1:123456789012:key/"
    assert re.search(pattern, arn + "mrk-1234abcd12ab34cd56ef1234567890ab")
    assert re.search(pattern, arn + "1234abcd-12ab-34cd-56ef-1234567890ab")
    assert not re.search(pattern, arn + "alias")


def test_long_clips_add_nothing_unless_asked_for() -> None:
    """And then a role that may run the function alone, and a function that may start it alone."""
    assert PARAMETERS["LongClips"]["Default"] == "off"
    for name in ("LongClipMachine", "LongClipRole", "LongClipsAlarm"):
        assert TEMPLATE["Resources"][name]["Condition"] == "DrawsLongClips"
    (allowed,) = [
        each
        for name, each in ALLOWED
        if name == "LongClipRole" and "Action" in each and each["Action"] != "sts:AssumeRole"
    ]
    assert allowed["Action"] == "lambda:InvokeFunction"
    live = ["HasRelease", {"Ref": "LiveAlias"}, {"Fn::GetAtt": ["StyliseFunction", "Arn"]}]
    assert allowed["Resource"] == {"Fn::If": live}
    machine = properties("LongClipMachine")
    assert machine["DefinitionSubstitutions"]["Function"] == {"Fn::If": live}
    name = machine["StateMachineName"]["Fn::Sub"]
    conditional = [
        value["Fn::If"][1]["PolicyDocument"]["Statement"]
        for value in walk(properties("StyliseRole"))
        if isinstance(value, dict) and value.get("Fn::If", [None])[0] == "DrawsLongClips"
    ]
    ((start, keep),) = conditional
    assert start["Action"] == "states:StartExecution"
    assert start["Resource"]["Fn::Sub"].endswith(f":stateMachine:{name}")
    assert texts(keep["Resource"]["Fn::Sub"][0]) == {
        "arn:${AWS::Partition}:s3:::${Bucket}/segments/*"
    }
    variables = properties("StyliseFunction")["Environment"]["Variables"]
    assert variables["LONG_CLIP_MACHINE"]["Fn::If"][1] == start["Resource"]
    assert variables["LONG_CLIP_MACHINE"]["Fn::If"][2] == ""
    for bucket in ("InputBucket", "OutputBucket"):
        rules = properties(bucket)["LifecycleConfiguration"]["Rules"]
        assert [rule["Fn::If"][1] for rule in rules if "Segments" in texts(rule)] == [
            {"Id": "Segments", "Status": "Enabled", "Prefix": "segments/", "ExpirationInDays": 15}
        ]


def test_a_step_of_a_long_clip_outlasts_a_full_account_and_a_passing_fault() -> None:
    tasks = [
        value
        for value in walk(properties("LongClipMachine")["Definition"])
        if isinstance(value, dict) and value.get("Type") == "Task"
    ]
    assert len(tasks) == 3
    for task in tasks:
        turned_away, failed = task["Retry"]
        assert turned_away["ErrorEquals"] == ["Lambda.TooManyRequestsException"]
        assert waits_s(turned_away) > 1800
        assert failed["ErrorEquals"] == ["States.ALL"]
        assert 60 < waits_s(failed) < 600


def waits_s(retry: dict[str, Any]) -> float:
    """All pauses of a rule for retries together."""
    longest_s = retry.get("MaxDelaySeconds", math.inf)
    pauses = (
        retry["IntervalSeconds"] * retry["BackoffRate"] ** count
        for count in range(retry["MaxAttempts"])
    )
    return sum(min(pause_s, longest_s) for pause_s in pauses)
