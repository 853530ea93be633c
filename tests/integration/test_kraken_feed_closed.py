"""The one frame that says `online` is lost: the venue is open, and a socket says that it is not."""

from __future__ import annotations

from arbit.domain.book import Disbelief
from arbit.domain.errors import VenueUnreachable
from arbit.domain.events import FeedDisconnected
from arbit.venues.kraken.closed import LOOK_S, SAID
from tests.integration.kraken_feed_virtual import Scene, scene
from tests.unit.venues.kraken.wire import system

TWO = ("BTC/USD", "ETH/USD")


def reasons(at: Scene) -> set[Disbelief | None]:
    return set(at.cache.reason)


def left(at: Scene) -> list[str]:
    return [event.why for event in at.events if isinstance(event, FeedDisconnected)]


async def closed(at: Scene) -> None:
    """Open, then told by every socket that the engine is in maintenance."""
    at.reader.answer = {symbol: at.venue.top(symbol) for symbol in TWO}
    await at.clock.advance(1)
    for line in at.venue.lines:
        line.hear(system("maintenance"))
    await at.clock.advance(0.2)
    assert reasons(at) == {Disbelief.VENUE_STATUS}


async def test_a_socket_that_missed_the_word_is_left_for_a_new_one() -> None:
    async with scene(TWO, rest=True) as at:
        await closed(at)
        await at.clock.advance(3 * LOOK_S)
        assert left(at) == [SAID]
        assert reasons(at) == {None}
        assert len(at.venue.dialled_ns) == 2


async def test_only_the_socket_that_missed_it_is_left() -> None:
    async with scene(TWO, rest=True, per_socket=1) as at:
        await closed(at)
        at.venue.lines[0].hear(system("online"))
        await at.clock.advance(3 * LOOK_S)
        assert left(at) == [SAID]
        assert reasons(at) == {None}


async def test_a_venue_that_is_closed_by_rests_word_too_is_waited_for_on_the_same_socket() -> None:
    async with scene(TWO, rest=True) as at:
        at.reader.online = False
        await closed(at)
        await at.clock.advance(60)
        assert left(at) == []
        assert reasons(at) == {Disbelief.VENUE_STATUS}


async def test_one_look_alone_or_none_at_all_proves_nothing() -> None:
    async with scene(TWO, rest=True) as at:
        await closed(at)
        await at.clock.advance(LOOK_S)
        at.reader.status_error = VenueUnreachable("no answer")
        await at.clock.advance(10 * LOOK_S)
        assert left(at) == []
        for line in at.venue.lines:
            line.hear(system("online"))
        await at.clock.advance(0.2)
        assert reasons(at) == {None}


async def test_an_open_venue_is_never_asked() -> None:
    async with scene(TWO, rest=True) as at:
        at.reader.answer = {symbol: at.venue.top(symbol) for symbol in TWO}
        await at.clock.advance(60)
        assert at.reader.statuses_asked == 0
        assert left(at) == []
