from __future__ import annotations

import pytest

from arbit.books import BookCache
from arbit.domain.book import Disbelief, OrderBook, Source
from arbit.domain.events import VenueStatusChanged
from arbit.domain.market import MarketStatus
from arbit.venues.kraken.parse import SystemStatus
from arbit.venues.kraken.statuses import Statuses
from tests.unit.venues.kraken.desk import MS, OTHER, PAIR, Desk
from tests.unit.venues.kraken.wire import instruments, pair, reply, system

PAIR_WORDS = [
    *("cancel_only", "delisted", "limit_only", "maintenance", "post_only", "reduce_only"),
    *("work_in_progress", "a_word_of_tomorrow"),
]


@pytest.mark.parametrize("word", ["cancel_only", "post_only", "maintenance", "asleep", ""])
def test_the_engine_stops_every_book_at_the_frame_that_says_so_until_online(word: str) -> None:
    desk = Desk().live()
    desk.hear(system(word))
    assert [desk.reason(symbol) for symbol in desk.symbols] == [Disbelief.VENUE_STATUS] * 2
    desk.hear(desk.venue[PAIR].update([("100.0", "0.100")]))
    assert desk.reason() is Disbelief.VENUE_STATUS
    desk.hear(system("online"))
    assert [desk.reason(symbol) for symbol in desk.symbols] == [None, None]
    assert [event.status for event in desk.of(VenueStatusChanged)] == [word, "online"]


@pytest.mark.parametrize("word", PAIR_WORDS)
def test_a_market_stops_alone_at_the_frame_that_says_so_until_online(word: str) -> None:
    desk = Desk().live()
    desk.hear(instruments("update", BTC_USD=word))
    assert desk.reason() is Disbelief.MARKET_STATUS
    assert desk.reason(OTHER) is None
    desk.hear(desk.venue[PAIR].update([("100.0", "0.100")]))
    assert desk.reason() is Disbelief.MARKET_STATUS
    desk.hear(instruments("update", BTC_USD="online"))
    assert desk.reason() is None


def test_when_the_engine_is_back_a_stopped_market_stays_stopped() -> None:
    desk = Desk().live()
    desk.hear(system("maintenance"), instruments("update", BTC_USD="post_only"))
    assert desk.reason() is Disbelief.VENUE_STATUS
    desk.hear(system("online"))
    assert [desk.reason(symbol) for symbol in desk.symbols] == [Disbelief.MARKET_STATUS, None]


def test_a_market_that_its_listing_says_is_closed_stays_so_until_the_stream_opens_it() -> None:
    desk = Desk()
    desk.session._statuses.listed(PAIR, MarketStatus.POST_ONLY)
    desk.live()
    desk.hear(system("online"))
    assert [desk.reason(symbol) for symbol in desk.symbols] == [Disbelief.MARKET_STATUS, None]
    assert desk.of(VenueStatusChanged) == []
    desk.hear(instruments("snapshot", BTC_USD="online", ETH_USD="online"))
    assert desk.reason() is None


def test_an_instrument_message_teaches_what_it_states_about_our_symbols_only() -> None:
    desk = Desk().live()
    desk.hear(instruments("snapshot", BTC_USD="online", NO_SUCH="online"))
    assert [learned.symbol for learned in desk.learned] == [PAIR]
    assert str(desk.learned[0].qty_min) == "0.01"


def test_stated_digits_make_the_next_book_at_least_that_fine() -> None:
    desk = Desk((PAIR,)).open()
    desk.hear(_facts(pair(PAIR, "online", 3, 5)))
    desk.hear(desk.venue[PAIR].snapshot())
    book = desk.sub().book
    assert book is not None
    assert (book.price_decimals, book.qty_decimals) == (3, 5)
    assert desk.reason() is None


@pytest.mark.parametrize("digits", [(-1, 3), (1, 10**9), (21, 3)])
def test_absurd_digits_are_not_learned(digits: tuple[int, int]) -> None:
    desk = Desk((PAIR,)).open()
    desk.hear(_facts(pair(PAIR, "online", *digits)))
    desk.hear(desk.venue[PAIR].snapshot())
    assert desk.reason() is None


def _facts(*pairs: str) -> bytes:
    text = ",".join(pairs)
    return (
        f'{{"channel":"instrument","type":"update","data":{{"assets":[],"pairs":[{text}]}}}}'
    ).encode()


def asked_for_instruments(desk: Desk) -> int:
    return len(desk.asked("subscribe", "instrument"))


def test_instruments_that_never_come_are_asked_for_again_ever_more_rarely() -> None:
    desk = Desk().live()
    desk.forget()
    for _ in range(1_200):
        desk.tick(after_ms=100)
    assert 6 <= asked_for_instruments(desk) <= 10


def test_instruments_that_came_are_asked_for_again_only_every_ten_minutes() -> None:
    desk = Desk().live()
    desk.hear(instruments("snapshot", BTC_USD="online"))
    desk.forget()
    for _ in range(599):
        desk.tick(after_ms=1_000)
    assert desk.asked("subscribe", "instrument") == []
    desk.tick(after_ms=1_000)
    assert asked_for_instruments(desk) == 1


def test_a_refused_instrument_channel_is_asked_for_again() -> None:
    desk = Desk().live()
    request = desk.asked("subscribe", "instrument")[0]["req_id"]
    desk.hear(reply("subscribe", success=False, error="busy", req_id=request))
    desk.forget()
    desk.tick(after_ms=5_000)
    assert asked_for_instruments(desk) == 1
    assert desk.reason() is None


def test_a_broken_instrument_frame_may_have_held_a_change_and_is_asked_for_again() -> None:
    desk = Desk().live()
    desk.hear(instruments("snapshot", BTC_USD="online"))
    desk.forget()
    desk.hear(instruments("update", BTC_USD="post_only")[:-20])
    assert desk.reason() is None
    desk.tick(after_ms=600)
    assert asked_for_instruments(desk) == 1
    assert len(desk.asked("unsubscribe", "instrument")) == 1


def test_a_stream_of_broken_instrument_frames_does_not_put_the_question_off() -> None:
    desk = Desk().live()
    desk.hear(instruments("snapshot", BTC_USD="online"))
    desk.forget()
    for _ in range(30):
        desk.hear(b'{"channel":"instrument","data":{', after_ms=100)
        desk.tick()
    assert 1 <= asked_for_instruments(desk) <= 6
    assert desk.now_ns > 3_000 * MS


class Sockets:
    """Two sockets' words about two markets, and what the cache makes of them."""

    def __init__(self) -> None:
        self.events: list[object] = []
        self.cache = BookCache()
        self.cache.watch((PAIR, OTHER))
        for symbol in (PAIR, OTHER):
            book = OrderBook(symbol, depth=10, price_decimals=0, qty_decimals=0)
            book.replace([(9, 1, b"")], [(10, 1, b"")])
            self.cache.put(book, seen_ns=1, confirmed_ns=1, source=Source.WS)
        self.statuses = Statuses("kraken", self.cache, self.events.append, (PAIR, OTHER))
        self.statuses.system(0, SystemStatus("online"))

    @property
    def reasons(self) -> list[Disbelief | None]:
        return list(self.cache.reason)


def test_one_sockets_word_stops_the_symbols_of_all_and_all_must_agree_to_go_on() -> None:
    both = Sockets()
    both.statuses.system(0, SystemStatus("maintenance"))
    assert both.reasons == [Disbelief.VENUE_STATUS] * 2
    both.statuses.system(1, SystemStatus("maintenance"))
    both.statuses.system(0, SystemStatus("online"))
    assert both.reasons == [Disbelief.VENUE_STATUS] * 2
    both.statuses.system(1, SystemStatus("online"))
    assert both.reasons == [None, None]


def test_a_late_word_of_a_slow_socket_does_not_open_a_market_that_another_saw_close() -> None:
    both = Sockets()
    both.statuses.market(0, PAIR, MarketStatus.POST_ONLY)
    both.statuses.market(1, PAIR, MarketStatus.ONLINE)  # sent before, heard after
    assert both.reasons == [Disbelief.MARKET_STATUS, None]
    both.statuses.market(0, PAIR, MarketStatus.ONLINE)
    assert both.reasons == [None, None]


def test_the_same_news_on_every_socket_is_told_once() -> None:
    both = Sockets()
    for socket in (0, 1, 2):
        both.statuses.system(socket, SystemStatus("post_only"))
        both.statuses.market(socket, PAIR, MarketStatus.POST_ONLY)
        both.statuses.market(socket, "NO/SUCH", MarketStatus.POST_ONLY)
    assert len(both.events) == 2


def test_the_word_of_a_lost_socket_stands_until_a_live_one_says_online() -> None:
    both = Sockets()
    both.statuses.system(0, SystemStatus("maintenance"))
    both.statuses.system(1, SystemStatus("maintenance"))
    both.statuses.market(0, PAIR, MarketStatus.POST_ONLY)
    both.statuses.lost(0)
    assert both.reasons == [Disbelief.VENUE_STATUS] * 2
    both.statuses.system(1, SystemStatus("online"))
    assert both.reasons == [Disbelief.MARKET_STATUS, None]
    both.statuses.market(1, PAIR, MarketStatus.ONLINE)
    assert both.reasons == [None, None]


def test_an_online_from_before_the_loss_does_not_forget_the_lost_sockets_word() -> None:
    both = Sockets()
    both.statuses.system(0, SystemStatus("maintenance"))
    both.statuses.system(1, SystemStatus("online"))
    both.statuses.lost(0)
    assert both.reasons == [Disbelief.VENUE_STATUS] * 2
    both.statuses.system(0, SystemStatus("online"))
    assert both.reasons == [None, None]


def test_a_successor_that_repeats_the_word_is_no_lost_socket_any_more() -> None:
    both = Sockets()
    both.statuses.system(0, SystemStatus("maintenance"))
    both.statuses.lost(0)
    both.statuses.system(0, SystemStatus("maintenance"))
    both.statuses.system(1, SystemStatus("online"))
    assert both.reasons == [Disbelief.VENUE_STATUS] * 2


def test_a_session_that_lost_its_socket_leaves_the_word_to_the_others() -> None:
    desk = Desk()
    statuses = desk.session._statuses
    desk.open()
    desk.hear(system("maintenance"))
    desk.session.lost(Disbelief.DISCONNECTED, desk.now_ns)
    statuses.system(1, SystemStatus("online"))
    desk.live()
    assert desk.reason() is None
