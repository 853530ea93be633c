"""The metrics page: values pulled from the instruments, rendered at most once a second.

Nothing is counted here. The owners of the numbers keep them as plain integers, and a page reads
them when somebody asks, so a scrape storm costs the trading turn nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Protocol

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from arbit.domain.events import FeedCounts
from arbit.domain.readings import VenueReading
from arbit.ports import Clock
from arbit.telemetry.exposition import Family

RENDER_NS = 1_000_000_000
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Read = Callable[[], Sequence[VenueReading]]

FAMILIES = (
    Family(
        "market_data_staleness_ms",
        "Now minus the last confirmation of the oldest leg, at each evaluation, in milliseconds.",
        1.0,
    ),
    Family(
        "orderbook_staleness_seconds",
        "Now minus the last confirmation of the oldest leg, at each evaluation, in seconds.",
        0.001,
    ),
)

_FEED_TOTALS: Sequence[tuple[str, str, Callable[[FeedCounts], int]]] = (
    ("frames", "Messages received.", lambda counts: counts.frames),
    ("received_bytes", "Bytes received.", lambda counts: counts.bytes),
    ("books_verified", "Book messages proved by their checksum.", lambda counts: counts.verified),
    ("checksum_failures", "Books that were not the venue's.", lambda counts: counts.failed),
    ("bad_frames", "Messages that could not be understood.", lambda counts: counts.bad_frames),
    ("resyncs", "Single symbols subscribed anew.", lambda counts: counts.resyncs),
    ("reconnects", "Sockets dialled again.", lambda counts: counts.reconnects),
    ("rest_fallbacks", "Times REST took over for a stream.", lambda counts: counts.rest_fallbacks),
    ("confirmations", "Quiet books found equal at the venue.", lambda counts: counts.confirmations),
    ("divergences", "Quiet books found different there.", lambda counts: counts.divergences),
    ("refusals", "Requests the venue refused.", lambda counts: counts.refusals),
)


class Losses(Protocol):
    """What a hub, or several, could not tell."""

    @property
    def lost_events(self) -> int:
        """Events that no witness heard."""
        ...

    @property
    def dropped_listeners(self) -> int:
        """Witnesses that raised."""
        ...


class VenueCollector(Collector):
    """Counters and states of every venue, in prometheus-client's own terms."""

    def __init__(self, read: Read, hub: Losses | None = None) -> None:
        self._read = read
        self._hub = hub

    def collect(self) -> Iterator[Metric]:
        """Every family, read now."""
        readings = self._read()
        for name, help_text, total in _FEED_TOTALS:
            yield _counter(name, help_text, ((r.venue, total(r.counts)) for r in readings))
        yield _labelled(
            "evaluations", "Triangles evaluated.", "source", _of(readings, "evaluations")
        )
        yield _labelled(
            "refused_evaluations",
            "Evaluations not believed, by first reason.",
            "reason",
            _of(readings, "refused"),
        )
        yield _labelled(
            "episodes",
            "Episodes that came at least as far as this stage.",
            "stage",
            _of(readings, "episodes"),
        )
        yield _states(readings)
        yield _decisions(readings)
        if any(reading.trading is not None for reading in readings):
            yield from _trading(readings)
        if self._hub is not None:
            lost = CounterMetricFamily("arbit_lost_events", "Events no witness heard.")
            lost.add_metric([], self._hub.lost_events)
            yield lost
            dropped = CounterMetricFamily("arbit_dropped_listeners", "Witnesses that raised.")
            dropped.add_metric([], self._hub.dropped_listeners)
            yield dropped


class MetricsPage:
    """The bytes of /metrics. Made at most once a second, in slices that let the loop breathe."""

    def __init__(self, read: Read, clock: Clock, hub: Losses | None = None) -> None:
        self._read = read
        self._clock = clock
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(VenueCollector(read, hub))
        ProcessCollector(registry=self._registry)
        self._lock = asyncio.Lock()
        self._body = b""
        self._made_ns: int | None = None
        self.renders = 0

    async def body(self) -> bytes:
        """The page, at most a second old."""
        async with self._lock:
            now_ns = self._clock.monotonic_ns()
            if self._made_ns is None or now_ns - self._made_ns >= RENDER_NS:
                self._body = await self._render()
                self._made_ns = now_ns
            return self._body

    async def _render(self) -> bytes:
        self.renders += 1
        parts = [generate_latest(self._registry)]
        readings = self._read()
        for family in FAMILIES:
            for piece in family.slices(readings):
                parts.append(piece.encode())
                await self._clock.sleep(0)
        return b"".join(parts)


def _of(readings: Iterable[VenueReading], name: str) -> Iterator[tuple[str, Mapping[str, int]]]:
    return ((reading.venue, getattr(reading, name)) for reading in readings)


def _counter(name: str, help_text: str, totals: Iterable[tuple[str, int]]) -> Metric:
    family = CounterMetricFamily(f"arbit_{name}", help_text, labels=["venue"])
    for venue, total in totals:
        family.add_metric([venue], total)
    return family


def _labelled(
    name: str, help_text: str, label: str, totals: Iterable[tuple[str, Mapping[str, int]]]
) -> Metric:
    family = CounterMetricFamily(f"arbit_{name}", help_text, labels=["venue", label])
    for venue, by_label in totals:
        for value, total in by_label.items():
            family.add_metric([venue, value], total)
    return family


def _states(readings: Iterable[VenueReading]) -> Metric:
    family = GaugeMetricFamily(
        "arbit_feed_state",
        "1 for the state each connection is in.",
        labels=["venue", "connection", "state"],
    )
    for reading in readings:
        for connection, state in reading.feed_states.items():
            family.add_metric([reading.venue, connection, state], 1)
    return family


def _decisions(readings: Iterable[VenueReading]) -> Metric:
    """How long what had arrived waited to be decided about, a lane each."""
    family = HistogramMetricFamily(
        "arbit_decision_seconds",
        "From a frame's receipt to the end of the turn that decided about it.",
        labels=["venue"],
    )
    for reading in readings:
        seen = reading.decisions_ms
        if seen is not None:
            totals = list(accumulate(seen.counts))
            edges = [*(f"{bound / 1e3:g}" for bound in seen.bounds), "+Inf"]
            buckets = list(zip(edges, totals, strict=True))
            family.add_metric([reading.venue], buckets, seen.total / 1e3)
    return family


_TRADING = (
    ("orders", "state", "Orders that are over, by how they ended."),
    ("refusals", "code", "What our own risk gate refused, by rule."),
    ("cycles", "end", "Cycles that are over, by how they ended."),
    ("conversions", "end", "Conversions that are over, by how they ended."),
    ("incidents", "kind", "What an operator should know of."),
)
_HOLDINGS = (
    ("inventory", "owned", "What is owned of an asset, in its units."),
    ("exposure", "exposure", "How far trading may have moved an asset at worst, in its units."),
    ("inventory_reserve", "reserve", "What of an asset is never spent, in its units."),
    ("inventory_target", "target", "What is wanted of an asset, in its units."),
    ("inventory_cap", "cap", "The most of an asset that trading may make us own, in its units."),
)
_BREAKER_STATES = ("active", "reducing", "probing", "halted")


def _trading(readings: Iterable[VenueReading]) -> Iterator[Metric]:
    """What trading adds to the page, for the venues that are traded."""
    traded = [(one.venue, one.trading) for one in readings if one.trading is not None]
    for name, label, help_text in _TRADING:
        totals = [(venue, getattr(trading, name)) for venue, trading in traded]
        yield _labelled(name, help_text, label, totals)
    breaker = GaugeMetricFamily(
        "arbit_breaker_state", "1 for the state the breaker is in.", labels=["venue", "state"]
    )
    killed = GaugeMetricFamily(
        "arbit_kill_switch", "1 while nothing may be sent.", labels=["venue"]
    )
    for venue, trading in traded:
        for state in _BREAKER_STATES:
            breaker.add_metric([venue, state], float(state == trading.breaker))
        killed.add_metric([venue], float(trading.killed))
    yield breaker
    yield killed
    for name, field, help_text in _HOLDINGS:
        family = GaugeMetricFamily(f"arbit_{name}", help_text, labels=["venue", "asset"])
        for venue, trading in traded:
            for holding in trading.holdings:
                value = getattr(holding, field)
                if value is not None:
                    family.add_metric([venue, holding.asset], value)
        yield family
