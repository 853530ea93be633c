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
class TradingReading:
    """Running totals of one account's trading since its start.

    `orders` that are over by state, `refusals` of our own gate by code, `cycles` and `conversions`
    by end, `incidents` by kind; `breaker` is its state in a word. `holdings` are of assets of the
    watched markets, and of those that settings name.
    """

    orders: Mapping[str, int]
    refusals: Mapping[str, int]
    cycles: Mapping[str, int]
    incidents: Mapping[str, int]
    breaker: str
    killed: bool
    holdings: Sequence[HoldingReading] = ()
    conversions: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AlertCounts:
    """What became of alerts since the start, by receiver (`discord`, `webhook`): counts.

    `undelivered` are critical ones that wait for a receiver now. `merged` were told with another of
    their kind instead of alone. `pings` of the dead man are by how they ended: `sent`, `failed`, or
    `withheld` because nothing had been decided for too long.
    """

    sent: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    undelivered: Mapping[str, int] = field(default_factory=dict)
    merged: int = 0
    pings: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VenueReading:
    """Running totals of one venue since its start. Read them when asked; nothing is copied.

    `evaluations` is by source of the books, `refused` by reason, `episodes` by stage reached
    (one that filled counts in every stage before),
    `feed_states` a word for each connection. `staleness_ms` is by symbol of the oldest leg: now
    minus its last confirmation, in milliseconds, one observation an evaluation. `decisions_ms` is
    the time from a frame's receipt to the end of the turn that decided about it.
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
