"""What cycles cost and earn: the budget of a way home, and the figures told of them.

Priced by the market that stands still (`watch.USD`); what moves meanwhile has its allowance.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from tests import checker
from tests.simulation.watch import USD

if TYPE_CHECKING:
    from tests.simulation.world import World

BPS = Decimal(10_000)
MOVED_USD = Decimal("0.05")  # what prices do to what is left over: it is worth some dollars


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
