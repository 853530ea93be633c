"""What cycles cost and earned over a day: each at the prices of the moment in which it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

from arbit.domain.records import Batch
from tests import checker
from tests.patches import replaced
from tests.simulation import worth
from tests.simulation.market import USD
from tests.simulation.world import World

Blind = Callable[[Mapping[str, Any]], frozenset[str]]


class Then:
    """Remembers what everything was worth when each cycle ended."""

    def __init__(self) -> None:
        self._at: dict[str, dict[str, Decimal]] = {}

    def committed(self, batch: Batch) -> None:
        """What was written just now."""
        for record in batch.cycles:
            if record.ended_ns:
                self._at.setdefault(record.cycle_id, dict(USD))

    @contextmanager
    def judged(self) -> Iterator[None]:
        """Cycles are judged each by itself, at its own prices, while this is open."""
        dear, told = worth.too_dear, worth.misreported

        def too_dear(world: World, database: checker.Database) -> Iterator[str]:
            for alone in self._one_by_one(database):
                yield from dear(world, alone)

        def misreported(
            database: checker.Database, lost: Mapping[str, set[str]], blind: Blind
        ) -> Iterator[str]:
            for alone in self._one_by_one(database):
                yield from told(alone, lost, blind)

        with replaced([(worth, "too_dear", too_dear), (worth, "misreported", misreported)]):
            yield

    def _one_by_one(self, database: checker.Database) -> Iterator[checker.Database]:
        """The database of each cycle alone, everything priced as when it ended."""
        now, orders = dict(USD), _by(database.orders, "cycle_id")
        fills: dict[str, dict[str, Any]] = {}
        for client_id, of in _by(database.fills, "client_id").items():
            cycle_id = database.orders.get(client_id, {}).get("cycle_id", "")
            fills.setdefault(cycle_id, {}).update(of)
        try:
            for cycle_id, row in database.cycles.items():
                USD.update(self._at.get(cycle_id, now))
                yield replace(
                    database,
                    cycles={cycle_id: row},
                    orders=orders.get(cycle_id, {}),
                    fills=fills.get(cycle_id, {}),
                )
        finally:
            USD.update(now)


def _by(rows: Mapping[str, Any], name: str) -> dict[str, dict[str, Any]]:
    """Rows by the value of one of their columns, and then by their own names."""
    found: dict[str, dict[str, Any]] = {}
    for key, row in rows.items():
        found.setdefault(row[name], {})[key] = row
    return found
