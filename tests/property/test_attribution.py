"""Whatever happens to a cycle, its lines are the whole difference, to the last digit."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from arbit.attribution import Correction, explain
from arbit.domain.attribution import Cause, added
from arbit.domain.book import Level
from arbit.domain.cycle import Policy
from arbit.domain.order import OrderState
from arbit.domain.walk import MAX_LEVELS, WIDE, quote_at, walk
from tests.unit.explained import LEGS, Made

amounts = st.decimals("0.00000001", "50", places=8)
prices = st.decimals("0.000001", "90000", places=6)
levels = st.lists(st.builds(Level, prices, amounts), max_size=4).map(tuple)
books = st.lists(st.builds(Level, prices, amounts), min_size=1, max_size=4).map(tuple)
ends = st.sampled_from([None, OrderState.REJECTED, OrderState.NEVER, OrderState.EMPTY])
signed = st.decimals("-1", "1", places=12)


@st.composite
def cycles(draw: st.DrawFn) -> Made:
    """Legs that left or not, filled at anything by any amount, orders home, corrections."""
    shown = draw(st.tuples(books, books, books))
    made = Made(
        books=shown,
        planned=draw(st.tuples(amounts, amounts, amounts)),
        limits=draw(st.tuples(prices, prices, prices)),
        policy=draw(st.sampled_from(Policy)),
    )
    for index in range(1, draw(st.integers(0, 3)) + 1):
        asked = draw(amounts)
        made.leg(index, qty=asked, sent=draw(levels), fills=draw(levels), state=draw(ends))
    for leg in draw(st.lists(st.sampled_from(LEGS), max_size=2)):
        made.home(leg.reversed(), draw(levels))
    for order in made.orders:
        asset, cause = draw(st.sampled_from(["USD", "X"])), draw(st.sampled_from(Cause))
        made.corrections.append(Correction(order.intent.client_id, cause, asset, draw(signed)))
    return made


@given(cycles())
def test_no_rest_is_ever_left(made: Made) -> None:
    found = explain(made.told)
    assert found is not None
    assert found.rest == {}
    moves = [
        move
        for order in made.orders
        for trade in made.trades
        if trade.client_id == order.intent.client_id
        for move in trade.moves(*trade.symbol.split("/"))
    ]
    corrected = [(one.asset, one.amount) for one in made.corrections]
    assert found.moved == added(moves, corrected)
    parts = [found.shortfall(cause, leg).items() for cause in Cause for leg in (1, 2, 3)]
    assert added(*parts) == added((one.asset, one.amount) for one in found.lines)
    values = Decimal(0)
    for cause in Cause:
        values = WIDE.add(values, found.value(found.shortfall(cause)))
    assert values == WIDE.subtract(found.value(found.expected), found.value(found.moved))


@given(st.lists(st.builds(Level, prices, amounts), max_size=40), amounts)
def test_a_walk_keeps_what_the_quantity_takes_and_no_more_levels_than_its_bound(
    book: list[Level], qty: Decimal
) -> None:
    taken = walk(book, qty)
    assert len(taken) <= MAX_LEVELS
    there = sum((level.qty for level in book), Decimal(0))
    assert sum((level.qty for level in taken), Decimal(0)) == min(qty, there)
    if len(walk(book, qty, most=99)) <= MAX_LEVELS:
        exact, left = Decimal(0), min(qty, there)
        for level in book:
            exact += min(left, level.qty) * level.price
            left -= min(left, level.qty)
        assert quote_at(taken, min(qty, there)) == exact
