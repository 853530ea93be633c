from __future__ import annotations

import json

import pytest

from arbit.domain.book import Disbelief
from arbit.domain.events import BookBelieved, BookDisbelieved, VenueSaid
from arbit.venues.alpaca.codes import CODES, Remedy
from arbit.venues.alpaca.session import Phase
from arbit.venues.alpaca.subscription import State
from tests.unit.venues.alpaca.desk import KEYS, OTHER, PAIR, Desk
from tests.unit.venues.alpaca.stream import (
    ASKS,
    AUTHENTICATED,
    BIDS,
    CONNECTED,
    STAMP,
    book,
    error,
    frame,
    quote,
)

RESYNC = [("unsubscribe", [PAIR]), ("subscribe", [PAIR])]


def phase_of(desk: Desk) -> Phase:
    return desk.session.phase


def test_the_key_is_sent_when_greeted_and_the_books_are_asked_for_when_it_is_accepted() -> None:
    desk = Desk()
    desk.session.opened(lambda payload: desk.sent.append(json.loads(payload)), 1)
    assert (desk.sent, phase_of(desk)) == ([], Phase.GREETING)
    desk.hear(CONNECTED)
    assert desk.sent == [{"action": "auth", "key": KEYS.key_id, "secret": KEYS.secret}]
    assert phase_of(desk) is Phase.PROVING
    desk.hear(AUTHENTICATED)
    assert desk.sent[1:] == [
        {"action": "subscribe", "orderbooks": [PAIR, OTHER], "quotes": [PAIR, OTHER]}
    ]
    assert phase_of(desk) is Phase.OPEN
    assert [desk.state(symbol) for symbol in desk.symbols] == [State.AWAITING] * 2
    assert desk.reason() is Disbelief.NO_BOOK


def test_a_greeting_that_came_with_the_handshake_is_not_waited_for_again() -> None:
    desk = Desk()
    desk.hear(CONNECTED)
    assert (desk.sent, phase_of(desk)) == ([], Phase.CLOSED)
    desk.session.opened(lambda payload: desk.sent.append(json.loads(payload)), 1)
    assert [one["action"] for one in desk.sent] == ["auth"]
    assert phase_of(desk) is Phase.PROVING


def test_a_greeting_of_a_socket_that_is_gone_is_none_of_the_next_one() -> None:
    desk = Desk()
    desk.hear(CONNECTED)
    desk.session.lost(Disbelief.DISCONNECTED, desk.now_ns)
    desk.session.opened(lambda payload: desk.sent.append(json.loads(payload)), 1)
    assert (desk.sent, phase_of(desk)) == ([], Phase.GREETING)


def test_a_whole_book_is_believed_with_the_wires_own_digits() -> None:
    desk = Desk().open()
    desk.say(desk.venue[PAIR].whole())
    assert (desk.state(), desk.reason()) == (State.LIVE, None)
    assert desk.reason(OTHER) is Disbelief.NO_BOOK
    assert desk.held() == desk.told()
    assert (desk.recovered, desk.of(BookBelieved)) == ([PAIR], [])


def test_changes_add_alter_and_remove_levels() -> None:
    desk = Desk().live()
    venue = desk.venue[PAIR]
    desk.say(venue.change([("99.9", "0"), ("99.8", "7")], [("100.1", "0.5"), ("102", "0")]))
    assert desk.held() == desk.told()
    assert [str(price) for price, _ in desk.held()[0]] == ["100.0", "99.8", "99.5"]
    assert desk.counts.verified == 3


def test_a_whole_book_replaces_what_was_held() -> None:
    desk = Desk().live()
    desk.say(book(PAIR, [("50", "1")], [("51", "2")], whole=True))
    assert [[str(price) for price, _ in side] for side in desk.held()] == [["50.0"], ["51.0"]]
    assert desk.counts.resyncs == 0


def test_several_messages_of_one_frame_are_taken_in_order() -> None:
    desk = Desk().open()
    first, other = desk.venue[PAIR], desk.venue[OTHER]
    desk.say(first.whole(), other.whole(), first.change([("100.05", "1")]), first.quote())
    assert desk.held() == desk.told()
    assert desk.session.live == 2


def test_a_change_before_the_whole_book_is_not_believed_and_counted() -> None:
    desk = Desk().open()
    desk.say(desk.venue[PAIR].change([("100.0", "1")]))
    assert (desk.state(), desk.reason()) == (State.AWAITING, Disbelief.NO_BOOK)
    assert (desk.counts.ignored, desk.counts.verified) == (1, 0)


def test_what_nobody_asked_for_is_ignored_and_counted() -> None:
    desk = Desk().live()
    desk.say(book("NO/SUCH", BIDS, ASKS, whole=True), '{"T":"t","S":"BTC/USD","p":1}')
    desk.say(quote("NO/SUCH", "1", "2"))
    assert desk.counts.ignored == 2
    assert desk.session.live == 2


def test_a_finer_number_rebuilds_the_book_and_keeps_what_it_held() -> None:
    desk = Desk().live()
    desk.say(desk.venue[PAIR].change([("99.987654", "0.000000001")], [("100.1", "1e-7")]))
    assert desk.held() == desk.told()
    desk.say(desk.venue[PAIR].change([("99.987654", "0")], [("100.1", "1.5")]))
    assert desk.held() == desk.told()
    assert desk.session.live == 2


def test_a_crossed_book_is_disbelieved_at_that_message_and_asked_for_anew() -> None:
    desk = Desk().live()
    desk.forget()
    desk.say(book(PAIR, [("100.1", "1")]))
    assert desk.reason() is Disbelief.CROSSED
    assert desk.reason(OTHER) is None
    assert (desk.counts.failed, desk.counts.by_symbol_failed) == (1, {PAIR: 1})
    assert desk.asked() == RESYNC
    (event,) = desk.of(BookDisbelieved)
    assert (event.symbol, event.reason) == (PAIR, Disbelief.CROSSED)
    desk.say(desk.venue[PAIR].change([("100.05", "1")]))  # of the book that was given up
    assert desk.reason() is Disbelief.CROSSED
    desk.say(desk.venue[PAIR].whole(), after_ms=80)
    assert desk.reason() is None
    assert desk.held() == desk.told()
    assert [event.after_ms for event in desk.of(BookBelieved)] == [81]


def test_a_number_that_is_none_costs_its_symbol_and_leaves_no_half_of_its_message() -> None:
    for bad in ('{"p":-1,"s":1}', '{"p":0,"s":1}', '{"p":"NaN","s":1}', '{"p":1,"s":-1}'):
        desk = Desk().live()
        desk.say(f'{{"T":"o","S":"{PAIR}","t":"{STAMP}","b":[{{"p":99.7,"s":1}},{bad}],"a":[]}}')
        assert desk.reason() is Disbelief.BAD_FRAME
        assert desk.reason(OTHER) is None
        assert desk.held() == desk.told()


def test_a_message_that_makes_no_sense_costs_the_symbol_it_names() -> None:
    desk = Desk().live()
    desk.say(f'{{"T":"o","S":"{PAIR}","b":[7]}}', desk.venue[OTHER].change([("100.0", "2")]))
    assert (desk.reason(), desk.reason(OTHER)) == (Disbelief.BAD_FRAME, None)
    assert desk.held(OTHER) == desk.told(OTHER)
    assert desk.counts.bad_frames == 1


def test_what_names_no_symbol_costs_every_book_as_any_may_have_lost_a_change() -> None:
    for payload in (b"{", b'[{"T":"o","b":[]}]', b"[7]", b"\xff\xfe"):
        desk = Desk().live()
        desk.hear(payload)
        assert desk.session.live == 0
        assert {desk.reason(symbol) for symbol in desk.symbols} == {Disbelief.BAD_FRAME}


def test_a_frame_that_breaks_off_costs_the_symbols_it_names() -> None:
    desk = Desk().live()
    desk.hear(frame(desk.venue[PAIR].whole())[:-9])
    assert (desk.reason(), desk.reason(OTHER)) == (Disbelief.BAD_FRAME, None)


def test_a_broken_quote_or_a_symbol_that_is_not_ours_costs_no_book() -> None:
    desk = Desk().live()
    desk.say(f'{{"T":"q","S":"{PAIR}","bp":null}}', '{"T":"o","S":"NO/SUCH","b":7}')
    assert desk.session.live == 2
    assert desk.counts.bad_frames == 2


@pytest.mark.parametrize("price", ['"sNaN"', '"NaN"', '"Infinity"', "1e999999999"])
def test_a_quote_of_no_price_proves_nothing_and_breaks_nothing(price: str) -> None:
    desk = Desk().live()
    desk.say(quote(PAIR, price, "100.1"), quote(PAIR, "100.0", price))
    desk.tick(after_ms=5_000)
    assert desk.session.live == 2
    assert desk.counts.bad_frames == 2


def test_a_whole_book_that_is_older_than_a_change_before_it_comes_too_late() -> None:
    desk = Desk().open()
    late = book(PAIR, BIDS, ASKS, whole=True, at="2026-01-01T00:00:01.5Z")
    desk.say(book(PAIR, [("100.0", "9")], at="2026-01-01T00:00:01.500000001Z"))
    desk.say(late)
    assert desk.reason() is Disbelief.BAD_FRAME
    desk.say(late)  # asked for anew: nothing is known to be younger now
    assert desk.reason() is None


def test_a_message_out_of_its_time_or_without_one_costs_its_symbol() -> None:
    for at in ("2025-12-31T23:59:59Z", "yesterday", "", "2026-01-01T00:00:00.123456788Z"):
        desk = Desk().live()
        desk.say(book(PAIR, [("99.7", "1")], at=at))
        assert (desk.reason(), desk.reason(OTHER)) == (Disbelief.BAD_FRAME, None)


def test_a_stamp_far_ahead_does_not_shut_its_symbol_out() -> None:
    desk = Desk().live()
    desk.say(book(PAIR, at="2099-01-01T00:00:00Z"))
    assert desk.reason() is None
    desk.say(desk.venue[PAIR].change([("100.0", "4")]))
    assert desk.reason() is Disbelief.BAD_FRAME
    desk.say(desk.venue[PAIR].whole())
    assert desk.reason() is None


def test_empty_sides_written_as_null_are_empty() -> None:
    desk = Desk().live()
    desk.say(f'{{"T":"o","S":"{PAIR}","t":"{STAMP}","b":null,"a":[{{"p":100.1,"s":9}}]}}')
    desk.venue[PAIR].apply([], [("100.1", "9")])
    assert desk.held() == desk.told()


def test_a_top_that_is_not_what_quotes_say_is_doubted_after_a_second() -> None:
    desk = Desk().live()
    desk.forget()
    desk.say(quote(PAIR, "100.0", "100.2"))
    desk.tick(after_ms=999)
    assert desk.reason() is None
    desk.tick(after_ms=2)
    assert desk.reason() is Disbelief.DIVERGED
    assert (desk.counts.divergences, desk.asked()) == (1, RESYNC)
    (event,) = desk.of(BookDisbelieved)
    assert "quotes say 100.0/100.2" in event.detail
    assert "ours 100.0/100.1" in event.detail


def test_a_quote_that_is_ahead_of_its_book_for_a_moment_is_no_doubt() -> None:
    desk = Desk().live()
    venue = desk.venue[PAIR]
    for price in ("100.05", "100.06", "100.07"):
        change = venue.change([(price, "1")])
        desk.say(venue.quote(), after_ms=600)
        desk.tick()
        desk.say(change, after_ms=600)
        desk.tick()
    assert desk.reason() is None


def test_a_top_that_stays_wrong_is_doubted_though_messages_go_on() -> None:
    desk = Desk().live()
    for n in range(6):
        desk.say(book(PAIR, [("99.5", str(n + 1))]), quote(PAIR, "100.0", "100.2"), after_ms=250)
        desk.tick()
    assert desk.reason() is Disbelief.DIVERGED


def test_a_quote_from_before_a_whole_book_proves_nothing_against_it() -> None:
    desk = Desk().live()
    desk.say(quote(PAIR, "90", "91"))
    desk.say(desk.venue[PAIR].whole())
    desk.tick(after_ms=5_000)
    assert desk.reason() is None


def test_a_quote_of_an_empty_side_agrees_with_a_side_that_is_empty() -> None:
    desk = Desk().live()
    desk.say(book(PAIR, [(price, "0") for price, _ in BIDS]), quote(PAIR, "0", "100.1"))
    assert desk.reason() is Disbelief.ONE_SIDED
    desk.tick(after_ms=5_000)
    assert desk.counts.divergences == 0


def test_a_whole_book_that_does_not_come_is_asked_for_again_with_ever_longer_pauses() -> None:
    desk = Desk((PAIR,)).open()
    desk.forget()
    for _ in range(40):
        desk.tick(after_ms=100)
    assert desk.asked() == RESYNC
    for _ in range(40):
        desk.tick(after_ms=100)
    assert desk.session.renewable == f"no whole book of {PAIR} came when asked 3 times"
    desk.session.lost(Disbelief.DISCONNECTED, desk.now_ns)
    assert desk.session.renewable == ""


def test_whole_books_that_came_meanwhile_are_not_counted_as_missed() -> None:
    desk = Desk((PAIR,)).live()
    for _ in range(4):
        desk.say(book(PAIR, [("100.1", "1")]))
        for state in (State.AWAITING, State.BROKEN, State.AWAITING):  # one is missed
            while desk.state() is not state and desk.sub().missed == 0:
                desk.tick(after_ms=100)
        while desk.state() is not State.AWAITING:
            desk.tick(after_ms=100)
        desk.say(desk.venue[PAIR].whole())
        assert (desk.sub().missed, desk.session.renewable) == (0, "")


def test_a_book_that_fails_again_and_again_is_left_alone_for_longer_and_longer() -> None:
    desk = Desk((PAIR,)).live()
    pauses = []
    for _ in range(5):
        desk.forget()
        desk.say(book(PAIR, [("100.1", "1")]))
        began_ns = desk.now_ns
        while not desk.asked():
            desk.tick(after_ms=10)
        pauses.append((desk.now_ns - began_ns) // 1_000_000)
        desk.say(desk.venue[PAIR].whole())
    assert pauses == [0, 0, 500, 1_000, 2_000]


def test_a_lost_socket_takes_every_book_with_it_and_the_next_one_begins_anew() -> None:
    desk = Desk().live()
    desk.say(quote(PAIR, "1", "2"))
    desk.session.lost(Disbelief.DISCONNECTED, desk.now_ns)
    assert [desk.reason(symbol) for symbol in desk.symbols] == [Disbelief.DISCONNECTED] * 2
    desk.say(desk.venue[PAIR].whole())
    assert desk.session.live == 0
    desk.live()
    desk.tick(after_ms=3_000)
    assert desk.session.live == 2


def test_what_is_owed_is_known_by_its_age() -> None:
    desk = Desk()
    assert desk.session.waits_ns(desk.now_ns) == 0
    desk.session.opened(lambda _: None, desk.now_ns)
    desk.pass_ms(700)
    assert desk.session.waits_ns(desk.now_ns) == 700_000_000
    desk.open()
    assert desk.session.waits_ns(desk.now_ns) == 0
    desk.say(book(PAIR, [("200", "1")], [("100", "1")], whole=True))
    desk.pass_ms(40)
    assert desk.session.waits_ns(desk.now_ns) == 40_000_000


@pytest.mark.parametrize("number", [*CODES, 777])
def test_every_error_has_its_remedy_and_is_told_in_the_venues_words(number: int) -> None:
    desk = Desk().live()
    desk.hear(error(number, "the venue's words"))
    (said,) = desk.of(VenueSaid)
    assert said.text.startswith(f"{number} the venue's words: ")
    assert desk.counts.refusals == 1
    ending = desk.session.ending
    if number == 403:
        assert ending is None
    else:
        assert ending is not None
        stops = ending.code.remedy is Remedy.STOP
        assert stops is (number in (402, 405, 408, 409))
        assert (ending.code.remedy is Remedy.WAIT) is (number == 406)


def test_a_secret_is_in_nothing_that_is_told_or_shown() -> None:
    desk = Desk().live()
    desk.hear(error(402, f"auth failed\n\x1b[2J{KEYS.secret}"), b"[7]")
    assert KEYS.secret not in repr((desk.events, desk.session, desk.session._setup))
    assert desk.of(VenueSaid)[0].text.startswith("402 auth failed [2J***: ")


def test_overdue_symbols_are_those_without_a_believed_book_for_that_long() -> None:
    desk = Desk().open()
    desk.say(desk.venue[PAIR].whole())
    desk.pass_ms(900)
    assert desk.session.overdue(desk.now_ns, 500_000_000) == [OTHER]
    assert desk.session.overdue(desk.now_ns, 5_000_000_000) == []
