"""The end of a seed: the independent checker over the venue's log and the database."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arbit.app.store import DATABASE
from tests import checker, checker_late
from tests.checker_conversions import check_conversions
from tests.simulation import worth
from tests.simulation.counted import miscounted
from tests.simulation.explained import EVERY, unexplained
from tests.simulation.market import USD

if TYPE_CHECKING:
    from tests.simulation.world import World

RATE_WORDS = ("Rate limit", "Too many", "Orders limit")
SHORT = ("withdrawal", "overfill", "fee_third", "fee_change")  # money goes by itself
UNKEPT = ("journal_full", "journal_locked", "unwritten_kill")
FEWEST = 3  # of opportunities in a seed without faults


def both_books(
    records: Iterable[dict[str, Any]], folder: Path
) -> tuple[checker.Exchange, checker.Database] | str:
    """Our account as the venue's log has it and as the database has it, or what is wrong there."""
    accounts: dict[str, checker.Exchange] = defaultdict(checker.Exchange)
    for record in records:
        checker.take(accounts[record["account"]], record)
    path = folder / DATABASE
    names = [name for name in checker.accounts_of(path) if ":sandbox:" in name]
    if len(names) != 1:
        return f"accounts in the database: {names}"
    return accounts["main"], checker.read_database(path, names[0])


def judge(world: World) -> None:
    """Everything that can be said once it is over."""
    books = both_books(world.venue.exchange.log.records, world.folder)
    if isinstance(books, str):
        world.watch.say(2, books)
        return
    exchange, database = books
    world.house.reckon(world, exchange, database)
    for asset, amount in world.mishaps.drifts.items():  # told apart, and to be found in the books
        exchange.balances[asset] = exchange.balances[asset] - amount
    for number, said in _checked(world, exchange, database):
        if not _excused(world, exchange, said):
            world.watch.say(number, said)
    for asset, left in world.venue.exchange.totals().items():
        if left and left != world.mishaps.drifts.get(asset, Decimal(0)):
            world.watch.say(1, f"the venue's own books of {asset} are off by {left}")
    if world.result.seed % EVERY == 0:
        for said in unexplained(world.folder / DATABASE):
            world.watch.say(2, said)
    _leftovers(world, database)
    _results(world, database)
    _told(world)
    _surprises(world, exchange, database)
    _funded(world)
    _benign(world)
    _rising(world)
    world.house.judge(world, database)


def _rising(world: World) -> None:
    """Nonces only ever rise, unless the journal that keeps them is an older one.

    Or it could not keep them, and the clock that was to make up for it was set.
    """
    unkept = world.mishaps.jumps and world.struck(*UNKEPT)
    if world.venue.nonces_back and not unkept and not world.mishaps.upheavals.restored:
        world.watch.say(4, f"{world.venue.nonces_back} nonces were no higher than one before")


def _checked(
    world: World, exchange: checker.Exchange, database: checker.Database
) -> Iterator[tuple[int, str]]:
    """What the independent checker finds, with the invariant that it is a case of."""
    one_clock = not world.plan.skew_s and not world.mishaps.jumps
    found = {
        4: checker.check_once(exchange),
        3: checker.check_written_first(exchange, database, one_clock=one_clock),
        5: checker.check_fills(exchange, database)
        + checker.check_rounding(exchange, database, settled=True),
        6: checker.check_orders(exchange, database, settled=True),
        2: checker.check_ledger(exchange, database, settled=True),
        12: checker_late.check_cycles(database, settled=True)
        + check_conversions(database, one_clock=one_clock),
    }
    for number, said in found.items():
        yield from ((number, one) for one in said)


def _excused(world: World, exchange: checker.Exchange, said: str) -> bool:
    """Whether it is about what nobody could have known: lost with a backup, or not told by REST.

    The venue's REST rows do not name the asset that paid a fee: of a third one the fee is booked as
    if it were base or quote, the books do not agree, and a person accepts what is there.
    """
    if said.startswith("rounding") and world.struck("fee_third"):
        return True
    lost = world.mishaps.upheavals.not_ours
    names = {*lost, *(one for one in world.mishaps.upheavals.lost_cycles)}
    for trade_id, fill in exchange.fills.items():
        third = fill["fee_asset"] not in fill["symbol"].split("/")
        if third or fill["cl_ord_id"] in lost:
            names.add(trade_id)
        if third and world.plan.fatal:  # halted for good: there is nobody to accept it
            assets = (fill["fee_asset"], *fill["symbol"].split("/"))
            names.update(f"balance of {asset}:" for asset in assets)
    return any(name in said for name in names)


def _surprises(world: World, exchange: checker.Exchange, database: checker.Database) -> None:
    """More filled than ordered: booked as it is, and told. Of dearer fees see `fees`."""
    sql = "SELECT client_id FROM incidents WHERE kind IN ('overfill', 'late_fill', 'foreign')"
    reader, filled = world.watch.reader, defaultdict[str, Decimal](Decimal)
    over = {row[0] for row in reader.execute(sql)}
    for trade_id, fill in exchange.fills.items():
        row = database.orders.get(fill["cl_ord_id"])
        if row is None or trade_id not in database.fills:
            continue
        filled[fill["cl_ord_id"]] += Decimal(fill["qty"])
        if filled[fill["cl_ord_id"]] > Decimal(row["qty"]) and fill["cl_ord_id"] not in over:
            world.watch.say(16, f"{fill['cl_ord_id']}: more filled than ordered, and not told")


def _funded(world: World) -> None:
    """What orders may spend is kept apart: the venue never finds too little of it."""
    known = world.plan.fatal or world.struck(*SHORT)
    for words, count in world.venue.exchange.refusals.items():
        if any(one in words for one in world.house.short) and not known:
            world.watch.say(7, f"{count} orders for which there was not enough money")


def _leftovers(world: World, database: checker.Database) -> None:
    """A cycle that is said to be home has left nothing behind that could be traded."""
    most = world.house.dust_usd * (
        2 if world.struck("grid_change") else 1
    )  # which doubles some minima
    for cycle_id, row in database.cycles.items():
        if row["state"] not in {"done", "unwound", "flat"}:
            continue
        legs = json.loads(row["plan"])
        start, inside = row["start_asset"], {asset for leg in legs for asset in leg[2:4]}
        if row["kind"] is not None:
            inside.discard(legs[-1][3])  # a conversion ends there
        for asset, amount in world.watch.moved[f"ab{cycle_id}"].items():
            worth = abs(amount) * USD.get(asset, Decimal(0))
            if asset != start and asset in inside and worth > most:
                world.watch.say(12, f"cycle {cycle_id}: {row['state']}, with {amount} {asset}")


def _results(world: World, database: checker.Database) -> None:
    """What cycles cost and earned, and what is told of it."""
    for said in worth.too_dear(world, database):
        world.watch.say(7, said)
    for said in worth.misreported(
        database, worth.unpriced(world.watch.reader), world.watch.blind.of
    ):
        world.watch.say(12, said)
    for said in miscounted(world):
        world.watch.say(20, said)


def _told(world: World) -> None:
    """What must be told was told: foreign activity."""
    reader = world.watch.reader
    (count,) = reader.execute("SELECT count(*) FROM incidents WHERE kind='foreign'").fetchone()
    if (world.mishaps.foreign or world.mishaps.upheavals.foreign_orders) and not count:
        world.watch.say(16, "somebody else traded on the account, and it was not told")
    for row in reader.execute("SELECT kind, detail FROM incidents WHERE kind='late_fill'"):
        world.watch.say(5, f"{row['kind']}: {row['detail']}, from a venue that never lies")


def _benign(world: World) -> None:
    """Without faults the venue's counters are never full, and what is there is taken."""
    if not world.plan.benign:
        return
    for words, count in world.venue.exchange.refusals.items():
        if any(word in words for word in RATE_WORDS):
            world.watch.say(22, f"{words} ({count} times) although nothing went wrong")
    for row in world.watch.reader.execute("SELECT kind, detail FROM incidents"):
        world.watch.say(
            18, f"an incident although nothing went wrong: {row['kind']}, {row['detail']}"
        )
    sql = "SELECT cycle_id, profit_ref FROM cycles WHERE state='done' AND profit_ref IS NOT NULL"
    for cycle_id, profit in world.watch.reader.execute(sql):  # with the dust that it left
        if Decimal(profit) <= 0:
            world.watch.say(12, f"cycle {cycle_id} went as planned, and earned {profit}")
    if len(world.plants) < FEWEST:
        world.watch.say(18, f"only {len(world.plants)} opportunities found it ready to trade")
    missed = [plant for plant in world.plants if not plant.taken]
    if len(missed) > 1:  # of all seeds' together one in a hundred: see figures
        world.watch.say(18, f"{len(missed)} of {len(world.plants)} opportunities passed by")
