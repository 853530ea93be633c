"""Three small markets whose arithmetic can be done in the head."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from arbit.domain.book import BookView, Level, Source
from arbit.domain.market import Market
from arbit.domain.triangle import Triangle, triangle_of
from arbit.sizing import Plan, SizeLimits, Unfit, size

D = Decimal
Pairs = list[tuple[str, str]]


def levels(pairs: Pairs) -> tuple[Level, ...]:
    return tuple(Level(D(price), D(qty)) for price, qty in pairs)


def view(symbol: str, bids: Pairs, asks: Pairs) -> BookView:
    return BookView(symbol, levels(bids), levels(asks), 1, Source.WS, 0, 0)


def market(symbol: str, **facts: Any) -> Market:
    base, quote = symbol.split("/")
    usual: dict[str, Any] = {
        "price_increment": D("0.01"),
        "qty_increment": D("0.001"),
        "qty_min": D("0.001"),
        "cost_min": D("0.01"),
    }
    return Market(symbol, base, quote, **(usual | facts))


MARKETS = {symbol: market(symbol) for symbol in ("BTC/USD", "ETH/BTC", "ETH/USD")}
TRIANGLE = triangle_of(["BTC/USD", "ETH/BTC", "ETH/USD"], MARKETS)

# 100 USD buy 1 BTC, 1 BTC buys 10 ETH, 10 ETH sell for 110 USD.
BOOKS = {
    "BTC/USD": view("BTC/USD", [("99", "5")], [("100", "2"), ("101", "3")]),
    "ETH/BTC": view("ETH/BTC", [("0.09", "50")], [("0.10", "15"), ("0.11", "100")]),
    "ETH/USD": view("ETH/USD", [("11", "20"), ("10.50", "100")], [("12", "50")]),
}

FREE = dict.fromkeys(MARKETS, D(0))
RICH = SizeLimits(max_start=D(1_000_000))


def sized(
    *,
    books: Mapping[str, BookView] = BOOKS,
    markets: Mapping[str, Market] = MARKETS,
    fees: Mapping[str, Decimal] = FREE,
    limits: SizeLimits = RICH,
    triangle: Triangle = TRIANGLE,
) -> Plan | Unfit:
    """What sizing makes of these, each the usual one unless it is given."""
    return size(triangle, books, markets, fees, limits)


def planned(**given: Any) -> Plan:
    """The plan, for there is one."""
    outcome = sized(**given)
    assert isinstance(outcome, Plan), outcome
    return outcome
