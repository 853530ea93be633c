"""A venue rounds costs and fees as it likes, and states its dollars to the cent or to the end.

Whatever it does, with looks and restarts between, its balance is never taken for drift, what is
beyond the bound always is, and once all fees are posted and it was looked at, books are its equal
(to the cent, where it states no more). Decision 0012.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from arbit.domain.account import FEE_POSTED, Balance, Flow
from arbit.domain.money import EXACT, ZERO
from arbit.domain.order import Trade
from arbit.domain.records import Batch
from arbit.domain.triangle import Side
from arbit.execution import comparing
from arbit.execution.comparing import differences, settle_costs
from arbit.execution.late_fees import LateFees, waits
from arbit.execution.setup import EngineSetup
from arbit.execution.works import Pad
from arbit.ledger import Ledger, opening, trade_postings
from arbit.persistence.memory import MemoryJournal
from arbit.venues.alpaca.cash import Cash
from arbit.venues.alpaca.parse_orders import Execution, Order, trade_of

D = Decimal
RATE = D("0.0025")
CENT, FINE = D("0.01"), D("1e-9")
MINUTE_NS = 60 * 10**9
OPENED = {"BTC": D(10), "USD": D("5000.92")}
ways = st.sampled_from([ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP])
orders = st.tuples(
    st.sampled_from(list(Side)),
    st.one_of(st.decimals("0.001", "0.4", places=9), st.decimals("0.01", "0.4", places=2)),
    st.decimals("90", "110", places=2),
)
# After an order: nothing, a look, a start anew, the fees so far.
events = st.sampled_from(["", "", "look", "start", "post"])


@dataclass
class Desk:
    """An account at such a venue. `shown` is the unit that it states its dollars to; 0: all."""

    cost_way: str
    fee_way: str
    shown: Decimal = ZERO
    shown_way: str = ROUND_FLOOR
    now_ns: int = 10**18
    balances: dict[str, Decimal] = field(default_factory=lambda: dict(OPENED))
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    untold: list[tuple[str, Decimal]] = field(default_factory=list)
    flows: list[Flow] = field(default_factory=list)
    count: int = 0

    def __post_init__(self) -> None:
        for asset, amount in OPENED.items():
            self.journal.write(Batch(postings=opening(asset, amount, self.now_ns)))
        self.start()

    def start(self) -> None:
        """A process begins: all that it knows is in the journal, and what it is told."""
        memory = self.journal.recall()
        self.ledger = Ledger(memory.sums, memory.late_fees, memory.rough)
        self.cash = Cash()
        setup = SimpleNamespace(
            ledger=self.ledger,
            journal=self.journal,
            now_ns=self.now_ns,
            venue_ns=self.now_ns,
            fees_posted_every_ns=1,
            clock=SimpleNamespace(wall_ns=lambda: self.now_ns),
        )
        self.setup = cast("EngineSetup", setup)
        self.late = LateFees(self.setup)
        self.cash.heard(self._stated())

    def _stated(self) -> Decimal:
        usd = self.balances["USD"]
        return usd.quantize(self.shown, self.shown_way) if self.shown else usd

    def trade(self, side: Side, qty: Decimal, price: Decimal) -> None:
        """An order is filled."""
        self.now_ns += MINUTE_NS
        self.count += 1
        order = Order("O", "c", "BTC/USD", side, qty, price, qty, "filled", self.now_ns)
        fill = Execution(f"T{self.count:03d}", qty, price, self.now_ns)
        trade = trade_of(fill, order, RATE)
        self._take(trade)
        postings, pad = trade_postings(trade, "BTC", "USD"), Pad()
        self.ledger.apply(postings)
        pad.book(trade, postings)
        waits(self.ledger, pad, trade)
        self.journal.write(pad.batch())

    def _take(self, trade: Trade) -> None:
        cost = trade.cost.quantize(FINE, self.cost_way)
        buys = trade.side is Side.BUY
        asset, received = ("BTC", trade.qty) if buys else ("USD", cost)
        fee = (received * RATE).quantize(FINE, self.fee_way)
        sign = 1 if buys else -1
        self.balances["BTC"] += sign * trade.qty
        self.balances["USD"] -= sign * cost
        self.balances[asset] -= fee
        self.untold.append((asset, fee))

    def post(self) -> None:
        """What was taken is stated, each in an activity."""
        for asset, fee in self.untold:
            if fee:
                ref = f"F{len(self.flows):03d}"
                self.flows.append(Flow(ref, asset, -fee, FEE_POSTED, self.now_ns))
        self.untold.clear()

    def look(self) -> dict[str, Decimal]:
        """What an audit does; what is drift."""
        self.now_ns += MINUTE_NS
        pad = Pad()
        assert self.late.take(self.flows) == []
        self.late.settle(pad)
        self.cash.heard(self._stated())
        digits = self.cash.digits
        usd = Balance(self._stated(), ZERO, digits, coarse=digits is not None)
        balances = {"BTC": Balance(self.balances["BTC"]), "USD": usd}
        self.late.agree(pad, balances)
        off, found = differences(self.ledger, balances)
        settle_costs(self.setup, pad, balances, found)
        self.journal.write(pad.batch())
        self.ledger.check()
        assert self.shown or off == found
        return found

    def off(self, asset: str) -> Decimal:
        """The venue's truth less ours."""
        return EXACT.subtract(self.balances[asset], self.ledger.wallet(asset))


def go(desk: Desk, made: Sequence[tuple[tuple[Side, Decimal, Decimal], str]]) -> None:
    """Orders, and what happens after each."""
    for order, then in made:
        desk.trade(*order)
        if then == "start":
            desk.start()
        if then == "post":
            desk.post()
        if then:
            assert desk.look() == {}
    desk.post()
    assert desk.look() == {}
    assert desk.look() == {}


@given(ways, ways, st.lists(st.tuples(orders, events), min_size=1, max_size=20), st.integers(0, 4))
@settings(max_examples=150, deadline=None)
def test_rounded_costs_are_no_drift_and_are_booked_to_the_last_digit(
    cost_way: str, fee_way: str, made: list[Any], many: int
) -> None:
    desk = Desk(cost_way, fee_way)
    kept, comparing.MANY = comparing.MANY, many or comparing.MANY
    try:
        go(desk, made)
    finally:
        comparing.MANY = kept
    assert desk.ledger.late_fees == ()
    assert desk.off("USD") == 0
    assert desk.off("BTC") == 0
    assert all(one.slack == 0 for one in desk.ledger.rough.values())
    booked = [one for one in desk.journal.postings if one.kind == "cost"]
    assert sum(abs(one.amount) for one in booked) <= 4 * desk.count * FINE


@given(
    ways,
    ways,
    ways,
    st.lists(st.tuples(orders, events), min_size=1, max_size=20),
    st.integers(0, 4),
)
@settings(max_examples=100, deadline=None)
def test_dollars_stated_to_the_cent_are_no_drift_while_they_are_kept_finer(
    cost_way: str, fee_way: str, shown_way: str, made: list[Any], many: int
) -> None:
    desk = Desk(cost_way, fee_way, CENT, shown_way)
    kept, comparing.MANY = comparing.MANY, many or comparing.MANY
    try:
        go(desk, made)
    finally:
        comparing.MANY = kept
    assert abs(desk.off("USD")) <= desk.ledger.slack("USD") <= desk.count * FINE
    assert desk.off("BTC") == 0
    assert not any(one.kind == "cost" and one.asset == "USD" for one in desk.journal.postings)


@given(ways, ways, st.lists(orders, min_size=1, max_size=8), st.sampled_from([-1, 1]))
@settings(max_examples=100, deadline=None)
def test_what_is_beyond_the_bound_is_always_drift(
    cost_way: str, fee_way: str, made: list[Any], sign: int
) -> None:
    for shown in (ZERO, CENT):
        desk = Desk(cost_way, fee_way, shown)
        for order in made:
            desk.trade(*order)
        assert desk.look() == {}
        bound = desk.ledger.slack("USD") + shown
        desk.balances["USD"] += sign * (2 * bound + FINE)
        assert "USD" in desk.look()
        desk.post()
        desk.look()
        assert "USD" in desk.look() or desk.off("USD") == 0
