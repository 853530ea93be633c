"""What a cycle does when it was over, when the daemon starts again, and when it is killed."""

from __future__ import annotations

import pytest

from arbit.domain.order import OrderState, end_of
from arbit.execution import steps
from arbit.execution.steps import Close, PlanUnwind, Resolve, Step
from tests.unit.execution.legs import (
    LEG_1,
    LEG_2,
    LEG_3,
    C,
    D,
    S,
    after,
    cycle,
    goes,
    name,
    order,
    outcome,
    trade,
)
from tests.unit.execution.sights import ONLINE

# --- late fills ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("was", "filled", "late", "becomes"),
    [
        (S.EMPTY, "", "1", S.PARTIAL),
        (S.EMPTY, "", "2", S.FILLED),
        (S.REJECTED, "", "0.5", S.PARTIAL),
        (S.NEVER, "", "2", S.FILLED),
        (S.PARTIAL, "1", "0.5", S.PARTIAL),
        (S.PARTIAL, "1", "1", S.FILLED),
        (S.FILLED, "2", "1", S.FILLED),
    ],
)
def test_a_late_fill_always_wins(
    was: OrderState, filled: str, late: str, becomes: OrderState
) -> None:
    ended = order(1, was, filled)
    for state, then in ((C.LEG_2, C.LEG_2), (C.FLAT, C.HELD), (C.DONE, C.HELD), (C.HELD, C.HELD)):
        step = steps.late_fill(cycle(state, ended), trade(1, late, "L1"))
        found = goes(step, then).orders[0]
        assert found.record.state is becomes is end_of(D(2), found.trades)
        assert [one.trade_id for one in found.trades][-1] == "L1"


def test_a_fill_that_is_known_or_nobodys_changes_nothing() -> None:
    one = cycle(C.DONE, LEG_1, LEG_2, LEG_3)
    assert steps.late_fill(one, trade(1, "2")) == Step(one)
    assert steps.late_fill(one, trade(0, "2")) == Step(one)


# --- a restart -----------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [S.SENT, S.ACKED, S.UNKNOWN])
def test_after_a_restart_what_was_on_its_way_is_asked_about(sent: OrderState) -> None:
    step = steps.restarted(cycle(C.LEG_2, LEG_1, order(2, sent)), ONLINE)
    found = goes(step, C.RESOLVING, Resolve((name(2),)))
    assert found.recovering
    assert found.orders[1].record.state is S.UNKNOWN
    assert found.record.resumes is C.LEG_2
    # Never continued: even filled it is brought home.
    goes(after(found, outcome(2, S.FILLED, "20")), C.UNWINDING, PlanUnwind())


def test_after_a_restart_a_cycle_that_was_resolving_goes_on_asking() -> None:
    asked = cycle(C.RESOLVING, LEG_1, order(2, S.UNKNOWN), resumes=C.LEG_2)
    found = goes(steps.restarted(asked, ONLINE), C.RESOLVING, Resolve((name(2),)))
    assert (found.recovering, found.record.resumes) == (True, C.LEG_2)
    known = cycle(C.RESOLVING, LEG_1, order(2, S.EMPTY), resumes=C.LEG_2)
    goes(steps.restarted(known, ONLINE), C.UNWINDING, PlanUnwind())


def test_after_a_restart_what_was_not_begun_is_nothing_and_what_was_done_is_done() -> None:
    goes(steps.restarted(cycle(C.READY), ONLINE), C.FLAT, Close())
    goes(steps.restarted(cycle(C.LEG_1, order(1, S.EMPTY)), ONLINE), C.FLAT, Close())
    whole = cycle(C.LEG_3, LEG_1, LEG_2, LEG_3)
    goes(steps.restarted(whole, ONLINE), C.DONE, Close())
    goes(steps.restarted(cycle(C.LEGS, LEG_1, LEG_2, LEG_3), ONLINE), C.DONE, Close())
    goes(steps.restarted(cycle(C.LEG_1, LEG_1), ONLINE), C.UNWINDING, PlanUnwind())
    dust = cycle(C.LEG_1, order(1, S.PARTIAL, "0.0005"))
    goes(steps.restarted(dust, ONLINE), C.UNWINDING, PlanUnwind())
    short = cycle(C.LEG_3, LEG_1, LEG_2, order(3, S.PARTIAL, "10"))
    goes(steps.restarted(short, ONLINE), C.UNWINDING, PlanUnwind())
    goes(steps.restarted(cycle(C.UNWINDING, LEG_1), ONLINE), C.UNWINDING, PlanUnwind())


def test_after_a_restart_a_cycle_that_was_over_is_closed_once() -> None:
    over = cycle(C.HELD, LEG_1)
    goes(steps.restarted(over, ONLINE), C.HELD, Close())
    goes(steps.restarted(cycle(C.HELD, LEG_1, ended_ns=1), ONLINE), C.HELD)
    asked = cycle(C.HELD, LEG_1, order(2))
    goes(steps.restarted(asked, ONLINE), C.HELD, Resolve((name(2),)))


def test_what_is_found_at_a_restart_of_a_lost_first_leg_ends_it_or_brings_it_home() -> None:
    lost = steps.restarted(cycle(C.LEG_1, order(1)), ONLINE).cycle
    goes(after(lost, outcome(1, S.NEVER)), C.FLAT, Close())
    goes(after(lost, outcome(1, S.FILLED, "2")), C.UNWINDING, PlanUnwind())
    done = steps.restarted(cycle(C.LEG_3, LEG_1, LEG_2, order(3)), ONLINE).cycle
    goes(after(done, outcome(3, S.FILLED, "20")), C.DONE, Close())


# --- how it ends ---------------------------------------------------------------------------------


def test_a_cycle_is_home_or_it_is_held_and_says_why() -> None:
    home = steps.unwound(cycle(C.UNWINDING, LEG_1), home=True, detail="dust is left")
    assert goes(home, C.UNWOUND, Close()).record.detail == "dust is left"
    held = steps.unwound(cycle(C.UNWINDING, LEG_1), home=False, detail="no way")
    assert goes(held, C.HELD, Close()).record.detail == "no way"


def test_a_kill_ends_a_cycle_where_it_is_and_what_is_out_is_learnt() -> None:
    quiet = steps.killed(cycle(C.LEG_2, LEG_1), "switched off")
    assert goes(quiet, C.HELD, Close()).record.detail == "switched off"
    goes(steps.killed(cycle(C.READY), "x"), C.FLAT, Close())
    lost = cycle(C.RESOLVING, LEG_1, order(2, S.UNKNOWN), order(0), resumes=C.LEG_2)
    held = goes(steps.killed(lost, "switched off"), C.HELD)
    assert (held.record.detail, held.record.resumes) == ("switched off", None)
    ask = Resolve((name(2),))
    held = goes(after(held, outcome(2, S.UNKNOWN)), C.HELD, ask)
    held = goes(after(held, outcome(2, S.EMPTY)), C.HELD)
    goes(after(held, outcome(0, S.FILLED, "2")), C.HELD, Close())


def test_a_kill_of_a_cycle_that_is_over_changes_nothing() -> None:
    over = cycle(C.DONE, LEG_1, LEG_2, LEG_3)
    assert steps.killed(over, "switched off") == Step(over)
