"""The venue's books as an account's owner may reckon them before its fees are posted.

The independent checker compares digit by digit. Of a fill the owner knows everything but the fee:
where what was reckoned and what was taken are within a unit of each other, the reckoned one is put
in its place, and what the difference makes is put to the balance. Whether fees that were posted are
booked as they were is the business of `judge`.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.simulation.alpaca.venue import UNIT

if TYPE_CHECKING:
    from tests import checker
    from tests.simulation.world import World


def reckon(world: World, exchange: checker.Exchange, database: checker.Database) -> None:
    """Put what was reckoned in the place of what was taken."""
    taken = {trade_id: Decimal(fill["fee"]) for trade_id, fill in exchange.fills.items()}
    for trade_id, fill in list(exchange.fills.items()):
        row = database.fills.get(trade_id)
        if row is not None:
            within = None if world.venue.overcharged else UNIT
            _reckon(exchange, fill, dict(json.loads(row["fees"])), within)
    for trade_id, late in database.late.items():
        if trade_id in taken:  # also of what a backup has lost: it is booked as somebody else's
            exchange.balances[late["asset"]] += taken[trade_id] - Decimal(late["guess"])
    for line in database.ledger:
        if line["kind"] == "late_fee" and line["book"] == "wallet":
            exchange.balances[line["asset"]] += Decimal(line["amount"])


def _reckon(
    exchange: checker.Exchange,
    fill: dict[str, Any],
    fees: dict[str, str],
    within: Decimal | None,
) -> None:
    asset, taken = fill["fee_asset"], Decimal(fill["fee"])
    guess = Decimal(fees.get(asset, "0"))
    far = within is not None and abs(guess - taken) > within
    if far or list(fees) not in ([], [asset]):
        return  # the checker has something to say
    moves = [[one, moved, str(guess) if one == asset else fee] for one, moved, fee in fill["moves"]]
    exchange.fills[fill["trade_id"]] = {**fill, "fee": str(guess), "moves": moves}
