"""How often a venue may be dialled: exponential back-off with jitter, under a shared budget."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from arbit.ports import Clock

MS = 1_000_000
WINDOW_NS = 600 * 1_000 * MS
FREE_RESYNCS = 2  # asked again at once; from then on with a doubling pause
RETRY_NS = 500 * MS
RETRY_CAP_NS = 15_000 * MS


def backoff_ms(attempt: int, cap_ms: int, jitter: Callable[[], float]) -> int:
    """The pause before attempt `attempt` (from 0): 250 ms doubled each time, cut at `cap_ms`.

    Half of it is drawn by `jitter` (a number in [0, 1)), so that sockets do not return in step.
    """
    full = min(cap_ms, 250 * 2 ** min(attempt, 20))
    return int(full / 2 + full / 2 * jitter())


def resync_pause_ns(failures: int) -> int:
    """How long to leave a symbol alone whose book failed so many times in a row."""
    if failures <= FREE_RESYNCS:
        return 0
    return min(RETRY_CAP_NS, RETRY_NS << min(failures - FREE_RESYNCS - 1, 10))


class ConnectBudget:
    """At most `limit` connects in any rolling ten minutes, shared by every socket of a venue.

    Half of them may be made at once; the other half comes back evenly, one every few seconds. So
    a long outage never uses the budget up and leaves the feed without a connect for minutes.
    Kraken's edge allows about 150 per address (docs.kraken.com, WebSocket considerations) and
    then shuts the address out for ten minutes; we stay well below.
    """

    def __init__(self, limit: int) -> None:
        burst = max(1, limit // 2)
        self._refill_ns = -(-WINDOW_NS // max(1, limit - burst))
        self._slack_ns = (burst - 1) * self._refill_ns
        self._full_ns = 0  # when the budget will be whole again

    def wait_ns(self, now_ns: int) -> int:
        """How long until the next connect is allowed; 0 when it is allowed now."""
        return max(0, self._full_ns - self._slack_ns - now_ns)

    def take(self, now_ns: int) -> None:
        """Note a connect made at `now_ns`."""
        self._full_ns = max(self._full_ns, now_ns) + self._refill_ns


class DialGate:
    """Who of a venue's sockets may dial, and when.

    While nobody gets through, one socket at a time tries for all of them, each in turn, under one
    back-off. So an outage costs the same few attempts however many sockets wait, and when one
    gets through the others follow at once instead of sitting out pauses of their own.
    """

    def __init__(self, budget: ConnectBudget, cap_ms: int, clock: Clock) -> None:
        self._budget = budget
        self._cap_ms = cap_ms
        self._clock = clock
        self._turn = asyncio.Lock()  # first come, first served
        self._trier: int | None = None
        self._not_before_ns = 0
        self.failures = 0  # in a row, of all sockets together

    async def enter(self, socket: int) -> None:
        """Wait until this socket may dial; one connect is taken off the budget."""
        await self._turn.acquire()
        if self.failures:
            self._trier = socket
            await self._sleep_until(self._not_before_ns)
        else:
            self._turn.release()
        while wait_ns := self._budget.wait_ns(self._clock.monotonic_ns()):
            await self._clock.sleep(wait_ns / 1e9)
        self._budget.take(self._clock.monotonic_ns())

    def through(self, socket: int) -> None:
        """This socket hears the venue: whoever waits may go."""
        self.failures = 0
        self._release(socket)

    def failed(self, socket: int) -> int:
        """This socket did not get through; the pause in ms before the next attempt of any."""
        if self._trier == socket or not self.failures:  # those who dialled together count once
            self.failures += 1
        pause_ms = backoff_ms(self.failures - 1, self._cap_ms, self._clock.jitter)
        self._not_before_ns = self._clock.monotonic_ns() + pause_ms * MS
        self._release(socket)
        return pause_ms

    def _release(self, socket: int) -> None:
        if self._trier == socket:
            self._trier = None
            self._turn.release()

    async def _sleep_until(self, when_ns: int) -> None:
        wait_ns = when_ns - self._clock.monotonic_ns()
        if wait_ns > 0:
            await self._clock.sleep(wait_ns / 1e9)
