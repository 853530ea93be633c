"""One receiver's courier: a bounded queue, a task of its own, and patience that grows."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from arbit.domain.alert import Alert, Answer, Deliver, Severity
from arbit.domain.events import AlertsChanged
from arbit.ports import Clock

NS = 1_000_000_000
ALERTS = "alerts"  # what stands for a venue in events about them
MAX_CRITICAL = 100
MAX_OTHERS = 100
TRIES = 3  # for what is not critical
STALE_NS = 900 * NS  # nor told when it is older than that
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 300.0
REMIND_NS = 600 * NS
FAILING, DELIVERING, LOST = "failing", "delivering", "lost"


class Courier:
    """Carries alerts to one receiver, the critical ones first; nothing waits for it.

    A receiver that fails is left alone for a time that doubles, at most five minutes. Critical
    alerts are kept until it takes them, the newest hundred; of the others each is tried three times
    within a quarter of an hour. What a courier cannot bring it says by `tell`, once, and again
    every ten minutes while critical ones wait.
    """

    def __init__(
        self, name: str, deliver: Deliver, clock: Clock, tell: Callable[[AlertsChanged], None]
    ) -> None:
        self.name = name
        self._deliver = deliver
        self._clock = clock
        self._tell = tell
        self._critical: deque[_Letter] = deque()
        self._others: deque[_Letter] = deque()
        self._wake = asyncio.Event()
        self._failures = 0
        self._not_before_ns = 0
        self._told_ns: int | None = None  # when its failing was told last; None while it delivers
        self._left = 0
        self.sent = 0
        self.dropped = 0
        self.failed = 0
        self.hurrying = False

    @property
    def undelivered(self) -> int:
        """Critical alerts that wait for it."""
        return len(self._critical)

    def put(self, alert: Alert) -> None:
        """Queue it. Beyond the limit the oldest of its kind is dropped, counted."""
        critical = alert.severity is Severity.CRITICAL
        queue, most = (self._critical, MAX_CRITICAL) if critical else (self._others, MAX_OTHERS)
        if len(queue) >= most:
            queue.popleft()
            self.dropped += 1
        queue.append(_Letter(alert, self._clock.monotonic_ns()))
        self._wake.set()

    async def run(self) -> None:
        """Bring what is queued, until cancelled."""
        while True:
            if not (self._critical or self._others):
                self.hurrying = False
                self._wake.clear()
                await self._wake.wait()
            await self._rest()
            await self._bring()

    def hurry(self) -> None:
        """The end is near: each letter is tried once more, without waiting."""
        self._left = len(self._critical) + len(self._others)
        self.hurrying = self._left > 0
        self._wake.set()

    def close(self) -> None:
        """Say what never arrived."""
        if self._critical:
            self._say(LOST, "the run is over")

    async def _rest(self) -> None:
        """Wait until it may be tried again, or somebody is in a hurry."""
        while not self.hurrying:
            wait_ns = self._not_before_ns - self._clock.monotonic_ns()
            if wait_ns <= 0:
                return
            await self._clock.sleep(min(1.0, wait_ns / NS))
            self._remind()

    async def _bring(self) -> None:
        queue = self._critical or self._others
        if not queue:
            return
        letter = queue[0]
        now_ns = self._clock.monotonic_ns()
        if queue is self._others and now_ns - letter.put_ns > STALE_NS:
            queue.popleft()
            self.dropped += 1
            return
        answer = await self._deliver(letter.alert)
        letter.tries += 1
        taken = queue and queue[0] is letter  # else it was dropped meanwhile, for newer ones
        if taken:
            queue.popleft()
        if answer.arrived:
            self._arrived()
        else:
            self._came_back(letter, answer, again=bool(taken))
        if self.hurrying:
            self._left -= 1
            self.hurrying = self._left > 0

    def _arrived(self) -> None:
        self.sent += 1
        self._failures, self._not_before_ns = 0, 0
        if self._told_ns is not None:
            self._told_ns = None
            self._say(DELIVERING, "")

    def _came_back(self, letter: _Letter, answer: Answer, *, again: bool) -> None:
        """Another try later, behind the others: one that it never takes must not block them."""
        self.failed += 1
        self._failures += 1
        critical = letter.alert.severity is Severity.CRITICAL
        if again and critical:
            self._critical.append(letter)
        elif again and letter.tries < TRIES:
            self._others.append(letter)
        elif again:
            self.dropped += 1
        wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(self._failures - 1, 16))
        wait_s *= 0.5 + self._clock.jitter() / 2
        if answer.retry_after_s is not None:
            wait_s = max(wait_s, min(LONGEST_WAIT_S, answer.retry_after_s))
        self._not_before_ns = self._clock.monotonic_ns() + round(wait_s * NS)
        if self._told_ns is None:
            self._told_ns = self._clock.monotonic_ns()
            self._say(FAILING, answer.why)

    def _remind(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if self._critical and self._told_ns is not None and now_ns - self._told_ns >= REMIND_NS:
            self._told_ns = now_ns
            self._say(FAILING, f"tried {self._failures} times")

    def _say(self, state: str, detail: str) -> None:
        self._tell(AlertsChanged(ALERTS, self.name, state, len(self._critical), detail))


class _Letter:
    """An alert on its way: since when, and how often it was tried."""

    __slots__ = ("alert", "put_ns", "tries")

    def __init__(self, alert: Alert, put_ns: int) -> None:
        self.alert = alert
        self.put_ns = put_ns
        self.tries = 0
