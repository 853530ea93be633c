"""The native feed over real sockets, against each fault that the sandbox can play."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from arbit.domain.book import Disbelief
from arbit.domain.events import (
    BookBelieved,
    BookDisbelieved,
    FeedConnected,
    FeedDisconnected,
    VenueSaid,
    VenueStatusChanged,
)
from arbit.sandbox.poison import POISON_SHAPES
from arbit.venues.kraken.session import KrakenSession
from tests.integration.kraken_feed_rig import (
    BTC,
    ETH,
    MS,
    SOL,
    Note,
    Options,
    Rig,
    nothing_untrue,
    rigged,
)

pytestmark = pytest.mark.unstalled

TWO_SOCKETS = Options(symbols_per_socket=8)


def doubted(rig: Rig) -> set[str]:
    return {event.symbol for event in rig.of(BookDisbelieved)}


def at_that_frame(rig: Rig, symbol: str, reason: Disbelief) -> Note:
    """The first frame that is off ends belief in its symbol there and then, and in no other."""
    index, place = rig.cache.index(symbol), rig.first_unproved(symbol)
    note, before = rig.notes[place], rig.notes[place - 1]
    assert before.reasons[index] is None
    assert note.reasons[index] is reason
    assert [r for i, r in enumerate(note.reasons) if i != index] == [None] * (len(rig.symbols) - 1)
    return note


def recovered_within_ms(rig: Rig, symbol: str, since: Note) -> float:
    index = rig.cache.index(symbol)
    back = next(n for n in rig.notes if n.at_ns > since.at_ns and n.reasons[index] is None)
    return (back.at_ns - since.at_ns) / MS


def everything_proved(rig: Rig) -> None:
    """At every single frame: believed exactly when a client by the venue's guide would have it."""
    wrong = [(n.symbol, proved, ours) for n, proved, ours in rig.verdicts() if ours and not proved]
    assert wrong == []


@pytest.mark.parametrize(
    ("fault", "params"),
    [
        ("corrupt_digit", {"field": "qty"}),
        ("corrupt_digit", {"field": "price"}),
        ("wrong_checksum", {}),
    ],
)
async def test_a_frame_that_is_off_ends_belief_at_that_very_frame_and_is_healed_in_two_seconds(
    fault: str, params: dict[str, Any]
) -> None:
    async with rigged() as rig:
        rig.sandbox.faults.set(fault, symbol=BTC, **params)
        await rig.until(lambda: rig.feed.counts.failed > 0, "the checksum fails")
        await rig.all_back()
        note = at_that_frame(rig, BTC, Disbelief.CHECKSUM)
        assert recovered_within_ms(rig, BTC, note) < 2_000
        assert doubted(rig) == {BTC}
        assert rig.feed.counts.failed == rig.feed.counts.resyncs == 1
        assert len(rig.of(FeedConnected)) == 1
        everything_proved(rig)
        await nothing_untrue(rig)


@pytest.mark.parametrize("nth", [1, 2, 5])
async def test_a_dropped_delta_ends_belief_at_the_next_frame_of_that_symbol(nth: int) -> None:
    async with rigged() as rig:
        for _ in range(10):  # a delta may be healed by the next one, if that rewrites its levels
            rig.sandbox.faults.set("drop_delta", symbol=BTC, nth=nth)
            await rig.more(lambda: rig.sandbox.stats.frames_withheld, "dropped")
            await rig.more(lambda: rig.heard(BTC), "the next frame")
            if rig.feed.counts.failed:
                break
        note = at_that_frame(rig, BTC, Disbelief.CHECKSUM)
        await rig.all_back()
        assert recovered_within_ms(rig, BTC, note) < 2_000
        assert doubted(rig) == {BTC}
        everything_proved(rig)
        await nothing_untrue(rig)


async def test_a_mute_symbol_is_not_believed_past_its_age_and_the_others_go_on() -> None:
    async with rigged() as rig:
        rig.sandbox.faults.set("mute_symbol", symbol=BTC)
        index = rig.cache.index(BTC)
        await rig.until(lambda: rig.why_not(BTC) is Disbelief.STALE, "too old")
        age_ns = rig.clock.monotonic_ns() - rig.cache.confirmed_ns[index]
        assert age_ns > rig.options.max_book_age_ms * MS
        assert rig.believed() == {symbol for symbol in rig.symbols if symbol != BTC}
        assert rig.witness.violations == []
        rig.sandbox.faults.clear()
        await rig.until(lambda: rig.why_not(BTC) is None, "heard again")
        await nothing_untrue(rig)


@pytest.mark.parametrize(
    ("fault", "params"),
    [("mute_socket", {}), ("mute_socket", {"pongs": True}), ("half_open", {})],
)
async def test_a_silent_socket_is_given_up_in_three_seconds_and_the_other_goes_on(
    fault: str, params: dict[str, Any]
) -> None:
    async with rigged(TWO_SOCKETS) as rig:
        first, second = rig.symbols[:8], rig.symbols[8:]
        rig.sandbox.faults.set(fault, connection=1, **params)
        took_s = await rig.until(
            lambda: all(rig.reason(symbol) is not None for symbol in first), "given up"
        )
        assert took_s < 3.0
        assert {rig.reason(symbol) for symbol in first} == {Disbelief.FEED_SILENT}
        assert {rig.reason(symbol) for symbol in second} == {None}
        assert await rig.all_back() < rig.options.backoff_cap_ms / 1e3
        assert doubted(rig) == set(first)
        (lost,) = rig.of(FeedDisconnected)
        assert lost.shard == 0
        await nothing_untrue(rig)


async def test_a_duplicate_snapshot_changes_nothing() -> None:
    async with rigged() as rig:
        rig.sandbox.faults.set("duplicate_snapshot", symbol=BTC, times=5)
        await rig.until(lambda: rig.sandbox.stats.faults_used >= 5, "five duplicates")
        await asyncio.sleep(0.2)
        snapshots = [n for n in rig.notes if n.symbol == BTC and b'"snapshot","data"' in n.payload]
        assert len(snapshots) == 6
        assert doubted(rig) == set()
        assert rig.feed.counts.resyncs == 0
        everything_proved(rig)
        await nothing_untrue(rig)


@pytest.mark.parametrize("stale", [False, True])
@pytest.mark.parametrize("delay_ms", [300, 2_200])
async def test_a_late_snapshot_is_believed_only_while_it_is_true(
    delay_ms: int, stale: bool
) -> None:
    async with rigged() as rig:
        rig.sandbox.faults.set("late_snapshot", symbol=BTC, delay_ms=delay_ms, stale=stale)
        rig.sandbox.faults.set("wrong_checksum", symbol=BTC)
        await rig.until(lambda: rig.feed.counts.failed > 0, "the book is asked for again")
        await asyncio.sleep(delay_ms / 1e3 + 0.3)
        await rig.all_back()
        assert doubted(rig) == {BTC}
        everything_proved(rig)
        await nothing_untrue(rig)


async def test_every_poison_frame_is_survived_on_the_same_connection() -> None:
    async with rigged() as rig:
        frames = 2 * len(POISON_SHAPES)
        assert frames >= 26
        rig.sandbox.faults.set("poison", symbol=BTC, times=frames)
        await rig.until(lambda: not rig.sandbox.faults.active, "all of them sent")
        await rig.all_back()
        assert rig.feed.counts.bad_frames >= len(POISON_SHAPES)
        assert doubted(rig) <= {BTC}
        assert len(rig.of(FeedConnected)) == 1
        assert rig.of(FeedDisconnected) == []
        assert rig.dials == 1
        await nothing_untrue(rig)


@pytest.mark.parametrize("shape", POISON_SHAPES)
async def test_each_poison_frame_costs_at_most_the_symbol_it_names_for_two_seconds(
    shape: str, shared_rig: Rig
) -> None:
    rig = shared_rig
    connections, notes = rig.dials, len(rig.notes)
    rig.events.clear()
    rig.sandbox.faults.set("poison", symbol=BTC, shape=shape)
    await rig.until(lambda: not rig.sandbox.faults.active, "sent")
    await asyncio.sleep(0.02)
    assert await rig.all_back() < 2.0
    others = [i for i, symbol in enumerate(rig.symbols) if symbol != BTC]
    assert all(note.reasons[i] is None for note in rig.notes[notes:] for i in others)
    assert doubted(rig) <= {BTC}
    assert rig.dials == connections
    assert rig.witness.violations == []


@pytest.fixture
async def shared_rig() -> object:
    async with rigged(Options(symbols=("BTC/USD", "ETH/BTC", "ETH/USD"))) as rig:
        yield rig


async def test_a_refused_symbol_is_told_and_asked_for_until_it_is_granted() -> None:
    async with rigged() as rig:
        rig.sandbox.faults.set("refuse_subscribe", symbol=BTC, error="Service busy")
        rig.sandbox.faults.set("wrong_checksum", symbol=BTC)
        await rig.until(lambda: rig.reason(BTC) is Disbelief.REFUSED, "refused")
        assert rig.believed() == {symbol for symbol in rig.symbols if symbol != BTC}
        said = [event for event in rig.of(VenueSaid) if event.text == "Service busy"]
        assert {event.symbol for event in said} == {BTC}
        rig.sandbox.faults.clear()
        await rig.all_back()
        assert len(rig.of(FeedConnected)) == 1
        await nothing_untrue(rig)


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1008, 1011, 1012, 1013, 4000])
async def test_a_closed_socket_is_dialled_again_and_only_its_books_are_lost(code: int) -> None:
    async with rigged(TWO_SOCKETS) as rig:
        first, second = rig.symbols[:8], rig.symbols[8:]
        rig.sandbox.faults.set("close", connection=1, code=code)
        await rig.until(lambda: bool(rig.of(FeedDisconnected)), "lost")
        assert {rig.reason(symbol) for symbol in first} == {Disbelief.DISCONNECTED}
        assert {rig.reason(symbol) for symbol in second} == {None}
        assert await rig.all_back() < rig.options.backoff_cap_ms / 1e3
        (lost,) = rig.of(FeedDisconnected)
        assert ("code" in lost.why and str(code) in lost.why) or code == 1006
        assert [event.epoch for event in rig.of(FeedConnected)] == [1, 1, 2]
        await nothing_untrue(rig)


async def test_sockets_closed_before_a_word_was_said_do_not_break_the_feed() -> None:
    async with rigged() as rig:
        rig.sandbox.faults.set("close", code=1001, on_connect=True, times=5)
        await rig.until(lambda: rig.dials >= 5, "dialled again and again")
        rig.sandbox.faults.clear()
        await rig.all_back()
        await nothing_untrue(rig)


async def test_a_slow_socket_goes_on_and_one_that_is_too_far_behind_is_given_up() -> None:
    async with rigged() as rig:
        rig.witness.slack_ms += 300
        rig.sandbox.faults.set("slow", delay_ms=300)
        await asyncio.sleep(1.5)
        assert rig.dials == 1
        assert rig.all_live()
        rig.witness.slack_ms += 2_500
        rig.sandbox.faults.clear()
        rig.sandbox.faults.set("slow", connection=1, delay_ms=2_000)
        await rig.until(lambda: bool(rig.of(FeedDisconnected)), "given up")
        await rig.all_back()
        assert "ping" in rig.of(FeedDisconnected)[0].why
        await nothing_untrue(rig)


@pytest.mark.parametrize("status", ["cancel_only", "post_only", "maintenance", "delisted"])
async def test_a_market_that_stops_is_not_believed_from_that_very_frame(status: str) -> None:
    async with rigged() as rig:
        index = rig.cache.index(BTC)
        rig.sandbox.faults.set("pair_status", symbol=BTC, status=status)
        await rig.until(lambda: rig.reason(BTC) is not None, "stopped")
        place = next(i for i, n in enumerate(rig.notes) if f'"{status}"'.encode() in n.payload)
        assert rig.notes[place - 1].reasons[index] is None
        assert rig.notes[place].reasons[index] is Disbelief.MARKET_STATUS
        assert [s for s in rig.symbols if rig.reason(s) is not None] == [BTC]
        await asyncio.sleep(0.3)
        assert {note.reasons[index] for note in rig.notes[place:]} == {Disbelief.MARKET_STATUS}
        rig.sandbox.faults.clear()
        assert await rig.all_back() < 2.0
        changes = [(event.symbol, event.status) for event in rig.of(VenueStatusChanged)]
        assert changes == [(BTC, status), (BTC, "online")]
        await nothing_untrue(rig)


@pytest.mark.parametrize("status", ["cancel_only", "post_only", "maintenance"])
async def test_when_the_engine_stops_nothing_is_believed_from_that_very_frame(status: str) -> None:
    async with rigged() as rig:
        rig.sandbox.faults.set("system_status", status=status)
        await rig.until(lambda: not rig.believed(), "stopped")
        place = next(i for i, n in enumerate(rig.notes) if f'"{status}"'.encode() in n.payload)
        assert set(rig.notes[place - 1].reasons) == {None}
        await asyncio.sleep(0.3)
        for note in rig.notes[place:]:
            assert set(note.reasons) == {Disbelief.VENUE_STATUS}
        rig.sandbox.faults.clear()
        assert await rig.all_back() < 2.0
        await nothing_untrue(rig)


async def test_a_status_that_flips_while_we_are_away_is_known_before_its_book_is() -> None:
    async with rigged() as rig:
        index = rig.cache.index(ETH)
        rig.sandbox.faults.set("refuse_connects")
        rig.sandbox.faults.set("close")
        await rig.until(lambda: rig.reason(ETH) is Disbelief.DISCONNECTED, "away")
        rig.sandbox.faults.set("pair_status", symbol=ETH, status="post_only")
        rig.sandbox.faults.clear("refuse_connects")
        place = len(rig.notes)
        await rig.until(lambda: rig.reason(BTC) is None, "back")
        assert None not in {note.reasons[index] for note in rig.notes[place:]}
        assert rig.reason(ETH) is Disbelief.MARKET_STATUS
        await nothing_untrue(rig)


async def test_on_a_stop_the_venue_hears_a_clean_unsubscribe() -> None:
    async with rigged() as rig:
        count = len(rig.symbols)
        sandbox = rig.sandbox
    assert sandbox.stats.unsubscriptions == count + 1  # and the instruments
    assert sandbox.stats.disconnects == 1
    assert sandbox.stats.bad_requests == 0


async def test_a_stop_on_a_socket_that_is_half_open_does_not_hang() -> None:
    async with rigged() as rig:
        rig.sandbox.faults.set("half_open")
        await asyncio.sleep(0.2)


async def test_resyncs_of_a_symbol_that_is_always_off_stay_bounded() -> None:
    async with rigged() as rig:
        rig.sandbox.faults.set("wrong_checksum", symbol=BTC, times=10_000)
        await rig.until(lambda: rig.feed.counts.failed >= 3, "off again and again")
        await asyncio.sleep(3.0)
        assert rig.feed.counts.resyncs <= 7  # two at once, then after 0.5, 1 and 2 s
        assert doubted(rig) == {BTC}
        assert rig.believed() >= {ETH, SOL}
        rig.sandbox.faults.clear()
        await rig.all_back()
        assert [event.symbol for event in rig.of(BookBelieved)].count(BTC) >= 1
        await nothing_untrue(rig)


async def test_the_witness_sees_a_feed_that_does_not_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KrakenSession, "_agrees", lambda *_: True)
    async with rigged() as rig:
        rig.sandbox.faults.set("corrupt_digit", symbol=BTC, field="price", times=20)
        rig.sandbox.faults.set("drop_delta", symbol=ETH, times=20)
        await rig.until(lambda: len(rig.witness.violations) > 3, "accused")
        accused = {text.partition(":")[0] for text in rig.witness.violations}
        assert accused <= {BTC, ETH}


async def test_the_witness_sees_a_feed_that_does_not_mind_the_status(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("arbit.venues.kraken.statuses.Statuses._tell", lambda *_: None)
    async with rigged() as rig:
        rig.sandbox.faults.set("pair_status", symbol=BTC, status="post_only")
        await rig.until(lambda: bool(rig.witness.violations), "accused")
