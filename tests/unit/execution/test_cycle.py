"""What a cycle has, what that pays for, and what is dust."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from arbit.domain.cycle import CycleState, Policy
from arbit.domain.order import OrderState
from arbit.domain.records import Memory
from arbit.domain.triangle import Side
from arbit.execution.cycle import Cycle, WorkingOrder, affordable, all_dust, cycles_of, is_dust
from tests.unit.execution.steps_world import (
    HOME,
    MARKETS,
    PLAN,
    at,
    done,
    fresh,
    id_of,
    order_of,
    parallel,
    trade_of,
)
from tests.unit.sizing_world import market

D = Decimal
BUY, SELL = PLAN[0].leg, PLAN[2].leg  # BTC with USD, ETH for USD
FINE = market("BTC/USD", qty_increment=D("0.00000001"), qty_min=D(0), cost_min=D(0))


# --- affordable ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("funds", "limit", "qty"),
    [
        ("150", "100", "1.500"),
        ("150.0999", "100", "1.500"),  # whole lots, rounded down
        ("150.1", "100", "1.501"),
        ("0.1", "100", "0.001"),
        ("0.0999", "100", None),
        ("0", "100", None),
        ("-1", "100", None),
        ("150", "0", None),
        ("150", "-1", None),
    ],
)
def test_a_buy_pays_for_whole_lots_at_its_limit(funds: str, limit: str, qty: str | None) -> None:
    found = affordable(BUY, D(funds), D(limit), MARKETS["BTC/USD"])
    assert found == (None if qty is None else D(qty))


@pytest.mark.parametrize(("funds", "qty"), [("15.0009", "15"), ("0.001", "0.001"), ("0.0009", "")])
def test_a_sell_sells_whole_lots_of_what_is_there(funds: str, qty: str) -> None:
    found = affordable(SELL, D(funds), D(11), MARKETS["ETH/USD"])
    assert found == (D(qty) if qty else None)


def test_a_sell_keeps_nothing_over() -> None:
    """Only a buy is held for at digits of the venue's own."""
    assert affordable(HOME, D("1.00000001"), D("99.99"), FINE) == D("1.00000001")


@pytest.mark.parametrize(
    ("funds", "qty"),
    [
        # 1.00000099 would cost 100.000099, which the venue holds as 100.0001: more than there is.
        ("100.000099", "0.99999098"),
        ("100.0001", "1.00000100"),  # a whole coarsest unit: nothing is kept over
        ("100.00005", "0.99999049"),
        ("0.0001", "0.000001"),
    ],
)
def test_a_buy_that_needs_its_last_digit_leaves_a_hundred_thousandth_over(
    funds: str, qty: str
) -> None:
    found = affordable(BUY, D(funds), D(100), FINE)
    assert found == D(qty)


def test_what_an_amount_pays_for_is_never_rounded_up() -> None:
    """A division that does not end: its sixtieth digit one up would be beyond the funds."""
    tiny = replace(FINE, qty_increment=D(1).scaleb(-59))
    assert affordable(BUY, D(20_000), D(30_000), tiny) == D("0." + 59 * "6")


def test_a_lot_that_is_not_paid_for_is_not_affordable_where_there_are_no_minima() -> None:
    assert affordable(BUY, D("0.0000001"), D(100), FINE) is None
    assert affordable(HOME, D("0.000000001"), D(100), FINE) is None


@pytest.mark.parametrize(("most", "qty"), [("1", "1"), ("1.0009", "1"), ("2", "1.5"), ("0", None)])
def test_it_is_bounded_by_what_was_planned_in_whole_lots(most: str, qty: str | None) -> None:
    found = affordable(BUY, D(150), D(100), MARKETS["BTC/USD"], most=D(most))
    assert found == (None if qty is None else D(qty))


@pytest.mark.parametrize(
    ("facts", "enough"),
    [
        ({"qty_min": D("1.5")}, True),
        ({"qty_min": D("1.501")}, False),
        ({"cost_min": D(150)}, True),
        ({"cost_min": D("150.01")}, False),
        ({"qty_min": D(0), "cost_min": D(0)}, True),
        ({"qty_increment": None}, False),
        ({"qty_min": None}, False),
        ({"cost_min": None}, False),
    ],
)
def test_below_a_minimum_or_without_one_nothing_is_affordable(
    facts: dict[str, Decimal | None], enough: bool
) -> None:
    found = affordable(BUY, D(150), D(100), market("BTC/USD", **facts))
    assert found == (D("1.5") if enough else None)


# --- dust ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "dust"), [("0", True), ("0.0009", True), ("0.001", False), ("5", False)]
)
def test_dust_is_what_cannot_be_traded(amount: str, dust: bool) -> None:
    assert is_dust(SELL, D(amount), D(11), MARKETS) is dust


@pytest.mark.parametrize("fact", ["qty_increment", "qty_min", "cost_min", ""])
@pytest.mark.parametrize(("amount", "dust"), [("0", True), ("0.0001", False)])
def test_where_a_fact_is_missing_only_nothing_is_dust(fact: str, amount: str, dust: bool) -> None:
    markets = {"ETH/USD": market("ETH/USD", **{fact: None})} if fact else {}
    assert is_dust(SELL, D(amount), D(11), markets) is dust


def left(eth: str, btc: str = "0") -> Cycle:
    """A finished chain that has kept so much ETH and BTC over, or owes it."""
    first, second = D("1.5") + D(btc), D(15) + D(eth)
    trades = [trade_of(1, str(first)), replace(trade_of(2, str(second)), cost=D("1.5"))]
    orders = [order_of(i + 1, OrderState.FILLED, [one]) for i, one in enumerate(trades)]
    return at(3, *orders, done(3), sent=False)


@pytest.mark.parametrize(
    ("eth", "btc", "dust"),
    [
        ("0", "0", True),
        ("0.0009", "0.00009", True),
        ("-0.0009", "-0.00009", True),
        ("0.001", "0", False),
        ("-0.001", "0", False),  # owed: it could be bought back
        ("0", "0.001", False),  # to sell for USD, if not to buy ETH with
        ("0", "-0.001", False),
        ("1", "0", False),
    ],
)
def test_all_is_dust_when_no_market_of_the_cycle_takes_any_of_it(
    eth: str, btc: str, dust: bool
) -> None:
    assert all_dust(left(eth, btc), MARKETS) is dust


def test_what_one_market_no_longer_takes_another_may() -> None:
    coarse = MARKETS | {"ETH/USD": market("ETH/USD", qty_min=D(5))}
    assert not all_dust(left("1"), coarse)  # ETH/BTC takes it
    both = coarse | {"ETH/BTC": market("ETH/BTC", qty_min=D(5))}
    assert all_dust(left("1"), both)


def test_the_start_asset_is_never_what_is_left() -> None:
    assert all_dust(at(3, done(3), done(2), done(1), sent=False), MARKETS)
    assert all_dust(fresh(), MARKETS), "of a cycle that has moved nothing, nothing is left"


# --- what it is and has --------------------------------------------------------------------------


def test_a_cycle_names_its_assets_and_the_most_it_stakes() -> None:
    cycle = fresh()
    assert (cycle.cycle_id, cycle.start, cycle.assets) == ("c1", "USD", ("USD", "BTC", "ETH"))
    assert cycle.stake == 150
    bare = Cycle(cycle.record)
    assert (bare.orders, bare.plans, bare.recovering) == ((), 0, False)
    assert WorkingOrder(order_of(1, OrderState.SENT).record).trades == ()
    first = replace(PLAN[2], qty=D(7))
    assert cycle.with_record(plan=(first, PLAN[0], PLAN[1])).stake == 7
    assert not cycle.parallel
    assert fresh(Policy.PARALLEL).parallel


def test_it_has_what_its_trades_moved_fees_included() -> None:
    cycle = at(2, done(1, fee="0.0015"), sent=False)
    assert cycle.moved() == {"USD": D(-150), "BTC": D("1.4985")}
    assert (cycle.has("BTC"), cycle.has("ETH")) == (D("1.4985"), D(0))
    assert cycle.left_behind() == "1.4985 BTC"
    assert at(3, done(1), done(2), sent=False).moved() == {
        "USD": D(-150),
        "BTC": D(0),
        "ETH": D(15),
    }


def test_what_is_left_behind_is_told_by_name_and_debts_too() -> None:
    cycle = parallel(done(2), done(1, "0.5"))
    assert cycle.left_behind() == "-1.00 BTC, 15 ETH"
    assert fresh().left_behind() == ""


@pytest.mark.parametrize(
    ("digits", "surely"), [(None, "1.4985"), (4, "1.4985"), (3, "1.498"), (2, "1.49"), (0, "0")]
)
def test_what_is_surely_there_is_each_figure_rounded_against_us(
    digits: int | None, surely: str
) -> None:
    assert at(2, done(1, fee="0.0015"), sent=False).surely("BTC", digits) == D(surely)


def test_base_and_quote_are_known_from_either_side_of_a_market() -> None:
    sold = at(1, done(0), sent=False)
    assert sold.moved() == {"BTC": D(-1), "USD": D(99)}
    assert sold.orders[0].record.intent.leg.side is Side.SELL
    assert sold.surely("USD", 0) == 99


def test_orders_are_found_by_id_leg_and_state() -> None:
    out, unknown, home = (
        order_of(2, OrderState.ACKED),
        order_of(3, OrderState.UNKNOWN),
        order_of(0, OrderState.SENT),
    )
    cycle = parallel(done(1), out, unknown, home)
    assert cycle.open_orders == (out, unknown, home)
    assert cycle.unknown_orders == (unknown,)
    assert cycle.traded
    assert not parallel(out).traded
    assert cycle.order(id_of(3)) is unknown
    assert cycle.order("nobody's") is None
    assert cycle.leg_order(2) is out
    assert parallel(home).leg_order(1) is None
    assert parallel(home).leg_order(0) is None, "an order home is no leg"
    assert (cycle.unwinds, parallel(out).unwinds) == (1, 0)


def test_an_order_has_filled_what_its_trades_add_up_to() -> None:
    trades = [trade_of(1, "0.5"), trade_of(1, "0.25", "T-2")]
    order = order_of(1, OrderState.PARTIAL, trades)
    assert (order.client_id, order.filled_qty, order.over) == (id_of(1), D("0.75"), True)
    assert not order_of(1, OrderState.SENT).over


def test_a_step_changes_what_it_says_and_keeps_the_rest() -> None:
    record = replace(
        fresh().record,
        ended_ns=7,
        resumes=CycleState.LEG_2,
        profit=D(3),
        profit_ref=D(4),
        detail="so far",
        prices={"home": "1"},
    )
    cycle = Cycle(record, (done(1),), plans=3, recovering=True)
    moved_on = cycle.in_state(CycleState.HELD)
    assert moved_on == replace(cycle, record=replace(record, state=CycleState.HELD))
    assert cycle.with_record(detail="x") == replace(cycle, record=replace(record, detail="x"))
    both = cycle.with_order(order_of(2, OrderState.SENT))
    assert both == replace(cycle, orders=(done(1), order_of(2, OrderState.SENT)))
    again = both.with_order(done(2))
    assert again == replace(cycle, orders=(done(1), done(2)))


def test_cycles_are_made_again_from_what_was_kept_of_them() -> None:
    first = replace(fresh().record, prices={"1.chosen": "on", "2.way.chosen": "home", "2.on": "-3"})
    other = replace(first, cycle_id="c2", prices={})
    mine, theirs = done(1), done(2)
    memory = Memory(
        cycles=(first, other),
        orders=(mine.record, replace(theirs.record, cycle_id="c2")),
        trades=(*mine.trades, *theirs.trades, trade_of(1, "0.1", "T-9")),
    )
    one, two = cycles_of(memory)
    assert one == Cycle(
        first, (replace(mine, trades=(*mine.trades, trade_of(1, "0.1", "T-9"))),), plans=2
    )
    assert two.record == other
    assert [order.client_id for order in two.orders] == [id_of(2)]
    assert two.orders[0].trades == theirs.trades
    assert (two.plans, two.recovering) == (0, False)


# --- whose a trade is ----------------------------------------------------------------------------


def test_a_trade_is_of_the_order_with_our_id_and_by_the_venues_only_where_it_tells_no_other() -> (
    None
):
    orders = [order_of(index, OrderState.SENT) for index in (1, 2)]
    first, second = (
        replace(one, record=replace(one.record, order_id=f"O-{n}"))
        for n, one in enumerate(orders, start=1)
    )
    cycle, trade = parallel(first, second), trade_of(2, "1")
    assert cycle.order_of(trade) is second
    assert cycle.order_of(replace(trade, client_id="")) is second
    assert cycle.order_of(replace(trade, client_id="", order_id="O-hand")) is None
    assert cycle.order_of(replace(trade, client_id="ab-9")) is None, "our other id is not ours"
