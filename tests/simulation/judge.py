"""The end of a seed: the independent checker over the venue's log and the database."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING

from arbit.app.store import DATABASE
from tests import checker
from tests.simulation.watch import USD

if TYPE_CHECKING:
    from tests.simulation.world import World

RATE_WORDS = ("Rate limit", "Too many", "Orders limit")
DUST_USD = Decimal(6)  # minima are about four dollars, and prices move a little


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
    _leftovers(world, database)
    _told(world)
    _benign(world)


def _leftovers(world: World, database: checker.Database) -> None:
    """A cycle that is said to be home has left nothing behind that could be traded."""
    for cycle_id, row in database.cycles.items():
        if row["state"] not in {"done", "unwound", "flat"}:
            continue
        legs = json.loads(row["plan"])
        start, inside = row["start_asset"], {asset for leg in legs for asset in leg[2:4]}
        for asset, amount in world.watch.moved[f"ab{cycle_id}"].items():
            worth = abs(amount) * USD.get(asset, Decimal(0))
            if asset != start and asset in inside and worth > DUST_USD:
                world.watch.say(12, f"cycle {cycle_id}: {row['state']}, with {amount} {asset}")


def _told(world: World) -> None:
    """What must be told was told: foreign activity, and counters that say what the rows say."""
    reader = world.watch.reader
    (count,) = reader.execute("SELECT count(*) FROM incidents WHERE kind='foreign'").fetchone()
    if world.mishaps.foreign and not count:
        world.watch.say(16, "somebody else traded on the account, and it was not told")
    for row in reader.execute("SELECT kind, detail FROM incidents WHERE kind='late_fill'"):
        world.watch.say(5, f"{row['kind']}: {row['detail']}, from a venue that never lies")
    life = world.life or world.last_life
    trader = life.trader if life is not None else None
    if trader is None or trader.recovered or world.plan.fatal or not world.result.clean:
        return
    sql = "SELECT state, count(*) FROM orders WHERE cycle_id LIKE ? GROUP BY state"
    rows = dict(reader.execute(sql, (f"{trader.setup.epoch}%",)).fetchall())
    (late,) = reader.execute("SELECT count(*) FROM incidents WHERE kind='late_fill'").fetchone()
    if not late and rows != dict(trader.reading().orders):
        world.watch.say(20, f"orders by state: {rows} kept, {dict(trader.reading().orders)} shown")
    sql = "SELECT state, count(*) FROM cycles WHERE cycle_id LIKE ? GROUP BY state"
    rows = dict(reader.execute(sql, (f"{trader.setup.epoch}%",)).fetchall())
    if not late and rows != dict(trader.reading().cycles):
        world.watch.say(20, f"cycles by end: {rows} kept, {dict(trader.reading().cycles)} shown")


def _benign(world: World) -> None:
    """Without faults the venue's counters are never full, and what is there is taken."""
    if not world.plan.benign:
        return
    for words, count in world.venue.exchange.refusals.items():
        if any(word in words for word in RATE_WORDS):
            world.watch.say(22, f"{words} ({count} times) although nothing went wrong")
    missed = [plant for plant in world.plants if not plant.taken]
    if len(missed) > 1 and len(missed) * 5 > len(world.plants):
        world.watch.say(18, f"{len(missed)} of {len(world.plants)} opportunities passed by")
