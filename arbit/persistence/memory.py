"""A journal that remembers as long as it lives: for benches, tests and simulated time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal

from arbit.domain.account import Counts
from arbit.domain.cycle import CycleState
from arbit.domain.learned import Learned
from arbit.domain.money import EXACT, ZERO
from arbit.domain.order import Trade
from arbit.domain.records import (
    OF_TRADES,
    Batch,
    Book,
    CycleRecord,
    Ended,
    Flag,
    Incident,
    JournalFailed,
    LateFee,
    Memory,
    OrderRecord,
    PostedFee,
    PostedState,
    Posting,
    Transfer,
    rough_costs,
)
from arbit.domain.route import ConversionKind
from arbit.domain.shadow import ShadowHour, ShadowSetup
from arbit.domain.walk import LegWalk, Seen

DAY_NS = 86_400 * 1_000_000_000
EPOCH = date(1970, 1, 1)


class MemoryJournal:
    """`ports.Journal` without a file. `fails` is the text of a failure to show, if any."""

    def __init__(self) -> None:
        self.cycles: dict[str, CycleRecord] = {}
        self.orders: dict[str, OrderRecord] = {}
        self.trades: dict[str, Trade] = {}
        self.postings: list[Posting] = []
        self.incidents: list[Incident] = []
        self.flags: dict[str, Flag] = {}
        self.late_fees: dict[str, LateFee] = {}
        self.posted_fees: dict[str, PostedFee] = {}
        self.learned: dict[str, Learned] = {}
        self.walks: dict[tuple[str, int, Seen], LegWalk] = {}
        self.transfers: dict[str, Transfer] = {}
        self.shadow_setups: dict[str, ShadowSetup] = {}
        self.shadow_hours: dict[tuple[str, int], ShadowHour] = {}
        self.writes = 0
        self.fails = ""

    def write(self, batch: Batch) -> None:
        """Keep the batch, or raise JournalFailed and keep nothing of it."""
        if self.fails:
            raise JournalFailed(self.fails)
        known = [trade.trade_id for trade in batch.trades if trade.trade_id in self.trades]
        if known:
            raise JournalFailed(f"UNIQUE constraint failed: trade {known[0]}")
        self.writes += 1
        self.cycles |= {one.cycle_id: one for one in batch.cycles}
        self.orders |= {one.intent.client_id: one for one in batch.orders}
        self.trades |= {one.trade_id: one for one in batch.trades}
        self.postings += batch.postings
        self.incidents += batch.incidents
        self.flags |= {one.name: one for one in batch.flags}
        self.late_fees |= {one.trade_id: one for one in batch.late_fees}
        self.posted_fees |= {one.ref: one for one in batch.posted_fees}
        for path in batch.forgotten:
            self.learned.pop(path, None)
        self.learned |= {one.path: one for one in batch.learned}
        self.walks |= {(one.cycle_id, one.leg_index, one.seen): one for one in batch.walks}
        self.transfers |= {one.ref: one for one in batch.transfers}
        if batch.shadow is not None:
            self.shadow_setups[batch.shadow.setup.name] = batch.shadow.setup
            self.shadow_hours |= {(one.setup, one.hour_ns): one for one in batch.shadow.hours}

    def recall(self) -> Memory:
        """What a start needs to know."""
        cycles = tuple(
            one for one in self.cycles.values() if not one.ended_ns or one.state is CycleState.HELD
        )
        open_ids = {one.cycle_id for one in cycles if not one.ended_ns}
        orders = tuple(
            one for one in self.orders.values() if one.cycle_id in open_ids or not one.state.over
        )
        ids = {one.intent.client_id for one in orders}
        sums: dict[tuple[Book, str], Decimal] = {}
        for posting in self.postings:
            key = (posting.book, posting.asset)
            sums[key] = EXACT.add(sums.get(key, ZERO), posting.amount)
        return Memory(
            cycles=cycles,
            orders=orders,
            trades=tuple(one for one in self.trades.values() if one.client_id in ids),
            sums=sums,
            flags=dict(self.flags),
            profit_ref_by_day=self._days(),
            last_trade_ns=max((one.at_ns for one in self.trades.values()), default=0),
            last_flow_ns=max(
                (p.at_ns for p in self.postings if p.kind in {"flow", "opening"}), default=0
            ),
            last_sent=tuple(
                (one.intent.leg.symbol, one.sent_ns)
                for one in sorted(self.orders.values(), key=lambda one: -one.sent_ns)
            ),
            late_fees=tuple(one for one in self.late_fees.values() if not one.ref),
            rough=rough_costs(self.flags, self.trades.values()),
            last_ends=tuple(
                Ended(one.path, one.state, one.ended_ns)
                for one in sorted(self.cycles.values(), key=lambda one: -one.ended_ns)
                if one.ended_ns and one.kind is None
            ),
            learned=tuple(self.learned.values()),
            last_rebalance_ns=max(
                (
                    one.ended_ns
                    for one in self.cycles.values()
                    if one.kind is ConversionKind.REBALANCE
                ),
                default=0,
            ),
        )

    def _days(self) -> dict[str, Decimal]:
        ended = [one for one in self.cycles.values() if one.ended_ns]
        days: dict[str, Decimal] = {}
        for one in ended:
            if one.profit_ref is not None:
                day = str(EPOCH + timedelta(days=one.ended_ns // DAY_NS))
                days[day] = EXACT.add(days.get(day, ZERO), one.profit_ref)
        return days

    def known_trades(self, trade_ids: Sequence[str]) -> frozenset[str]:
        """Which of these trades are kept already."""
        return frozenset(one for one in trade_ids if one in self.trades)

    def known_flows(self, refs: Sequence[str]) -> frozenset[str]:
        """Which of these flows, posted fees among them, are kept already."""
        kept = {one.ref for one in self.postings if one.kind == "flow"} | self.posted_fees.keys()
        return frozenset(ref for ref in refs if ref in kept)

    def stated_fees(self) -> tuple[Sequence[LateFee], Sequence[PostedFee]]:
        """The late fees that were stated, and what was posted for them or fits nothing."""
        closed = tuple(one for one in self.late_fees.values() if one.ref)
        refs, posted = {one.ref for one in closed}, self.posted_fees.values()
        return closed, tuple(
            one for one in posted if one.ref in refs or one.state is not PostedState.FITS
        )

    def counts(self, after_ns: int, until_ns: int) -> Counts:
        """How many trades and flows of this while are kept."""
        inside = [one for one in self.postings if after_ns < one.at_ns <= until_ns]
        flows = {one.ref for one in inside if one.kind == "flow"}
        return Counts(
            len({one.ref for one in inside if one.kind == "trade"}),
            sum(not ref.startswith("accepted:") for ref in flows),
        )

    def wallet_moves(self, trade_ids: Sequence[str]) -> Mapping[str, Mapping[str, Decimal]]:
        """What is posted to the wallet for these trades, by trade and asset, rounding included."""
        wanted, found = set(trade_ids), dict[str, dict[str, Decimal]]()
        for one in self.postings:
            if one.ref in wanted and one.kind in OF_TRADES and one.book is Book.WALLET:
                moved = found.setdefault(one.ref, {})
                moved[one.asset] = EXACT.add(moved.get(one.asset, ZERO), one.amount)
        return found

    def walks_of(self, cycle_id: str) -> Sequence[LegWalk]:
        """What the legs of this cycle were to trade with."""
        return tuple(one for one in self.walks.values() if one.cycle_id == cycle_id)

    def find(self, order: str) -> Memory | None:
        """The cycle that sent this order (its client id or the venue's), with all that is its."""
        found = [
            one for one in self.orders.values() if order in {one.order_id, one.intent.client_id}
        ]
        if not order or not found:
            return None
        orders = tuple(one for one in self.orders.values() if one.cycle_id == found[0].cycle_id)
        ids = {one.intent.client_id for one in orders}
        return Memory(
            cycles=(self.cycles[found[0].cycle_id],),
            orders=orders,
            trades=tuple(one for one in self.trades.values() if one.client_id in ids),
        )
