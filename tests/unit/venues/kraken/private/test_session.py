"""The account's stream: nothing is missed unseen, and it is whole only after what was is asked."""

from __future__ import annotations

from decimal import Decimal

import pytest

from arbit.domain.account import (
    AccountStreamBack,
    AccountStreamLost,
    BalanceSeen,
    Flow,
    ForeignOrder,
    TradeSeen,
)
from arbit.domain.events import VenueSaid
from arbit.domain.order import OrderState
from arbit.venues.kraken.private.parse import wall_ns
from arbit.venues.kraken.private.session import MAX_GAPS
from tests.unit.venues.kraken.private import words
from tests.unit.venues.kraken.private.desk import Desk


def test_a_socket_asks_for_both_channels_with_its_token() -> None:
    desk = Desk(ready=False)
    desk.open()
    orders, balances = (request["params"] for request in desk.asked)
    assert orders == {
        "channel": "executions",
        "snap_orders": True,
        "snap_trades": True,
        "order_status": True,
        "ratecounter": True,
        "token": "token",
    }
    assert balances == {"channel": "balances", "snapshot": True, "token": "token"}


def test_a_stream_is_whole_only_when_what_was_missed_has_been_asked_for() -> None:
    desk = Desk(ready=False)
    assert desk.session.write is None
    desk.open()
    assert desk.session.subscribed
    assert not desk.is_whole()
    desk.session.caught_up(desk.session.missed)
    assert desk.is_whole()
    assert desk.told_of(AccountStreamBack) == [AccountStreamBack()]


def test_one_subscription_is_not_enough() -> None:
    desk = Desk(ready=False)
    desk.session.opened(desk.send, "token", desk.clock.now_ns)
    desk.subscribed("executions", desk.asked[0]["req_id"])
    desk.session.caught_up(desk.session.missed)
    assert (desk.session.subscribed, desk.is_whole()) == (False, False)


def test_a_refused_subscription_breaks_the_socket_and_its_words_are_told() -> None:
    desk = Desk(ready=False)
    desk.session.opened(desk.send, "token", desk.clock.now_ns)
    req_id = desk.asked[0]["req_id"]
    words_of_it = "EGeneral:Permission denied"
    said = f'{{"method":"subscribe","req_id":{req_id},"success":false,"error":"{words_of_it}"}}'
    desk.hear(said.encode())
    assert desk.session.broken == f"executions: {words_of_it}"
    assert desk.refused == [words_of_it]
    assert desk.events == [VenueSaid("kraken", words_of_it)]


def test_trades_balances_and_foreign_orders_are_told() -> None:
    desk = Desk()
    desk.hear(
        words.executions(words.opening("O1", "robot"), words.trade("O1", "T1"), sequence=2),
        words.balance("BTC", "1.25", sequence=2),
    )
    assert len(desk.told_of(TradeSeen)) == len(desk.told_of(ForeignOrder)) == 1
    row = Flow("L-1", "BTC", Decimal("-1.75"), "trade", 0, trade_id="TREF-1")
    balance = BalanceSeen("BTC", Decimal("1.25"), "trade", "TREF-1", Decimal("-1.5"), row)
    assert desk.told_of(BalanceSeen) == [balance]
    assert desk.is_whole()


@pytest.mark.parametrize(
    "frame",
    [
        words.executions(words.live("O1"), sequence=3),
        words.balance("BTC", "1", sequence=4),
        words.executions(words.live("O1"), sequence=2)[:-5],
        b"\xff",
    ],
)
async def test_a_gap_or_a_broken_frame_loses_the_stream_until_it_is_made_up_for(
    frame: bytes,
) -> None:
    desk = Desk()
    waiting = desk.following.follow(words.intent())
    desk.hear(frame)
    assert len(desk.told_of(AccountStreamLost)) == 1
    outcome = await waiting
    assert outcome.state is OrderState.UNKNOWN
    loss = desk.session.missed
    assert loss
    desk.session.caught_up(loss - 1)
    assert not desk.is_whole()
    desk.session.caught_up(loss)
    assert desk.is_whole()
    assert len(desk.told_of(AccountStreamBack)) == 1


async def test_what_a_frame_after_a_gap_says_still_counts() -> None:
    desk = Desk()
    waiting = desk.following.follow(words.intent("ab1"))
    whole = (words.opening("O1", "ab1"), words.trade("O1", "T1", "0.5"), words.ending("O1"))
    desk.hear(words.executions(*whole, sequence=9))
    assert (await waiting).state is OrderState.FILLED
    assert not desk.is_whole()


def test_a_loss_is_told_once_and_one_during_the_questions_is_not_forgotten() -> None:
    desk = Desk()
    desk.hear(words.executions(sequence=5))
    first = desk.session.missed
    desk.hear(words.executions(sequence=8))
    assert len(desk.told_of(AccountStreamLost)) == 1
    desk.session.caught_up(first)
    assert not desk.is_whole()
    desk.session.caught_up(desk.session.missed)
    assert desk.is_whole()


def test_too_many_gaps_ask_for_a_new_socket() -> None:
    desk = Desk()
    for number in range(MAX_GAPS):
        desk.hear(words.executions(sequence=10 * (number + 1)))
        assert not desk.session.broken
    desk.hear(words.executions(sequence=500))
    assert desk.session.broken
    desk.session.lost("replaced")
    desk.open()
    assert not desk.session.broken


def test_repeated_frames_change_nothing() -> None:
    desk = Desk()
    frame = words.executions(words.opening("O1", "robot"), words.trade("O1", "T1"), sequence=2)
    desk.hear(frame, words.balance("BTC", "1", sequence=2))
    told = list(desk.told)
    desk.hear(frame, words.balance("BTC", "7", sequence=2), frame)
    assert desk.told == told
    assert desk.session.counts.repeated == 3
    assert desk.is_whole()


def test_a_lost_socket_takes_nothing_and_answers_to_old_requests_are_nobodys() -> None:
    desk = Desk()
    desk.session.lost("connection lost")
    assert desk.session.write is None
    assert desk.session.why == "connection lost"
    asked = len(desk.asked)
    desk.session.ping(1, 1)
    assert len(desk.asked) == asked


def test_a_pong_gives_four_times_and_only_the_one_that_is_waited_for() -> None:
    desk = Desk()
    desk.session.ping(100, 1_000)
    request = desk.asked[-1]
    assert request["method"] == "ping"
    desk.session.ping(101, 1_001)
    assert desk.asked[-1] is request
    assert desk.session.lag_ns(350) == 250
    stamp, req_id = words.STAMP, request["req_id"]
    pong = f'{{"method":"pong","req_id":%d,"time_in":"{stamp}","time_out":"{stamp}"}}'
    desk.session.frame((pong % (req_id + 1)).encode(), 400, 1_300)
    assert desk.pongs == []
    desk.session.frame((pong % req_id).encode(), 400, 1_300)
    venue_ns = wall_ns(stamp)
    assert desk.pongs == [(1_000, venue_ns, venue_ns, 1_300)]
    assert desk.session.lag_ns(500) == 0
