"""``kirei failures``, ``kirei redrive`` and ``kirei backfill``: for whoever runs a stack."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from importlib.util import find_spec
from typing import Any

import click

from pipeline import KireiError, Options, Pipeline, Settings

# said when a command is looked up, so that it costs no import of these
if find_spec("boto3") is None or find_spec("aws_lambda_powertools") is None:
    raise ImportError("it needs the extra aws: pip install '.[aws]'")

from operations.estimate import PRICES_OF, Estimate, Prices
from operations.stack import OperationsError, Stack, default_stack, named_errors

DEFAULT_AT_ONCE = 100

_stack_option = click.option(
    "--stack", default=default_stack, help="the stack's name  [default: $KIREI_STACK, or kirei]"
)


@contextmanager
def _one_line() -> Iterator[None]:
    """What goes wrong is one line and exit code 1."""
    try:
        with named_errors():
            yield
    except (OperationsError, KireiError) as error:
        click.echo("kirei: " + " ".join(str(error).split()), err=True)
        sys.exit(1)


@click.command()
@_stack_option
@click.option(
    "--most", default=1000, show_default=True, type=click.IntRange(1), help="of each kind"
)
@click.option("--json", "print_json", is_flag=True, help="one line of JSON for each")
def failures(stack: str, most: int, print_json: bool) -> None:
    """List what failed: uploads that failed five times (dead_letter), calls without waiting that
    failed three times (failed_event), and photos that were refused. Nothing is changed.
    """
    from operations.failures import failures as found

    count = 0
    with _one_line():
        for failure in found(Stack.find(stack), most):
            count += 1
            if print_json:
                click.echo(json.dumps(failure.as_dict(), ensure_ascii=False))
            else:
                place = f"s3://{failure.bucket}/{failure.key}" if failure.bucket else "?"
                said = f"{failure.code}: {failure.why}" if failure.code else failure.why
                click.echo(f"{failure.at}  {failure.kind:12}  {place}  {said}")
    if not count and not print_json:
        click.echo("kirei: nothing failed", err=True)


@click.command()
@_stack_option
@click.option("--refused", is_flag=True, help="also the photos that were refused")
@click.option("--code", help="of these, only those refused with this code")
def redrive(stack: str, refused: bool, code: str | None) -> None:
    """Replay what failed: dead letters, calls that failed for good and, if asked, refused photos.

    What fails again is where it was. What had been drawn meanwhile is not drawn again.
    """
    from operations.redrive import ask_again, call_again, move_dead_letters

    if code and not refused:
        raise click.UsageError("--code is for --refused")
    with _one_line():
        found = Stack.find(stack)
        click.echo(f"{move_dead_letters(found)} dead letters are back in the queue of uploads")
        count, foreign = call_again(found)
        click.echo(f"{count} failed calls were made again")
        for name in foreign:
            click.echo(f"message {name} of FailedEvents is no record of Lambda's: left", err=True)
        if refused:
            click.echo(f"{ask_again(found, code)} refused photos are in the queue of uploads")


def _options_as_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    for item in reversed(fields(Options)):
        flag = f"--{item.name.replace('_', '-')}"
        command = click.option(flag, item.name, help=item.metadata["about"])(command)
    return command


@click.command()
@_stack_option
@click.option("--bucket", default="", help="where the photos lie")
@click.option("--job", "job_id", help="tell how far this job is, and what failed in it; begin none")
@click.option("--prefix", default="", help="of their keys; empty is all of the bucket")
@click.option("--suffix", "suffixes", multiple=True, help="of their keys, such as .jpg; repeatable")
@click.option("--dry-run", is_flag=True, help="count and reckon only")
@click.option("--yes", is_flag=True, help="begin without asking")
@click.option("--json", "print_json", is_flag=True, help="the estimate as one line of JSON")
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    help="that one photo takes  [default: as the function took of late, else 1]",
)
@click.option(
    "--at-once",
    default=DEFAULT_AT_ONCE,
    show_default=True,
    type=click.IntRange(1),
    help="runs at once that the account and ReservedConcurrency allow, for the time it takes",
)
@click.option(
    "--price", "prices", multiple=True, metavar="NAME=DOLLARS", help="another price; repeatable"
)
@_options_as_flags
def backfill(
    stack: str,
    bucket: str,
    job_id: str | None,
    prefix: str,
    suffixes: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    print_json: bool,
    seconds: float | None,
    at_once: int,
    prices: tuple[str, ...],
    **given: str | None,
) -> None:
    """Draw the photos that lie in a bucket, by a job of S3 Batch Operations.

    They are counted and the cost is reckoned first; then you are asked. Photos that were drawn
    before, with the same options, are not drawn again: a job that was stopped can be begun anew.
    """
    from operations.backfill import Wanted, begun, check_readable, counted, job_request
    from operations.estimate import estimate

    if job_id:
        _tell_job(stack, job_id, print_json)
        return
    if not bucket:
        raise click.UsageError("--bucket says where the photos lie, or --job which job to look at")
    options = {name: value for name, value in given.items() if value is not None}
    with _one_line():
        known = Prices.changed(prices)
        _check(options)
        found = Stack.find(stack)
        wanted = Wanted(bucket, prefix, suffixes)
        check_readable(found, wanted)
        request = job_request(found, wanted, options)
        reckoned = estimate(counted(found, wanted, seconds, at_once), known)
        click.echo(_told(reckoned) if not print_json else json.dumps(reckoned.as_dict()))
        if dry_run:
            return
        if not reckoned.work.photos:
            raise OperationsError(f"s3://{bucket}/{prefix} holds no such photo")
        if not yes:
            click.confirm("Begin?", abort=True, err=True)
        job = begun(request)
    account = request["AccountId"]
    click.echo(f"job {job} has begun; it lists the photos first, which takes minutes to hours")
    click.echo(f"  kirei backfill --stack {stack} --job {job}")
    cancel = "--requested-job-status Cancelled"
    click.echo(f"  aws s3control update-job-status --account-id {account} --job-id {job} {cancel}")


def _tell_job(stack: str, job_id: str, print_json: bool) -> None:
    from operations.batch_job import failed_tasks, job_state

    with _one_line():
        found = Stack.find(stack)
        state = job_state(found, job_id)
        tasks = list(failed_tasks(found, job_id))
    if print_json:
        failed = [task.as_dict() for task in tasks]
        click.echo(json.dumps({**state.as_dict(), "failed_tasks": failed}, ensure_ascii=False))
        return
    counts = f"{state.succeeded} drawn, {state.failed} failed, of {state.total}"
    click.echo(f"{state.status}: {counts}")
    for reason in state.reasons:
        click.echo(f"  {reason}")
    for task in tasks:
        click.echo(f"s3://{task.bucket}/{task.key}  {task.code}: {task.message}")


def _check(options: dict[str, str]) -> None:
    """What is wrong, or wants a network that is not there, is found here and not ten million
    times. The layer at hand (KIREI_WEIGHTS_DIR) is taken for the deployed one.
    """
    Pipeline(Settings.from_environment(os.environ)).check(Options.from_mapping(options))


def _told(reckoned: Estimate) -> str:
    work, dollars = reckoned.work, reckoned.dollars
    lines = [
        f"{work.photos} photos, {work.bytes / 1e9:.2f} GB",
        f"{work.seconds_each:.2f} s each ({work.seconds_from}), {work.memory_mb} MB of memory",
        f"{reckoned.hours:.2f} hours with {work.at_once} at once",
        f"function          ${dollars['function']:.2f}",
        f"requests to S3    ${dollars['requests']:.2f}",
        f"Batch Operations  ${dollars['batch_operations']:.2f}",
        f"together          ${reckoned.total:.2f}  (list prices of {PRICES_OF}, us-east-1)",
        f"and for keeping   ${dollars['storage_per_month']:.2f} a month",
    ]
    return "\n".join(lines)
