"""The ledger: what an entry does to the four books, what is free, and how far trading may reach."""

from __future__ import annotations

from decimal import Decimal

import pytest

from arbit.domain.account import Flow
from arbit.domain.errors import BrokenRule
from arbit.domain.order import Trade
from arbit.domain.records import Book, Posting
from arbit.domain.triangle import Side
from arbit.ledger import Ledger, Reach, flow, opening, result, trade_postings

D = Decimal


def trade(side: Side = Side.BUY, **changes: object) -> Trade:
    usual: dict[str, object] = {
        "trade_id": "T1",
        "order_id": "O1",
        "client_id": "ab1",
        "symbol": "BTC/USD",
        "side": side,
        "qty": D("0.5"),
        "price": D(100),
        "cost": D(50),
        "fees": (("BTC", D("0.001")),) if side is Side.BUY else (("USD", D("0.1")),),
        "at_ns": 1,
    }
    return Trade(**(usual | changes))  # type: ignore[arg-type]  # the fields of a trade


def desk(**amounts: int) -> Ledger:
    ledger = Ledger()
    for asset, amount in amounts.items():
        ledger.apply(opening(asset, D(amount), 0))
    return ledger


def books(ledger: Ledger, asset: str) -> dict[str, Decimal]:
    return {book.value: ledger.sum_of(book, asset) for book in Book if ledger.sum_of(book, asset)}


def test_what_was_there_first_is_capital_and_no_exposure() -> None:
    ledger = desk(USD=1000)
    assert books(ledger, "USD") == {"wallet": 1000, "capital": -1000}
    assert ledger.wallet("USD") == ledger.free("USD") == 1000
    assert ledger.exposure("USD") == 0


def test_a_deposit_and_a_withdrawal_are_capital_too() -> None:
    ledger = desk(USD=1000)
    ledger.apply(flow(Flow("L1", "USD", D(50), "deposit", 1)))
    ledger.apply(flow(Flow("L2", "USD", D(-70), "withdrawal", 2)))
    assert books(ledger, "USD") == {"wallet": 980, "capital": -980}
    assert ledger.exposure("USD") == 0


@pytest.mark.parametrize(
    ("side", "btc", "usd"), [(Side.BUY, "2.499", "950"), (Side.SELL, "1.5", "1049.9")]
)
def test_a_trade_moves_both_assets_and_its_fee_in_the_asset_it_was_taken_in(
    side: Side, btc: str, usd: str
) -> None:
    ledger = desk(USD=1000, BTC=2)
    ledger.apply(trade_postings(trade(side), "BTC", "USD"))
    assert (ledger.wallet("BTC"), ledger.wallet("USD")) == (D(btc), D(usd))
    fee_asset = "BTC" if side is Side.BUY else "USD"
    assert ledger.sum_of(Book.FEES, fee_asset) > 0
    assert ledger.deviation("BTC") == D(btc) - 2
    assert ledger.exposure("BTC") == abs(D(btc) - 2)


def test_a_fee_in_a_third_asset_touches_that_asset_alone() -> None:
    ledger = desk(USD=1000)
    paid = trade(fees=(("KFEE", D(2)), ("BTC", D("0.1"))))
    ledger.apply(trade_postings(paid, "BTC", "USD"))
    assert ledger.wallet("KFEE") == -2
    assert ledger.wallet("BTC") == D("0.4")
    assert ledger.assets == ("BTC", "KFEE", "USD")


def test_a_result_closes_what_a_cycle_earned_into_the_capital() -> None:
    ledger = desk(USD=1000)
    ledger.apply(trade_postings(trade(fees=()), "BTC", "USD"))
    ledger.apply(trade_postings(trade(Side.SELL, cost=D(60), fees=()), "BTC", "USD"))
    assert ledger.exposure("USD") == 10
    ledger.apply(result("c1", "USD", D(10), 2))
    assert ledger.exposure("USD") == 0
    assert books(ledger, "USD") == {"wallet": 1010, "capital": -1010}


def test_a_result_of_nothing_is_no_entry() -> None:
    assert result("c1", "USD", D(0), 2) == ()


def test_an_entry_that_does_not_add_up_is_refused_and_nothing_of_it_is_kept() -> None:
    ledger = desk(USD=1000)
    good = opening("EUR", D(5), 0)
    bad = Posting("x", "trade", Book.WALLET, "USD", D(1), 0)
    with pytest.raises(BrokenRule, match="does not add up"):
        ledger.apply((*good, bad))
    assert ledger.assets == ("USD",)
    assert ledger.wallet("USD") == 1000


@pytest.mark.parametrize("amount", ["NaN", "Infinity"])
def test_what_is_no_amount_never_enters(amount: str) -> None:
    ledger = desk(USD=1000)
    with pytest.raises(BrokenRule):
        ledger.apply(opening("USD", D(amount), 0))
    assert ledger.wallet("USD") == 1000


def test_books_that_do_not_add_up_are_refused_at_the_start() -> None:
    with pytest.raises(BrokenRule, match="the books of USD are off by 1"):
        Ledger({(Book.WALLET, "USD"): D(11), (Book.CAPITAL, "USD"): D(-10)})


def test_the_smallest_digit_of_the_largest_amount_is_kept() -> None:
    ledger = Ledger()
    ledger.apply(opening("SHIB", D("123456789012345678901234567890.5"), 0))
    ledger.apply(opening("SHIB", D("0.000000000000000000000000000001"), 0))
    assert ledger.wallet("SHIB") == D(
        "123456789012345678901234567890.500000000000000000000000000001"
    )


def test_a_hold_is_not_free_and_a_new_one_replaces_it() -> None:
    ledger = desk(USD=1000)
    ledger.hold("c1", "USD", D(300))
    ledger.hold("c2", "USD", D(100))
    assert (ledger.held("USD"), ledger.free("USD")) == (D(400), D(600))
    ledger.hold("c1", "USD", D(50))
    assert ledger.free("USD") == 850
    ledger.hold("c1", "USD", D(0))
    assert ledger.free("USD") == 900
    ledger.release("c2")
    ledger.release("c2")
    assert (ledger.held("USD"), ledger.wallet("USD")) == (D(0), D(1000))


def test_a_negative_hold_is_refused() -> None:
    ledger = desk(USD=1000)
    with pytest.raises(BrokenRule, match="a hold of -1 USD"):
        ledger.hold("c1", "USD", D(-1))
    assert ledger.free("USD") == 1000


def test_a_claim_counts_at_its_worst_both_ways_and_ends_with_its_cycle() -> None:
    ledger = desk(USD=1000)
    ledger.claim("c1", {"USD": Reach(D(-100), D(30))})
    assert ledger.exposure("USD") == 100
    assert ledger.exposure("USD", Reach(D(-100), D(200))) == 230
    assert ledger.exposure("USD") == 100, "what is only thought of is not kept"
    ledger.release("c1")
    assert ledger.exposure("USD") == 0


def test_what_an_open_cycle_moves_is_inside_its_claim_and_counted_once() -> None:
    ledger = desk(USD=1000)
    ledger.claim("c1", {"USD": Reach(D(-100)), "BTC": Reach(high=D(1))})
    ledger.apply(trade_postings(trade(fees=()), "BTC", "USD"), "c1")
    assert ledger.moved("c1") == {"USD": -50, "BTC": D("0.5")}
    assert (ledger.exposure("USD"), ledger.exposure("BTC")) == (D(100), D(1))
    ledger.release("c1")
    assert (ledger.exposure("USD"), ledger.exposure("BTC")) == (D(50), D("0.5"))
    assert ledger.moved("c1") == {}


def test_what_an_open_cycle_moves_beyond_its_claim_counts_as_it_is() -> None:
    """An overfill, a fee in a third asset, or a cycle that was adopted without any claim."""
    ledger = desk(USD=1000)
    ledger.claim("c1", {})
    ledger.apply(trade_postings(trade(fees=(("KFEE", D(2)),)), "BTC", "USD"), "c1")
    assert ledger.exposure("USD") == 50
    assert ledger.exposure("BTC") == D("0.5")
    assert ledger.exposure("KFEE") == 2


def test_a_position_left_behind_counts_together_with_what_is_open() -> None:
    ledger = desk(USD=1000)
    ledger.apply(trade_postings(trade(fees=()), "BTC", "USD"))
    ledger.claim("c1", {"BTC": Reach(D("-0.2"), D(1))})
    assert ledger.exposure("BTC") == D("1.5")


def test_drift_is_what_the_venue_says_beyond_what_we_know() -> None:
    ledger = desk(USD=1000)
    assert ledger.drift("USD", D(1000)) == 0
    assert ledger.drift("USD", D("999.99")) == D("-0.01")
    assert ledger.drift("XRP", D(3)) == 3
