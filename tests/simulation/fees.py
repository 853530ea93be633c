"""What fills take against what was reckoned with: invariants 7, 8 and 16.

What a fill took is the venue's own word, and so is its answer to the question for fees; that the
daemon has heard of either is seen by what it commits, and by the answer's arrival. A dearer fill
stops what is new until the venue was asked, is told, and is reckoned with by every order that is
written from then on, until an answer explains it or a later fill was taken less.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, NamedTuple

from arbit.domain.records import Batch
from arbit.sandbox.orders import Trade
from tests.simulation.clock import WALL_START_NS
from tests.simulation.loop import Process
from tests.simulation.market import USD

if TYPE_CHECKING:
    from tests.simulation.watch import Watch
    from tests.simulation.world import World

ASKED = "TradeVolume"
TELLS = frozenset({"fee", "fees"})
NOTHING = Decimal("0.00001")  # a tenth of a basis point of what was traded
PERCENT = 100


class Taken(NamedTuple):
    """A fee that was taken: at least and at most so much, heard of with that commit."""

    least: Decimal
    most: Decimal
    commit: int


class Heard:
    """What one process knows: nothing of it is known to the next one."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.said: Decimal | None = None  # the venue's answer: it has one rate for all markets
        self.asked_ns = self.said_ns = 0
        self.doubts = ""  # the fill that was dearer than it
        self.dear: dict[str, Taken] = {}  # what a market took that the venue had not told


class Fees:
    """Watches one world. `beyond` is what fees took more than was reckoned with, USD by cycle."""

    def __init__(self, world: World, watch: Watch) -> None:
        self._world = world
        self._watch = watch
        self._now: Heard | None = None
        self._trades: dict[str, Trade] = {}
        self._commits = 0
        self._written: dict[str, tuple[int, int]] = {}  # at which commit an order was, and when
        self._told = 0  # at which commit an operator was told of fees last
        self.beyond: dict[str, Decimal] = defaultdict(Decimal)
        self.doubted = 0  # how often the daemon heard of a fee that the venue had not told

    # --- the venue's word ------------------------------------------------------------------------

    def traded(self, trade: Trade, client_id: str) -> None:
        """A fill of this order, as it truly is."""
        if self._world.house.tells_fees:
            self._trades[trade.trade_id] = trade
        row = self._row(client_id)
        if row is None:
            return
        base, quote = trade.symbol.split("/")
        buys = trade.side == "buy"
        gross = trade.qty * USD[base] if buys else trade.cost * USD[quote]
        beyond = trade.fee * USD[trade.fee_asset] - gross * Decimal(row["fee_rate"])
        self.beyond[client_id.split("-", maxsplit=1)[0]] += max(beyond, Decimal(0))

    def answered(self, process: Process, name: str, asked_ns: int, told: Any) -> None:
        """An answer over REST arrives."""
        rate = rate_in(told) if name == ASKED else None
        if rate is None:
            return
        heard = self._of(process)
        heard.said, heard.asked_ns, heard.doubts = rate, asked_ns, ""
        heard.said_ns = self._world.loop.now_ns
        for symbol, dear in list(heard.dear.items()):
            if rate >= dear.least - NOTHING:
                del heard.dear[symbol]

    # --- what the daemon heard -------------------------------------------------------------------

    def committed(self, batch: Batch) -> None:
        """What was written just now."""
        self._commits += 1
        written = (self._commits, self._world.loop.now_ns)
        for record in batch.orders:
            self._written.setdefault(record.intent.client_id, written)
        if any(one.kind in TELLS for one in batch.incidents):
            self._told = self._commits
        for one in batch.trades:
            trade = self._trades.get(one.trade_id)
            if trade is not None and trade.fee_asset in trade.symbol.split("/"):
                self._booked(trade, one.client_id)

    def _booked(self, trade: Trade, client_id: str) -> None:
        row, (rate, slack) = self._row(client_id), taken(trade)
        surprises = row is not None and rate > Decimal(row["fee_rate"]) + slack
        if surprises and self._told < self._written.get(client_id, (0, 0))[0]:
            self._watch.say(16, f"{trade.trade_id}: a fee of {trade.fee}, and it was not told")
        heard = self._of(self._world.process)
        symbol, old_ns = trade.symbol, WALL_START_NS + heard.asked_ns
        if heard.said is None or trade.at_ns <= old_ns:
            return
        dear = heard.dear.get(symbol, Taken(heard.said, heard.said, 0))
        if rate - slack > max(heard.said, dear.most) and not heard.doubts:
            heard.doubts = f"{trade.trade_id} took {rate * 10_000:.2f} bps"
            self.doubted += 1
        if rate - slack > dear.most or (symbol in heard.dear and rate + slack < dear.least):
            heard.dear[symbol] = Taken(rate - slack, rate + slack, self._commits)

    # --- an order leaves -------------------------------------------------------------------------

    def begins(self, process: Process, row: sqlite3.Row) -> None:
        """A cycle begins with this order; `row` is what is written of it."""
        heard, client_id = self._of(process), row["client_id"]
        if heard.doubts:
            self._watch.say(8, f"{client_id} begins a cycle, and {heard.doubts}: nobody asked why")
        sql = "SELECT plan FROM cycles WHERE cycle_id=?"
        cycle = self._watch.reader.execute(sql, (row["cycle_id"],)).fetchone()
        for symbol, *_, fee_rate in json.loads(cycle["plan"]) if cycle is not None else ():
            self._reckons(heard, client_id, symbol, Decimal(fee_rate))

    def leaves(self, process: Process, row: sqlite3.Row) -> None:
        """An order is about to leave; `row` is what is written of it."""
        heard, client_id = self._of(process), row["client_id"]
        self._reckons(heard, client_id, row["symbol"], Decimal(row["fee_rate"]))

    def _reckons(self, heard: Heard, client_id: str, symbol: str, rate: Decimal) -> None:
        """No less than the venue said, or a fill was taken, before this was written."""
        commit, at_ns = self._written[client_id]
        dear = heard.dear.get(symbol)
        said = heard.said if heard.said is not None and heard.said_ns < at_ns else Decimal(0)
        least = max(dear.least if dear is not None and dear.commit < commit else Decimal(0), said)
        if rate < least - NOTHING:
            told = f"{rate * 10_000:.2f} bps of {symbol}, and has heard of {least * 10_000:.2f}"
            self._watch.say(7, f"{client_id} reckons with {told}")

    def _row(self, client_id: str) -> sqlite3.Row | None:
        sql = "SELECT fee_rate FROM orders WHERE client_id=?"
        row: sqlite3.Row | None = self._watch.reader.execute(sql, (client_id,)).fetchone()
        return row

    def _of(self, process: Process) -> Heard:
        if self._now is None or self._now.process is not process:
            self._now = Heard(process)
        return self._now


def taken(trade: Trade) -> tuple[Decimal, Decimal]:
    """A fill's fee as a share of what was traded, and how far rounding may have put it off."""
    base, _ = trade.symbol.split("/")
    gross = trade.qty if trade.fee_asset == base else trade.cost
    if gross <= 0:
        return Decimal(0), Decimal(1)
    unit = Decimal(1).scaleb(int(trade.fee.as_tuple().exponent))
    return trade.fee / gross, NOTHING + 2 * unit / gross


def rate_in(told: Any) -> Decimal | None:
    """The rate that an answer to the question for fees states; None when it is none."""
    result = told.get("result") if isinstance(told, dict) else None
    fees = result.get("fees") if isinstance(result, dict) else None
    if not isinstance(fees, dict) or not fees or told.get("error"):
        return None
    try:
        return max(Decimal(one["fee"]) for one in fees.values()) / PERCENT
    except (KeyError, TypeError, InvalidOperation):
        return None
