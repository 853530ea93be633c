"""The metrics page, scraped as Prometheus would."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import replace

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from arbit.clock import SystemClock
from arbit.domain.errors import UserError
from arbit.domain.events import FeedCounts
from arbit.domain.histogram import Histogram
from arbit.domain.readings import HoldingReading, ProcessReading, TradingReading, VenueReading
from arbit.telemetry.exposition import MAX_SYMBOLS, Family
from arbit.telemetry.metrics import CONTENT_TYPE, MetricsPage
from arbit.telemetry.server import MetricsServer

BOUNDS = (1.0, 250.0, 3000.0)
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class SteppedClock(SystemClock):
    """Monotonic time that moves when told; sleeping is real but always zero here."""

    now_ns = 0

    def monotonic_ns(self) -> int:
        return self.now_ns


def histogram(*values_ms: float) -> Histogram:
    made = Histogram(BOUNDS)
    for value_ms in values_ms:
        made.observe(value_ms)
    return made


def reading(
    venue: str = "kraken", staleness_ms: dict[str, Histogram] | None = None
) -> VenueReading:
    return VenueReading(
        venue=venue,
        counts=FeedCounts(frames=7, failed=2, resyncs=3, reconnects=1, rest_fallbacks=4),
        evaluations={"ws": 90, "rest": 10},
        refused={"stale": 5, "checksum": 2},
        episodes={"gross": 6, "net": 1},
        feed_states={"ws-0": "live"},
        staleness_ms=staleness_ms or {"BTC/USD": histogram(0.5, 100.0, 200.0, 9000.0)},
    )


def parsed(text: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def page_of(*readings: VenueReading, of: ProcessReading | None = None) -> Samples:
    page = MetricsPage(lambda: readings, SteppedClock(), lambda: of or ProcessReading())
    return parsed(b"".join(await page.pieces()).decode())


def at(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


async def test_every_number_of_the_instruments_is_on_the_page() -> None:
    samples = await page_of(reading(), of=ProcessReading(lost_events=5, dropped_witnesses=6))
    for name, value in {
        "arbit_frames_total": 7,
        "arbit_checksum_failures_total": 2,
        "arbit_resyncs_total": 3,
        "arbit_reconnects_total": 1,
        "arbit_rest_fallbacks_total": 4,
    }.items():
        assert at(samples, name, venue="kraken") == value
    assert at(samples, "arbit_evaluations_total", venue="kraken", source="ws") == 90
    assert at(samples, "arbit_refused_evaluations_total", venue="kraken", reason="stale") == 5
    assert at(samples, "arbit_episodes_total", venue="kraken", stage="net") == 1
    state = {"venue": "kraken", "connection": "ws-0", "state": "live"}
    assert at(samples, "arbit_feed_state", **state) == 1
    assert at(samples, "arbit_lost_events_total") == 5
    assert at(samples, "arbit_dropped_listeners_total") == 6


async def test_staleness_is_told_in_milliseconds_and_in_seconds() -> None:
    samples = await page_of(reading())
    symbol = {"venue": "kraken", "symbol": "BTC/USD"}
    for name, edges, scale in (
        ("market_data_staleness_ms", ("1", "250", "3000", "+Inf"), 1.0),
        ("orderbook_staleness_seconds", ("0.001", "0.25", "3", "+Inf"), 0.001),
    ):
        found = [at(samples, f"{name}_bucket", **symbol, le=edge) for edge in edges]
        assert found == [1, 3, 3, 4]
        assert at(samples, f"{name}_count", **symbol) == 4
        assert at(samples, f"{name}_sum", **symbol) == pytest.approx(9300.5 * scale)


async def test_every_venue_has_its_own_series_and_a_silent_symbol_none() -> None:
    samples = await page_of(
        reading("kraken"), reading("mexc", {"ETH/USDT": histogram(5.0), "X/USDT": histogram()})
    )
    assert at(samples, "market_data_staleness_ms_count", venue="kraken", symbol="BTC/USD") == 4
    assert at(samples, "market_data_staleness_ms_count", venue="mexc", symbol="ETH/USDT") == 1
    assert not [labels for _, labels in samples if ("symbol", "X/USDT") in labels]


def test_a_label_cannot_break_out_of_its_quotes() -> None:
    awkward = 'a"b\\c\nd'
    family = Family("x", "Help.", 1.0)
    text = "".join(family.slices([reading(staleness_ms={awkward: histogram(2.0)})]))
    assert at(parsed(text), "x_count", venue="kraken", symbol=awkward) == 1


def test_the_label_set_is_bounded_and_loses_no_observation() -> None:
    many = {f"S{number}/USD": histogram(2.0) for number in range(MAX_SYMBOLS + 50)}
    text = "".join(Family("x", "Help.", 1.0).slices([reading(staleness_ms=many)]))
    counts = {labels: value for (name, labels), value in parsed(text).items() if name == "x_count"}
    assert len(counts) == MAX_SYMBOLS
    assert sum(counts.values()) == MAX_SYMBOLS + 50
    assert counts[("symbol", "other"), ("venue", "kraken")] == 51


async def test_a_scrape_storm_renders_once_a_second() -> None:
    clock = SteppedClock()
    page = MetricsPage(lambda: [reading()], clock)
    bodies = await asyncio.gather(*(page.pieces() for _ in range(200)))
    assert page.renders == 1
    assert len(set(bodies)) == 1
    clock.now_ns += 999_999_999
    await page.pieces()
    assert page.renders == 1
    clock.now_ns += 1
    await page.pieces()
    assert page.renders == 2


async def test_rendering_lets_other_work_in_between() -> None:
    many = {f"S{number}/USD": histogram(2.0) for number in range(600)}
    page = MetricsPage(lambda: [reading(staleness_ms=many)], SystemClock())
    turns = 0

    async def other_work() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other_work())
    await page.pieces()
    task.cancel()
    assert turns >= 2 * 600 / 50


async def scrape(url: str, method: str = "GET") -> tuple[int, str, str]:
    async with aiohttp.ClientSession() as session, session.request(method, url) as reply:
        return reply.status, reply.headers.get("Content-Type", ""), await reply.text()


async def test_a_real_scrape_over_a_socket_parses() -> None:
    readings: Sequence[VenueReading] = [reading()]
    page = MetricsPage(lambda: readings, SystemClock())
    async with MetricsServer(page, "127.0.0.1", 0, SystemClock()) as server:
        status, content_type, text = await scrape(server.url)
        assert (status, content_type) == (200, CONTENT_TYPE)
        assert at(parsed(text), "arbit_frames_total", venue="kraken") == 7
        assert (await scrape(server.url.removesuffix("/metrics") + "/"))[0] == 404
        assert (await scrape(server.url, "POST"))[0] == 405


async def test_a_port_in_use_is_one_clear_line() -> None:
    page = MetricsPage(list, SystemClock())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=rf"^metrics address 127.0.0.1:{port}: expected a free"):
            async with MetricsServer(page, "127.0.0.1", port, SystemClock()):
                pass


async def test_each_asset_has_gauges_of_what_is_owned_wanted_and_kept_back() -> None:
    held = (
        HoldingReading("BTC", owned=0.5, exposure=0.1, reserve=0.05, target=0.4, cap=1.0),
        HoldingReading("ETH", owned=3.0, exposure=0.0, reserve=0.0),
    )
    trading = TradingReading({}, {}, {}, {}, "active", killed=False, holdings=held)
    samples = await page_of(replace(reading(), trading=trading))
    said = {
        name: {
            dict(labels)["asset"]: value for (one, labels), value in samples.items() if one == name
        }
        for name in (
            "arbit_inventory",
            "arbit_exposure",
            "arbit_inventory_reserve",
            "arbit_inventory_target",
            "arbit_inventory_cap",
        )
    }
    assert said == {
        "arbit_inventory": {"BTC": 0.5, "ETH": 3.0},
        "arbit_exposure": {"BTC": 0.1, "ETH": 0.0},
        "arbit_inventory_reserve": {"BTC": 0.05, "ETH": 0.0},
        "arbit_inventory_target": {"BTC": 0.4},
        "arbit_inventory_cap": {"BTC": 1.0},
    }
