"""Every route and every number of lots of each of its legs, tried one by one.

Written anew from the rules, with none of the code that it is held against.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from decimal import Decimal

from arbit.domain.book import BookView, Level
from arbit.domain.market import Market, MarketStatus
from tests.routes.markets import ASSETS, World

D = Decimal
Choice = tuple[Decimal, Decimal]  # what it costs at its limit, what it is expected to bring


def best_by_legs(world: World) -> dict[int, Decimal]:
    """The most that any sizes of any route of one, two or three legs bring."""
    found: dict[int, Decimal] = {}
    others = [asset for asset in ASSETS if asset not in (world.start, world.end)]
    for between in (0, 1, 2):
        for middle in itertools.permutations(others, between):
            stops = (world.start, *middle, world.end)
            choices = [list(_choices(world, pay, get)) for pay, get in itertools.pairwise(stops)]
            for brought in _ends(choices, world.limits.max_start):
                found[between + 1] = max(found.get(between + 1, D(0)), brought)
    return found


def _ends(choices: list[list[Choice]], held: Decimal) -> Iterator[Decimal]:
    for cost, brings in choices[0]:
        if cost > held:
            continue
        if len(choices) == 1:
            yield brings
        else:
            yield from _ends(choices[1:], brings)


def _choices(world: World, pay: str, get: str) -> Iterator[Choice]:
    """Each number of lots that an order from one asset into the other could be for."""
    for market in world.around.markets.values():
        if {market.base, market.quote} == {pay, get}:
            book = world.around.books.get(market.symbol)
            fee = world.around.fees.get(market.symbol)
            if market.status is MarketStatus.ONLINE and book is not None and fee is not None:
                yield from _lots(world, market, book, fee, sells=market.base == pay)


def _lots(
    world: World, market: Market, book: BookView, fee: Decimal, *, sells: bool
) -> Iterator[Choice]:
    if book.bids and book.asks and book.bids[0].price >= book.asks[0].price:
        return
    lot, tick, qty_min = market.qty_increment, market.price_increment, market.qty_min
    cost_min = market.cost_min
    if sells and market.sell_cost_min is not None:
        cost_min = market.sell_cost_min
    assert lot is not None
    assert tick is not None
    assert qty_min is not None
    assert cost_min is not None
    cost_min = max(cost_min, world.limits.min_cost.get(market.quote, D(0)))
    levels = [level for level in _near(world, book, sells=sells) if level.price % tick == 0]
    qty = lot
    while qty <= sum(level.qty for level in levels):
        left, money, limit = qty, D(0), D(0)
        for level in levels:
            part = min(left, level.qty)
            money, left, limit = money + part * level.price, left - part, level.price
            if not left:
                break
        if qty >= qty_min and qty * limit >= cost_min:
            gross = money if sells else qty
            yield (qty if sells else qty * limit, gross * (1 - fee))
        qty += lot


def _near(world: World, book: BookView, *, sells: bool) -> Iterator[Level]:
    side, bps = book.bids if sells else book.asks, world.limits.max_slippage_bps
    for level in side:
        off = abs(level.price - side[0].price) / side[0].price * 10_000
        if bps is None or off <= bps:
            yield level
