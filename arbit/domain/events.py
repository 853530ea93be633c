"""Everything the instrument can say happened. Frozen, small, and safe to log whole."""

from __future__ import annotations

from dataclasses import dataclass, field

from arbit.domain.book import Disbelief


@dataclass(frozen=True, slots=True)
class FeedConnected:
    """A socket is open and its symbols are being subscribed. `epoch` counts from 1."""

    venue: str
    shard: int
    epoch: int


@dataclass(frozen=True, slots=True)
class FeedDisconnected:
    """A socket is gone; its books are not believed. `retry_ms` is the back-off before redial."""

    venue: str
    shard: int
    why: str
    retry_ms: int


@dataclass(frozen=True, slots=True)
class BookDisbelieved:
    """A book stopped being believable, with the first reason and what was seen."""

    venue: str
    symbol: str
    reason: Disbelief
    detail: str = ""


@dataclass(frozen=True, slots=True)
class BookBelieved:
    """A book is verified again after `after_ms` without it."""

    venue: str
    symbol: str
    after_ms: int


@dataclass(frozen=True, slots=True)
class StreamStale:
    """A stream is stale or absent for these symbols, and REST feeds their books meanwhile."""

    venue: str
    symbols: tuple[str, ...]
    age_ms: int


@dataclass(frozen=True, slots=True)
class StreamBack:
    """The stream serves these symbols again; REST has stopped."""

    venue: str
    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VenueStatusChanged:
    """The venue, or one market of it, changed status."""

    venue: str
    symbol: str  # "*" for the venue as a whole
    status: str


@dataclass(frozen=True, slots=True)
class VenueSaid:
    """The venue refused something, in its own words."""

    venue: str
    text: str
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class EpisodeEnded:
    """One episode of one directed triangle is over; `stage` is the furthest it reached."""

    venue: str
    path: str
    stage: str
    best_bps: float
    gross_ms: float
    net_ms: float


@dataclass(frozen=True, slots=True)
class PaperCycleEnded:
    """One paper cycle is over, with its profit in the start asset (exact digits as text)."""

    venue: str
    path: str
    end: str
    profit: str
    asset: str


@dataclass(frozen=True, slots=True)
class VenueFailed:
    """The run of one venue ended by itself; the others go on."""

    venue: str
    why: str


@dataclass(frozen=True, slots=True)
class OrderRefused:
    """Our own gate refused a cycle or an order; `code` is a `RefusalCode` (or `cancel`)."""

    venue: str
    code: str
    detail: str
    cycle_id: str = ""
    client_id: str = ""


@dataclass(frozen=True, slots=True)
class OrderSent:
    """An order is written down and its bytes leave. Amounts are exact digits as text.

    `purpose` is what it is for; `qty` in base units, `limit_price` in quote per base.
    """

    venue: str
    symbol: str
    side: str
    qty: str
    limit_price: str
    purpose: str
    cycle_id: str
    client_id: str


@dataclass(frozen=True, slots=True)
class OrderFilled:
    """A trade of an order of ours is booked. Amounts are exact digits as text.

    `qty` in base units, `price` in quote per base; `fees` are amounts and their assets, as taken.
    """

    venue: str
    symbol: str
    side: str
    qty: str
    price: str
    fees: tuple[str, ...]
    trade_id: str
    cycle_id: str
    client_id: str


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """The venue is asked to cancel an order; what became of it is told when it is known."""

    venue: str
    symbol: str
    cycle_id: str
    client_id: str


@dataclass(frozen=True, slots=True)
class OrderEnded:
    """What became of an order is known: `state` is an `OrderState` that is over."""

    venue: str
    symbol: str
    state: str
    reason: str = ""
    cycle_id: str = ""
    client_id: str = ""


@dataclass(frozen=True, slots=True)
class CycleEnded:
    """A cycle is over, with its profit in the start asset (exact digits as text)."""

    venue: str
    path: str
    end: str
    profit: str
    asset: str
    detail: str = ""
    cycle_id: str = ""


@dataclass(frozen=True, slots=True)
class ConversionEnded:
    """A conversion is over. `spent` and `received` are of its two ends (exact digits as text).

    `cost_ref` is what it cost against the middle prices, in the reference currency; empty where
    nobody can say.
    """

    venue: str
    path: str
    kind: str
    end: str
    spent: str
    received: str
    cost_ref: str = ""
    detail: str = ""
    cycle_id: str = ""


@dataclass(frozen=True, slots=True)
class CycleExplained:
    """Why a cycle that is over brought what it did, as it is known now (decision 0018).

    All in its start asset, at the prices of its decision, as text: `expected` less the six causes
    is `brought`. A cause below zero is a gain.
    """

    venue: str
    cycle_id: str
    path: str
    asset: str
    expected: str
    brought: str
    spread_move: str
    latency: str
    depth: str
    partial: str
    fee: str
    rounding: str


@dataclass(frozen=True, slots=True)
class IncidentSeen:
    """Something an operator should know of; it is in the journal as well."""

    venue: str
    kind: str
    detail: str
    cycle_id: str = ""
    client_id: str = ""


@dataclass(frozen=True, slots=True)
class BreakerChanged:
    """The circuit breaker of a venue is in another state."""

    venue: str
    state: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class KillChanged:
    """The kill switch of a venue is `on` or `off`: `detail` is what switched it on.

    `waits`: a start finds it off, and that nobody has resumed since it was on.
    """

    venue: str
    state: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class HealthChanged:
    """A venue is in another state: `state` is a `Health`, `detail` says by which guard and why."""

    venue: str
    state: str
    detail: str


@dataclass(frozen=True, slots=True)
class WalletChanged:
    """Wallets on a chain are read, unread or (our own fault) no longer read; `detail` says why.

    `venue` is the word `wallet`: they belong to none.
    """

    venue: str
    state: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class AlertsChanged:
    """A receiver of alerts takes them or not: `state` is `failing`, `delivering` or `lost`.

    `venue` is the word `alerts`: they belong to none. `waiting` critical ones are undelivered.
    """

    venue: str
    receiver: str
    state: str
    waiting: int
    detail: str = ""


Event = (
    FeedConnected
    | FeedDisconnected
    | BookDisbelieved
    | BookBelieved
    | StreamStale
    | StreamBack
    | VenueStatusChanged
    | VenueSaid
    | EpisodeEnded
    | PaperCycleEnded
    | VenueFailed
    | OrderRefused
    | OrderSent
    | OrderFilled
    | CancelAsked
    | OrderEnded
    | CycleEnded
    | ConversionEnded
    | CycleExplained
    | IncidentSeen
    | BreakerChanged
    | KillChanged
    | HealthChanged
    | WalletChanged
    | AlertsChanged
)


@dataclass(slots=True)
class FeedCounts:
    """Running totals of one feed since it started; read by metrics, written by the feed alone."""

    frames: int = 0
    bytes: int = 0
    verified: int = 0
    failed: int = 0
    padded: int = 0
    resyncs: int = 0
    connects: int = 0
    reconnects: int = 0
    ignored: int = 0
    bad_frames: int = 0
    rest_fallbacks: int = 0
    rest_books: int = 0
    confirmations: int = 0
    divergences: int = 0
    refusals: int = 0
    by_symbol_failed: dict[str, int] = field(default_factory=dict)
