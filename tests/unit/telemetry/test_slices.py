"""The worst page there can be is made in slices that no decision waits long for."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from arbit.clock import SystemClock
from arbit.domain.attribution import Cause
from arbit.domain.events import FeedCounts
from arbit.domain.histogram import Histogram
from arbit.domain.readings import (
    AlertCounts,
    HoldingReading,
    ProcessReading,
    TradingReading,
    VenueReading,
)
from arbit.telemetry.metrics import MetricsPage, metrics

EDGES = tuple(float(2**step) for step in range(16))
SYMBOLS = 1_000
ASSETS = 200  # the most that `app.holdings` tells
MOST_BYTES = 200_000  # of a slice
MOST_MS = 8.0  # of our own processor time; measured 1.8


def seen(*values: float) -> Histogram:
    made = Histogram(EDGES)
    for value in values:
        made.observe(value)
    return made


class Slices(SystemClock):
    """Takes the processor time of each slice, as long as the others that are due go on."""

    def __init__(self) -> None:
        self.began_s = time.thread_time()
        self.took_ms: list[float] = []

    async def sleep(self, seconds: float, /) -> None:
        self.took_ms.append((time.thread_time() - self.began_s) * 1e3)
        await asyncio.sleep(seconds)
        self.began_s = time.thread_time()


def worst() -> Iterator[VenueReading]:
    holdings = tuple(
        HoldingReading(f"A{number}", 1.5, 0.2, 0.1, 0.4, 3.0) for number in range(ASSETS)
    )
    for venue in ("kraken", "mexc"):
        trading = TradingReading(
            {},
            {},
            {},
            {},
            "active",
            killed=False,
            holdings=holdings,
            to_wire_ms=seen(1.0),
            order_ms=seen(1.0),
            cycle_ms=seen(1.0),
            shortfall_bps={cause.value: seen(1.0) for cause in Cause},
        )
        yield VenueReading(
            venue,
            FeedCounts(),
            {},
            {},
            {},
            {f"ws-{number}": "live" for number in range(40)},
            {f"S{number}/USD": seen(3.0) for number in range(SYMBOLS)},
            trading=trading,
            decisions_ms=seen(1.0),
        )


async def test_no_slice_of_the_worst_page_is_long() -> None:
    readings, clock = list(worst()), Slices()
    page = MetricsPage(lambda: readings, clock)
    gc.disable()  # a collection is of everything there is, and its time is not the page's
    try:
        pieces = await page.pieces()
    finally:
        gc.enable()
    assert page.size == sum(map(len, pieces)) > 5_000_000
    assert len(clock.took_ms) > 2 * 2 * SYMBOLS / 50
    assert max(map(len, pieces)) < MOST_BYTES
    assert max(clock.took_ms) < MOST_MS


NAMES = st.text(max_size=12) | st.sampled_from(['a"b\\c\nd', "stale", "other", "# TYPE x", "{}"])
COUNTS = st.dictionaries(NAMES, st.integers(0, 9), max_size=30)


@st.composite
def strange(draw: st.DrawFn) -> VenueReading:
    """Whatever words come from elsewhere, in every count there is."""
    counts = [draw(COUNTS) for _ in range(10)]
    trading = TradingReading(
        counts[0],
        counts[1],
        counts[2],
        counts[3],
        breaker=draw(NAMES),
        killed=draw(st.booleans()),
        conversions=counts[4],
        rejects=counts[5],
        trips=counts[6],
        shortfall_bps={name: seen(1.0) for name in draw(st.lists(NAMES, max_size=5))},
    )
    return VenueReading(
        "kraken",
        FeedCounts(by_symbol_failed=draw(COUNTS)),
        counts[7],
        counts[8],
        counts[9],
        feed_states={"ws-0": "live"},
        staleness_ms={},
        trading=trading,
        health=draw(NAMES),
        why=draw(NAMES),
    )


@settings(max_examples=20, deadline=None)
@given(strange(), COUNTS)
def test_whatever_words_come_no_series_is_new_but_other(
    one: VenueReading, counts: dict[str, int]
) -> None:
    alerts = AlertCounts(sent=counts, dropped=counts, failed=counts, pings=counts)
    found = _series(one, ProcessReading(alerts=alerts))
    assert len(found) == len(set(found)), "a series twice"
    new = set(found) - set(_series(PLAIN, ProcessReading()))
    assert all("other" in labels for _, labels in new), new
    assert len(new) <= 300


PLAIN = VenueReading(
    "kraken",
    FeedCounts(),
    {},
    {},
    {},
    {"ws-0": "live"},
    {},
    trading=TradingReading({}, {}, {}, {}, "active", killed=False),
)


def _series(reading: VenueReading, process: ProcessReading) -> list[tuple[str, tuple[str, ...]]]:
    return [
        (sample.name, tuple(sample.labels.values()))
        for metric in metrics([reading], process)
        for sample in metric.samples
    ]
