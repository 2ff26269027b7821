"""template.yaml, read: what an unattended stack may do, keeps, and tells of."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from buckets import INPUT, put, s3_event

ROOT = Path(__file__).parents[2]
ALARMED = {
    "DeadLettersAlarm": ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
    "FailedEventsAlarm": ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
    "OldestUploadAlarm": ("AWS/SQS", "ApproximateAgeOfOldestMessage"),
    "ErrorsAlarm": ("AWS/Lambda", "Errors"),
    "ThrottlesAlarm": ("AWS/Lambda", "Throttles"),
    "DurationAlarm": ("AWS/Lambda", "Duration"),
}


class Loader(yaml.SafeLoader):
    """YAML whose short forms (!Ref x) are what they stand for ({"Ref": x})."""


def _intrinsic(loader: Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".")
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


Loader.add_multi_constructor("!", _intrinsic)
TEMPLATE = yaml.load((ROOT / "template.yaml").read_text(), Loader)
RESOURCES = TEMPLATE["Resources"]
PARAMETERS = TEMPLATE["Parameters"]


def of_type(kind: str) -> dict[str, Any]:
    return {name: item for name, item in RESOURCES.items() if item["Type"] == kind}


def properties(name: str) -> Any:
    return RESOURCES[name]["Properties"]


def walk(value: Any) -> Iterator[Any]:
    """The value and all within it."""
    yield value
    inner = value.values() if isinstance(value, dict) else value
    for item in inner if isinstance(value, dict | list) else ():
        yield from walk(item)


def statements() -> Iterator[tuple[str, dict[str, Any]]]:
    """(resource, statement) of every policy, those within !If too."""
    for name, item in RESOURCES.items():
        for value in walk(item.get("Properties", {})):
            if isinstance(value, dict) and "Effect" in value:
                yield name, value


def texts(value: Any) -> set[str]:
    return {item for item in walk(value) if isinstance(item, str)}


ALLOWED = [(name, each) for name, each in statements() if each["Effect"] == "Allow"]


def test_no_permission_is_a_wildcard() -> None:
    """But for X-Ray, which knows no resources, and only where tracing was asked for."""
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
    assert anything == [["xray:PutTraceSegments", "xray:PutTelemetryRecords"]]
    (traced,) = [
        value
        for value in walk(properties("StyliseRole"))
        if isinstance(value, dict) and value.get("PolicyName") == "SendTraces"
    ]
    conditional = [
        value["Fn::If"]
        for value in walk(properties("StyliseRole"))
        if isinstance(value, dict) and "Fn::If" in value and traced in value["Fn::If"]
    ]
    assert [branch[0] for branch in conditional] == ["IsTraced"]


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
        unfinished, replaced, expiring = of["LifecycleConfiguration"]["Rules"]
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
        assert queue["Properties"]["MessageRetentionPeriod"] == 14 * 86400, name


def test_each_way_of_delivery_is_the_upload_buckets_prefix_alone() -> None:
    assert PARAMETERS["Delivery"]["Default"] == "sqs"
    bucket = properties("InputBucket")
    ways = bucket["NotificationConfiguration"]["Fn::If"]
    assert ways[0] == "QueueFromBucket" and ways[2]["Fn::If"][0] == "CalledByBucket"
    queue = ways[1]["QueueConfigurations"]
    function = ways[2]["Fn::If"][1]["LambdaConfigurations"]
    for way in (queue, function):
        events = [configuration["Event"] for configuration in way]
        assert events == ["s3:ObjectCreated:*", "s3:ObjectRestore:Completed"]
    for way in (*queue, *function):
        assert {"Ref": "InputPrefix"} in list(walk(way["Filter"]))
    assert ways[2]["Fn::If"][2] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    rule = properties("UploadRule")
    assert rule["EventPattern"]["detail-type"] == ["Object Created", "Object Restore Completed"]
    assert rule["EventPattern"]["detail"] == {
        "bucket": {"name": [{"Ref": "InputBucket"}]},
        "object": {"key": [{"prefix": {"Ref": "InputPrefix"}}]},
    }
    (target,) = rule["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": ["UploadQueue", "Arn"]}
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["DeadLetters", "Arn"]}}


def test_the_bucket_has_the_name_that_those_who_let_it_in_know() -> None:
    named = properties("InputBucket")["BucketName"]
    for name in ("UploadQueuePolicy", "BucketMayCall"):
        assert named in list(walk(properties(name)))


def test_results_do_not_lie_in_the_bucket_of_the_photos_unless_asked() -> None:
    variables = properties("StyliseFunction")["Environment"]["Variables"]
    assert variables["OUTPUT_BUCKET"]["Fn::If"][1] == {"Ref": "OutputBucket"}
    assert PARAMETERS["OutputBucketName"]["Default"] == ""


def test_every_alarm_is_told_and_every_one_asked_for_is_there() -> None:
    alarms = of_type("AWS::CloudWatch::Alarm")
    assert set(alarms) >= {*ALARMED, "FailuresAlarm", "SpendAlarm"}
    for name, alarm in alarms.items():
        of = alarm["Properties"]
        assert of["AlarmActions"] == of["OKActions"] == [{"Ref": "AlarmTopic"}], name
        assert of["TreatMissingData"] == "notBreaching"
        assert of["AlarmDescription"]
        if name in ALARMED:
            assert (of["Namespace"], of["MetricName"]) == ALARMED[name]
    near = properties("DurationAlarm")
    assert near["ExtendedStatistic"] == "p95"
    assert near["Threshold"] == {"Fn::FindInMap": ["Timeouts", {"Ref": "Timeout"}, "NearMs"]}


def dashboard() -> Any:
    """Its body, as JSON once its names are put in."""
    text = properties("Dashboard")["DashboardBody"]["Fn::Sub"][0]
    return json.loads(re.sub(r"\$\{\w+\}|\$\{AWS::\w+\}", "1", text))


def test_the_dashboard_is_json_and_its_widgets_do_not_overlap() -> None:
    taken = set()
    for widget in dashboard()["widgets"]:
        for x in range(widget["x"], widget["x"] + widget["width"]):
            for y in range(widget["y"], widget["y"] + widget["height"]):
                assert x < 24 and (x, y) not in taken
                taken.add((x, y))


def test_metrics_of_ours_that_are_watched_are_those_that_are_sent(
    sick_s3: Any, invoke: Any, photo: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    watched = {
        value["MetricName"]
        for value in walk(of_type("AWS::CloudWatch::Alarm"))
        if isinstance(value, dict) and value.get("Namespace") == "Kirei"
    }
    for widget in dashboard()["widgets"]:
        above: list[Any] = []
        for row in widget["properties"]["metrics"]:
            above = [above[i] if part == "." else part for i, part in enumerate(row)]
            if above[0] == "Kirei":
                watched.add(above[1])
    assert watched >= {"Stylised", "Refused", "Transient"}
    s3, _ = sick_s3
    put(s3, "uploads/a.jpg", photo)
    put(s3, "uploads/bad.jpg", b"no image")
    put(s3, "uploads/ours.jpg", photo, kirei="0.1.0")
    for key in ("a", "bad", "ours"):
        invoke(s3_event(f"uploads/{key}.jpg"))
    with pytest.raises(Exception, match="SlowDown"):
        invoke(s3_event("uploads/unlucky.jpg"))
    sent = set()
    for line in capsys.readouterr().out.splitlines():
        for group in json.loads(line)["_aws"]["CloudWatchMetrics"]:
            assert group["Namespace"] == "Kirei"
            if group["Dimensions"] == [["service"]]:
                sent |= {metric["Name"] for metric in group["Metrics"]}
    assert watched <= sent
    assert INPUT not in watched


def test_every_parameter_has_a_default_that_is_allowed_and_a_place_in_the_console() -> None:
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    listed = [name for group in groups for name in group["Parameters"]]
    assert sorted(listed) == sorted(PARAMETERS)
    for name, parameter in PARAMETERS.items():
        assert parameter["Description"], name
        default = parameter["Default"]
        assert default in parameter.get("AllowedValues", [default]), name
        assert re.search(parameter.get("AllowedPattern", ""), str(default)), name
    used = (ROOT / "template.yaml").read_text()
    for name in PARAMETERS:
        assert f"!Ref {name}" in used or f"${{{name}}}" in used, name


def test_every_exception_from_a_check_says_why() -> None:
    skipped = [
        skip
        for item in RESOURCES.values()
        for skip in item.get("Metadata", {}).get("checkov", {}).get("skip", [])
    ]
    assert skipped
    for skip in skipped:
        assert len(skip["comment"]) > 40, skip["id"]
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if "checkov:skip" in line:
            assert len(line.partition(": ")[2]) > 40


def test_the_commands_find_the_outputs_that_they_want() -> None:
    wanted = set()
    for path in (ROOT / "operations").glob("*.py"):
        wanted |= set(re.findall(r'\.output\("(\w+)"\)', path.read_text()))
    assert len(wanted) > 6
    assert wanted <= set(TEMPLATE["Outputs"])
    for name in wanted:
        assert "Condition" not in TEMPLATE["Outputs"][name]
