"""What cycles cost and earn: the budget of a way home, and the figures told of them.

Priced by the market that stands still (`watch.USD`); what moves meanwhile has its allowance.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from tests import checker
from tests.simulation.market import USD

if TYPE_CHECKING:
    from tests.simulation.world import World

BPS = Decimal(10_000)
MOVED_USD = Decimal("0.05")  # what prices do to what is left over: it is worth some dollars
OFF = Decimal("0.03")  # of what was moved: a pair is shifted by as much as that


def too_dear(world: World, database: checker.Database) -> Iterator[str]:
    """Cycles that were brought home at a loss beyond their budget."""
    budget = world.settings.risk.unwind_budget_bps / BPS
    for cycle_id, row in database.cycles.items():
        if row["state"] != "unwound":
            continue
        start, moved = row["start_asset"], world.watch.moved[f"ab{cycle_id}"]
        _, side, _, _, qty, limit, _ = json.loads(row["plan"])[0]
        stake = Decimal(qty) * (Decimal(limit) if side == "buy" else 1)
        left = [amount * USD.get(asset, 0) for asset, amount in moved.items() if asset != start]
        lost = -moved[start] * USD[start] - sum(left)
        most = stake * budget * USD[start]
        if lost > most + MOVED_USD:
            yield f"cycle {cycle_id}: home at a loss of {lost:.3f} USD, its budget is {most:.3f}"


def _came_in(moved: Mapping[str, Decimal], start: str) -> list[Decimal]:
    """What any of the assets beside the start asset that came in are worth together, in USD."""
    sums = [Decimal(0)]
    for asset, amount in moved.items():
        if asset not in {start, "USD"} and amount > 0:
            sums += [one + amount * USD[asset] for one in sums]
    return sums


def misreported(database: checker.Database) -> Iterator[str]:
    """Cycles whose result in the reference asset is not what their fills are worth."""
    cycle_of = {client_id: row["cycle_id"] for client_id, row in database.orders.items()}
    moved: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for fill in database.fills.values():
        cycle_id = cycle_of.get(fill["client_id"], "")
        for asset, amount in checker.moved_by(fill).items():
            moved[cycle_id][asset] += amount
    for cycle_id, row in database.cycles.items():
        if row["profit_ref"] is None:
            continue
        worth = [amount * USD[asset] for asset, amount in moved[cycle_id].items()]
        told, is_worth = Decimal(row["profit_ref"]), sum(worth, Decimal(0))
        off = sum(map(abs, worth)) * OFF
        # What came in of an asset that nobody prices, as after a start, counts for nothing.
        unpriced = _came_in(moved[cycle_id], row["start_asset"])
        if not any(abs(told - is_worth + less) <= off for less in unpriced):
            yield f"cycle {cycle_id}: profit_ref {told}, its fills are worth {is_worth:.4f} USD"


def incidents_by_kind(reader: sqlite3.Connection) -> Counter[str]:
    """What operators were told so far, as rows are; before there is a table of it, nothing."""
    sql = "SELECT count(*) FROM sqlite_master WHERE name='incidents'"
    if not reader.execute(sql).fetchone()[0]:
        return Counter()
    rows = reader.execute("SELECT kind, count(*) FROM incidents GROUP BY kind")
    return Counter(dict(rows.fetchall()))


def miscounted(world: World) -> str:
    """In words, how the last life's count of incidents is not that of the rows it wrote."""
    life = world.life or world.last_life
    if life is None or life.trader is None or not world.result.clean:
        return ""
    kept = incidents_by_kind(world.watch.reader) - world.told_before
    shown = Counter(dict(life.trader.reading().incidents))
    return "" if kept == shown else f"incidents by kind: {dict(kept)} kept, {dict(shown)} shown"
