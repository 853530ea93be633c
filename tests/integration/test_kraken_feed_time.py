"""What takes half a minute or half an hour, in virtual time: refusals, back-off, quiet books."""

from __future__ import annotations

import pytest

from arbit.domain.book import Disbelief
from arbit.domain.events import FeedDisconnected
from arbit.domain.market import Market
from arbit.scanner import Freshness, Scanner, discover
from tests.integration.kraken_feed_virtual import Scene, scene
from tests.unit.venues.kraken.wire import instruments

SECOND = 1_000_000_000
FIVE = tuple(f"A{n}/USD" for n in range(5))
TRIO = ("BTC/USD", "ETH/BTC", "ETH/USD")
MAX_AGE_NS = 3 * SECOND


def believed(at: Scene) -> set[str]:
    now_ns = at.clock.monotonic_ns()
    return {s for s in at.venue.symbols if at.cache.why_not(s, now_ns, MAX_AGE_NS) is None}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("per_socket", [5, 1])
async def test_half_an_hour_of_refusal_stays_under_the_connect_limit_and_ends_in_one_step(
    per_socket: int, seed: int
) -> None:
    async with scene(FIVE, per_socket=per_socket, seed=seed) as at:
        at.venue.refuses = True
        await at.clock.advance(1_800)
        assert at.venue.most_dials_in(600) <= 120
        assert len(at.venue.dialled_ns) > 100  # it does go on trying
        pauses = [b - a for a, b in zip(at.venue.dialled_ns, at.venue.dialled_ns[1:], strict=False)]
        assert max(pauses) <= 15 * SECOND
        at.venue.refuses = False
        await at.clock.advance(15.1)
        assert all(reason is None for reason in at.cache.reason)


@pytest.mark.parametrize("per_socket", [5, 1])
async def test_half_an_hour_of_sockets_cut_at_once_stays_under_the_limit_too(
    per_socket: int,
) -> None:
    async with scene(FIVE, per_socket=per_socket) as at:
        at.venue.cuts = True
        await at.clock.advance(1_800)
        assert at.venue.most_dials_in(600) <= 120
        assert len(at.venue.dialled_ns) > 100
        at.venue.cuts = False
        await at.clock.advance(15.1)
        assert all(reason is None for reason in at.cache.reason)


async def test_sockets_that_get_through_and_are_cut_again_and_again_stay_under_the_limit() -> None:
    async with scene(FIVE, per_socket=1) as at:
        for _ in range(3_600):
            await at.clock.advance(0.5)
            for line in list(at.venue.lines):
                line.cut()
        assert at.venue.most_dials_in(600) <= 120


async def test_the_pauses_of_a_refusal_grow_to_the_cap_and_never_march_in_step() -> None:
    async with scene(FIVE, seed=4) as at:
        at.venue.refuses = True
        await at.clock.advance(300)
        retries = [event.retry_ms for event in at.events if isinstance(event, FeedDisconnected)]
        for attempt, retry_ms in enumerate(retries):
            full = min(15_000, 250 * 2**attempt)
            assert full // 2 <= retry_ms <= full
        assert len(set(retries)) > len(retries) // 2
        assert max(retries) > 7_500


async def test_one_lost_socket_comes_back_at_once_and_alone() -> None:
    async with scene(FIVE, per_socket=1) as at:
        await at.clock.advance(20)
        at.venue.lines[2].cut()
        await at.clock.advance(0.01)
        lost = {s for s in FIVE if at.cache.reason[at.cache.index(s)] is not None}
        assert len(lost) == 1
        await at.clock.advance(0.5)
        assert all(reason is None for reason in at.cache.reason)
        assert len(at.venue.dialled_ns) == 6


async def test_a_venue_that_says_nothing_is_given_up_within_three_seconds() -> None:
    async with scene(FIVE) as at:
        await at.clock.advance(5)
        at.venue.silent = at.venue.refuses = True
        await at.clock.advance(2.0)
        assert set(at.cache.reason) == {None}
        await at.clock.advance(1.0)
        assert set(at.cache.reason) == {Disbelief.FEED_SILENT}


async def test_a_socket_that_beats_and_answers_nothing_is_given_up() -> None:
    """The way to the venue is dead, the way back is not: no watchdog of silence finds that out."""
    async with scene(FIVE) as at:
        await at.clock.advance(5)
        at.venue.deaf = True
        at.venue.lines[0].cut()
        await at.clock.advance(1)
        assert believed(at) == set()
        at.venue.deaf = False
        old = at.venue.lines[0]
        old.hear(instruments("update", **dict.fromkeys(FIVE, "online")))  # told, and not asked for
        await at.clock.advance(5)
        assert not old.open
        assert believed(at) == set(FIVE)


async def test_a_book_quiet_for_thirty_seconds_and_equal_at_the_venue_is_confirmed_and_counts() -> (
    None
):
    async with scene(TRIO, rest=True) as at:
        at.reader.answer = {symbol: at.venue.top(symbol) for symbol in TRIO}
        at.reader.delay_s = 0.15
        markets = {s: Market(s, s.split("/")[0], s.split("/")[1]) for s in TRIO}
        scanner = Scanner(at.cache, discover(markets), [None], Freshness(MAX_AGE_NS, MAX_AGE_NS))
        await at.clock.advance(1)
        verified = at.feed.counts.verified
        for step in range(300):
            await at.clock.advance(0.1)
            assert believed(at) == set(TRIO), step
            scanner.scan([0], at.clock.monotonic_ns())
        assert at.feed.counts.verified == verified == 3
        assert at.feed.counts.confirmations >= 3 * 10
        assert scanner.tally.from_ws == 300
        assert sum(scanner.tally.refused.values()) == 0
        assert at.feed.counts.resyncs == at.feed.counts.divergences == 0
        assert "*" in at.reader.asked
        assert len(at.reader.asked) <= 31


async def test_a_book_gone_silent_while_heartbeats_flow_is_found_dead_and_resynced() -> None:
    async with scene(TRIO, rest=True) as at:
        at.reader.answer = {symbol: at.venue.top(symbol) for symbol in TRIO}
        await at.clock.advance(30)
        at.venue.books["BTC/USD"].update([("100.5", "2.000")])  # the stream never says so
        at.reader.answer["BTC/USD"] = at.venue.top("BTC/USD")
        index = at.cache.index("BTC/USD")
        reasons = []
        for _ in range(60):
            await at.clock.advance(0.1)
            reasons.append(at.cache.reason[index])
            assert "ETH/USD" in believed(at)
        assert at.feed.counts.divergences == 1
        assert at.feed.counts.resyncs == 1
        assert len(at.venue.dialled_ns) == 1
        view = at.cache.last_known("BTC/USD")
        assert view is not None
        assert str(view.bids[0].price) == "100.5"
        assert believed(at) == set(TRIO)


async def test_a_quiet_book_that_nobody_can_confirm_is_not_believed_past_its_age() -> None:
    async with scene(TRIO) as at:
        await at.clock.advance(1)
        assert believed(at) == set(TRIO)
        await at.clock.advance(3)
        assert believed(at) == set()
        assert all(reason is None for reason in at.cache.reason)  # too old, and nothing worse


async def test_a_stop_gives_up_books_and_instruments_on_every_socket() -> None:
    async with scene(FIVE, per_socket=1) as at:
        await at.clock.advance(1)
        venue = at.venue
    await at.clock.advance(0)
    assert venue.lines == []
    assert venue.unsubscribed == 2 * len(FIVE)
