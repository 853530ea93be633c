"""What a gate looks at in a test: books that stand still, and the markets that they are of."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from arbit.domain.book import BookView, Integrity
from arbit.domain.market import Market, MarketStatus
from tests.unit.sizing_world import MARKETS, view
from tests.unit.venues.virtual import VirtualClock

D = Decimal
ONLINE = {name: replace(market, status=MarketStatus.ONLINE) for name, market in MARKETS.items()}
# A gap of about one per cent after fees: real enough for collars and caps to mean something.
BOOKS = {
    "BTC/USD": view("BTC/USD", [("100", "5"), ("99.90", "20")], [("100.20", "2"), ("100.30", "3")]),
    "ETH/BTC": view("ETH/BTC", [("0.0990", "50")], [("0.10", "15"), ("0.11", "100")]),
    "ETH/USD": view("ETH/USD", [("10.15", "20"), ("10.10", "100")], [("10.20", "50")]),
}


class FixedSights:
    """Books that stand still, unless a test changes them."""

    integrity = Integrity.CHECKSUM

    def __init__(self, clock: VirtualClock) -> None:
        self.books: dict[str, BookView] = dict(BOOKS)
        self.markets: dict[str, Market] = dict(ONLINE)
        self.blind: set[str] = set()
        self.prices = {"USD": D(1), "BTC": D(100), "ETH": D("10.15")}
        self.clock = clock

    def view(self, symbol: str, now_ns: int) -> BookView | None:
        return None if symbol in self.blind else self.books.get(symbol)

    def confirmed_ns(self, symbol: str) -> int:
        return self.clock.now_ns

    def from_rest(self, symbol: str) -> bool:
        return False

    def market(self, symbol: str) -> Market | None:
        return self.markets.get(symbol)

    def in_reference(self, asset: str, now_ns: int) -> Decimal | None:
        return self.prices.get(asset)
