"""Orders and cycles as values and tables. The rows below are this test's own, in its own words."""

from __future__ import annotations

from decimal import Decimal
from itertools import product

import pytest

from arbit.domain.cycle import CYCLE_TABLE, CycleHappening, CycleState, Policy
from arbit.domain.order import (
    ORDER_TABLE,
    Fill,
    OrderHappening,
    OrderIntent,
    OrderReport,
    OrderState,
    Outcome,
    Remedy,
    Trade,
    end_of,
    happening_of,
    total,
)
from arbit.domain.states import IllegalTransition
from arbit.domain.triangle import Leg, Side

D = Decimal
BUY = Leg("BTC/USD", Side.BUY, "USD", "BTC")
SELL = Leg("BTC/USD", Side.SELL, "BTC", "USD")

ORDERS = """
planned: send sent
sent: ack acked, reject rejected, lose unknown, restart unknown
acked: fill_all filled, fill_part partial, fill_none empty, lose unknown, restart unknown
unknown: ack acked, reject rejected, fill_all filled, fill_part partial, fill_none empty
unknown: find_never never, restart unknown
filled: late_fill_all filled
partial: late_fill partial, late_fill_all filled
empty: late_fill partial, late_fill_all filled
rejected: late_fill partial, late_fill_all filled
never: late_fill partial, late_fill_all filled
"""
CYCLES = """
ready: start leg_1, start_parallel legs, nothing flat, kill flat
leg_1: next_leg leg_2, complete done, nothing flat, short unwinding, doubt resolving, kill held
leg_2: next_leg leg_3, complete done, short unwinding, doubt resolving, kill held
leg_3: complete done, short unwinding, doubt resolving, kill held
legs: complete done, nothing flat, short unwinding, doubt resolving, kill held
resolving: back_to_leg_1 leg_1, back_to_leg_2 leg_2, back_to_leg_3 leg_3, back_to_legs legs
resolving: back_to_unwinding unwinding, kill held
unwinding: home unwound, stuck held, doubt resolving, kill held
done: late_fill held
flat: late_fill held
unwound: late_fill held
held: late_fill held
"""


def rows(text: str) -> set[tuple[str, str, str]]:
    """`state: happening following, ...` as rows."""
    found = set()
    for line in text.strip().splitlines():
        state, _, steps = line.partition(": ")
        for step in steps.split(", "):
            happening, _, following = step.partition(" ")
            found.add((state, happening, following))
    return found


def test_the_tables_have_these_rows_and_no_others() -> None:
    assert {(str(a), str(b), str(c)) for a, b, c in ORDER_TABLE.rows()} == rows(ORDERS)
    assert {(str(a), str(b), str(c)) for a, b, c in CYCLE_TABLE.rows()} == rows(CYCLES)
    assert (ORDER_TABLE.name, ORDER_TABLE.start.value) == ("order", "planned")
    assert (CYCLE_TABLE.name, CYCLE_TABLE.start.value) == ("cycle", "ready")


def test_what_has_no_row_cannot_happen_and_says_so() -> None:
    known = {(state, happening): after for state, happening, after in rows(ORDERS)}
    for state, happening in product(OrderState, OrderHappening):
        after = known.get((state.value, happening.value))
        assert ORDER_TABLE.allows(state, happening) == (after is not None)
        if after is not None:
            assert ORDER_TABLE.after(state, happening).value == after
            continue
        words = f"order: {happening.value} cannot happen in {state.value}"
        with pytest.raises(IllegalTransition, match=f"^{words}$"):
            ORDER_TABLE.after(state, happening)


def test_a_diagram_joins_what_leads_from_one_state_to_another() -> None:
    lines = CYCLE_TABLE.diagram().splitlines()
    assert lines[:3] == ["stateDiagram-v2", "    [*] --> ready", "    ready --> leg_1: start"]
    assert "    ready --> flat: nothing, kill" in lines
    assert len(lines) == 2 + len({(a, c) for a, _, c in rows(CYCLES)})


def test_the_words_that_are_kept_are_these() -> None:
    """The journal and the metrics hold them: a word that changes is a column nobody can read."""
    told = {kind: " ".join(kind) for kind in (OrderState, CycleState, Policy, Remedy)}
    assert told == {
        OrderState: "planned sent acked unknown filled partial empty rejected never",
        CycleState: "ready leg_1 leg_2 leg_3 legs resolving unwinding done flat unwound held",
        Policy: "sequential parallel",
        Remedy: "none back_off lockout halt resync status",
    }
    assert {one.value for one in OrderHappening} == {b for _, b, _ in rows(ORDERS)}
    assert {one.value for one in CycleHappening} == {b for _, b, _ in rows(CYCLES)}


def test_these_states_are_ends() -> None:
    ended = [one.value for one in OrderState if one.over]
    assert ended == ["filled", "partial", "empty", "rejected", "never"]
    assert [one.value for one in CycleState if one.over] == ["done", "flat", "unwound", "held"]


@pytest.mark.parametrize(
    ("state", "happening"),
    [
        ("acked", "ack"),
        ("rejected", "reject"),
        ("unknown", "lose"),
        ("filled", "fill_all"),
        ("partial", "fill_part"),
        ("empty", "fill_none"),
        ("never", "find_never"),
    ],
)
def test_each_state_of_an_outcome_stands_for_what_happened(state: str, happening: str) -> None:
    assert happening_of(OrderState(state)).value == happening


@pytest.mark.parametrize("state", [OrderState.PLANNED, OrderState.SENT])
def test_no_outcome_says_that_an_order_has_yet_to_leave(state: OrderState) -> None:
    with pytest.raises(KeyError):
        happening_of(state)


# --- amounts -------------------------------------------------------------------------------------


def intent(leg: Leg) -> OrderIntent:
    return OrderIntent("ab-1", leg, D("1.5"), D(100), D("0.001"))


def test_an_order_takes_and_brings_at_most_this() -> None:
    assert (intent(BUY).most_spent, intent(BUY).most_received) == (D(150), D("1.5"))
    assert (intent(SELL).most_spent, intent(SELL).most_received) == (D("1.5"), D(150))
    assert intent(BUY).deadline_ns == 0


def trade(side: Side, *fees: tuple[str, Decimal], qty: str = "1.5") -> Trade:
    named = ("T1", "O1", "ab-1", "BTC/USD", side)
    return Trade(*named, D(qty), D(100), D("150.01"), fees, 7)


def test_a_trade_moves_base_and_quote_and_then_each_fee() -> None:
    fees = (("BTC", D("0.1")), ("KFEE", D(2)))
    assert trade(Side.BUY, *fees).moves("BTC", "USD") == (
        ("BTC", D("1.5")),
        ("USD", D("-150.01")),
        ("BTC", D("-0.1")),
        ("KFEE", D(-2)),
    )
    assert trade(Side.SELL).moves("BTC", "USD") == (("BTC", D("-1.5")), ("USD", D("150.01")))


@pytest.mark.parametrize(
    ("parts", "state"),
    [
        ((), "empty"),
        (("0",), "empty"),
        (("0.00000001",), "partial"),
        (("1", "0.4"), "partial"),
        (("1", "0.5"), "filled"),
        (("1", "0.6"), "filled"),
    ],
)
def test_an_order_that_is_over_ended_by_what_it_traded(parts: tuple[str, ...], state: str) -> None:
    trades = [trade(Side.BUY, qty=part) for part in parts]
    assert end_of(D("1.5"), trades).value == state


def test_a_sum_is_exact() -> None:
    small, large = D("0.000000000000000000000001"), D(10) ** 20
    assert total([large, small, D(-1)]) == D("99999999999999999999.000000000000000000000001")
    assert total([]) == 0


@pytest.mark.parametrize(
    ("leg", "fee_asset", "spent", "received"),
    [
        (BUY, "BTC", "150", "1.499"),
        (BUY, "USD", "150.001", "1.5"),
        (BUY, "KFEE", "150", "1.5"),
        (SELL, "USD", "1.5", "149.999"),
        (SELL, "BTC", "1.501", "150"),
    ],
)
def test_a_report_tells_what_left_and_what_arrived_with_the_fee_where_it_was_taken(
    leg: Leg, fee_asset: str, spent: str, received: str
) -> None:
    fill = Fill(D("1.5"), D(150), D("0.001"), fee_asset)
    report = OrderReport(intent(leg), OrderState.FILLED, 5, fill)
    assert (report.spent, report.received) == (D(spent), D(received))
    nothing = OrderReport(intent(leg), OrderState.EMPTY, 5)
    assert (nothing.spent, nothing.received, nothing.reason) == (D(0), D(0), "")


def test_an_outcome_claims_no_more_than_it_is_told() -> None:
    assert Outcome("ab-1", OrderState.UNKNOWN) == Outcome(
        "ab-1", OrderState.UNKNOWN, (), "", "", Remedy.NONE, None
    )
