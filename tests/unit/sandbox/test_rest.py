"""The public REST face, by plain HTTP and by the library that most people use."""

from importlib import import_module
from typing import Any

import aiohttp
import pytest

from arbit.sandbox import SandboxOptions, SandboxServer
from arbit.sandbox.control import book_json

pytestmark = pytest.mark.unstalled

FROZEN = SandboxOptions(frozen=True)


def wired(exchange: Any, sandbox: SandboxServer) -> Any:
    exchange.urls["api"]["public"] = exchange.urls["api"]["private"] = sandbox.rest_url
    if "ws" in exchange.urls["api"]:
        names = ("public", "private", "publicV2", "privateV2")
        exchange.urls["api"]["ws"].update(dict.fromkeys(names, sandbox.ws_url))
    exchange.enableRateLimit = False
    return exchange


def as_floats(levels: Any) -> list[list[float]]:
    return [[float(price), float(qty)] for price, qty in levels]


async def get(sandbox: SandboxServer, path: str) -> Any:
    async with aiohttp.ClientSession() as http, http.get(sandbox.rest_url + path) as reply:
        assert reply.status == 200
        return await reply.json()


async def test_ccxt_loads_markets_and_reads_books_tickers_and_status() -> None:
    async with SandboxServer(profile="calm", seed=7, options=FROZEN) as sandbox:
        exchange = wired(import_module("ccxt.async_support").kraken(), sandbox)
        try:
            markets = await exchange.load_markets()
            assert set(markets) == set(sandbox.market.pairs)  # XBT and XDG are BTC and DOGE to it
            assert markets["BTC/USD"]["id"] == "XXBTZUSD"
            assert markets["DOGE/USD"]["id"] == "XDGUSD"
            assert markets["ETH/USDT"]["id"] == "ETHUSDT"
            assert markets["BTC/USD"]["taker"] == 0.004
            assert markets["EUR/USD"]["taker"] == 0.002
            assert all(market["active"] for market in markets.values())
            assert (await exchange.fetch_status())["status"] == "ok"
            tickers = await exchange.fetch_tickers()
            assert set(tickers) == set(markets)
            for symbol in markets:
                truth = book_json(sandbox.market.pairs[symbol], 10)
                book = await exchange.fetch_order_book(symbol, 10)
                assert [level[:2] for level in book["bids"]] == as_floats(truth["bids"])
                assert [level[:2] for level in book["asks"]] == as_floats(truth["asks"])
                assert tickers[symbol]["bid"] == book["bids"][0][0]
                assert tickers[symbol]["askVolume"] == book["asks"][0][1]
        finally:
            await exchange.close()


async def test_ccxt_pro_watches_books_that_end_equal_to_the_truth() -> None:
    async with SandboxServer(profile="calm", seed=7) as sandbox:
        exchange = wired(import_module("ccxt.pro").kraken(), sandbox)
        try:
            for _ in range(20):
                book = await exchange.watch_order_book("BTC/USD", 10)
                assert book["bids"][0][0] < book["asks"][0][0]
            sandbox.market.freeze()
            await exchange.watch_order_book("ETH/BTC", 25)
            truth = book_json(sandbox.market.pairs["BTC/USD"], 10)
            held = exchange.orderbooks["BTC/USD"]
            for side in ("bids", "asks"):
                assert [list(one) for one in held[side]] == as_floats(truth[side])
        finally:
            await exchange.close()


async def test_ccxt_loads_the_whole_venue_and_some_pairs_list_no_status() -> None:
    async with SandboxServer(profile="whole-venue", seed=7, options=FROZEN) as sandbox:
        exchange = wired(import_module("ccxt.async_support").kraken(), sandbox)
        try:
            markets = await exchange.load_markets()
            assert set(markets) == set(sandbox.market.pairs)
            silent = sum("status" not in market["info"] for market in markets.values())
            assert 0.05 < silent / len(markets) < 0.25  # as on the venue: to be asked elsewhere
        finally:
            await exchange.close()


async def test_asset_pairs_tell_the_rules_of_each_pair() -> None:
    async with SandboxServer(profile="calm", seed=7, options=FROZEN) as sandbox:
        pairs = (await get(sandbox, "/0/public/AssetPairs"))["result"]
        bitcoin, sol = pairs["XXBTZUSD"], pairs["SOLUSD"]
        assert (bitcoin["altname"], bitcoin["wsname"]) == ("XBTUSD", "XBT/USD")
        assert (bitcoin["base"], bitcoin["quote"]) == ("XXBT", "ZUSD")
        assert bitcoin["fees"][:2] == [[0, 0.4], [10000, 0.35]]
        assert (sol["pair_decimals"], sol["tick_size"]) == (4, "0.002")
        assert float(bitcoin["ordermin"]) > 0
        assert float(bitcoin["costmin"]) == 0.5
        one = (await get(sandbox, "/0/public/AssetPairs?pair=XBT/USD,DOGE/EUR&info=fees"))["result"]
        assert set(one) == {"XXBTZUSD", "XDGEUR"}
        assert set(one["XDGEUR"]) == {"fees", "fees_maker", "fee_volume_currency"}


async def test_time_assets_and_system_status_have_the_venues_shape(calm: SandboxServer) -> None:
    time = (await get(calm, "/0/public/Time"))["result"]
    assert time["rfc1123"].endswith(" +0000")
    assert time["unixtime"] > 1_700_000_000
    status = (await get(calm, "/0/public/SystemStatus"))["result"]
    assert status["status"] == "online"
    assets = (await get(calm, "/0/public/Assets?asset=XBT,XDG"))["result"]
    assert {name: entry["altname"] for name, entry in assets.items()} == {
        "XXBT": "XBT",
        "XXDG": "XDG",
    }


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("Depth", "EGeneral:Invalid arguments"),
        ("Depth?pair=XXBTZUSD,XETHZUSD", "EGeneral:Invalid arguments"),
        ("Depth?pair=XXBTZUSD&count=0", "EGeneral:Invalid arguments"),
        ("Depth?pair=XXBTZUSD&count=many", "EGeneral:Invalid arguments"),
        ("Depth?pair=NOSUCH", "EQuery:Unknown asset pair"),
        ("Ticker?pair=NOSUCH", "EQuery:Unknown asset pair"),
        ("Ticker?pair=XXBTZUSD,NOSUCH", "EQuery:Unknown asset pair"),
        ("AssetPairs?pair=", "EQuery:Unknown asset pair"),
        ("AssetPairs?info=weather", "EGeneral:Invalid arguments"),
        ("Assets?asset=NOSUCH", "EQuery:Unknown asset"),
        ("Weather", "EGeneral:Unknown method"),
    ],
)
async def test_a_bad_question_gets_the_venues_error_word(
    calm: SandboxServer, path: str, error: str
) -> None:
    assert await get(calm, f"/0/public/{path}") == {"error": [error]}
