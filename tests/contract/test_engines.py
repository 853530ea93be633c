"""One engine class on every gateway: paper, and the real ones over WebSocket and REST."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import pytest

from arbit.app.private.kraken import KrakenReal, kraken_side
from arbit.app.private.parts import Around, Forward
from arbit.app.private.sides import Paper
from arbit.app.watch.feeds import Addresses
from arbit.clock import SystemClock
from arbit.config import RateTier
from arbit.domain.book import BookView
from arbit.domain.errors import VenueRefused
from arbit.domain.order import OrderState
from arbit.domain.refusal import RefusalCode
from arbit.execution.engine import Engine
from arbit.execution.recovery import recover
from arbit.risk.breaker import Reason
from arbit.sandbox.keys import TRADE_KEY
from arbit.venues.kraken.budgets import HEADROOM
from arbit.venues.kraken.gateway import KrakenGateway
from arbit.venues.paper import PaperExchange
from arbit.venues.paper_account import PaperAccount
from arbit.venues.paper_gateway import PaperGateway
from tests.shapes.rig import FEE, PATH, Daemon, ExchangeSights, Rig, rig

pytestmark = pytest.mark.unstalled

ENGINES = ("paper", "ws", "rest")
CYCLES = 2


class BooksOf:
    """What paper needs of a book cache, read off the exchange."""

    def __init__(self, sights: ExchangeSights) -> None:
        self._sights = sights

    def fresh(self, symbol: str, now_ns: int, max_age_ns: int) -> BookView | None:
        return self._sights.view(symbol, now_ns)


class PaperSide(Paper):
    """Paper on the exchange's own books, with what its account owns."""

    sink = Forward()


def paper_on(one: Rig, clock: SystemClock) -> KrakenReal:
    sights = ExchangeSights(one.server)
    fees = dict.fromkeys(sights.markets, FEE)
    owned = one.server.exchange.books.account("main").balances
    exchange = PaperExchange(BooksOf(sights), sights.markets, fees, owned, 5_000_000, 10**9)
    reader = PaperAccount(exchange, fees, clock)
    side: Any = PaperSide(PaperGateway(exchange, clock), reader, exchange)
    return cast("KrakenReal", side)


@asynccontextmanager
async def daemon_of(kind: str) -> AsyncIterator[Daemon]:
    async with rig("ws" if kind == "paper" else kind) as one:
        if kind != "paper":
            async with one.daemon() as daemon:
                yield daemon
            return
        daemon = Daemon(one, paper_on(one, clock := SystemClock()), clock)
        running = asyncio.get_running_loop().create_task(daemon.engine.run())
        await asyncio.sleep(0)
        try:
            await recover(daemon.setup, daemon.engine, daemon.auditor, daemon.side.reader)
            yield daemon
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("kind", ENGINES)
async def test_the_same_engine_trades_whole_cycles_and_its_books_agree(kind: str) -> None:
    async with daemon_of(kind) as daemon:
        expected = PaperGateway if kind == "paper" else KrakenGateway
        assert type(daemon.engine) is Engine
        assert type(daemon.setup.gateway) is expected
        for _ in range(CYCLES):
            await daemon.trade()

        assert daemon.engine.ends == {"done": CYCLES}
        orders = list(daemon.rig.journal.orders.values())
        assert [one.state for one in orders] == [OrderState.FILLED] * 3 * CYCLES
        assert {one.transport for one in orders} == {kind}
        await daemon.auditor.reconcile()
        told = await daemon.side.reader.balances()
        assert {asset: one.total for asset, one in told.items() if one.total} == {
            asset: amount
            for asset in daemon.ledger.assets
            if (amount := daemon.ledger.wallet(asset))
        }
        daemon.ledger.check()


async def test_a_rest_order_that_waits_for_its_turn_heeds_a_breaker_that_trips_meanwhile() -> None:
    async with daemon_of("rest") as daemon:
        before, faults = len(accepted(daemon)), daemon.rig.server.faults
        faults.set("order_late", face="rest", method="BalanceEx", delay_ms=500, reply=True)
        question = asyncio.ensure_future(daemon.side.reader.balances())
        await asyncio.sleep(0.1)
        daemon.engine.take(daemon.plan(), daemon.clock.monotonic_ns())
        daemon.breaker.trip(Reason.DRIFT, "a satoshi too many")
        await question
        await daemon.settle()

        assert daemon.engine.ends == {"flat": 1}
        (order,) = daemon.rig.journal.orders.values()
        assert order.state is OrderState.REJECTED
        assert order.reason.startswith("not sent: breaker: state halted")
        assert len(accepted(daemon)) == before


async def test_another_program_on_the_key_stops_trading_for_good() -> None:
    async with daemon_of("ws") as daemon:
        key = daemon.rig.server.exchange.keys[TRADE_KEY]
        mine, key.last_nonce = key.last_nonce, daemon.clock.wall_ns()  # it counts in nanoseconds
        with pytest.raises(VenueRefused, match="Invalid nonce"):
            await daemon.side.reader.balances()
        key.last_nonce = mine  # and is gone again
        await daemon.side.gateway.tokens.fresh()
        daemon.side.gateway._away_until_ns = 0  # to keep away for a second is another matter
        assert daemon.side.gateway.unready() == ""

        refused = daemon.engine.take(daemon.plan(), daemon.clock.monotonic_ns())
        assert refused is not None
        assert refused.code is RefusalCode.BREAKER
        assert "another program uses this API key" in daemon.breaker.detail


async def test_a_start_goes_on_from_the_venues_counters_as_the_last_run_left_them() -> None:
    async with rig("ws") as one, AsyncExitStack() as stack:
        async with one.daemon() as first:
            await first.trade()
        clock = SystemClock()
        at = Addresses(one.server.rest_url, one.server.ws_url)
        slow = one.venue.model_copy(update={"rate_tier": RateTier.STARTER})  # it forgets slowly
        around = Around(clock, one.journal, one.events.append)
        side = await kraken_side(one.settings, slow, at, around, stack)
        counters, now_ns = side.gateway._rest, clock.monotonic_ns()
        assert all(counters.engine._of(symbol).level(now_ns) > 0 for symbol in PATH)
        theirs = one.server.private.counters.level(TRADE_KEY, clock.wall_ns())
        assert counters.requests.level(now_ns) >= theirs - HEADROOM > 0


def accepted(daemon: Daemon) -> list[str]:
    log = daemon.rig.server.exchange.log.records
    return [one["cl_ord_id"] for one in log if one["kind"] in {"request", "accept"}]
