"""Are the streams live again once nothing goes wrong any more; and is nothing left behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from arbit.domain.book import Disbelief
from arbit.venues.kraken.shard import Shard
from arbit.venues.kraken.subscription import State
from tests.simulation.loop import SECOND_NS, Process

if TYPE_CHECKING:
    from tests.wiresim.world import WireWorld

DEAF_S = 4.0  # a socket on which nothing is answered
HEARD_S = 0.5
WAITING = frozenset({State.BROKEN, State.REFUSED})
CONNECT_S = 8.0  # a dial that nobody answers
ASK_AGAIN_S = 2.0  # a book that is asked for is there by then
LOOK_S = 0.05


class Streams:
    """Judges the public stream of one world."""

    def __init__(self, world: WireWorld) -> None:
        self._world = world
        self._gone_ns = 0  # since when fewer sockets are open than the daemon believes

    def look(self) -> None:
        """A socket that the daemon calls open is open: its end is heard at once."""
        world = self._world
        run = world.life.desk_run if world.life is not None else None
        feed: Any = run.feed if run is not None and world.process.alive else None
        called = sum(one.state == "open" for one in feed._shards) if feed is not None else 0
        mine = [wire for wire in world.net.wires if wire.owner is world.process and wire.alive]
        if called <= sum(wire.speaks == "ws" for wire in mine):
            self._gone_ns = 0
        elif not self._gone_ns:
            self._gone_ns = world.loop.now_ns
        elif world.loop.now_ns - self._gone_ns > HEARD_S * SECOND_NS:
            self._gone_ns = world.loop.now_ns
            world.watch.say(14, f"{called} sockets are called open, and fewer are")

    def left_open(self, process: Process) -> None:
        """A life has ended by itself: what it did not close, and what it left running."""
        world = self._world
        wires = [w for w in world.net.wires if w.owner is process and not w.client.closing]
        if wires:
            world.watch.say(19, f"life {process.number} left {len(wires)} sockets open")
        tasks = [task for task in process.tasks if not task.done()]
        if tasks:
            world.watch.say(19, f"life {process.number} left {tasks[:3]} running")

    async def must_be_live(self) -> None:
        """Every book is believed off its stream, within what finding out and dialling may take."""
        world = self._world
        began_ns = world.loop.now_ns
        within_s = self._within_s()
        while not self.live():
            took_s = (world.loop.now_ns - began_ns) / SECOND_NS
            if took_s > within_s:
                world.watch.say(18, f"not live {within_s:.2f} s after faults stopped: {self.why()}")
                return
            if not world.process.alive:
                began_ns, within_s = world.loop.now_ns, self._within_s()
                world._again()
            await asyncio.sleep(LOOK_S)
        world.result.live_again_s = (world.loop.now_ns - began_ns) / SECOND_NS

    def _within_s(self) -> float:
        """Two seconds on open sockets, after a book's own pause; else what finding out may take.

        That is the watchdog or a deaf socket, a dial that nobody answers, and a back-off.
        """
        world = self._world
        life, venue = world.life, world.settings.venue("sandbox")
        run = life.desk_run if life is not None else None
        mine = [wire for wire in world.net.wires if wire.alive and wire.speaks == "ws"]
        feed: Any = run.feed if run is not None else None
        shards: list[Shard] = feed._shards if feed is not None else []
        now_ns = world.loop.now_ns
        well = now_ns - world.storm.swallowed_ns > DEAF_S * SECOND_NS  # no pong is missing
        well = well and all(one.state == "open" for one in shards)
        if shards and well and not any(wire.hurt for wire in mine):
            subs = [sub for one in shards for sub in one.session._subs.values()]
            pauses_ns = [sub.retry_ns - now_ns for sub in subs if sub.state in WAITING]
            asked = [sub for sub in subs if sub.state is State.AWAITING]
            pauses_ns += [sub.since_ns + sub.patience_ns - now_ns for sub in asked]
            return ASK_AGAIN_S + max(0, *pauses_ns, 0) / SECOND_NS
        found_s = max(venue.watchdog_ms / 1e3, DEAF_S) + 0.2
        return found_s + CONNECT_S + 2 * venue.backoff_cap_s + ASK_AGAIN_S

    def live(self) -> bool:
        """Whether every book is believed, and none of them by REST."""
        life = self._world.life
        run = life.desk_run if life is not None else None
        if run is None:
            return False
        cache = run.desk.cache
        doubts = zip(cache.symbols, cache.reason, strict=True)
        return all(self._well(*one) for one in doubts) and not any(cache.from_rest)

    def _well(self, symbol: str, why: Disbelief | None) -> bool:
        """Believed, or one-sided as the venue's own is."""
        is_so = why is Disbelief.ONE_SIDED and not all(self._world.venue.truth.picture(symbol))
        return why is None or is_so

    def why(self) -> str:
        """What stands in the way."""
        life = self._world.life
        run = life.desk_run if life is not None else None
        if run is None:
            return "there is no feed"
        cache = run.desk.cache
        doubted = {s: w for s, w in zip(cache.symbols, cache.reason, strict=True) if w}
        polled = [s for s, r in zip(cache.symbols, cache.from_rest, strict=True) if r]
        return f"{run.feed.states()}, not believed {doubted}, over REST {polled}"
