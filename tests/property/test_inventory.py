"""A reserve, what may be spent, and a band, whatever the figures are."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from arbit.config import InventorySettings
from arbit.config.inventory import Wanted
from arbit.domain.account import Flow
from arbit.domain.money import EXACT
from arbit.domain.records import Book, Posting
from arbit.domain.stand import Band
from arbit.inventory import Inventory, reserve_of
from arbit.ledger import Ledger, flow

D = Decimal
amounts = st.decimals(0, 10**9, places=8)
percents = st.one_of(st.sampled_from([D(0), D(100)]), st.decimals(0, 100, places=4))


# --- the reckoning of a reserve ------------------------------------------------------------------


@given(amount=amounts, percent=percents, capital=st.decimals(-(10**9), 10**9, places=8))
def test_a_reserve_is_the_larger_of_both_and_never_a_digit_too_small(
    amount: Decimal, percent: Decimal, capital: Decimal
) -> None:
    reserve = reserve_of(amount, percent, capital)
    assert reserve >= amount
    assert reserve * 100 >= percent * capital
    assert reserve in {amount, percent * max(capital, D(0)) / 100}


@given(
    owned=amounts,
    held=st.decimals(0, 1, places=4),
    amount=amounts,
    percent=percents,
    moved=st.decimals(-1, 1, places=4),
)
def test_what_may_be_spent_and_what_is_kept_never_come_to_more_than_there_is(
    owned: Decimal, held: Decimal, amount: Decimal, percent: Decimal, moved: Decimal
) -> None:
    said = InventorySettings(reserve_amount={"BTC": amount}, reserve_percent={"BTC": percent})
    ledger = Ledger()
    ledger.apply(flow(Flow("f", "BTC", owned, "deposit", 0)))
    ledger.hold("c1", "BTC", (owned * held).quantize(D("1e-8")))
    inventory = Inventory(said, ledger)
    before = inventory.reserve("BTC")
    spendable = inventory.spendable("BTC")
    assert 0 <= spendable <= max(ledger.free("BTC"), D(0))
    assert spendable == 0 or spendable + before == ledger.free("BTC")
    stand = inventory.state("BTC")
    assert (stand.owned, stand.spendable, stand.reserve) == (owned, spendable, before)
    if owned:  # what trading moves is not what was put in: the share stays what it was
        ledger.claim("c1", {})
        trade = (owned * moved).quantize(D("1e-8"))
        ledger.apply(_trade("BTC", trade), "c1")
        assert inventory.reserve("BTC") == before
        assert inventory.state("BTC").settled == owned


def _trade(asset: str, amount: Decimal) -> Any:
    sides = ((Book.WALLET, amount), (Book.TRADING, -amount))
    return [Posting("t", "trade", book, asset, one, 0) for book, one in sides]


@given(
    owned=amounts,
    target=amounts,
    band=percents,
    cap=st.none() | amounts,
    price=st.none() | st.decimals("0.000001", 10**6, places=6),
    in_units=st.booleans(),
)
def test_an_asset_is_out_of_its_band_by_what_would_bring_it_to_its_edge(
    owned: Decimal,
    target: Decimal,
    band: Decimal,
    cap: Decimal | None,
    price: Decimal | None,
    in_units: bool,
) -> None:
    currency = "" if in_units else "USD"
    said = InventorySettings(
        targets={"BTC": Wanted(target, currency)},
        caps={} if cap is None else {"BTC": Wanted(cap, currency)},
        band_percent=band,
    )
    ledger = Ledger()
    ledger.apply(flow(Flow("f", "BTC", owned, "deposit", 0)))
    stand = Inventory(said, ledger, lambda _: price).state("BTC")
    if not in_units and price is None:
        assert (stand.target, stand.low, stand.high, stand.cap) == (None,) * 4
        assert stand.band is Band.NO_BAND
        assert stand.out == 0
        return
    assert stand.target is not None
    assert stand.low is not None
    assert stand.high is not None
    assert stand.low <= stand.target <= stand.high
    assert stand.cap is None or stand.high <= max(stand.cap, stand.target)
    sides = {"under": stand.out < 0, "over": stand.out > 0, "within": stand.out == 0}
    assert sides[stand.band]
    ledger.apply(flow(Flow("g", "BTC", EXACT.minus(stand.out), "deposit", 0)))
    assert abs(Inventory(said, ledger, lambda _: price).state("BTC").out) < D("1e-40")
