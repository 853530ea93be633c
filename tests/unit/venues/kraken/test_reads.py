"""Questions about an account: exact amounts, every page, and no guess."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from arbit.domain.account import Counts, Flow
from arbit.domain.errors import FrameError, VenueRefused
from arbit.domain.triangle import Side
from arbit.venues.kraken.account_fees import MANY_PARTS
from tests.unit.venues.kraken.books_of_account import Account

SECOND = 1_000_000_000
T0 = 1_764_000_000


def trade_row(number: int, **changes: Any) -> dict[str, Any]:
    row = {
        "ordertxid": f"O{number}",
        "pair": "XXBTZUSD",
        "time": T0 + number + 0.123456,
        "type": "buy",
        "ordertype": "limit",
        "price": "50000.1",
        "cost": "5.00001",
        "fee": "0.0000004",
        "vol": "0.00010000",
        "misc": "",
    }
    return row | changes


def order_row(number: int, oflags: str = "fcib") -> dict[str, Any]:
    return {"cl_ord_id": f"abrun01{number}-11", "oflags": oflags, "status": "closed"}


def paged(key: str, rows: dict[str, dict[str, Any]], *, count: bool = True) -> Any:
    """A list as the venue pages it: fifty at a time, newest first."""

    def answer(params: Any) -> Any:
        start = int(params["ofs"])
        items = list(reversed(rows.items()))[start : start + 50]
        return {key: dict(items)} | ({"count": len(rows)} if count else {})

    return answer


def orders_of(oflags: str = "fcib") -> Any:
    def answer(params: Any) -> Any:
        return {one: order_row(int(one[1:]), oflags) for one in params["txid"].split(",")}

    return answer


async def test_balances_are_told_to_the_last_digit_and_by_our_names() -> None:
    account = Account()
    entry = {"balance": "1.1000000000000000000001", "hold_trade": "0.1"}
    account.say(BalanceEx={"XXBT": entry, "XXDG": {"balance": "7"}, "XBT.F": {"balance": "2"}})
    found = await account.reads.balances()
    assert {asset: (one.total, one.held) for asset, one in found.items()} == {
        "BTC": (Decimal("1.1000000000000000000001"), Decimal("0.1")),
        "DOGE": (Decimal(7), Decimal(0)),
        "XBT.F": (Decimal(2), Decimal(0)),  # lent out: not what an order could spend
    }
    assert found["BTC"].free == Decimal("1.0000000000000000000001")


async def test_an_asset_that_is_not_listed_keeps_its_code_and_is_noted() -> None:
    account = Account()
    account.say(BalanceEx={"XNEW": {"balance": "5", "hold_trade": "0"}})
    assert set(await account.reads.balances()) == {"XNEW"}
    assert account.reads.names.unlisted == {"XNEW"}


@pytest.mark.parametrize("amount", [1.5, True, None, "", "NaN", "Infinity", "1e99", "one", [1]])
async def test_what_is_no_exact_amount_is_no_balance(amount: Any) -> None:
    account = Account()
    account.say(BalanceEx={"XXBT": {"balance": amount, "hold_trade": "0"}})
    with pytest.raises(FrameError):
        await account.reads.balances()


async def test_fees_come_as_fractions_by_symbol_and_unlisted_markets_are_left_out() -> None:
    account = Account()
    account.say(TradeVolume={"fees": {"XXBTZUSD": {"fee": "0.2600"}}})
    assert await account.reads.fees(["BTC/USD", "NO/SUCH"]) == {"BTC/USD": Decimal("0.0026")}
    assert await account.reads.fees(["NO/SUCH"]) == {}


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ({"currency": "ZUSD", "volume": "12345.6789"}, (Decimal("12345.6789"), "USD")),
        ({"volume": "0.0000"}, (Decimal("0.0000"), "USD")),
        *(({"volume": odd}, (None, "USD")) for odd in ("much", None, "-1", "NaN", 1.5)),
        ({}, (None, "USD")),
    ],
)
async def test_the_volume_behind_fees_is_told_or_is_not(
    told: dict[str, Any], wanted: tuple[Decimal | None, str]
) -> None:
    account = Account()
    account.say(TradeVolume=told | {"fees": {"XXBTZUSD": {"fee": "0.2600"}}})
    found = await account.reads.standing(["BTC/USD"])
    assert found.fees == {"BTC/USD": Decimal("0.0026")}
    assert (found.volume, found.currency) == wanted


def volume_without(gone: set[str], asked: list[str]) -> Callable[[Any], Any]:
    """TradeVolume of a venue that knows all markets but these, and what it was asked."""

    def answer(params: Any) -> Any:
        names = params["pair"].split(",")
        asked.append(params["pair"])
        if gone & set(names):
            raise VenueRefused("EQuery:Unknown asset pair")
        return {"fees": {name: {"fee": "0.2600"} for name in names}}

    return answer


async def test_a_market_that_the_venue_took_off_its_list_does_not_hide_the_fees_of_others() -> None:
    """It refuses the whole question for one name, and a doubt of the others would never end."""
    gone, asked = {"XETHXXBT"}, list[str]()
    account = Account()
    account.say(TradeVolume=volume_without(gone, asked))
    symbols = ["BTC/USD", "ETH/BTC"]
    assert await account.reads.fees(symbols) == {"BTC/USD": Decimal("0.0026")}
    assert asked == ["XXBTZUSD,XETHXXBT", "XETHXXBT", "XXBTZUSD"]

    assert await account.reads.fees(symbols) == {"BTC/USD": Decimal("0.0026")}
    assert asked[3:] == ["XXBTZUSD"], "what is gone is not looked for again"

    gone.add("XXBTZUSD")
    for _ in range(2):
        with pytest.raises(FrameError):
            await account.reads.fees(symbols)
    assert asked[4:] == ["XXBTZUSD"]


async def test_many_markets_that_are_gone_are_found_out_over_several_questions() -> None:
    account, asked = Account(), list[str]()
    await account.reads.learn()
    symbols = [f"C{number}/USD" for number in range(50)]
    for known in (account.reads.names.pairs, account.reads.names.symbols):
        known.update({symbol: symbol for symbol in symbols})
    gone = set(symbols[::5])

    account.say(TradeVolume=volume_without(gone, asked))
    for _ in range(5):
        with contextlib.suppress(VenueRefused):
            assert set(await account.reads.fees(symbols)) == set(symbols) - gone
            break
        assert len(asked) <= MANY_PARTS + 6, "and the halves that were put off until then"
        asked.clear()
    else:
        pytest.fail("no answer after 150 questions")
    asked.clear()
    assert set(await account.reads.fees(symbols)) == set(symbols) - gone
    assert len(asked) == 1


async def test_of_a_fee_told_twice_the_dearer_counts_and_what_was_not_asked_is_left_out() -> None:
    account = Account()
    told = {"XXBTZUSD": {"fee": "0.40"}, "XBTUSD": {"fee": "0.10"}, "XETHXXBT": {"fee": "0.40"}}
    account.say(TradeVolume={"fees": told})
    assert await account.reads.fees(["BTC/USD"]) == {"BTC/USD": Decimal("0.0040")}


@pytest.mark.parametrize("percent", ["100", "26", "10.01", "-0.01", "NaN", "1e9"])
async def test_a_fee_that_is_none_is_no_answer(percent: str) -> None:
    account = Account()
    account.say(TradeVolume={"fees": {"XXBTZUSD": {"fee": percent}}})
    with pytest.raises(FrameError):
        await account.reads.fees(["BTC/USD"])


@pytest.mark.parametrize("count", [True, False])
async def test_trades_are_read_to_the_last_page(count: bool) -> None:
    account = Account()
    rows = {f"T{number}": trade_row(number) for number in range(123)}
    account.say(TradesHistory=paged("trades", rows, count=count), QueryOrders=orders_of())
    found = await account.reads.trades_since(T0 * SECOND)
    assert [one.trade_id for one in found] == [f"T{number}" for number in range(123)]
    first = found[0]
    assert (first.order_id, first.client_id) == ("O0", "abrun010-11")
    assert (first.symbol, first.side) == ("BTC/USD", Side.BUY)
    assert first.cost == Decimal("5.00001")
    assert first.fees == (("BTC", Decimal("0.0000004")),)
    assert first.at_ns == T0 * SECOND + 123_456_000


async def test_each_fill_is_asked_for_by_itself_and_not_the_sum_of_a_taker_order() -> None:
    account = Account()
    account.say(TradesHistory=paged("trades", {"T1": trade_row(1)}), QueryOrders=orders_of())
    account.say(Ledgers={"ledger": {}, "count": 0})
    await account.reads.trades_since(T0 * SECOND)
    await account.reads.flows_since(T0 * SECOND)
    asked = {name: params.get("consolidate_taker") for name, params, _ in account.private.asked}
    assert asked == {"TradesHistory": "false", "QueryOrders": "false", "Ledgers": None}


async def test_a_page_that_moves_while_it_is_read_loses_nothing() -> None:
    account = Account()
    rows = {f"T{number}": trade_row(number) for number in range(120)}

    def growing(params: Any) -> Any:
        number = len(rows)
        rows[f"T{number}"] = trade_row(number)  # one more trade between two pages
        return paged("trades", rows)(params)

    account.say(TradesHistory=growing, QueryOrders=orders_of())
    found = {one.trade_id for one in await account.reads.trades_since(T0 * SECOND)}
    assert {f"T{number}" for number in range(120)} <= found


async def test_pages_that_repeat_themselves_are_no_answer() -> None:
    account = Account()
    account.say(TradesHistory={"trades": {"T1": trade_row(1)}, "count": 99})
    with pytest.raises(FrameError, match="1 rows of the 99"):
        await account.reads.trades_since(0)


async def test_what_happened_at_the_very_start_of_the_window_is_there() -> None:
    account = Account()
    account.say(TradesHistory=paged("trades", {"T5": trade_row(5)}), QueryOrders=orders_of())
    since_ns = (T0 + 5) * SECOND + 123_456_000
    assert len(await account.reads.trades_since(since_ns)) == 1
    assert len(await account.reads.trades_since(since_ns + 1_001)) == 0
    asked = Decimal(account.private.asked[0][1]["start"])
    assert asked * SECOND < since_ns  # the venue leaves out the start itself


@pytest.mark.parametrize(("oflags", "asset"), [("fcib", "BTC"), ("nompp,fciq", "USD")])
async def test_the_fee_is_in_the_asset_that_the_order_asked_for(oflags: str, asset: str) -> None:
    account = Account()
    account.say(TradesHistory=paged("trades", {"T1": trade_row(1)}), QueryOrders=orders_of(oflags))
    (found,) = await account.reads.trades_since(0)
    assert [name for name, _ in found.fees] == [asset]


@pytest.mark.parametrize("oflags", ["", "post", "fcib,fciq"])
async def test_a_fee_whose_asset_is_not_told_is_not_guessed(oflags: str) -> None:
    account = Account()
    rows = {"T1": trade_row(1)}
    account.say(TradesHistory=paged("trades", rows), QueryOrders=orders_of(oflags))
    with pytest.raises(FrameError, match="which asset paid"):
        await account.reads.trades_since(0)
    rows["T1"]["fee"] = "0.00000"
    (found,) = await account.reads.trades_since(0)
    assert found.fees == ()


@pytest.mark.parametrize(
    "bent",
    [
        {"vol": 0.1},
        {"vol": "0"},
        {"vol": "-1"},
        {"price": None},
        {"cost": "x"},
        {"fee": 0.1},
        {"type": "short"},
        {"type": ["buy"]},
        {"type": {"value": "buy"}},
        {"time": "1e999999"},
        {"time": "1e900000"},  # a moment's work, not a million digits
        {"pair": "NOPAIR"},
        {"pair": None},
        {"time": "now"},
        {"time": None},
        {"ordertxid": 7},
    ],
)
async def test_a_trade_that_makes_no_sense_is_not_believed(bent: dict[str, Any]) -> None:
    account = Account()
    account.say(
        TradesHistory=paged("trades", {"T1": trade_row(1, **bent)}), QueryOrders=orders_of()
    )
    with pytest.raises(FrameError):
        await account.reads.trades_since(0)


@pytest.mark.parametrize(
    "said",
    [
        None,
        [],
        "text",
        {},
        {"trades": []},
        {"trades": {"T1": "row"}, "count": 1},
        {"trades": {"T1": None}},
    ],
)
async def test_a_body_of_another_shape_is_a_frame_error_and_nothing_worse(said: Any) -> None:
    account = Account()
    account.say(TradesHistory=said, BalanceEx=said, OpenOrders=said, TradeVolume=said, Ledgers=said)
    for ask in (
        account.reads.trades_since(0),
        account.reads.flows_since(0),
        account.reads.open_orders(),
        account.reads.fees(["BTC/USD"]),
    ):
        with pytest.raises(FrameError):
            await ask


async def test_flows_are_net_of_their_fee_and_those_of_a_trade_name_it() -> None:
    account = Account()
    row = {"refid": "R", "aclass": "currency", "balance": "9"}
    rows = {
        "L1": row | {"time": T0, "type": "trade", "asset": "ZUSD", "amount": "-5", "fee": "0"},
        "L2": row
        | {"time": T0 + 1, "type": "deposit", "asset": "ZUSD", "amount": "10", "fee": "1"},
        "L3": row
        | {"time": T0 + 2, "type": "withdrawal", "asset": "XXBT", "amount": "-2", "fee": "0.1"},
    }
    account.say(Ledgers=paged("ledger", rows))
    assert await account.reads.flows_since(T0 * SECOND) == [
        Flow("L1", "USD", Decimal(-5), "trade", T0 * SECOND, "R", 4),
        Flow("L2", "USD", Decimal(9), "deposit", (T0 + 1) * SECOND, "", 4),
        Flow("L3", "BTC", Decimal("-2.1"), "withdrawal", (T0 + 2) * SECOND, "", 10),
    ]


async def test_what_happened_is_counted_in_three_questions_however_much_it_is() -> None:
    account = Account()
    account.say(
        TradesHistory={"trades": {}, "count": 300},
        Ledgers=lambda asked: {"ledger": {}, "count": 900 if "type" in asked else 902},
    )
    assert await account.reads.counts(T0 * SECOND, (T0 + 9) * SECOND) == Counts(300, 2)
    window = {"start": f"{T0}.000000", "end": f"{T0 + 9}.000000"}
    assert [(name, params) for name, params, _ in account.private.asked] == [
        ("TradesHistory", window | {"consolidate_taker": "false"}),
        ("Ledgers", window),
        ("Ledgers", window | {"type": "trade"}),
    ]


@pytest.mark.parametrize("count", [None, "3", 3.0, True, -1])
async def test_a_list_that_does_not_say_how_long_it_is_counts_nothing(count: Any) -> None:
    account = Account()
    account.say(TradesHistory={"trades": {}, "count": count}, Ledgers={"ledger": {}, "count": 0})
    with pytest.raises(FrameError, match="is no count"):
        await account.reads.counts(0, SECOND)


async def test_open_orders_are_all_of_them_even_of_a_market_that_is_no_longer_listed() -> None:
    account = Account()
    mine = {
        "cl_ord_id": "abrun011-11",
        "status": "open",
        "opentm": T0,
        "descr": {"pair": "XBTUSD"},
        "vol_exec": "0.5",
    }
    theirs = {"status": "pending", "opentm": T0, "descr": {"pair": "OLDUSD"}, "vol_exec": "0"}
    account.say(OpenOrders={"open": {"O1": mine, "O2": theirs}})
    first, second = await account.reads.open_orders()
    assert (first.client_id, first.symbol, first.open) == ("abrun011-11", "BTC/USD", True)
    assert first.filled_qty == Decimal("0.5")
    assert (second.client_id, second.symbol, second.open) == ("", "OLDUSD", True)


@pytest.mark.parametrize("status", [None, ["open"], {"value": "open"}, ""])
async def test_an_order_without_a_status_in_words_is_no_answer(status: Any) -> None:
    account = Account()
    order = {"status": status, "opentm": T0, "descr": {"pair": "XBTUSD"}, "vol_exec": "0.5"}
    account.say(OpenOrders={"open": {"O1": order}})
    with pytest.raises(FrameError):
        await account.reads.open_orders()


async def test_the_venues_whole_seconds_bound_its_clock() -> None:
    account = Account()
    account.public.unixtime = account.clock.now_ns // SECOND + 7
    found = await account.reads.clock_offset()
    assert abs(found.offset_ns - 7 * SECOND) <= found.uncertainty_ns
    assert found.uncertainty_ns >= SECOND // 2
    account.public.unixtime = "soon"
    with pytest.raises(FrameError):
        await account.reads.clock_offset()


async def test_the_venues_names_are_asked_for_once() -> None:
    account = Account()
    account.say(BalanceEx={})
    await account.reads.balances()
    await account.reads.balances()
    assert account.public.asked == ["publicGetAssets", "publicGetAssetPairs"]
