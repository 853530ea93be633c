"""What cycles cost and earn: the budget of a way home, and the figures told of them.

Priced by the market that stands still (`watch.USD`); what moves meanwhile has its allowance.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests import checker
from tests.checker_sums import moved_by
from tests.simulation.market import USD

if TYPE_CHECKING:
    from tests.simulation.world import World

Row = Mapping[str, Any]
ZERO = Decimal(0)
BPS = Decimal(10_000)
LOST = re.compile(r"-[0-9.]+ (\w+)")  # an amount and its asset, in an incident's words
MOVED_USD = Decimal("0.05")  # what prices do to what is left over: it is worth some dollars
OFF = Decimal("0.03")  # of what was moved: a pair is shifted by as much as that


def too_dear(world: World, database: checker.Database) -> Iterator[str]:
    """Cycles that were brought home at a loss beyond their budget.

    What fees took more than was known when an order was written is nobody's fault: see `fees`.
    """
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
        if row["kind"] is not None:
            most = (Decimal(row["loss_budget"]) + stake * OFF) * USD[start]
        if lost > most + MOVED_USD + world.watch.fees.beyond[f"ab{cycle_id}"]:
            yield f"cycle {cycle_id}: home at a loss of {lost:.3f} USD, its budget is {most:.3f}"


def unpriced(reader: sqlite3.Connection) -> dict[str, set[str]]:
    """What operators were told that a cycle lost and nobody could price: assets, by cycle."""
    found: dict[str, set[str]] = {}
    for (said,) in reader.execute("SELECT detail FROM incidents WHERE kind='unpriced'"):
        cycle_id, _, lost = said.partition(": ")
        found[cycle_id] = set(LOST.findall(lost))
    return found


def misreported(
    database: checker.Database,
    lost: Mapping[str, set[str]],
    blind: Callable[[Row], frozenset[str]],
) -> Iterator[str]:
    """Cycles whose result in the reference asset is not what their fills are worth.

    `lost` has the assets that a cycle is said to have lost and nobody could price, `blind` those
    that no book had priced when it ended.
    """
    cycle_of = {client_id: row["cycle_id"] for client_id, row in database.orders.items()}
    moved: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for fill in database.fills.values():
        cycle_id = cycle_of.get(fill["client_id"], "")
        for asset, amount in moved_by(fill).items():
            moved[cycle_id][asset] += amount * USD[asset]
    for cycle_id, row in database.cycles.items():
        if row["ended_ns"]:
            parts = lost.get(cycle_id, set()), blind(row)
            said = _told_otherwise(row["profit_ref"], moved[cycle_id], *parts)
            if said:
                yield f"cycle {cycle_id}: {said}"


def _told_otherwise(
    told: str | None, worth: Mapping[str, Decimal], lost: set[str], blind: frozenset[str]
) -> str:
    """In words, how this `profit_ref` is none for assets that moved by `worth` each, in USD."""
    for asset in sorted(lost):
        if asset not in blind or worth.get(asset, ZERO) >= 0:
            return f"it is said to have lost {asset} that nobody prices, which is not so"
    known = [value for asset, value in worth.items() if asset not in lost]
    is_worth, off = sum(known, ZERO), sum(map(abs, known), ZERO) * OFF
    if told is None:
        if not lost:
            return "it is not told what it earned"
        return "" if is_worth >= -off else f"no profit_ref, though it lost {-is_worth:.4f} USD"
    if lost and Decimal(told) >= 0:
        return f"profit_ref {told}, though nobody prices what it lost of {sorted(lost)}"
    # What came in of an asset that nobody prices, as after a start, counts for nothing.
    unseen = [ZERO]
    for asset in sorted(blind):
        if worth.get(asset, ZERO) > 0:
            unseen += [one + worth[asset] for one in unseen]
    if any(abs(Decimal(told) - is_worth + less) <= off for less in unseen):
        return ""
    return f"profit_ref {told}, its fills are worth {is_worth:.4f} USD"
