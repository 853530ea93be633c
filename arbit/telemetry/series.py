"""What a series of /metrics is: its name, what it means, its labels and how its values are read.

A label's values are a closed set wherever the set is ours; each of them is there from the first
page on, at zero, since a rate over a series that begins at one shows no rise. The others (venue,
symbol, asset, connection) are of the settings or the watched markets, never of a venue's text.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from arbit.domain.cycle import CycleState
from arbit.domain.events import FeedCounts
from arbit.domain.health import Health
from arbit.domain.histogram import Histogram
from arbit.domain.order import OrderState
from arbit.domain.readings import AlertCounts, ProcessReading, TradingReading, VenueReading

MS = 1e-3  # of a millisecond's number, for a name that ends in seconds
Labels = tuple[str, ...]
Value = float | Histogram
Of = TypeVar("Of")


class Kind(enum.StrEnum):
    """What a series is, in Prometheus' words."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Scope(enum.StrEnum):
    """When a series is there."""

    PROCESS = "process"  # always, once
    VENUE = "venue"  # for every venue that is watched
    TRADING = "trading"  # for every venue that is traded


# Closed sets that live in rooms which this one may not know; tests hold them to those.
SOURCES = ("ws", "rest")
STAGES = ("raw", "gross", "net", "fits", "survives", "filled")
RECEIVERS = ("discord", "webhook")
PINGS = ("sent", "failed", "withheld")
BREAKERS = ("active", "reducing", "probing", "halted")
INCIDENTS = (
    "accepted",
    "audit",
    "contradiction",
    "door",
    "drift",
    "fee",
    "fees",
    "foreign",
    "held",
    "halt",
    "health",
    "history",
    "key",
    "late_fill",
    "overfill",
    "unpriced",
    "unresolved",
    "wallet",
    "other",  # of a later version
)
HEALTHS = tuple(state.value for state in Health)
ORDER_ENDS = tuple(state.value for state in OrderState if state.over)
ENDS = tuple(state.value for state in CycleState if state.over)


INFO = {
    "version": "of arbit",
    "python": "of the interpreter",
    "venues": "their names, by comma",
    "policy": "how legs are sent",
    "reference": "the reference currency",
}


@dataclass(frozen=True, slots=True)
class Label:
    """A label beyond the venue; `values` are all it can have, empty where settings decide."""

    name: str
    meaning: str
    values: Labels = ()


@dataclass(frozen=True, slots=True)
class Series(Generic[Of]):
    """One name on the page. `read` finds its values by the values of its labels.

    `scale` turns a histogram's values (milliseconds or bps) into what the name says.
    """

    name: str
    kind: Kind
    scope: Scope
    meaning: str
    read: Callable[[Of], Iterable[tuple[Labels, Value]]]
    labels: tuple[Label, ...] = ()
    scale: float = 1.0

    @property
    def shown(self) -> str:
        """The name as it is asked for: a counter's ends in `total`."""
        return f"{self.name}_total" if self.kind is Kind.COUNTER else self.name

    @property
    def label_names(self) -> Labels:
        """All labels of the page, the venue first."""
        own = tuple(label.name for label in self.labels)
        return own if self.scope is Scope.PROCESS else ("venue", *own)


def closed(counts: Mapping[str, float], values: Iterable[str]) -> Iterator[tuple[Labels, Value]]:
    """A value for each label there can be, at zero where nothing is known; the rest is `other`."""
    known = dict.fromkeys(values, 0.0)
    for value, count in counts.items():
        name = value if value in known else "other"
        known[name] = known.get(name, 0.0) + count
    for value, total_of in known.items():
        yield (value,), total_of


def known(seen: Mapping[str, Value], values: Iterable[str]) -> Iterator[tuple[Labels, Value]]:
    """What is there of the closed set, and nothing else."""
    return (((value,), seen[value]) for value in values if value in seen)


def one_value(value: Value | None) -> Iterator[tuple[Labels, Value]]:
    """The value of a series without labels of its own; nothing where there is none."""
    if value is not None:
        yield (), value


def one_hot(now: str, values: Iterable[str]) -> Iterator[tuple[Labels, Value]]:
    """1 for the state that it is in, 0 for each other."""
    for value in values:
        yield (value,), float(value == now)


def feed_total(name: str, meaning: str, count: Callable[[FeedCounts], int]) -> Series[VenueReading]:
    """A running total of a feed."""
    return Series(
        f"arbit_{name}",
        Kind.COUNTER,
        Scope.VENUE,
        meaning,
        lambda reading: one_value(count(reading.counts)),
    )


def counted(
    name: str, meaning: str, label: Label, counts: Callable[[TradingReading], Mapping[str, int]]
) -> Series[TradingReading]:
    """Running totals of trading by one closed label."""
    return Series(
        f"arbit_{name}",
        Kind.COUNTER,
        Scope.TRADING,
        meaning,
        lambda trading: closed(counts(trading), label.values),
        (label,),
    )


def total(
    name: str, meaning: str, sum_of: Callable[[TradingReading], float]
) -> Series[TradingReading]:
    """A running total of trading."""
    return Series(
        f"arbit_{name}", Kind.COUNTER, Scope.TRADING, meaning, lambda one: one_value(sum_of(one))
    )


def now(
    name: str, meaning: str, value: Callable[[TradingReading], float]
) -> Series[TradingReading]:
    """Something of trading as it is now."""
    return Series(
        f"arbit_{name}", Kind.GAUGE, Scope.TRADING, meaning, lambda one: one_value(value(one))
    )


def lasting(
    name: str, meaning: str, seen: Callable[[TradingReading], Histogram | None]
) -> Series[TradingReading]:
    """How long something of trading takes; the values are milliseconds."""
    return Series(
        f"arbit_{name}",
        Kind.HISTOGRAM,
        Scope.TRADING,
        meaning,
        lambda one: one_value(seen(one)),
        scale=MS,
    )


def held(name: str, field: str, meaning: str) -> Series[TradingReading]:
    """Something of every asset held."""
    asset = Label("asset", "of the watched markets, or named by a setting")

    def read(trading: TradingReading) -> Iterator[tuple[Labels, Value]]:
        for holding in trading.holdings:
            value: float | None = getattr(holding, field)
            if value is not None:
                yield (holding.asset,), value

    return Series(f"arbit_{name}", Kind.GAUGE, Scope.TRADING, meaning, read, (asset,))


def process(
    name: str, kind: Kind, meaning: str, value: Callable[[ProcessReading], Value | None]
) -> Series[ProcessReading]:
    """Something of the whole process."""
    return Series(f"arbit_{name}", kind, Scope.PROCESS, meaning, lambda one: one_value(value(one)))


def receivers(
    name: str,
    meaning: str,
    counts: Callable[[AlertCounts], Mapping[str, int]],
    kind: Kind = Kind.COUNTER,
) -> Series[ProcessReading]:
    """Something of alerts, by who is to receive them."""
    return Series(
        f"arbit_{name}",
        kind,
        Scope.PROCESS,
        meaning,
        lambda one: closed(counts(one.alerts), RECEIVERS),
        (Label("receiver", "where to", RECEIVERS),),
    )
