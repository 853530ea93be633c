"""What may happen around an engine: time, audits, other hands, books and markets that turn."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

from arbit.domain.account import Flow
from arbit.domain.market import MarketStatus
from arbit.domain.order import OrderIntent, Trade
from arbit.domain.records import CycleRecord, Memory
from arbit.domain.refusal import Refused
from arbit.execution.cycle import Cycle, cycles_of
from tests.unit.execution import world as worlds
from tests.unit.execution.world import Script, World, usual_settings
from tests.unit.sizing_world import market, view

D = Decimal
NO_ETH = view("ETH/BTC", [("0.05", "50")], [("0.20", "100")])  # the way on costs half
SOL_BOOKS = {
    "SOL/BTC": view("SOL/BTC", [("0.0099", "5000")], [("0.01", "5000")]),
    "SOL/USD": view("SOL/USD", [("1.02", "5000")], [("1.03", "5000")]),
}


async def pass_time(world: World, seconds: float, step_s: float = 0.1) -> None:
    """Time passes in steps."""
    for _ in range(round(seconds / step_s)):
        await world.clock.advance(step_s)


async def over(world: World, seconds: float = 120.0) -> None:
    """Time passes until no cycle is open."""
    for _ in range(int(seconds * 10)):
        if not world.engine.open_cycles:
            return
        await world.clock.advance(0.1)
    raise AssertionError(f"still open: {world.engine.works}")


async def audit(world: World) -> None:
    """One look at the account, whatever it takes."""
    going = asyncio.get_running_loop().create_task(world.auditor.reconcile())
    for _ in range(50):
        await world.clock.advance(0.2)
        if going.done():
            break
    await going


@contextmanager
def auditing(world: World) -> Iterator[None]:
    """The auditor looks by itself, as it does in the daemon."""
    task = asyncio.get_running_loop().create_task(world.auditor.run())
    try:
        yield
    finally:
        task.cancel()


def take(world: World) -> Refused | None:
    """Try to begin a cycle now."""
    return world.engine.take(world.plan(), world.clock.now_ns)


def refusal(world: World) -> str:
    """Why no cycle can begin now. One does begin when none is given."""
    refused = take(world)
    return "" if refused is None else refused.code.value


def late_trade(world: World, intent: OrderIntent, qty: str, trade_id: str = "T-late") -> Trade:
    """The venue fills some more of an order of ours, and has told nobody yet."""
    trade = world.venue._trade(intent, D(qty), trade_id, Script())
    world.venue.trades.append(trade)
    return trade


def by_hand(world: World, trade_id: str = "T-hand", *, listed: bool = True) -> Trade:
    """Somebody else buys 0.1 BTC on our account; the venue's ledger rows may come later."""
    intent = replace(world.venue.sent[0], client_id="")
    before = dict(world.venue.balances_)
    trade = world.venue._trade(intent, D("0.1"), trade_id, Script())
    trade = replace(trade, order_id="O-hand")
    world.venue.trades.append(trade)
    if listed:
        list_rows(world, trade, before)
    return trade


def list_rows(world: World, trade: Trade, before: dict[str, Decimal]) -> None:
    """The venue's ledger says what a trade did to each balance, a row for each asset."""
    for asset, amount in world.venue.balances_.items():
        moved = amount - before.get(asset, D(0))
        if moved:
            row = Flow(f"L-{trade.trade_id}-{asset}", asset, moved, "trade", trade.at_ns)
            world.venue.flows.append(replace(row, trade_id=trade.trade_id))


def set_status(world: World, status: MarketStatus) -> None:
    """Every market is in this status from now on."""
    for name, one in world.sights.markets.items():
        world.sights.markets[name] = replace(one, status=status)


def open_sol(world: World) -> None:
    """An asset outside the triangle is traded too (`worlds.FEES`, `.ONLINE` must know it)."""
    for name, book in SOL_BOOKS.items():
        world.sights.markets[name] = market(name, status=MarketStatus.ONLINE)
        world.sights.books[name] = book
    world.sights.prices["SOL"] = D("1.02")


SOL_FEES = dict.fromkeys(SOL_BOOKS, worlds.FEE)
SOL_MARKETS = {name: market(name, status=MarketStatus.ONLINE) for name in SOL_BOOKS}


def only_cycle(world: World) -> CycleRecord:
    """The journal's only cycle."""
    (cycle,) = world.journal.cycles.values()
    return cycle


def incidents(world: World) -> list[str]:
    """What operators were told of, in order."""
    return [one.kind for one in world.journal.incidents]


def kept_cycles(world: World) -> list[Cycle]:
    """Every cycle that the journal keeps, with its orders and trades."""
    journal = world.journal
    return cycles_of(
        Memory(
            cycles=tuple(journal.cycles.values()),
            orders=tuple(journal.orders.values()),
            trades=tuple(journal.trades.values()),
        )
    )


def balanced(world: World) -> None:
    """The ledger says of every asset what the venue says."""
    world.ledger.check()
    for asset, amount in world.venue.balances_.items():
        assert world.ledger.wallet(asset) == amount, asset


async def traded(**risk: Any) -> World:
    """A world that has traded once, a while ago; its engine is not running."""
    world = World(settings=usual_settings(**risk))
    async with world.running():
        await world.trade()
    await pass_time(world, 5, 1)
    return world
