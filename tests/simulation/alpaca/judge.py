"""What only Alpaca's rules demand: fees that are posted later, the limit on requests, the floor.

Reckoned from the venue's log and the database alone. What the venue holds and what the books say
differ, to the last digit, by what was reckoned and what was truly taken of trades whose fees are
not booked yet; a posted fee is booked once, by its own id, and moves no balance.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests import checker_late
from tests.simulation.alpaca.venue import MINE, PER_MINUTE, UNIT, AlpacaVenue
from tests.simulation.loop import SECOND_NS, Process

if TYPE_CHECKING:
    from tests import checker
    from tests.simulation.world import World

MINUTE_NS = 60 * SECOND_NS
KNOWN_S = 130.0  # a fee that was posted so long ago has been asked for, by whoever lives
FLOOR = "cost basis must be >= minimal"
TWICE = "client_order_id must be unique"
ZERO = Decimal(0)


class Watched:
    """Watches requests as they leave: never more than the limit within any minute of one life."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._sent: dict[int, deque[int]] = defaultdict(deque)

    def request(self, process: Process) -> None:
        """One leaves."""
        now_ns, sent = self._world.loop.now_ns, self._sent[process.number]
        sent.append(now_ns)
        while sent[0] + MINUTE_NS <= now_ns:
            sent.popleft()
        if len(sent) > PER_MINUTE:
            self._world.watch.say(22, f"{len(sent)} requests within a minute")

    def status(self, process: Process, status: int) -> None:
        """The answer to an order is heard: what it asks for has to be heeded."""
        told = {429: "EAPI:Rate limit exceeded", 401: "EAPI:Invalid key"}.get(status)
        if told is not None:
            self._world.watch.restraint._said(process, told)


def join(world: World) -> None:
    """The world is built: watch what leaves it."""
    venue, watched = world.venue, Watched(world)
    if isinstance(venue, AlpacaVenue):
        venue.on_request, venue.on_status = watched.request, watched.status


def look(world: World, database: checker.Database) -> None:
    """At the end."""
    for words, count in world.venue.exchange.refusals.items():
        if FLOOR in words:
            world.watch.say(7, f"{count} orders under the venue's floor: {words}")
        if TWICE in words and not world.struck("request_twice"):
            world.watch.say(4, f"{count} orders with an id that was there: {words}")
    if world.plan.benign and isinstance(world.venue, AlpacaVenue) and world.venue.statuses[429]:
        world.watch.say(22, f"{world.venue.statuses[429]} requests too many, and nothing was wrong")
    if world.mishaps.upheavals.restored:  # what a backup lacks cannot be reckoned with
        return
    for said in Posted(world, database).findings():
        world.watch.say(2, said)


class Posted:
    """The venue's fees against those of the database."""

    def __init__(self, world: World, database: checker.Database) -> None:
        self._world = world
        self._database = database
        self._fills: dict[str, Mapping[str, Any]] = {}
        self._posted: dict[str, Mapping[str, Any]] = {}
        for record in world.venue.exchange.log.records:
            if record["kind"] == "fill" and record["cl_ord_id"].startswith(MINE):
                self._fills[record["trade_id"]] = record
            elif record["kind"] == "fees":
                self._posted[record["activity"]] = record

    def findings(self) -> Iterator[str]:
        """In words."""
        reader = self._world.watch.reader
        pending = [dict(row) for row in reader.execute("SELECT * FROM fee_pending")]
        booked = [dict(row) for row in reader.execute("SELECT * FROM fee_posted")]
        yield from self._reckoned(pending)
        yield from self._known(booked)
        if self._world.plan.fatal:
            return
        yield from checker_late.check_late(self._posted, self._database, self._fills)
        yield from self._exact()

    def _reckoned(self, pending: list[dict[str, Any]]) -> Iterator[str]:
        """Each fill of ours waits, or waited, for its fee; reckoned in what it received."""
        waits = {row["trade_id"]: row for row in pending}
        for trade_id, row in self._database.fills.items():
            fill, late = self._fills.get(trade_id), waits.get(trade_id)
            if fill is None:
                continue
            if late is None:
                yield f"{trade_id}: its fee waits nowhere"
                continue
            if late["asset"] != fill["fee_asset"]:
                yield f"{trade_id}: its fee is in {late['asset']}, taken in {fill['fee_asset']}"
            off = abs(Decimal(late["guess"]) - Decimal(fill["fee"]))
            if off > Decimal(late["slack"]) and not self._world.plan.fatal:
                yield f"{trade_id}: {fill['fee']} taken, {late['guess']} reckoned"
            if Decimal(late["slack"]) != UNIT:
                yield f"{trade_id}: its slack is {late['slack']}"
            if json.loads(row["fees"]) and row["fee_slack"] is None:
                yield f"{trade_id}: its fee counts as the venue's own word"

    def _known(self, booked: list[dict[str, Any]]) -> Iterator[str]:
        """What is kept as posted was posted, so much of it; and what was posted is kept."""
        refs = {row["ref"] for row in booked}
        for row in booked:
            there = self._posted.get(row["ref"])
            if there is None or Decimal(there["amount"]) != Decimal(row["fee"]):
                yield f"posted fee {row['ref']}: {row['fee']} here, {there} there"
        now_ns, known_ns = self._world.venue.clock.wall_ns(), int(KNOWN_S * SECOND_NS)
        for ref, record in self._posted.items():
            if ref not in refs and now_ns - record["at"] > known_ns and self._settled():
                yield f"posted fee {ref}: it is not kept {KNOWN_S:.0f} s after it was posted"

    def _settled(self) -> bool:
        """Whether the last life could have asked for what was posted."""
        return self._world.result.clean and not self._world.plan.fatal

    def _exact(self) -> Iterator[str]:
        """Once every fee has been posted, and is kept, balances and books are the same."""
        account, settled = self._world.venue.account, self._settled()
        exchange: Any = self._world.venue.exchange
        there = exchange.house_books.desk(account.name)
        booked = self._world.watch.reader.execute("SELECT ref FROM fee_posted WHERE state='fits'")
        kept = {row["ref"] for row in booked}
        if not settled or there.pending or {one.activity_id for one in there.posted} - kept:
            return
        wallet: dict[str, Decimal] = defaultdict(Decimal)
        for line in self._database.ledger:
            if line["book"] == "wallet":
                wallet[line["asset"]] += Decimal(line["amount"])
        for asset, amount in account.balances.items():
            nothing = sum(not one.fee and one.fee_asset == asset for one in account.trades)
            if nothing:  # it is never posted: what was rounded of costs cannot be told from it
                nothing += sum(one.symbol.endswith(f"/{asset}") for one in account.trades)
            if abs(wallet[asset] - amount) > UNIT * nothing:
                yield f"{asset}: {amount} there, {wallet[asset]} here, and every fee was posted"
