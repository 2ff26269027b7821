"""A stand-in for S3 Batch Operations, which no emulator runs, on moto's S3 and the real handler.

It reads CreateJob as botocore's model has it, lists the bucket as the manifest's generator is asked
to, calls the function as the job's role may, and writes the report as real jobs do. What the role
allows is read from template.yaml.
"""

from __future__ import annotations

import csv
import fnmatch
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote_plus
from xml.etree import ElementTree

import botocore.session
from botocore.model import ServiceModel

MODEL = ServiceModel(
    botocore.session.get_session()
    .get_component("data_loader")
    .load_service_model("s3control", "service-2")
)
SCHEMA = "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage"


def violations(value: Any, shape: Any, at: str = "CreateJob") -> Iterator[str]:
    """What of a request the service would refuse: by type, enum, pattern, length, and what is
    missing. botocore itself looks at types, least lengths and missing members alone.
    """
    if shape.type_name == "structure":
        yield from (f"{at}: no {name}" for name in shape.required_members if name not in value)
        yield from (f"{at}: unknown {name}" for name in value if name not in shape.members)
        for name in set(value) & set(shape.members):
            yield from violations(value[name], shape.members[name], f"{at}.{name}")
        return
    if shape.type_name == "list":
        for item in value:
            yield from violations(item, shape.member, f"{at}[]")
    if shape.type_name == "map":
        for key, item in value.items():
            yield from violations(key, shape.key, f"{at} key")
            yield from violations(item, shape.value, f"{at}.{key}")
    if shape.type_name in ("string", "list", "map"):
        yield from _out_of_bounds(value, shape.metadata, at)


def _out_of_bounds(value: Any, facts: Mapping[str, Any], at: str) -> Iterator[str]:
    """What of a text, a list or a map is against its shape's facts."""
    if not facts.get("min", 0) <= len(value) <= facts.get("max", len(value)):
        yield f"{at}: {len(value)} long"
    if "enum" in facts and value not in facts["enum"]:
        yield f"{at}: {value} is none of {facts['enum']}"
    if "pattern" in facts and not re.search(facts["pattern"], value):
        yield f"{at}: {value} does not match {facts['pattern']}"


def _tree(element: ElementTree.Element) -> Any:
    """A request's XML as names and values; ``member`` lists and the map's entries as lists."""
    children = list(element)
    if not children:
        return element.text or ""
    names = [child.tag.rpartition("}")[2] for child in children]
    if set(names) <= {"member", "entry"}:
        return [_tree(child) for child in children]
    return dict(zip(names, map(_tree, children), strict=True))


def _matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


class Role:
    """What the statements of a policy allow."""

    def __init__(self, statements: list[dict[str, Any]]) -> None:
        self._statements = statements

    def check(self, action: str, resource: str) -> None:
        """Raises PermissionError."""
        for statement in self._statements:
            actions, resources = (
                [value] if isinstance(value, str) else value
                for value in (statement["Action"], statement["Resource"])
            )
            if _matches(action, actions) and _matches(resource, resources):
                return
        raise PermissionError(f"{action} on {resource}")


class BatchOperations:
    """Jobs by their id. ``create`` and ``describe`` answer as the service does, in XML."""

    def __init__(self, s3: Any, role: Role, function: Callable[[Any], Any]) -> None:
        self._s3, self._role, self._function = s3, role, function
        self.requests: list[Any] = []
        self._jobs: dict[str, dict[str, int]] = {}

    def create(self, body: bytes) -> str:
        request = _tree(ElementTree.fromstring(body))
        self.requests.append(request)
        job_id = f"job-{len(self.requests)}"
        self._jobs[job_id] = self._run(job_id, request)
        return f"<CreateJobResult><JobId>{job_id}</JobId></CreateJobResult>"

    def describe(self, job_id: str) -> str:
        counts = "".join(f"<{name}>{value}</{name}>" for name, value in self._jobs[job_id].items())
        return (
            f"<DescribeJobResult><Job><JobId>{job_id}</JobId><Status>Complete</Status>"
            f"<ProgressSummary>{counts}</ProgressSummary></Job></DescribeJobResult>"
        )

    def _manifest(self, generator: dict[str, Any]) -> list[tuple[str, str]]:
        """Bucket and key of each object that the job is about."""
        self._role.check("s3:PutInventoryConfiguration", generator["SourceBucket"])
        bucket = generator["SourceBucket"].rpartition(":")[2]
        names = generator.get("Filter", {}).get("KeyNameConstraint", {})
        prefixes = tuple(names.get("MatchAnyPrefix", [""]))
        suffixes = tuple(names.get("MatchAnySuffix", [""]))
        listed = self._s3.list_objects_v2(Bucket=bucket).get("Contents", [])
        return [
            (bucket, item["Key"])
            for item in listed
            if item["Key"].startswith(prefixes) and item["Key"].endswith(suffixes)
        ]

    def _run(self, job_id: str, request: dict[str, Any]) -> dict[str, int]:
        invoke = request["Operation"]["LambdaInvoke"]
        arguments = {item["key"]: item["value"] for item in invoke.get("UserArguments", [])}
        manifest = self._manifest(request["ManifestGenerator"]["S3JobManifestGenerator"])
        failed: list[list[str]] = []
        for number, (bucket, key) in enumerate(manifest):
            self._role.check("lambda:InvokeFunction", invoke["FunctionArn"])
            task = {"taskId": str(number), "s3Key": quote_plus(key), "s3VersionId": None}
            answer = self._function(
                {
                    "invocationSchemaVersion": invoke["InvocationSchemaVersion"],
                    "invocationId": f"{job_id}-{number}",
                    "job": {"id": job_id, "userArguments": arguments},
                    "tasks": [{**task, "s3Bucket": bucket}],
                }
            )
            (result,) = answer["results"]
            assert result["taskId"] == str(number)
            if result["resultCode"] != "Succeeded":
                message = result["resultString"]
                row = [bucket, quote_plus(key), "", "failed", "200", result["resultCode"], message]
                failed.append(row)
        if failed:
            self._report(job_id, request["Report"], failed)
        return {
            "TotalNumberOfTasks": len(manifest),
            "NumberOfTasksSucceeded": len(manifest) - len(failed),
            "NumberOfTasksFailed": len(failed),
        }

    def _report(self, job_id: str, report: dict[str, Any], rows: list[list[str]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        data = text.getvalue().encode()
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        folder = f"{report['Prefix']}/job-{job_id}"
        bucket = report["Bucket"].rpartition(":")[2]
        result = {
            "TaskExecutionStatus": "failed",
            "Bucket": bucket,
            "MD5Checksum": digest,
            "Key": f"{folder}/results/{digest}.csv",
        }
        manifest = {"Format": report["Format"], "Results": [result], "ReportSchema": SCHEMA}
        for key, body in (
            (result["Key"], data),
            (f"{folder}/manifest.json", json.dumps(manifest).encode()),
        ):
            self._role.check("s3:PutObject", f"{report['Bucket']}/{key}")
            self._s3.put_object(Bucket=bucket, Key=key, Body=body)
