from __future__ import annotations

import asyncio
from typing import Any

import pytest

from arbit.domain.book import Disbelief, Integrity, Source
from arbit.domain.errors import UserError
from arbit.domain.events import (
    BookBelieved,
    BookDisbelieved,
    FeedConnected,
    FeedDisconnected,
    StreamBack,
    StreamStale,
    VenueSaid,
    VenueStatusChanged,
)
from arbit.sandbox.poison import POISON_SHAPES
from arbit.venues.ccxt.feed import CcxtFeed
from arbit.venues.ccxt.kraken_feed import KrakenCcxtFeed
from arbit.venues.ccxt.rest_feed import RestFeed
from arbit.venues.kraken import instruments as kraken_instruments
from tests.integration.ccxt_scene import Maker, Scene, connected, kraken_feed, plain_feed

pytestmark = pytest.mark.unstalled

VICTIM, OTHER = "BTC/USD", "EUR/USD"
FEEDS = pytest.mark.parametrize("make", [kraken_feed, plain_feed, RestFeed])
STREAMS = pytest.mark.parametrize("make", [kraken_feed, plain_feed])


async def live(scene: Scene) -> None:
    await scene.until(scene.all_believed, "every book believed")


@FEEDS
async def test_each_feed_ends_with_the_venues_top_ten_when_the_market_freezes(make: Maker) -> None:
    async with connected(make) as scene:
        await scene.until(lambda: len(scene.views()) == 6, "six books")
        scene.server.market.freeze()
        await scene.until(
            lambda: scene.our_top_ten() == scene.venue_top_ten_of_ours(), "equal top tens"
        )
        assert len(scene.our_top_ten()) == len(scene.markets) == 6
        await live(scene)
        source = Source.REST if make is RestFeed else Source.WS
        assert {view.source for view in scene.views()} == {source}


@pytest.mark.parametrize(
    ("fault", "params"),
    [
        ("corrupt_digit", {"field": "qty"}),
        ("corrupt_digit", {"field": "price"}),
        ("wrong_checksum", {}),
        ("drop_delta", {}),
    ],
)
async def test_a_book_that_is_not_the_venues_is_dropped_alone_and_comes_back(
    fault: str, params: dict[str, Any]
) -> None:
    async with connected() as scene:
        await live(scene)
        scene.server.faults.set(fault, symbol=VICTIM, **params)
        await scene.until(lambda: bool(scene.about(VICTIM, BookDisbelieved)), "disbelieved")
        assert scene.about(VICTIM, BookDisbelieved)[0].reason is Disbelief.CHECKSUM
        await scene.until(lambda: len(scene.about(VICTIM, BookBelieved)) == 2, "believed again")
        assert scene.about(VICTIM, BookBelieved)[1].after_ms < 2000
        assert scene.feed.counts.by_symbol_failed == {VICTIM: scene.feed.counts.failed}
        assert {event.symbol for event in scene.of(BookDisbelieved)} == {VICTIM}
        assert scene.feed.counts.reconnects == 0


async def test_a_book_that_never_comes_right_is_fed_over_rest_meanwhile() -> None:
    async with connected() as scene:
        await live(scene)
        scene.server.faults.set("wrong_checksum", symbol=VICTIM, times=1000)
        await scene.until(lambda: scene.source(VICTIM) is Source.REST, "fed over REST")
        assert scene.why_not(OTHER) is None
        scene.server.faults.clear()
        await scene.until(lambda: scene.source(VICTIM) is Source.WS, "verified again")


@pytest.mark.parametrize("shape", POISON_SHAPES)
async def test_the_stream_survives_a_poison_frame(shape: str) -> None:
    async with connected(count=3) as scene:
        await live(scene)
        scene.server.faults.set("poison", symbol=VICTIM, shape=shape)
        await scene.until(lambda: not scene.server.faults.active, "poison sent")
        verified = scene.feed.counts.verified
        await scene.until(lambda: scene.feed.counts.verified > verified + 20, "frames go on")
        await live(scene)
        assert scene.feed.counts.reconnects == 0
        assert OTHER not in {event.symbol for event in scene.of(BookDisbelieved)}


async def test_ccxts_own_handler_survives_every_poison_frame_too() -> None:
    async with connected(plain_feed, count=3) as scene:
        await live(scene)
        scene.server.faults.set("poison", symbol=VICTIM, times=23)
        await scene.until(lambda: not scene.server.faults.active, "poison sent")
        frames = scene.feed.counts.frames
        await scene.until(lambda: scene.feed.counts.frames > frames + 50, "frames go on")
        assert scene.feed.counts.reconnects == 0
        assert scene.feed.counts.bad_frames > 0


@STREAMS
@pytest.mark.parametrize("fault", ["mute_socket", "half_open"])
async def test_a_mute_socket_is_found_within_three_seconds_and_replaced(
    make: Maker, fault: str
) -> None:
    async with connected(make) as scene:
        await live(scene)
        scene.server.faults.set(fault)
        await scene.until(lambda: bool(scene.of(FeedDisconnected)), "dropped")
        assert scene.of(FeedDisconnected)[0].why.startswith("nothing heard for 2")
        await scene.until(lambda: bool(scene.of(StreamStale)), "said to be stale")
        scene.server.faults.clear()
        await live(scene)
        await scene.until(lambda: {v.source for v in scene.views()} == {Source.WS}, "stream back")
        assert len(scene.of(FeedConnected)) >= 2


@STREAMS
@pytest.mark.parametrize("code", [1001, 1006, 1008])
async def test_a_closed_socket_takes_every_book_and_brings_them_back(
    make: Maker, code: int
) -> None:
    async with connected(make) as scene:
        await live(scene)
        scene.server.faults.set("close", code=code)
        await scene.until(lambda: bool(scene.of(FeedDisconnected)), "dropped")
        await scene.until(lambda: len(scene.of(FeedConnected)) == 2, "dialled again")
        await live(scene)
        assert scene.feed.counts.connects == 2


async def test_a_refused_symbol_is_told_disbelieved_fed_over_rest_and_asked_again() -> None:
    async with connected() as scene:
        scene.server.faults.set("refuse_subscribe", symbol=VICTIM)
        scene.server.faults.set("close")  # whatever was subscribed already is asked anew
        await scene.until(lambda: scene.feed.counts.refusals > 0, "refused")
        said = [event for event in scene.of(VenueSaid) if event.symbol == VICTIM]
        assert said
        refused = [e for e in scene.of(BookDisbelieved) if e.symbol == VICTIM]
        assert refused[-1].reason is Disbelief.REFUSED
        await scene.until(lambda: scene.source(VICTIM) is Source.REST, "fed over REST")
        await scene.until(lambda: scene.source(OTHER) is Source.WS, "others go on")
        scene.server.faults.clear()
        await scene.until(lambda: scene.source(VICTIM) is Source.WS, "served again")
        assert any(VICTIM in event.symbols for event in scene.of(StreamBack))


async def test_a_symbol_that_plain_ccxt_is_refused_does_not_hang_in_silence() -> None:
    async with connected(plain_feed, first_book_ms=800, watch_timeout_ms=300) as scene:
        scene.server.faults.set("refuse_subscribe", symbol=VICTIM)
        scene.server.faults.set("close")
        await scene.until(lambda: scene.feed.counts.refusals > 0, "refused")
        assert any(event.symbol == VICTIM for event in scene.of(VenueSaid))
        await scene.until(lambda: scene.source(VICTIM) is Source.REST, "fed over REST")


async def test_while_no_socket_opens_rest_feeds_the_books_and_the_stream_comes_back() -> None:
    async with connected() as scene:
        await live(scene)
        scene.server.faults.set("refuse_connects")
        scene.server.faults.set("close")
        await scene.until(lambda: bool(scene.of(StreamStale)), "stale")
        await scene.until(lambda: {v.source for v in scene.views()} == {Source.REST}, "over REST")
        assert scene.feed.counts.rest_fallbacks == len(scene.markets)
        scene.server.faults.clear()
        await scene.until(lambda: {v.source for v in scene.views()} == {Source.WS}, "stream back")
        await scene.until(
            lambda: {s for e in scene.of(StreamBack) for s in e.symbols} == set(scene.markets),
            "every symbol told to be back",
        )


async def test_a_market_or_venue_that_does_not_trade_is_not_believed() -> None:
    async with connected() as scene:
        await live(scene)
        await scene.until(lambda: scene.feed.counts.frames > 30, "warm")
        scene.server.faults.set("pair_status", symbol=VICTIM, status="cancel_only")
        await scene.until(lambda: scene.why_not(VICTIM) is Disbelief.MARKET_STATUS, "pair")
        assert scene.why_not(OTHER) is None
        scene.server.faults.set("system_status", status="maintenance")
        await scene.until(lambda: scene.why_not(OTHER) is Disbelief.VENUE_STATUS, "venue")
        scene.server.faults.clear()
        await live(scene)
        assert {event.symbol for event in scene.of(VenueStatusChanged)} == {VICTIM, "*"}


def status_asked(scene: Scene) -> int:
    return sum("no_such_reason" in event.text for event in scene.of(VenueSaid))


async def test_a_refused_instrument_channel_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kraken_instruments, "WAIT_NS", 100_000_000)
    async with connected(count=3) as scene:
        await live(scene)
        scene.server.faults.set("refuse_subscribe", channel="instrument", error="no_such_reason")
        scene.server.faults.set("close")
        await scene.until(lambda: status_asked(scene) >= 2, "asked twice")
        scene.server.faults.clear()
        scene.server.faults.set("pair_status", symbol=VICTIM, status="cancel_only")
        await scene.until(lambda: scene.why_not(VICTIM) is Disbelief.MARKET_STATUS, "heard")
        assert scene.feed.counts.reconnects == 1


@pytest.mark.parametrize("head", ["instrument", "book"])
async def test_only_an_unreadable_instrument_frame_has_the_channel_asked_for_again(
    head: str,
) -> None:
    learned: list[str] = []
    async with connected(count=3) as scene:
        await live(scene)
        assert isinstance(scene.feed, KrakenCcxtFeed)
        scene.feed.learn = lambda pair: learned.append(pair.symbol)
        scene.feed._pulse.choked(f'{{"channel":"{head}","type":update}}')
        if head == "instrument":
            await scene.until(lambda: set(learned) == set(scene.markets), "the whole list again")
        else:
            await asyncio.sleep(1.0)
            assert learned == []


async def test_a_stale_snapshot_of_a_resync_is_not_believed() -> None:
    async with connected(count=3) as scene:
        await live(scene)
        scene.server.faults.set("late_snapshot", symbol=VICTIM, delay_ms=500, stale=True)
        scene.server.faults.set("wrong_checksum", symbol=VICTIM)
        await scene.until(lambda: scene.feed.counts.failed >= 2, "late snapshot found")
        await live(scene)
        assert len(scene.about(VICTIM, BookDisbelieved)) == 1  # not believed in between
        scene.server.market.freeze()
        await scene.until(
            lambda: scene.our_top_ten() == scene.venue_top_ten_of_ours(), "equal top tens"
        )


@STREAMS
async def test_a_quiet_book_equal_at_the_venue_is_confirmed_and_stays_believed(make: Maker) -> None:
    async with connected(make, max_book_age_ms=1200) as scene:
        await live(scene)
        scene.server.market.freeze()
        await scene.until(lambda: scene.feed.counts.confirmations > 0, "first look")
        for _ in range(30):
            await asyncio.sleep(0.1)
            assert scene.all_believed()
        assert scene.feed.counts.divergences == 0


async def test_a_symbol_that_went_silent_while_its_venue_book_moved_is_found_dead() -> None:
    async with connected(max_book_age_ms=1200) as scene:
        await live(scene)
        scene.server.faults.set("mute_symbol", symbol=VICTIM)
        await scene.until(lambda: scene.feed.counts.divergences > 0, "found dead")
        doubts = [event for event in scene.of(BookDisbelieved) if event.symbol == VICTIM]
        assert doubts[0].reason is Disbelief.DIVERGED
        assert scene.why_not(OTHER) is None
        scene.server.faults.clear()
        await scene.until(lambda: scene.why_not(VICTIM) is None, "believed again")
        assert scene.source(VICTIM) is Source.WS
        assert scene.feed.counts.reconnects == 0


async def test_a_stream_of_plain_ccxt_that_is_found_dead_begins_anew() -> None:
    async with connected(plain_feed, max_book_age_ms=1200) as scene:
        await live(scene)
        scene.server.faults.set("mute_symbol", symbol=VICTIM)
        await scene.until(lambda: scene.feed.counts.divergences > 0, "found dead")
        scene.server.faults.clear()
        await scene.until(lambda: scene.feed.counts.connects > 1, "a new life")
        await scene.until(lambda: {v.source for v in scene.views()} == {Source.WS}, "stream back")
        await live(scene)
        assert "must be subscribed anew" in scene.of(FeedDisconnected)[0].why


async def test_a_candidate_is_confirmed_by_its_own_depth() -> None:
    async with connected() as scene:
        await live(scene)
        scene.server.market.freeze()
        await scene.until(lambda: scene.our_top_ten() == scene.venue_top_ten_of_ours(), "equal")
        half_age_ns = scene.settings.max_book_age_ms * 1_000_000 // 2
        legs = [scene.cache.index(symbol) for symbol in (VICTIM, OTHER)]

        def youngest_depth_ns() -> int:
            return max(scene.cache.depth_ns[leg] for leg in legs)

        await scene.until(
            lambda: scene.clock.monotonic_ns() - youngest_depth_ns() > half_age_ns, "old depths"
        )
        before_ns = scene.clock.monotonic_ns()
        await scene.feed.confirm([VICTIM, OTHER])
        assert min(scene.cache.depth_ns[leg] for leg in legs) >= before_ns


@FEEDS
async def test_a_stream_of_books_gives_believed_books_while_the_feed_runs(make: Maker) -> None:
    async with connected(make) as scene:
        stream = scene.feed.orderbook_stream([VICTIM, OTHER])
        seen: set[str] = set()
        async with asyncio.timeout(20):
            async for view in stream:
                assert view.bids[0].price < view.asks[0].price
                seen.add(view.symbol)
                if seen == {VICTIM, OTHER}:
                    break


@FEEDS
async def test_a_symbol_that_is_not_listed_is_a_mistake_of_the_user(make: Maker) -> None:
    async with connected(make) as scene:
        with pytest.raises(UserError, match="NO/SUCH"):
            await scene.feed.run(["NO/SUCH"])


async def test_connects_are_within_the_budget_however_long_the_venue_refuses() -> None:
    async with connected(connects_per_10min=4, backoff_cap_ms=50) as scene:
        scene.server.faults.set("refuse_connects")
        scene.server.faults.set("close")
        await scene.until(lambda: scene.feed.counts.connects >= 2, "dialled again")
        await asyncio.sleep(1.5)  # thirty pauses of the shortest kind
        assert scene.feed.counts.connects <= 4


async def test_each_feed_says_what_it_can_prove() -> None:
    async with connected() as scene:
        assert scene.feed.integrity is Integrity.CHECKSUM
    assert (CcxtFeed.integrity, RestFeed.integrity) == (Integrity.NONE, Integrity.NONE)
