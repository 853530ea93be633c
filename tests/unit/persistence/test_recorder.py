"""The recorder: rows in bounded batches, kept while the sink fails, never more than it may hold."""

from __future__ import annotations

from decimal import Decimal

from arbit.domain.account import Balance
from arbit.domain.events import (
    BreakerChanged,
    EpisodeEnded,
    FeedConnected,
    FeedDisconnected,
    OrderEnded,
    StreamBack,
    StreamStale,
    VenueStatusChanged,
)
from arbit.persistence import recorder as room
from arbit.persistence.recorder import BATCH, Recorder
from arbit.persistence.sinks import ListSink
from tests.unit.venues.virtual import VirtualClock

EPISODE = EpisodeEnded("kraken", "USD>BTC>ETH>USD", "net", 12.5, 300.0, 20.0)


def desk() -> tuple[Recorder, ListSink, VirtualClock, list[str]]:
    sink, clock, told = ListSink(), VirtualClock(), list[str]()
    return Recorder(sink, "kraken:fitness", clock, told.append), sink, clock, told


async def test_each_kind_of_event_becomes_its_row_with_account_and_time() -> None:
    recorder, sink, clock, _ = desk()
    for event in (
        EPISODE,
        FeedConnected("kraken", 0, 1),
        FeedDisconnected("kraken", 0, "reset", 100),
        StreamStale("kraken", ("BTC/USD",), 3_000),
        StreamBack("kraken", ("BTC/USD",)),
        VenueStatusChanged("kraken", "*", "maintenance"),
        BreakerChanged("kraken", "halted", "drift", "off by one"),
        OrderEnded("kraken", "BTC/USD", "filled"),
    ):
        recorder(event)
    recorder.triangle("USD>BTC>ETH>USD", ("BTC/USD", "ETH/BTC", "ETH/USD"), 121.0)
    recorder.wallet({"USD": Balance(Decimal(5), Decimal(1))})
    recorder.inventory("cycle", [{"asset": "USD", "wallet": Decimal(5)}])
    await recorder.finish()

    tables = [table for table, _ in sink.rows]
    assert tables == [
        "opportunities",
        *["venue_status"] * 6,
        "triangles",
        "wallet_snapshots",
        "inventory_snapshots",
    ]
    assert {row["account"] for _, row in sink.rows} == {"kraken:fitness"}
    assert {row["at_ns"] for _, row in sink.rows} == {clock.now_ns}
    assert sink.rows[6][1]["detail"] == "drift: off by one"


async def test_no_batch_is_larger_than_its_limit() -> None:
    recorder, sink, _, _ = desk()
    for _ in range(BATCH * 2 + 5):
        recorder(EPISODE)
    await recorder.finish()
    assert sink.batches == [BATCH, BATCH, 5]
    assert recorder.written == BATCH * 2 + 5


async def test_what_a_failing_sink_does_not_take_is_kept_and_told_once() -> None:
    recorder, sink, _, told = desk()
    sink.fails = "no connection"
    recorder(EPISODE)
    assert await recorder._write_some() is False
    assert await recorder._write_some() is False
    assert (told, recorder.failures, recorder.queued) == (["no connection"], 2, 1)
    sink.fails = ""
    assert await recorder._write_some()
    assert len(sink.rows) == 1
    sink.fails = "gone again"
    recorder(EPISODE)
    await recorder._write_some()
    assert told == ["no connection", "gone again"]


async def test_a_sink_that_fails_for_half_a_minute_is_no_longer_only_told() -> None:
    recorder, sink, clock, told = desk()
    failing: list[str] = []
    recorder.on_failing = failing.append
    sink.fails = "no connection"
    recorder(EPISODE)
    for _ in range(3):
        await recorder._write_some()
        clock.now_ns += 14_000_000_000
    assert (told, failing) == (["no connection"], [])
    await recorder._write_some()
    assert failing == ["no connection"]
    sink.fails = ""
    await recorder._write_some()
    sink.fails = "gone again"
    recorder(EPISODE)
    await recorder._write_some()
    assert failing == ["no connection"], "an outage is counted from its own beginning"


async def test_what_does_not_fit_is_counted_and_not_kept() -> None:
    recorder, sink, _, _ = desk()
    for _ in range(room.MAX_QUEUED + 7):
        recorder(EPISODE)
    assert (recorder.queued, recorder.lost) == (room.MAX_QUEUED, 7)
    sink.fails = "gone"
    await recorder.finish()
    assert recorder.lost == room.MAX_QUEUED + 7
