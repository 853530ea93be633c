"""The sandbox in this process and in virtual time, as a simulation uses it: no socket, no waiting.

The exchange, its faces and the account's side are the real ones. What stands between them are the
simulation's lines in memory, with a latency and without a fault.
"""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from pydantic import SecretStr

from arbit.books import BookCache
from arbit.config import OrderTransport, RateTier, VenueSettings
from arbit.domain.account import AccountEvent
from arbit.domain.events import Event
from arbit.execution.ids import ours
from arbit.sandbox.keys import TRADE_KEY, TRADE_SECRET
from arbit.sandbox.market import Market
from arbit.venues.alpaca.account import AccountAround, AccountAt, account_side, keys_of
from arbit.venues.alpaca.account import OrderTimes as AlpacaTimes
from arbit.venues.ccxt import loader
from arbit.venues.kraken.private.parts import OrderTimes, PrivateAround, PrivateAt, private_side
from tests.integration import alpaca_gateway_rig, kraken_gateway_rig
from tests.simulation import canaries
from tests.simulation.alpaca.door import BASE, SimHttp
from tests.simulation.alpaca.life import URL
from tests.simulation.alpaca.plan import BALANCES, AlpacaPlan
from tests.simulation.alpaca.venue import AlpacaVenue
from tests.simulation.clock import SimClock
from tests.simulation.feed import SimFeed
from tests.simulation.guards import guarded
from tests.simulation.loop import SECOND_NS, Process, SimLoop
from tests.simulation.plan import Plan
from tests.simulation.rest import PrivateDoor, PublicDoor
from tests.simulation.swarm import Swarm
from tests.simulation.venue import SimVenue
from tests.simulation.wire import Dial
from tests.unstalled import UnstalledLoop

IN_PROCESS = "in-process"  # such kinds' names begin so
SEED = 8  # Alpaca's house rounds costs in odd ones
START_NS = 1_000 * SECOND_NS
MOST_S = 600.0  # of virtual time
FEE_BPS = Decimal(25)  # what the adapter takes Alpaca's to be, where nobody says
WEATHER_HZ = 1.0  # how often the feed's market moves by more than its makers do
DEADLINE_MS, MARGIN_MS = 2_000, 300  # as the rigs on sockets have it


def played(body: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test of `kind`: in process on a loop of virtual time, else on one that no stall hurries."""

    @functools.wraps(body)
    def test(kind: str, **given: Any) -> None:
        if kind.startswith(IN_PROCESS):
            in_virtual_time(body(kind, **given))
            return
        with asyncio.Runner(loop_factory=UnstalledLoop) as runner:
            runner.run(body(kind, **given))

    return test


def in_virtual_time(work: Coroutine[Any, Any, None]) -> None:
    """Run it to its end. Whatever reaches for a socket, a thread or real time raises."""
    loader.errors()  # imported now: in there it would reach for the real world
    loop = SimLoop(START_NS)
    with guarded(loop.time):
        task = loop.create_task(work)
        loop.run(task.done, seldom=lambda: loop.now_ns > START_NS + int(MOST_S * SECOND_NS))
        assert task.done(), f"no end after {MOST_S:.0f} virtual seconds"
        task.result()
    assert not loop.unhandled


def here() -> tuple[SimLoop, SimClock, Process, Swarm]:
    """The loop that runs, a clock on it, a life of the daemon, and chance that never strikes."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimLoop)
    return loop, SimClock(loop, random.Random(7)), Process(1), Swarm({}, random.Random(7))


@asynccontextmanager
async def gatewayed(
    transport: OrderTransport = OrderTransport.WS,
) -> AsyncIterator[kraken_gateway_rig.Rig]:
    """The rig of the Kraken gateway, in process."""
    loop, clock, process, swarm = here()
    sandbox: Any = SimVenue(loop, Plan(SEED, benign=True, seconds=0.0), swarm)
    told, events = list[AccountEvent](), list[Event]()
    venue = VenueSettings(
        name="sandbox",
        api_key=SecretStr(TRADE_KEY),
        api_secret=SecretStr(TRADE_SECRET),
        order_transport=transport,
        rate_tier=RateTier.PRO,
    )
    side = private_side(
        venue,
        PrivateAt(),
        OrderTimes(DEADLINE_MS, MARGIN_MS),
        PrivateAround(
            clock=clock,
            nonces=kraken_gateway_rig.Nonces(),
            public=PublicDoor(sandbox, clock.sleep),
            sink=told.append,
            publish=events.append,
            ours=ours,
            dial=Dial(sandbox, process, clock.sleep),
        ),
    )
    side.rest._exchange = PrivateDoor(sandbox, process, side.rest)
    wall: Any = clock
    async with running(kraken_gateway_rig.Rig(sandbox, side, wall, told, events), process) as rig:
        yield rig


@asynccontextmanager
async def alpaca_gatewayed() -> AsyncIterator[alpaca_gateway_rig.Rig]:
    """The rig of the Alpaca gateway, in process."""
    loop, clock, process, swarm = here()
    plan = AlpacaPlan(SEED, benign=True, seconds=0.0, balances=dict(BALANCES), fee_bps=FEE_BPS)
    sandbox: Any = AlpacaVenue(loop, plan, swarm)
    told, events = list[AccountEvent](), list[Event]()
    venue = VenueSettings(
        name="sandbox-alpaca",
        api_key=SecretStr(canaries.KEY),
        api_secret=SecretStr(canaries.SECRET),
    )
    side = account_side(
        venue,
        AccountAt(BASE, URL),
        AlpacaTimes(DEADLINE_MS, MARGIN_MS),
        AccountAround(
            clock=clock,
            sink=told.append,
            publish=events.append,
            ours=ours,
            dial=Dial(sandbox, process, clock.sleep),
            http=SimHttp(sandbox, process, keys_of(venue), clock),
        ),
    )
    wall: Any = clock
    async with running(alpaca_gateway_rig.Rig(sandbox, side, wall, told, events), process) as rig:
        yield rig


@asynccontextmanager
async def fed(cache: BookCache) -> AsyncIterator[tuple[SimFeed, Market]]:
    """The simulation's feed, in the place of the native one, and the market that it is of."""
    loop, clock, process, swarm = here()
    plan = Plan(SEED, benign=True, seconds=0.0, weather_hz=WEATHER_HZ)
    sandbox = SimVenue(loop, plan, swarm)
    symbols = sorted(sandbox.market.pairs)
    cache.watch(symbols, clock.monotonic_ns())
    events = list[Event]()
    feed = SimFeed(sandbox, process, cache, clock, (events.append, lambda _: None))
    task = process.context.run(loop.create_task, feed.run(symbols))
    try:
        yield feed, sandbox.market
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def running(rig: Any, process: Process) -> AsyncIterator[Any]:
    """Its gateway runs and is ready; at the end it stops without an error."""
    loop = asyncio.get_running_loop()
    task: asyncio.Task[None] = process.context.run(loop.create_task, rig.gateway.run())
    try:
        await rig.ready()
        yield rig
    finally:
        task.cancel()
        (end,) = await asyncio.gather(task, return_exceptions=True)
        await rig.side.close()
    assert isinstance(end, asyncio.CancelledError), end
