"""``kirei failures``, ``kirei redrive`` and ``kirei backfill``, for the operator of a stack."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from importlib.util import find_spec
from typing import Any

import click

from adapters.tasks import OPTIONS, STYLISE, TASK, options_of
from pipeline import KireiError, Pipeline, Settings, errors_on_one_line, task_flags

# Checked when a command is looked up, without importing these.
if find_spec("boto3") is None:
    raise ImportError('it needs boto3: pip install "boto3>=1.38,<2"')

from operations.estimate import PRICES_OF, Estimate, Prices
from operations.stack import OperationsError, Stack, default_stack, named_aws_errors

DEFAULT_AT_ONCE = 100

_stack_option = click.option(
    "--stack", default=default_stack, help="name of the stack  [default: $KIREI_STACK, or kirei]"
)


@contextmanager
def _named_errors() -> Iterator[None]:
    with errors_on_one_line(OperationsError, KireiError), named_aws_errors():
        yield


@click.command()
@_stack_option
@click.option(
    "--most", default=1000, show_default=True, type=click.IntRange(1), help="limit for each kind"
)
@click.option("--json", "print_json", is_flag=True, help="print each as one line of JSON")
def failures(stack: str, most: int, print_json: bool) -> None:
    """List what failed. Nothing is changed.

    These are uploads that failed five times (dead_letter), asynchronous calls that failed three
    times (failed_event), long clips that could not be drawn (long_clip), and photos that were
    refused (refused).
    """
    from operations.failures import list_failures

    count = 0
    with _named_errors():
        for failure in list_failures(Stack.find(stack), most):
            count += 1
            if print_json:
                click.echo(json.dumps(failure.as_dict(), ensure_ascii=False))
            else:
                location = f"s3://{failure.bucket}/{failure.key}" if failure.bucket else "?"
                reason = f"{failure.code}: {failure.why}" if failure.code else failure.why
                click.echo(f"{failure.at}  {failure.kind:12}  {location}  {reason}")
    if not count and not print_json:
        click.echo("kirei: nothing failed", err=True)


@click.command()
@_stack_option
@click.option("--refused", is_flag=True, help="also replay the photos that were refused")
@click.option("--code", help="of the refused photos, only those with this error code")
def redrive(stack: str, refused: bool, code: str | None) -> None:
    """Replay what failed: dead letters, failed calls, long clips and, with --refused, refusals.

    What fails again returns to where it was. What was drawn in the meantime is not drawn again.
    """
    from operations.long_clips import MACHINE, redrive_clips
    from operations.redrive import move_dead_letters, repeat_failed_calls, resubmit_refused

    if code and not refused:
        raise click.UsageError("--code needs --refused")
    with _named_errors():
        found_stack = Stack.find(stack)
        click.echo(f"{move_dead_letters(found_stack)} dead letters moved to the upload queue")
        count, foreign_ids = repeat_failed_calls(found_stack)
        click.echo(f"{count} failed calls repeated")
        for message_id in foreign_ids:
            click.echo(
                f"message {message_id} of FailedEvents is not a record of Lambda: not touched",
                err=True,
            )
        if MACHINE in found_stack.outputs:
            click.echo(f"{redrive_clips(found_stack)} long clips gone on with")
        if refused:
            count = resubmit_refused(found_stack, code)
            click.echo(f"{count} refused photos sent to the upload queue")


@dataclass(frozen=True)
class BackfillFlags:
    """The flags of ``kirei backfill``, but for the options of the pictures."""

    stack: str
    bucket: str
    job_id: str | None
    prefix: str
    suffixes: tuple[str, ...]
    dry_run: bool
    yes: bool
    print_json: bool
    seconds: float | None
    at_once: int
    prices: tuple[str, ...]


@click.command()
@_stack_option
@click.option("--bucket", default="", help="the photos' bucket")
@click.option("--job", "job_id", help="show the progress and the failures of this job; begin none")
@click.option("--prefix", default="", help="start of their keys; empty for the whole bucket")
@click.option("--suffix", "suffixes", multiple=True, help="end of their keys, .jpg; repeatable")
@click.option("--dry-run", is_flag=True, help="only count the photos and estimate the cost")
@click.option("--yes", is_flag=True, help="begin without asking")
@click.option("--json", "print_json", is_flag=True, help="print the estimate as one line of JSON")
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    help="time for one photo  [default: the function's recent mean, or 1]",
)
@click.option(
    "--at-once",
    default=DEFAULT_AT_ONCE,
    show_default=True,
    type=click.IntRange(1),
    help="concurrent runs that the account and ReservedConcurrency allow, to estimate the time",
)
@click.option(
    "--price", "prices", multiple=True, metavar="NAME=DOLLARS", help="replace a price; repeatable"
)
@click.option(
    "--task",
    type=click.Choice([*OPTIONS]),
    help="what is done with all of them  [default: by prefix and metadata of each, as in a bucket]",
)
@task_flags
def backfill(**flags: Any) -> None:
    """Draw the photos that are already in a bucket, with a job of S3 Batch Operations.

    The photos are counted and the cost is estimated first; then you are asked. Photos that were
    already drawn with the same options are not drawn again: a stopped job can be started again.
    Clips are drawn as well, and with --task colour line drawings are coloured.
    """
    names = {item.name for item in fields(BackfillFlags)}
    run_flags = BackfillFlags(**{name: flags[name] for name in names})
    options = {
        name: value for name, value in flags.items() if name not in names and value is not None
    }
    with _named_errors():
        _backfill(run_flags, options)


def _backfill(flags: BackfillFlags, options: dict[str, str]) -> None:
    from operations.backfill import (
        Selection,
        check_readable,
        check_task,
        count_photos,
        create_job,
        job_request,
    )
    from operations.estimate import estimate

    if flags.job_id:
        _show_job(flags.stack, flags.job_id, flags.print_json)
        return
    if not flags.bucket:
        raise click.UsageError("--bucket names the photos' bucket, --job a job to look at")
    prices = Prices.with_changes(flags.prices)
    _check(options)
    stack = Stack.find(flags.stack)
    selection = Selection(flags.bucket, flags.prefix, flags.suffixes)
    check_readable(stack, selection)
    check_task(stack, selection, options)
    request = job_request(stack, selection, options)
    cost = estimate(count_photos(stack, selection, flags.seconds, flags.at_once), prices)
    click.echo(json.dumps(cost.as_dict()) if flags.print_json else _summary(cost))
    if flags.dry_run:
        return
    if not cost.work.photos:
        raise OperationsError(f"s3://{flags.bucket}/{flags.prefix} holds no such photo")
    if not flags.yes:
        click.confirm("Begin?", abort=True, err=True)
    job, account = create_job(request), request["AccountId"]
    click.echo(f"job {job} was created; first it lists the photos, which takes minutes to hours")
    click.echo(f"  kirei backfill --stack {flags.stack} --job {job}")
    cancel = "--requested-job-status Cancelled"
    click.echo(f"  aws s3control update-job-status --account-id {account} --job-id {job} {cancel}")


def _show_job(stack_name: str, job_id: str, print_json: bool) -> None:
    from operations.batch_job import failed_tasks, job_state

    stack = Stack.find(stack_name)
    state = job_state(stack, job_id)
    tasks = list(failed_tasks(stack, job_id))
    if print_json:
        failed = [task.as_dict() for task in tasks]
        click.echo(json.dumps({**state.as_dict(), "failed_tasks": failed}, ensure_ascii=False))
        return
    click.echo(f"{state.status}: {state.succeeded} drawn, {state.failed} failed, of {state.total}")
    for reason in state.reasons:
        click.echo(f"  {reason}")
    for task in tasks:
        click.echo(f"s3://{task.bucket}/{task.key}  {task.code}: {task.message}")


def _check(options: dict[str, str]) -> None:
    """Checks the options here, once, and not for every photo.

    The weights at hand (KIREI_WEIGHTS_DIR) stand for the deployed ones.
    """
    by_name = {name: value for name, value in options.items() if name != TASK}
    order = options_of(options.get(TASK, STYLISE), by_name)
    Pipeline(Settings.from_environment(os.environ)).check(order)


def _summary(cost: Estimate) -> str:
    work, dollars = cost.work, cost.dollars
    lines = [
        f"{work.photos} photos, {work.bytes / 1e9:.2f} GB",
        f"{work.seconds_each:.2f} s each ({work.seconds_from}), {work.memory_mb} MB of memory",
        f"{cost.hours:.2f} hours with {work.at_once} at once",
        f"function          ${dollars['function']:.2f}",
        f"requests to S3    ${dollars['requests']:.2f}",
        f"Batch Operations  ${dollars['batch_operations']:.2f}",
        f"together          ${cost.total:.2f}  (list prices of {PRICES_OF}, us-east-1)",
        f"and for storage   ${dollars['storage_per_month']:.2f} a month",
    ]
    return "\n".join(lines)


@click.command()
@_stack_option
@click.option(
    "--days", default=14, show_default=True, type=click.IntRange(1, 63), help="to look at"
)
@click.option(
    "--price", "prices", multiple=True, metavar="NAME=DOLLARS", help="replace a price; repeatable"
)
@click.option("--json", "print_json", is_flag=True, help="print one line of JSON")
def costs(stack: str, days: int, prices: tuple[str, ...], print_json: bool) -> None:
    """Show what the stack costs: each month while idle, and for a thousand photos.

    The second is measured: the function's time and the pictures of the last days, by CloudWatch.
    """
    from operations.costs import costs as reckon
    from operations.costs import inventory, usage

    with _named_errors():
        found_stack = Stack.find(stack)
        known = Prices.with_changes(prices)
        result = reckon(inventory(found_stack), usage(found_stack, days), known)
    if print_json:
        click.echo(json.dumps(result.as_dict()))
        return
    click.echo(f"idle, a month              ${sum(result.idle_beyond_free.values()):.2f}")
    click.echo(f"  if nothing were free     ${sum(result.idle.values()):.2f}")
    for name, dollars in result.idle.items():
        click.echo(f"    {name:22} ${dollars:.2f}")
    if result.per_thousand is None:
        click.echo(f"no picture was drawn in the last {days} days")
        return
    used = result.usage
    click.echo(f"a thousand photos          ${sum(result.per_thousand.values()):.3f}")
    for name, dollars in result.per_thousand.items():
        click.echo(f"    {name:22} ${dollars:.4f}")
    each_s = used.seconds / used.photos
    click.echo(f"  of {used.photos:.0f} photos in {used.days} days, {each_s:.2f} s each")
    click.echo(f"list prices of {PRICES_OF}, us-east-1; --price NAME=DOLLARS replaces one")
