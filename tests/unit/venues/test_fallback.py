from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from arbit.domain.book import Source
from arbit.domain.errors import FrameError, VenueError, VenueRefused, VenueUnreachable
from arbit.domain.events import Event, FeedCounts, StreamBack, StreamStale, VenueSaid
from arbit.domain.market import Market
from arbit.venues.fallback import RestFallback, RestParts, book_of
from arbit.venues.looks import DepthLook
from tests.unit.venues.virtual import SECOND, ScriptedReader, Sink, VirtualClock, levels

A, B = "BTC/USD", "ETH/USD"
SIDES = (levels(("100.0", "0.5")), levels(("100.1", "0.7")))


class Scene:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.sink = Sink()
        self.reader = ScriptedReader(self.clock)
        self.reader.delay_s = 1.0  # as slow as the venue's limit
        self.reader.answer = {A: SIDES, B: SIDES}
        self.events: list[Event] = []
        self.counts = FeedCounts()
        parts = RestParts("v", self.reader, self.sink, self.clock, self.told, self.counts, {})
        self.fallback = RestFallback(parts)

    def told(self, event: Event) -> None:
        self.events.append(event)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.fallback.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_nothing_is_asked_while_every_stream_is_well() -> None:
    scene = Scene()
    async with scene.running():
        await scene.clock.advance(60)
    assert scene.reader.asked == []


async def test_stale_symbols_take_turns_and_are_labelled_rest() -> None:
    scene = Scene()
    async with scene.running():
        scene.fallback.stale([A, B], 3000)
        await scene.clock.advance(6.5)
    assert scene.reader.asked[:6] == [A, B, A, B, A, B]
    assert scene.sink.sources == {A: Source.REST, B: Source.REST}
    assert scene.counts.rest_books == 6
    assert scene.counts.rest_fallbacks == 2
    assert scene.events == [StreamStale("v", (A, B), 3000)]


async def test_a_rest_book_is_believed_as_of_the_moment_its_question_left() -> None:
    scene = Scene()
    scene.reader.wait_s = 2.0
    async with scene.running():
        scene.fallback.stale([A], 3000)
        asked_ns = scene.clock.now_ns
        await scene.clock.advance(3.5)
    assert scene.sink.confirmed[A] == asked_ns + 2 * SECOND


async def test_a_stream_that_is_back_is_left_alone_and_told_once() -> None:
    scene = Scene()
    async with scene.running():
        scene.fallback.stale([A], 3000)
        await scene.clock.advance(0.5)
        scene.fallback.back(A)  # while the answer is still on its way
        scene.fallback.back(A)
        await scene.clock.advance(10)
    assert scene.sink.calls == []
    assert scene.reader.asked == [A]
    assert scene.events == [StreamStale("v", (A,), 3000), StreamBack("v", (A,))]


async def test_staleness_of_a_stale_symbol_is_no_news() -> None:
    scene = Scene()
    scene.fallback.stale([A], 3000)
    scene.fallback.stale([A, B], 9000)
    assert scene.events == [StreamStale("v", (A,), 3000), StreamStale("v", (B,), 9000)]
    assert scene.fallback.symbols == (A, B)


async def test_an_unreachable_venue_is_asked_less_and_less_and_told_once() -> None:
    scene = Scene()
    scene.reader.error = VenueUnreachable("nobody there")
    async with scene.running():
        scene.fallback.stale([A], 3000)
        await scene.clock.advance(120)
    assert 5 <= len(scene.reader.asked) <= 20
    assert sum(isinstance(event, VenueSaid) for event in scene.events) == 1
    assert scene.sink.calls == []


async def test_a_market_the_venue_refuses_does_not_starve_the_others() -> None:
    scene = Scene()
    answer = scene.reader.look_depth

    async def refusing(symbol: str, depth: int) -> DepthLook:
        if symbol == A:
            scene.reader.asked.append(A)
            raise VenueRefused("EQuery:Unknown asset pair", symbol=A)
        return await answer(symbol, depth)

    scene.reader.look_depth = refusing  # type: ignore[method-assign]  # one venue, two answers
    async with scene.running():
        scene.fallback.stale([A, B], 3000)
        await scene.clock.advance(20)
    assert scene.reader.asked.count(A) == 1
    assert scene.reader.asked.count(B) >= 18


def test_a_rest_book_keeps_every_digit_even_finer_ones_than_the_market_states() -> None:
    look = DepthLook(0, levels(("100.25", "0.12345678")), levels(("100.3", "2")))
    market = Market(A, "BTC", "USD", price_decimals=1, qty_decimals=4)
    view = book_of(A, look, market, 10).view(source=Source.REST, seen_ns=0, confirmed_ns=0)
    assert view.bids[0].price == Decimal("100.25")
    assert view.bids[0].qty == Decimal("0.12345678")


@pytest.mark.parametrize(
    ("bids", "asks"),
    [
        ([], [("100.1", "1")]),
        ([("100.1", "1")], []),
        ([("100.1", "1")], [("100.1", "1")]),
        ([("100.2", "1")], [("100.1", "1")]),
        ([("NaN", "1")], [("100.1", "1")]),
        ([("-1", "1")], [("100.1", "1")]),
        ([("100.0", "0")], [("100.1", "1")]),
        ([("100.0", "1e-30")], [("100.1", "1")]),
        ([("100.0", "1e5000")], [("100.1", "1")]),
        ([("100.0", "1e999999")], [("100.1", "1")]),
        ([("100.0", "NaN")], [("100.1", "1")]),
        ([("100.0", "sNaN")], [("100.1", "1")]),
        ([("100.0", "1" * 60)], [("100.1", "1")]),
    ],
)
def test_a_rest_answer_that_is_no_market_is_no_book(
    bids: list[tuple[str, str]], asks: list[tuple[str, str]]
) -> None:
    with pytest.raises(FrameError):
        book_of(A, DepthLook(0, levels(*bids), levels(*asks)), None, 10)


def test_a_level_too_small_for_the_answers_digits_is_no_level_of_a_book() -> None:
    look = DepthLook(0, levels(("100.0", "0.000"), ("99.9", "1.000")), levels(("100.1", "1")))
    view = book_of(A, look, None, 10).view(source=Source.REST, seen_ns=0, confirmed_ns=0)
    assert [level.price for level in view.bids] == [Decimal("99.9")]


async def test_an_impossible_number_costs_one_question_and_not_the_task() -> None:
    scene = Scene()
    scene.reader.answer[A] = (levels(("100.0", "1e5000")), SIDES[1])
    async with scene.running():
        scene.fallback.stale([A, B], 3000)
        await scene.clock.advance(20)
    assert ("put", A) not in scene.sink.calls
    assert ("put", B) in scene.sink.calls


async def test_no_book_is_taken_while_the_venue_is_not_online_and_it_is_said_once() -> None:
    scene = Scene()
    scene.reader.online = False
    async with scene.running():
        scene.fallback.stale([A], 3000)
        await scene.clock.advance(20)
        assert scene.sink.calls == []
        assert sum(isinstance(event, VenueSaid) for event in scene.events) == 1
        scene.reader.online = True
        await scene.clock.advance(6)
    assert ("put", A) in scene.sink.calls


async def test_one_word_of_the_venue_serves_all_symbols_and_is_never_older_than_ten_seconds() -> (
    None
):
    scene = Scene()
    async with scene.running():
        scene.fallback.stale([A, B], 3000)
        await scene.clock.advance(40)
        assert scene.reader.statuses_asked <= 6
        scene.reader.online = False
        await scene.clock.advance(11)
        scene.sink.calls.clear()
        await scene.clock.advance(20)
    assert scene.sink.calls == []


@pytest.mark.parametrize("error", [VenueUnreachable("nobody"), VenueRefused("EGeneral:denied")])
async def test_no_book_is_taken_while_nobody_says_that_the_venue_is_online(
    error: VenueError,
) -> None:
    scene = Scene()
    scene.reader.status_error = error
    async with scene.running():
        scene.fallback.stale([A], 3000)
        await scene.clock.advance(60)
    assert scene.sink.calls == []


async def test_a_venue_without_such_a_question_is_believed_and_that_is_said_once() -> None:
    scene = Scene()
    scene.reader.online = None
    async with scene.running():
        scene.fallback.stale([A], 3000)
        await scene.clock.advance(30)
    assert scene.sink.calls.count(("put", A)) >= 25
    assert scene.reader.statuses_asked == 1
    assert sum(isinstance(event, VenueSaid) for event in scene.events) == 1


async def test_three_books_are_fed_at_one_question_a_second_as_the_rate_allows() -> None:
    scene = Scene()
    three = (A, B, "ETH/BTC")
    scene.reader.answer = dict.fromkeys(three, SIDES)
    good = 0
    async with scene.running():
        scene.fallback.stale(three, 3000)
        await scene.clock.advance(5)
        for _ in range(100):
            await scene.clock.advance(0.1)
            oldest_ns = min(scene.sink.confirmed[symbol] for symbol in three)
            good += scene.clock.now_ns - oldest_ns <= 4 * SECOND
    assert good == 100
