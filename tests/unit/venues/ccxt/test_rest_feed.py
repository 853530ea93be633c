from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from arbit.domain.book import Source
from arbit.domain.errors import VenueRefused, VenueUnreachable
from arbit.domain.events import BookDisbelieved, Event, VenueSaid
from arbit.domain.market import Market, MarketStatus
from arbit.venues.ccxt.rest_feed import RestFeed
from arbit.venues.ccxt.settings import CcxtSettings
from arbit.venues.looks import DepthLook, TopsLook
from tests.unit.venues.virtual import ScriptedReader, Sink, VirtualClock, levels

PAIRS = ("A/USD", "B/USD", "C/USD")
SIDES = (levels(("100.0", "0.5")), levels(("100.1", "0.7")))
MOVED = (levels(("100.4", "0.5")), levels(("100.5", "0.7")))


class Scene:
    def __init__(self, exchange: str = "kraken") -> None:
        self.clock = VirtualClock()
        self.sink = Sink()
        self.events: list[Event] = []
        self.reader = ScriptedReader(self.clock)
        self.reader.delay_s = 1.0  # one question a second, as at the venue
        self.reader.answer = dict.fromkeys(PAIRS, SIDES)
        self.markets = {s: Market(s, s[0], "USD", status=MarketStatus.ONLINE) for s in PAIRS}
        self.feed = RestFeed(
            CcxtSettings("v", exchange), self.sink, self.clock, self.told, self.markets, self.reader
        )

    def told(self, event: Event) -> None:
        self.events.append(event)

    @asynccontextmanager
    async def running(self, *symbols: str) -> AsyncIterator[None]:
        task = asyncio.create_task(self.feed.run(symbols or PAIRS))
        try:
            yield
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_every_symbol_is_seen_before_any_is_seen_twice() -> None:
    scene = Scene()
    async with scene.running():
        await scene.clock.advance(6)
    polled = [symbol for symbol in scene.reader.asked if symbol != "*"]
    assert polled[:3] == list(PAIRS)
    assert set(scene.sink.sources.values()) == {Source.REST}
    assert scene.feed.states() == {"rest": "polling 3/3"}


async def test_books_whose_top_did_not_move_are_kept_young_by_one_look_for_all() -> None:
    scene = Scene()
    async with scene.running():
        await scene.clock.advance(10)
        for _ in range(50):
            await scene.clock.advance(0.1)
            oldest_ns = min(scene.sink.confirmed[symbol] for symbol in PAIRS)
            assert scene.clock.now_ns - oldest_ns <= 4 * 10**9
    assert scene.feed.counts.confirmations > 0


async def test_a_book_whose_top_moved_is_given_up_at_once_and_polled_anew() -> None:
    scene = Scene()
    async with scene.running():
        await scene.clock.advance(8)
        scene.reader.answer = dict.fromkeys(PAIRS, MOVED)
        scene.sink.calls.clear()
        await scene.clock.advance(8)
    given_up = [symbol for name, symbol in scene.sink.calls if name == "stale"]
    assert len(given_up) >= 2  # all but what was polled between the move and the look
    for symbol in given_up:
        calls = [name for name, of in scene.sink.calls if of == symbol]
        assert calls[:2] == ["stale", "put"]
    assert {made.bids.best() for made in scene.sink.books.values()} == {1004}
    assert not [event for event in scene.events if isinstance(event, BookDisbelieved)]


async def test_markets_that_always_move_do_not_starve_the_others() -> None:
    scene = Scene()
    answer = scene.reader.look_tops
    tick = 0

    async def moving() -> TopsLook:
        nonlocal tick
        tick += 1
        look = await answer()
        moved = {"A/USD": (levels((f"{tick}", "1"))[0].price, look.tops["A/USD"][1])}
        return TopsLook(look.sent_ns, {**look.tops, **moved})

    scene.reader.look_tops = moving  # type: ignore[method-assign]  # a market that moves each time
    async with scene.running():
        await scene.clock.advance(60)
    polled = [symbol for symbol in scene.reader.asked if symbol != "*"]
    assert min(polled.count(symbol) for symbol in PAIRS) >= 3


async def test_a_refused_symbol_is_told_and_rested_while_the_others_go_on() -> None:
    scene = Scene()
    answer = scene.reader.look_depth

    async def refusing(symbol: str, depth: int) -> DepthLook:
        if symbol == "B/USD":
            scene.reader.asked.append(symbol)
            raise VenueRefused("EQuery:Unknown asset pair", symbol=symbol)
        return await answer(symbol, depth)

    scene.reader.look_depth = refusing  # type: ignore[method-assign]  # one venue, two answers
    async with scene.running():
        await scene.clock.advance(20)
    assert scene.reader.asked.count("B/USD") == 1
    assert scene.feed.counts.refusals == 1
    assert [event.symbol for event in scene.events if isinstance(event, VenueSaid)] == ["B/USD"]
    assert ("refused", "B/USD") in scene.sink.calls


async def test_a_venue_without_a_look_for_all_is_polled_by_depth_alone() -> None:
    scene = Scene()

    async def none() -> TopsLook:
        raise VenueRefused("no such call")

    scene.reader.look_tops = none  # type: ignore[method-assign]  # a venue without that call
    async with scene.running():
        await scene.clock.advance(20)
    assert scene.feed.counts.rest_books >= 18
    assert sum(isinstance(event, VenueSaid) for event in scene.events) == 1


async def test_an_unreachable_venue_is_told_once_asked_less_often_and_comes_back() -> None:
    scene = Scene()
    scene.reader.error = VenueUnreachable("nobody there")
    async with scene.running():
        await scene.clock.advance(120)
        assert len(scene.reader.asked) <= 20
        assert sum(isinstance(event, VenueSaid) for event in scene.events) == 1
        assert scene.feed.states() == {"rest": "failing 0/3"}
        scene.reader.error = None
        await scene.clock.advance(30)
        assert scene.feed.states() == {"rest": "polling 3/3"}


async def test_a_market_that_does_not_trade_is_said_so_from_the_start() -> None:
    scene = Scene()
    scene.markets["A/USD"] = Market("A/USD", "A", "USD", status=MarketStatus.CANCEL_ONLY)
    async with scene.running():
        await scene.clock.advance(1)
    assert ("status market_status", "A/USD") in scene.sink.calls


async def test_while_the_venue_is_not_online_nothing_is_asked_for_or_believed() -> None:
    scene = Scene()
    async with scene.running():
        await scene.clock.advance(6)
        scene.reader.online = False
        await scene.clock.advance(12)
        assert {("status venue_status", symbol) for symbol in PAIRS} <= set(scene.sink.calls)
        assert scene.feed.states() == {"rest": "not online 3/3"}
        scene.sink.calls.clear()
        await scene.clock.advance(20)
        assert scene.sink.calls == []
        scene.reader.online = True
        await scene.clock.advance(8)
    assert {("status None", symbol) for symbol in PAIRS} <= set(scene.sink.calls)
    assert ("put", "A/USD") in scene.sink.calls


async def test_a_market_that_stops_trading_is_noticed_within_five_minutes() -> None:
    scene = Scene()
    async with scene.running():
        await scene.clock.advance(6)
        scene.reader.markets = {
            "A/USD": MarketStatus.CANCEL_ONLY,
            "B/USD": MarketStatus.ONLINE,  # and C/USD is listed no more
        }
        scene.sink.calls.clear()
        await scene.clock.advance(302)
        told = {call for call in scene.sink.calls if call[0].startswith("status")}
        assert told == {("status market_status", "A/USD"), ("status market_status", "C/USD")}
        scene.reader.markets = {}
        await scene.clock.advance(302)
    assert ("status None", "A/USD") in scene.sink.calls


async def test_an_unstated_status_is_held_against_a_market_of_kraken_and_of_no_other() -> None:
    for exchange, told in (("kraken", True), ("binance", False)):
        scene = Scene(exchange)
        scene.markets["A/USD"] = Market("A/USD", "A", "USD", status=MarketStatus.UNKNOWN)
        async with scene.running():
            await scene.clock.advance(1)
        assert (("status market_status", "A/USD") in scene.sink.calls) is told


async def test_a_candidates_legs_are_polled_first_and_once() -> None:
    scene = Scene()
    async with scene.running():
        await scene.clock.advance(12)
        scene.reader.asked.clear()
        await scene.feed.confirm(["B/USD"])
        await scene.clock.advance(4)
        await scene.feed.confirm(["B/USD", "B/USD"])
    assert "B/USD" in [symbol for symbol in scene.reader.asked if symbol != "*"][:2]
