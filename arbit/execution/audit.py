"""Audits: what the venue says of the account against what we know, at the start and ever after.

Books agree to the last digit or somebody is wrong. Money that came or went by itself is booked as a
flow; a trade of ours that we had not heard of is booked as a late fill; a trade of somebody else,
an order of ours that no journal knows, or a balance that nothing explains stops trading.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from arbit.domain.account import (
    AccountEvent,
    AccountStreamBack,
    AccountStreamLost,
    Balance,
    BalanceSeen,
    ForeignOrder,
    TradeSeen,
)
from arbit.domain.errors import VenueError
from arbit.domain.money import ZERO, plain
from arbit.domain.order import Trade
from arbit.domain.records import Flag, JournalFailed
from arbit.execution.engine import Engine
from arbit.execution.ids import ours
from arbit.execution.setup import MS, EngineSetup
from arbit.execution.works import Pad
from arbit.ledger import flow, opening
from arbit.ports import AccountReader
from arbit.risk.breaker import Reason

LOOK_BACK_NS = 120_000 * MS  # how far before the last audit questions begin: reads lag
QUIET_NS = 1_000 * MS  # nothing has moved for so long before balances are compared
AGAIN_S = 2.0  # a venue's reads lag: a difference counts when it is there twice
EVERY_NS = 60_000 * MS  # how often balances are compared when nothing asks for it
LOOK_S = 0.5
MAX_KNOWN_FLOWS = 10_000
OPENED = "opened"  # the flag that keeps when the account was opened
AUDITED = "audited"  # the flag that keeps when balances last agreed


class Auditor:
    """Keeps the ledger and the venue's word together. An `AccountSink`."""

    def __init__(
        self, setup: EngineSetup, engine: Engine, reader: AccountReader, opened_ns: int = 0
    ) -> None:
        """`opened_ns` (wall) is when the account was opened: what came before is in its opening."""
        self._setup = setup
        self._engine = engine
        self._reader = reader
        self._wanted = False
        self._moved_ns = 0
        self._audited_ns = 0
        self._since_ns = 0
        self._opened_ns = opened_ns
        self._flows: dict[str, None] = {}
        self.audits = 0
        self.on_balances: Callable[[Mapping[str, Balance]], None] = lambda _: None

    def __call__(self, event: AccountEvent, /) -> None:
        """Something happened on the account."""
        self._moved_ns = self._setup.now_ns
        match event:
            case TradeSeen(trade):
                try:
                    known = self._engine.late(trade)
                except JournalFailed:  # it cannot say whether it knows the trade: ask again later
                    known = False
                self._wanted = self._wanted or not known
            case BalanceSeen(kind=kind):
                self._wanted = self._wanted or kind not in {"trade", "snapshot"}
            case ForeignOrder(order):
                self._foreign(f"order {order.order_id} on {order.symbol}")
            case AccountStreamBack():
                self._wanted = True
            case AccountStreamLost():
                pass

    async def begin(self, audited_ns: int, *, first: bool) -> None:
        """The first look of a start; `audited_ns` is when the books last agreed (wall).

        With `first` the account is new to us: it is opened. VenueError when the venue does not
        answer.
        """
        self._since_ns = audited_ns
        if first:
            await self._open()
        else:
            await self.reconcile()

    async def run(self) -> None:
        """Look again whenever something asks for it and nothing moves, and once a minute."""
        while True:
            await self._setup.clock.sleep(LOOK_S)
            now_ns = self._setup.now_ns
            due = self._wanted or now_ns - self._audited_ns > EVERY_NS
            if due and self._quiet(now_ns):
                try:
                    await self.reconcile()
                except (VenueError, JournalFailed):
                    self._wanted = True  # asked again at the next look

    def _quiet(self, now_ns: int) -> bool:
        return not self._engine.open_cycles and now_ns - self._moved_ns > QUIET_NS

    async def reconcile(self) -> None:
        """Book what we missed, then compare every balance; a difference that stays is drift."""
        self._wanted, self._audited_ns = False, self._setup.now_ns
        self.audits += 1
        began_ns = self._setup.clock.wall_ns()
        await self._missed()
        drifted = await self._drift()
        if drifted:
            await self._setup.clock.sleep(AGAIN_S)
            await self._missed()
            drifted = await self._drift()
        if drifted is None:
            self._wanted = True
        elif drifted:
            said = ", ".join(f"{plain(by)} {asset}" for asset, by in drifted.items())
            self._stop(Reason.DRIFT, f"the venue has more (or less) than the ledger: {said}")
        else:
            self._agreed(began_ns)

    def _agreed(self, wall_ns: int) -> None:
        """Everything before this time is known: the next questions begin a little before it."""
        self._since_ns = wall_ns
        self._engine.keeper.note(Flag(AUDITED, str(wall_ns), wall_ns))

    async def _missed(self) -> None:
        since_ns = max(0, self._since_ns - LOOK_BACK_NS)
        journal = self._setup.journal
        self._take_trades(await self._reader.trades_since(since_ns, journal.known_trades))
        flows = await self._reader.flows_since(since_ns)
        fresh = [one for one in flows if one.ref not in self._flows]
        known = journal.known_flows([one.ref for one in fresh])
        pad = Pad()
        for one in fresh:
            self._flows[one.ref] = None
            if one.ref not in known and one.at_ns > self._opened_ns:
                postings = flow(one)
                self._setup.ledger.apply(postings)
                pad.postings += postings
        while len(self._flows) > MAX_KNOWN_FLOWS:
            self._flows.pop(next(iter(self._flows)))
        if not pad.empty:
            self._engine.keeper.write(pad)

    def _take_trades(self, trades: Sequence[Trade]) -> None:
        for trade in trades:
            if trade.at_ns <= self._opened_ns or self._engine.late(trade):
                continue
            if trade.client_id and ours(trade.client_id):
                said = f"trade {trade.trade_id} of our order {trade.client_id}, unknown here"
                self._stop(Reason.FOREIGN, said)
            else:
                self._foreign(f"trade {trade.trade_id} on {trade.symbol}")

    async def _drift(self) -> dict[str, Decimal] | None:
        """What the venue has beyond the ledger; None when something moved while it was asked."""
        sent, moved_ns = self._engine.orders, self._moved_ns
        balances = await self._reader.balances()
        if self._engine.open_cycles or (sent, moved_ns) != (self._engine.orders, self._moved_ns):
            return None
        self.on_balances(balances)
        ledger = self._setup.ledger
        ledger.keep_back({asset: balance.held for asset, balance in balances.items()})
        found = {}
        for asset in sorted({*ledger.assets, *balances}):
            balance = balances.get(asset, Balance(ZERO))
            if not balance.agrees(ledger.wallet(asset)):
                found[asset] = ledger.drift(asset, balance.total)
        return found

    async def _open(self) -> None:
        """The account is new: what is there is what was put in."""
        balances = await self._reader.balances()
        now_ns, pad = self._setup.clock.wall_ns(), Pad()
        for asset, balance in sorted(balances.items()):
            postings = opening(asset, balance.total, now_ns)
            self._setup.ledger.apply(postings)
            pad.postings += postings
        self._setup.ledger.keep_back({asset: one.held for asset, one in balances.items()})
        self._opened_ns = now_ns
        pad.flags[OPENED] = Flag(OPENED, str(now_ns), now_ns)
        self._engine.keeper.write(pad)
        self._agreed(now_ns)

    def _foreign(self, what: str) -> None:
        self._tell("foreign", what)
        if self._setup.settings.halt_on_foreign_orders:
            self._setup.breaker.trip(Reason.FOREIGN, f"somebody else trades here: {what}")

    def _stop(self, reason: Reason, said: str) -> None:
        self._tell(reason.value, said)
        self._setup.breaker.trip(reason, said)

    def _tell(self, kind: str, said: str) -> None:
        pad = Pad()
        self._engine.settling.incident(pad, kind, said)
        self._engine.keeper.write(pad)
