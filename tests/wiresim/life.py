"""One life of the daemon: the real `LiveRun`, its one lane over this network's sockets and watched.

Nothing of it is replaced but where chance and files come from: the run's epoch is the seed's, and
history goes to a list, because its file is written by a thread.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

from arbit.app.live import lane as live_lane
from arbit.app.live.lane import Built, LiveLane, LiveOptions
from arbit.app.live.run import LiveRun
from arbit.app.trade import history
from arbit.app.trade.told import LiveReport
from arbit.app.trade.trader import Trader
from arbit.app.watch.venue import VenueRun
from arbit.config import Settings, VenueSettings
from arbit.domain.book import OrderBook, Source
from arbit.domain.events import Event
from arbit.persistence.sinks import ListSink
from arbit.ports import Clock, Listener
from arbit.venues.kraken.rest import PrivateRest
from tests.patches import replaced
from tests.simulation.daemon import NoScreen
from tests.simulation.loop import Process, SimLoop

Put = Callable[[OrderBook, Source, int], None]


class WireLane(LiveLane):
    """The lane of a `WireLife`. `heard` hears its events, `put` each book that it believes."""

    heard: Listener
    put: Put
    desk_run: VenueRun | None = None
    side: Any = None
    rest: PrivateRest | None = None

    async def _build(
        self, venue: VenueSettings, publish: Listener, stack: AsyncExitStack, *, real: bool
    ) -> Built:
        def told(event: Event) -> None:
            self.heard(event)
            publish(event)

        built = await super()._build(venue, told, stack, real=real)
        self.desk_run, _, self.side = built
        self.rest = self.side.reader.rest
        cache = self.desk_run.desk.cache
        put = cache.put

        def seen(book: OrderBook, *, seen_ns: int, confirmed_ns: int, source: Source) -> None:
            put(book, seen_ns=seen_ns, confirmed_ns=confirmed_ns, source=source)
            self.put(book, source, confirmed_ns)

        cache.put = seen  # type: ignore[method-assign]  # heard, not changed
        return built


class WireLife(LiveRun):
    """A `LiveRun` of one process, with one lane."""

    def __init__(
        self, process: Process, settings: Settings, clock: Clock, heard: Listener, put: Put
    ) -> None:
        super().__init__(settings, LiveOptions(("sandbox",), real=True), clock, NoScreen())
        self.process = process
        self.stopped_ns = 0
        self.lane.heard, self.lane.put = heard, put

    def _lane(self, name: str) -> WireLane:
        self.lane = WireLane(self._settings, self._options, self._clock, self._screen, name)
        return self.lane

    async def live(self) -> LiveReport:
        """From start to report."""
        (report,) = await self()
        return report

    @property
    def trader(self) -> Trader | None:
        """Its trader, once there is one."""
        return self.lane.trader

    @property
    def desk_run(self) -> VenueRun | None:
        """Its run, once there is one."""
        return self.lane.desk_run

    @property
    def rest(self) -> PrivateRest | None:
        """Its private REST client, once there is one."""
        return self.lane.rest

    @property
    def signalled(self) -> bool:
        """Whether it was told to stop, and has heard it."""
        return bool(self._signals)

    def waits_for_room(self) -> bool:
        """Whether a request waits for room in the venue's limits, and not for an answer."""
        rest = self.rest
        return rest is not None and bool(rest._waiting) and not rest._turn.locked()

    def has_room(self) -> bool:
        """Whether the venue's limits let a cycle begin."""
        return True

    def stop(self) -> None:
        """SIGTERM; the second one ends the process at once."""
        loop = self._clock.__dict__.get("_loop")
        self.stopped_ns = loop.now_ns if isinstance(loop, SimLoop) else 0
        if self._signals:
            self.process.die("second signal")
        else:
            self._signalled()


@contextlib.contextmanager
def seeded(epoch: Callable[[], str]) -> Iterator[None]:
    """While open, runs draw their epoch from the seed, and keep history in memory."""

    async def sink(*_: object) -> ListSink:
        return ListSink()

    with replaced([(live_lane, "run_epoch", epoch), (history, "open_sink", sink)]):
        yield
