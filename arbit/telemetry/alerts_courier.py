"""One receiver's courier: a bounded queue, a task of its own, and patience that grows."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from arbit.domain.alert import Alert, Answer, Deliver, Severity
from arbit.domain.events import AlertsChanged
from arbit.domain.readings import ReceiverReading
from arbit.ports import Clock

NS = 1_000_000_000
ALERTS = "alerts"  # what stands for a venue in events about them
MAX_CRITICAL = 100
MAX_OTHERS = 100
TRIES = 3  # for what is not critical
MAX_REFUSED = 8  # noes to one letter: within some quarter of an hour it is given up
STALE_NS = 900 * NS  # what is not critical is not told when it is older than that
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 300.0
REFUSED_WAIT_S = 10.0  # of a letter that was refused; doubles
LOOK_S = 1.0
REMIND_NS = 600 * NS
FAILING, DELIVERING, LOST = "failing", "delivering", "lost"


class Courier:
    """Carries alerts to one receiver, the critical ones first; nothing waits for it.

    A receiver that fails is left alone for a time that doubles, at most five minutes, or for as
    long as it asks to be, within the same bound. One that refuses a letter is there: that letter
    alone waits, and is given up after eight noes. Else critical alerts are kept until they are
    taken, the newest hundred; of the others each is tried three times within a quarter of an hour.
    What a courier cannot bring it says by `tell`, once, and again every ten minutes while critical
    ones wait; those that it has given up it counts as undelivered for as long as it is there.
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
        self._urgent: deque[_Letter] = deque()  # those that a hurry has not tried yet
        self._carried: _Letter | None = None
        self._wake = asyncio.Event()
        self._failures = 0
        self._not_before_ns = 0
        self._asked_ns = 0  # not before this, by the receiver's own word
        self._told_ns: int | None = None  # when its failing was told last; None while it delivers
        self._why = ""
        self._lost_ns: int | None = None  # since when the first one is lost
        self.sent = 0
        self.dropped = 0
        self.failed = 0
        self.lost = 0

    @property
    def hurrying(self) -> bool:
        """Whether the last tries of a hurry are still to be made."""
        return bool(self._urgent)

    @property
    def undelivered(self) -> int:
        """Critical alerts that it has not taken: those that wait, and those that never will be."""
        return len(self._critical) + self.lost

    def reading(self) -> ReceiverReading:
        """How its receiver does."""
        since = [letter.put_ns for letter in self._critical]
        since += [] if self._lost_ns is None else [self._lost_ns]
        age_s = (self._clock.monotonic_ns() - min(since)) / NS if since else None
        return ReceiverReading(
            receiver=self.name,
            failing=self._told_ns is not None,
            why=self._why,
            undelivered=self.undelivered,
            lost=self.lost,
            oldest_s=age_s,
        )

    def put(self, alert: Alert) -> None:
        """Queue it. Beyond the limit the oldest of its kind is dropped, counted."""
        critical = alert.severity is Severity.CRITICAL
        queue, most = (self._critical, MAX_CRITICAL) if critical else (self._others, MAX_OTHERS)
        if len(queue) >= most:  # never the one on its way: it may arrive
            self._give_up(queue[0] if queue[0] is not self._carried else queue[1])
        queue.append(_Letter(alert, self._clock.monotonic_ns()))
        self._wake.set()

    async def run(self) -> None:
        """Bring what is queued, until cancelled."""
        self._carried = None  # of a run that was broken off
        while True:
            if not (self._critical or self._others):
                self._urgent.clear()
                self._wake.clear()
                await self._wake.wait()
                continue  # a hurry wakes it, too, and then there may be nothing
            wait_ns = self._wait_ns()
            if wait_ns > 0:
                await self._clock.sleep(min(LOOK_S, wait_ns / NS))
                self._remind()
            else:
                await self._bring(self._due())

    def hurry(self) -> None:
        """The end is near: each letter is tried once more, without our own patience."""
        self._urgent = deque((*self._critical, *self._others))
        self._wake.set()

    def close(self) -> None:
        """Say what never arrived."""
        if self.undelivered:
            self._say(LOST, "the run is over")

    def _wait_ns(self) -> int:
        """How long until a letter may be brought. What a receiver asks for holds in a hurry too."""
        now_ns, until_ns = self._clock.monotonic_ns(), self._asked_ns
        if not self._urgent:
            due_ns = min(letter.due_ns for letter in (*self._critical, *self._others))
            until_ns = max(until_ns, self._not_before_ns, due_ns)
        return until_ns - now_ns

    def _due(self) -> _Letter:
        """The one that is next; `_wait_ns` has said that there is one."""
        if self._urgent:
            return self._urgent[0]
        now_ns = self._clock.monotonic_ns()
        return next(one for one in (*self._critical, *self._others) if one.due_ns <= now_ns)

    async def _bring(self, letter: _Letter) -> None:
        if letter in self._queue_of(letter):  # else it was taken or given up since the hurry began
            now_ns = self._clock.monotonic_ns()
            if not letter.critical and now_ns - letter.put_ns > STALE_NS:
                self._give_up(letter)
            else:
                self._carried = letter
                answer = await self._deliver(letter.alert)
                self._carried = None
                self._answered(letter, answer)
        if self._urgent and self._urgent[0] is letter:
            self._urgent.popleft()

    def _answered(self, letter: _Letter, answer: Answer) -> None:
        letter.tries += 1
        if answer.arrived:
            self._queue_of(letter).remove(letter)
            self._arrived()
        else:
            self._came_back(letter, answer)

    def _arrived(self) -> None:
        self.sent += 1
        self._failures, self._not_before_ns, self._asked_ns = 0, 0, 0
        if self._told_ns is not None:
            self._told_ns = None
            self._say(DELIVERING, "")

    def _came_back(self, letter: _Letter, answer: Answer) -> None:
        """Another try later, behind the others: one that it never takes must not block them."""
        self.failed += 1
        self._why = answer.why
        now_ns = self._clock.monotonic_ns()
        queue = self._queue_of(letter)
        queue.remove(letter)
        queue.append(letter)
        if answer.refused:  # it is there, and does not want this one
            letter.refused += 1
            letter.due_ns = now_ns + self._patience_ns(REFUSED_WAIT_S, letter.refused)
            self._failures = 0
            self._not_before_ns = now_ns + self._patience_ns(FIRST_WAIT_S, 1)
        else:
            self._failures += 1
            self._not_before_ns = now_ns + self._patience_ns(FIRST_WAIT_S, self._failures)
        if answer.retry_after_s is not None:
            self._asked_ns = now_ns + round(min(LONGEST_WAIT_S, answer.retry_after_s) * NS)
        if self._told_ns is None:
            self._told_ns = now_ns
            self._say(FAILING, answer.why)
        if letter.critical and letter.refused >= MAX_REFUSED:
            self._give_up(letter)
            self._say(LOST, f"one was refused {letter.refused} times: {answer.why}")
        elif not letter.critical and letter.tries >= TRIES:
            self._give_up(letter)

    def _patience_ns(self, first_s: float, times: int) -> int:
        """Doubles each time, up to a bound; a random part of it, up to a half, is left out."""
        wait_s = min(LONGEST_WAIT_S, first_s * 2.0 ** min(times - 1, 16))
        return round(wait_s * (0.5 + self._clock.jitter() / 2) * NS)

    def _give_up(self, letter: _Letter) -> None:
        self._queue_of(letter).remove(letter)
        self.dropped += 1
        if letter.critical:
            self.lost += 1
            if self._lost_ns is None:
                self._lost_ns = letter.put_ns

    def _queue_of(self, letter: _Letter) -> deque[_Letter]:
        return self._critical if letter.critical else self._others

    def _remind(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if self._critical and self._told_ns is not None and now_ns - self._told_ns >= REMIND_NS:
            self._told_ns = now_ns
            self._say(FAILING, self._why)

    def _say(self, state: str, detail: str) -> None:
        self._tell(AlertsChanged(ALERTS, self.name, state, self.undelivered, detail))


class _Letter:
    """An alert on its way: since when, how often it was tried and refused, and when it is due."""

    __slots__ = ("alert", "critical", "due_ns", "put_ns", "refused", "tries")

    def __init__(self, alert: Alert, put_ns: int) -> None:
        self.alert = alert
        self.critical = alert.severity is Severity.CRITICAL
        self.put_ns = self.due_ns = put_ns
        self.tries = self.refused = 0
