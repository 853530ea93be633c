"""How an asset stands against what its owner wants of it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from arbit.config import InventorySettings
from arbit.config.inventory import Wanted
from arbit.domain.account import Flow
from arbit.domain.records import Book, Posting
from arbit.domain.stand import Band, Stand
from arbit.inventory import Inventory, reserve_of
from arbit.ledger import Ledger, Reach, flow, result

D = Decimal


def owning(**amounts: str) -> Ledger:
    ledger = Ledger()
    for asset, amount in amounts.items():
        ledger.apply(flow(Flow(f"F-{asset}-{amount}", asset, D(amount), "deposit", 0)))
    return ledger


def traded(ledger: Ledger, asset: str, amount: str, cycle_id: str = "") -> None:
    sides = ((Book.WALLET, D(amount)), (Book.TRADING, -D(amount)))
    ledger.apply([Posting("t", "trade", book, asset, one, 0) for book, one in sides], cycle_id)


# --- reserves ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "percent", "capital", "reserve"),
    [
        ("5", "0", "100", "5"),
        ("5", "10", "100", "10"),
        ("15", "10", "100", "15"),
        ("0", "100", "100", "100"),
        ("0", "10", "-100", "0"),
        ("5", "10", "0", "5"),
        ("0", "0.0001", "0.00000001", "0.00000000000001"),
    ],
)
def test_the_larger_of_amount_and_share_is_kept(
    amount: str, percent: str, capital: str, reserve: str
) -> None:
    assert reserve_of(D(amount), D(percent), D(capital)) == D(reserve)


def test_the_share_is_of_what_was_put_in_and_earned_wherever_trading_has_moved_it() -> None:
    ledger = owning(USD="1000")
    inventory = Inventory(InventorySettings(reserve_percent={"USD": D(10)}), ledger)
    ledger.claim("c1", {})
    traded(ledger, "USD", "-900", "c1")
    assert inventory.reserve("USD") == D(100)
    assert inventory.spendable("USD") == D(0)
    traded(ledger, "USD", "910", "c1")
    ledger.apply(result("c1", "USD", D(10), 0))
    assert inventory.reserve("USD") == D(101), "what was earned is put in"
    ledger.apply(flow(Flow("W", "USD", D(-500), "withdrawal", 0)))
    assert inventory.reserve("USD") == D(51)


def test_a_withdrawal_below_the_reserve_leaves_nothing_to_spend() -> None:
    ledger = owning(USD="100")
    inventory = Inventory(InventorySettings(reserve_amount={"USD": D(80)}), ledger)
    assert inventory.spendable("USD") == D(20)
    ledger.apply(flow(Flow("W", "USD", D(-50), "withdrawal", 0)))
    assert inventory.spendable("USD") == D(0)
    assert inventory.reserve("USD") == D(80)


def test_what_a_cycle_has_in_hand_for_its_way_home_is_nobody_elses_beside_a_reserve() -> None:
    ledger = owning(USD="1000", BTC="1")
    inventory = Inventory(InventorySettings(reserve_amount={"USD": D(900)}), ledger)
    ledger.claim("c1", {})
    traded(ledger, "USD", "400", "c1")  # its last leg filled, its first did not
    traded(ledger, "BTC", "2", "c1")
    assert ledger.free("USD") == D(1_400)
    assert inventory.spendable("USD") == D(100), "400 of it will go for what leg 1 did not buy"
    assert inventory.spendable("BTC") == D(3), "without a reserve nothing is kept for anybody"
    ledger.hold("c1", "USD", D(300))
    assert inventory.spendable("USD") == D(100), "what is held is not counted twice"
    ledger.release("c1")
    assert inventory.spendable("USD") == D(500)


# --- bands ---------------------------------------------------------------------------------------


def state(owned: str, price: str | None = "100", **said: object) -> Stand:
    settings = InventorySettings.model_validate(said)
    standing = None if price is None else D(price)
    return Inventory(settings, owning(BTC=owned), lambda _: standing).state("BTC")


@pytest.mark.parametrize(
    ("owned", "band", "out"),
    [
        ("7.99", Band.UNDER, "-0.01"),
        ("8", Band.WITHIN, "0"),
        ("10", Band.WITHIN, "0"),
        ("12", Band.WITHIN, "0"),
        ("12.5", Band.OVER, "0.5"),
    ],
)
def test_an_asset_is_out_of_its_band_past_either_end(owned: str, band: Band, out: str) -> None:
    stand = state(owned, targets="BTC=10")
    assert (stand.low, stand.target, stand.high) == (D(8), D(10), D(12))
    assert (stand.band, stand.out) == (band, D(out))
    assert stand.off_target == D(owned) - 10


def test_a_target_in_the_reference_currency_has_a_band_only_while_it_is_priced() -> None:
    assert state("1", targets="BTC=500 USD").target == D(5)
    stand = state("1", price=None, targets="BTC=500 USD", caps="BTC=900 USD")
    assert (stand.target, stand.low, stand.high, stand.cap) == (None, None, None, None)
    assert (stand.band, stand.out, stand.off_target) == (Band.NO_BAND, D(0), None)
    assert state("1").band is Band.NO_BAND


def test_a_band_ends_at_the_cap_and_does_not_begin_below_the_reserve() -> None:
    stand = state("10", targets="BTC=10", caps="BTC=11", reserve_amount="BTC=9")
    assert (stand.low, stand.high) == (D(9), D(11))
    apart = state("10", targets="BTC=10", caps="BTC=500 USD", reserve_percent="BTC=100")
    assert (apart.low, apart.high, apart.cap) == (D(10), D(10), D(5)), "the target is in its band"


def test_what_open_cycles_have_moved_does_not_put_an_asset_out_of_its_band() -> None:
    ledger = owning(BTC="10")
    ledger.claim("c1", {"BTC": Reach(high=D(5))})
    traded(ledger, "BTC", "5", "c1")
    inventory = Inventory(InventorySettings(targets={"BTC": Wanted(D(10))}), ledger)
    stand = inventory.state("BTC")
    assert (stand.owned, stand.settled, stand.band) == (D(15), D(10), Band.WITHIN)
    ledger.release("c1")  # it left it behind
    assert inventory.state("BTC").band is Band.OVER


def test_every_asset_that_is_owned_or_named_has_a_state() -> None:
    said = InventorySettings(
        targets={"ETH": Wanted(D(1))},
        caps={"EUR": Wanted(D(1))},
        reserve_amount={"SOL": D(1)},
        reserve_percent={"ADA": D(1)},
    )
    states = Inventory(said, owning(BTC="1")).states()
    assert [one.asset for one in states] == ["ADA", "BTC", "ETH", "EUR", "SOL"]


# --- the most that may be owned ------------------------------------------------------------------


def test_the_most_that_may_be_owned_counts_each_open_cycle_at_its_highest_moment() -> None:
    ledger = owning(BTC="10")
    ledger.claim("c1", {"BTC": Reach(low=D(-4), high=D(5), peak=D(1))})
    ledger.claim("c2", {"BTC": Reach(high=D(2))})
    ledger.claim("c3", {"ETH": Reach(high=D(9))})
    assert ledger.most_owned("BTC") == D(13)
    assert ledger.most_owned("BTC", Reach(high=D(7), peak=D("0.5"))) == D("13.5")
    traded(ledger, "BTC", "-4", "c1")
    traded(ledger, "BTC", "3", "c2")  # more than was thought
    assert ledger.settled("BTC") == D(10)
    assert ledger.most_owned("BTC") == D(14), "the stake may come back at any time"
    ledger.release("c1")
    assert ledger.most_owned("BTC") == D(9)


def test_reaches_at_once_add_their_peaks_or_what_stands_for_one() -> None:
    both = Reach(D(-1), D(3), D(1)).plus(Reach(D(-2), D(4)))
    assert both == Reach(D(-3), D(7), D(5))
    assert Reach(D(0), D(3)).plus(Reach(D(0), D(4))).peak is None


def test_what_goes_beyond_a_claim_is_told_of_the_peak_too() -> None:
    ledger = owning(USD="100")
    ledger.claim("c1", {"USD": Reach(low=D(-50), high=D(52), peak=D(2))})
    traded(ledger, "USD", "-50", "c1")
    assert ledger.beyond_claim("c1", {"USD": Reach(high=D(52))}) == {}
    beyond = ledger.beyond_claim("c1", {"USD": Reach(high=D(53))})
    assert beyond == {"USD": Reach(D(0), D(0), D(1))}
    ledger.stretch("c1", beyond)
    assert ledger.beyond_claim("c1", {"USD": Reach(high=D(53))}) == {}
    assert ledger.most_owned("USD") == D(103)
