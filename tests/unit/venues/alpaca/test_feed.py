"""The feed in virtual time: opening, losing, doubting, and coming back."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from arbit.domain.book import Disbelief, Integrity, Source
from arbit.domain.errors import UserError
from arbit.domain.events import (
    BookDisbelieved,
    FeedConnected,
    FeedDisconnected,
    StreamBack,
    StreamStale,
    VenueSaid,
    VenueStatusChanged,
)
from arbit.domain.market import MarketStatus
from tests.unit.venues.alpaca.desk import KEYS, OTHER, PAIR
from tests.unit.venues.alpaca.scene import Scene, Venue, scene
from tests.unit.venues.alpaca.stream import book
from tests.unit.venues.virtual import VirtualClock


async def live(at: Scene) -> Scene:
    await at.until(lambda: not any(at.cache.reason), 2.0)
    return at


async def test_it_opens_and_every_book_is_believed_and_its_state_is_told() -> None:
    async with scene() as at:
        assert await at.until(lambda: not any(at.cache.reason)) < 0.2
        await at.clock.advance(0.2)
        assert at.feed.states() == {"ws0": "open 2/2"}
        assert at.feed.integrity is Integrity.CROSS_CHECKED
        assert [event.epoch for event in at.of(FeedConnected)] == [1]
        assert at.feed.counts.connects == 1


async def test_who_decides_is_told_when_all_that_came_is_in_the_books() -> None:
    async with scene() as at:
        await live(at)
        told: list[object] = []
        at.feed.on_drained = lambda: told.append(at.cache.last_known(PAIR))
        at.venue.say(at.venue.books[PAIR].change([("100.0", "7")]))
        assert len(told) == 1
        assert told[0] == at.cache.last_known(PAIR)


async def test_quiet_books_stay_believed_for_minutes_as_rest_confirms_them_within_its_limit() -> (
    None
):
    async with scene() as at:
        await live(at)
        for _ in range(600):
            await at.clock.advance(0.2)
            assert at.why_not() is None
        assert at.feed.counts.confirmations > 100
        assert len(at.venue.looks_ns) <= 2 * 62
        assert (at.feed.counts.divergences, at.feed.counts.resyncs) == (0, 0)


async def test_busy_books_are_held_against_rest_as_well() -> None:
    async with scene() as at:
        await live(at)
        for n in range(100):
            at.venue.say(*(one.change([("99.9", str(n + 1))]) for one in at.venue.books.values()))
            await at.clock.advance(0.1)
        assert 4 <= len(at.venue.looks_ns) <= 6
        assert at.feed.counts.divergences == 0


async def test_a_lost_change_of_a_busy_book_is_found_within_seconds_and_mended() -> None:
    async with scene() as at:
        await live(at)
        at.venue.books[PAIR].apply([("99.9", "0")])  # nobody is told
        for n in range(80):
            at.venue.say(at.venue.books[PAIR].change([("99.5", str(n + 1))]))
            await at.clock.advance(0.1)
        (event,) = at.of(BookDisbelieved)
        assert (event.symbol, event.reason) == (PAIR, Disbelief.DIVERGED)
        assert at.feed.counts.divergences == 1
        assert at.reason() is None
        view = at.cache.last_known(PAIR)
        assert view is not None
        assert [str(level.price) for level in view.bids] == ["100.0", "99.5"]


async def test_a_busy_book_that_nothing_is_held_against_for_long_is_not_believed() -> None:
    async with scene() as at:
        await live(at)
        at.venue.rest_down = True
        at.venue.books[PAIR].change([("99.9", "777")])  # lost: no quote tells of it

        async def busy(seconds: int) -> None:
            for n in range(10 * seconds):
                at.venue.say(at.venue.books[PAIR].change([("99.5", str(n % 9 + 1))]))
                await at.clock.advance(0.1)

        await busy(8)
        assert at.why_not() is None  # a look or two may fail
        await busy(8)
        assert at.why_not() is Disbelief.STALE
        at.venue.rest_down = False
        await busy(20)
        assert at.why_not() is None
        assert at.feed.counts.divergences == 1
        assert len(at.venue.dialled_ns) == 1


async def test_a_stuck_book_is_found_by_rest_though_its_socket_lives() -> None:
    async with scene() as at:
        await live(at)
        at.venue.books[PAIR].apply([("100.0", "0")])
        took_s = await at.until(lambda: at.feed.counts.divergences == 1)
        assert took_s < 6.0
        await at.until(lambda: at.reason() is None, 0.2)
        assert at.feed.counts.connects == 1


async def test_a_socket_that_breaks_is_replaced_after_a_pause_and_its_books_are_not_believed() -> (
    None
):
    async with scene() as at:
        await live(at)
        at.venue.line.cut()
        assert {at.reason(symbol) for symbol in at.venue.symbols} == {Disbelief.DISCONNECTED}
        assert await at.until(lambda: not any(at.cache.reason)) < 1.0
        assert [event.why for event in at.of(FeedDisconnected)] == ["connection lost"]
        assert at.feed.counts.connects == 2


async def test_a_mute_socket_is_dropped_when_something_is_owed_for_too_long() -> None:
    async with scene() as at:
        await live(at)
        at.venue.silent = True
        at.venue.books[PAIR].apply([("100.0", "0")])
        await at.until(lambda: at.reason(OTHER) is Disbelief.FEED_SILENT)
        assert "no answer to anything" in at.of(FeedDisconnected)[0].why
        at.venue.silent = False
        await at.until(lambda: not any(at.cache.reason) and at.source() is Source.WS)


async def test_a_socket_that_never_greets_is_dropped() -> None:
    venue = Venue(VirtualClock(), silent=True)
    async with scene(venue) as at:
        await at.until(lambda: at.feed.counts.reconnects == 1, 6.0)
        assert at.reason() is not None


async def test_while_the_stream_is_gone_rest_feeds_the_books_and_the_stream_takes_them_back() -> (
    None
):
    async with scene() as at:
        await live(at)
        at.venue.refuses = True
        at.venue.line.cut()
        await at.until(lambda: not any(at.cache.reason))
        assert {at.source(symbol) for symbol in at.venue.symbols} == {Source.REST}
        assert sum(len(event.symbols) for event in at.of(StreamStale)) == 2
        looks, from_ns = len(at.venue.looks_ns), at.clock.now_ns
        for n in range(100):
            at.venue.books[PAIR].apply([("100.0", str(n + 1))])
            await at.clock.advance(0.2)
            assert at.why_not() is None
            assert at.why_not(OTHER) is None
        per_min = (len(at.venue.looks_ns) - looks) * 60e9 / (at.clock.now_ns - from_ns)
        assert per_min <= 125
        at.venue.refuses = False
        await at.until(lambda: {at.source(one) for one in at.venue.symbols} == {Source.WS}, 40)
        await at.clock.advance(1.0)
        assert len(at.of(StreamBack)) == 1
        assert at.feed.counts.rest_books > 70


async def test_with_neither_stream_nor_rest_no_book_is_believed_and_both_come_back() -> None:
    async with scene() as at:
        await live(at)
        at.venue.refuses = at.venue.rest_down = True
        at.venue.line.cut()
        await at.clock.advance(60)
        assert at.reason() is Disbelief.DISCONNECTED
        assert len(at.venue.looks_ns) < 60
        assert len(at.venue.dialled_ns) < 20
        at.venue.refuses = at.venue.rest_down = False
        await at.until(lambda: not any(at.cache.reason), 20)


async def test_a_place_that_is_still_taken_is_waited_for_and_is_no_fault_of_the_key() -> None:
    venue = Venue(VirtualClock(), errors={"auth": [406, 406, 406]})
    async with scene(venue) as at:
        await at.until(lambda: not any(at.cache.reason) and at.source() is Source.WS)
        gaps = [
            (after - before) / 1e9
            for before, after in zip(venue.dialled_ns, venue.dialled_ns[1:], strict=False)
        ]
        assert [round(gap) for gap in gaps] == [1, 2, 4]
        said = [event.text for event in at.of(VenueSaid) if event.text.startswith("406 ")]
        assert len(said) == 3
        assert all("another one is open" in text for text in said)
        assert not at.running.done()


@pytest.mark.parametrize(
    ("action", "code", "words"),
    [
        ("auth", 402, "does not accept the key"),
        ("auth", 409, "the plan of this key does not include"),
        ("subscribe", 405, "the free plan: 10 order books"),
        ("auth", 408, "may not use this stream"),
    ],
)
async def test_what_no_later_attempt_can_change_ends_the_run_in_one_clear_line(
    action: str, code: int, words: str
) -> None:
    venue = Venue(VirtualClock(), errors={action: [code]})
    async with scene(venue, ends=True) as at:
        await at.until(at.running.done)
        error = at.running.exception()
        assert isinstance(error, UserError)
        assert str(error).startswith(f"venue alpaca: market data: {code} ")
        assert words in str(error)
        assert "\n" not in str(error)
        assert KEYS.secret not in str(error)
        assert len(venue.dialled_ns) == 1


async def test_what_worked_before_may_be_the_venues_own_trouble_and_is_tried_again() -> None:
    async with scene() as at:
        await live(at)
        at.venue.errors = {"auth": [402, 402]}
        at.venue.line.cut()
        await at.clock.advance(0.5)
        await at.until(lambda: not any(at.cache.reason) and at.source() is Source.WS)
        assert len(at.venue.dialled_ns) == 4
        assert not at.running.done()


async def test_who_trades_on_books_of_rest_is_not_broken_off_by_what_the_stream_says_later() -> (
    None
):
    venue = Venue(VirtualClock(), errors={"auth": [406, 406, 406, 402]})
    async with scene(venue) as at:
        await at.until(lambda: not any(at.cache.reason) and at.source() is Source.REST)
        await at.until(lambda: not venue.errors["auth"])
        await at.until(lambda: at.source() is Source.WS)
        assert not at.running.done()


@pytest.mark.parametrize("code", [400, 401, 404, 407, 500, 777])
async def test_other_errors_cost_the_socket_and_no_more(code: int) -> None:
    venue = Venue(VirtualClock(), errors={"subscribe": [code]})
    async with scene(venue) as at:
        await at.until(lambda: not any(at.cache.reason) and at.source() is Source.WS)
        assert len(venue.dialled_ns) == 2


async def test_already_authenticated_costs_nothing() -> None:
    async with scene() as at:
        await live(at)
        at.venue.line.hear(b'[{"T":"error","code":403,"msg":"already authenticated"}]')
        await at.clock.advance(1.0)
        assert len(at.venue.dialled_ns) == 1
        assert not any(at.cache.reason)


async def test_a_symbol_whose_whole_book_never_comes_has_the_socket_replaced() -> None:
    venue = Venue(VirtualClock(), mute={OTHER})
    async with scene(venue) as at:
        await at.until(lambda: len(venue.dialled_ns) == 2, 15.0)
        assert f"no whole book of {OTHER} came" in at.of(FeedDisconnected)[0].why
        venue.mute.clear()
        await at.until(lambda: at.source(OTHER) is Source.WS, 15.0)


@pytest.mark.untraced
async def test_a_symbol_whose_whole_book_never_comes_costs_the_others_less_and_less() -> None:
    venue = Venue(VirtualClock(), mute={OTHER})
    async with scene(venue) as at:
        await at.until(lambda: len(venue.dialled_ns) == 4, 300.0)
        first, *later = [b - a for a, b in itertools.pairwise(venue.dialled_ns)]
        assert first < 8e9
        assert 15e9 < later[0] < 60e9 < later[1]
        for _ in range(100):
            await at.clock.advance(1.0)
            assert at.source(PAIR) is Source.WS
            assert at.why_not(PAIR) is None
        assert len(venue.dialled_ns) == 4


async def test_more_symbols_than_the_plan_allows_are_refused_before_anything_is_dialled() -> None:
    symbols = [f"A{n}/USD" for n in range(11)]
    clock = VirtualClock()
    venue = Venue(clock, symbols)
    async with scene(venue, symbols=symbols, ends=True) as at:
        await clock.advance(0.1)
        error = at.running.exception()
        assert isinstance(error, UserError)
        assert "11 markets to watch, but Alpaca's free plan allows 10 order books" in str(error)
    assert venue.dialled_ns == []
    async with scene(Venue(clock, symbols), symbols=symbols, plan="paid") as at:
        await at.until(lambda: not any(at.cache.reason))


async def test_ten_books_are_within_the_free_plan() -> None:
    symbols = [f"A{n}/USD" for n in range(10)]
    async with scene(Venue(VirtualClock(), symbols), symbols=symbols) as at:
        await live(at)


async def test_a_market_that_stops_trading_is_known_from_the_listing_and_comes_back() -> None:
    async with scene() as at:
        await live(at)
        at.venue.statuses[PAIR] = MarketStatus.MAINTENANCE
        await at.until(lambda: at.reason() is Disbelief.MARKET_STATUS, 31)
        assert at.reason(OTHER) is None
        at.venue.statuses.clear()
        await at.until(lambda: at.reason() is None, 31)
        told = [(event.symbol, event.status) for event in at.of(VenueStatusChanged)]
        assert told == [(PAIR, "maintenance"), (PAIR, "online")]


async def test_a_candidates_legs_are_confirmed_with_one_question_together() -> None:
    async with scene() as at:
        await live(at)
        await at.clock.advance(1.0)
        at.feed.doubt_since(0)
        looks = len(at.venue.looks_ns)
        confirming = asyncio.ensure_future(at.feed.confirm([PAIR, OTHER]))
        await at.until(confirming.done, 1.0)
        assert len(at.venue.looks_ns) == looks + 1


async def test_a_look_at_quiet_books_proves_their_depths_as_well() -> None:
    async with scene() as at:
        await live(at)
        await at.clock.advance(4.0)
        looks = len(at.venue.looks_ns)
        await at.until(lambda: len(at.venue.looks_ns) > looks, 3.0)
        await at.clock.advance(0.7)  # what the last look brought is not given any more
        looks = len(at.venue.looks_ns)
        confirming = asyncio.ensure_future(at.feed.confirm([PAIR, OTHER]))
        await at.until(confirming.done, 1.0)
        assert len(at.venue.looks_ns) == looks


async def test_a_market_that_was_listed_as_halted_is_not_believed_before_the_next_look() -> None:
    venue = Venue(VirtualClock(), statuses={PAIR: MarketStatus.MAINTENANCE})
    async with scene(venue) as at:
        await at.until(lambda: at.reason(OTHER) is None)
        assert at.reason() is Disbelief.MARKET_STATUS


async def test_the_stream_of_books_gives_the_newest_believed_one() -> None:
    async with scene() as at:
        stream = at.feed.orderbook_stream([PAIR])
        await live(at)
        view = await anext(stream)
        assert (view.symbol, str(view.bids[0].price)) == (PAIR, "100.0")
        at.venue.say(book(PAIR, [("100.05", "2")]))
        assert str((await anext(stream)).bids[0].price) == "100.05"


async def test_stopping_closes_the_socket_so_that_its_place_is_free() -> None:
    async with scene() as at:
        await live(at)
        line = at.venue.line
    assert not line.open
