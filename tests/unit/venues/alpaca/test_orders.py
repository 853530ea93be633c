"""Times, names, orders and the book of orders: what is read, and what is not believed."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbit.domain.account import ForeignOrder, TradeSeen
from arbit.domain.errors import BrokenRule, FrameError
from arbit.domain.order import OrderIntent, OrderState
from arbit.domain.triangle import Leg, Side
from arbit.execution.ids import ours
from arbit.venues.alpaca.names import Names
from arbit.venues.alpaca.orders_book import MAX_ORDERS, OrdersBook
from arbit.venues.alpaca.parse_orders import Execution, Order, order_of, trade_of, update_of
from arbit.venues.alpaca.stamps import day_ns, http_date_ns, rfc3339, stamp_ns
from arbit.venues.following import Doubted, Ended
from tests.unit.venues.alpaca.venue import ASSETS, MINE, order, update

RATE = Decimal("0.0025")
SECOND = 1_000_000_000
BODY = {
    "client_order_id": MINE,
    "symbol": "BTC/USD",
    "side": "buy",
    "qty": "0.5",
    "limit_price": "100",
}


def names() -> Names:
    made = Names()
    made.learn([{"symbol": one} for one in ASSETS])
    return made


def made(**changes: Any) -> Order:
    return replace(order_of(order(BODY), names()), **changes)


def fill(exec_id: str = "E1", qty: str = "0.5", price: str = "100") -> Execution:
    return Execution(exec_id, Decimal(qty), Decimal(price), 5)


def intent() -> OrderIntent:
    leg = Leg("BTC/USD", Side.BUY, "USD", "BTC")
    return OrderIntent(MINE, leg, Decimal("0.5"), Decimal(100), RATE, 1)


def book() -> OrdersBook:
    return OrdersBook(ours, lambda _symbol: RATE)


# --- times and names -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "2024-07-18T04:10:33.389152169-04:00",
        "2024-07-18T08:10:33.389152169Z",
        "2024-07-18T08:10:33.389152169999Z",
        "2024-07-18 13:40:33.389152169+05:30",
    ],
)
def test_one_moment_in_several_zones_is_one_moment_to_the_nanosecond(text: str) -> None:
    assert stamp_ns(text) == 1_721_290_233_389_152_169


@pytest.mark.parametrize(
    "value",
    ["", "2024-07-18", "2024-07-18T08:10:33", "2024-13-18T08:10:33Z", "1960-01-01T00:00:00Z", 5,
     None, "2024-07-18T08:10:33.Z", "9999-07-18T08:10:33Z", "2024-07-18T08:10:33Z "],
)  # fmt: skip
def test_what_is_no_time_is_said_to_be_none(value: Any) -> None:
    with pytest.raises(FrameError):
        stamp_ns(value)


def test_a_day_begins_at_midnight_and_a_header_has_whole_seconds() -> None:
    assert day_ns("2022-08-12") == stamp_ns("2022-08-12T00:00:00Z")
    assert http_date_ns("Thu, 18 Jul 2024 08:10:33 GMT") == stamp_ns("2024-07-18T08:10:33Z")
    for bad in ("2022-8-12", "2022-08-32", ""):
        with pytest.raises(FrameError):
            day_ns(bad)
        with pytest.raises(FrameError):
            http_date_ns(bad)


@given(st.integers(min_value=0, max_value=2**61))
def test_a_time_that_we_write_is_read_back_to_the_microsecond(wall_ns: int) -> None:
    assert stamp_ns(rfc3339(wall_ns)) == wall_ns // 1_000 * 1_000


def test_a_name_without_its_slash_is_the_market_that_is_listed() -> None:
    known = names()
    assert known.symbol("BTCUSDT") == known.symbol("BTC/USDT") == "BTC/USDT"
    assert (known.asset("BTCUSD"), known.asset("USDTUSD")) == ("BTC", "USDT")
    assert (known.asset("DOGEUSD"), known.unlisted) == ("DOGEUSD", {"DOGEUSD"})
    for bad in ("DOGEUSD", None, 5):
        with pytest.raises(FrameError):
            known.symbol(bad)
    with pytest.raises(FrameError, match="is both"):
        known.learn([{"symbol": "BTCU/SD"}])
    with pytest.raises(FrameError):
        Names().learn([])
    with pytest.raises(FrameError):
        Names().learn({"message": "no"})


# --- orders and updates --------------------------------------------------------------------------


def test_an_update_is_read_with_a_joined_symbol_in_another_zone_and_numbers_as_numbers() -> None:
    told = update("fill", order(BODY, "filled") | {"filled_qty": "0.5"}, ("E1", "0.5", "99.5"))
    read = update_of(told["data"], names())
    assert read.order.symbol == "BTC/USD"
    assert read.fill == Execution("E1", Decimal("0.5"), Decimal("99.5"), 1_763_985_610_123_456_789)
    told["data"] |= {"qty": Decimal("0.5"), "price": 100}
    assert update_of(told["data"], names()).fill == replace(read.fill, price=Decimal(100))


@pytest.mark.parametrize(
    "change",
    [
        {"status": "brand_new"},
        {"status": None},
        {"side": "short"},
        {"filled_qty": "-1"},
        {"filled_qty": "NaN"},
        {"qty": "1e999"},
        {"id": ""},
        {"client_order_id": 5},
        {"submitted_at": "yesterday"},
    ],
)
def test_an_order_that_makes_no_sense_is_not_read(change: dict[str, Any]) -> None:
    with pytest.raises(FrameError):
        order_of(order(BODY) | change, names())


@pytest.mark.parametrize("missing", ["execution_id", "qty", "price", "timestamp"])
def test_a_fill_that_lacks_something_is_not_read(missing: str) -> None:
    told = update("fill", order(BODY, "filled"), ("E1", "0.5", "99.5"))["data"]
    del told[missing]
    with pytest.raises(FrameError):
        update_of(told, names())


def test_a_fee_is_rounded_up_in_what_is_received() -> None:
    bought = trade_of(fill(qty="0.000000001"), made(), RATE)
    assert bought.fees == (("BTC", Decimal("1e-9")),)
    sold = trade_of(fill(qty="0.123456789", price="101.11"), made(side=Side.SELL), RATE)
    assert sold.cost == Decimal("12.48271593579")
    assert sold.fees == (("USD", Decimal("0.031206790")),)
    assert trade_of(fill(), made(), Decimal(0)).fees == (("BTC", Decimal(0)),)


# --- the book of orders --------------------------------------------------------------------------


def test_an_order_ends_when_its_fills_add_up_and_not_before() -> None:
    one = book()
    one.sent(intent())
    assert one.take(made()) == []
    assert one.order_id_of(MINE) == f"id-{MINE}"
    over = made(status="canceled", filled_qty=Decimal("0.3"))
    assert one.take(over, [fill("E2", "0.2")])[1:] == []
    news = one.take(made(), [fill("E1", "0.1")])
    assert [type(item) for item in news] == [TradeSeen, Ended]
    assert isinstance(news[1], Ended)
    assert news[1].outcome.state is OrderState.PARTIAL
    assert one.told(["E1", "E2", "E3"]) == {"E1", "E2"}


@pytest.mark.parametrize(
    ("second", "fills"),
    [
        ({"side": Side.SELL}, []),
        ({"symbol": "ETH/USD"}, []),
        ({"order_id": "another"}, []),
        ({}, [fill("E1", "0.1"), fill("E1", "0.2")]),
        ({"status": "filled", "filled_qty": Decimal("0.4")}, []),
    ],
)
def test_what_contradicts_itself_is_doubted(second: dict[str, Any], fills: list[Execution]) -> None:
    one = book()
    one.sent(intent())
    one.take(made())
    news = one.take(made(**second), fills)
    assert [type(item) for item in news if not isinstance(item, TradeSeen)] == [Doubted]


def test_two_ends_are_doubted() -> None:
    one = book()
    one.sent(intent())
    one.take(made(status="canceled", filled_qty=Decimal("0.5")))
    (news,) = one.take(made(status="expired", filled_qty=Decimal("0.5")))
    assert isinstance(news, Doubted)


def test_an_order_that_is_out_is_not_sent_again() -> None:
    one = book()
    one.sent(intent())
    with pytest.raises(BrokenRule):
        one.sent(intent())


def test_the_book_remembers_so_many_orders_and_those_that_are_waited_for() -> None:
    one = book()
    one.sent(intent())
    one.take(made())
    for number in range(MAX_ORDERS + 5):
        news = one.take(made(order_id=f"o{number}", client_id="web"), [fill(f"F{number}", "0.1")])
        assert [type(item) for item in news] == [TradeSeen, ForeignOrder]
    assert one.known(f"id-{MINE}") is not None
    assert one.known("o0") is None
    assert one.told(["F0"]) == frozenset()


@given(st.permutations(range(5)), st.permutations(range(5)))
def test_in_whatever_order_it_is_told_the_same_is_known(first: list[int], again: list[int]) -> None:
    parts: list[tuple[Order, list[Execution]]] = [
        (made(), []),
        (made(status="new"), []),
        (made(status="partially_filled", filled_qty=Decimal("0.1")), [fill("E1", "0.1")]),
        (made(status="partially_filled", filled_qty=Decimal("0.4")), [fill("E2", "0.3")]),
        (made(status="canceled", filled_qty=Decimal("0.4")), []),
    ]
    one = book()
    one.sent(intent())
    news = [item for number in [*first, *again] for item in one.take(*parts[number])]
    (ended,) = [item for item in news if isinstance(item, Ended)]
    assert ended.outcome.filled_qty == Decimal("0.4")
    assert {trade.trade_id for trade in ended.outcome.trades} == {"E1", "E2"}
    assert sum(isinstance(item, TradeSeen) for item in news) == 2


def test_more_than_was_ordered_is_booked_and_less_is_doubted() -> None:
    one = book()
    one.sent(intent())
    more = made(status="filled", filled_qty=Decimal("0.6"))
    news = one.take(more, [fill("E1", "0.6")])
    assert isinstance(news[-1], Ended)
    assert news[-1].outcome.filled_qty == Decimal("0.6")
    other = book()
    other.sent(intent())
    less = made(status="filled", filled_qty=Decimal("0.4"))
    assert isinstance(other.take(less, [fill("E1", "0.4")])[-1], Doubted)
