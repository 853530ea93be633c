from __future__ import annotations

from decimal import Decimal

from arbit.app.watch.budget import Budget
from arbit.books import BookCache
from arbit.config import ScanSettings
from arbit.domain.book import Disbelief, Source
from tests.unit.fitness.scene import SECOND, START, book, markets_of

D = Decimal
BALANCES = {"USD": D(10_000), "BTC": D("0.1"), "EUR": D(10_000), "ETH": D(3), "JPY": D(50)}


class Priced:
    """BTC/USD at 50,000 and USD/EUR (the other way round) at 0.8; ETH/BTC prices nothing in USD."""

    def __init__(self) -> None:
        names = ("BTC/USD", "USD/EUR", "ETH/BTC")
        self.now_ns = START
        self.cache = BookCache()
        self.cache.watch(names, START)
        for name, bid, ask in (
            ("BTC/USD", "49990", "50010"),
            ("USD/EUR", "0.79", "0.81"),
            ("ETH/BTC", "0.03", "0.04"),
        ):
            made = book(name, [(bid, "1")], [(ask, "1")])
            self.cache.put(made, seen_ns=START, confirmed_ns=START, source=Source.WS)
        scan = ScanSettings(paper_balances=BALANCES, max_notional_per_cycle=D(1_000))
        self.free = dict(BALANCES)
        self.budget = Budget(
            scan,
            self.cache,
            markets_of(*names),
            lambda: self.now_ns,
            3 * SECOND,
            lambda asset: self.free.get(asset, D(0)),
        )


def test_the_reference_currency_is_bounded_by_the_cap() -> None:
    assert Priced().budget("USD") == 1_000


def test_another_asset_is_bounded_by_what_the_cap_is_worth_of_it() -> None:
    priced = Priced()
    assert priced.budget("BTC") == D(1_000) / 50_000
    assert priced.budget("EUR") == D(1_000) * D("0.8")


def test_an_asset_that_the_account_does_not_hold_has_no_budget() -> None:
    assert Priced().budget("DOGE") is None


def test_an_asset_that_no_market_prices_has_no_budget_and_is_named() -> None:
    priced = Priced()
    assert priced.budget("JPY") is None
    assert priced.budget.unpriced == {"JPY"}


def test_what_other_cycles_have_spent_is_no_budget() -> None:
    priced = Priced()
    priced.free["USD"] = D(300)
    assert priced.budget("USD") == 300
    priced.free["USD"] = D(0)
    assert priced.budget("USD") is None


def test_without_a_believable_price_the_cap_cannot_be_kept_so_there_is_no_budget() -> None:
    priced = Priced()
    priced.cache.disbelieve("BTC/USD", Disbelief.CHECKSUM)
    assert priced.budget("BTC") is None
    priced.now_ns += 4 * SECOND
    assert priced.budget("EUR") is None
    assert priced.budget("USD") == 1_000  # needs no price
    assert priced.budget.unpriced == set()


def test_a_price_is_known_from_what_was_last_verified_although_nobody_asked_then() -> None:
    priced = Priced()
    priced.now_ns += 4 * SECOND
    priced.cache.disbelieve("BTC/USD", Disbelief.CHECKSUM)
    assert priced.budget.price("BTC") is None
    assert priced.budget.price("EUR") is None
    assert priced.budget.last_price("BTC") == 50_000
    assert priced.budget.last_price("EUR") == 1 / D("0.8")
    assert priced.budget.last_price("USD") == 1


def test_a_book_that_was_never_verified_and_an_asset_without_a_market_have_no_last_price() -> None:
    priced = Priced()
    priced.cache.watch(["JPY/USD"], START)
    assert priced.cache.last_middle("JPY/USD") is None
    assert priced.budget.last_price("JPY") is None
    assert priced.budget.last_price("ETH") is None


def test_what_makes_no_sense_moves_no_last_price() -> None:
    priced = Priced()
    for bid, ask in (("50005", "50015"), ("0", "0")):
        made = book("BTC/USD", [(bid, "1")], [(ask, "1")])
        priced.cache.put(made, seen_ns=START, confirmed_ns=START, source=Source.WS)
    assert priced.budget.price("BTC") is None
    assert priced.budget.last_price("BTC") == 50_010
