"""Whether causes add up to what the account became: `python -m tests.simulation.attributed`.

Seeds are played until so many cycles are explained. What each promised, less what every cause took,
must be what the **exchange's own log** says the account became: for each asset, to the last digit.
Each file for a tax tool, as a CSV reader has it, must add up to what is there by that log, too.
Kraken's house alone: Alpaca rounds costs within a bound that no row tells (decision 0012).
Prints one line of JSON; exit code 1 with findings, or when no order filled in part or no cycle was
unwound: then it shows nothing.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from arbit.app.reports.explaining import explain_all
from arbit.app.reports.export import Format, export
from arbit.app.store import DATABASE
from arbit.domain.attribution import Cause, added
from arbit.domain.recorded import Recorded
from arbit.domain.records import Book
from arbit.domain.walk import WIDE
from arbit.ledger import FLOW, OPENING
from arbit.persistence.reading import accounts, read_account
from tests.simulation.judge import both_books
from tests.simulation.runner import workshop
from tests.simulation.world import World
from tests.unit.app.test_export import totals

CYCLES = 200


@dataclass
class Sums:
    """What was added up."""

    seeds: int = 0
    cycles: int = 0
    partial_orders: int = 0
    orders_home: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    lines: int = 0
    assets: set[str] = field(default_factory=set)
    causes: Counter[str] = field(default_factory=Counter)
    exported_rows: dict[Format, int] = field(default_factory=lambda: dict.fromkeys(Format, 0))
    off: list[str] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        """As a line of JSON."""
        return {
            "seeds": self.seeds,
            "cycles": self.cycles,
            "ends": dict(sorted(self.ends.items())),
            "partial_orders": self.partial_orders,
            "orders_home": self.orders_home,
            "lines": self.lines,
            "lines_by_cause": dict(sorted(self.causes.items())),
            "assets": sorted(self.assets),
            "exported_rows": {kind.value: rows for kind, rows in self.exported_rows.items()},
            "off": self.off,
        }

    @property
    def shows(self) -> bool:
        """Whether what is hard to explain was among it."""
        return bool(self.partial_orders and self.orders_home and self.ends["unwound"])


def add(sums: Sums, world: World) -> None:
    """One seed that is over."""
    path = world.folder / DATABASE
    for name in accounts(path):
        recorded = read_account(path, name)
        explained = explain_all(recorded)
        sums.seeds += 1
        sums.cycles += len(explained.cycles)
        sums.ends.update(one.state.value for one in recorded.cycles)
        sums.partial_orders += sum(one.state.value == "partial" for one in recorded.orders)
        sums.orders_home += sum(one.purpose.value == "unwind" for one in recorded.orders)
        minus = WIDE.minus
        causes = list[tuple[str, Decimal]]()
        for one in explained.cycles.values():
            sums.lines += len(one.lines)
            sums.causes.update(line.cause.value for line in one.lines)
            for cause in Cause:
                causes += [(what, minus(much)) for what, much in one.shortfall(cause).items()]
        brought = added(
            *(one.expected.items() for one in explained.cycles.values()),
            causes,
            *(moved.items() for moved in explained.unexplained.values()),
            ((one.asset, one.amount) for one in explained.outside),
        )
        there = _there(world)
        became = _became(there, recorded)
        sums.assets.update(brought)
        for asset in {*brought, *became}:
            if (said := brought.get(asset, 0)) != (is_ := became.get(asset, 0)):
                sums.off.append(f"seed {world.plan.seed}: {asset} by its lines {said}, is {is_}")

        for kind in Format:
            text = export(world.folder, name, kind, None).text
            rows = list(csv.DictReader(io.StringIO(text, newline="")))
            sums.exported_rows[kind] += len(rows)
            if (summed := totals(kind, rows)) != there:
                sums.off.append(f"seed {world.plan.seed}: {kind} adds up to {summed}, is {there}")


def _there(world: World) -> dict[str, Decimal]:
    """All that is there by the exchange's log, but for what it took or gave and told nobody of."""
    books = both_books(world.venue.exchange.log.records, world.folder)
    assert not isinstance(books, str), books
    drifts = ((asset, WIDE.minus(amount)) for asset, amount in world.mishaps.drifts.items())
    return added(books[0].balances.items(), drifts)


def _became(there: Mapping[str, Decimal], recorded: Recorded) -> dict[str, Decimal]:
    """Of it what did not come or go by itself."""
    by_itself = (
        (one.asset, WIDE.minus(one.amount))
        for one in recorded.postings
        if one.book is Book.WALLET and one.kind in {OPENING, FLOW}
    )
    return added(there.items(), by_itself)


def played(cycles: int, start: int) -> Sums:
    """Seed after seed until so many cycles are explained."""
    sums, seed = Sums(), start
    with workshop() as disk:
        while sums.cycles < cycles:
            world = World(seed, disk)
            world.run()
            add(sums, world)
            seed += 1
    return sums


def main() -> int:
    """All of it."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("--cycles", type=int, default=CYCLES)
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    asked = parser.parse_args()
    sums = played(asked.cycles, asked.start)
    print(json.dumps(sums.told()))
    return 1 if sums.off or not sums.shows else 0


if __name__ == "__main__":
    raise SystemExit(main())
