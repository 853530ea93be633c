"""One key of the sandbox's own exchange, in memory and virtual time, whose permissions are changed.

What judges it is the daemon's own: `KrakenReal.admitted`, which every start of `live` asks before
anything is sent, and the whole report of `keys:check`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, TypeVar

from arbit.app.keys.check import KeysCheck
from arbit.app.keys.report import KeysReport
from arbit.app.watch.build import watched
from arbit.app.watch.watchlist import Watchlist
from arbit.config import Settings, load_settings
from arbit.domain.account import AccountUnfit
from arbit.domain.market import Market
from arbit.persistence.memory import MemoryJournal
from arbit.sandbox.keys import TRADE_KEY
from tests.simulation.clock import SimClock
from tests.simulation.daemon import Life, Surroundings
from tests.simulation.loop import SECOND_NS, Process, SimLoop
from tests.simulation.plan import Plan
from tests.simulation.swarm import Swarm
from tests.simulation.venue import SimVenue

ADMIT = "ARBIT_VENUES__SANDBOX__ADMIT_PERMISSIONS"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Judged:
    """What a start and a check made of one set of permissions. An empty `why` admits it."""

    why: str
    report: KeysReport


class KeyDesk:
    """The private side, open."""

    def __init__(self, settings: Settings, venue: SimVenue, life: Life) -> None:
        self._settings = settings
        self._sim = venue
        self._life = life
        self._real: Any = None
        self._markets: dict[str, Market] = {}
        self._watch: Watchlist | None = None

    async def open(self, stack: AsyncExitStack) -> None:
        """As `live` opens it."""
        venue = self._settings.venue("sandbox")
        journal: Any = MemoryJournal()
        self._markets, self._real = await self._life._venue_side(
            venue, journal, lambda _: None, stack
        )
        self._watch = watched(self._settings, venue, self._markets)

    async def judge(self, permissions: Iterable[str]) -> Judged:
        """What is made of a key that may do this."""
        assert self._watch is not None
        key = self._sim.exchange.keys[TRADE_KEY]
        key.permissions = frozenset(permissions)
        self._real.notes.clear()
        why = ""
        try:
            await self._real.admitted(self._watch.symbols)
        except AccountUnfit as error:
            why = str(error)
        self._real.notes.clear()
        check = KeysCheck(self._settings, "sandbox")
        check._clock = self._life._clock  # type: ignore[assignment]  # of the same venue
        report = await check._report(self._real, self._watch, self._markets)
        return Judged(why, report)

    @property
    def orders(self) -> int:
        """How many orders the exchange has: a check places none."""
        account = self._sim.account
        return len(account.open_orders) + len(list(account.closed))


def at_the_desk(work: Callable[[KeyDesk], Coroutine[Any, Any, T]], admitted: str = "") -> T:
    """Do it in virtual time, with these permissions vouched for."""
    loop = SimLoop(1_000 * SECOND_NS)
    venue = SimVenue(loop, Plan(1, benign=True, seconds=1.0), Swarm({}, random.Random(1)))
    settings = load_settings(None, {ADMIT: admitted} if admitted else {})
    clock = SimClock(loop, random.Random(1), 0)
    around = Surroundings(venue, clock, settings, None, lambda _: None)  # type: ignore[arg-type]  # nothing is journalled
    life = Life(Process(0), around, "abcde")

    async def whole() -> T:
        async with AsyncExitStack() as stack:
            desk = KeyDesk(settings, venue, life)
            await desk.open(stack)
            return await work(desk)

    task: asyncio.Task[T] = loop.create_task(whole(), context=life.process.context)
    loop.run(task.done)
    return task.result()
