"""The ledger: what an entry does to the four books, what is free, and how far trading may reach."""

from __future__ import annotations

from decimal import Decimal

import pytest

from arbit.domain.account import Flow
from arbit.domain.errors import BrokenRule
from arbit.domain.order import Trade
from arbit.domain.records import Book, Posting
from arbit.domain.triangle import Side
from arbit.ledger import Ledger, Reach, flow, opening, result, rounding, trade_postings

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


# --- what an entry says --------------------------------------------------------------------------


def lines(entry: tuple[Posting, ...]) -> list[tuple[str, str, str, str, Decimal, int]]:
    return [(p.ref, p.kind, p.book.value, p.asset, p.amount, p.at_ns) for p in entry]


def test_an_opening_and_a_flow_say_what_they_are_where_they_came_from_and_when() -> None:
    assert lines(opening("USD", D(5), 7)) == [
        ("opening:USD", "opening", "wallet", "USD", D(5), 7),
        ("opening:USD", "opening", "capital", "USD", D(-5), 7),
    ]
    assert lines(flow(Flow("L9", "EUR", D(-3), "withdrawal", 8))) == [
        ("L9", "flow", "wallet", "EUR", D(-3), 8),
        ("L9", "flow", "capital", "EUR", D(3), 8),
    ]


def test_a_trade_is_entered_asset_by_asset_and_each_fee_as_a_fee() -> None:
    sold = trade(Side.SELL, fees=(("USD", D("0.1")), ("KFEE", D(2))), at_ns=9)
    assert lines(trade_postings(sold, "BTC", "USD")) == [
        ("T1", "trade", "wallet", "BTC", D("-0.5"), 9),
        ("T1", "trade", "trading", "BTC", D("0.5"), 9),
        ("T1", "trade", "wallet", "USD", D(50), 9),
        ("T1", "trade", "trading", "USD", D(-50), 9),
        ("T1", "fee", "wallet", "USD", D("-0.1"), 9),
        ("T1", "fee", "fees", "USD", D("0.1"), 9),
        ("T1", "fee", "wallet", "KFEE", D(-2), 9),
        ("T1", "fee", "fees", "KFEE", D(2), 9),
    ]


def test_a_result_and_a_rounding_say_of_what_they_are() -> None:
    assert lines(result("c1", "USD", D(10), 2)) == [
        ("c1", "result", "trading", "USD", D(10), 2),
        ("c1", "result", "capital", "USD", D(-10), 2),
    ]
    assert lines(rounding("T1", "BTC", D("-0.00000001"), 3)) == [
        ("T1", "rounding", "wallet", "BTC", D("-0.00000001"), 3),
        ("T1", "rounding", "capital", "BTC", D("0.00000001"), 3),
    ]


def test_a_rounding_is_capital_and_no_part_of_what_trading_has_moved() -> None:
    ledger = desk(BTC=1)
    ledger.apply(rounding("T1", "BTC", D("-0.25"), 3))
    assert books(ledger, "BTC") == {"wallet": D("0.75"), "capital": D("-0.75")}
    assert ledger.deviation("BTC") == ledger.exposure("BTC") == 0


# --- whose it is ---------------------------------------------------------------------------------


def test_what_is_moved_adds_up_for_the_cycle_it_was_entered_for_and_for_no_other() -> None:
    ledger = desk(USD=1000)
    ledger.claim("c1", {})
    ledger.claim("c2", {})
    ledger.apply(trade_postings(trade(fees=()), "BTC", "USD"), "c1")
    ledger.apply(trade_postings(trade(fees=()), "BTC", "USD"), "c1")
    ledger.apply(trade_postings(trade(fees=()), "BTC", "USD"))
    assert ledger.moved("c1") == {"USD": D(-100), "BTC": D(1)}
    assert ledger.moved("c2") == {}
    ledger.claim("c1", {"USD": Reach(D(-200))})
    assert ledger.moved("c1") == {"USD": D(-100), "BTC": D(1)}, "a new claim forgets nothing"


def test_an_entry_for_no_cycle_is_no_cycles() -> None:
    ledger = desk(USD=1000)
    for name in ("", "XXXX"):
        ledger.claim(name, {})
    ledger.apply(trade_postings(trade(fees=()), "BTC", "USD"))
    assert ledger.moved("") == {"USD": D(-50), "BTC": D("0.5")}
    assert ledger.moved("XXXX") == {}


def test_what_the_venue_keeps_for_others_is_not_free_until_it_says_otherwise() -> None:
    ledger = desk(USD=1000, BTC=2)
    assert ledger.free("USD") == 1000
    ledger.keep_back({"USD": D("0.5"), "BTC": D(0), "ETH": D(-3)})
    assert (ledger.free("USD"), ledger.free("BTC"), ledger.free("ETH")) == (D("999.5"), D(2), D(0))
    assert ledger.wallet("USD") == 1000
    ledger.keep_back({"BTC": D(1)})
    assert (ledger.free("USD"), ledger.free("BTC")) == (D(1000), D(1))


def test_no_hold_is_left_of_a_hold_of_nothing_and_there_need_be_none() -> None:
    ledger = desk(USD=1000)
    ledger.hold("c1", "USD", D(0))
    ledger.hold("c1", "BTC", D(1))
    ledger.hold("c1", "USD", D(0))
    assert (ledger.held("USD"), ledger.held("BTC"), ledger.free("BTC")) == (D(0), D(1), D(-1))


# --- both ways at once, and further than claimed --------------------------------------------------


def test_the_worst_is_told_either_way_and_may_be_on_one_side_of_zero() -> None:
    ledger = desk(USD=1000)
    ledger.claim("c1", {"USD": Reach(D(-100), D(30))})
    ledger.claim("c2", {"USD": Reach(D(-5), D(7))})
    assert ledger.worst("USD") == Reach(D(-105), D(37))
    assert ledger.worst("USD", Reach(D(-1), D(2))) == Reach(D(-106), D(39))
    assert ledger.worst("BTC") == Reach()
    ledger.apply(trade_postings(trade(cost=D(400), fees=()), "BTC", "USD"))
    assert ledger.worst("USD") == Reach(D(-505), D(-363))
    assert ledger.exposure("USD") == 505


def opened(low: str, high: str, moved: str) -> Ledger:
    """c1 may move USD from `low` to `high`, and has moved it so far; what c2 does is its own."""
    ledger = desk(USD=1000)
    ledger.claim("c1", {"USD": Reach(D(low), D(high))})
    ledger.claim("c2", {"USD": Reach(D(-300), D(300))})
    side = Side.BUY if D(moved) < 0 else Side.SELL
    done = trade(side, cost=abs(D(moved)), fees=())
    ledger.apply(trade_postings(done, "BTC", "USD"), "c1")
    return ledger


@pytest.mark.parametrize(
    ("low", "high", "moved", "more", "beyond"),
    [
        ("-100", "30", "-40", Reach(D(-60), D(70)), None),  # just inside, both ways
        ("-100", "30", "-40", Reach(D("-60.01"), D(70)), Reach(D("-0.01"))),
        ("-100", "30", "-40", Reach(D(-60), D("70.01")), Reach(high=D("0.01"))),
        ("-100", "30", "-40", Reach(D("-60.5"), D(71)), Reach(D("-0.5"), D(1))),
        ("-100", "30", "-130", Reach(D(-1), D(0)), Reach(D(-1))),  # it is beyond its claim already
        ("-100", "30", "50", Reach(D(0), D(1)), Reach(high=D(1))),
        ("-100", "30", "-130", Reach(D(0), D(160)), None),
    ],
)
def test_only_what_lies_beyond_the_claim_comes_on_top_of_it(
    low: str, high: str, moved: str, more: Reach, beyond: Reach | None
) -> None:
    ledger = opened(low, high, moved)
    found = ledger.beyond_claim("c1", {"USD": more})
    assert found == ({} if beyond is None else {"USD": beyond})

    before = ledger.worst("USD")
    ledger.stretch("c1", found)
    after = before if beyond is None else before.plus(beyond)
    assert ledger.worst("USD") == after
    assert ledger.beyond_claim("c1", {"USD": more}) == {}, "it is claimed now"


def test_an_asset_without_a_claim_is_beyond_it_from_the_first_unit_on() -> None:
    ledger = opened("-100", "30", "-40")
    reach = Reach(D(-1), D(2))
    assert ledger.beyond_claim("c1", {"ETH": reach, "USD": Reach()}) == {"ETH": reach}
    assert ledger.beyond_claim("nobody", {"ETH": reach}) == {"ETH": reach}
    ledger.stretch("c1", {"ETH": reach})
    assert ledger.worst("ETH") == reach
    ledger.stretch("c1", {"ETH": reach})
    assert ledger.worst("ETH") == Reach(D(-2), D(4)), "on top of what was claimed"


def test_a_cycle_that_is_not_open_cannot_be_stretched() -> None:
    ledger = desk(USD=1000)
    ledger.stretch("c1", {"USD": Reach(D(-10), D(10))})
    ledger.claim("c1", {})
    assert ledger.worst("USD") == Reach()


def test_a_refused_entry_and_a_moved_map_handed_out_change_nothing() -> None:
    ledger = desk(USD=1000)
    ledger.claim("c1", {})
    ledger.apply(trade_postings(trade(fees=()), "BTC", "USD"), "c1")
    handed = dict(ledger.moved("c1"))
    ledger.moved("c1")["USD"] = D(0)  # type: ignore[index]  # a reader may not, and cannot
    assert ledger.moved("c1") == handed


def test_a_ledger_keeps_its_own_copy_of_what_it_starts_from() -> None:
    sums = {(Book.WALLET, "USD"): D(10), (Book.CAPITAL, "USD"): D(-10)}
    ledger = Ledger(sums)
    sums[Book.WALLET, "USD"] = D(99)
    ledger.check()
    assert ledger.wallet("USD") == 10
