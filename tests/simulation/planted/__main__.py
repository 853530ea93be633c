"""`PLANTED=NAME python -m tests.simulation.planted`: as `tests.simulation`, with that bug planted.

Its bugs are those that another process would show, and one alone would not.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Callable
from dataclasses import replace

from tests.patches import Sets, patched
from tests.simulation import __main__ as simulation
from tests.simulation import houses
from tests.simulation.plan import Plan
from tests.simulation.plan import plan_of as drawn

NAME = "PLANTED"
DAYS = 1_000


def _late(*days: Callable[[], int]) -> Callable[[Sets], None]:
    """A seed's latency depends on what this process believes; which belief, on the seed."""

    def plant(sets: Sets) -> None:
        def plan_of(seed: int) -> Plan:
            plan = drawn(seed)
            BEFORE.append(seed)
            believed = days[seed % len(days)]()
            return replace(plan, latency_ms=plan.latency_ms + believed % DAYS / 100)

        sets(houses, "KRAKEN", replace(houses.KRAKEN, plan_of=plan_of))

    return plant


BEFORE: list[int] = []  # the seeds that this process has drawn
# By seed, from 0: nothing is believed where nothing is planted, so such seeds tell the same.
BELIEFS: dict[str, Callable[[], int]] = {
    "nothing": lambda: 0,
    "nothing either": lambda: 0,
    "datetime": lambda: dt.datetime.now(dt.UTC).toordinal(),
    "clock_gettime": lambda: int(time.clock_gettime(time.CLOCK_REALTIME)) // 86_400,
    "hash order": lambda: [*{"a", "b", "c", "d", "e", "f", "g", "h"}].index("a"),
    "what came before": lambda: len({*BEFORE}),
}
PLANTS: dict[str, Callable[[Sets], None]] = {
    "beliefs": _late(*BELIEFS.values()),
}


def main() -> int:
    """The exit code of the simulation."""
    with patched(PLANTS[os.environ[NAME]]):
        return simulation.main()


if __name__ == "__main__":
    raise SystemExit(main())
