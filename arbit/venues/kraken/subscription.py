"""One symbol's subscription as a table: what each event makes of each state.

Only LIVE books are believed. A delta is applied in LIVE alone; everywhere else it belongs to a
subscription we have given up (or not yet begun) and is counted and dropped. Kraken guarantees
that the first data message of a subscription is its snapshot, so AWAITING ends with one.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from arbit.domain.book import Disbelief, OrderBook
from arbit.domain.errors import BrokenRule
from arbit.venues.backoff import resync_pause_ns

MS = 1_000_000
SNAPSHOT_WAIT_NS = 1_500 * MS  # a snapshot takes a round trip; one bad one still fits in 2 s


class State(enum.StrEnum):
    """Where a subscription stands."""

    IDLE = "idle"  # no socket, or nothing asked yet
    AWAITING = "awaiting"  # asked; the snapshot has not come
    LIVE = "live"  # verified as of its last message
    BROKEN = "broken"  # not believed; waiting for its turn to be asked again
    REFUSED = "refused"  # the venue said no; asked again later


class Trigger(enum.StrEnum):
    """What can happen to it."""

    ASKED = "asked"
    VERIFIED = "verified"
    FAILED = "failed"
    DENIED = "denied"
    LOST = "lost"


TRANSITIONS: dict[tuple[State, Trigger], State] = {
    (State.IDLE, Trigger.ASKED): State.AWAITING,
    (State.IDLE, Trigger.LOST): State.IDLE,
    (State.AWAITING, Trigger.VERIFIED): State.LIVE,
    (State.AWAITING, Trigger.FAILED): State.BROKEN,
    (State.AWAITING, Trigger.DENIED): State.REFUSED,
    (State.AWAITING, Trigger.LOST): State.IDLE,
    (State.LIVE, Trigger.VERIFIED): State.LIVE,
    (State.LIVE, Trigger.FAILED): State.BROKEN,
    (State.LIVE, Trigger.LOST): State.IDLE,
    (State.BROKEN, Trigger.ASKED): State.AWAITING,
    (State.BROKEN, Trigger.FAILED): State.BROKEN,
    (State.BROKEN, Trigger.LOST): State.IDLE,
    (State.REFUSED, Trigger.ASKED): State.AWAITING,
    (State.REFUSED, Trigger.DENIED): State.REFUSED,
    (State.REFUSED, Trigger.LOST): State.IDLE,
}


FORGETS_HABIT = 3  # spoilt frames in a row: how it was once written proves nothing any more


@dataclass(slots=True)
class Subscription:
    """A symbol on one socket. Times are monotonic nanoseconds.

    `failures` counts resyncs in a row; it is forgiven after a while of health (see Session).
    `held` is True while something of it may still be open at the venue, so that asking again must
    first unsubscribe. `doubted_ns` is when belief was lost, 0 while believed. `request_id` is the
    last request for it, `acked` whether the venue accepted that one, `answered` the last request
    that it accepted (a second consent brings no second snapshot), and `told` the checksum that its
    last message since then carried (None before the first). `habit` is how many decimals its
    prices and quantities are written with, each of them (None while that is not known);
    `spoilt_frames` counts book frames in a row that could not be taken.
    """

    symbol: str
    state: State = State.IDLE
    book: OrderBook | None = None
    failures: int = 0
    held: bool = False
    since_ns: int = 0
    retry_ns: int = 0
    doubted_ns: int = 0
    crossed: int = 0
    request_id: int = 0
    acked: bool = False
    answered: int = 0
    told: int | None = None
    habit: tuple[int, int] | None = None
    spoilt_frames: int = 0
    reason: Disbelief = Disbelief.NO_BOOK

    def move(self, trigger: Trigger, now_ns: int) -> None:
        """Take the transition. BrokenRule (and nothing changed) when the table has none."""
        after = TRANSITIONS.get((self.state, trigger))
        if after is None:
            raise BrokenRule(f"{self.symbol}: {trigger.value} in state {self.state.value}")
        if after is not self.state:
            self.since_ns = now_ns
        self.state = after

    def spoilt(self) -> None:
        """A frame could not be taken. After several the habit may be what is wrong: a chance."""
        self.spoilt_frames += 1
        if self.spoilt_frames >= FORGETS_HABIT:
            self.habit = None

    @property
    def pause_ns(self) -> int:
        """How long to leave the symbol alone after its latest failure."""
        return resync_pause_ns(self.failures)

    @property
    def patience_ns(self) -> int:
        """How long to wait for a snapshot: ever longer, unless its updates show it went missing.

        While we wait we listen: on a slow socket the answer to an earlier request still counts.
        """
        return SNAPSHOT_WAIT_NS if self.told is not None else max(SNAPSHOT_WAIT_NS, self.pause_ns)
