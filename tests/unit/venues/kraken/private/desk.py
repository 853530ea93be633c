"""A session without sockets: what it heard, what it asked for, and what it told."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable
from typing import Any

from arbit.domain.account import AccountEvent
from arbit.domain.events import Event
from arbit.venues.following import Following
from arbit.venues.kraken.private.orders_book import OrdersBook
from arbit.venues.kraken.private.parse import Reply
from arbit.venues.kraken.private.session import PrivateSession, SessionParts
from tests.unit.venues.kraken.private import words
from tests.unit.venues.virtual import VirtualClock, settle

MS = 1_000_000


class TimerClock(VirtualClock):
    """Virtual time with timers, which `advance` runs at their own moment."""

    def __init__(self) -> None:
        super().__init__()
        self._timers: list[tuple[int, int, Callable[[], None]]] = []
        self._stopped: set[int] = set()
        self._made = 0

    @property
    def timers(self) -> int:
        return len({number for _, number, _ in self._timers} - self._stopped)

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> Callable[[], None]:
        self._made += 1
        number = self._made
        heapq.heappush(self._timers, (when_ns, number, callback))
        return lambda: self._stopped.add(number)

    async def advance(self, seconds: float) -> None:
        end_ns = self.now_ns + int(seconds * 1e9)
        while self._timers and self._timers[0][0] <= end_ns:
            when_ns, number, callback = heapq.heappop(self._timers)
            await super().advance(max(0, when_ns - self.now_ns) / 1e9)
            if number not in self._stopped:
                callback()
                await settle()
        await super().advance((end_ns - self.now_ns) / 1e9)


class Desk:
    """An open session with both subscriptions answered, unless asked otherwise."""

    def __init__(self, *, ready: bool = True) -> None:
        self.clock = TimerClock()
        self.told: list[AccountEvent] = []
        self.events: list[Event] = []
        self.asked: list[dict[str, Any]] = []
        self.replies: list[Reply] = []
        self.pongs: list[tuple[int, int, int, int]] = []
        self.refused: list[str] = []
        self.book = OrdersBook(words.ours)
        self.following = Following(self.book, self.clock, self.told.append)
        self.session = PrivateSession(
            SessionParts(
                venue="kraken",
                book=self.book,
                following=self.following,
                sink=self.told.append,
                publish=self.events.append,
                replied=self.replies.append,
                pong=lambda *four: self.pongs.append(four),
                refused=self.refused.append,
            )
        )
        if ready:
            self.open()
            self.session.caught_up(self.session.missed)
            self.told.clear()

    def send(self, payload: bytes) -> None:
        self.asked.append(json.loads(payload))

    def open(self) -> None:
        self.session.opened(self.send, "token", self.clock.now_ns)
        for request in self.asked[-2:]:
            self.subscribed(request["params"]["channel"], request["req_id"])
        self.hear(words.executions(kind="snapshot"), words.balance("USD", "5", kind="snapshot"))

    def subscribed(self, channel: str, req_id: int) -> None:
        result = {"channel": channel, "snapshot": True}
        said = {"method": "subscribe", "req_id": req_id, "result": result, "success": True}
        self.hear(json.dumps(said).encode())

    def hear(self, *frames: bytes) -> None:
        for frame in frames:
            self.session.frame(frame, self.clock.now_ns, self.clock.now_ns)

    def is_whole(self) -> bool:
        return self.session.whole

    def told_of(self, kind: type[AccountEvent]) -> list[AccountEvent]:
        return [one for one in self.told if isinstance(one, kind)]
