"""ministack, an emulator of AWS, with what AWS has and it lacks where this stack needs it.

    .venv-stack/bin/python tests/stack/emulator.py

It runs until it is terminated, on GATEWAY_PORT, with a virtual environment of its own. The template
is deployed as `sam build` leaves it: what differs is put right here, one function for each.
A newer ministack that lacks one of the names below fails at once, by that name.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from ministack.app import main
from ministack.core import iam_evaluator
from ministack.services import apigateway, lambda_svc
from ministack.services.cloudformation import handlers, provisioners

TABLE = provisioners._RESOURCE_HANDLERS
UNAVAILABLE = "AWS::CodeDeploy::Application", "AWS::CodeDeploy::DeploymentGroup"


def count_calls_as_encrypted() -> None:
    """The emulator has no TLS and holds every call for unencrypted; on AWS none of ours is."""
    resolve = iam_evaluator._resolve_condition_key

    def resolved(key: str, context: Any) -> Any:
        return "true" if key.lower() == "aws:securetransport" else resolve(key, context)

    iam_evaluator._resolve_condition_key = resolved


def start_images_under_the_runtime_emulator() -> None:
    """A function's image has no runtime emulator in it: AWS brings its own, here it is mounted."""
    start = lambda_svc._spawn_lambda_container

    def started(config: dict[str, Any], *arguments: Any, **more: Any) -> Any:
        image = lambda_svc._get_docker_client().images.get(config["ImageUri"]).attrs["Config"]
        command = {"EntryPoint": ["/rie", *image["Entrypoint"]], "Command": image["Cmd"]}
        return start(
            {**config, "ImageConfigResponse": {"ImageConfig": command}}, *arguments, **more
        )

    lambda_svc._spawn_lambda_container = started


def read_numbers_of_event_sources() -> None:
    """Parameters reach the emulator as text, which it does not turn into numbers as AWS does."""
    kind = TABLE["AWS::Lambda::EventSourceMapping"]
    create, update = kind["create"], kind["update"]

    def as_numbers(properties: dict[str, Any]) -> dict[str, Any]:
        scaling = {name: int(value) for name, value in properties.get("ScalingConfig", {}).items()}
        return {**properties, "ScalingConfig": scaling}

    kind["create"] = lambda name, new, stack: create(name, as_numbers(new), stack)
    kind["update"] = lambda there, old, new, stack: update(
        there, as_numbers(old), as_numbers(new), stack
    )


def refer_to_secrets_by_arn() -> None:
    """Ref of a secret is its ARN on AWS, and its name here."""
    kind = TABLE["AWS::SecretsManager::Secret"]
    create, update, delete = kind["create"], kind["update"], kind["delete"]

    def name_of(arn: str) -> str:
        return arn.partition(":secret:")[2].rpartition("-")[0]

    def created(*arguments: Any) -> Any:
        _, attributes = create(*arguments)
        return attributes["Id"], attributes

    def updated(arn: str, *arguments: Any) -> Any:
        update(name_of(arn), *arguments)
        return arn, {"Id": arn}

    kind["create"], kind["update"] = created, updated
    kind["delete"] = lambda arn, properties: delete(name_of(arn), properties)


def import_routes() -> None:
    """The emulator ignores an API's OpenAPI document: routes, integrations, CORS, who must sign."""
    kind = TABLE["AWS::ApiGatewayV2::Api"]
    create, update = kind["create"], kind["update"]

    def imported(api: str, properties: dict[str, Any]) -> None:
        body = properties.get("Body")
        if not isinstance(body, dict):
            return
        apigateway._routes[api], apigateway._integrations[api] = {}, {}
        apigateway._apis[api].pop("corsConfiguration", None)
        if body.get("x-amazon-apigateway-cors"):
            apigateway._apis[api]["corsConfiguration"] = body["x-amazon-apigateway-cors"]
        for path, operations in body["paths"].items():
            for method, operation in operations.items():
                if operation.get("isDefaultRoute"):
                    key = "$default"
                else:
                    key = f"{'ANY' if method.startswith('x-') else method.upper()} {path}"
                integration = operation["x-amazon-apigateway-integration"]
                _, _, answer = apigateway._create_integration(
                    api,
                    {
                        "integrationType": "AWS_PROXY",
                        "integrationUri": integration["uri"],
                        "integrationMethod": integration["httpMethod"],
                        "payloadFormatVersion": integration["payloadFormatVersion"],
                    },
                )
                signed = any("AWS_IAM" in each for each in operation.get("security") or [])
                apigateway._create_route(
                    api,
                    {
                        "routeKey": key,
                        "target": f"integrations/{json.loads(answer)['integrationId']}",
                        "authorizationType": "AWS_IAM" if signed else "NONE",
                    },
                )

    def created(name: str, properties: dict[str, Any], stack: str) -> Any:
        api, attributes = create(name, properties, stack)
        imported(api, properties)
        return api, attributes

    def updated(
        there: str, old: dict[str, Any], new: dict[str, Any], *rest: Any, **more: Any
    ) -> Any:
        api, attributes = update(there, old, new, *rest, **more)
        imported(api, new)
        return api, attributes

    kind["create"], kind["update"] = created, updated


def send_stage_variables() -> None:
    """An event of an HTTP API in format 2.0 has its stage's variables on AWS, and not here."""
    run = lambda_svc._execute_function_with_config_scope

    def ran(record: dict[str, Any], event: Any, *arguments: Any, **more: Any) -> Any:
        if isinstance(event, dict) and event.get("version") == "2.0":
            context = event["requestContext"]
            stage = apigateway._stages[context["apiId"]].get(context["stage"]) or {}
            event["stageVariables"] = stage.get("stageVariables") or {}
        return run(record, event, *arguments, **more)

    lambda_svc._execute_function_with_config_scope = ran


def throttle_routes() -> None:
    """A token bucket for each route, of the rate and size that the stage has for it."""
    execute = apigateway._handle_execute_in_scope
    buckets: dict[tuple[str, str], tuple[float, float]] = {}

    async def executed(api: str, stage: str, path: str, method: str, *rest: Any) -> Any:
        route = apigateway._match_route(api, method, "/" + path.lstrip("/"))
        if route:
            of_stage = apigateway._stages[api].get(stage) or {}
            key = route["routeKey"]
            limits = of_stage.get("routeSettings", {}).get(key) or of_stage["defaultRouteSettings"]
            size, rate = (float(limits[f"Throttling{name}Limit"]) for name in ("Burst", "Rate"))
            now = time.monotonic()
            left, at = buckets.get((api, key), (size, now))
            left = min(size, left + (now - at) * rate)
            buckets[api, key] = (left - 1 if left >= 1 else left, now)
            if left < 1:
                return 429, {"Content-Type": "application/json"}, b'{"message":"Too Many Requests"}'
        return await execute(api, stage, path, method, *rest)

    apigateway._handle_execute_in_scope = executed


def update_stacks_of_repositories_without_a_change() -> None:
    """`sam deploy` updates its own stack of repositories each time, changed or not. AWS takes that;
    the emulator says that there is nothing to update.
    """
    refuses = handlers._stack_has_no_updates

    def refused(stack: dict[str, Any], *rest: Any) -> bool:
        return "CompanionStack" not in stack["StackName"] and bool(refuses(stack, *rest))

    handlers._stack_has_no_updates = refused


def let_pass_what_is_not_emulated() -> None:
    """Alarms on expressions, whose expressions have tests of their own, and CodeDeploy."""
    kind = TABLE["AWS::CloudWatch::Alarm"]
    create, update, delete = kind["create"], kind["update"], kind["delete"]

    def created(name: str, properties: dict[str, Any], stack: str) -> Any:
        if properties.get("Metrics"):
            return f"{stack}-{name}", {"Arn": f"arn:aws:cloudwatch:::alarm:{stack}-{name}"}
        return create(name, properties, stack)

    def updated(there: str, old: Any, new: dict[str, Any], *rest: Any, **more: Any) -> Any:
        if new.get("Metrics"):
            return there, {"Arn": f"arn:aws:cloudwatch:::alarm:{there}"}
        return update(there, old, new, *rest, **more)

    def deleted(there: str, properties: dict[str, Any]) -> None:
        if not properties.get("Metrics"):
            delete(there, properties)

    kind["create"], kind["update"], kind["delete"] = created, updated, deleted
    for name in UNAVAILABLE:
        TABLE.setdefault(
            name,
            {
                "create": lambda name, properties, stack: (f"{stack}-{name}", {}),
                "delete": lambda there, properties: None,
            },
        )


if __name__ == "__main__":
    count_calls_as_encrypted()
    start_images_under_the_runtime_emulator()
    read_numbers_of_event_sources()
    refer_to_secrets_by_arn()
    import_routes()
    send_stage_variables()
    throttle_routes()
    update_stacks_of_repositories_without_a_change()
    let_pass_what_is_not_emulated()
    sys.exit(main())
