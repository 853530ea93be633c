"""Questions about the account: exact or not at all, and null fields survive."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from arbit.config import VenueSettings
from arbit.domain.account import FEE_POSTED, AccountUnfit, Balance, Counts, Flow
from arbit.domain.errors import FrameError, UserError, VenueUnreachable
from arbit.domain.triangle import Side
from arbit.venues.alpaca.account import keys_of, rates_of
from arbit.venues.alpaca.activities import MAX_PAGES, PAGE
from arbit.venues.alpaca.stamps import rfc3339, stamp_ns
from tests.unit.venues.alpaca.venue import SECOND, WALL_NS, Body, Scene, account, answer, order

DAY_NS = 86_400 * SECOND


def position(symbol: str, qty: str, free: str | None = None) -> Body:
    return {"symbol": symbol, "qty": qty, "qty_available": free, "asset_class": "crypto"}


def fee(ref: str, **more: Any) -> Body:
    told: Body = {
        "id": f"20251124000000000::{ref}",
        "activity_type": "CFEE",
        "date": "2025-11-24",
        "net_amount": "0",
        "description": "Coin Pair Transaction Fee (Non USD)",
        "symbol": "ETHUSD",
        "qty": "-0.000195",
        "price": "1884.5",
        "status": "executed",
    }
    return told | more


async def test_balances_are_cash_with_its_holds_and_positions_by_their_assets() -> None:
    scene = Scene()
    venue = scene.venue
    venue.positions = [position("BTCUSD", "0.5", "0.2"), position("USDTUSD", "7")]
    buy = {"client_order_id": "web", "symbol": "BTC/USD", "side": "buy", "qty": "2"}
    venue.orders["web"] = order(buy | {"limit_price": "10"}, "new") | {"filled_qty": "0.5"}
    assert await scene.reader.balances() == {
        "BTC": Balance(Decimal("0.5"), Decimal("0.3")),
        "USDT": Balance(Decimal(7)),
        "USD": Balance(Decimal("20.92"), Decimal(15), 2, coarse=True),
    }


async def test_balances_that_move_between_the_questions_are_asked_again() -> None:
    scene = Scene()
    cash = iter(["1", "2", "2"])
    scene.venue.account = {}
    scene.venue.truth = _moving(scene, lambda: next(cash))
    assert (await scene.reader.balances())["USD"].total == 2
    numbers = iter(range(100))
    scene.venue.truth = _moving(scene, lambda: str(next(numbers)))
    with pytest.raises(VenueUnreachable, match="moves all the time"):
        await scene.reader.balances()


def _moving(scene: Scene, cash: Any) -> Any:
    before = scene.venue.truth

    def truth(method: str, path: str, params: Any) -> Any:
        if path == "/v2/account":
            return answer(200, account() | {"cash": cash()})
        return before(method, path, params)

    return truth


@pytest.mark.parametrize(
    "rows",
    [
        {"message": "no list"},
        [position("BTCUSD", "x")],
        [{"symbol": "BTCUSD"}],
        [position("BTCUSD", "1"), position("BTC/USD", "1")],
    ],
)
async def test_positions_that_make_no_sense_are_no_balances(rows: Any) -> None:
    scene = Scene()
    scene.venue.answers["/v2/positions"] = answer(200, rows)
    with pytest.raises(FrameError):
        await scene.reader.balances()


async def test_fees_are_the_users_own_else_the_first_tier() -> None:
    scene = Scene()
    assert await scene.reader.fees(["BTC/USD", "DOGE/USD"]) == {"BTC/USD": Decimal("0.0025")}
    stated = VenueSettings(name="alpaca", taker_fee_bps=Decimal(12))
    assert rates_of(stated)("BTC/USD") == Decimal("0.0012")


async def test_trades_come_with_their_orders_ids_and_known_ones_cost_no_question() -> None:
    scene = Scene()
    venue = scene.venue
    for client_id, side in (("web-1", "buy"), ("web-2", "sell")):
        body = {"client_order_id": client_id, "symbol": "BTC/USD", "side": side, "qty": "1"}
        venue.orders[client_id] = order(body | {"limit_price": "100"}, "filled")
        venue.fill_row(client_id, f"E-{client_id}", "0.2")
    trades = await scene.reader.trades_since(WALL_NS)
    assert [(one.trade_id, one.client_id, one.side) for one in trades] == [
        ("E-web-1", "web-1", Side.BUY),
        ("E-web-2", "web-2", Side.SELL),
    ]
    asked = venue.times("/v2/orders/")
    known = await scene.reader.trades_since(WALL_NS, frozenset)
    assert (known, venue.times("/v2/orders/")) == ([], asked)
    assert await scene.reader.trades_since(WALL_NS + 20 * SECOND) == []


async def test_a_long_history_is_read_page_by_page_and_has_a_bound() -> None:
    scene = Scene()
    body = {"client_order_id": "web-1", "symbol": "BTC/USD", "side": "buy", "qty": "1"}
    scene.venue.orders["web-1"] = order(body | {"limit_price": "100"}, "filled")
    for number in range(2 * PAGE + 1):
        scene.venue.fill_row("web-1", f"E{number}", "0.001")
    assert len(await scene.reader.trades_since(WALL_NS)) == 2 * PAGE + 1
    assert scene.venue.times("/v2/account/activities/FILL") == 3
    scene.venue.answers["/v2/account/activities"] = answer(200, scene.venue.fills[:PAGE])
    with pytest.raises(FrameError, match="the same page twice"):
        await scene.reader.trades_since(WALL_NS)
    assert MAX_PAGES * PAGE >= 10_000


async def test_a_fill_of_something_that_is_no_crypto_is_not_passed_over() -> None:
    scene = Scene()
    scene.venue.orders["web"] = order(
        {"client_order_id": "web", "symbol": "AAPL", "side": "buy", "qty": "1", "limit_price": "1"}
    )
    scene.venue.fill_row("web", "E1", "1")
    with pytest.raises(FrameError, match="does not list"):
        await scene.reader.trades_since(WALL_NS)


async def test_posted_fees_are_flows_of_their_own_kind_and_move_what_paid() -> None:
    scene = Scene()
    usd = {"activity_type": "FEE", "net_amount": "-0.23", "symbol": None, "qty": None}
    scene.venue.others = [fee("a"), fee("b", **usd, price=None, description=None)]
    day_ns = stamp_ns("2025-11-24T00:00:00Z")
    assert await scene.reader.flows_since(day_ns) == [
        Flow(
            "20251124000000000::a",
            "ETH",
            Decimal("-0.000195"),
            FEE_POSTED,
            day_ns,
        ),
        Flow("20251124000000000::b", "USD", Decimal("-0.23"), FEE_POSTED, day_ns),
    ]


async def test_deposits_and_kinds_that_nobody_knows_are_flows_of_what_they_moved() -> None:
    scene = Scene()
    scene.venue.others = [
        {"id": "20251124000000000::a", "activity_type": "CSD", "date": "2025-11-24",
         "net_amount": "100", "status": "executed", "symbol": None, "qty": None},
        {"id": "20251124000000000::b", "activity_type": "NEWKIND", "date": None,
         "net_amount": "-1", "qty": "0.5", "symbol": "BTCUSD"},
        {"id": "20251124000000000::c", "activity_type": "TRANS", "status": "canceled",
         "net_amount": "5", "date": "2025-11-24"},
        {"id": "20251124000000000::d", "activity_type": "JNLC", "net_amount": None, "qty": None,
         "date": "2025-11-24"},
        {"id": "20251124120000000::e", "activity_type": "TRANS", "net_amount": "2",
         "created_at": rfc3339(WALL_NS), "date": "2025-11-24"},
    ]  # fmt: skip
    found = await scene.reader.flows_since(WALL_NS - DAY_NS)
    assert [(one.kind, one.asset, str(one.amount)) for one in found] == [
        ("CSD", "USD", "100"),
        ("NEWKIND", "USD", "-1"),
        ("NEWKIND", "BTC", "0.5"),
        ("TRANS", "USD", "2"),
    ]
    assert len({one.ref for one in found}) == 4


async def test_what_names_only_its_day_may_have_been_entered_since_and_is_listed() -> None:
    scene = Scene()
    told = {"activity_type": "CSD", "net_amount": "1", "date": "2025-11-24"}
    scene.venue.others = [fee("a"), {"id": "20251124120000500::b", **told}]
    day_ns = stamp_ns("2025-11-24T00:00:00Z")
    both = await scene.reader.flows_since(day_ns)
    assert [one.at_ns - day_ns for one in both] == [0, 43_200_500_000_000]
    assert [one.asset for one in await scene.reader.flows_since(day_ns + 3 * DAY_NS)] == ["ETH"]


@pytest.mark.parametrize(
    "change",
    [{"id": ""}, {"id": 5}, {"activity_type": None}, {"qty": "much"}, {"date": "2025-24-11"}],
)
async def test_an_activity_that_makes_no_sense_is_not_passed_over(change: Body) -> None:
    scene = Scene()
    scene.venue.others = [fee("a") | change]
    scene.venue.answers["/v2/account/activities"] = answer(200, scene.venue.others)
    with pytest.raises(FrameError):
        await scene.reader.flows_since(0)


async def test_counts_are_of_trades_and_of_what_moved_without_one() -> None:
    scene = Scene()
    body = {"client_order_id": "web-1", "symbol": "BTC/USD", "side": "buy", "qty": "1"}
    scene.venue.orders["web-1"] = order(body | {"limit_price": "100"}, "filled")
    scene.venue.fill_row("web-1", "E1", "0.1")
    moved = {"activity_type": "TRANS", "net_amount": "2", "created_at": rfc3339(WALL_NS + SECOND)}
    scene.venue.others = [fee("a"), {"id": "20251124120000000::e", **moved}]
    at_ns = scene.clock.wall_ns()
    assert await scene.reader.counts(WALL_NS, at_ns) == Counts(1, 1)
    assert await scene.reader.counts(at_ns, at_ns + SECOND) == Counts(0, 0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"status": "ACCOUNT_CLOSED"}, "the account is 'ACCOUNT_CLOSED' (status), expected ACTIVE"),
        (
            {"crypto_status": None},
            "the venue does not say whether crypto on this account is ACTIVE (crypto_status)",
        ),
        ({"trading_blocked": None}, "the venue does not say whether the account is blocked from t"),
        ({"trading_blocked": True}, "the account is blocked from trading (trading_blocked is True"),
        ({"account_blocked": "no"}, "the account is blocked (account_blocked is 'no'"),
        ({"trade_suspended_by_user": True}, "trading is suspended in the account's own settings"),
        ({"currency": "JPY"}, "the account is kept in 'JPY', expected USD"),
    ],
)
async def test_an_account_that_cannot_trade_is_unfit_in_one_line(change: Body, words: str) -> None:
    scene = Scene()
    scene.venue.account |= change
    with pytest.raises(AccountUnfit) as caught:
        await scene.side.admitted(["BTC/USD"])
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)
    with pytest.raises(AccountUnfit):  # and is no account to be traded on with, later
        await scene.reader.balances()


async def test_an_account_that_can_trade_is_admitted_with_a_note_on_its_key() -> None:
    scene = Scene()
    assert await scene.side.admitted(["BTC/USD"]) == {"BTC/USD": Decimal("0.0025")}
    assert "does not tell what a key may do" in scene.side.notes[0]
    assert (await scene.reader.key()).withdraw is None
    scene.venue.ahead_ns = 20 * SECOND
    with pytest.raises(AccountUnfit, match=r"our clock is 20\.0 s behind the venue's"):
        await scene.side.admitted([])
    scene.venue.answers["/v2/account"] = answer(401, {"message": "request is not authorized"})
    with pytest.raises(AccountUnfit, match="refuses this API key: 401 request is not authorized"):
        await scene.side.admitted([])


async def test_the_clock_is_read_from_the_stamp_else_from_the_header() -> None:
    scene = Scene()
    scene.venue.ahead_ns = 3 * SECOND
    found = await scene.reader.clock_offset()
    assert abs(found.offset_ns - 3 * SECOND) < 2_000
    assert found.uncertainty_ns < 1_000
    date = "Mon, 24 Nov 2025 16:00:00 GMT"
    scene.venue.answers["/v2/clock"] = answer(200, {"is_open": True}, date=date)
    found = await scene.reader.clock_offset()
    assert found.uncertainty_ns >= SECOND // 2
    scene.venue.answers["/v2/clock"] = answer(200, {"is_open": True})
    with pytest.raises(FrameError):
        await scene.reader.clock_offset()


def test_without_a_key_one_line_names_the_setting() -> None:
    with pytest.raises(UserError, match="ARBIT_VENUES__ALPACA__API_KEY"):
        keys_of(VenueSettings(name="alpaca"))
