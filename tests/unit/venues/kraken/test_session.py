from __future__ import annotations

import pytest

from arbit.domain.book import Disbelief, Source
from arbit.domain.events import BookBelieved, BookDisbelieved, VenueSaid
from arbit.venues.kraken.asks import MAX_REMEMBERED
from arbit.venues.kraken.subscription import RETRY_CAP_NS, State
from tests.unit.venues.kraken.desk import MS, OTHER, PAIR, Desk
from tests.unit.venues.kraken.wire import (
    ASKS,
    BIDS,
    Reference,
    book_frame,
    crc,
    entry,
    reply,
)


def wrong(reference: Reference) -> bytes:
    """A true update under a checksum that is off."""
    bids = [("99.8", "1.000")]
    reference.apply(bids, ())
    return book_frame("update", entry(reference.symbol, bids, (), reference.checksum ^ 1))


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


def test_a_recorded_snapshot_is_taken_as_it_comes() -> None:
    desk = Desk(source=Source.RECORDED).live()
    desk.venue[PAIR].update([("100.0", "0.300")])  # the recorder was away
    desk.hear(desk.venue[PAIR].again())
    assert desk.reason() is None


def ack(request_id: int, symbol: str = PAIR) -> bytes:
    result = {"channel": "book", "symbol": symbol, "depth": 10, "snapshot": True}
    return reply("subscribe", result=result, req_id=request_id)


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


BAD_LEVELS = {
    "null": ("null", "1.000"),
    "text": ('"100.0"', "1.000"),
    "negative price": ("-100.0", "1.000"),
    "zero price": ("0.0", "1.000"),
    "negative qty": ("100.0", "-1.000"),
    "minus zero": ("100.0", "-0"),
    "exponent": ("1e2", "1.000"),
    "overflow": ("1e400", "1.000"),
    "too fine": ("100.0", "1.0000001"),
    "huge": ("9" * 30, "1.000"),
    "enormous": ("100.0", "9" * 5000),
    "array": ("[1]", "1.000"),
    "true": ("true", "1.000"),
}


@pytest.mark.parametrize("level", BAD_LEVELS.values(), ids=BAD_LEVELS.keys())
@pytest.mark.parametrize("side", ["bids", "asks"])
def test_a_number_that_is_none_costs_its_symbol_and_leaves_the_old_book_whole(
    level: tuple[str, str], side: str
) -> None:
    desk = Desk().live()
    book = desk.sub().book
    assert book is not None
    before = (list(book.bids.keys), list(book.bids.qtys), list(book.asks.keys))
    good = [("99.8", "1.000")]
    bids, asks = ([*good, level], []) if side == "bids" else (good, [level])
    desk.hear(book_frame("update", entry(PAIR, bids, asks, 1)))
    assert desk.reason() is Disbelief.BAD_FRAME
    assert desk.reason(OTHER) is None
    assert (book.bids.keys, book.bids.qtys, book.asks.keys) == before
    assert desk.counts.bad_frames == 1


@pytest.mark.parametrize("decimals", [21, 400])
def test_a_snapshot_with_absurd_digits_is_refused_even_under_a_true_checksum(decimals: int) -> None:
    desk = Desk().open()
    row = ("1." + "0" * (decimals - 1) + "1", "1.000")
    desk.hear(desk.venue[PAIR].snapshot([("0.5", "1.000")], [row]))
    assert desk.reason() is Disbelief.BAD_FRAME


@pytest.mark.parametrize("qty", ["1" + "0" * 24, "9" * 400])
def test_a_snapshot_with_absurd_sizes_is_refused_even_under_a_true_checksum(qty: str) -> None:
    desk = Desk().open()
    desk.hear(desk.venue[PAIR].snapshot([(qty, "1.000")], [(qty + "1", "1.000")]))
    assert desk.reason() is Disbelief.BAD_FRAME


def test_a_frame_that_is_cut_short_costs_the_symbol_it_names() -> None:
    desk = Desk().live()
    desk.hear(desk.venue[PAIR].update([("100.0", "0.100")])[:-30])
    assert desk.reason() is Disbelief.BAD_FRAME
    assert desk.reason(OTHER) is None


def test_a_broken_frame_of_two_symbols_costs_both_for_both_lost_their_update() -> None:
    desk = Desk((PAIR, OTHER, "SOL/USD")).live()
    good = desk.venue[PAIR].update_entry([("100.0", "0.100")])
    bad = desk.venue[OTHER].update_entry([("100.0", "0.100")]).replace('"checksum":', '"sum":')
    desk.hear(book_frame("update", good, bad))
    assert [desk.reason(symbol) for symbol in desk.symbols] == [
        Disbelief.BAD_FRAME,
        Disbelief.BAD_FRAME,
        None,
    ]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"null",
        b"42",
        b"[]",
        b"\x00\xff\xfe",
        b'{"channel":"weather","data":[{"symbol":"BTC/USD"}]}',
        b'{"channel":"book","type":"update","data":null}',
        b'{"channel":"book","type":"update","data":{}}',
        b'{"channel":"book","type":"update"}',
        b'{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD"}]}',
        b'{"channel":"book","type":"update","data":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_a_frame_that_names_no_book_of_ours_costs_nothing(payload: bytes) -> None:
    desk = Desk().live()
    desk.hear(payload)
    assert desk.session.live == 2
    assert desk.counts.bad_frames == 1
    assert desk.reason() is None


def test_a_refused_symbol_is_asked_again_after_a_pause_and_without_an_unsubscribe() -> None:
    desk = Desk().open()
    request = desk.asked()[0]["req_id"]
    no = reply(
        "subscribe",
        success=False,
        error=f"Currency pair not supported {PAIR}",
        symbol=PAIR,
        req_id=request,
    )
    desk.forget()
    desk.hear(no)
    assert (desk.state(), desk.reason()) == (State.REFUSED, Disbelief.REFUSED)
    assert desk.state(OTHER) is State.AWAITING
    assert [event.symbol for event in desk.of(VenueSaid)] == [PAIR]
    desk.tick(after_ms=400)
    assert desk.sent == []
    desk.tick(after_ms=200)
    assert [(r["method"], r["params"]["symbol"]) for r in desk.sent] == [("subscribe", [PAIR])]
    assert desk.counts.refusals == 1


def test_a_symbol_refused_as_already_subscribed_is_given_up_before_it_is_asked_for() -> None:
    desk = Desk((PAIR,)).open()
    no = reply("subscribe", success=False, error="Already subscribed", symbol=PAIR)
    desk.hear(no)
    desk.forget()
    desk.tick(after_ms=600)
    assert [request["method"] for request in desk.sent] == ["unsubscribe", "subscribe"]


def test_a_refusal_without_a_symbol_is_for_every_symbol_of_that_request() -> None:
    desk = Desk(tuple(f"A{n}/USD" for n in range(150))).open()
    first, second = (request["req_id"] for request in desk.asked())
    desk.hear(reply("subscribe", success=False, error="Malformed request", req_id=second))
    refused = [symbol for symbol in desk.symbols if desk.state(symbol) is State.REFUSED]
    assert refused == list(desk.symbols[100:])
    desk.hear(reply("subscribe", success=False, error="Malformed request", req_id=first))
    assert all(desk.state(symbol) is State.REFUSED for symbol in desk.symbols)


def test_the_answer_to_an_earlier_request_does_not_refuse_the_present_one() -> None:
    desk = Desk((PAIR,)).open()
    earlier = desk.asked()[0]["req_id"]
    desk.tick(after_ms=1_600)  # the first went unanswered and was repeated
    desk.hear(reply("subscribe", success=False, error="busy", symbol=PAIR, req_id=earlier))
    assert desk.state() is State.AWAITING


@pytest.mark.parametrize("method", ["unsubscribe", "ping", "add_order", ""])
def test_a_refusal_of_something_else_refuses_no_book(method: str) -> None:
    desk = Desk().open()
    desk.hear(reply(method, success=False, error="no", symbol=PAIR))
    assert desk.state() is State.AWAITING
    assert desk.counts.refusals == 1


def test_a_refusal_of_a_live_book_changes_nothing() -> None:
    desk = Desk().live()
    desk.hear(reply("subscribe", success=False, error="Already subscribed", symbol=PAIR))
    assert desk.reason() is None


def test_what_the_venue_says_is_repeated_only_so_far() -> None:
    desk = Desk().open()
    desk.hear(reply("subscribe", success=False, error="x" * 100_000, symbol=PAIR))
    assert all(len(repr(event)) < 1_000 for event in desk.events)


def test_the_memory_of_requests_is_bounded_and_forgets_the_oldest() -> None:
    desk = Desk((PAIR,)).open()
    for _ in range(3 * MAX_REMEMBERED):
        desk.hear(wrong(desk.venue[PAIR]))
        desk.tick(after_ms=16_000)
    assert len(desk.session._asks._about) <= MAX_REMEMBERED
    assert desk.session._asks.about(desk.sub().request_id) == (PAIR,)


def test_a_snapshot_that_does_not_come_is_asked_for_again_and_again_ever_more_patiently() -> None:
    desk = Desk((PAIR,)).open()
    desk.forget()
    asked_at_ms = []
    for step in range(600):
        before = desk.asked_for()
        desk.tick(after_ms=100)
        if desk.asked_for() > before:
            asked_at_ms.append((step + 1) * 100)
    gaps = [b - a for a, b in zip([0, *asked_at_ms], asked_at_ms, strict=False)]
    assert gaps[:4] == [1600, 1600, 1600, 1600]
    assert gaps == sorted(gaps)
    assert max(gaps) <= RETRY_CAP_NS // MS + 100
    assert len(asked_at_ms) == desk.counts.resyncs <= 10


def test_while_it_waits_for_a_snapshot_the_late_answer_to_an_earlier_request_counts() -> None:
    desk = Desk((PAIR,)).open()
    for _ in range(300):
        desk.tick(after_ms=100)
    desk.hear(desk.venue[PAIR].snapshot())
    assert desk.reason() is None


def test_updates_without_a_snapshot_show_that_it_is_missing_and_shorten_the_wait() -> None:
    desk = Desk((PAIR,)).open()
    for _ in range(300):
        desk.tick(after_ms=100)  # mute for half a minute: the wait has grown long
    desk.hear(ack(desk.sub().request_id))
    desk.venue[PAIR].snapshot()
    desk.hear(desk.venue[PAIR].update([("100.0", "0.100")]))
    desk.forget()
    desk.tick(after_ms=1_600)
    assert desk.asked_for() == 1


def test_repeated_mismatches_are_resynced_twice_at_once_and_then_after_growing_pauses() -> None:
    desk = Desk((PAIR,)).live()
    desk.forget()
    waits_ms = []
    for _ in range(9):
        before = desk.asked_for()
        desk.hear(wrong(desk.venue[PAIR]))
        waited = 0
        while desk.asked_for() == before:
            assert desk.reason() is Disbelief.CHECKSUM
            desk.tick(after_ms=100)
            waited += 100
        waits_ms.append(waited)
        desk.hear(desk.venue[PAIR].again())
    assert waits_ms == [0, 0, 500, 1000, 2000, 4000, 8000, 15000, 15000]


def test_a_book_that_stayed_verified_for_a_while_has_its_failures_forgiven() -> None:
    desk = Desk((PAIR,)).live()
    for _ in range(3):
        desk.hear(wrong(desk.venue[PAIR]))
        desk.tick(after_ms=600)
        desk.hear(desk.venue[PAIR].again())
    assert desk.sub().failures == 3
    desk.hear(desk.venue[PAIR].update([("100.0", "0.700")]), after_ms=9_000)
    assert desk.sub().failures == 3
    desk.hear(desk.venue[PAIR].update([("100.0", "0.800")]), after_ms=2_000)
    assert desk.sub().failures == 0


def test_a_diverged_book_is_dropped_and_asked_for_again() -> None:
    desk = Desk().live()
    desk.forget()
    desk.session.diverged(PAIR, desk.now_ns, "venue 1/2")
    assert desk.reason() is Disbelief.DIVERGED
    assert desk.reason(OTHER) is None
    assert desk.asked_for() == 1
    assert desk.counts.divergences == 1
    desk.session.diverged(PAIR, desk.now_ns)  # already dropped
    desk.session.diverged("NO/SUCH", desk.now_ns)
    assert desk.counts.divergences == 1


@pytest.mark.parametrize("reason", [Disbelief.DISCONNECTED, Disbelief.FEED_SILENT])
def test_a_lost_socket_drops_every_book_and_a_new_one_asks_for_all_of_them(
    reason: Disbelief,
) -> None:
    desk = Desk().live()
    desk.session.lost(reason, desk.now_ns)
    assert [desk.reason(symbol) for symbol in desk.symbols] == [reason] * 2
    desk.forget()
    desk.tick(after_ms=5_000)
    assert desk.sent == []
    desk.hear(desk.venue[PAIR].again())  # a frame of the old socket, out of its grave
    assert desk.reason() is reason
    desk.open()
    assert desk.asked_for(PAIR) == desk.asked_for(OTHER) == 1
    desk.hear(desk.venue[PAIR].again())
    assert desk.reason() is None
    assert desk.reason(OTHER) is reason


def test_a_second_loss_tells_no_second_story() -> None:
    desk = Desk().live()
    desk.forget()
    desk.session.lost(Disbelief.DISCONNECTED, desk.now_ns)
    desk.session.lost(Disbelief.DISCONNECTED, desk.now_ns)
    assert len(desk.of(BookDisbelieved)) == 2


def test_overdue_names_symbols_without_a_verified_book_for_too_long() -> None:
    desk = Desk().open()
    desk.hear(desk.venue[PAIR].snapshot())
    desk.pass_ms(3_100)
    assert desk.session.overdue(desk.now_ns, 3_000 * MS) == [OTHER]
    desk.hear(wrong(desk.venue[PAIR]))
    assert desk.session.overdue(desk.now_ns, 3_000 * MS) == [OTHER]
    desk.pass_ms(3_100)
    assert desk.session.overdue(desk.now_ns, 3_000 * MS) == [PAIR, OTHER]


def test_farewell_gives_up_every_book_that_is_held_and_the_instruments() -> None:
    desk = Desk().open()
    no = reply("subscribe", success=False, error="not supported", symbol=OTHER)
    desk.hear(desk.venue[PAIR].snapshot(), no)
    desk.forget()
    desk.session.farewell()
    assert [(r["method"], r["params"].get("symbol")) for r in desk.sent] == [
        ("unsubscribe", [PAIR]),
        ("unsubscribe", None),
    ]
    assert desk.sent[1]["params"] == {"channel": "instrument"}


def test_a_ping_waits_for_its_own_answer_and_tells_how_far_behind_the_socket_is() -> None:
    desk = Desk().live()
    desk.session.ping(desk.now_ns)
    desk.pass_ms(700)
    assert desk.session.lag_ns(desk.now_ns) == 0  # it never answered: it cannot be judged by that
    first = desk.sent[-1]
    assert first["method"] == "ping"
    desk.hear(reply("pong", req_id=first["req_id"] + 1))
    assert desk.session._pinged_ns
    desk.hear(reply("pong", req_id=first["req_id"]))
    assert desk.session.lag_ns(desk.now_ns) == 0
    desk.session.ping(desk.now_ns)
    desk.pass_ms(900)
    desk.session.ping(desk.now_ns)  # one question at a time
    assert desk.session.lag_ns(desk.now_ns) == 900 * MS


def test_an_answer_to_our_ping_does_not_count_as_hearing_the_stream() -> None:
    desk = Desk().live()
    heard_ns = desk.session.heard_ns
    desk.hear(reply("pong", req_id=1), after_ms=500)
    assert desk.session.heard_ns == heard_ns
    desk.hear(b'{"channel":"heartbeat"}', after_ms=500)
    assert desk.session.heard_ns == desk.now_ns
    desk.hear(b"garbage", after_ms=500)
    assert desk.session.heard_ns == desk.now_ns
