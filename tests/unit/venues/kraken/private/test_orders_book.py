"""Sparse executions put together: whatever the order they come in, the same is known at the end."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbit.domain.account import ForeignOrder, TradeSeen, VenueOrder
from arbit.domain.errors import BrokenRule
from arbit.domain.order import OrderState, Outcome, Trade
from arbit.domain.triangle import Side
from arbit.venues.following import Doubted, Ended, News
from arbit.venues.kraken.private.orders_book import MAX_ORDERS, OrdersBook
from arbit.venues.kraken.private.parse import Executions, parse
from tests.unit.venues.kraken.private import words

MINE = "abq1w2e1-11"


class Desk:
    """A book, and everything it told."""

    def __init__(self, *, sent: bool = True) -> None:
        self.book = OrdersBook(words.ours)
        self.news: list[News] = []
        if sent:
            self.book.sent(words.intent(MINE))

    def take(self, *entries: str) -> None:
        message = parse(words.executions(*entries))
        assert isinstance(message, Executions)
        self.news += self.book.take(message.entries)

    def ack(self, order_id: str = "O1", client_id: str = MINE) -> None:
        self.news += self.book.accepted(client_id, order_id)

    @property
    def ends(self) -> list[Outcome]:
        return [one.outcome for one in self.news if isinstance(one, Ended)]

    @property
    def trades(self) -> list[Trade]:
        return [one.trade for one in self.news if isinstance(one, TradeSeen)]

    @property
    def doubts(self) -> list[str]:
        return [one.client_id for one in self.news if isinstance(one, Doubted)]

    @property
    def foreign(self) -> list[str]:
        return [one.order.order_id for one in self.news if isinstance(one, ForeignOrder)]


def known(desk: Desk) -> tuple[list[Outcome], set[Trade], list[str], list[str]]:
    return desk.ends, set(desk.trades), desk.doubts, desk.foreign


def after(happenings: tuple[str, ...]) -> Desk:
    desk = Desk()
    for one in happenings:
        if one == "ack":
            desk.ack()
        else:
            desk.take(one)
    return desk


def story(end: str, *, named: bool) -> tuple[str, ...]:
    """Six happenings of one order; with `named` only the ack says whose it is."""
    who = "" if named else MINE
    first = "ack" if named else words.opening("O1", MINE)
    return (
        first,
        words.live("O1"),
        words.trade("O1", "T1", "0.2", who),
        words.trade("O1", "T2", "0.1", who),
        words.trade("O1", "T2", "0.1", who),
        end,
    )


@pytest.mark.parametrize("named", [False, True])
def test_every_order_of_six_events_tells_the_same(named: bool) -> None:
    happenings = story(words.ending("O1", cum_qty="0.3"), named=named)
    expected = known(after(happenings))
    assert [one.state for one in expected[0]] == [OrderState.PARTIAL]
    assert {trade.trade_id for trade in expected[1]} == {"T1", "T2"}
    for other in permutations(happenings):
        assert known(after(other)) == expected


@pytest.mark.parametrize("named", [False, True])
def test_no_order_of_events_believes_an_end_whose_trades_do_not_add_up(named: bool) -> None:
    happenings = story(words.ending("O1", cum_qty="0.4"), named=named)
    for other in permutations(happenings):
        desk = after(other)
        assert desk.ends == []
        assert desk.book.in_flight == 1


parts = st.lists(st.sampled_from(["0.1", "0.05", "0.2"]), min_size=0, max_size=3)


@given(parts, st.randoms(use_true_random=False), st.booleans(), st.booleans())
def test_batches_of_any_cut_tell_the_same(
    qtys: list[str], chance: object, acked: bool, whole: bool
) -> None:
    shuffle = getattr(chance, "shuffle")  # noqa: B009 - hypothesis' own Random, untyped
    cum = str(sum(map(Decimal, qtys), Decimal(0)))
    entries = [words.opening("O1", MINE, "0.5"), words.live("O1")]
    entries += [words.trade("O1", f"T{n}", qty) for n, qty in enumerate(qtys)]
    entries.append(words.ending("O1", cum_qty=cum))
    straight, mixed = Desk(), Desk()
    straight.take(*entries)
    entries *= 2
    shuffle(entries)
    if acked and whole:
        mixed.ack()
    for at in range(0, len(entries), 3):
        mixed.take(*entries[at : at + 3])
    assert known(mixed) == known(straight)
    assert len(straight.ends) == 1


def test_each_end_is_what_the_trades_say() -> None:
    for qtys, kind, state in (
        (("0.2", "0.3"), "filled", OrderState.FILLED),
        (("0.2",), "canceled", OrderState.PARTIAL),
        ((), "canceled", OrderState.EMPTY),
        ((), "expired", OrderState.EMPTY),
        (("0.5", "0.1"), "filled", OrderState.FILLED),  # more than was ordered: told as it is
    ):
        desk = Desk()
        desk.take(words.opening("O1", MINE))
        desk.take(*(words.trade("O1", f"T{n}", qty) for n, qty in enumerate(qtys)))
        desk.take(words.ending("O1", kind, str(sum(map(Decimal, qtys), Decimal(0)))))
        (end,) = desk.ends
        assert (end.state, end.order_id, end.reason) == (state, "O1", "IOC")
        assert end.filled_qty == sum(map(Decimal, qtys), Decimal(0))
        assert [trade.client_id for trade in end.trades] == [MINE] * len(qtys)


def test_a_trade_is_told_once_and_whole() -> None:
    desk = Desk()
    desk.take(words.opening("O1", MINE), words.trade("O1", "T1"))
    desk.take(words.trade("O1", "T1"))
    (trade,) = desk.trades
    assert trade == Trade(
        trade_id="T1",
        order_id="O1",
        client_id=MINE,
        symbol="BTC/USD",
        side=Side.BUY,
        qty=Decimal("0.2"),
        price=Decimal("50000.0"),
        cost=Decimal("10000.0"),
        fees=(("BTC", Decimal("0.00080")),),
        at_ns=trade.at_ns,
    )


def test_an_event_before_the_ack_is_held_until_it_is_known_whose_it_is() -> None:
    desk = Desk()
    desk.take(words.trade("O1", "T1", "0.5"), words.ending("O1", "filled"))
    assert desk.news == []
    desk.ack("O1")
    assert [trade.client_id for trade in desk.trades] == [MINE]
    assert [end.state for end in desk.ends] == [OrderState.FILLED]


def test_what_was_held_for_an_order_that_was_never_named_is_told_as_anybodys() -> None:
    desk = Desk()
    desk.take(words.opening("O9"), words.trade("O9", "T1"))
    desk.news += desk.book.forget(MINE)
    assert [trade.client_id for trade in desk.trades] == [""]
    assert desk.foreign == ["O9"]


def test_somebody_elses_order_is_foreign_and_told_once() -> None:
    desk = Desk(sent=False)
    desk.take(words.opening("O1", "robot-7"), words.opening("O2"), words.opening("O3", "ab-old"))
    desk.take(words.live("O1"), words.live("O2"), words.live("O3"))
    assert desk.foreign == ["O1", "O2"]


def test_old_trades_of_a_snapshot_are_told_and_are_no_foreign_orders() -> None:
    desk = Desk(sent=False)
    desk.take(words.trade("O7", "T1"), words.trade("O8", "T2"))
    assert [trade.order_id for trade in desk.trades] == ["O7", "O8"]
    assert desk.foreign == []


def test_a_fill_after_the_end_is_told_and_the_end_stands() -> None:
    desk = Desk()
    desk.take(words.opening("O1", MINE), words.ending("O1", cum_qty="0"))
    desk.take(words.trade("O1", "T1"))
    assert [end.state for end in desk.ends] == [OrderState.EMPTY]
    assert [(trade.trade_id, trade.client_id) for trade in desk.trades] == [("T1", MINE)]


@pytest.mark.parametrize(
    "entries",
    [
        (words.opening("O1", MINE, "0.6"),),
        (words.opening("O1", MINE, symbol="ETH/USD"),),
        (words.opening("O1", MINE).replace("buy", "sell"),),
        (words.opening("O1", MINE).replace("50000.1", "50000.2"),),
        (words.opening("O1", MINE), words.trade("O1", "T1", symbol="ETH/USD")),
        (words.opening("O1", MINE), words.trade("O1", "T1"), words.trade("O1", "T1", "0.3")),
        (words.opening("O1", MINE), words.opening("O2", MINE)),
        (words.opening("O1", MINE), words.ending("O1", "filled", "0")),
        (words.trade("O2", "T1", client_id="x"), words.trade("O1", "T1", client_id=MINE)),
    ],
)
def test_a_contradiction_about_our_order_is_doubted_and_never_ends(entries: tuple[str]) -> None:
    desk = Desk()
    desk.take(*entries)
    desk.take(words.ending("O1", cum_qty="0.2"))
    assert desk.doubts == [MINE]
    assert desk.ends == []


def test_an_ack_that_names_an_order_of_another_doubts_both() -> None:
    desk = Desk()
    desk.book.sent(words.intent("abq1w2e1-21"))
    desk.take(words.opening("O1", MINE))
    desk.ack("O1", "abq1w2e1-21")
    assert sorted(desk.doubts) == [MINE, "abq1w2e1-21"]


def test_an_end_without_a_total_is_no_end() -> None:
    desk = Desk()
    desk.take(words.opening("O1", MINE), words.ending("O1").replace("cum_qty", "cum"))
    assert desk.ends == []
    desk.take(words.ending("O1", cum_qty="0"))
    assert [end.state for end in desk.ends] == [OrderState.EMPTY]


def test_what_a_question_found_is_told_unless_the_stream_has_told_it() -> None:
    desk = Desk()
    desk.take(words.opening("O1", MINE), words.trade("O1", "T1"))
    (seen,) = desk.trades
    other = Trade(
        "T2", "O1", "", "BTC/USD", Side.BUY, Decimal(1), Decimal(1), Decimal(1), (), at_ns=1
    )
    assert desk.book.asked([seen, other]) == [
        TradeSeen(
            Trade("T2", "O1", MINE, "BTC/USD", Side.BUY, Decimal(1), Decimal(1), Decimal(1), (), 1)
        )
    ]


def test_an_open_order_that_a_question_found_is_foreign_unless_it_is_ours() -> None:
    desk = Desk()
    desk.ack("O1")
    desk.take(words.opening("O2", "robot"))

    def found(order_id: str, client_id: str) -> bool:
        order = VenueOrder(
            order_id, client_id, "BTC/USD", open=True, filled_qty=Decimal(0), at_ns=1
        )
        return desk.book.is_foreign(order)

    assert not found("O1", "")
    assert not found("O2", "robot")  # told already
    assert not found("O3", "ab-old")
    assert found("O4", "robot")
    assert found("O5", "")


def test_memory_is_bounded_and_what_is_waited_for_is_kept() -> None:
    desk = Desk()
    desk.ack("O1")
    for number in range(MAX_ORDERS * 2):
        desk.take(words.trade(f"X{number}", f"TX{number}"))
    assert len(desk.book._orders) == MAX_ORDERS
    assert len(desk.book._order_of_fill) <= MAX_ORDERS
    desk.take(words.trade("O1", "T1", "0.5"), words.ending("O1", "filled"))
    assert [end.state for end in desk.ends] == [OrderState.FILLED]


def test_an_id_leaves_once_at_a_time() -> None:
    desk = Desk()
    with pytest.raises(BrokenRule):
        desk.book.sent(words.intent(MINE))
