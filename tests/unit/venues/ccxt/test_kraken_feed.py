from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from arbit.books import BookCache
from arbit.domain.book import Disbelief, Source
from arbit.domain.events import Event, VenueStatusChanged
from arbit.domain.market import Market, MarketStatus
from arbit.venues.ccxt.feed import CcxtFeed
from arbit.venues.ccxt.kraken_feed import KrakenCcxtFeed
from arbit.venues.ccxt.settings import CcxtSettings
from arbit.venues.kraken.instruments import Instrument
from tests.unit.venues.virtual import ScriptedReader, VirtualClock, book

PAIR, OTHER = "BTC/USD", "ETH/USD"


class Told:
    """A feed that is handed what its exchange hears, and the cache it tells."""

    def __init__(self, make: type[CcxtFeed], listed: MarketStatus) -> None:
        self.cache = BookCache()
        self.cache.watch((PAIR, OTHER))
        for symbol in (PAIR, OTHER):
            self.cache.put(book(symbol, 9, 10), seen_ns=1, confirmed_ns=1, source=Source.WS)
        self.events: list[Event] = []
        self.learned: list[Instrument] = []
        markets = {
            PAIR: Market(PAIR, "BTC", "USD", status=listed),
            OTHER: Market(OTHER, "ETH", "USD", status=MarketStatus.ONLINE),
        }
        clock = VirtualClock()
        settings = CcxtSettings("kraken")
        reader = ScriptedReader(clock)
        self.feed = make(settings, self.cache, clock, self.events.append, markets, reader)
        self.feed.beliefs.watch(markets)
        self.feed.listed_statuses(tuple(markets))

    @property
    def stopped(self) -> list[bool]:
        """Whether each market's book is not believed for its status."""
        return [reason is Disbelief.MARKET_STATUS for reason in self.cache.reason]


def kraken(listed: MarketStatus = MarketStatus.ONLINE) -> tuple[KrakenCcxtFeed, Told]:
    told = Told(KrakenCcxtFeed, listed)
    assert isinstance(told.feed, KrakenCcxtFeed)
    told.feed.learn = told.learned.append
    return told.feed, told


def stated(kind: str = "update", **of: Any) -> dict[str, Any]:
    pairs = [{"symbol": name.replace("_", "/"), "status": word} for name, word in of.items()]
    return {"channel": "instrument", "type": kind, "data": {"assets": [], "pairs": pairs}}


CLOSED = [status for status in MarketStatus if status is not MarketStatus.ONLINE]


@pytest.mark.parametrize("status", CLOSED)
def test_a_market_listed_as_anything_but_online_stays_stopped_when_the_engine_says_online(
    status: MarketStatus,
) -> None:
    feed, told = kraken(status)
    feed.venue_status("online")
    assert told.stopped == [True, False]
    feed.instruments(stated(BTC_USD="online"))
    assert told.stopped == [False, False]


@pytest.mark.parametrize("word", ["cancel_only", "a_word_of_tomorrow", None, 5])
def test_a_market_stops_alone_by_any_word_but_online(word: object) -> None:
    feed, told = kraken()
    feed.instruments(stated(BTC_USD=word, NO_SUCH="online"))
    assert told.stopped == [True, False]
    changes = [event for event in told.events if isinstance(event, VenueStatusChanged)]
    assert [event.symbol for event in changes] == [PAIR]


def test_an_odd_pair_does_not_hide_that_another_market_closed() -> None:
    feed, told = kraken()
    message = stated("snapshot", BTC_USD="cancel_only")
    message["data"]["pairs"] = [None, {"symbol": "ODD/USD"}, *message["data"]["pairs"]]
    feed.instruments(message)
    assert told.stopped == [True, False]
    assert feed.counts.bad_frames == 1


def test_a_message_without_a_list_is_counted_and_hurts_nothing() -> None:
    feed, told = kraken()
    feed.instruments({"channel": "instrument", "type": "snapshot", "data": None})
    assert feed.counts.bad_frames == 1
    assert told.stopped == [False, False]


def test_whoever_keeps_the_markets_learns_what_is_stated_of_the_watched_ones() -> None:
    feed, told = kraken()
    message = stated(BTC_USD="online", NO_SUCH="online")
    message["data"]["pairs"][0] |= {"qty_min": 0.00005, "price_precision": 1}
    feed.instruments(message)
    assert [(pair.symbol, pair.qty_min) for pair in told.learned] == [(PAIR, Decimal("0.00005"))]


@pytest.mark.parametrize("status", list(MarketStatus))
def test_another_exchange_s_market_of_unknown_status_is_measured_but_no_closed_one(
    status: MarketStatus,
) -> None:
    told = Told(CcxtFeed, status)
    measured = status in (MarketStatus.ONLINE, MarketStatus.UNKNOWN)
    assert told.stopped == [not measured, False]
    tradable = Market(PAIR, "BTC", "USD", status=status).why_not_tradable()
    assert status is MarketStatus.ONLINE or tradable == f"{PAIR}: status is {status.value}"
