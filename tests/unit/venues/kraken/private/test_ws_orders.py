"""Orders over the socket: exact bytes in the call, and replies that are never misread."""

from __future__ import annotations

import json
import timeit
from collections.abc import Awaitable
from decimal import Decimal

import pytest

from arbit.domain.order import OrderIntent, OrderState, Outcome, Remedy
from arbit.domain.triangle import Leg, Side
from arbit.venues.kraken.private.parse import Reply, parse
from arbit.venues.kraken.private.ws_orders import WsOrders, add_order_frame
from tests.unit.venues.kraken.private import words
from tests.unit.venues.kraken.private.desk import Desk

MINE = "abq1w2e1-11"
VENUE_NS = words.DEADLINE_NS - 2_000_000_000
HEAR_MS = 1_500


class Orders:
    """A sender on an open session, and the frames that left."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.sent: list[bytes] = []
        self.judged: list[str] = []
        self.orders = WsOrders(
            self.desk.following,
            self.desk.clock,
            HEAR_MS * 1_000_000,
            lambda said, _verdict: self.judged.append(said),
        )
        self.sequence = 1

    def send(self, client_id: str = MINE) -> Awaitable[Outcome]:
        return self.orders.send(words.intent(client_id), VENUE_NS, "token", self.sent.append)

    @property
    def req_id(self) -> int:
        return int(json.loads(self.sent[-1])["req_id"])

    def reply(self, payload: bytes) -> None:
        message = parse(payload)
        assert isinstance(message, Reply)
        self.orders.reply(message)

    def stream(self, *entries: str) -> None:
        self.sequence += 1
        self.desk.hear(words.executions(*entries, sequence=self.sequence))


def over(waiting: Awaitable[Outcome]) -> Outcome | None:
    done = getattr(waiting, "done")()  # noqa: B009 - a future, which the port does not promise
    return getattr(waiting, "result")() if done else None  # noqa: B009 - as above


def test_the_frame_is_written_digit_by_digit() -> None:
    intent = OrderIntent(
        client_id=MINE,
        leg=Leg("ETH/BTC", Side.SELL, "ETH", "BTC"),
        qty=Decimal("1E+2"),
        limit_price=Decimal("1.2E-7"),
        fee_rate=Decimal("0.004"),
        deadline_ns=1_795_521_600_999_999_999,
    )
    frame = add_order_frame(intent, "tok/en+1=", 42)
    assert b'"order_qty":100.0,' in frame
    assert b'"limit_price":0.00000012,' in frame
    assert json.loads(frame, parse_float=Decimal) == {
        "method": "add_order",
        "params": {
            "order_type": "limit",
            "side": "sell",
            "order_qty": Decimal(100),
            "symbol": "ETH/BTC",
            "limit_price": Decimal("0.00000012"),
            "time_in_force": "ioc",
            "cl_ord_id": MINE,
            "fee_preference": "quote",
            "stp_type": "cancel_newest",
            "deadline": "2026-11-24T12:00:00.999Z",
            "token": "tok/en+1=",
        },
        "req_id": 42,
    }
    bought = json.loads(add_order_frame(words.intent(), "t", 1))
    assert (bought["params"]["side"], bought["params"]["fee_preference"]) == ("buy", "base")


async def test_the_bytes_leave_in_the_call() -> None:
    rig = Orders()
    waiting = rig.send()
    assert len(rig.sent) == 1
    assert over(waiting) is None
    assert rig.desk.following.in_flight == 1


async def test_an_ack_and_an_end_that_adds_up_end_it() -> None:
    rig = Orders()
    waiting = rig.send()
    rig.reply(words.yes(rig.req_id, "O1", MINE))
    assert over(waiting) is None
    rig.stream(words.live("O1"), words.trade("O1", "T1", "0.2"))
    rig.stream(words.ending("O1", cum_qty="0.2"))
    outcome = await waiting
    assert (outcome.state, outcome.order_id) == (OrderState.PARTIAL, "O1")
    assert rig.desk.clock.timers == 0


async def test_events_before_the_ack_end_it_as_well() -> None:
    rig = Orders()
    waiting = rig.send()
    rig.stream(words.trade("O1", "T1", "0.5"), words.ending("O1", "filled"))
    assert over(waiting) is None
    rig.reply(words.yes(rig.req_id, "O1"))
    assert (await waiting).state is OrderState.FILLED


async def test_a_definite_refusal_is_one_and_its_verdict_is_heard() -> None:
    rig = Orders()
    waiting = rig.send()
    rig.reply(words.no(rig.req_id, "EOrder:Insufficient funds"))
    outcome = await waiting
    assert (outcome.state, outcome.reason) == (OrderState.REJECTED, "EOrder:Insufficient funds")
    assert outcome.remedy is Remedy.RESYNC
    assert rig.judged == ["EOrder:Insufficient funds"]
    assert rig.desk.following.in_flight == 0


@pytest.mark.parametrize(
    "said", ["EService:Timeout", "EGeneral:Internal error:123", "EWeather:Rain", "not even a code"]
)
async def test_any_other_words_are_unknown(said: str) -> None:
    rig = Orders()
    waiting = rig.send()
    rig.reply(words.no(rig.req_id, said))
    outcome = await waiting
    assert (outcome.state, outcome.reason) == (OrderState.UNKNOWN, said)


async def test_a_refusal_of_an_order_that_the_stream_has_shown_proves_nothing() -> None:
    rig = Orders()
    waiting = rig.send()
    rig.stream(words.opening("O1", MINE))
    rig.reply(words.no(rig.req_id, "EOrder:Insufficient funds"))
    outcome = await waiting
    assert (outcome.state, outcome.order_id) == (OrderState.UNKNOWN, "O1")


@pytest.mark.parametrize(
    "body",
    [
        '"success":true',
        '"success":true,"result":null',
        '"success":true,"result":[]',
        '"success":true,"result":{"order_id":""}',
        '"success":true,"result":{"order_id":"O1","cl_ord_id":"somebody"}',
        '"success":true,"result":{"order_id":"O1"},"error":"EOrder:Insufficient funds"',
        '"success":false,"error":["EOrder:Insufficient funds","EOrder:Unknown order"]',
        '"success":false',
    ],
)
async def test_an_odd_reply_is_unknown(body: str) -> None:
    rig = Orders()
    waiting = rig.send()
    rig.reply(f'{{"method":"add_order","req_id":{rig.req_id},{body}}}'.encode())
    assert (await waiting).state is OrderState.UNKNOWN


async def test_a_reply_to_another_request_ends_nothing() -> None:
    rig = Orders()
    waiting = rig.send()
    rig.reply(words.no(rig.req_id + 1, "EOrder:Insufficient funds"))
    rig.reply(b'{"method":"add_order","success":false,"error":"EOrder:Insufficient funds"}')
    assert over(waiting) is None
    assert rig.orders.odd == 2


async def test_two_replies_to_one_order_are_read_once() -> None:
    rig = Orders()
    waiting = rig.send()
    rig.reply(words.yes(rig.req_id, "O1", MINE))
    rig.reply(words.no(rig.req_id, "EOrder:Insufficient funds"))
    assert over(waiting) is None


async def test_swapped_acks_leave_both_unknown() -> None:
    rig = Orders()
    one, other = rig.send(MINE), rig.send("abq1w2e1-21")
    rig.stream(words.opening("O1", MINE), words.opening("O2", "abq1w2e1-21"))
    rig.reply(words.yes(rig.req_id, "O1"))
    assert (await one).state is (await other).state is OrderState.UNKNOWN


async def test_without_an_end_it_is_unknown_a_while_after_its_deadline_and_not_before() -> None:
    rig = Orders()
    waiting = rig.send()
    rig.reply(words.yes(rig.req_id, "O1"))
    await rig.desk.clock.advance(2 + HEAR_MS / 1000 - 0.001)
    assert over(waiting) is None
    await rig.desk.clock.advance(0.002)
    outcome = await waiting
    assert (outcome.state, outcome.order_id) == (OrderState.UNKNOWN, "O1")


async def test_a_lost_socket_leaves_it_unknown_at_once_and_its_trades_are_still_told() -> None:
    rig = Orders()
    waiting = rig.send()
    rig.desk.session.lost("connection lost")
    assert (await waiting).state is OrderState.UNKNOWN
    rig.desk.told.clear()
    rig.desk.open()
    rig.sequence = 1
    rig.stream(words.opening("O1", MINE), words.trade("O1", "T1"))
    assert len(rig.desk.told) == 2  # the balance of the snapshot, and the trade


async def test_who_stops_waiting_recalls_nothing() -> None:
    rig = Orders()
    waiting = rig.send()
    getattr(waiting, "cancel")()  # noqa: B009 - a future, which the port does not promise
    rig.stream(words.opening("O1", MINE), words.trade("O1", "T1", "0.5"), words.ending("O1"))
    assert rig.desk.following.in_flight == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"qty": Decimal("NaN")}, "no amount"),
        ({"qty": Decimal(0)}, "no amount"),
        ({"limit_price": Decimal(-1)}, "no amount"),
        ({"limit_price": Decimal("Infinity")}, "no amount"),
        ({"client_id": 'ab"'}, "no name"),
        ({"client_id": ""}, "no name"),
        ({"leg": Leg('BTC"/USD', Side.BUY, "USD", "BTC")}, "no name"),
        ({"deadline_ns": 0}, "no deadline"),
        ({"deadline_ns": VENUE_NS}, "deadline has passed"),
    ],
)
async def test_what_cannot_be_said_is_refused_and_nothing_leaves(
    change: dict[str, object], said: str
) -> None:
    rig = Orders()
    plain = words.intent()
    fields = {name: getattr(plain, name) for name in OrderIntent.__dataclass_fields__}
    outcome = await rig.orders.send(
        OrderIntent(**{**fields, **change}), VENUE_NS, "token", rig.sent.append
    )
    assert outcome.state is OrderState.REJECTED
    assert outcome.reason.startswith("not sent: ")
    assert said in outcome.reason
    assert rig.sent == []
    assert rig.desk.following.in_flight == 0


async def test_an_id_does_not_leave_twice_while_it_is_out() -> None:
    rig = Orders()
    first = rig.send()
    again = await rig.send()
    assert again.reason.startswith("not sent: ")
    assert len(rig.sent) == 1
    assert over(first) is None


async def test_no_more_orders_leave_than_are_followed() -> None:
    rig = Orders()
    for number in range(100):
        rig.send(f"abq1w2e{number}-11")
    assert (await rig.send("abq1w2ezz-11")).reason == "not sent: 100 orders are out"


def test_a_cancellation_names_the_order() -> None:
    rig = Orders()
    rig.orders.cancel(MINE, "O1", "token", rig.sent.append)
    rig.orders.cancel(MINE, "", "token", rig.sent.append)
    rig.orders.cancel('"', "", "token", rig.sent.append)
    by_id, by_client = (json.loads(frame) for frame in rig.sent)
    assert by_id["method"] == by_client["method"] == "cancel_order"
    assert by_id["params"] == {"order_id": ["O1"], "token": "token"}
    assert by_client["params"] == {"cl_ord_id": [MINE], "token": "token"}


def test_writing_a_frame_costs_no_more_than_fifty_decimal_formats() -> None:
    intent = words.intent()
    frame = min(timeit.repeat(lambda: add_order_frame(intent, "token", 1), number=500, repeat=5))
    unit = min(timeit.repeat(lambda: format(intent.qty, "f"), number=500, repeat=5))
    assert frame < 50 * unit
