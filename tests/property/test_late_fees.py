"""A venue rounds fees as it likes, takes them at once and posts them later, in any grouping.

Whatever it does, with restarts between, the books never drift before, and are exact after; what is
beyond the bound is always found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from arbit.domain.account import FEE_POSTED, Balance, Flow
from arbit.domain.money import ZERO, ceil_to
from arbit.domain.order import Trade
from arbit.domain.records import Batch, PostedState
from arbit.domain.triangle import Side
from arbit.execution.comparing import differences
from arbit.execution.late_fees import AGAIN_NS, LateFees, waits
from arbit.execution.setup import EngineSetup
from arbit.execution.works import Pad
from arbit.ledger import Ledger, opening, trade_postings
from arbit.persistence.memory import MemoryJournal

D = Decimal
TEN = D(10)
UNIT = D("0.000000001")
RATE = D("0.0025")
HOUR_NS = 3_600 * 10**9
DAY_NS = 24 * HOUR_NS
BEGAN_NS = 20_000 * DAY_NS
# Sizes near each other on purpose: their fees are within a unit or two of each other.
sizes = st.one_of(
    st.integers(0, 1_500).map(lambda n: D("0.001") + n * UNIT),
    st.decimals("0.0001", "2", places=9),
)
bought = st.tuples(sizes, st.sampled_from([-1, 0, 1]))


@dataclass
class Desk:
    """One account at such a venue: its balance, its statements, and all of ours that is durable."""

    balance: Decimal = TEN
    now_ns: int = BEGAN_NS
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    trades: list[Trade] = field(default_factory=list)
    took: dict[str, Decimal] = field(default_factory=dict)
    flows: list[Flow] = field(default_factory=list)

    def __post_init__(self) -> None:
        for asset in ("BTC", "USD"):
            self.journal.write(Batch(postings=opening(asset, D(10), BEGAN_NS)))
        self.start()

    def start(self) -> None:
        """A process begins: all that it knows is in the journal."""
        memory = self.journal.recall()
        self.ledger = Ledger(memory.sums, memory.late_fees, memory.rough)
        setup = cast("Any", Setup(self.ledger, self.journal, self))
        self.late = LateFees(cast("EngineSetup", setup))

    def buy(self, qty: Decimal, off: int, beyond: Decimal = ZERO) -> None:
        """The venue takes what we reckon, give or take a unit (and what is planted)."""
        guess = ceil_to(qty * RATE, UNIT)
        self.now_ns += HOUR_NS // 60
        name = f"T{len(self.trades):03d}"
        trade = Trade(
            name,
            "O",
            "c",
            "BTC/USD",
            Side.BUY,
            qty,
            D(1),
            qty,
            (("BTC", guess),),
            self.now_ns,
            UNIT,
        )
        self.trades.append(trade)
        self.took[name] = max(D(0), guess + off * UNIT + beyond)
        self.balance += qty - self.took[name]
        postings, pad = trade_postings(trade, "BTC", "USD"), Pad()
        self.ledger.apply(postings)
        pad.book(trade, postings)
        waits(self.ledger, pad, trade)
        self.journal.write(pad.batch())

    def post(self, trades: Sequence[Trade], *, whole_day: bool) -> None:
        """One activity for these."""
        self.now_ns += HOUR_NS
        at_ns = self.now_ns // DAY_NS * DAY_NS if whole_day else self.now_ns
        fee = sum((self.took[one.trade_id] for one in trades), D(0))
        self.flows.append(Flow(f"F{len(self.flows):03d}", "BTC", -fee, FEE_POSTED, at_ns))

    def look(self) -> None:
        """What an audit does with what is listed."""
        pad = Pad()
        since_ns = self.late.since_ns(self.now_ns)
        assert self.late.take([one for one in self.flows if one.at_ns >= since_ns]) == []
        self.late.settle(pad)
        self.late.strange(pad, 0)
        self.journal.write(pad.batch())
        self.ledger.check()

    @property
    def drift(self) -> Decimal:
        """What is beyond what may be."""
        balances = {"BTC": Balance(self.balance), "USD": Balance(self.ledger.wallet("USD"))}
        pad = Pad()
        self.late.agree(pad, balances)
        self.journal.write(pad.batch())
        return differences(self.ledger, balances)[1].get("BTC", D(0))

    @property
    def told(self) -> list[str]:
        """Posted fees that fit nothing."""
        posted = self.journal.posted_fees.values()
        return [one.ref for one in posted if one.state is not PostedState.FITS]


@dataclass
class Setup:
    """As much of an engine's setup as late fees ask for."""

    ledger: Ledger
    journal: MemoryJournal
    desk: Desk
    fees_posted_every_ns: int = HOUR_NS

    @property
    def now_ns(self) -> int:
        return self.desk.now_ns

    @property
    def venue_ns(self) -> int:
        return self.desk.now_ns


def grouped(trades: Sequence[Trade], cuts: Sequence[bool]) -> list[list[Trade]]:
    """Trades in activities: each by itself, or some together."""
    groups: list[list[Trade]] = []
    for trade, alone in zip(trades, cuts, strict=False):
        if alone or not groups:
            groups.append([])
        groups[-1].append(trade)
    return groups


@given(
    st.lists(bought, min_size=1, max_size=9),
    st.lists(st.booleans(), min_size=9, max_size=9),
    st.randoms(use_true_random=False),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_books_never_drift_before_and_are_exact_after_whatever_is_posted_together(
    made: list[tuple[Decimal, int]],
    cuts: list[bool],
    chance: Any,
    whole_day: bool,
    shuffled: bool,
) -> None:
    desk = Desk()
    for qty, off in made:
        desk.buy(qty, off)
        assert not desk.drift
        if chance.random() < 0.3:
            desk.start()
    groups = grouped(desk.trades, cuts)
    if shuffled:
        chance.shuffle(groups)
    for group in groups:
        desk.post(group, whole_day=whole_day)
        if chance.random() < 0.6:
            desk.look()
            assert not desk.drift
        if chance.random() < 0.3:
            desk.start()
    desk.look()
    desk.look()
    assert desk.told == []
    assert desk.ledger.late_fees == ()
    assert desk.ledger.wallet("BTC") == desk.balance
    kept = list(desk.journal.postings)
    desk.start()
    desk.look()
    assert desk.journal.postings == kept


@given(
    st.lists(bought, min_size=1, max_size=6),
    st.integers(0, 5),
    st.sampled_from([-40, -3, 3, 40, 1_111]),
    st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_a_fee_beyond_the_bound_is_always_found(
    made: list[tuple[Decimal, int]],
    which: int,
    units: int,
    whole_day: bool,
) -> None:
    desk, found = Desk(), False
    which %= len(made)
    for number, (qty, off) in enumerate(made):
        size = D("0.01") + number * D("0.001") + (qty % D("0.0001"))  # none is taken for another
        desk.buy(size, 0 if number == which else off, units * UNIT if number == which else D(0))
        found = found or bool(desk.drift)
    for trade in desk.trades:
        desk.post([trade], whole_day=whole_day)
        desk.look()
        desk.now_ns += AGAIN_NS
        found = found or bool(desk.drift)
    desk.look()
    assert desk.told == [f"F{which:03d}"]
    assert found or desk.drift
    assert desk.ledger.slack("BTC") == UNIT


@given(st.lists(bought, min_size=2, max_size=30))
@settings(max_examples=50, deadline=None)
def test_trades_that_are_taken_for_each_other_end_in_the_same_sums(
    made: list[tuple[Decimal, int]],
) -> None:
    desk = Desk()
    near = [(D("0.001") + number % 3 * D("0.0000004"), off) for number, (_, off) in enumerate(made)]
    for qty, off in near:
        desk.buy(qty, off)
    for trade in reversed(desk.trades):
        desk.post([trade], whole_day=False)
        desk.look()
        assert not desk.drift
    assert desk.told == []
    assert desk.ledger.wallet("BTC") == desk.balance
    assert replace(desk.trades[0]) == desk.journal.trades["T000"]
