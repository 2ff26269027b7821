"""Sends what hypothesis makes up through the doors of tests/support/fuzz_targets.py.

    python tests/support/fuzz_run.py [--seconds 60 | --examples 10000] [--seed N] [TARGET...]

The time is for all targets together, the number for each. It prints how many were sent and how
long the slowest took, and ends with 1 and the smallest of what was found: put that into
tests/support/fuzz_finds.py.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from typing import Any

from fuzz_targets import TARGETS, check
from hypothesis import HealthCheck, Phase, given, seed, settings

BATCH = 250  # examples, from one look at the clock to the next


def run(name: str, seconds: float, examples: int, chance: random.Random) -> dict[str, Any]:
    """What was sent to one target, and what was found."""
    told: dict[str, Any] = {"target": name, "sent": 0, "slowest_s": 0.0}
    until_s = time.monotonic() + seconds
    found: list[Any] = []

    def send(value: Any) -> None:
        began_s = time.monotonic()
        try:
            check(name, value)
        except BaseException:
            found[:] = [value]  # the last one that hypothesis tries is the smallest
            raise
        finally:
            told["sent"] += 1
            told["slowest_s"] = max(told["slowest_s"], time.monotonic() - began_s)

    while told["sent"] < examples and time.monotonic() < until_s:
        sending = settings(
            max_examples=BATCH,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )(seed(chance.randrange(2**32))(given(TARGETS[name].strategy)(send)))
        try:
            sending()
        except BaseException as error:  # noqa: BLE001  whatever it is, it is a find
            told["error"] = "".join(traceback.format_exception(error))
            told["find"] = repr(found[0]) if found else None
            break
    return told


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("targets", nargs="*", default=list(TARGETS))
    arguments.add_argument("--seconds", type=float, default=1e9)
    arguments.add_argument("--examples", type=int, default=10**9)
    arguments.add_argument("--seed", type=int, default=random.randrange(2**32))
    given_ = arguments.parse_args()
    print(f"seed {given_.seed}")
    chance = random.Random(given_.seed)
    failed = False
    for name in given_.targets:
        seconds = given_.seconds / len(given_.targets)
        told = run(name, seconds, given_.examples, chance)
        print(f"{name}: {told['sent']} sent, slowest {told['slowest_s']:.2f} s", flush=True)
        if "error" in told:
            failed = True
            print(f"{told['error']}\nfound: {name}: {told['find']}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
