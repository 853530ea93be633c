from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from arbit.app.watch.watchlist import Watchlist, watchlist
from arbit.config import VenueSettings
from arbit.domain.errors import UserError
from arbit.domain.fees import FeeSource
from arbit.domain.market import Market, MarketStatus
from tests.unit.fitness.scene import SYMBOLS, market, markets_of

D = Decimal
START_ASSETS = ("USD", "EUR", "BTC")


def chosen(markets: dict[str, Market] | None = None, **settings: Any) -> Watchlist:
    venue = VenueSettings.model_validate({"name": "kraken", **settings})
    return watchlist(venue, markets or markets_of(*SYMBOLS), START_ASSETS, D(0))


def test_every_triangle_is_watched_from_the_first_start_asset_it_holds() -> None:
    watch = chosen(markets_of(*SYMBOLS, "ETH/EUR", "BTC/EUR", "DOGE/XRP"))

    assert [triangle.start for triangle in watch.triangles] == ["EUR", "USD"]
    assert list(watch.symbols) == ["BTC/EUR", "BTC/USD", "ETH/BTC", "ETH/EUR", "ETH/USD"]


def test_an_override_comes_before_the_ladder_and_one_symbol_before_all() -> None:
    markets = {s: market(s, taker_fee=D("0.0026")) for s in SYMBOLS}
    watch = chosen(markets, taker_fee_bps=10, taker_fee_bps_by_symbol={"ETH/USD": D(5)})

    assert {symbol: (fee.bps, fee.source) for symbol, fee in watch.fees.items()} == {
        "BTC/USD": (D(10), FeeSource.OVERRIDE),
        "ETH/BTC": (D(10), FeeSource.OVERRIDE),
        "ETH/USD": (D(5), FeeSource.OVERRIDE),
    }
    assert chosen(markets).fees["BTC/USD"].source is FeeSource.LADDER


def test_an_unknown_fee_stays_unknown_and_leaves_no_hurdle() -> None:
    markets = {s: market(s, taker_fee=D("0.0026")) for s in SYMBOLS[:2]} | markets_of(SYMBOLS[2])
    watch = chosen(markets)

    assert "ETH/USD" not in watch.fees
    assert watch.kept(watch.triangles[0]) is None
    assert [listed.hurdle_bps for listed in watch.listed] == [None]


def test_the_hurdle_of_each_triangle_is_that_of_its_own_three_fees() -> None:
    watch = chosen(taker_fee_bps=40)
    assert [f"{listed.hurdle_bps:.1f}" for listed in watch.listed] == ["121.0"]


def test_named_symbols_alone_are_watched_and_each_once() -> None:
    markets = markets_of(*SYMBOLS, "ETH/EUR", "BTC/EUR")
    watch = chosen(markets, symbols=(*SYMBOLS, "ETH/USD"))
    assert list(watch.symbols) == sorted(SYMBOLS)

    lone = chosen(markets, symbols=("BTC/EUR", "ETH/USD", "BTC/EUR"))
    assert (list(lone.symbols), list(lone.triangles)) == (["BTC/EUR", "ETH/USD"], [])


def test_a_symbol_that_is_not_listed_is_named() -> None:
    with pytest.raises(UserError, match="symbol 'BTC/XYZ': kraken lists no such market"):
        chosen(symbols=("BTC/XYZ",))


def test_a_triangle_that_is_none_is_refused_naming_its_legs() -> None:
    with pytest.raises(UserError, match=r"no triangle: .*buy BTC/USD.*end in EUR"):
        chosen(markets_of(*SYMBOLS, "ETH/EUR"), triangles=(("BTC/USD", "ETH/BTC", "ETH/EUR"),))


def test_the_same_triangle_twice_would_count_its_gaps_twice_and_is_refused() -> None:
    with pytest.raises(UserError, match="expected each triangle once") as caught:
        chosen(triangles=(SYMBOLS, tuple(reversed(SYMBOLS))))
    assert "ETH/USD,ETH/BTC,BTC/USD" in str(caught.value)


def test_delisted_markets_are_not_watched_and_others_say_why_they_do_not_trade() -> None:
    markets = markets_of(*SYMBOLS)
    markets["ETH/USD"] = market("ETH/USD", status=MarketStatus.CANCEL_ONLY)
    (listed,) = chosen(markets).listed
    assert listed.why_not_tradable == "ETH/USD: status is cancel_only"

    markets["ETH/USD"] = market("ETH/USD", status=MarketStatus.DELISTED)
    assert list(chosen(markets).triangles) == []


def test_more_markets_than_allowed_is_an_error_and_no_silent_cut() -> None:
    assets = [f"A{n}" for n in range(4)]
    pairs = [f"{a}/{b}" for i, a in enumerate(assets) for b in assets[i + 1 :]]
    with pytest.raises(UserError, match=r"MAX_SYMBOLS: 6 markets would be watched, .* at most 3"):
        chosen(markets_of(*pairs), max_symbols=3)


QUOTED = ("USD", "USDT", "USDC", "BTC")
MANY = [
    *(f"{base}/{quote}" for base in ("AAVE", "BCH", "ETH", "LTC", "UNI") for quote in QUOTED),
    *("BTC/USD", "BTC/USDT", "BTC/USDC", "USDT/USD", "USDC/USD", "USDT/USDC"),
]
AT_START = ("USD", "USDT", "USDC", "EUR", "BTC", "ETH")


def of_alpaca(**settings: Any) -> Watchlist:
    given = {"name": "alpaca", "max_symbols": 10, **settings}
    return watchlist(VenueSettings.model_validate(given), markets_of(*MANY), AT_START, D(0))


def test_what_the_plan_holds_is_the_triangles_of_the_start_assets_and_is_said() -> None:
    watch = of_alpaca()
    held = {"USD", "USDT", "USDC", "BTC", "ETH"}
    assert {asset for symbol in watch.symbols for asset in symbol.split("/")} == held
    assert (len(watch.symbols), len(watch.triangles)) == (10, 10)
    assert watch.said.startswith("10 of ")
    for word in ("10 order books", "ARBIT_VENUES__ALPACA__SYMBOLS", "ALPACA_PLAN"):
        assert word in watch.said
    assert watch.symbols == of_alpaca().symbols


def test_nothing_is_left_out_where_all_of_it_fits() -> None:
    assert of_alpaca(alpaca_plan="paid", max_symbols=1000).said == ""
    watch = of_alpaca(symbols=("BTC/USD", "ETH/BTC", "ETH/USD"))
    assert (len(watch.triangles), watch.said) == (1, "")


def test_more_symbols_than_the_plan_holds_is_one_line_that_names_both() -> None:
    with pytest.raises(UserError) as caught:
        of_alpaca(symbols=tuple(MANY))
    said = str(caught.value)
    assert said.startswith(f"ARBIT_VENUES__ALPACA__MAX_SYMBOLS: {len(MANY)} markets would be")
    assert said.endswith("set ARBIT_VENUES__ALPACA__ALPACA_PLAN=paid")
    assert "at most 10 on Alpaca's free plan" in said
