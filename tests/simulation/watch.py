"""Invariants looked at while a run goes on: at each order that leaves, each fill, each commit.

What is compared are the venue's own books and the committed rows of the database, read through a
connection of its own. The numbers in brackets are those of the house's reliability paper.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arbit.app.store import DATABASE
from arbit.domain.records import Batch
from arbit.sandbox.orders import Accepted, Happened, Traded
from arbit.venues.kraken.parse import Instrument
from tests.simulation.blind import Blind
from tests.simulation.conversions import Conversions
from tests.simulation.fees import Fees
from tests.simulation.limits import at_limits, worse_than_planned
from tests.simulation.loop import Process
from tests.simulation.market import USD
from tests.simulation.restraint import Restraint
from tests.simulation.rests import Rests
from tests.simulation.stock import Stock

if TYPE_CHECKING:
    from tests.simulation.world import World

MS = 1_000_000
OURS = "ab"  # client ids of the daemon begin so; of others a venue may make some up
ROUGHLY = Decimal("1.06")  # prices move; limits are in reference units of the moment
OVER = ("filled", "partial", "empty", "rejected", "never")
LATER_FILLED = {
    "filled": ("filled",),
    "partial": ("partial", "filled"),
    "empty": ("empty", "partial", "filled"),
    "rejected": ("rejected", "partial", "filled"),
    "never": ("never", "partial", "filled"),
}
MAX_TOLD = 40
MAX_TOLD_EACH = 5  # else one that is said at every start hides all others
TURN_NS = 3_000 * MS  # over REST an order waits for its turn at most until its deadline
STOP_NS = 150 * MS  # the supervisor looks every 50 ms whether it was told to stop


def fits(order: Mapping[str, Any], told: Instrument) -> bool:
    """Whether its quantity and price are on this grid."""
    off = order["qty"] % told.qty_increment or order["price"] % told.price_increment
    return not off and bool(order["qty"] >= told.qty_min)


class Watch:
    """Collects violations of one world."""

    def __init__(self, world: World, folder: Path) -> None:
        self._world = world
        self._folder = folder
        self.violations: list[str] = []
        self._told: Counter[int] = Counter()
        self.sent: dict[str, int] = {}
        self.accepted: dict[str, int] = {}
        self.orders = 0
        self.states: dict[str, str] = {}  # as they were committed last
        self.moved: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        self.got: dict[str, Decimal] = defaultdict(Decimal)  # by client id: net proceeds
        self._checked_lives: set[int] = set()
        self.restraint = Restraint(world, self)
        self.blind = Blind(world)
        self.fees = Fees(world, self)
        self.stock = Stock(world, self)
        self.conversions = Conversions(world, self)
        self.rests = Rests(world, self)
        self.reader = sqlite3.connect(folder / DATABASE, isolation_level=None)
        self.reader.row_factory = sqlite3.Row

    def close(self) -> None:
        """Let go of the file."""
        self.reader.close()

    def copy(self, to: Path) -> None:
        """A backup of the database as it is now."""
        with closing(sqlite3.connect(to)) as copy:
            self.reader.backup(copy)

    @contextmanager
    def database_replaced(self) -> Iterator[None]:
        """The file is replaced meanwhile."""
        self.reader.close()
        yield
        self.reader = sqlite3.connect(self._folder / DATABASE, isolation_level=None)
        self.reader.row_factory = sqlite3.Row
        self.states.clear()

    def say(self, number: int, text: str) -> None:
        """Invariant `number` does not hold."""
        self._told[number] += 1
        if len(self.violations) < MAX_TOLD and self._told[number] <= MAX_TOLD_EACH:
            at_s = self._world.loop.now_ns / 1e9
            self.violations.append(f"[{number}] {text} (at {at_s:.6f} s)")

    # --- a commit --------------------------------------------------------------------------------

    def committed(self, batch: Batch) -> None:
        """What was written just now."""
        self.restraint.committed(batch)
        self.fees.committed(batch)
        self.conversions.committed(batch)
        self.rests.committed(batch)
        for record in batch.orders:
            client_id, state = record.intent.client_id, record.state.value
            before = self.states.get(client_id, "")
            self.states[client_id] = state
            if before in OVER and state not in LATER_FILLED.get(before, ()):
                self.say(5, f"{client_id} was {before}, and is {state}")
            early = record.intent.deadline_ns >= self._world.venue.clock.wall_ns()
            if state == "never" and before != "never" and early:
                self.say(6, f"{client_id} is called never before its deadline")

    # --- an order leaves -------------------------------------------------------------------------

    def leaves(self, process: Process, message: dict[str, Any]) -> None:
        """The bytes of an order or a cancellation are about to leave."""
        if message["method"] not in {"add_order", "AddOrder"}:
            return
        order = self._world.venue.terms(message)
        client_id = order["client_id"]
        self.orders += 1
        self.sent[client_id] = self.sent.get(client_id, 0) + 1
        if self.sent[client_id] > 1:
            self.say(4, f"{client_id} is sent a second time")
        if process is not self._world.process:
            self.say(13, f"{client_id} is sent by process {process.number}, which is not the one")
        row = self.reader.execute("SELECT * FROM orders WHERE client_id=?", (client_id,)).fetchone()
        if row is None:
            self.say(3, f"{client_id} leaves, and no committed row knows it")
            return
        self._written(order, row)
        self._switches(process, row)
        self.restraint.leaves(process, row)
        self.fees.leaves(process, row)
        self._books(client_id, row["symbol"])
        self._sizes(order, row)
        self._planned(order, row)
        self._grid(order, row)
        if self._world.mishaps.upheavals.blind:
            self.say(11, f"{client_id} leaves from a backup that lacks trades of ours")
        if row["purpose"] == "leg":
            self._recovered(process, client_id)

    def _written(self, order: dict[str, Any], row: sqlite3.Row) -> None:
        same = (
            row["state"] == "sent"
            and row["symbol"] == order["symbol"]
            and row["side"] == order["side"]
            and Decimal(row["qty"]) == order["qty"]
            and Decimal(row["limit_price"]) == order["price"]
        )
        if not same:
            self.say(3, f"{order['client_id']} leaves as {order}, written as {dict(row)}")
        if row["deadline_ns"] <= self._world.venue.clock.wall_ns():
            self.say(6, f"{order['client_id']} leaves with a deadline that has passed")

    def _switches(self, process: Process, row: sqlite3.Row) -> None:
        client_id = row["client_id"]
        if (self._folder / "KILL").exists():
            self.say(10, f"{client_id} leaves while the kill switch is on")
        elif self._world.halts.killed():
            self.say(10, f"{client_id} leaves after a kill, and nobody has resumed")
        parallel = self._world.settings.risk.policy.value == "parallel"
        together = parallel and row["transport"] == "rest"  # it began when all three were written
        if row["purpose"] == "leg" and row["leg_index"] == 1 and not together:
            self._begins(client_id)
            self.fees.begins(process, row)
            self._skew(client_id, row["cycle_id"])
        state = self._world.halts.in_force()
        adds = row["purpose"] == "leg" and not self.conversions.takes_back(row)
        if state == "halted" or (state == "reducing" and adds):
            self.say(9, f"{client_id} ({row['purpose']}) leaves while the breaker is {state}")
        waited = self._world.plan.transport == "rest"  # for its turn, since it was written
        if self._world.failing.failing and not waited:
            self.say(3, f"{client_id} leaves while the journal fails")

    def _begins(self, client_id: str) -> None:
        if (self._folder / f"pause.{self._world.house.venue}").exists():
            self.say(10, f"{client_id} begins a cycle while the venue is paused")
        life, now_ns = self._world.life, self._world.loop.now_ns
        if life is not None and life.stopped_ns and now_ns - life.stopped_ns > STOP_NS:
            self.say(10, f"{client_id} begins a cycle after the daemon was told to stop")
        sql = "SELECT count(*) FROM cycles WHERE ended_ns=0"
        (count,) = self.reader.execute(sql).fetchone()
        if count > self._world.settings.scan.max_concurrent_cycles:
            self.say(7, f"{client_id} begins while {count - 1} others are open")

    def _skew(self, client_id: str, cycle_id: str) -> None:
        """The books of a cycle that begins were proved close enough together."""
        feed = self._world.life.feed if self._world.life is not None else None
        sql = "SELECT plan, kind FROM cycles WHERE cycle_id=?"
        row = self.reader.execute(sql, (cycle_id,)).fetchone()
        if (
            feed is None
            or row is None
            or row["kind"] is not None
            or self._world.plan.transport == "rest"
        ):
            return
        proved = [feed.proved_ns.get(leg[0], 0) for leg in json.loads(row["plan"])]
        apart_ms = (max(proved) - min(proved)) // MS
        if apart_ms > self._world.venue_settings.max_skew_ms:
            self.say(8, f"{client_id} begins on books that are {apart_ms} ms apart")

    def _books(self, client_id: str, symbol: str) -> None:
        feed = self._world.life.feed if self._world.life is not None else None
        if feed is None:
            self.say(8, f"{client_id} leaves before there is a feed")
            return
        age_ns = self._world.loop.now_ns - feed.proved_ns.get(symbol, 0)
        max_age_ms = self._world.venue_settings.max_book_age_ms
        if not feed.believed.get(symbol) or age_ns > max_age_ms * MS:
            said = "not believed" if not feed.believed.get(symbol) else f"{age_ns // MS} ms old"
            self.say(8, f"{client_id} leaves on a book of {symbol} that is {said}")
        true_ms = (self._world.loop.now_ns - feed.made_ns.get(symbol, 0)) // MS
        late_ms = 3 * (self._world.plan.feed_ms + self._world.plan.jitter_ms)
        is_now = feed.holds(self._world.venue.feed.image(symbol))  # quiet since: old, and true
        if true_ms > max_age_ms + late_ms and not is_now:
            self.say(8, f"{client_id} leaves on a book of {symbol} that is truly {true_ms} ms old")
        if not feed.online.get(symbol):
            self.say(8, f"{client_id} leaves though {symbol} is not online")

    def _grid(self, order: dict[str, Any], row: sqlite3.Row) -> None:
        """Quantity and price are on the grid that the daemon was told last when it decided."""
        feed = self._world.life.feed if self._world.life is not None else None
        told = feed.told.get(order["symbol"]) if feed is not None else None
        if feed is None or told is None or fits(order, told):
            return
        before, until_ns = feed.told_before.get(order["symbol"], (told, 0))
        turned_ns = self._world.loop.now_ns - until_ns
        waited = row["transport"] == "rest" and turned_ns < TURN_NS  # decided on, before its turn
        if not (waited and fits(order, before)):
            said = f"{order['qty']} at {order['price']} of {order['symbol']}"
            self.say(8, f"{order['client_id']} leaves with {said}, off its market's grid")

    def _sizes(self, order: dict[str, Any], row: sqlite3.Row) -> None:
        base, quote = row["symbol"].split("/")
        buys = row["side"] == "buy"
        spends = order["qty"] * order["price"] if buys else order["qty"]
        asset = quote if buys else base
        cycle, leg = row["cycle_id"], row["leg_index"]
        if row["purpose"] == "leg" and leg == 1:
            most = self._world.settings.scan.max_notional_per_cycle * ROUGHLY
            if spends * USD[asset] > most:
                self.say(7, f"{order['client_id']} begins with {spends} {asset}, over the cap")
        sequential = self._world.settings.risk.policy.value == "sequential"
        if row["purpose"] == "leg" and leg > 1 and sequential:
            had = self.got[f"ab{cycle}-{leg - 1}1"]
            if spends > had and not self._world.venue.overcharged:
                self.say(7, f"{order['client_id']} spends {spends} {asset} of {had} delivered")

    def _planned(self, order: dict[str, Any], row: sqlite3.Row) -> None:
        """A leg is what its cycle planned, and a plan earns even at its limits."""
        sql = "SELECT plan, kind, loss_budget FROM cycles WHERE cycle_id=?"
        cycle = self.reader.execute(sql, (row["cycle_id"],)).fetchone()
        if row["purpose"] != "leg" or cycle is None:
            return
        self.conversions.leaves(row, cycle)
        said = worse_than_planned(order, row["leg_index"], cycle["plan"])
        if said:
            self.say(7, f"{order['client_id']} leaves with {said}")
        if row["leg_index"] != 1 or cycle["kind"] is not None:
            return
        self.rests.begins(order["client_id"], cycle["plan"])
        earned = at_limits(cycle["plan"])
        if earned <= 0:
            self.say(7, f"{order['client_id']} begins a cycle that earns {earned} at its limits")

    def _recovered(self, process: Process, client_id: str) -> None:
        trader = self._world.life.trader if self._world.life is not None else None
        if trader is None or not trader.started:
            self.say(11, f"{client_id} leaves before recovery is over")
        if process.number in self._checked_lives:
            return
        self._checked_lives.add(process.number)
        mine = client_id[:7]
        marks = ",".join("?" * len(OVER))
        sql = f"SELECT client_id, state FROM orders WHERE state NOT IN ({marks})"  # noqa: S608  only marks
        for row in self.reader.execute(sql, OVER):
            if not row["client_id"].startswith(mine):
                self.say(11, f"{client_id} leaves while {row['client_id']} is {row['state']}")
        for order in self._world.venue.account.open_orders.values():
            if order.client_id.startswith(OURS) and not order.client_id.startswith(mine):
                self.say(11, f"{client_id} leaves while {order.client_id} is open at the venue")

    # --- what the venue does ---------------------------------------------------------------------

    def happened(self, what: Happened) -> None:
        """Something happened on the account."""
        if isinstance(what, Accepted):
            self._accepted(what)
        elif isinstance(what, Traded):
            self._traded(what)

    def _accepted(self, what: Accepted) -> None:
        client_id = what.order.client_id
        if not client_id.startswith(OURS):
            return
        self.accepted[client_id] = self.accepted.get(client_id, 0) + 1
        if self.accepted[client_id] > 1:
            self.say(4, f"{client_id} is accepted a second time")
        sql = "SELECT state FROM orders WHERE client_id=?"
        row = self.reader.execute(sql, (client_id,)).fetchone()
        if row is None:
            if client_id not in self._world.mishaps.upheavals.not_ours:
                self.say(16, f"{client_id} is accepted, and no row knows it")
        elif row["state"] in {"never", "rejected"}:
            self.say(6, f"{client_id} is accepted, and was called {row['state']}")

    def _traded(self, what: Traded) -> None:
        trade, client_id = what.trade, what.order.client_id
        self.fees.traded(trade, client_id)
        base, quote = trade.symbol.split("/")
        sign = 1 if trade.side == "buy" else -1
        moves = {base: trade.qty * sign, quote: -trade.cost * sign}
        moves[trade.fee_asset] = moves.get(trade.fee_asset, Decimal(0)) - trade.fee
        if client_id.startswith(OURS):
            cycle = self.moved[client_id.split("-")[0]]
            for asset, amount in moves.items():
                cycle[asset] += amount
            self.got[client_id] += moves[base if sign > 0 else quote]
            self.stock.moved(moves, cycle)
        if trade.client_id.startswith(OURS):
            self._exposure(moves)

    def _exposure(self, moves: dict[str, Decimal]) -> None:
        self.restraint.moved(moves)
        if self._world.plan.fatal:
            return
        most = self._world.settings.risk.max_exposure * ROUGHLY + Decimal(5)
        for asset in moves:
            away = self._world.deviation(asset) * USD.get(asset, Decimal(0))
            if abs(away) > most:
                away -= self.closed(asset) * USD.get(asset, Decimal(0))
            if abs(away) > most:
                self.say(7, f"trading has moved {asset} by {away:.2f} USD, more than {most:.2f}")

    def closed(self, asset: str) -> Decimal:
        """Results of cycles that are over: what they left of other assets is counted there."""
        sql = "SELECT profit FROM cycles WHERE ended_ns>0 AND start_asset=?"
        return sum((Decimal(row[0]) for row in self.reader.execute(sql, (asset,))), Decimal(0))
