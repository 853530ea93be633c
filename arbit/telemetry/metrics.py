"""The metrics page: values pulled from the instruments, rendered at most once a second.

Nothing is counted here. The owners of the numbers keep them as plain integers, and a page reads
them when somebody asks, so a scrape storm costs the trading turn nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import TypeVar

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from arbit.domain.histogram import Histogram
from arbit.domain.readings import ProcessReading, VenueReading
from arbit.ports import Clock
from arbit.telemetry.catalogue import PROCESS, STALENESS, TRADING, VENUE
from arbit.telemetry.exposition import Family
from arbit.telemetry.series import Kind, Labels, Series, Value

RENDER_NS = 1_000_000_000
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Of = TypeVar("Of")
Read = Callable[[], Iterable[VenueReading]]
ReadProcess = Callable[[], ProcessReading]
FAMILIES = tuple(Family(*one) for one in STALENESS)


class Collected(Collector):
    """One series of the catalogue, in prometheus-client's own terms.

    One at a time, since what all of them take at once would hold up the loop that decides.
    """

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        """That one."""
        yield self._metric


class MetricsPage:
    """The bytes of /metrics. Made at most once a second, in slices that let the loop breathe."""

    def __init__(self, read: Read, clock: Clock, process: ReadProcess = ProcessReading) -> None:
        self._read = read
        self._process = process
        self._clock = clock
        self._interpreter = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._interpreter)
        self._lock = asyncio.Lock()
        self._pieces: tuple[bytes, ...] = ()
        self._made_ns: int | None = None
        self.renders = 0

    @property
    def size(self) -> int:
        """Bytes of the page that was made last."""
        return sum(map(len, self._pieces))

    def readings(self) -> Sequence[VenueReading]:
        """What the instruments show now."""
        return tuple(self._read())

    async def pieces(self) -> tuple[bytes, ...]:
        """The page, at most a second old, in pieces: joining megabytes would take milliseconds."""
        async with self._lock:
            now_ns = self._clock.monotonic_ns()
            if self._made_ns is None or now_ns - self._made_ns >= RENDER_NS:
                self._pieces = tuple([piece async for piece in self._rendered()])
                self._made_ns = now_ns
            return self._pieces

    async def _rendered(self) -> AsyncIterator[bytes]:
        """Slice by slice; between two of them the loop goes round."""
        self.renders += 1
        yield generate_latest(self._interpreter)
        readings = []
        for reading in self._read():
            readings.append(reading)
            await self._clock.sleep(0)
        for metric in metrics(readings, self._process()):
            yield text_of(metric)
            await self._clock.sleep(0)
        for family in FAMILIES:
            for piece in family.slices(readings):
                yield piece.encode()
                await self._clock.sleep(0)


def metrics(readings: Sequence[VenueReading], process: ProcessReading) -> Iterator[Metric]:
    """Every series of the catalogue that has a value now, one after the other."""
    for of_process in PROCESS:
        yield _metric(of_process, [((), process)])
    venues = [((reading.venue,), reading) for reading in readings]
    for of_venue in VENUE:
        yield _metric(of_venue, venues)
    traded = [((one.venue,), one.trading) for one in readings if one.trading is not None]
    if traded:
        for of_trading in TRADING:
            yield _metric(of_trading, traded)


def text_of(metric: Metric) -> bytes:
    """Its lines on the page."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collected(metric))
    return generate_latest(registry)


def _metric(series: Series[Of], of: Iterable[tuple[Labels, Of]]) -> Metric:
    made = _FAMILIES[series.kind](series.name, series.meaning, labels=series.label_names)
    for first, reading in of:
        for labels, value in series.read(reading):
            _add(made, [*first, *labels], value, series.scale)
    return made


def _add(metric: Metric, labels: list[str], value: Value, scale: float) -> None:
    if isinstance(metric, HistogramMetricFamily):
        if isinstance(value, Histogram):
            edges = [*(f"{bound * scale:g}" for bound in value.bounds), "+Inf"]
            buckets = list(zip(edges, accumulate(value.counts), strict=True))
            metric.add_metric(labels, buckets, value.total * scale)
            if value.bounds[0] < 0:  # the library leaves out a sum that may fall, and this with it
                told = metric.samples[-1].labels
                named = {name: label for name, label in told.items() if name != "le"}
                metric.add_sample(f"{metric.name}_count", named, value.count)
    elif isinstance(metric, CounterMetricFamily | GaugeMetricFamily) and isinstance(
        value, int | float
    ):
        metric.add_metric(labels, value)


_FAMILIES: dict[Kind, Callable[..., Metric]] = {
    Kind.COUNTER: CounterMetricFamily,
    Kind.GAUGE: GaugeMetricFamily,
    Kind.HISTOGRAM: HistogramMetricFamily,
}
