"""What a deployment asks, reads and changes: parameters, sam's configuration, updates, routes."""

from __future__ import annotations

import re
import tomllib

import yaml
from templates import (
    PARAMETERS,
    RESOURCES,
    ROOT,
    TEMPLATE,
    Loader,
    properties,
    routes,
)


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


def test_a_preflight_is_not_asked_for_a_token() -> None:
    closed = routes()["/v1/{proxy+}"]
    assert closed["x-amazon-apigateway-any-method"]["security"]["Fn::If"][0] == "AsksForSignature"
    assert closed["options"]["security"] == []


def test_the_page_has_limits_of_its_own_that_a_first_visit_fits_into() -> None:
    settings = properties("HttpApi")["RouteSettings"]
    visit = set(re.findall(r"app/[\w.-]+", (ROOT / "web" / "index.html").read_text()))
    visit |= set(re.findall(r"app/[\w.-]+", (ROOT / "web" / "sw.js").read_text()))
    assert settings["$default"]["ThrottlingBurstLimit"] >= 2 * len(visit)
    assert properties("HttpApi")["DefaultRouteSettings"]["ThrottlingRateLimit"] == {
        "Ref": "HttpRatePerSecond"
    }
    for key in settings:  # API Gateway refuses settings of a route that is not there
        method, _, path = key.partition(" ")
        assert key == "$default" or method.lower() in routes()[path], key
        assert "$default" in routes()


def test_cloudformation_takes_the_files_as_they_are() -> None:
    """It knows no YAML aliases."""
    for path in (ROOT / "template.yaml", *(ROOT / "stacks").glob("*.yaml")):
        kinds = {type(event) for event in yaml.parse(path.read_text())}
        assert yaml.AliasEvent not in kinds, path.name


def test_the_sections_are_those_that_the_head_of_the_file_lists() -> None:
    text = (ROOT / "template.yaml").read_text()
    listed = re.findall(r"^#     (\d\. .+)$", text, re.MULTILINE)
    assert re.findall(r"^  # === (\d\. .+?) =+$", text, re.MULTILINE) == listed
    assert len(listed) > 6


def test_an_update_from_the_last_release_renames_nothing() -> None:
    """A resource under another logical id is made anew, and then the old one deleted: what has a
    name of its own would be gone.
    """
    released = ROOT / "tests" / "stack" / "released-0.1.0.yaml"
    before = yaml.load(released.read_text(), Loader)
    for name, item in before["Resources"].items():
        assert RESOURCES.get(name, {}).get("Type") == item["Type"], name
    for kind in ("Parameters", "Outputs"):
        assert set(before[kind]) <= set(TEMPLATE[kind])
    for name, parameter in before["Parameters"].items():
        assert PARAMETERS[name]["Default"] == parameter["Default"], name
    for name in ("InputBucket", "UploadQueue", "DeadLetters", "Dashboard", "UploadRule"):
        named = ("BucketName", "QueueName", "DashboardName", "Name")
        old = before["Resources"][name]["Properties"]
        assert [old.get(key) for key in named] == [properties(name).get(key) for key in named]


def test_what_sam_reads_builds_and_deploys_alike_and_asks_nothing() -> None:
    configuration = tomllib.loads((ROOT / "samconfig.toml").read_text())
    for environment in ("default", "repository"):
        shared = configuration[environment]["global"]["parameters"]
        deploy = configuration[environment]["deploy"]["parameters"]
        assert deploy["confirm_changeset"] is False and deploy["resolve_s3"] is True
        names = {item.partition("=")[0] for item in shared["parameter_overrides"]}
        assert {"Architecture", "Engine"} <= names <= set(PARAMETERS)
        assert "parameter_overrides" not in deploy  # it would be what sam build does not read
