"""The gateway in virtual time: what leaves, how it is followed, and what is believed of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from arbit.domain.account import (
    AccountStreamBack,
    AccountStreamLost,
    ForeignOrder,
    TradeSeen,
)
from arbit.domain.order import OrderState
from arbit.domain.triangle import Side
from arbit.venues.alpaca.gateway import LEAST_DEADLINE_MS
from arbit.venues.alpaca.http import Lost, NeverLeft
from tests.unit.venues.alpaca.venue import (
    MINE,
    Body,
    Scene,
    answer,
    order,
    outcome_of,
    update,
)
from tests.unit.venues.virtual import settle

MS = 1_000_000


async def test_it_is_ready_when_the_stream_is_whole_and_the_clock_is_known() -> None:
    scene = Scene()
    assert scene.gateway.unready() == "the gateway does not run"
    assert scene.gateway.deadline_ns() is None
    async with scene.running():
        assert scene.told_of(AccountStreamBack) == [AccountStreamBack()]
        deadline_ns = scene.gateway.deadline_ns()
        assert deadline_ns is not None
        assert abs(deadline_ns - scene.clock.wall_ns() - LEAST_DEADLINE_MS * MS) < MS
        assert scene.venue.times("/v2/account/activities") == 0  # nothing was missed at a start


async def test_an_order_leaves_once_as_exact_text_and_ends_by_the_stream() -> None:
    scene = Scene()
    async with scene.running():
        scene.venue.on_post = scene.venue.fills_at_once
        outcome = await outcome_of(scene, scene.gateway.send(scene.intent()))
        assert scene.venue.posted == [
            {
                "symbol": "BTC/USD",
                "qty": "0.5",
                "side": "buy",
                "type": "limit",
                "time_in_force": "ioc",
                "limit_price": "100",
                "client_order_id": MINE,
            }
        ]
        assert (outcome.state, outcome.filled_qty) == (OrderState.FILLED, Decimal("0.5"))
        (trade,) = outcome.trades
        assert (trade.trade_id, trade.symbol, trade.cost) == ("E1", "BTC/USD", Decimal(50))
        assert trade.fees == (("BTC", Decimal("0.00125")),)
        assert trade.fee_slack == Decimal("1e-9")
        assert trade.at_ns == 1_763_985_610_123_456_789
        assert [one.trade for one in scene.told_of(TradeSeen)] == [trade]


async def test_an_order_outlives_whoever_waits_for_it_and_is_not_sent_again() -> None:
    scene = Scene()
    async with scene.running():
        intent = scene.intent()
        waiting = asyncio.ensure_future(scene.gateway.send(intent))
        waiting.cancel()
        await settle()
        assert len(scene.venue.posted) == 1
        again = await outcome_of(scene, scene.gateway.send(intent))
        assert (again.state, len(scene.venue.posted)) == (OrderState.UNKNOWN, 1)
        scene.venue.tell(MINE, "fill", ("E1", "0.5", "100"))
        assert len(scene.told_of(TradeSeen)) == 1
        assert (await scene.gateway.resolve(intent)).state is OrderState.FILLED


@pytest.mark.parametrize("backwards", [False, True])
async def test_fills_come_in_any_order_twice_and_count_once(backwards: bool) -> None:
    scene = Scene()
    async with scene.running():
        intent = scene.intent()
        waiting = scene.gateway.send(intent)
        await settle()
        one = scene.venue.orders[MINE]
        frames = [
            update("partial_fill", one | {"status": "partially_filled", "filled_qty": qty}, fill)
            for qty, fill in (("0.1", ("E1", "0.1", "99")), ("0.3", ("E2", "0.2", "100")))
        ]
        frames.append(update("canceled", one | {"status": "canceled", "filled_qty": "0.3"}))
        for frame in reversed(frames) if backwards else frames:
            scene.venue.line.say(frame)
            scene.venue.line.say(frame)
        outcome = await outcome_of(scene, waiting)
        assert (outcome.state, outcome.filled_qty) == (OrderState.PARTIAL, Decimal("0.3"))
        assert sorted(one.trade_id for one in outcome.trades) == ["E1", "E2"]
        assert len(scene.told_of(TradeSeen)) == 2


async def test_an_order_is_not_over_while_a_fill_of_it_is_missing() -> None:
    scene = Scene()
    async with scene.running():
        waiting = asyncio.ensure_future(scene.gateway.send(scene.intent()))
        await settle()
        scene.venue.tell(MINE, "canceled", filled="0.3")
        await scene.clock.advance(1.5)  # looks are answered, its fills are not listed yet
        assert not waiting.done()
        scene.venue.fill_row(MINE, "E7", "0.3")
        outcome = await outcome_of(scene, waiting)
        assert (outcome.state, len(outcome.trades)) == (OrderState.PARTIAL, 1)
        assert outcome.trades[0].trade_id == "E7"


async def test_a_fill_that_was_told_twice_and_differently_is_taken_from_the_history() -> None:
    scene = Scene()
    async with scene.running():
        intent = scene.intent()
        waiting = scene.gateway.send(intent)
        await settle()
        for price in ("99", "98"):
            one = scene.venue.change(MINE, "partially_filled", "0.3")
            scene.venue.line.say(update("partial_fill", one, ("E1", "0.3", price)))
        assert (await outcome_of(scene, waiting)).state is OrderState.UNKNOWN
        scene.venue.change(MINE, "canceled", "0.3")
        assert (await scene.gateway.resolve(intent)).state is OrderState.UNKNOWN
        scene.venue.fill_row(MINE, "E1", "0.3", "98")
        (trade,) = (await scene.gateway.resolve(intent)).trades
        assert trade.price == 98


async def test_a_stock_that_its_owner_trades_beside_it_leaves_no_order_unknown() -> None:
    scene = Scene()
    async with scene.running():
        waiting = scene.gateway.send(scene.intent())
        await settle()
        scene.venue.tell(MINE, "canceled", filled="0.3")
        scene.venue.fill_row(MINE, "E1", "5")
        scene.venue.fills[0] |= {"symbol": "AAPL", "order_id": "by-hand"}
        scene.venue.fill_row(MINE, "E2", "0.3")
        outcome = await outcome_of(scene, waiting)
        assert (outcome.state, outcome.filled_qty) == (OrderState.PARTIAL, Decimal("0.3"))


async def test_fills_that_never_come_leave_it_unknown() -> None:
    scene = Scene()
    async with scene.running():
        waiting = scene.gateway.send(scene.intent())
        await settle()
        scene.venue.tell(MINE, "canceled", filled="0.3")
        outcome = await outcome_of(scene, waiting)
        assert (outcome.state, outcome.order_id) == (OrderState.UNKNOWN, f"id-{MINE}")
        assert "do not add up to 0.3" in outcome.reason


@pytest.mark.parametrize(
    ("end", "state"), [("canceled", OrderState.EMPTY), ("rejected", OrderState.REJECTED)]
)
async def test_an_order_that_traded_nothing_is_told_by_its_end(end: str, state: OrderState) -> None:
    scene = Scene()
    async with scene.running():
        waiting = scene.gateway.send(scene.intent())
        await settle()
        scene.venue.tell(MINE, end)
        outcome = await outcome_of(scene, waiting)
        assert (outcome.state, outcome.trades) == (state, ())


LOST: list[Any] = [
    Lost("POST /v2/orders: disconnected"),
    answer(504, {"message": "backend request timeout"}),
    answer(500, {"code": 50010000, "message": "internal server error"}),
    answer(502, b"<html>bad gateway</html>"),
    answer(200, b'{"id": "id-abq1w2e1-11", "client_order'),
    answer(200, {"status": "accepted"}),
    answer(422, {"code": 40010001, "message": "client_order_id must be unique"}),
]


@pytest.mark.parametrize("said", LOST, ids=str)
async def test_an_answer_that_proves_nothing_is_followed_by_the_client_id(said: Any) -> None:
    scene = Scene()
    async with scene.running():

        def lost(body: Body) -> Any:
            scene.venue.accept(body)
            scene.venue.change(MINE, "filled", "0.5")
            scene.venue.fill_row(MINE, "E1", "0.5")
            return said

        scene.venue.on_post = lost
        outcome = await outcome_of(scene, scene.gateway.send(scene.intent()))
        assert (outcome.state, len(scene.venue.posted)) == (OrderState.FILLED, 1)


async def test_the_stream_tells_what_became_of_an_order_whose_reply_was_lost() -> None:
    scene = Scene()
    async with scene.running():

        def lost(body: Body) -> Any:
            scene.venue.fills_at_once(body)
            return answer(504, {"message": "backend request timeout"})

        scene.venue.on_post = lost
        outcome = await outcome_of(scene, scene.gateway.send(scene.intent()))
        assert outcome.state is OrderState.FILLED
        assert scene.venue.times("/v2/orders:by_client_order_id") == 0


async def test_an_order_that_never_left_is_rejected_in_words() -> None:
    scene = Scene()
    async with scene.running():
        scene.venue.on_post = lambda _body: NeverLeft("POST /v2/orders: connection refused")
        outcome = await outcome_of(scene, scene.gateway.send(scene.intent()))
        assert outcome.state is OrderState.REJECTED
        assert outcome.reason == "not sent: POST /v2/orders: connection refused"


async def test_a_refusal_of_an_order_that_the_stream_has_named_is_unknown() -> None:
    scene = Scene()
    async with scene.running():

        def both(body: Body) -> Any:
            scene.venue.accept(body)
            scene.venue.tell(MINE, "new")
            return answer(422, {"code": 42210000, "message": "qty is too small"})

        scene.venue.on_post = both
        outcome = await outcome_of(scene, scene.gateway.send(scene.intent()))
        assert (outcome.state, outcome.order_id) == (OrderState.UNKNOWN, f"id-{MINE}")


async def test_no_order_is_never_before_its_deadline_and_a_margin_twice() -> None:
    scene = Scene()
    async with scene.running():
        intent = scene.intent()
        scene.venue.on_post = lambda _body: Lost("gone")
        outcome = await outcome_of(scene, scene.gateway.send(intent))
        assert (outcome.state, outcome.reason) == (OrderState.UNKNOWN, "gone; not found so far")
        await scene.clock.advance(30)
        assert (await scene.gateway.resolve(intent)).state is OrderState.UNKNOWN
        await scene.clock.advance(10)
        assert (await scene.gateway.resolve(intent)).state is OrderState.UNKNOWN  # the first time
        assert (await scene.gateway.resolve(intent)).state is OrderState.UNKNOWN  # too soon after
        await scene.clock.advance(1)
        assert (await scene.gateway.resolve(intent)).state is OrderState.NEVER
        scene.venue.accept(scene.venue.posted[0])
        scene.venue.change(MINE, "filled", "0.5")
        scene.venue.fill_row(MINE, "E1", "0.5")
        assert (await scene.gateway.resolve(intent)).state is OrderState.FILLED  # found later: wins


async def test_while_its_request_is_out_an_order_that_is_not_found_may_still_come() -> None:
    scene = Scene()
    async with scene.running():
        intent = scene.intent()
        scene.venue.delay_s = 3_600.0
        scene.venue.on_post = lambda _body: Lost("gone")
        waiting = asyncio.ensure_future(scene.gateway.send(intent))
        await settle()
        await scene.clock.advance(100)
        for _ in range(4):
            assert (await scene.gateway.resolve(intent)).state is OrderState.UNKNOWN
            await scene.clock.advance(1)
        waiting.cancel()


@pytest.mark.parametrize(
    "said",
    [
        answer(404, b"<html>no such page</html>"),
        answer(404, {"message": "endpoint not found"}),
        answer(500, {"message": "internal"}),
    ],
)
async def test_only_the_venues_own_404_counts_for_an_order_that_never_was(said: Any) -> None:
    scene = Scene()
    async with scene.running():
        intent = replace(scene.intent(), client_id="abq1w2e9-11")
        await scene.clock.advance(100)
        scene.venue.answers["/v2/orders:by"] = said
        for _ in range(4):
            assert (await scene.gateway.resolve(intent)).state is OrderState.UNKNOWN
            await scene.clock.advance(1)


async def test_an_order_of_the_same_id_with_other_terms_is_not_taken_for_ours() -> None:
    scene = Scene()
    async with scene.running():
        body: Body = {"client_order_id": MINE, "symbol": "BTC/USD", "side": "sell"}
        scene.venue.orders[MINE] = order(body | {"qty": "0.5", "limit_price": "100"}, "canceled")
        said = {"code": 40010001, "message": "client_order_id must be unique"}
        scene.venue.on_post = lambda _body: answer(422, said)
        outcome = await outcome_of(scene, scene.gateway.send(scene.intent()))
        assert outcome.state is OrderState.UNKNOWN
        assert "to sell, not buy" in outcome.reason


async def test_a_lost_stream_is_told_and_orders_in_flight_are_followed_by_questions() -> None:
    scene = Scene()
    async with scene.running():
        waiting = scene.gateway.send(scene.intent())
        await settle()
        scene.venue.down = True
        scene.venue.line.cut()
        assert scene.told_of(AccountStreamLost) == [AccountStreamLost("connection lost")]
        assert scene.gateway.unready() == "account stream: connection lost"
        scene.venue.change(MINE, "filled", "0.5")
        scene.venue.fill_row(MINE, "E1", "0.5")
        outcome = await outcome_of(scene, waiting)
        assert outcome.state is OrderState.FILLED
        scene.venue.down = False
        await scene.clock.advance(30)
        assert scene.gateway.unready() == ""
        assert len(scene.told_of(AccountStreamBack)) == 2
        assert [one.trade.trade_id for one in scene.told_of(TradeSeen)] == ["E1"]


async def test_what_happened_while_the_stream_was_lost_is_told_with_the_orders_of_others() -> None:
    scene = Scene()
    async with scene.running():
        scene.venue.line.cut()
        body: Body = {"client_order_id": "web-1", "symbol": "ETH/USD", "side": "buy"}
        scene.venue.orders["web-1"] = order(body | {"qty": "1", "limit_price": "9"}, "new")
        scene.venue.fill_row("web-1", "E9", "0.2", "9")
        await scene.clock.advance(30)
        (seen,), (foreign,) = scene.told_of(TradeSeen), scene.told_of(ForeignOrder)
        assert (seen.trade.trade_id, seen.trade.client_id) == ("E9", "web-1")
        assert (foreign.order.client_id, foreign.order.open) == ("web-1", True)


async def test_a_foreign_order_is_told_once() -> None:
    scene = Scene()
    async with scene.running():
        body: Body = {"client_order_id": "web-1", "symbol": "BTC/USD", "side": "buy"}
        scene.venue.orders["web-1"] = order(body | {"qty": "1", "limit_price": "9"}, "new")
        scene.venue.tell("web-1", "new", slash=True)
        scene.venue.tell("web-1", "canceled")
        (foreign,) = scene.told_of(ForeignOrder)
        assert (foreign.order.symbol, foreign.order.client_id) == ("BTC/USD", "web-1")


async def test_a_stream_that_did_not_tell_an_end_is_replaced() -> None:
    scene = Scene()
    async with scene.running():
        waiting = scene.gateway.send(scene.intent())
        await scene.clock.advance(1.5)
        scene.venue.change(MINE, "canceled")
        outcome = await outcome_of(scene, waiting)
        assert outcome.state is OrderState.EMPTY
        await scene.clock.advance(30)
        assert len(scene.venue.lines) == 2
        assert scene.gateway.unready() == ""


async def test_a_frame_that_cannot_be_read_is_made_up_for() -> None:
    scene = Scene()
    async with scene.running():
        scene.venue.line.say(b'{"stream": "trade_updates", "data": {"event"')
        assert scene.gateway.unready().startswith("account stream: a frame that cannot be read")
        await scene.clock.advance(1)
        assert scene.gateway.unready() == ""
        assert scene.venue.times("/v2/account/activities/FILL") == 1


async def test_when_it_stops_whoever_waits_is_told_that_nobody_knows() -> None:
    scene = Scene()
    async with scene.running():
        waiting = scene.gateway.send(scene.intent())
        await settle()
        late = replace(scene.intent(), client_id="abq1w2e2-11")
    assert (await waiting).state is OrderState.UNKNOWN
    assert (await scene.gateway.send(late)).reason == "not sent: the gateway does not run"


async def test_a_sell_pays_its_fee_in_what_it_receives() -> None:
    scene = Scene()
    async with scene.running():
        scene.venue.on_post = scene.venue.fills_at_once
        intent = scene.intent(side=Side.SELL, symbol="ETH/BTC")
        outcome = await outcome_of(scene, scene.gateway.send(intent))
        assert outcome.trades[0].fees == (("BTC", Decimal("0.125")),)
