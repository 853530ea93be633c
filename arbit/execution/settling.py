"""Settling: what orders moved goes into ledger and pad; a cycle's end closes its books."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from arbit.domain.cycle import CycleState
from arbit.domain.events import IncidentSeen
from arbit.domain.market import Market
from arbit.domain.money import EXACT, ZERO, plain
from arbit.domain.order import Trade
from arbit.domain.realised import MOST, realised
from arbit.domain.records import Incident, OrderRecord, Posting
from arbit.domain.triangle import Side
from arbit.execution.cycle import Cycle, WorkingOrder
from arbit.execution.fee_table import FeeTable
from arbit.execution.late_fees import waits
from arbit.execution.tally import Tally
from arbit.execution.telling import filled
from arbit.execution.works import Pad, Work
from arbit.ledger import Ledger, conversion, own_part, result, trade_postings
from arbit.ports import Listener


@dataclass(frozen=True, slots=True)
class SettlingSetup:
    """What settling needs. `in_reference` prices one unit of an asset; None when nobody can."""

    venue: str
    ledger: Ledger
    markets: Mapping[str, Market]
    fees: FeeTable
    in_reference: Callable[[str], Decimal | None]
    wall_ns: Callable[[], int]
    publish: Listener


class Settling:
    """Books trades, keeps holds in line with what is out, and closes cycles."""

    def __init__(self, setup: SettlingSetup) -> None:
        self._setup = setup
        self.incidents: dict[str, int] = {}
        self.tally = Tally()

    def book(self, pad: Pad, cycle_id: str, order: WorkingOrder, trade: Trade) -> None:
        """A trade of ours that no book knows yet."""
        market = self._setup.markets.get(trade.symbol)
        leg = order.record.intent.leg
        base = leg.symbol_base if market is None else market.base
        quote = leg.receive if base == leg.spend else leg.spend
        postings = trade_postings(trade, base, quote)
        self._setup.ledger.apply(postings, cycle_id)
        pad.book(trade, postings)
        self.tally.fills += 1
        self._setup.publish(filled(self._setup.venue, cycle_id, order.record, trade))
        waits(self._setup.ledger, pad, trade)
        self._check_fee(pad, order.record, trade, (base, quote))

    def _check_fee(
        self, pad: Pad, record: OrderRecord, trade: Trade, assets: tuple[str, str]
    ) -> None:
        """What the venue took is booked as it says; a surprise is told, and the table hears it.

        A fee in another asset than agreed, or so much that it is no rate, is a surprise each time.
        Our own reckoning of a fee says nothing of the venue's rate.
        """
        if trade.fee_slack is not None:
            return
        intent = record.intent
        took = realised(trade, *assets, self._setup.in_reference)
        absurd = took is None or took.surely >= MOST
        gross = trade.qty if trade.side is Side.BUY else trade.cost
        for asset, amount in trade.fees:
            if asset != intent.leg.receive or (absurd and amount):
                most = EXACT.multiply(gross, intent.fee_rate)
                said = f"fee of {plain(amount)} {asset}, expected at most {plain(most)} "
                self.incident(pad, "fee", said + intent.leg.receive, record)
        if took is not None:
            fees, symbol = self._setup.fees, trade.symbol
            if said := fees.heard(symbol, took, intent.fee_rate, trade.at_ns):
                self.incident(pad, "fee", said, record)

    def incident(self, pad: Pad, kind: str, detail: str, record: OrderRecord | None = None) -> None:
        """Something an operator should know of."""
        self.incidents[kind] = self.incidents.get(kind, 0) + 1
        cycle_id = record.cycle_id if record else ""
        client_id = record.intent.client_id if record else ""
        pad.incidents.append(Incident(kind, detail, self._setup.wall_ns(), cycle_id, client_id))
        venue = self._setup.venue
        self._setup.publish(IncidentSeen(venue, kind, detail, cycle_id, client_id))

    def keep_holds(self, cycle: Cycle) -> None:
        """Hold what the cycle has in hand, and what its open orders may still spend."""
        moved = cycle.moved()
        outs: dict[str, Decimal] = {}
        for order in cycle.open_orders:
            asset = order.record.hold_asset
            outs[asset] = EXACT.add(outs.get(asset, ZERO), order.record.hold_amount)
        for asset in {**dict.fromkeys(cycle.assets), **moved, **outs}:
            out = outs.get(asset, ZERO)
            in_hand = moved.get(asset, ZERO) if asset != cycle.start else ZERO
            self._setup.ledger.hold(cycle.cycle_id, asset, max(out, in_hand, ZERO))

    def close(self, work: Work) -> Cycle:
        """The cycle is over: its result into the capital, its claims and holds let go.

        A conversion has none: it moves the capital itself from one asset to another.
        """
        cycle, at_ns = work.cycle, self._setup.wall_ns()
        moved = cycle.moved()
        converts = cycle.record.kind is not None
        profit = ZERO if converts else moved.get(cycle.start, ZERO)
        profit_ref = self._in_reference(moved)
        record = replace(cycle.record, ended_ns=at_ns, profit=profit, profit_ref=profit_ref)
        postings = result(cycle.cycle_id, cycle.start, profit, at_ns)
        if converts:
            postings = self._converted(cycle, moved, at_ns)
        self._setup.ledger.apply(postings)
        self._setup.ledger.release(cycle.cycle_id)
        work.pad.postings += postings
        work.pad.cycle(record)
        self.tally.closed(record)
        if cycle.state is CycleState.HELD:
            left = cycle.left_behind() or "nothing"
            self.incident(work.pad, "held", f"{record.path}: {left} left behind")
        return replace(cycle, record=record)

    def _converted(
        self, cycle: Cycle, moved: Mapping[str, Decimal], at_ns: int
    ) -> tuple[Posting, ...]:
        """What of a conversion's two ends is the owner's own move; the rest is trading's."""
        postings: tuple[Posting, ...] = ()
        for asset in cycle.goals:
            amount = moved.get(asset, ZERO)
            after = self._setup.ledger.settled_deviation(asset, beside=cycle.cycle_id)
            own = own_part(amount, EXACT.subtract(after, amount))
            postings += conversion(cycle.cycle_id, asset, own, at_ns)
        return postings

    def _in_reference(self, moved: Mapping[str, Decimal]) -> Decimal | None:
        """All that the cycle moved, at what our own books say now.

        What nobody prices counts for nothing where it came in. Where it left, what the rest earned
        may be no profit at all (None), and what the rest lost is the least: see `unpriced_loss`.
        """
        value, untold = ZERO, False
        for asset, amount in moved.items():
            price = self._setup.in_reference(asset) if amount else ZERO
            if price is not None:
                value = EXACT.add(value, EXACT.multiply(amount, price))
            untold = untold or (price is None and amount < 0)
        return None if untold and value >= 0 else value

    def unpriced_loss(self, cycle: Cycle) -> str:
        """What the cycle has lost of assets that nobody prices, in words: no limit can count it."""
        lost = [
            f"{plain(amount)} {asset}"
            for asset, amount in sorted(cycle.moved().items())
            if amount < 0 and self._setup.in_reference(asset) is None
        ]
        return ", ".join(lost) + " cannot be priced: the day's loss is not known" if lost else ""
