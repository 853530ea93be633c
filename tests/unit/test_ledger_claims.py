"""What an open cycle may still move beyond its claim, what is kept back, and who owns a posting."""

from __future__ import annotations

from decimal import Decimal

import pytest

from arbit.domain.account import Flow
from arbit.domain.order import Trade
from arbit.domain.records import Book, Posting
from arbit.domain.triangle import Side
from arbit.ledger import Ledger, Reach, flow, opening, result, rounding, trade_postings

D = Decimal


def moved(ledger: Ledger, cycle_id: str, asset: str, amount: str) -> None:
    """A trade of the cycle has moved so much of one asset."""
    ledger.apply(
        (
            Posting("T", "trade", Book.WALLET, asset, D(amount), 1),
            Posting("T", "trade", Book.TRADING, asset, -D(amount), 1),
        ),
        cycle_id,
    )


def desk() -> Ledger:
    """1000 USD; c1 may move 100 out and 30 in, c2 nothing; c1 has paid 40 so far."""
    ledger = Ledger()
    ledger.apply(opening("USD", D(1_000), 0))
    ledger.claim("c1", {"USD": Reach(D(-100), D(30))})
    ledger.claim("c2", {})
    moved(ledger, "c1", "USD", "-40")
    return ledger


@pytest.mark.parametrize(
    ("reach", "beyond"),
    [
        (Reach(D(-60)), None),  # 40 and 60 are what was claimed
        (Reach(D("-60.01")), Reach(low=D("-0.01"))),
        (Reach(D("-60.5"), D(70)), Reach(low=D("-0.5"))),
        (Reach(high=D(70)), None),  # back to the start and 30 beyond it, as claimed
        (Reach(high=D("70.5")), Reach(high=D("0.5"))),
        (Reach(D("-61"), D(72)), Reach(D(-1), D(2))),
        (Reach(), None),
    ],
)
def test_only_what_goes_further_than_the_claim_is_beyond_it(
    reach: Reach, beyond: Reach | None
) -> None:
    assert desk().beyond_claim("c1", {"USD": reach}) == ({} if beyond is None else {"USD": beyond})


def test_an_asset_that_was_never_claimed_is_beyond_from_the_first_unit() -> None:
    ledger = desk()
    reaches = {"BTC": Reach(high=D(1)), "ETH": Reach(D(-2)), "USD": Reach(D(-1))}
    assert ledger.beyond_claim("c1", reaches) == {"BTC": reaches["BTC"], "ETH": reaches["ETH"]}
    assert ledger.beyond_claim("nobody", {"USD": Reach(D(-1))}) == {"USD": Reach(D(-1))}


def test_what_was_moved_further_than_claimed_is_where_it_goes_on_from() -> None:
    """An overfill: the claim no longer covers it, and nothing more is free."""
    ledger = desk()
    moved(ledger, "c1", "USD", "-80")
    assert ledger.beyond_claim("c1", {"USD": Reach(D(-1))}) == {"USD": Reach(D(-1))}
    moved(ledger, "c1", "USD", "160")
    assert ledger.beyond_claim("c1", {"USD": Reach(high=D(1))}) == {"USD": Reach(high=D(1))}


def test_each_cycle_stands_by_its_own_claim_and_what_it_has_moved_itself() -> None:
    ledger = desk()
    assert ledger.beyond_claim("c2", {"USD": Reach(D(-5))}) == {"USD": Reach(D(-5))}
    moved(ledger, "c2", "USD", "-7")
    assert ledger.beyond_claim("c1", {"USD": Reach(D(-60))}) == {}
    assert ledger.beyond_claim("c2", {"USD": Reach(high=D(7))}) == {}


def test_what_is_stretched_is_claimed_on_top() -> None:
    ledger = desk()
    ledger.stretch("c1", {"USD": Reach(D(-20), D(5)), "BTC": Reach(high=D(2))})
    assert ledger.worst("USD") == Reach(D(-120), D(35))
    assert ledger.worst("BTC") == Reach(high=D(2))
    assert ledger.beyond_claim("c1", {"USD": Reach(D(-80), D(75))}) == {}
    ledger.stretch("c1", {"BTC": Reach(high=D(1))})
    assert ledger.worst("BTC") == Reach(high=D(3))


def test_a_stretch_begins_where_the_cycle_has_gone_to() -> None:
    ledger = desk()
    moved(ledger, "c1", "USD", "-80")  # 120 by now, 100 were claimed
    ledger.stretch("c1", {"USD": Reach(D(-10))})
    assert ledger.worst("USD") == Reach(D(-130), D(30))
    moved(ledger, "c1", "USD", "170")  # 50 in
    ledger.stretch("c1", {"USD": Reach(high=D(10))})
    assert ledger.worst("USD") == Reach(D(-130), D(60))
    assert ledger.worst("BTC") == Reach()


def test_a_stretch_of_one_cycle_is_no_other_ones_and_of_none_is_nothing() -> None:
    ledger = desk()
    ledger.stretch("nobody", {"USD": Reach(D(-500))})
    ledger.stretch("c2", {"USD": Reach(D(-1))})
    assert ledger.worst("USD") == Reach(D(-101), D(30))
    ledger.release("c2")
    assert ledger.worst("USD") == Reach(D(-100), D(30))


def test_an_entry_counts_for_its_own_cycle_asset_by_asset() -> None:
    ledger = desk()
    moved(ledger, "c1", "BTC", "0.5")
    moved(ledger, "c1", "USD", "-10")
    moved(ledger, "c2", "USD", "-3")
    assert ledger.moved("c1") == {"USD": -50, "BTC": D("0.5")}
    assert ledger.moved("c2") == {"USD": -3}


def test_an_entry_of_no_cycle_is_none_of_an_open_ones() -> None:
    ledger = desk()
    ledger.claim("", {})
    moved(ledger, "c3", "USD", "-10")
    ledger.apply(opening("BTC", D(1), 0))
    assert ledger.moved("c1") == {"USD": -40}
    assert ledger.moved("c3") == {}


def test_what_is_kept_back_is_owned_and_not_free_until_it_is_let_go() -> None:
    ledger = desk()
    ledger.keep_back({"USD": D("0.5"), "BTC": D(0), "ETH": D(-3)})
    assert (ledger.wallet("USD"), ledger.free("USD")) == (D(960), D("959.5"))
    assert (ledger.free("BTC"), ledger.free("ETH")) == (D(0), D(0))
    ledger.hold("c1", "USD", D(100))
    assert ledger.free("USD") == D("859.5")
    ledger.keep_back({})
    assert ledger.free("USD") == 860


def test_a_hold_of_nothing_is_none_even_where_there_was_none() -> None:
    ledger = desk()
    ledger.hold("c1", "BTC", D(0))
    ledger.hold("c1", "USD", D(0))
    assert (ledger.held("BTC"), ledger.held("USD")) == (D(0), D(0))


# --- postings: the journal keeps them, and a restart reads them by ref and kind ------------------


def told(postings: tuple[Posting, ...]) -> list[tuple[str, str, str, str, Decimal, int]]:
    return [(p.ref, p.kind, p.book.value, p.asset, p.amount, p.at_ns) for p in postings]


def test_an_opening_a_flow_a_result_and_a_rounding_say_whose_they_are() -> None:
    assert told(opening("USD", D(5), 7)) == [
        ("opening:USD", "opening", "wallet", "USD", D(5), 7),
        ("opening:USD", "opening", "capital", "USD", D(-5), 7),
    ]
    assert told(flow(Flow("L9", "BTC", D(-2), "withdrawal", 8))) == [
        ("L9", "flow", "wallet", "BTC", D(-2), 8),
        ("L9", "flow", "capital", "BTC", D(2), 8),
    ]
    assert told(result("c1", "USD", D(3), 9)) == [
        ("c1", "result", "trading", "USD", D(3), 9),
        ("c1", "result", "capital", "USD", D(-3), 9),
    ]
    assert told(rounding("T1", "ETH", D("-0.01"), 10)) == [
        ("T1", "rounding", "wallet", "ETH", D("-0.01"), 10),
        ("T1", "rounding", "capital", "ETH", D("0.01"), 10),
    ]
    assert rounding("T1", "ETH", D(0), 10) == ()


@pytest.mark.parametrize(("side", "sign"), [(Side.BUY, 1), (Side.SELL, -1)])
def test_a_trade_and_its_fees_are_posted_under_its_own_id_and_time(side: Side, sign: int) -> None:
    fees = (("KFEE", D("0.1")), ("USD", D("0.2")))
    trade = Trade("T7", "O1", "ab1", "BTC/USD", side, D(2), D(50), D(100), fees, 11)
    assert told(trade_postings(trade, "BTC", "USD")) == [
        ("T7", "trade", "wallet", "BTC", D(2) * sign, 11),
        ("T7", "trade", "trading", "BTC", D(-2) * sign, 11),
        ("T7", "trade", "wallet", "USD", D(-100) * sign, 11),
        ("T7", "trade", "trading", "USD", D(100) * sign, 11),
        ("T7", "fee", "wallet", "KFEE", D("-0.1"), 11),
        ("T7", "fee", "fees", "KFEE", D("0.1"), 11),
        ("T7", "fee", "wallet", "USD", D("-0.2"), 11),
        ("T7", "fee", "fees", "USD", D("0.2"), 11),
    ]


def test_a_digit_that_would_not_fit_is_refused_and_not_rounded() -> None:
    ledger = desk()
    with pytest.raises(ArithmeticError):
        ledger.apply(opening("USD", D("1E-500"), 0))
    assert ledger.wallet("USD") == 960
