"""The two state machines, row by row. The tables below are this test's own, written from the docs.

A row that is missing stops a cycle where it stands; one that leads elsewhere, or that should not
be there, sends what must not be sent.
"""

from __future__ import annotations

import pytest

from arbit.domain.cycle import CYCLE_TABLE, CycleHappening, CycleState
from arbit.domain.order import ORDER_TABLE, OrderHappening, OrderState
from arbit.domain.states import IllegalTransition, StateTable

# In each state: what may happen, and where it leads.
ORDERS = {
    "planned": "send sent",
    "sent": "ack acked, reject rejected, lose unknown, restart unknown",
    "acked": "fill_all filled, fill_part partial, fill_none empty, lose unknown, restart unknown",
    "unknown": "ack acked, reject rejected, fill_all filled, fill_part partial, fill_none empty,"
    " find_never never, restart unknown",
    "filled": "late_fill_all filled",
    "partial": "late_fill partial, late_fill_all filled",
    "empty": "late_fill partial, late_fill_all filled",
    "rejected": "late_fill partial, late_fill_all filled",
    "never": "late_fill partial, late_fill_all filled",
}
CYCLES = {
    "ready": "start leg_1, start_parallel legs, nothing flat, kill flat",
    "leg_1": "next_leg leg_2, complete done, nothing flat, short unwinding, doubt resolving,"
    " kill held",
    "leg_2": "next_leg leg_3, complete done, short unwinding, doubt resolving, kill held",
    "leg_3": "complete done, short unwinding, doubt resolving, kill held",
    "legs": "complete done, nothing flat, short unwinding, doubt resolving, kill held",
    "resolving": "back_to_leg_1 leg_1, back_to_leg_2 leg_2, back_to_leg_3 leg_3,"
    " back_to_legs legs, back_to_unwinding unwinding, kill held",
    "unwinding": "home unwound, stuck held, doubt resolving, kill held",
    "done": "late_fill held",
    "flat": "late_fill held",
    "unwound": "late_fill held",
    "held": "late_fill held",
}


def rows(told: dict[str, str]) -> dict[tuple[str, str], str]:
    found = {}
    for state, leads in told.items():
        for one in leads.split(","):
            happening, following = one.split()
            found[state, happening] = following
    return found


@pytest.mark.parametrize("state", list(OrderState))
@pytest.mark.parametrize("happening", list(OrderHappening))
def test_what_may_happen_to_an_order(state: OrderState, happening: OrderHappening) -> None:
    following = rows(ORDERS).get((state.value, happening.value))
    assert ORDER_TABLE.allows(state, happening) is (following is not None)
    if following is not None:
        assert ORDER_TABLE.after(state, happening) is OrderState(following)
        return
    with pytest.raises(IllegalTransition) as caught:
        ORDER_TABLE.after(state, happening)
    assert str(caught.value) == f"order: {happening.value} cannot happen in {state.value}"


@pytest.mark.parametrize("state", list(CycleState))
@pytest.mark.parametrize("happening", list(CycleHappening))
def test_what_may_happen_to_a_cycle(state: CycleState, happening: CycleHappening) -> None:
    following = rows(CYCLES).get((state.value, happening.value))
    assert CYCLE_TABLE.allows(state, happening) is (following is not None)
    if following is not None:
        assert CYCLE_TABLE.after(state, happening) is CycleState(following)
        return
    with pytest.raises(IllegalTransition) as caught:
        CYCLE_TABLE.after(state, happening)
    assert str(caught.value) == f"cycle: {happening.value} cannot happen in {state.value}"


def test_both_machines_begin_where_nothing_has_happened_and_end_where_no_order_follows() -> None:
    assert ORDER_TABLE.start is OrderState.PLANNED
    assert CYCLE_TABLE.start is CycleState.READY
    ends = {"done", "flat", "unwound", "held"}
    assert {state.value for state in CycleState if state.over} == ends


def test_a_machine_is_the_rows_it_was_made_of() -> None:
    made = {(OrderState.SENT, OrderHappening.ACK): OrderState.ACKED}
    table = StateTable("small", OrderState.SENT, made)
    assert (table.name, table.start) == ("small", OrderState.SENT)
    assert list(table.rows()) == [(OrderState.SENT, OrderHappening.ACK, OrderState.ACKED)]
    made.clear()
    assert table.after(OrderState.SENT, OrderHappening.ACK) is OrderState.ACKED


def test_a_machine_is_drawn_with_every_row_and_pairs_that_lead_alike_joined() -> None:
    drawn = ORDER_TABLE.diagram().splitlines()
    assert drawn[:2] == ["stateDiagram-v2", "    [*] --> planned"]
    assert "    sent --> unknown: lose, restart" in drawn
    assert "    planned --> sent: send" in drawn
    pairs = {(state, following) for (state, _), following in rows(ORDERS).items()}
    assert len(drawn) == 2 + len(pairs)
    assert next(ORDER_TABLE.rows()) == (
        OrderState.PLANNED,
        OrderHappening.SEND,
        OrderState.SENT,
    )
