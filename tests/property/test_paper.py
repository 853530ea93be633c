"""Paper money is conserved, never negative, and never traded against the same liquidity twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from arbit.domain.book import BookView, Level, Source
from arbit.domain.market import Market
from arbit.domain.order import Fill, OrderIntent, OrderReport, OrderState
from arbit.domain.triangle import Leg, Side
from arbit.venues.paper import PaperExchange

D = Decimal
repeatable = settings(max_examples=400, deadline=None, derandomize=True, database=None)

LATENCY_NS = 10
FEE = D("0.0026")
LOT = D("0.01")
MARKETS = {
    f"{base}/{quote}": Market(
        f"{base}/{quote}",
        base,
        quote,
        price_increment=D("0.1"),
        qty_increment=LOT,
        qty_min=LOT,
        cost_min=D("0.05"),
    )
    for base, quote in ("BA", "CA", "CB")
}
START = {"A": D(300), "B": D(20), "C": D(20)}

SYMBOLS = st.sampled_from(sorted(MARKETS))
QTYS = st.integers(1, 400)  # hundredths
# Tenths. Bids and asks never meet; orders reach across both.
BIDS = st.dictionaries(st.integers(95, 99), QTYS, max_size=5)
ASKS = st.dictionaries(st.integers(100, 104), QTYS, max_size=5)
LIMITS = st.integers(96, 103)


@dataclass(frozen=True)
class Show:
    """The book of a symbol is now this; with no levels it is not believable."""

    symbol: str
    bids: dict[int, int]
    asks: dict[int, int]
    told: bool


@dataclass(frozen=True)
class Order:
    """Somebody orders."""

    symbol: str
    side: Side
    qty: int
    price: int


@dataclass(frozen=True)
class Wait:
    """Time passes."""

    ns: int


STEPS = st.lists(
    st.one_of(
        st.builds(Show, SYMBOLS, BIDS, ASKS, st.booleans()),
        st.builds(Order, SYMBOLS, st.sampled_from(Side), QTYS, LIMITS),
        st.builds(Wait, st.integers(0, 30)),
    ),
    min_size=10,
    max_size=60,
)


class Display:
    """What one symbol and side displays, was taken of, and may be taken of: in whole numbers.

    A second reading of the rules of paper's memory, and beside it the plain history: what a level
    showed first since it last left, plus each growth since, is all that can ever be filled there.
    """

    def __init__(self, taker: Side) -> None:
        self.worse = 1 if taker is Side.BUY else -1
        self.levels: dict[int, int] = {}
        self.taken: dict[int, int] = {}
        self.history: dict[int, int] = {}
        self.filled: dict[int, int] = {}

    def show(self, levels: dict[int, int]) -> None:
        for price in set(self.history) - set(levels):
            self.history.pop(price)
            self.filled.pop(price, None)
        for price, qty in levels.items():
            growth = max(0, qty - self.levels.get(price, 0))
            self.history[price] = self.history.get(price, 0) + growth
        self.levels = levels

    def look(self) -> None:
        """Paper sees this display, and lets go of what it outlived."""
        deepest = max(price * self.worse for price in self.levels)
        for price in list(self.taken):
            if price in self.levels:
                self.taken[price] = min(self.taken[price], self.levels[price])
            elif price * self.worse <= deepest:
                del self.taken[price]

    def fill(self, qty: int, limit: int) -> tuple[int, int]:
        """Hundredths of base, and thousandths of quote, that an order must get."""
        base = quote = 0
        for price in sorted(self.levels, key=lambda price: price * self.worse):
            free = self.levels[price] - self.taken.get(price, 0)
            part = min(qty - base, free) if price * self.worse <= limit * self.worse else 0
            if part > 0:
                self.taken[price] = self.taken.get(price, 0) + part
                self.filled[price] = self.filled.get(price, 0) + part
                assert self.filled[price] <= self.history[price]
                base, quote = base + part, quote + part * price
        return base, quote


def tuples(levels: dict[int, int], *, best_is_high: bool) -> tuple[Level, ...]:
    ordered = sorted(levels.items(), reverse=best_is_high)
    return tuple(Level(D(price) / 10, D(qty) / 100) for price, qty in ordered)


class Play:
    """One exchange, its books, and our own bookkeeping beside it."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.views: dict[str, BookView] = {}
        self.sums = dict(START)
        self.displays = {(symbol, side): Display(side) for symbol in MARKETS for side in Side}
        self.ends: Counter[OrderState] = Counter()
        self.orders = 0
        fees = dict.fromkeys(MARKETS, FEE)
        self.venue = PaperExchange(self, MARKETS, fees, START, LATENCY_NS, 10**9)

    def fresh(self, symbol: str, now_ns: int, max_age_ns: int) -> BookView | None:
        return self.views.get(symbol)

    def take(self, step: Show | Order | Wait) -> None:
        if isinstance(step, Show):
            self.show(step)
        elif isinstance(step, Order):
            self.order(step)
        else:
            self.now_ns += step.ns
            for report in self.venue.due(self.now_ns):
                self.note(report)

    def show(self, step: Show) -> None:
        symbol = step.symbol
        self.views.pop(symbol, None)
        if step.bids and step.asks:
            bids, asks = tuples(step.bids, best_is_high=True), tuples(step.asks, best_is_high=False)
            self.views[symbol] = BookView(symbol, bids, asks, 1, Source.WS, 0, 0)
            self.displays[symbol, Side.SELL].show(step.bids)
            self.displays[symbol, Side.BUY].show(step.asks)
        if step.told:
            self.venue.books_moved(symbol, self.now_ns)
            self.look(symbol)

    def look(self, symbol: str) -> None:
        if symbol in self.views:
            for side in Side:
                self.displays[symbol, side].look()

    def order(self, step: Order) -> None:
        market = MARKETS[step.symbol]
        leg = Leg.through(market, market.quote if step.side is Side.BUY else market.base)
        self.orders += 1
        intent = OrderIntent(str(self.orders), leg, D(step.qty) / 100, D(step.price) / 10, FEE)
        refused = self.venue.place(intent, self.now_ns)
        if refused is not None:
            self.note(refused)

    def note(self, report: OrderReport) -> None:
        """Foresee the fill from what is displayed, and move our own sums by it."""
        self.ends[report.end] += 1
        intent, leg = report.intent, report.intent.leg
        if report.end is OrderState.REJECTED:
            return
        base, quote = D(0), D(0)
        if leg.symbol in self.views:
            self.look(leg.symbol)
            display = self.displays[leg.symbol, leg.side]
            lots, worth = display.fill(int(intent.qty * 100), int(intent.limit_price * 10))
            base, quote = D(lots) / 100, D(worth) / 1000
        buys = leg.side is Side.BUY
        gross = base if buys else quote
        expected = Fill(base, quote, gross * FEE, leg.receive) if base else None
        assert report.fill == expected
        assert (report.end is OrderState.FILLED) == (base == intent.qty)
        assert (report.end is OrderState.EMPTY) == (base == 0)
        self.sums[leg.spend] -= quote if buys else base
        self.sums[leg.receive] += gross * (1 - FEE)

    def check(self) -> None:
        assert dict(self.venue.balances) == self.sums
        for asset in START:
            assert 0 <= self.venue.available(asset) <= self.venue.balances[asset]


def test_money_is_conserved_and_liquidity_taken_once_whatever_happens() -> None:
    ends: Counter[OrderState] = Counter()

    @repeatable
    @given(STEPS)
    def check(steps: list[Show | Order | Wait]) -> None:
        play = Play()
        for step in steps:
            play.take(step)
            play.check()
        play.take(Wait(LATENCY_NS))
        play.check()
        assert play.venue.next_due_ns is None
        assert all(play.venue.available(asset) == play.sums[asset] for asset in START)
        ends.update(play.ends)

    check()
    wanted = (OrderState.FILLED, OrderState.PARTIAL, OrderState.REJECTED)
    assert min(ends[end] for end in wanted) > 20


FROZEN = st.tuples(ASKS.filter(len), st.lists(st.tuples(QTYS, LIMITS), min_size=1, max_size=12))


@repeatable
@given(FROZEN)
def test_a_book_that_never_moves_gives_no_more_than_it_shows(
    given_: tuple[dict[int, int], list[tuple[int, int]]],
) -> None:
    shown, orders = given_
    play = Play()
    play.take(Show("C/B", {1: 1}, shown, told=False))
    for qty, price in orders:
        play.take(Order("C/B", Side.BUY, qty, price))
        play.take(Wait(LATENCY_NS))
        play.check()
    bought = play.venue.balances["C"] - START["C"]
    assert bought <= sum(D(qty) / 100 for qty in shown.values()) * (1 - FEE)
