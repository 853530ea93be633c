"""Broken cycles, and books around them, drawn at random: where ways home are looked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from hypothesis import strategies as st

from arbit.domain.book import BookView, Level, Source
from arbit.domain.cycle import CycleState, Policy
from arbit.domain.market import Market, MarketStatus
from arbit.domain.money import ONE, ceil_to, floor_to
from arbit.domain.order import OrderIntent, Trade, end_of
from arbit.domain.records import CycleRecord, OrderRecord, PlannedRecord, Purpose
from arbit.domain.triangle import Leg, Side, triangle_of
from arbit.execution.cycle import Cycle, WorkingOrder
from arbit.execution.unwind import HomeOrder, Surroundings
from tests.unit.sizing_world import market

D = Decimal
WORTH = {"BTC": D(100), "ETH": D(10), "USD": D(1), "SOL": D(1), "EUR": D("1.1")}
INSIDE = ("BTC/USD", "ETH/BTC", "ETH/USD")
OUTSIDE = ("SOL/BTC", "SOL/USD", "SOL/ETH", "BTC/EUR", "EUR/USD")
FINE, COARSE = D("0.00000001"), D("0.001")
BPS = D(10_000)


@dataclass(frozen=True)
class Scene:
    """A cycle that fell short, what it may still lose, and what it sees."""

    cycle: Cycle
    budget: Decimal
    markets: Mapping[str, Market]
    books: Mapping[str, BookView]
    fees: Mapping[str, Decimal]

    @property
    def around(self) -> Surroundings:
        """As the engine hands it to the look."""
        return Surroundings(self.books.get, self.markets, self.fees)


def rated(symbol: str, off_bps: int = 0) -> Decimal:
    """What the market's price should be, so many bps off."""
    base, quote = symbol.split("/")
    return WORTH[base] / WORTH[quote] * (1 + D(off_bps) / BPS)


# Shapes of one side: (worth of the level in USD, how far it is from the one before in bps).
SHAPES = (
    ((1, 0),),
    ((60, 0),),
    ((1000, 0),),
    ((1, 0), (19, 5), (970, 300)),
    ((17, 0), (58, 50), (1, 300), (65, 5)),
    ((53, 0), (1, 5), (18, 50)),
    ((20, 0), (14, 300), (1000, 50)),
)


@st.composite
def books(draw: st.DrawFn, one: Market) -> BookView:
    """One to four levels a side, from a hundredth of a cycle deep to more than all of it."""
    tick = one.price_increment or D(1)
    middle = rated(one.symbol, draw(st.integers(-200, 200)))
    half = draw(st.sampled_from([D(5), D(20), D(100)])) / BPS
    sides: list[tuple[Level, ...]] = []
    for away, rounded in ((-1, floor_to), (1, ceil_to)):
        price, levels = middle * (1 + away * half), list[Level]()
        for value, step in draw(st.sampled_from(SHAPES)):
            price *= 1 + away * D(step) / BPS
            qty = floor_to(value / WORTH[one.base] * D("0.97"), COARSE)
            on_tick = rounded(price, tick)
            if not levels or (on_tick - levels[-1].price) * away > 0:
                levels.append(Level(on_tick, qty))
        sides.append(tuple(levels))
    return BookView(one.symbol, sides[0], sides[1], 1, Source.WS, 0, 0)


def venue(lot: Decimal) -> dict[str, Market]:
    """Eight markets that trade, all with these lots, and ticks as fine beside them."""
    least = lot if lot == COARSE else D("0.0000001")
    return {
        symbol: market(
            symbol,
            status=MarketStatus.ONLINE,
            price_increment=D("0.0001") * (lot / COARSE),
            qty_increment=lot,
            qty_min=lot,
            cost_min=least * 10,
        )
        for symbol in INSIDE + OUTSIDE
    }


@st.composite
def scenes(draw: st.DrawFn, lot: Decimal) -> Scene:
    """Any triangle and start, either policy, whatever the legs have traded, any budget."""
    markets = venue(lot)
    triangle = triangle_of(INSIDE, markets)
    if draw(st.booleans()):
        triangle = triangle.reversed()
    triangle = triangle.starting_at(draw(st.sampled_from(["USD", "BTC", "ETH"])))
    policy, value = draw(st.sampled_from(Policy)), draw(st.integers(5, 150))
    rows, orders, share = list[PlannedRecord](), list[WorkingOrder](), D(1)
    for index, leg in enumerate(triangle.legs, 1):
        limit = ceil_to(rated(leg.symbol, draw(st.integers(-100, 100))), D("0.0001"))
        row = PlannedRecord(
            leg, floor_to(value / WORTH[leg.symbol_base], COARSE), limit, D("0.001")
        )
        filled = draw(st.sampled_from([D(0), D("0.3"), D("0.9"), D(1), D(1)]))
        share = filled if policy is Policy.PARALLEL else min(share, filled)
        fee_asset = draw(st.sampled_from([leg.receive] * 8 + ["SOL", "KFEE"]))
        rows.append(row)
        orders.append(order(f"o{index}", row, floor_to(row.qty * share, COARSE), fee_asset))
    one, two, three = rows
    state = CycleState.UNWINDING
    cycle = Cycle(CycleRecord("c", policy, state, (one, two, three), 0), tuple(orders))
    fees = {name: D(draw(st.sampled_from([0, 10, 26, 40]))) / BPS for name in markets}
    closed = draw(st.sets(st.sampled_from(OUTSIDE)))
    return Scene(
        cycle=cycle,
        budget=cycle.stake * draw(st.sampled_from([D(0), D(10), D(50), D(100), D(1000)])) / BPS,
        markets=markets,
        books={name: draw(books(one)) for name, one in markets.items()},
        fees={name: fee for name, fee in fees.items() if name not in closed},
    )


def order(
    client_id: str, row: PlannedRecord, qty: Decimal, fee_asset: str, purpose: Purpose = Purpose.LEG
) -> WorkingOrder:
    """An order that is over, of which `qty` was filled at its limit."""
    leg, cost = row.leg, qty * row.limit_price
    gross = qty if leg.side is Side.BUY else cost
    fee = gross * row.fee_rate if fee_asset == leg.receive else D("0.3")
    ids = (f"T-{client_id}", f"O-{client_id}", client_id)
    trade = Trade(*ids, leg.symbol, leg.side, qty, row.limit_price, cost, ((fee_asset, fee),), 0)
    trades = (trade,) if qty else ()
    intent = OrderIntent(client_id, leg, row.qty, row.limit_price, row.fee_rate)
    state, index = end_of(row.qty, trades), 0 if purpose is Purpose.UNWIND else 1
    record = OrderRecord(intent, "c", purpose, index, 1, "x", state, leg.spend, D(0))
    return WorkingOrder(record, trades)


def filled(scene: Scene, home: HomeOrder, share: Decimal = ONE) -> Scene:
    """The same once this order home was filled at its limit, to the last lot or so much of it."""
    row = PlannedRecord(home.leg, home.qty, home.limit_price, home.fee_rate)
    qty = floor_to(home.qty * share, scene.markets[home.leg.symbol].qty_increment or FINE)
    done = order(f"u{scene.cycle.unwinds}", row, qty, home.leg.receive, Purpose.UNWIND)
    return replace(scene, cycle=scene.cycle.with_order(done))


def whole_lots(leg: Leg, amount: Decimal, scene: Scene) -> Decimal:
    """How much could be ordered with so much of `leg.spend` at the best price shown."""
    one, price = scene.markets[leg.symbol], scene.books[leg.symbol].facing(leg.side)[0].price
    lot, least, cost = one.qty_increment, one.qty_min, one.cost_min
    assert lot is not None
    assert least is not None
    assert cost is not None
    qty = floor_to(amount if leg.side is Side.SELL else amount / price, lot)
    return qty if qty >= least and qty * price >= cost else D(0)
