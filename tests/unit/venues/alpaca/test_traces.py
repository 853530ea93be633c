"""Streamed books against those that REST tells: what proves a lost change, and what does not."""

from __future__ import annotations

from arbit.domain.book import Disbelief, OrderBook
from arbit.domain.events import BookDisbelieved
from arbit.venues.alpaca.traces import MEMORY_NS, SECOND_NS, Traces
from arbit.venues.looks import DepthLook
from tests.unit.venues.alpaca.desk import MS, PAIR, Desk, levels_of
from tests.unit.venues.alpaca.stream import book


def test_a_lost_change_of_a_busy_book_is_found_by_what_rest_tells() -> None:
    desk = Desk().live()
    venue = desk.venue[PAIR]
    venue.apply([("99.9", "0")])  # the message of it is lost
    for n in range(40):
        desk.say(venue.change([("99.5", str(n + 1))]), after_ms=50)
        if n % 25 == 0:
            desk.look()
        desk.tick()
    desk.tick(after_ms=1_100)
    assert desk.reason() is Disbelief.DIVERGED
    assert "never ours" in desk.of(BookDisbelieved)[0].detail


def test_a_busy_book_that_rest_is_behind_or_ahead_of_is_believed_and_equal_is_told() -> None:
    desk = Desk().live()
    venue = desk.venue[PAIR]
    assert desk.look()
    for n in range(30):
        change = venue.change([("99.5", str(n + 1))])
        if n % 2:
            assert not desk.look(after_ms=400)  # ahead of the stream
            desk.say(change, after_ms=600)
        else:
            desk.say(change, after_ms=400)
            assert desk.look()
        desk.tick()
    assert desk.reason() is None
    assert desk.counts.divergences == 0


def test_an_answer_that_comes_true_late_is_none_that_missed() -> None:
    desk = Desk().live()
    venue = desk.venue[PAIR]
    venue.apply([("99.9", "0")])
    desk.look()
    desk.tick(after_ms=1_001)  # the first that missed
    venue.apply([("99.9", "2.000")])
    change = venue.change([("99.5", "9")])
    assert not desk.look(after_ms=1_000)
    desk.say(change)  # it came true
    venue.apply([("99.9", "0")])
    desk.look(after_ms=1_000)
    desk.tick(after_ms=1_001)
    assert desk.reason() is None


def test_what_missed_before_a_new_whole_book_counts_no_more() -> None:
    desk = Desk().live()
    venue = desk.venue[PAIR]
    venue.apply([("99.9", "0")])
    desk.look()
    desk.tick(after_ms=1_001)
    venue.apply([("99.9", "2.000")])
    desk.say(book(PAIR, [("100.1", "1")]), venue.whole())
    venue.apply([("99.9", "0")])
    desk.look(after_ms=1_000)
    desk.tick(after_ms=1_001)
    assert [event.reason for event in desk.of(BookDisbelieved)] == [Disbelief.CROSSED]
    assert desk.reason() is None


def test_an_answer_that_is_behind_the_stream_is_known_again_but_not_for_ever() -> None:
    for behind_ns, doubts in ((MEMORY_NS - SECOND_NS, 0), (MEMORY_NS + 60 * SECOND_NS, 1)):
        desk = Desk().live()
        venue = desk.venue[PAIR]
        old = levels_of(venue.best_bids), levels_of(venue.best_asks)
        for n in range(3):
            desk.say(venue.change([("99.9", str(n + 5))]), after_ms=100)
        for _ in range(2):
            desk.pass_ms(behind_ns // MS // 2)
            desk.session.compare(PAIR, DepthLook(desk.now_ns, *old), desk.now_ns)
            desk.tick(after_ms=1_001)
        assert desk.counts.divergences == doubts


def test_after_a_change_of_precision_old_numbers_mean_other_prices() -> None:
    lost: list[str] = []
    traces = Traces(lambda symbol, _: lost.append(symbol))
    for decimals, bid, ask in ((1, 1_000, 1_010), (2, 9_000, 9_100)):
        made = OrderBook(PAIR, depth=10, price_decimals=decimals, qty_decimals=0)
        made.replace([(bid, 1, b"")], [(ask, 1, b"")])
        traces.note(made, decimals)
    for n in range(1, 3):
        now_ns = n * 3 * SECOND_NS
        look = DepthLook(now_ns, levels_of([("10.00", "1")]), levels_of([("10.10", "1")]))
        assert not traces.hear(PAIR, look, now_ns)
        traces.tick(now_ns + 2 * SECOND_NS)
    assert lost == [PAIR]


def test_an_answer_of_finer_digits_than_the_stream_ever_had_was_never_ours() -> None:
    desk = Desk().live()
    desk.venue[PAIR].apply([("99.95", "1")])
    for _ in range(2):
        assert not desk.look(after_ms=1_100)
    assert desk.reason() is Disbelief.DIVERGED


def test_an_answer_that_was_never_ours_is_no_proof_when_the_next_one_was() -> None:
    desk = Desk().live()
    desk.venue[PAIR].apply([("99.9", "0")])
    desk.look()
    desk.tick(after_ms=1_001)
    desk.venue[PAIR].apply([("99.9", "2.000")])
    desk.look()
    desk.tick(after_ms=1_001)
    desk.venue[PAIR].apply([("99.9", "0")])
    desk.look()
    desk.tick(after_ms=1_001)
    assert desk.reason() is None
    desk.look()
    desk.tick(after_ms=1_001)
    assert desk.reason() is Disbelief.DIVERGED
