"""One suite for every gateway: whatever takes the orders, they end the same way and add up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest

from arbit.clock import SystemClock
from arbit.config import OrderTransport
from arbit.domain.order import OrderIntent, OrderState, end_of, total
from arbit.domain.triangle import Side
from arbit.ports import OrderGateway
from arbit.venues.paper_gateway import PaperGateway
from tests.contract import in_process
from tests.contract.in_process import IN_PROCESS, played
from tests.integration.alpaca_gateway_rig import gatewayed as alpaca_gatewayed
from tests.integration.kraken_gateway_rig import Options, gatewayed
from tests.unit.venues.paper_books import BUY, SELL, exchange, order, usual_books

GATEWAYS = (
    *("paper", "kraken-ws", "kraken-rest", "alpaca"),
    *(IN_PROCESS, f"{IN_PROCESS}-rest", f"{IN_PROCESS}-alpaca"),
)


@dataclass(frozen=True, slots=True)
class Desk:
    """A gateway that is ready, and orders for it: of a side, that meet the book or do not.

    `overdue` is an order once its request can no longer arrive, where that takes long.
    """

    gateway: OrderGateway
    intent: Callable[[Side, bool], OrderIntent]
    overdue: Callable[[OrderIntent], OrderIntent] = lambda intent: intent


@asynccontextmanager
async def desk_of(kind: str) -> AsyncIterator[Desk]:
    inside = kind.startswith(IN_PROCESS)
    if kind == "paper":
        count = iter(range(1_000))

        def made(side: Side, meets: bool) -> OrderIntent:
            price = {(True, Side.BUY): "101", (True, Side.SELL): "98"}.get((meets, side))
            away = "90" if side is Side.BUY else "110"
            leg = BUY if side is Side.BUY else SELL
            return order("0.5", price or away, leg, client_id=f"abpaper{next(count)}-11")

        yield Desk(PaperGateway(exchange(usual_books()), SystemClock(seed=1)), made)
        return
    if kind.endswith("alpaca"):
        at_alpaca = in_process.alpaca_gatewayed if inside else alpaca_gatewayed
        async with at_alpaca() as alpaca:

            def told(side: Side, meets: bool) -> OrderIntent:
                return alpaca.intent(side, "0.01", "1.01" if meets else "0.9")

            yield Desk(alpaca.gateway, told, alpaca.overdue)
        return
    transport = OrderTransport.REST if kind.endswith("rest") else OrderTransport.WS
    at_kraken = (
        in_process.gatewayed(transport) if inside else gatewayed(Options(transport=transport))
    )
    async with at_kraken as rig:

        def wired(side: Side, meets: bool) -> OrderIntent:
            return rig.intent(side, "0.01", "1.01" if meets else "0.9")

        yield Desk(rig.gateway, wired)


@pytest.mark.parametrize("kind", GATEWAYS)
@pytest.mark.parametrize("side", Side)
@played
async def test_an_order_that_meets_the_book_ends_with_trades_that_add_up(
    kind: str, side: Side
) -> None:
    async with desk_of(kind) as desk:
        intent = desk.intent(side, True)
        outcome = await desk.gateway.send(intent)
        assert outcome.client_id == intent.client_id
        assert outcome.state is OrderState.FILLED
        assert outcome.state is end_of(intent.qty, outcome.trades)
        assert total(one.qty for one in outcome.trades) == outcome.filled_qty == intent.qty
        for trade in outcome.trades:
            assert (trade.client_id, trade.side) == (intent.client_id, side)
            assert trade.symbol == intent.leg.symbol
            assert trade.price <= intent.limit_price or side is Side.SELL
            assert trade.price >= intent.limit_price or side is Side.BUY
            assert [asset for asset, _ in trade.fees] == [intent.leg.receive]


@pytest.mark.parametrize("kind", GATEWAYS)
@played
async def test_an_order_that_does_not_meet_the_book_ends_empty(kind: str) -> None:
    async with desk_of(kind) as desk:
        outcome = await desk.gateway.send(desk.intent(Side.BUY, False))
        assert (outcome.state, outcome.trades) == (OrderState.EMPTY, ())


@pytest.mark.parametrize("kind", GATEWAYS)
@played
async def test_an_order_below_the_minimum_is_rejected_in_words(kind: str) -> None:
    async with desk_of(kind) as desk:
        outcome = await desk.gateway.send(replace(desk.intent(Side.BUY, True), qty=Decimal("1e-8")))
        assert outcome.state is OrderState.REJECTED
        assert outcome.reason


@pytest.mark.parametrize("kind", GATEWAYS)
@played
async def test_orders_side_by_side_each_get_their_own_outcome(kind: str) -> None:
    async with desk_of(kind) as desk:
        intents = [desk.intent(Side.BUY, number % 2 == 0) for number in range(4)]
        outcomes = await asyncio.gather(*(desk.gateway.send(intent) for intent in intents))
        assert [one.client_id for one in outcomes] == [one.client_id for one in intents]
        assert [one.state is OrderState.EMPTY for one in outcomes] == [False, True, False, True]
        ids = [trade.trade_id for one in outcomes for trade in one.trades]
        assert len(ids) == len(set(ids))


@pytest.mark.parametrize("kind", GATEWAYS)
@played
async def test_an_order_that_never_left_is_found_never(kind: str) -> None:
    async with desk_of(kind) as desk:
        intent = desk.overdue(desk.intent(Side.BUY, True))
        outcome, wait_s = await desk.gateway.resolve(intent), 0.5
        async with asyncio.timeout(30):
            while outcome.state is OrderState.UNKNOWN:
                await asyncio.sleep(wait_s)
                wait_s *= 2  # a venue counts questions
                outcome = await desk.gateway.resolve(intent)
        assert outcome.state is OrderState.NEVER


@pytest.mark.parametrize("kind", GATEWAYS)
@played
async def test_it_is_ready_and_a_cancellation_of_what_is_over_hurts_nobody(kind: str) -> None:
    async with desk_of(kind) as desk:
        assert desk.gateway.unready() == ""
        assert desk.gateway.transport in {"paper", "ws", "rest"}
        assert desk.gateway.deadline_ns() is not None
        outcome = await desk.gateway.send(desk.intent(Side.SELL, True))
        await desk.gateway.cancel(outcome.client_id, outcome.order_id)
        await desk.gateway.cancel("abnobody1-11")
        assert (await desk.gateway.send(desk.intent(Side.BUY, True))).state is OrderState.FILLED
