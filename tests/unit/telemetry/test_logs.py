"""Log lines say what happened, and stop before they fill a disk."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
from typing import get_args

import pytest

from arbit.domain.book import Disbelief
from arbit.domain.events import (
    BookDisbelieved,
    BreakerChanged,
    EpisodeEnded,
    Event,
    FeedConnected,
    OrderEnded,
    StreamStale,
    VenueSaid,
)
from arbit.telemetry.logs import BURST, MAX_KEYS, REFILL_NS, TOTAL_BURST, EventLog, set_up_logs
from arbit.telemetry.logs_table import LEVELS

WALL_NS = 1_790_000_000_123_000_000


pytestmark = pytest.mark.usefixtures("logging_as_it_was")


class Desk:
    """A log with a clock that stands still until told."""

    def __init__(self, *, as_json: bool = True, level: str = "info") -> None:
        self.stream = io.StringIO()
        self.now_ns = 0
        logger = set_up_logs(
            as_json=as_json, level=level, wall_ns=lambda: WALL_NS, stream=self.stream
        )
        self.log = EventLog(logger, lambda: self.now_ns)

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


def test_an_event_is_one_json_object_with_its_own_fields() -> None:
    desk = Desk()
    desk.log(BookDisbelieved("kraken", "BTC/USD", Disbelief.CHECKSUM, "1 is not 2"))
    assert desk.lines() == [
        {
            "event": "book_disbelieved",
            "level": "warning",
            "timestamp": "2026-09-21T14:13:20.123+00:00",
            "venue": "kraken",
            "symbol": "BTC/USD",
            "reason": "checksum",
            "detail": "1 is not 2",
        }
    ]


def test_a_reader_gets_words_on_one_line() -> None:
    desk = Desk(as_json=False)
    desk.log(FeedConnected("kraken", 0, 1))
    (line,) = desk.stream.getvalue().splitlines()
    assert "feed_connected" in line
    assert "venue=kraken" in line
    assert "\x1b" not in line


def test_the_level_decides_what_is_written() -> None:
    episode = EpisodeEnded("kraken", "USD>BTC>ETH>USD", "gross", 4.1, 12.0, 0.0)
    quiet, chatty = Desk(level="info"), None
    quiet.log(episode)
    assert quiet.lines() == []
    assert quiet.log.unwritten == 0
    chatty = Desk(level="debug")
    chatty.log(episode)
    assert chatty.lines()[0]["best_bps"] == 4.1


def test_a_storm_about_one_symbol_is_counted_and_leaves_other_symbols_their_lines() -> None:
    desk = Desk()
    storm = BookDisbelieved("kraken", "BTC/USD", Disbelief.CHECKSUM)
    for _ in range(1000):
        desk.log(storm)
    desk.log(BookDisbelieved("kraken", "ETH/USD", Disbelief.CHECKSUM))
    assert len(desk.lines()) == BURST + 1
    desk.now_ns += REFILL_NS
    desk.log(storm)
    assert desk.lines()[-1]["unwritten"] == 1000 - BURST
    desk.log.close()
    assert desk.lines()[-1]["total"] == 1000 - BURST


def test_a_storm_over_every_symbol_is_bounded_in_all() -> None:
    desk = Desk()
    for number in range(5 * MAX_KEYS):
        desk.log(VenueSaid("kraken", "no", f"A{number}/USD"))
    assert len(desk.lines()) == TOTAL_BURST
    assert len(desk.log._buckets) == MAX_KEYS


def test_however_much_is_traded_that_it_was_stopped_is_written_and_the_last_state_too() -> None:
    desk = Desk()
    for number in range(2 * TOTAL_BURST):
        desk.log(OrderEnded("kraken", "BTC/USD", "filled", "", "c", f"ab-{number}"))
    assert len(desk.lines()) == TOTAL_BURST
    for _ in range(BURST + 1):
        desk.log(BreakerChanged("kraken", "probing", "failures", "5 failures"))
    desk.log(BreakerChanged("kraken", "halted", "drift", "0.1 BTC"))
    *_, last = desk.lines()
    assert len(desk.lines()) == TOTAL_BURST + BURST + 1
    assert (last["event"], last["state"]) == ("breaker_changed", "halted")


def test_a_long_list_of_symbols_is_cut() -> None:
    desk = Desk()
    desk.log(StreamStale("kraken", tuple(f"S{number}/USD" for number in range(600)), 3000))
    shown = str(desk.lines()[0]["symbols"])
    assert shown.startswith("S0/USD,S1/USD,")
    assert shown.endswith("and 595 more")


def test_every_kind_of_event_has_a_level_and_can_be_written() -> None:
    desk = Desk(level="debug")
    kinds = get_args(Event)
    assert set(kinds) == set(LEVELS)
    values = {"int": 1, "float": 1.5, "str": "x", "tuple[str, ...]": ("A/B",)}
    for kind in kinds:
        fields = {
            field.name: values.get(str(field.type), Disbelief.STALE)
            for field in dataclasses.fields(kind)
        }
        desk.log(kind(**fields))
    assert len({line["event"] for line in desk.lines()}) == len(kinds)


def test_warnings_of_libraries_are_told_and_their_chatter_is_not() -> None:
    desk = Desk(level="debug")
    logging.getLogger("ccxt.base").debug("signed: secret")
    logging.getLogger("asyncio").info("chatter")
    logging.getLogger("asyncio").error("a task died")
    (line,) = desk.lines()
    assert line["event"] == "library"
    assert line["said"] == "a task died"
    assert line["logger"] == "asyncio"
    assert line["level"] == "error"
