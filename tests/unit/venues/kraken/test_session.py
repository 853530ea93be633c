from __future__ import annotations

import pytest

from arbit.domain.book import Disbelief, Source
from arbit.domain.events import BookBelieved, BookDisbelieved
from arbit.venues.kraken.subscription import State
from tests.unit.venues.kraken.desk import OTHER, PAIR, Desk, ack, wrong
from tests.unit.venues.kraken.wire import (
    ASKS,
    BIDS,
    Reference,
    book_frame,
    crc,
    entry,
)


def test_opening_asks_for_instruments_and_every_book_with_depth_and_snapshot() -> None:
    desk = Desk().open()
    instruments, books = desk.sent
    assert instruments["params"] == {"channel": "instrument", "snapshot": True}
    assert books["params"] == {
        "channel": "book",
        "symbol": [PAIR, OTHER],
        "depth": 10,
        "snapshot": True,
    }
    assert instruments["req_id"] != books["req_id"]
    assert [desk.state(symbol) for symbol in desk.symbols] == [State.AWAITING] * 2
    assert desk.reason() is Disbelief.NO_BOOK


def test_many_symbols_are_asked_for_a_hundred_at_a_time() -> None:
    symbols = tuple(f"A{n}/USD" for n in range(250))
    desk = Desk(symbols).open()
    sizes = [len(request["params"]["symbol"]) for request in desk.asked()]
    assert sizes == [100, 100, 50]
    named = [name for request in desk.asked() for name in request["params"]["symbol"]]
    assert named == list(symbols)


def test_a_verified_snapshot_is_believed_and_the_first_book_is_no_recovery() -> None:
    desk = Desk().open()
    desk.hear(desk.venue[PAIR].snapshot())
    assert desk.state() is State.LIVE
    assert desk.reason() is None
    assert desk.reason(OTHER) is Disbelief.NO_BOOK
    assert desk.recovered == [PAIR]
    assert desk.of(BookBelieved) == []
    view = desk.cache.last_known(PAIR)
    assert view is not None
    assert [(str(level.price), str(level.qty)) for level in view.bids] == list(BIDS)
    assert [(str(level.price), str(level.qty)) for level in view.asks] == list(ASKS)
    assert (view.seen_ns, view.confirmed_ns) == (desk.now_ns, desk.now_ns)


def test_every_verified_update_confirms_the_book_anew() -> None:
    desk = Desk().live()
    desk.hear(desk.venue[PAIR].update(bids=[("100.0", "0.500")]), after_ms=70)
    index = desk.cache.index(PAIR)
    assert desk.cache.confirmed_ns[index] == desk.cache.seen_ns[index] == desk.now_ns
    assert desk.counts.verified == 3


def test_levels_beyond_the_depth_are_forgotten_on_both_sides() -> None:
    desk = Desk()
    desk.open()
    bids = [(f"{100 - n}.0", "1.000") for n in range(10)]
    asks = [(f"{101 + n}.0", "1.000") for n in range(10)]
    desk.hear(desk.venue[PAIR].snapshot(bids, asks))
    desk.hear(desk.venue[PAIR].update([("100.5", "1.000")], [("100.9", "1.000")]))
    assert desk.reason() is None
    view = desk.cache.last_known(PAIR)
    assert view is not None
    assert (len(view.bids), len(view.asks)) == (10, 10)
    assert str(view.bids[-1].price) == "92.0"


def test_a_delta_before_its_snapshot_is_ignored_and_counted() -> None:
    desk = Desk().open()
    desk.hear(desk.venue[PAIR].update([("100.0", "1.000")]))
    assert desk.state() is State.AWAITING
    assert desk.reason() is Disbelief.NO_BOOK
    assert (desk.counts.ignored, desk.counts.verified, desk.counts.failed) == (1, 0, 0)


def test_a_symbol_that_nobody_asked_for_is_ignored_and_counted() -> None:
    desk = Desk().live()
    desk.hear(Reference("NO/SUCH").snapshot())
    assert desk.counts.ignored == 1
    assert desk.session.live == 2


def test_a_message_without_data_is_counted_and_does_nothing() -> None:
    desk = Desk().live()
    desk.hear(book_frame("update"))
    assert desk.counts.ignored == 1
    assert desk.session.live == 2


def test_a_wrong_checksum_drops_that_symbol_alone_at_that_very_frame() -> None:
    desk = Desk().live()
    desk.forget()
    desk.hear(wrong(desk.venue[PAIR]))
    assert desk.reason() is Disbelief.CHECKSUM
    assert desk.reason(OTHER) is None
    assert desk.counts.failed == 1
    assert desk.counts.by_symbol_failed == {PAIR: 1}
    (event,) = desk.of(BookDisbelieved)
    assert (event.symbol, event.reason) == (PAIR, Disbelief.CHECKSUM)
    assert [(r["method"], r["params"]["symbol"]) for r in desk.sent] == [
        ("unsubscribe", [PAIR]),
        ("subscribe", [PAIR]),
    ]
    assert all(request["params"]["depth"] == 10 for request in desk.sent)


def test_after_a_resync_the_next_verified_snapshot_is_a_recovery_with_its_time() -> None:
    desk = Desk().live()
    desk.hear(wrong(desk.venue[PAIR]))
    desk.forget()
    desk.hear(desk.venue[PAIR].again(), after_ms=40)
    assert desk.reason() is None
    (event,) = desk.of(BookBelieved)
    assert (event.symbol, event.after_ms) == (PAIR, 40)


def test_a_stale_delta_after_a_resubscription_is_ignored() -> None:
    desk = Desk().live()
    desk.hear(wrong(desk.venue[PAIR]))
    ignored = desk.counts.ignored
    desk.hear(desk.venue[PAIR].update([("99.7", "1.000")]))  # still from the old subscription
    assert desk.state() is State.AWAITING
    assert desk.counts.ignored == ignored + 1
    desk.hear(desk.venue[PAIR].again())
    assert desk.reason() is None


def test_a_lost_delta_is_found_at_the_next_frame_of_that_symbol() -> None:
    desk = Desk().live()
    desk.venue[PAIR].update([("100.0", "0.400")])  # never arrives
    desk.hear(desk.venue[OTHER].update([("100.0", "0.400")]))
    assert desk.reason() is None
    desk.hear(desk.venue[PAIR].update([("99.9", "7.000")]))
    assert desk.reason() is Disbelief.CHECKSUM
    assert desk.reason(OTHER) is None


def test_the_same_snapshot_twice_is_the_same_book_in_a_new_object() -> None:
    desk = Desk().live()
    before = desk.sub().book
    shown = desk.cache.last_known(PAIR)
    desk.hear(desk.venue[PAIR].again())
    after = desk.sub().book
    assert before is not None
    assert after is not None
    assert after is not before
    assert (after.bids.keys, after.asks.keys) == (before.bids.keys, before.asks.keys)
    again = desk.cache.last_known(PAIR)
    assert shown is not None
    assert again is not None
    assert (again.bids, again.asks) == (shown.bids, shown.asks)
    assert desk.counts.resyncs == 0


def test_an_unasked_snapshot_that_contradicts_the_book_is_not_believed() -> None:
    desk = Desk().live()
    old = desk.venue[PAIR].again()
    desk.hear(desk.venue[PAIR].update([("100.0", "0.100")]))
    desk.hear(old)  # true once, late now
    assert desk.reason() is Disbelief.CHECKSUM
    assert desk.state() is State.AWAITING


def test_a_late_snapshot_behind_updates_of_its_own_subscription_is_not_believed() -> None:
    desk = Desk().open()
    request = desk.asked()[0]["req_id"]
    old = desk.venue[PAIR].snapshot()
    desk.hear(ack(request), desk.venue[PAIR].update([("100.0", "0.100")]), old)
    assert desk.reason() is Disbelief.CHECKSUM


def test_a_late_snapshot_that_agrees_with_the_updates_before_it_is_believed() -> None:
    desk = Desk().open()
    request = desk.asked()[0]["req_id"]
    desk.venue[PAIR].snapshot()
    desk.hear(ack(request), desk.venue[PAIR].update([("100.0", "0.100")]))
    desk.hear(desk.venue[PAIR].again())
    assert desk.reason() is None


def test_a_fresh_snapshot_after_a_new_ack_is_believed_on_a_live_book() -> None:
    desk = Desk().live()
    desk.hear(wrong(desk.venue[PAIR]))
    desk.hear(desk.venue[PAIR].again())  # of the first request, by chance still under way
    assert desk.reason() is None
    desk.venue[PAIR].update([("100.0", "0.300")])  # between the two, sent to nobody
    desk.hear(ack(desk.sub().request_id), desk.venue[PAIR].again())
    assert desk.reason() is None
    assert desk.counts.failed == 1


def test_a_consent_heard_twice_does_not_make_an_old_snapshot_a_new_one() -> None:
    desk = Desk().live()
    consent, old = ack(desk.sub().request_id), desk.venue[PAIR].again()
    desk.hear(consent, old)
    assert desk.reason() is None
    desk.hear(desk.venue[PAIR].update([("100.0", "0.300")]))
    desk.hear(consent, old)
    assert desk.reason() is Disbelief.CHECKSUM


def test_a_recorded_snapshot_is_taken_as_it_comes() -> None:
    desk = Desk(source=Source.RECORDED).live()
    desk.venue[PAIR].update([("100.0", "0.300")])  # the recorder was away
    desk.hear(desk.venue[PAIR].again())
    assert desk.reason() is None


def test_a_change_of_precision_rebuilds_the_book_at_the_new_digits() -> None:
    desk = Desk().live()
    desk.hear(desk.venue[PAIR].update([("99.85", "1.000")]))  # more digits than the book holds
    assert desk.reason() is Disbelief.BAD_FRAME
    desk.hear(desk.venue[PAIR].snapshot([("100.00", "1.0000")], [("100.25", "2.0000")]))
    assert desk.reason() is None
    book = desk.sub().book
    assert book is not None
    assert (book.price_decimals, book.qty_decimals) == (2, 4)
    assert book.asks.best() == 10025


def test_numbers_that_come_unpadded_are_proved_by_their_padded_digits() -> None:
    desk = Desk((PAIR,)).open()
    bids, asks = [("100", "1"), ("99.5", "2.25")], [("100.5", "3.125")]
    padded = crc([("100.0", "1.000"), ("99.5", "2.250")], [("100.5", "3.125")])
    desk.hear(book_frame("snapshot", entry(PAIR, bids, asks, padded)))
    assert desk.reason() is None
    assert desk.counts.padded == 1


def test_numbers_that_come_unpadded_are_proved_by_their_own_digits_too() -> None:
    desk = Desk((PAIR,)).open()
    bids, asks = [("100", "1"), ("99.5", "2.25")], [("100.5", "3.125")]
    desk.hear(book_frame("snapshot", entry(PAIR, bids, asks, crc(bids, asks))))
    assert desk.reason() is None
    assert desk.counts.padded == 0


LONG = (
    [(f"{100 - step / 10:.1f}", f"{step + 1}.000") for step in range(6)],
    [(f"{100.1 + step / 10:.1f}", f"{step + 1}.000") for step in range(6)],
)


@pytest.mark.parametrize(
    ("true", "told"),
    [(("100.0", "7.500"), ("100.0", "75.00")), (("100.0", "7.500"), ("100.0", "7500"))],
)
def test_a_point_in_another_place_is_another_number_although_the_checksum_agrees(
    true: tuple[str, str], told: tuple[str, str]
) -> None:
    desk = Desk((PAIR,)).open()
    reference = desk.venue[PAIR]
    desk.hear(reference.snapshot(*LONG))
    frame = reference.update([true])
    desk.hear(frame.replace(f'"qty":{true[1]}'.encode(), f'"qty":{told[1]}'.encode()))
    assert desk.reason() is Disbelief.BAD_FRAME
    bent = reference.again().replace(b'"price":100.6', b'"price":1006')
    desk.hear(bent)  # the deepest ask: it stays the deepest
    assert desk.reason() is Disbelief.BAD_FRAME
    desk.hear(reference.again())
    assert desk.reason() is None


def test_a_venue_that_writes_otherwise_from_now_on_is_believed_by_its_next_snapshot() -> None:
    desk = Desk((PAIR,)).open()
    desk.hear(desk.venue[PAIR].snapshot(*LONG))
    more = [[(f"{price}0", qty) for price, qty in rows] for rows in LONG]
    desk.hear(desk.venue[PAIR].update([more[0][0]]))
    assert desk.reason() is Disbelief.BAD_FRAME
    desk.hear(desk.venue[PAIR].snapshot(*more))
    assert desk.reason() is None


def test_a_thin_book_is_summed_over_what_there_is() -> None:
    desk = Desk((PAIR,)).open()
    desk.hear(book_frame("snapshot", entry(PAIR, [("7.0", "1.000")], (), 0)))
    assert desk.reason() is Disbelief.CHECKSUM
    desk.hear(desk.venue[PAIR].snapshot([("7.0", "1.000")], ()))
    assert desk.reason() is Disbelief.ONE_SIDED
    assert desk.state() is State.LIVE


def test_a_book_crossed_twice_with_a_good_checksum_is_asked_for_again() -> None:
    desk = Desk().live()
    desk.forget()
    desk.hear(desk.venue[PAIR].update([("100.2", "1.000")]))
    assert (desk.state(), desk.reason()) == (State.LIVE, Disbelief.CROSSED)
    assert desk.sent == []
    desk.hear(desk.venue[PAIR].update([("99.9", "1.000")]))
    assert (desk.state(), desk.reason()) == (State.AWAITING, Disbelief.CROSSED)
    assert desk.asked_for() == 1


def test_a_book_crossed_once_and_then_straight_is_believed_without_a_resync() -> None:
    desk = Desk().live()
    desk.forget()
    desk.hear(desk.venue[PAIR].update([("100.2", "1.000")]))
    desk.hear(desk.venue[PAIR].update([("100.2", "0.000")]))
    assert desk.reason() is None
    desk.hear(desk.venue[PAIR].update([("100.2", "1.000")]))
    assert desk.state() is State.LIVE
    assert desk.sent == []
