"""One symbol's subscription as a table: what each event makes of each state.

Only LIVE books are believed. A change is applied in LIVE alone; everywhere else it belongs to a
book that we have given up (or not yet been given) and is counted and dropped. Alpaca's first
message of a subscription is the whole book (`r` true), so AWAITING ends with one.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from arbit.domain.book import Disbelief
from arbit.domain.errors import BrokenRule
from arbit.venues.alpaca.levels import KeptBook
from arbit.venues.backoff import resync_pause_ns

MS = 1_000_000
SNAPSHOT_WAIT_NS = 2_000 * MS
HEALTHY_AFTER_NS = 10_000 * MS  # a book held this long forgets its earlier failures
CHECKED_NS = 10_000 * MS  # a book that was held against nothing for so long proves itself no more
MISSED_LIMIT = 3  # whole books in a row that did not come: another socket may bring one
MISSED_CAP = 192  # about an hour


class State(enum.StrEnum):
    """Where a subscription stands."""

    IDLE = "idle"  # no socket, or nothing asked yet
    AWAITING = "awaiting"  # asked; the whole book has not come
    LIVE = "live"  # believed as of its last message
    BROKEN = "broken"  # not believed; waiting for its turn to be asked again


class Trigger(enum.StrEnum):
    """What can happen to it."""

    ASKED = "asked"
    VERIFIED = "verified"
    FAILED = "failed"
    LOST = "lost"


TRANSITIONS: dict[tuple[State, Trigger], State] = {
    (State.IDLE, Trigger.ASKED): State.AWAITING,
    (State.IDLE, Trigger.LOST): State.IDLE,
    (State.AWAITING, Trigger.VERIFIED): State.LIVE,
    (State.AWAITING, Trigger.FAILED): State.BROKEN,
    (State.AWAITING, Trigger.LOST): State.IDLE,
    (State.LIVE, Trigger.VERIFIED): State.LIVE,
    (State.LIVE, Trigger.FAILED): State.BROKEN,
    (State.LIVE, Trigger.LOST): State.IDLE,
    (State.BROKEN, Trigger.ASKED): State.AWAITING,
    (State.BROKEN, Trigger.FAILED): State.BROKEN,
    (State.BROKEN, Trigger.LOST): State.IDLE,
}


@dataclass(slots=True)
class Subscription:
    """A symbol on the socket. Times are monotonic nanoseconds.

    `failures` counts resyncs in a row, `missed` whole books in a row that did not come when asked
    for, and `patience` is how many may be missed before the others' socket is given up for it: more
    each time that was in vain. `since_ns` is when its state began, `retry_ns` when to ask again,
    `doubted_ns` when belief was lost (0 while believed), for `reason`. `told_ns` is the venue's own
    time of the youngest message since it was asked for: what is older than that comes too late to
    be true. `checked_ns` is as of when the venue last told the whole book, or the same over REST.
    """

    symbol: str
    state: State = State.IDLE
    kept: KeptBook | None = None
    failures: int = 0
    missed: int = 0
    patience: int = MISSED_LIMIT
    since_ns: int = 0
    retry_ns: int = 0
    doubted_ns: int = 0
    told_ns: int = 0
    checked_ns: int = 0
    reason: Disbelief = Disbelief.NO_BOOK

    def move(self, trigger: Trigger, now_ns: int) -> None:
        """Take the transition. BrokenRule (and nothing changed) when the table has none."""
        after = TRANSITIONS.get((self.state, trigger))
        if after is None:
            raise BrokenRule(f"{self.symbol}: {trigger.value} in state {self.state.value}")
        if after is not self.state:
            self.since_ns = now_ns
        self.state = after

    def proved_ns(self, now_ns: int) -> int:
        """As of when a message of this moment proves the book."""
        return min(now_ns, self.checked_ns + CHECKED_NS)

    def lost(self, now_ns: int) -> None:
        """Its socket is gone. One that was given up for this symbol has not helped it so far."""
        if self.missed >= self.patience:
            self.patience = min(MISSED_CAP, 2 * self.patience)
        self.failures = self.missed = 0
        self.move(Trigger.LOST, now_ns)

    @property
    def pause_ns(self) -> int:
        """How long to leave the symbol alone after its latest failure."""
        return resync_pause_ns(self.failures)
