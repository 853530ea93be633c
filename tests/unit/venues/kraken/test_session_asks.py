from __future__ import annotations

import pytest

from arbit.domain.book import Disbelief
from arbit.domain.events import BookDisbelieved, VenueSaid
from arbit.venues.backoff import RETRY_CAP_NS
from arbit.venues.kraken.asks import MAX_REMEMBERED
from arbit.venues.kraken.subscription import State
from tests.unit.venues.kraken.desk import MS, OTHER, PAIR, Desk, ack, wrong
from tests.unit.venues.kraken.wire import (
    reply,
)


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
