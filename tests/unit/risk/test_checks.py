"""Each rule on its own: what just passes, what just does not, and the figures a refusal tells.

Operators and the journal read the figures, so their names are part of what a rule promises.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from arbit.config import RiskSettings, ScanSettings, VenueSettings
from arbit.domain.book import BookView, Integrity
from arbit.domain.market import Market
from arbit.domain.plan import Plan, PlannedLeg
from arbit.domain.refusal import RefusalCode, Refused
from arbit.domain.route import Conversion
from arbit.domain.triangle import Leg, Side
from arbit.risk import checks
from tests.unit.execution.sights import BOOKS, ONLINE
from tests.unit.sizing_world import TRIANGLE, view

D = Decimal
NOW = 7_000_000_000
BUY_BTC = Leg("BTC/USD", Side.BUY, "USD", "BTC")
SELL_BTC = BUY_BTC.reversed()


class Seen:
    """What a venue shows at NOW and at no other time; a polled book is one of `polled`."""

    integrity = Integrity.CHECKSUM

    def __init__(self) -> None:
        self.books: dict[str, BookView | None] = {**BOOKS}
        self.markets: dict[str, Market] = dict(ONLINE)
        self.prices: dict[str, Decimal] = {"USD": D(1), "BTC": D(100)}
        self.times: dict[str, int] = dict.fromkeys(BOOKS, NOW)
        self.polled: set[str] = set()

    def view(self, symbol: str, now_ns: int) -> BookView | None:
        return self.books[symbol] if now_ns == NOW else None

    def confirmed_ns(self, symbol: str) -> int:
        return self.times[symbol]

    def from_rest(self, symbol: str) -> bool:
        return symbol in self.polled

    def market(self, symbol: str) -> Market | None:
        return self.markets.get(symbol)

    def in_reference(self, asset: str, now_ns: int) -> Decimal | None:
        return self.prices.get(asset) if now_ns == NOW else None


def said(refused: object) -> tuple[str, dict[str, str]] | None:
    if refused is None:
        return None
    assert isinstance(refused, Refused)
    return refused.code.value, dict(refused.figures)


def planned(leg: Leg, qty: str, limit: str, **changes: Any) -> PlannedLeg:
    amount, price = D(qty), D(limit)
    cost = amount * price
    buys = leg.side is Side.BUY
    usual: dict[str, Any] = {
        "expected_spend": cost if buys else amount,
        "expected_receive": amount if buys else cost,
        "worst_spend": cost if buys else amount,
        "worst_receive": amount if buys else cost,
        "fee": D(0),
        "fee_asset": leg.receive,
        "fee_rate": D(0),
    }
    return PlannedLeg(leg=leg, qty=amount, limit_price=price, **(usual | changes))


def plan(profit: str = "1", limits: tuple[str, str, str] = ("100", "0.1", "10.2")) -> Plan:
    """100 USD buy 1 BTC, which buys 10 ETH, which sell for USD again."""
    first, second, third = TRIANGLE.legs
    legs = (
        planned(first, "1", limits[0]),
        planned(second, "10", limits[1]),
        planned(third, "10", limits[2]),
    )
    return Plan(TRIANGLE, legs, D(100), D(100) + D(profit), D(profit), D(profit))


def test_a_feed_that_proves_nothing_is_refused_unless_the_operator_allows_it() -> None:
    seen = Seen()
    assert checks.integrity(seen, RiskSettings()) is None
    seen.integrity = Integrity.NONE
    assert said(checks.integrity(seen, RiskSettings())) == ("integrity", {"integrity": "none"})
    assert checks.integrity(seen, RiskSettings(allow_unproved_books=True)) is None


def test_a_polled_book_is_refused_and_the_first_of_them_named() -> None:
    seen = Seen()
    symbols = list(BOOKS)
    assert checks.streamed(seen, RiskSettings(), symbols) is None
    seen.polled = {symbols[2]}
    assert said(checks.streamed(seen, RiskSettings(), symbols)) == (
        "rest_book",
        {"symbol": symbols[2]},
    )
    assert checks.streamed(seen, RiskSettings(), symbols[:2]) is None
    assert checks.streamed(seen, RiskSettings(allow_rest_books=True), symbols) is None


def test_a_market_that_does_not_trade_is_refused_with_why() -> None:
    seen = Seen()
    assert checks.status(seen, "BTC/USD") is None
    del seen.markets["BTC/USD"]
    assert said(checks.status(seen, "BTC/USD")) == (
        "market_status",
        {"why": "BTC/USD is not listed"},
    )
    seen.markets["BTC/USD"] = replace(ONLINE["BTC/USD"], qty_increment=None)
    found = said(checks.status(seen, "BTC/USD"))
    assert found is not None
    assert found == ("market_status", {"why": seen.markets["BTC/USD"].why_not_tradable()})


@pytest.mark.parametrize("gone", ["bids", "asks", "book"])
def test_a_book_without_either_side_is_as_good_as_none(gone: str) -> None:
    seen = Seen()
    assert checks.fresh(seen, "BTC/USD", NOW) is None
    if gone == "book":
        seen.books["BTC/USD"] = None
    elif gone == "bids":
        seen.books["BTC/USD"] = replace(BOOKS["BTC/USD"], bids=())
    else:
        seen.books["BTC/USD"] = replace(BOOKS["BTC/USD"], asks=())
    assert said(checks.fresh(seen, "BTC/USD", NOW)) == ("stale_book", {"symbol": "BTC/USD"})


@pytest.mark.parametrize(("apart_ns", "refused"), [(200_999_999, False), (201_000_000, True)])
def test_books_may_be_as_far_apart_as_allowed_in_whole_milliseconds(
    apart_ns: int, refused: bool
) -> None:
    seen = Seen()
    seen.times["ETH/BTC"] = NOW - apart_ns
    seen.times["ETH/USD"] = NOW - 5
    expected = ("skew", {"apart_ms": "201", "most_ms": "200"}) if refused else None
    assert said(checks.skew(seen, list(BOOKS), 200)) == expected


@pytest.mark.parametrize(
    ("profit", "least", "refused"),
    [
        ("1", "100", None),
        ("1", "100.001", {"edge_bps": "100.000", "least_bps": "100.001"}),
        ("0.12345", "20", {"edge_bps": "12.345", "least_bps": "20"}),
        ("0", "0", {"edge_bps": "0.000", "least_bps": "0"}),
        ("-1", "-200", {"edge_bps": "-100.000", "least_bps": "-200"}),
        ("0.00000001", "0", None),
    ],
)
def test_the_edge_at_the_limits_is_what_is_demanded_and_never_nothing(
    profit: str, least: str, refused: dict[str, str] | None
) -> None:
    expected = None if refused is None else ("edge", refused)
    assert said(checks.edge(plan(profit), D(least))) == expected


def test_a_stake_may_be_as_large_as_allowed_in_reference_units() -> None:
    seen = Seen()
    scan = ScanSettings(max_notional_per_cycle=D(100))
    assert checks.notional(plan(), seen, scan, NOW) is None
    dearer = plan(limits=("100.01", "0.1", "10.2"))
    assert said(checks.notional(dearer, seen, scan, NOW)) == (
        "max_notional",
        {"stake": "100.01", "most": "100"},
    )
    seen.prices["USD"] = D("1.5")
    assert said(checks.notional(plan(), seen, scan, NOW)) == (
        "max_notional",
        {"stake": "150.00", "most": "100"},
    )
    del seen.prices["USD"]
    assert said(checks.notional(plan(), seen, scan, NOW)) == ("unpriced", {"asset": "USD"})


@pytest.mark.parametrize("missing", ["qty_min", "cost_min", "market"])
def test_a_market_whose_minima_nobody_knows_is_refused(missing: str) -> None:
    seen = Seen()
    if missing == "market":
        del seen.markets["BTC/USD"]
    elif missing == "qty_min":
        seen.markets["BTC/USD"] = replace(ONLINE["BTC/USD"], qty_min=None)
    else:
        seen.markets["BTC/USD"] = replace(ONLINE["BTC/USD"], cost_min=None)
    refused = checks.minima(seen, VenueSettings(name="sandbox"), BUY_BTC, D(1), D(100), own=True)
    assert said(refused) == ("market_status", {"why": "BTC/USD: no minima"})


@pytest.mark.parametrize(
    ("qty", "limit", "own", "least"),
    [
        ("0.1", "100", True, None),  # just what is asked of a new cycle
        ("0.1", "99.99", True, "10"),
        ("0.1", "99.99", False, None),  # an order home need not meet our own
        ("0.01", "5", False, None),  # just the venue's two minima
        ("0.01", "4.99", False, "0.05"),
        ("0.009", "100", False, "0.05"),
    ],
)
def test_an_order_meets_the_venues_minima_and_a_new_cycle_ours_too(
    qty: str, limit: str, own: bool, least: str | None
) -> None:
    seen = Seen()
    seen.markets["BTC/USD"] = replace(ONLINE["BTC/USD"], qty_min=D("0.01"), cost_min=D("0.05"))
    venue = VenueSettings(name="sandbox", min_notional={"USD": D(10), "BTC": D(1_000)})
    refused = checks.minima(seen, venue, BUY_BTC, D(qty), D(limit), own=own)
    if least is None:
        assert refused is None
    else:
        cost = f"{D(qty) * D(limit):f}"
        told = {"symbol": "BTC/USD", "qty": qty, "least": least}
        found = said(refused)
        assert found is not None
        assert found[0] == "min_notional"
        assert D(found[1]["cost"]) == D(cost)
        assert {key: value for key, value in found[1].items() if key != "cost"} == told


@pytest.mark.parametrize("side", Side)
def test_a_floor_that_only_buys_have_keeps_no_sell_from_coming_home(side: Side) -> None:
    seen = Seen()
    market = replace(ONLINE["BTC/USD"], cost_min=D(10), sell_cost_min=D(0))
    seen.markets["BTC/USD"] = market
    leg = BUY_BTC if side is Side.BUY else SELL_BTC
    refused = checks.minima(seen, VenueSettings(name="sandbox"), leg, D("0.09"), D(100), own=False)
    assert (refused is None) is (side is Side.SELL)


TOP = {
    # 100.20 is asked for, 100 is bid: a buy is worse above, a sell below.
    Side.BUY: ("100.3002", "100.30021", "10.00"),
    Side.SELL: ("99.9", "99.89", "11.00"),
}


@pytest.mark.parametrize("side", list(Side))
def test_a_limit_may_be_as_far_from_the_top_as_allowed_and_no_further(side: Side) -> None:
    seen = Seen()
    leg = BUY_BTC if side is Side.BUY else SELL_BTC
    just, beyond, away = TOP[side]
    better = "90" if side is Side.BUY else "110"
    told = {"symbol": "BTC/USD", "away_bps": away, "most_bps": "10"}
    for limit in (just, better):
        assert checks.slippage(seen, planned(leg, "1", limit), D(10), NOW) is None
        assert checks.near_top(seen, leg, D(limit), D(10), NOW) is None
    refused = checks.slippage(seen, planned(leg, "1", beyond), D(10), NOW)
    assert said(refused) == ("slippage", told)
    assert said(checks.near_top(seen, leg, D(beyond), D(10), NOW)) == ("collar", told)


@pytest.mark.parametrize("book", [None, view("BTC/USD", [("100", "1")], [])])
def test_where_there_is_nothing_to_buy_from_no_limit_is_near(book: BookView | None) -> None:
    seen = Seen()
    seen.books["BTC/USD"] = book
    stale = ("stale_book", {"symbol": "BTC/USD"})
    assert said(checks.slippage(seen, planned(BUY_BTC, "1", "100"), D(10), NOW)) == stale
    assert said(checks.near_top(seen, BUY_BTC, D(100), D(10), NOW)) == stale
    if book is not None:  # the other side can still be sold to
        assert checks.near_top(seen, SELL_BTC, D(100), D(10), NOW) is None


def even() -> Seen:
    """Middles of 100 USD a BTC, 0.1 BTC and 10 USD an ETH: each is what the others imply."""
    seen = Seen()
    seen.books["BTC/USD"] = view("BTC/USD", [("99", "1")], [("101", "1")])
    seen.books["ETH/BTC"] = view("ETH/BTC", [("0.09", "1")], [("0.11", "1")])
    seen.books["ETH/USD"] = view("ETH/USD", [("9", "1")], [("11", "1")])
    return seen


@pytest.mark.parametrize(
    ("limits", "symbol", "away"),
    [
        (("100", "0.1", "10"), None, None),
        (("101", "0.101", "10.1"), None, None),  # a hundred bps, in either direction
        (("99", "0.099", "9.9"), None, None),
        (("101.01", "0.1", "10"), "BTC/USD", "101.00"),
        (("98.99", "0.1", "10"), "BTC/USD", "101.00"),
        (("100", "0.1011", "10"), "ETH/BTC", "110.00"),
        (("100", "0.1", "9.88"), "ETH/USD", "120.00"),
        (("100", "0.1", "10.13"), "ETH/USD", "130.00"),
    ],
)
def test_no_limit_is_far_from_what_the_other_two_books_imply(
    limits: tuple[str, str, str], symbol: str | None, away: str | None
) -> None:
    expected = None
    if symbol is not None:
        expected = ("collar", {"symbol": symbol, "away_bps": away, "most_bps": "100"})
    assert said(checks.collar(plan(limits=limits), even(), D(100), NOW)) == expected


@pytest.mark.parametrize(
    "book",
    [
        None,
        view("ETH/USD", [], [("11", "1")]),
        view("ETH/USD", [("9", "1")], []),
        view("ETH/USD", [("-1", "1")], [("1", "1")]),  # a middle of nothing implies nothing
        view("ETH/USD", [("-3", "1")], [("1", "1")]),
    ],
)
def test_without_all_three_middles_nothing_is_implied(book: BookView | None) -> None:
    seen = even()
    seen.books["ETH/USD"] = book
    legs = plan(limits=("100", "0.1", "10"))
    refused = checks.collar(legs, seen, D(100), NOW)
    assert said(refused) == ("stale_book", {"symbol": "BTC/USD"})


@pytest.mark.parametrize(
    ("price", "own", "cap"),
    [
        ("100", {}, "50"),
        ("100", {"BTC": D(49)}, "49"),
        ("100", {"BTC": D(51)}, "50"),
        ("100", {"ETH": D(1)}, "50"),
        ("0.5", {}, "10000"),
    ],
)
def test_a_cap_is_the_smaller_of_the_two_limits_in_the_assets_units(
    price: str, own: dict[str, Decimal], cap: str
) -> None:
    seen = Seen()
    seen.prices["BTC"] = D(price)
    risk = RiskSettings(max_exposure=D(5_000), asset_caps=own)
    assert checks.cap_of("BTC", seen, risk, NOW) == D(cap)


@pytest.mark.parametrize("price", [None, "0", "-1"])
def test_an_asset_without_a_price_above_nothing_has_no_cap(price: str | None) -> None:
    seen = Seen()
    if price is None:
        del seen.prices["BTC"]
    else:
        seen.prices["BTC"] = D(price)
    refused = checks.cap_of("BTC", seen, RiskSettings(asset_caps={"BTC": D(1)}), NOW)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.figures) == (RefusalCode.UNPRICED, {"asset": "BTC"})


@pytest.mark.parametrize(
    "book",
    [
        None,
        view("BTC/USD", [], [("100", "1")]),
        view("BTC/USD", [("99", "1")], []),
        view("BTC/USD", [("-1", "1")], [("1", "1")]),
        view("BTC/USD", [("-3", "1")], [("1", "1")]),
    ],
)
@pytest.mark.parametrize("leg", [BUY_BTC, SELL_BTC], ids=str)
def test_a_conversion_whose_books_show_no_middle_has_no_cost_that_could_be_allowed(
    leg: Leg, book: BookView | None
) -> None:
    seen = even()
    conversion = Conversion((planned(leg, "1", "100"),), D(1), D(1), D(1), None)
    seen.books["BTC/USD"] = book
    refused = checks.cost(conversion, seen, D(1_000_000), NOW)
    assert said(refused) == ("stale_book", {"symbol": "BTC/USD"})


@pytest.mark.parametrize("book", [None, view("BTC/USD", [("-1", "1")], [("1", "1")])])
def test_nor_does_a_market_that_is_bought_in_imply_anything_without_a_middle(
    book: BookView | None,
) -> None:
    seen = even()
    seen.books["BTC/USD"] = book
    refused = checks.collar(plan(limits=("100", "0.1", "10")), seen, D(1_000), NOW)
    assert said(refused) == ("stale_book", {"symbol": "ETH/BTC"})
