"""The private REST face and an unmodified client library."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import pytest

from arbit.sandbox import SandboxServer
from arbit.sandbox.book import ASK
from arbit.sandbox.keys import (
    OTHER_SECRET,
    READONLY_KEY,
    READONLY_SECRET,
    TRADE_KEY,
    TRADE_SECRET,
)
from tests.unit.sandbox.private_client import FROZEN, UUID
from tests.unit.sandbox.test_rest import wired

pytestmark = pytest.mark.unstalled


@asynccontextmanager
async def ccxt_kraken(
    sandbox: SandboxServer, key: str = TRADE_KEY, secret: str = TRADE_SECRET
) -> AsyncIterator[Any]:
    kraken = import_module("ccxt.async_support").kraken({"apiKey": key, "secret": secret})
    exchange = wired(kraken, sandbox)
    try:
        yield exchange
    finally:
        await exchange.close()


async def test_ccxt_places_an_ioc_and_finds_everything_about_it() -> None:
    async with (
        SandboxServer(profile="calm", seed=7, options=FROZEN) as sandbox,
        ccxt_kraken(sandbox) as exchange,
    ):
        await exchange.load_markets()
        price = sandbox.market.book("BTC/USD").top(ASK, 1)[0][0] / 10
        params = {"timeInForce": "IOC", "clientOrderId": UUID, "oflags": "fciq"}
        placed = await exchange.create_order("BTC/USD", "limit", "buy", 0.01, price, params)
        found = await exchange.privatePostClosedOrders({"cl_ord_id": UUID})
        assert list(found["result"]["closed"]) == [placed["id"]]
        assert found["result"]["closed"][placed["id"]]["vol_exec"] == "0.01000000"
        still = await exchange.privatePostOpenOrders({"cl_ord_id": UUID})
        assert still["result"]["open"] == {}
        (trade,) = await exchange.fetch_my_trades("BTC/USD")
        assert (trade["order"], trade["amount"], trade["price"]) == (placed["id"], 0.01, price)
        raw = (await exchange.privatePostTradesHistory())["result"]["trades"]
        assert list(raw) == [trade["id"]]
        balance = await exchange.fetch_balance()
        assert balance["BTC"] == {"free": 0.11, "used": 0.0, "total": 0.11}
        main = sandbox.exchange.books.account("main")
        assert balance["USD"]["total"] == float(main.balance("USD"))
        info = await exchange.privatePostGetApiKeyInfo()
        assert "withdraw-funds" not in info["result"]["permissions"]
        fee = await exchange.fetch_trading_fee("BTC/USD")
        assert (fee["taker"], fee["maker"]) == (0.004, 0.0025)


async def test_ccxt_lists_and_cancels_resting_orders() -> None:
    async with (
        SandboxServer(profile="calm", seed=7, options=FROZEN) as sandbox,
        ccxt_kraken(sandbox) as exchange,
    ):
        await exchange.load_markets()
        params = {"clientOrderId": "rests"}
        placed = await exchange.create_order("BTC/USD", "limit", "buy", 0.01, 50_000, params)
        (order,) = await exchange.fetch_open_orders(params=params)
        assert (order["id"], order["status"], order["remaining"]) == (placed["id"], "open", 0.01)
        await exchange.cancel_order(placed["id"])
        (closed,) = await exchange.fetch_closed_orders(params=params)
        assert closed["status"] == "canceled"
        ledger = await exchange.fetch_ledger("BTC")
        assert ledger == []


async def _wrong_secret(exchange: Any) -> None:
    exchange.secret = OTHER_SECRET
    await exchange.fetch_balance()


async def _replayed_nonce(exchange: Any) -> None:
    exchange.incrementing_nonce = lambda: 5
    await exchange.fetch_balance()
    await exchange.fetch_balance()


async def _too_poor(exchange: Any) -> None:
    await exchange.create_order("BTC/USD", "limit", "buy", 10, 60_000, {"timeInForce": "IOC"})


@pytest.mark.parametrize(
    ("misdeed", "error", "words"),
    [
        (_wrong_secret, "ExchangeError", "EAPI:Invalid signature"),
        (_replayed_nonce, "InvalidNonce", "EAPI:Invalid nonce"),
        (_too_poor, "InsufficientFunds", "EOrder:Insufficient funds"),
    ],
)
async def test_ccxt_understands_our_refusals(
    misdeed: Callable[[Any], Any], error: str, words: str
) -> None:
    async with (
        SandboxServer(profile="calm", seed=7, options=FROZEN) as sandbox,
        ccxt_kraken(sandbox) as exchange,
    ):
        await exchange.load_markets()
        expected = getattr(import_module("ccxt"), error)
        with pytest.raises(expected, match=words) as raised:
            await misdeed(exchange)
        assert type(raised.value) is expected


async def test_ccxt_with_a_reading_key_is_denied_an_order() -> None:
    async with (
        SandboxServer(profile="calm", seed=7, options=FROZEN) as sandbox,
        ccxt_kraken(sandbox, READONLY_KEY, READONLY_SECRET) as exchange,
    ):
        await exchange.load_markets()
        denied = import_module("ccxt").PermissionDenied
        with pytest.raises(denied, match="EGeneral:Permission denied"):
            await _too_poor(exchange)
