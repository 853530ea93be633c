"""What became of an order: found to the last digit, never before it is certain, or unknown."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from arbit.domain.account import ClockOffset
from arbit.domain.errors import VenueRefused, VenueUnreachable
from arbit.domain.order import OrderIntent, OrderState, Outcome
from arbit.domain.triangle import Leg, Side
from arbit.venues.kraken.resolve import Resolver
from tests.unit.venues.kraken.books_of_account import Account

MS = 1_000_000
SECOND = 1_000 * MS
MINE = "abrun011-11"
MARGIN_MS = 1_500
QUESTIONS = {"OpenOrders": {"open": {}}, "ClosedOrders": {"closed": {}, "count": 0}}


def row(**changes: Any) -> dict[str, Any]:
    told = {
        "cl_ord_id": MINE,
        "status": "closed",
        "opentm": 1_764_000_000.5,
        "descr": {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "price": "50000.0"},
        "vol": "0.00020000",
        "vol_exec": "0.00020000",
        "cost": "10.00000",
        "fee": "0.0000008",
        "oflags": "fcib",
        "trades": ["T1", "T2"],
    }
    return told | changes


def trade(**changes: Any) -> dict[str, Any]:
    told = {
        "ordertxid": "O1",
        "pair": "XXBTZUSD",
        "time": 1_764_000_000.6,
        "type": "buy",
        "price": "50000.0",
        "cost": "5.00000",
        "fee": "0.0000004",
        "vol": "0.00010000",
    }
    return told | changes


class Court:
    """A resolver over a scripted account."""

    def __init__(self, deadline_s: float = 2.0) -> None:
        self.account = Account()
        self.clock = self.account.clock
        self.knows_time()
        self.resolver = Resolver(self.account.reads, self.account.offsets, self.clock, MARGIN_MS)
        self.intent = OrderIntent(
            client_id=MINE,
            leg=Leg("BTC/USD", Side.BUY, "USD", "BTC"),
            qty=Decimal("0.0002"),
            limit_price=Decimal(50_000),
            fee_rate=Decimal("0.004"),
            deadline_ns=self.clock.wall_ns() + int(deadline_s * SECOND) if deadline_s else 0,
        )
        self.account.say(**QUESTIONS)
        self.trades({"T1": trade(), "T2": trade()})

    def knows_time(self, uncertainty_ns: int = 10 * MS) -> None:
        self.account.offsets.take(ClockOffset(0, uncertainty_ns, self.clock.monotonic_ns()))

    def closed(self, **changes: Any) -> None:
        self.account.say(ClosedOrders={"closed": {"O1": row(**changes)}, "count": 1})

    def trades(self, rows: dict[str, Any]) -> None:
        def answer(params: Any) -> Any:
            return {one: rows[one] for one in params["txid"].split(",") if one in rows}

        self.account.say(QueryTrades=answer)

    async def ask(self, order_id: str = "") -> Outcome:
        return await self.resolver.ask(self.intent, order_id)

    async def after(self, seconds: float) -> Outcome:
        self.clock.now_ns += int(seconds * SECOND)
        return await self.ask()


async def test_a_filled_order_is_told_with_every_trade_of_it() -> None:
    court = Court()
    court.closed()
    found = await court.ask()
    assert (found.state, found.order_id, found.filled_qty) == (
        OrderState.FILLED,
        "O1",
        Decimal("0.0002"),
    )
    assert [one.trade_id for one in found.trades] == ["T1", "T2"]
    assert {(one.client_id, one.order_id) for one in found.trades} == {(MINE, "O1")}
    assert found.trades[0].fees == (("BTC", Decimal("0.0000004")),)


async def test_a_cancelled_order_with_a_fill_is_partial_and_without_one_empty() -> None:
    court = Court()
    court.closed(status="canceled", vol_exec="0.0001", trades=["T1"], reason="IOC")
    found = await court.ask()
    assert (found.state, found.reason) == (OrderState.PARTIAL, "IOC")
    court.closed(status="expired", vol_exec="0.00000000", trades=[])
    assert (await court.ask()).state is OrderState.EMPTY


@pytest.mark.parametrize("status", ["open", "pending"])
async def test_an_open_order_is_acked(status: str) -> None:
    court = Court()
    court.account.say(OpenOrders={"open": {"O1": row(status=status, vol_exec="0", trades=[])}})
    found = await court.ask()
    assert (found.state, found.order_id) == (OrderState.ACKED, "O1")
    assert court.account.private.names() == ["OpenOrders"]


async def test_everything_is_asked_from_the_reserved_budget_by_client_id() -> None:
    court = Court()
    court.closed()
    await court.ask()
    assert court.account.private.names() == ["OpenOrders", "ClosedOrders", "QueryTrades"]
    assert all(reserved for _, _, reserved in court.account.private.asked)
    assert {params.get("cl_ord_id") for _, params, _ in court.account.private.asked[:2]} == {MINE}


async def test_its_fills_are_asked_for_one_by_one() -> None:
    court = Court()
    court.closed()
    court.account.say(QueryOrders={"O1": row()})
    await court.ask()
    await court.ask("O1")
    asked = {
        name: params.get("consolidate_taker") for name, params, _ in court.account.private.asked
    }
    assert asked == {
        "OpenOrders": None,  # it does not take it
        "ClosedOrders": "false",
        "QueryOrders": "false",
        "QueryTrades": None,
    }


async def test_an_order_whose_id_is_known_is_asked_for_by_it() -> None:
    court = Court()
    court.account.say(QueryOrders={"O1": row()})
    assert (await court.ask("O1")).state is OrderState.FILLED
    assert court.account.private.names() == ["QueryOrders", "QueryTrades"]
    court.account.say(QueryOrders=VenueRefused("EOrder:Unknown order"))  # not visible yet
    court.closed()
    assert (await court.ask("O1")).state is OrderState.FILLED


@pytest.mark.parametrize(
    "changes",
    [
        {"cl_ord_id": "abrun012-11"},
        {"cl_ord_id": None},
        {"vol": "0.0003"},
        {"descr": {"pair": "XBTUSD", "type": "sell", "price": "50000.0"}},
        {"descr": {"pair": "ETHXBT", "type": "buy", "price": "50000.0"}},
        {"descr": {"pair": "XBTUSD", "type": "buy", "price": "50000.1"}},
        {"descr": {"pair": "XBTUSD", "type": "buy", "price": "market"}},
        {"descr": {"pair": "NOPAIR", "type": "buy", "price": "50000.0"}},
        {"descr": "buy 0.0002 XBTUSD @ limit 50000.0"},
        {"status": "done"},
        {"status": None},
        {"status": ["closed"]},
        {"descr": {"pair": "XBTUSD", "type": ["buy"], "price": "50000.0"}},
        {"vol_exec": None},
        {"vol_exec": 0.0002},
        {"vol_exec": "0.0001"},  # less than its trades
        {"vol_exec": "0.0003"},  # more than its trades
        {"trades": None},
        {"trades": []},
        {"trades": ["T1"]},
        {"trades": ["T1", "T9"]},
        {"trades": [1, 2]},
        {"oflags": ""},
    ],
)
async def test_an_order_that_differs_in_anything_proves_nothing(changes: dict[str, Any]) -> None:
    court = Court()
    court.closed(**changes)
    found = await court.ask()
    assert found.state is OrderState.UNKNOWN
    assert found.trades == ()
    assert found.reason


@pytest.mark.parametrize(
    "changes",
    [
        *({"ordertxid": "O2"}, {"pair": "XETHXXBT"}, {"type": "sell"}, {"vol": "0.0002"}),
        *({"fee": None}, {"type": ["buy"]}),
    ],
)
async def test_a_trade_of_another_order_proves_nothing(changes: dict[str, Any]) -> None:
    court = Court()
    court.closed()
    court.trades({"T1": trade(), "T2": trade(**changes)})
    assert (await court.ask()).state is OrderState.UNKNOWN


@pytest.mark.parametrize("said", [None, [], "text", {}, {"open": None}, {"open": []}])
async def test_an_answer_of_another_shape_proves_nothing(said: Any) -> None:
    court = Court()
    court.account.say(OpenOrders=said)
    for _ in range(4):
        assert (await court.after(3)).state is OrderState.UNKNOWN


async def test_two_orders_of_one_client_id_prove_nothing() -> None:
    court = Court()
    court.account.say(ClosedOrders={"closed": {"O1": row(), "O2": row()}})
    assert (await court.ask()).state is OrderState.UNKNOWN


async def test_never_takes_two_answers_after_the_deadline_and_a_margin() -> None:
    court = Court()
    assert (await court.ask()).state is OrderState.UNKNOWN
    assert (await court.after(2.0)).state is OrderState.UNKNOWN  # the deadline alone
    assert (await court.after(1.505)).state is OrderState.UNKNOWN  # within the doubt of the clock
    assert (await court.after(0.02)).state is OrderState.UNKNOWN  # the first that counts
    assert (await court.after(0.4)).state is OrderState.UNKNOWN  # too soon after it
    assert (await court.after(0.2)).state is OrderState.NEVER


async def test_the_second_answer_must_be_asked_for_after_the_first_has_come() -> None:
    court = Court()
    court.account.private.takes_ns = 300 * MS  # each question takes its time
    court.clock.now_ns += 4 * SECOND
    assert (await court.ask()).state is OrderState.UNKNOWN
    assert (await court.ask()).state is OrderState.UNKNOWN  # answered later, but asked at once
    court.clock.now_ns += SECOND
    assert (await court.ask()).state is OrderState.NEVER


async def test_the_deadline_must_have_passed_when_the_question_is_asked() -> None:
    court = Court()
    court.account.private.takes_ns = 10 * SECOND
    assert (await court.ask()).state is OrderState.UNKNOWN  # asked before it, answered long after
    assert (await court.ask()).state is OrderState.UNKNOWN
    assert (await court.after(1)).state is OrderState.NEVER


async def test_a_failed_question_counts_for_nothing() -> None:
    court = Court()
    court.clock.now_ns += 60 * SECOND
    for error in (VenueUnreachable("nobody"), VenueRefused("EService:Busy")):
        court.account.say(ClosedOrders=error)
        for _ in range(5):
            assert (await court.after(1)).state is OrderState.UNKNOWN
    court.account.say(**QUESTIONS)
    assert (await court.after(1)).state is OrderState.UNKNOWN
    assert (await court.after(1)).state is OrderState.NEVER


async def test_without_a_deadline_it_is_never_never() -> None:
    court = Court(deadline_s=0)
    for _ in range(20):
        assert (await court.after(60)).state is OrderState.UNKNOWN


async def test_while_the_venues_clock_is_not_known_it_is_never_never() -> None:
    court = Court()
    court.clock.now_ns += 3_600 * SECOND  # what was known of it is too old
    for _ in range(5):
        assert (await court.after(1)).state is OrderState.UNKNOWN
    court.knows_time()
    assert (await court.after(1)).state is OrderState.UNKNOWN
    assert (await court.after(1)).state is OrderState.NEVER


async def test_an_order_that_the_venue_once_named_is_never_never() -> None:
    court = Court()
    court.account.say(QueryOrders={})
    for _ in range(10):
        court.clock.now_ns += 10 * SECOND
        assert (await court.ask("O1")).state is OrderState.UNKNOWN


async def test_a_late_appearance_starts_the_count_anew() -> None:
    court = Court()
    court.clock.now_ns += 10 * SECOND
    assert (await court.ask()).state is OrderState.UNKNOWN
    court.closed(trades=None)  # there it is, not all of it visible yet
    assert (await court.after(1)).state is OrderState.UNKNOWN
    court.account.say(**QUESTIONS)  # and gone again
    assert (await court.after(1)).state is OrderState.UNKNOWN
    court.closed()
    assert (await court.after(1)).state is OrderState.FILLED


async def test_counts_are_kept_by_order() -> None:
    one, other = Court(), Court()
    other.resolver, other.clock = one.resolver, one.clock
    one.clock.now_ns += 10 * SECOND
    assert (await one.ask()).state is OrderState.UNKNOWN
    one.clock.now_ns += SECOND
    second = OrderIntent(
        "abrun012-11",
        one.intent.leg,
        one.intent.qty,
        one.intent.limit_price,
        one.intent.fee_rate,
        one.intent.deadline_ns,
    )
    assert (await one.resolver.ask(second)).state is OrderState.UNKNOWN
    assert (await one.ask()).state is OrderState.NEVER
