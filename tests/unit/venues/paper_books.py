"""One market, books that are what a test says, and a paper exchange on them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from arbit.books import BookCache
from arbit.domain.book import BookView, Level, Source
from arbit.domain.market import Market
from arbit.domain.order import OrderIntent, OrderReport
from arbit.domain.triangle import Leg, Side
from arbit.venues.paper import PaperExchange

D = Decimal
MS = 1_000_000
LATENCY_NS = 60 * MS
MAX_AGE_NS = 3_000 * MS
Pairs = list[tuple[str, str]]

BUY = Leg("BTC/USD", Side.BUY, "USD", "BTC")
SELL = Leg("BTC/USD", Side.SELL, "BTC", "USD")
SPEC = Market(
    "BTC/USD",
    "BTC",
    "USD",
    price_increment=D("0.1"),
    qty_increment=D("0.001"),
    qty_min=D("0.01"),
    cost_min=D(5),
)


class Books:
    """Books that are what the test says, believable until it says otherwise."""

    def __init__(self, bids: Pairs, asks: Pairs) -> None:
        self.looks = 0
        self.view: BookView | None = None
        self.show(bids, asks)

    def show(self, bids: Pairs, asks: Pairs) -> None:
        sides = [tuple(Level(D(p), D(q)) for p, q in side) for side in (bids, asks)]
        self.view = BookView("BTC/USD", sides[0], sides[1], 1, Source.WS, 0, 0)

    def fresh(self, symbol: str, now_ns: int, max_age_ns: int) -> BookView | None:
        self.looks += 1
        return self.view if symbol == "BTC/USD" else None


def usual_books() -> Books:
    return Books([("99", "1"), ("98", "2")], [("100", "1"), ("101", "2"), ("102", "5")])


def exchange(books: Books | BookCache, **given: Any) -> PaperExchange:
    usual: dict[str, Any] = {
        "markets": {"BTC/USD": SPEC},
        "fees": {"BTC/USD": D("0.004")},
        "balances": {"USD": D(1000), "BTC": D(3)},
        "latency_ns": LATENCY_NS,
        "max_age_ns": MAX_AGE_NS,
    }
    return PaperExchange(books, **(usual | given))


def order(
    qty: str, limit: str, leg: Leg = BUY, client_id: str = "a", fee: str = "0.004"
) -> OrderIntent:
    return OrderIntent(client_id, leg, D(qty), D(limit), D(fee))


def settle(venue: PaperExchange, intent: OrderIntent, now_ns: int = 0) -> OrderReport:
    """Place the order and execute it when its time has come."""
    refused = venue.place(intent, now_ns)
    if refused is not None:
        return refused
    (report,) = venue.due(now_ns + LATENCY_NS)
    return report
