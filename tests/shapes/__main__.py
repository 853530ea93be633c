"""Every reply shape and every error text at every leg, the unwinding and the recovery.

`python -m tests.shapes [--transport ws|rest] [--phase leg_1]`: minutes, many cases side by side.
Exit code 1 with what was found.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

from tests.shapes.cases import PHASES, Case, all_cases
from tests.shapes.run import run_case


async def campaign(cases: list[Case], side_by_side: int) -> list[str]:
    """Run all cases; the findings, each with its case."""
    gate, found, done = asyncio.Semaphore(side_by_side), list[str](), 0

    async def one(case: Case) -> None:
        nonlocal done
        async with gate:
            try:
                problems = await run_case(case)
            except (TimeoutError, AssertionError) as error:
                problems = [f"{type(error).__name__} {error}"]
            except Exception as error:  # noqa: BLE001  a case that breaks is a finding
                problems = [f"{type(error).__name__}: {error}"]
            found.extend(f"{case}: {problem}" for problem in problems)
            done += 1
            if done % 50 == 0:
                sys.stdout.write(f"{done} of {len(cases)} cases, {len(found)} findings\n")
                sys.stdout.flush()

    async with asyncio.TaskGroup() as group:
        for case in cases:
            group.create_task(one(case))
    return found


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--transport", choices=("ws", "rest", "both"), default="both")
    parser.add_argument("--phase", choices=(*PHASES, "all"), default="all")
    parser.add_argument("--side-by-side", type=int, default=12)
    options = parser.parse_args()
    transports = ("ws", "rest") if options.transport == "both" else (options.transport,)
    cases = [c for c in all_cases(transports) if options.phase in ("all", c.phase)]
    began = time.monotonic()
    found = asyncio.run(campaign(cases, options.side_by_side))
    for line in found:
        sys.stdout.write(line + "\n")
    took = time.monotonic() - began
    sys.stdout.write(f"{len(cases)} cases, {len(found)} findings, {took:.0f} s\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
