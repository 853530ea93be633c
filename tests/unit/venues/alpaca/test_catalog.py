from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arbit.domain.errors import FrameError, VenueRefused
from arbit.domain.market import MarketStatus
from arbit.venues.alpaca.catalog import AlpacaCatalog, parse_assets
from arbit.venues.alpaca.fees import DEAREST_TAKER, TIERS
from arbit.venues.alpaca.http import Answer, json_of
from arbit.venues.alpaca.reader import AlpacaReader, WatchedReader, parse_books
from tests.unit.venues.virtual import VirtualClock

RECORDED = Path(os.environ.get("SHARED_DATA", "../shared/data")) / "alpaca" / "rest_bodies.json"
ASSET: Mapping[str, Any] = {
    "class": "crypto",
    "symbol": "AAVE/USD",
    "status": "active",
    "tradable": True,
    "fractionable": True,
    "min_order_size": "0.010186515",
    "min_trade_increment": "0.000000001",
    "price_increment": "0.01",
}


def asset(**changed: Any) -> dict[str, Any]:
    made = {**ASSET, **changed}
    return {key: value for key, value in made.items() if value != "absent"}


def recorded(name: str) -> Any:
    if not RECORDED.exists():
        pytest.skip(f"the recorded bodies are not beside this checkout ({RECORDED.name})")
    return json_of(json.dumps(json.loads(RECORDED.read_text("utf-8"))[name]).encode(), name)


class Script:
    """Answers each question with the next of what it was given; remembers what was asked."""

    def __init__(self, clock: VirtualClock, *answers: Any) -> None:
        self.clock = clock
        self.answers = list(answers)
        self.asked: list[tuple[str, dict[str, str]]] = []

    async def question(
        self, path: str, params: Mapping[str, str] | None = None
    ) -> tuple[Any, Answer]:
        self.asked.append((path, dict(params or {})))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        now_ns = self.clock.monotonic_ns()
        return answer, Answer(200, b"", now_ns, now_ns)


def test_an_asset_is_a_market_with_its_increments_minima_and_the_dearest_fee() -> None:
    (market,) = parse_assets([asset()]).values()
    assert (market.symbol, market.base, market.quote) == ("AAVE/USD", "AAVE", "USD")
    assert (market.price_increment, market.qty_increment) == (Decimal("0.01"), Decimal("1e-9"))
    assert (market.price_decimals, market.qty_decimals) == (2, 9)
    assert market.qty_min == Decimal("0.010186515")
    assert market.cost_min == 10
    assert market.taker_fee == Decimal("0.0025")
    assert (market.base_digits, market.quote_digits) == (9, 9)
    assert market.why_not_tradable() is None


def test_only_what_is_quoted_in_dollars_has_a_least_cost_and_no_stablecoin_is_a_dollar() -> None:
    names = ("ETH/USDT", "ETH/USDC", "ETH/BTC", "ETH/USD")
    markets = parse_assets([asset(symbol=name) for name in names])
    assert [markets[name].cost_min for name in names] == [0, 0, 0, 10]
    assert [markets[name].least_cost(sells=False) for name in names] == [0, 0, 0, 10]
    assert {one.least_cost(sells=True) for one in markets.values()} == {0}
    assert [markets[name].quote for name in names] == ["USDT", "USDC", "BTC", "USD"]


@pytest.mark.parametrize("name", ["min_order_size", "min_trade_increment", "price_increment"])
@pytest.mark.parametrize("value", ["absent", None, "0", "-1", "NaN", "1e99", "x", True, [], 1.5j])
def test_a_figure_that_is_missing_or_makes_no_sense_keeps_its_market_from_trading(
    name: str, value: Any
) -> None:
    (market,) = parse_assets([asset(**{name: value})]).values()
    assert market.why_not_tradable() is not None


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"status": "inactive"}, MarketStatus.DELISTED),
        ({"tradable": False}, MarketStatus.MAINTENANCE),
        ({"tradable": "absent"}, MarketStatus.UNKNOWN),
        ({"tradable": "true"}, MarketStatus.UNKNOWN),
        ({"status": "absent"}, MarketStatus.UNKNOWN),
        ({"status": "new word"}, MarketStatus.UNKNOWN),
    ],
)
def test_a_market_trades_only_when_it_is_active_and_tradable(
    changed: dict[str, Any], status: MarketStatus
) -> None:
    (market,) = parse_assets([asset(**changed)]).values()
    assert market.status is status
    assert market.why_not_tradable() is not None


def test_what_cannot_be_split_has_no_increment_and_does_not_trade() -> None:
    (market,) = parse_assets([asset(fractionable=False)]).values()
    assert market.qty_increment is None


def test_what_is_no_crypto_pair_is_left_out_and_what_is_no_list_is_refused() -> None:
    odd = [asset(symbol="AAPL", **{"class": "us_equity"}), asset(symbol="BTCUSD"), 7, None]
    odd += [asset(symbol="A/B/C"), asset(symbol="/USD"), asset(symbol=None)]
    odd += [asset(symbol="ETH,BTC/USD"), asset(symbol="ETH\n/USD"), asset(symbol="USD/USD")]
    assert parse_assets(odd) == {}
    for body in (None, {}, "x", {"message": "forbidden."}):
        with pytest.raises(FrameError):
            parse_assets(body)


def test_the_table_of_fees_falls_with_the_volume() -> None:
    assert [tier.taker_bps for tier in TIERS] == [25, 22, 20, 18, 15, 13, 12, 10]
    assert sorted(TIERS, key=lambda tier: tier.volume_usd) == list(TIERS)
    assert Decimal("0.0025") == DEAREST_TAKER


def test_the_recorded_listing_is_read() -> None:
    markets = parse_assets(recorded("fetchMarkets")["httpResponse"])
    assert sorted(markets) == ["AAVE/USD", "DOGE/USDC"]
    doge = markets["DOGE/USDC"]
    assert (str(doge.qty_min), doge.price_decimals) == ("9.33706816", 9)
    assert doge.cost_min == 0
    assert all(market.why_not_tradable() is None for market in markets.values())


def test_the_recorded_books_are_read_with_their_digits_as_numbers_and_as_strings() -> None:
    (numbers,) = parse_books(recorded("fetchOrderBook_1")["httpResponse"], 5).values()
    assert (str(numbers.bids[0].price), str(numbers.bids[0].qty)) == ("64709.3", "0.2801")
    (strings,) = parse_books(recorded("fetchOrderBook_2")["httpResponse"], 5).values()
    assert [str(level.price) for level in strings.asks[:2]] == ["63874.3", "63887.615"]
    assert (len(strings.bids), len(strings.asks), strings.sent_ns) == (7, 7, 5)


def books_of(*symbols: str, bid: str = "99.5") -> dict[str, Any]:
    side = {"b": [{"p": "99", "s": "2"}, {"p": bid, "s": "1"}], "a": [{"p": "101", "s": "1"}]}
    return {"orderbooks": dict.fromkeys(symbols, side)}


def test_books_are_sorted_and_empty_levels_left_out() -> None:
    body = books_of("A/B")
    body["orderbooks"]["A/B"]["a"] = [{"p": 103, "s": 1}, {"p": 102, "s": 0}, {"p": 101, "s": 1}]
    (look,) = parse_books(body, 1).values()
    assert [level.price for level in look.bids] == [Decimal("99.5"), 99]
    assert [level.price for level in look.asks] == [101, 103]


@pytest.mark.parametrize(
    "body",
    [
        *(None, [], {}, {"orderbooks": []}, {"orderbooks": {"A/B": 7}}),
        *({"orderbooks": {"A/B": {"b": 7}}}, {"orderbooks": {"A/B": {"b": [7]}}}),
        *(
            {"orderbooks": {"A/B": {"b": [{"p": price, "s": size}]}}}
            for price, size in (
                ("x", 1),
                (None, 1),
                (-1, 1),
                (0, 1),
                (1, -1),
                (True, 1),
                (1, "inf"),
            )
        ),
    ],
)
def test_an_answer_that_is_no_book_is_refused(body: Any) -> None:
    with pytest.raises(FrameError):
        parse_books(body, 1)


def reading(*answers: Any) -> tuple[AlpacaReader, Script, VirtualClock]:
    clock = VirtualClock()
    data = Script(clock, *answers)
    catalog = AlpacaCatalog(Script(clock, [asset(symbol="A/B"), asset(symbol="C/D")]))
    return AlpacaReader(data, catalog, "us", clock, gap_ns=0), data, clock


async def test_all_tops_come_of_one_question_about_every_listed_market() -> None:
    reader, data, _ = reading(books_of("A/B", "C/D"), books_of("A/B"))
    assert dict(await reader.tops()) == dict.fromkeys(
        ("A/B", "C/D"), (Decimal("99.5"), Decimal(101))
    )
    assert data.asked == [("/v1beta3/crypto/us/latest/orderbooks", {"symbols": "A/B,C/D"})]
    assert list(await reader.tops()) == ["A/B"]


async def test_one_depth_is_cut_and_a_market_without_a_book_is_refused() -> None:
    reader, _, clock = reading(books_of("A/B"), books_of())
    look = await reader.look_depth("A/B", 1)
    assert (len(look.bids), len(look.asks), look.sent_ns) == (1, 1, clock.now_ns)
    with pytest.raises(VenueRefused, match="no book of A/B"):
        await reader.look_depth("A/B", 1)
    assert (await reader.look_status()).online is None
    assert set((await reader.look_markets()).values()) == {MarketStatus.ONLINE}


async def test_who_asks_in_a_loop_is_slowed_down_to_what_the_plan_allows() -> None:
    clock = VirtualClock()
    data = Script(clock, *[books_of("A/B")] * 200)
    reader = AlpacaReader(data, AlpacaCatalog(data), "us", clock)

    async def ask_on() -> None:
        while True:
            await reader.look_depth("A/B", 1)

    asking = asyncio.ensure_future(ask_on())
    await clock.advance(60)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert len(data.asked) == 121


async def test_a_symbol_that_the_venue_refuses_does_not_spoil_the_others() -> None:
    no = VenueRefused("400 invalid symbol: C/D")
    reader, data, clock = reading(no, books_of("A/B"), no, books_of("A/B"), books_of("A/B", "C/D"))
    assert list(await reader.look_books(["A/B", "C/D"])) == ["A/B"]
    assert list(await reader.look_books(["A/B", "C/D"])) == ["A/B"]
    await clock.advance(31)
    assert list(await reader.look_books(["A/B", "C/D"])) == ["A/B", "C/D"]
    asked = [params["symbols"] for _, params in data.asked]
    assert asked == ["A/B,C/D", "A/B", "C/D", "A/B", "A/B,C/D"]


async def test_when_every_symbol_is_refused_that_is_said() -> None:
    no = VenueRefused("403 forbidden.")
    reader, data, _ = reading(no, no)
    with pytest.raises(VenueRefused, match="forbidden"):
        await reader.look_books(["A/B", "C/D"])
    assert len(data.asked) == 1  # it is the key, and not a symbol
    bad = VenueRefused("400 invalid symbol: A/B")
    reader, data, _ = reading(bad, bad, bad)
    for _ in range(2):
        with pytest.raises(VenueRefused):
            await reader.look_books(["A/B", "C/D"])
    assert len(data.asked) == 3


async def test_watched_books_are_asked_for_together_and_each_answer_is_given_once() -> None:
    reader, data, clock = reading(*(books_of("A/B", "C/D", bid=f"99.{n}") for n in range(1, 5)))
    watched = WatchedReader(reader, ["A/B", "C/D"], clock)
    heard: list[list[str]] = []
    watched.heard = lambda books: heard.append(sorted(books))
    first = [await watched.look_depth(one, 9) for one in ("A/B", "C/D")]
    assert len(data.asked) == 1
    assert first[0].sent_ns == first[1].sent_ns == clock.now_ns
    again = asyncio.ensure_future(watched.look_depth("A/B", 9))
    await clock.advance(0.49)
    assert not again.done()
    await clock.advance(0.02)
    assert str(again.result().bids[0].price) == "99.2"
    assert heard == [["A/B", "C/D"]] * 2


async def test_a_symbol_that_is_asked_for_is_watched_from_then_on() -> None:
    reader, data, clock = reading(*[books_of("A/B", "C/D")] * 3)
    watched = WatchedReader(reader, (), clock)
    for symbol in ("A/B", "C/D"):
        asking = asyncio.ensure_future(watched.look_depth(symbol, 9))
        await clock.advance(0.5)
        await asking
    await asyncio.gather(*(watched.look_depth(symbol, 9) for symbol in ("A/B", "C/D")))
    assert [one["symbols"] for _, one in data.asked] == ["A/B", "A/B,C/D", "A/B,C/D"]
