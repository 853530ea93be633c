"""Which conversion brings an asset back, in markets that can be reckoned in the head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from arbit.domain.market import MarketStatus
from arbit.domain.stand import Band, Stand
from arbit.rebalancing import Advice, Bounds, Move, advise, out_of_band, worth_restoring
from arbit.routing import Around
from tests.unit.sizing_world import D, market, view

MARKETS = {
    name: market(name, status=MarketStatus.ONLINE) for name in ("BTC/USD", "ETH/BTC", "ETH/USD")
}
BOOKS = {
    "BTC/USD": view("BTC/USD", [("99.90", "50")], [("100.10", "50")]),
    "ETH/BTC": view("ETH/BTC", [("0.10", "500")], [("0.11", "500")]),
    "ETH/USD": view("ETH/USD", [("9.99", "500")], [("10.01", "500")]),
}
AROUND = Around(BOOKS, MARKETS, dict.fromkeys(MARKETS, D("0.001")))
WIDE = Bounds(cost_bps=D(50), cost_left=D(100), notional=D(100_000))
PRICES = {"USD": D(1), "BTC": D(100), "ETH": D(10)}


def stand(asset: str, owned: str, target: str | None = None, **more: Any) -> Stand:
    """With a band of a tenth."""
    wanted = None if target is None else D(target)
    known: dict[str, Any] = {
        "spendable": D(owned),
        "reserve": D(0),
        "target": wanted,
        "low": None if wanted is None else wanted * D("0.9"),
        "high": None if wanted is None else wanted * D("1.1"),
        "price": PRICES[asset],
    }
    return Stand(asset, D(owned), D(owned), **(known | more))


def advised(
    *stands: Stand, pool: Sequence[str] = ("USD",), around: Around = AROUND, **bounds: Any
) -> Advice:
    return advise(stands, pool, around, replace(WIDE, **bounds))


def moved(*stands: Stand, **given: Any) -> Move:
    move = advised(*stands, **given).move
    assert move is not None
    return move


def test_too_much_goes_into_money_down_to_the_target_and_no_further() -> None:
    move = moved(stand("USD", "1000"), stand("BTC", "3", "2"))
    assert (move.asset, move.band, move.conversion.path) == ("BTC", Band.OVER, "BTC>USD")
    assert move.conversion.spend == D(1)
    # Ten cents of a hundred below the middle, and ten bps of what is received.
    assert move.cost == D(100) - D("99.90") * D("0.999")


def test_too_little_is_bought_up_to_the_target_and_no_further() -> None:
    move = moved(stand("USD", "1000"), stand("BTC", "1", "2"))
    assert move.conversion.path == "USD>BTC"
    assert D("0.99") < move.conversion.expected_receive <= D(1)


def test_what_two_assets_gain_by_is_done_at_once() -> None:
    move = moved(stand("USD", "1000"), stand("BTC", "3", "2"), stand("ETH", "1", "21"))
    assert move.asset == "ETH"  # twenty of them are worth more than one BTC
    assert move.conversion.end == "ETH"


def test_a_partner_that_gains_by_it_too_ends_at_its_own_target() -> None:
    joined = view("ETH/BTC", [("0.0999", "9")], [("0.1001", "900")])
    fine = market("ETH/BTC", status=MarketStatus.ONLINE, price_increment=D("0.0001"))
    around = Around(BOOKS | {"ETH/BTC": joined}, MARKETS | {"ETH/BTC": fine}, AROUND.fees)
    stands = (stand("USD", "0"), stand("BTC", "3", "2"), stand("ETH", "1", "21"))
    move = moved(*stands, around=around)
    assert (move.asset, move.conversion.path) == ("ETH", "BTC>ETH")
    assert move.conversion.spend <= D(1)


def test_an_asset_within_its_band_gives_no_more_than_the_band_has_room_for() -> None:
    move = moved(stand("USD", "105", "100"), stand("BTC", "1", "2"))
    assert move.conversion.spend <= D(15)


def test_a_reserve_and_a_cap_bound_it() -> None:
    poor = stand("USD", "1000", spendable=D(30), reserve=D(970))
    assert moved(poor, stand("BTC", "1", "2")).conversion.spend <= D(30)
    full = stand("USD", "1000", cap=D(1020))
    assert moved(full, stand("BTC", "3", "2")).conversion.expected_receive <= D(20)


def test_what_costs_too_much_is_done_in_part_or_not_at_all_and_it_says_why() -> None:
    thin = Around(
        BOOKS | {"BTC/USD": view("BTC/USD", [("99.90", "0.3"), ("98", "9")], [("100.10", "9")])},
        {"BTC/USD": MARKETS["BTC/USD"]},
        AROUND.fees,
    )
    over = (stand("USD", "1000"), stand("BTC", "3", "2"))
    assert moved(*over, around=thin).conversion.spend == D("0.25")
    assert moved(*over, around=thin, cost_bps=D(300)).conversion.spend == D(1)
    none = advised(*over, around=thin, cost_bps=D(10))
    assert none.move is None
    assert none.why_not == {"BTC": "BTC>USD may cost 20.0 bps, more than 10"}
    spent = advised(*over, cost_left=D("0.01"))
    assert "left of the day's budget" in spent.why_not["BTC"]


def test_an_asset_at_its_cap_is_not_on_the_way() -> None:
    only = {name: MARKETS[name] for name in ("BTC/USD", "ETH/BTC")}
    around = Around(BOOKS, only, AROUND.fees)
    stands = [stand("USD", "1000"), stand("ETH", "30", "20"), stand("BTC", "5", cap=D(20))]
    assert advised(*stands, around=around, cost_bps=D(900)).move is not None
    stands[2] = stand("BTC", "5", cap=D("5.5"))
    assert advised(*stands, around=around, cost_bps=D(900)).move is None


@pytest.mark.parametrize(
    ("stands", "why"),
    [
        ([stand("BTC", "3", "2")], "there is nothing to turn it into within bands, caps"),
        ([stand("USD", "1000"), stand("BTC", "1", "2", spendable=D(0))], ""),
        ([stand("USD", "0"), stand("BTC", "1", "2")], "there is nothing to take it from"),
        ([stand("USD", "0.001"), stand("BTC", "1", "2")], "no route from USD to BTC fits"),
    ],
)
def test_where_nothing_can_be_done_it_says_why(stands: list[Stand], why: str) -> None:
    advice = advised(*stands)
    assert (advice.move is None) == bool(why)
    assert why in advice.why_not.get("BTC", "")


def test_within_its_band_nothing_is_done() -> None:
    assert advised(stand("USD", "1000"), stand("BTC", "2.1", "2")) == Advice()


def test_the_furthest_out_by_worth_goes_first() -> None:
    stands = [stand("ETH", "31", "20"), stand("BTC", "3", "2"), stand("USD", "5")]
    assert [one.asset for one in out_of_band(stands)] == ["ETH", "BTC"]


def test_what_brings_an_asset_back_is_worth_what_it_saves() -> None:
    short, rich = stand("BTC", "1", "2"), stand("BTC", "3", "2")
    assert worth_restoring(short, D("0.1"), D(50)) == D("0.05")  # 10 USD at 50 bps
    assert worth_restoring(short, D(5), D(50)) == D("0.5")  # no more than is missing
    assert worth_restoring(rich, D("0.1"), D(50)) == D("-0.05")
    assert worth_restoring(rich, D("-0.1"), D(50)) == D("0.05")
    assert worth_restoring(stand("BTC", "2", "2"), D(1), D(50)) == 0
