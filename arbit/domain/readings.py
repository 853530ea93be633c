"""What one venue's instruments show at a moment: filled in by the app, told by telemetry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from arbit.domain.events import FeedCounts
from arbit.domain.histogram import Histogram


@dataclass(frozen=True, slots=True)
class HoldingReading:
    """One asset of an account now, in its units; None where nothing is wanted, or it is unpriced.

    Floats: these are for a graph. `exposure` is how far trading may have moved it at worst.
    """

    asset: str
    owned: float
    exposure: float
    reserve: float
    target: float | None = None
    cap: float | None = None


@dataclass(frozen=True, slots=True)
class AlertCounts:
    """What became of alerts since the start, by receiver (`discord`, `webhook`): counts.

    `undelivered` are critical ones that a receiver has not taken. `merged` were told with another
    of their kind instead of alone. `pings` of the dead man are by how they ended: `sent`, `failed`,
    or `withheld` because nothing had been decided for too long.
    """

    sent: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    undelivered: Mapping[str, int] = field(default_factory=dict)
    merged: int = 0
    pings: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReceiverReading:
    """How one receiver of alerts does now, or the dead man's address.

    `failing` says that its last answer was none we wanted, `why` what its last failure was, in one
    of our closed words. `undelivered` critical alerts it has not taken, the oldest of them for
    `oldest_s` (None: there are none); `lost` of them were given up, and are not tried again.
    """

    receiver: str
    failing: bool = False
    why: str = ""
    undelivered: int = 0
    lost: int = 0
    oldest_s: float | None = None


@dataclass(frozen=True, slots=True)
class RecorderReading:
    """How history is kept: rows since the start, those lost and waiting, and how late it is."""

    rows: int = 0
    lost: int = 0
    queued: int = 0
    failures: int = 0
    lag_s: float = 0.0
    bytes: int = 0  # of the database file, where it is one


@dataclass(frozen=True, slots=True)
class ProcessReading:
    """What belongs to the whole process. `info` is what was built and configured, in words.

    `lost_events` and `dropped_witnesses` are of its hubs; `late_ms` is how late its loop turns.
    """

    info: Mapping[str, str] = field(default_factory=dict)
    lost_events: int = 0
    dropped_witnesses: int = 0
    late_ms: Histogram | None = None
    alerts: AlertCounts = AlertCounts()


@dataclass(frozen=True, slots=True)
class TradingReading:
    """Running totals of one account's trading since its start.

    `orders` that are over by state, `refusals` of our own gate by code, `cycles` and `conversions`
    by end, `incidents` by kind; `breaker` is its state in a word and `trips` its changes by state.
    `started` says that recovery is over: before it nothing is begun.
    `rejects` are orders that the venue refused, by what that asks for. `fills` are its trades.
    `gained_ref` and `lost_ref` are what cycles brought and cost, in the reference currency.
    `holdings` are of assets of the watched markets, and of those that settings name.
    Histograms: from a decision to its orders' bytes, an order's and a cycle's life, and by cause
    how many bps of its stake a cycle brought less than was expected (negative: more).
    """

    orders: Mapping[str, int]
    refusals: Mapping[str, int]
    cycles: Mapping[str, int]
    incidents: Mapping[str, int]
    breaker: str
    killed: bool
    started: bool = True
    holdings: Sequence[HoldingReading] = ()
    conversions: Mapping[str, int] = field(default_factory=dict)
    fills: int = 0
    rejects: Mapping[str, int] = field(default_factory=dict)
    trips: Mapping[str, int] = field(default_factory=dict)
    gained_ref: float = 0.0
    lost_ref: float = 0.0
    to_wire_ms: Histogram | None = None
    order_ms: Histogram | None = None
    cycle_ms: Histogram | None = None
    shortfall_bps: Mapping[str, Histogram] = field(default_factory=dict)
    recorder: RecorderReading = RecorderReading()


@dataclass(frozen=True, slots=True)
class VenueReading:
    """Running totals of one venue since its start. Read them when asked; nothing is copied.

    `evaluations` is by source of the books, `refused` by reason, `episodes` by stage reached
    (one that filled counts in every stage before),
    `feed_states` a word for each connection. `staleness_ms` is by symbol of the oldest leg: now
    minus its last confirmation, in milliseconds, one observation an evaluation. `decisions_ms` is
    the time from a frame's receipt to the end of the turn that decided about it, `decided_ago_s`
    how long ago such a turn ended last, `turned_ago_s` how long ago any turn began. `ended` says
    that the run is over. `believed_books` are so many of its `watched_books`. `health` is one word
    of `domain.health`, `why` its reason.
    """

    venue: str
    counts: FeedCounts
    evaluations: Mapping[str, int]
    refused: Mapping[str, int]
    episodes: Mapping[str, int]
    feed_states: Mapping[str, str]
    staleness_ms: Mapping[str, Histogram]
    trading: TradingReading | None = None
    decisions_ms: Histogram | None = None
    decided_ago_s: float | None = None
    turned_ago_s: float | None = None
    believed_books: int = 0
    watched_books: int = 0
    ended: bool = False
    health: str = ""
    why: str = ""
