"""The end of a seed: the independent checker over the venue's log and the database."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING

from arbit.app.store import DATABASE
from tests import checker

if TYPE_CHECKING:
    from tests.simulation.world import World


def judge(world: World) -> None:
    """Everything that can be said once it is over."""
    accounts: dict[str, checker.Exchange] = defaultdict(checker.Exchange)
    for record in world.venue.exchange.log.records:
        checker.take(accounts[record["account"]], record)
    path = world.folder / DATABASE
    names = [name for name in checker.accounts_of(path) if ":sandbox:" in name]
    if len(names) != 1:
        world.watch.say(2, f"accounts in the database: {names}")
        return
    exchange, database = accounts["main"], checker.read_database(path, names[0])
    for asset, amount in world.mishaps.drifts.items():  # told apart, and to be found in the books
        exchange.balances[asset] = exchange.balances[asset] - amount
    one_clock = not world.plan.skew_s and not world.mishaps.jumps
    for said in checker.check(exchange, database, one_clock=one_clock):
        if world.plan.fatal and said.endswith(("not over", "not resolved")):
            continue  # a halt lets nothing leave, not even the way home
        world.watch.say(2, said)
    for asset, left in world.venue.exchange.totals().items():
        if left and left != world.mishaps.drifts.get(asset, Decimal(0)):
            world.watch.say(1, f"the venue's own books of {asset} are off by {left}")
