"""One life of the daemon: `LiveLane` with what it builds from the outside replaced.

Real are the account's lease and its journal, the private side, desk, run, trader, recorder and
snapshots, and `LiveLane`'s trading, waiting and draining (`_trade`, `_until_over`, `_show`). What
this file has in the place of the production's own, and what no seed here therefore proves:

- `__call__`: no names of settings are checked, no metrics are served, history goes to a list and
  not to a file, there is no preamble, and a key's notes are not told.
- `LiveRun`, its one lane's supervisor, and `_unless_stopped`: a signal is a call of `stop`. One
  that comes while the daemon is built is seen once it is built; the building is not broken off.
- A second signal ends the run's row and kills, where the production's exits.
- `_build` follows `LiveLane._build` step by step with another feed (`SimFeed`: verified books, no
  sockets), another public side and no sandbox child; `app.build.reach`, `rest_side`, `listed` and
  `build_run` are not called.
- `open_journal` and `held_account`: `store.opened` takes the lease and opens the journal in this
  order, without an upgrade of the schema. The lock against a daemon of another folder is not taken:
  an exchange without an address is held with its folder.

The wire simulation (`tests.wiresim`) runs the real `__call__`, `_build` and feeds.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from arbit.app.live.lane import LiveLane, LiveOptions, _startable
from arbit.app.private.kraken import FlagLevels, FlagNonces, KrakenReal
from arbit.app.private.parts import Around, Forward, Ours, Real
from arbit.app.store import account_of
from arbit.app.trade.history import Snapshots, watch
from arbit.app.trade.told import LiveReport, report_of
from arbit.app.trade.trader import Trader, TraderSetup
from arbit.app.watch.build import watched
from arbit.app.watch.venue import Desk, DeskSetup, RunSetup, VenueRun
from arbit.config import Settings, VenueSettings
from arbit.domain.events import Event
from arbit.domain.market import Market
from arbit.domain.records import Batch
from arbit.persistence.recorder import Recorder
from arbit.persistence.sinks import ListSink
from arbit.ports import Listener
from arbit.telemetry.hub import Hub
from arbit.venues.ccxt.kraken_rest import parse_listing
from arbit.venues.kraken import gateway
from arbit.venues.kraken.private import orders_book, ws_orders
from arbit.venues.kraken.private.parts import (
    OrderTimes,
    PrivateAround,
    PrivateAt,
    private_side,
)
from arbit.venues.kraken.rest import PrivateRest
from tests.simulation.clock import SimClock
from tests.simulation.counted import History
from tests.simulation.feed import SimFeed
from tests.simulation.loop import Process
from tests.simulation.rest import PrivateDoor, PublicDoor
from tests.simulation.store import Failing, SimJournal, opened
from tests.simulation.venue import SimVenue
from tests.simulation.wire import Dial

if TYPE_CHECKING:
    from arbit.app.trade.told import Preamble

PROVED_LEVELS = 10


def length(owner: object, name: str) -> int:
    """Of a memory that not every kind of owner has."""
    found = getattr(owner, name, ())
    return len(found) if isinstance(found, dict | list | deque | set) else 0


class NoScreen:
    """Shows nothing."""

    every_s = 5.0

    def preamble(self, said: Preamble) -> None:
        """Nothing."""

    def refresh(self, run: VenueRun, trader: Trader, elapsed_s: float) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""


class Surroundings:
    """What a life is given by its world."""

    def __init__(
        self,
        venue: SimVenue,
        clock: SimClock,
        settings: Settings,
        failing: Failing,
        wrote: Callable[[Batch], None],
    ) -> None:
        self.venue = venue
        self.clock = clock
        self.settings = settings
        self.failing = failing
        self.wrote = wrote
        self.heard: Callable[[Event], None] = lambda _: None
        self.published: Callable[[Process, Event], None] = lambda _p, _e: None  # at once


class Life(LiveLane):
    """A `LiveLane` in a simulated world. `feed`, `real` and `desk_run` are for the judge."""

    def __init__(self, process: Process, around: Surroundings, epoch: str) -> None:
        name = around.venue.name
        options = LiveOptions((name,), real=True)
        super().__init__(around.settings, options, around.clock, NoScreen(), name)
        self.process = process
        self._around = around
        self._epoch = epoch
        self.feed: SimFeed | None = None
        self.real: Real | None = None
        self.rest: PrivateRest | None = None
        self.desk_run: VenueRun | None = None
        self.sink = ListSink()
        self.recorder: Recorder | None = None
        self.stopped_ns = 0

    async def live(self) -> LiveReport:
        """From start to report."""
        venue = self._settings.venue(self._around.venue.name)
        hub = Hub(asyncio.get_running_loop().call_soon)
        hub.listen(self._around.heard)

        def publish(event: Event) -> None:
            self._around.published(self.process, event)
            hub.publish(event)

        async with AsyncExitStack() as stack:
            run, trader, side = await self._build(venue, publish, stack, real=True)
            self.trader = trader
            recorder = Recorder(self.sink, str(trader.setup.account), self._clock)
            self.recorder = recorder
            recorder.on_failing = trader.history_failing
            hub.listen(recorder)
            watch(recorder, run.desk.setup.watch)
            snapshots = Snapshots(recorder, trader, self._clock)
            hub.listen(snapshots)
            trader.shortfalls._publish = lambda _: None  # what it tells changes no trace
            hub.listen(trader.shortfalls)
            async with asyncio.TaskGroup() as group:
                writing = group.create_task(recorder.run())
                started_ns = self._clock.monotonic_ns()
                failure = await self._trade(run, trader, side, {"snapshots": snapshots.run})
                await hub.heard(self._clock)
                await recorder.finish()
                writing.cancel()
            seconds = (self._clock.monotonic_ns() - started_ns) / 1e9
            report = report_of(run, trader)
            report.seconds, report.ended, report.failure = round(seconds, 3), self._why, failure
            return report

    async def _build(
        self, venue: Any, publish: Any, stack: AsyncExitStack, *, real: bool
    ) -> tuple[VenueRun, Trader, Any]:
        around, clock, settings = self._around, self._around.clock, self._settings
        account = account_of(venue, real=real)
        doors, now_ns = (around.failing, around.wrote), clock.wall_ns()
        journal = stack.enter_context(
            opened(settings.data_dir, account, self.process, now_ns, doors)
        )
        self._journal = journal.real
        markets, self.real = await self._venue_side(venue, journal, publish, stack)
        fees = await self.real.admitted(watched(settings, venue, markets).symbols)
        watchlist = watched(settings, venue, markets := self.real.keeping(markets), fees)
        desk = Desk(
            DeskSetup(
                venue=venue,
                scan=settings.scan,
                watch=watchlist,
                markets=markets,
                publish=publish,
                clock_ns=clock.monotonic_ns,
                simulate=False,
                proved_levels=PROVED_LEVELS,
                rotation=settings.rotation,
            )
        )
        self.feed = SimFeed(around.venue, self.process, desk.cache, clock, (publish, desk.learn))
        run = VenueRun(desk, self.feed, clock, RunSetup("synthetic"))
        self.feed.on_drained = run.drained
        trader = Trader(
            TraderSetup(
                settings=settings,
                account=account,
                desk=desk,
                integrity=self.feed.integrity,
                journal=journal,
                gateway=self.real.gateway,
                reader=self.real.reader,
                clock=clock,
                publish=publish,
                epoch=self._epoch,
                data_dir=settings.data_dir,
                venue_clock=self.real.venue_clock,
            )
        )
        self.real.joined(trader, run)
        trader.recover_only = self._options.recover_only
        desk.funds = lambda asset: _startable(trader, settings, asset)
        desk.lane.take = trader.take
        self.desk_run = run
        return run, trader, self.real

    async def _venue_side(
        self, venue: VenueSettings, journal: SimJournal, publish: Listener, stack: AsyncExitStack
    ) -> tuple[dict[str, Market], Real]:
        """What the venue lists, and the private side."""
        public = PublicDoor(self._around.venue, self._clock.sleep)
        markets = dict(parse_listing((await public.ask("publicGetAssetPairs")).body).markets)
        side, sink, mine = self._private_side(venue, journal, public, publish)
        stack.push_async_callback(side.close)
        real = KrakenReal(side.gateway, side.reader, sink, self._clock, mine, side.orders, venue)
        return markets, real

    @property
    def history(self) -> History:
        """What history came to say of counters."""
        found = History()
        for table, row in self.sink.rows:
            found.take(table, row)
        return found

    def waits_for_room(self) -> bool:
        """Whether a request waits for room in the venue's limits, and not for an answer."""
        rest = self.rest
        return rest is not None and bool(rest._waiting) and not rest._turn.locked()

    def has_room(self) -> bool:
        """Whether the venue's limits let a cycle begin."""
        return True

    def lengths(self) -> Iterator[tuple[str, int, int]]:
        """The memories of the private side: each one's name, its length, its bound."""
        real: Any = self.real
        if real is None:
            return
        book, orders = real.gateway.following._book, real.gateway.orders
        yield "orders heard of", len(book._orders), orders_book.MAX_ORDERS + book.in_flight
        yield "orders out", book.in_flight, orders_book.MAX_SENT
        yield "requests asked", length(orders, "_asked"), ws_orders.MAX_ASKED
        yield "orders sent", len(real.gateway._sent), gateway.MAX_SENT

    def awaited(self) -> int:
        """Orders whose end the private side's book still waits for."""
        real: Any = self.real
        return real.gateway.following._book.in_flight if real is not None else 0

    def _private_side(
        self, venue: Any, journal: Any, public: PublicDoor, publish: Any
    ) -> tuple[Any, Forward, Ours]:
        around, clock, risk = self._around, self._around.clock, self._settings.risk
        sink, mine = Forward(), Ours(journal)
        kept, memory = Around(clock, journal, publish), journal.recall()
        side = private_side(
            venue,
            PrivateAt(),
            OrderTimes(risk.deadline_ms, risk.resolve_margin_ms),
            PrivateAround(
                clock=clock,
                nonces=FlagNonces(kept, memory.flags),
                levels=FlagLevels(kept, memory.flags),
                sent=memory.last_sent,
                public=public,
                sink=sink,
                publish=publish,
                ours=mine,
                dial=Dial(around.venue, self.process, clock.sleep),
            ),
        )
        self.rest = side.rest
        side.rest._exchange = PrivateDoor(around.venue, self.process, side.rest)
        return side, sink, mine

    def stop(self) -> None:
        """SIGTERM; the second one ends the process at once, as `LiveRun` would have it."""
        self.stopped_ns = self._around.venue.loop.now_ns
        if not self.signalled:
            self.leave()
            return
        self.stopped_hard()
        self.process.die("second signal")

    @property
    def signalled(self) -> bool:
        """Whether it was told to stop, and has heard it."""
        return self._stop.is_set()
