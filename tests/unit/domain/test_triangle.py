from __future__ import annotations

import pytest

from arbit.domain.errors import UserError
from arbit.domain.triangle import Leg, Side, triangle_of
from tests.unit.fitness.scene import SYMBOLS, markets_of

MARKETS = markets_of(*SYMBOLS, "DOGE/USD", "ETH/EUR")


def test_a_leg_pays_quote_to_buy_and_base_to_sell() -> None:
    assert Leg.through(MARKETS["ETH/BTC"], "BTC") == Leg("ETH/BTC", Side.BUY, "BTC", "ETH")
    assert Leg.through(MARKETS["ETH/BTC"], "ETH") == Leg("ETH/BTC", Side.SELL, "ETH", "BTC")
    assert str(Leg.through(MARKETS["ETH/BTC"], "ETH")) == "sell ETH/BTC"
    with pytest.raises(UserError, match="ETH/BTC cannot be paid with USD"):
        Leg.through(MARKETS["ETH/BTC"], "USD")


def test_the_base_asset_of_a_leg_is_that_of_its_market_both_ways() -> None:
    leg = Leg.through(MARKETS["ETH/BTC"], "BTC")
    assert leg.symbol_base == leg.reversed().symbol_base == "ETH"
    assert leg.reversed().reversed() == leg


def test_a_triangle_starts_with_the_quote_of_its_first_leg_unless_told() -> None:
    assert triangle_of(SYMBOLS, MARKETS).path == "USD>BTC>ETH>USD"
    assert triangle_of(SYMBOLS, MARKETS, "USD").path == "USD>BTC>ETH>USD"
    with pytest.raises(UserError, match="starting with BTC"):
        triangle_of(SYMBOLS, MARKETS, "BTC")


def test_a_triangle_walked_backwards_begins_and_ends_in_the_same_asset() -> None:
    triangle = triangle_of(SYMBOLS, MARKETS)
    back = triangle.reversed()

    assert back.path == "USD>ETH>BTC>USD"
    assert back.reversed() == triangle
    assert back.symbols == tuple(reversed(triangle.symbols))


def test_a_triangle_can_start_at_each_of_its_assets_and_at_no_other() -> None:
    triangle = triangle_of(SYMBOLS, MARKETS)

    assert triangle.starting_at("ETH").path == "ETH>USD>BTC>ETH"
    assert triangle.starting_at("USD") == triangle
    with pytest.raises(UserError, match="USD>BTC>ETH>USD never holds DOGE"):
        triangle.starting_at("DOGE")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("BTC/USD", "ETH/BTC"), "three different markets"),
        (("BTC/USD", "ETH/BTC", "BTC/USD"), "three different markets"),
        (("BTC/USD", "ETH/BTC", "XRP/USD"), "'XRP/USD' is not listed"),
        (("BTC/USD", "ETH/BTC", "DOGE/USD"), "leg DOGE/USD would be paid in ETH"),
        (("BTC/USD", "ETH/BTC", "ETH/EUR"), "buy BTC/USD, buy ETH/BTC, sell ETH/EUR end in EUR"),
    ],
)
def test_what_is_no_triangle_is_refused_naming_the_legs(names: tuple[str, ...], words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        triangle_of(names, MARKETS)
    assert ",".join(names) in str(caught.value)
    assert "\n" not in str(caught.value)
