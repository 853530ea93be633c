"""Legs at once, and doubt: unknown orders, late fills, restarts, and the kill switch."""

from __future__ import annotations

from dataclasses import replace

import pytest

from arbit.domain.cycle import CycleState as S  # these two are on every line
from arbit.domain.order import OrderState as O
from arbit.domain.order import Outcome
from arbit.execution.cycle import Cycle, WorkingOrder
from arbit.execution.steps import (
    Cancel,
    Close,
    PlanUnwind,
    Resolve,
    SendLeg,
    Step,
    killed,
    late_fill,
    outcome_of,
    restarted,
    resumed,
)
from tests.unit.execution.steps_world import (
    MARKETS,
    D,
    at,
    done,
    fresh,
    id_of,
    order_of,
    parallel,
    said,
    states,
    told,
    trade_of,
    unsaid,
)


def all_sent() -> Cycle:
    return parallel(*(order_of(index, O.SENT) for index in (1, 2, 3)))


def in_state(cycle: Cycle, state: S, **changes: object) -> Cycle:
    return cycle.with_record(state=state, **changes)


def ids(*indices: int) -> tuple[str, ...]:
    return tuple(id_of(index) for index in indices)


# --- all legs at once ----------------------------------------------------------------------------


def test_parallel_legs_that_all_fill_are_done() -> None:
    cycle = all_sent()
    for index in (1, 2):
        step = outcome_of(cycle, said(index), MARKETS)
        assert told(step) == ("legs", ())
        cycle = step.cycle
    assert told(outcome_of(cycle, said(3), MARKETS)) == ("done", (Close(),))


@pytest.mark.parametrize("state", [O.REJECTED, O.EMPTY, O.PARTIAL])
def test_a_parallel_leg_that_falls_short_calls_back_the_others(state: O) -> None:
    trades = (trade_of(2, "1"),) if state is O.PARTIAL else ()
    step = outcome_of(all_sent(), Outcome(id_of(2), state, trades), MARKETS)
    assert told(step) == ("legs", (Cancel(ids(1, 3)),))


def test_parallel_legs_of_which_none_traded_are_flat() -> None:
    cycle = parallel(done(1, "0"), order_of(2, O.REJECTED), order_of(3, O.SENT))
    assert told(outcome_of(cycle, said(3, "0"), MARKETS)) == ("flat", (Close(),))


@pytest.mark.parametrize("orders", [(done(1), done(2)), (done(1), done(2, "14"))])
def test_parallel_legs_that_fell_short_come_home(orders: tuple[WorkingOrder, ...]) -> None:
    cycle = parallel(*orders, order_of(3, O.SENT))
    assert told(outcome_of(cycle, said(3, "14"), MARKETS)) == ("unwinding", (PlanUnwind(),))


def test_parallel_legs_that_all_filled_and_leave_something_come_home() -> None:
    """A fee in what the next leg spends: it was spent from inventory, and is missing there."""
    cycle = parallel(done(1, fee="0.5"), done(2), order_of(3, O.SENT))
    assert told(outcome_of(cycle, said(3), MARKETS)) == ("unwinding", (PlanUnwind(),))


@pytest.mark.parametrize(("index", "filled"), [(1, "1.4999"), (2, "14.9999"), (3, "14.9999")])
def test_parallel_legs_that_leave_only_dust_but_did_not_all_fill_come_home(
    index: int, filled: str
) -> None:
    others = [done(one) for one in (1, 2, 3) if one != index]
    cycle = parallel(*others, order_of(index, O.SENT))
    short = outcome_of(cycle, said(index, filled), MARKETS)
    assert told(short) == ("unwinding", (PlanUnwind(),))


def test_a_parallel_leg_in_doubt_calls_back_what_is_out_and_asks_about_itself() -> None:
    step = outcome_of(all_sent(), unsaid(2), MARKETS)
    assert told(step) == ("resolving", (Cancel(ids(1, 3)), Resolve(ids(2))))
    assert step.cycle.record.resumes is S.LEGS
    assert states(step.cycle) == ["sent", "unknown", "sent"]
    assert step.cycle.orders[1].record.reason == "no reply"


def test_all_that_is_doubtful_is_waited_for_before_parallel_legs_go_on() -> None:
    cycle = outcome_of(all_sent(), unsaid(2), MARKETS).cycle
    cycle = outcome_of(cycle, said(1), MARKETS).cycle
    step = outcome_of(cycle, said(2), MARKETS)
    assert told(step) == ("resolving", ())
    last = outcome_of(step.cycle, said(3), MARKETS)
    assert told(last) == ("done", (Close(),))
    assert last.cycle.record.resumes is None


# --- one leg in doubt ----------------------------------------------------------------------------


@pytest.mark.parametrize("state", [O.UNKNOWN, O.ACKED])
@pytest.mark.parametrize("index", [1, 2, 3])
def test_an_order_that_nobody_can_speak_for_is_asked_about(index: int, state: O) -> None:
    before = [done(one) for one in range(1, index)]
    step = outcome_of(at(index, *before), unsaid(index, state), MARKETS)
    assert told(step) == ("resolving", (Resolve(ids(index)),))
    assert step.cycle.record.resumes is S(f"leg_{index}")
    assert states(step.cycle)[-1] == state.value


@pytest.mark.parametrize(("was", "now"), [(O.UNKNOWN, O.UNKNOWN), (O.ACKED, O.ACKED)])
def test_asked_again_without_news_it_is_asked_about_once_more(was: O, now: O) -> None:
    cycle = outcome_of(at(1), unsaid(1, was), MARKETS).cycle
    step = outcome_of(cycle, unsaid(1, now), MARKETS)
    assert told(step) == ("resolving", (Resolve(ids(1)),))
    assert states(step.cycle) == [now.value]
    assert step.cycle.record.resumes is S.LEG_1


def test_an_accepted_order_may_fall_into_doubt_and_out_of_it() -> None:
    cycle = outcome_of(at(1), unsaid(1, O.ACKED), MARKETS).cycle
    cycle = outcome_of(cycle, unsaid(1, O.UNKNOWN), MARKETS).cycle
    assert states(cycle) == ["unknown"]
    cycle = outcome_of(cycle, unsaid(1, O.ACKED), MARKETS).cycle
    assert states(cycle) == ["acked"]


@pytest.mark.parametrize(
    ("index", "end", "state", "resumes"),
    [
        (1, said(1), "leg_2", None),
        (1, Outcome(id_of(1), O.NEVER), "flat", None),
        (1, Outcome(id_of(1), O.REJECTED), "flat", None),
        (2, said(2), "leg_3", None),
        (2, Outcome(id_of(2), O.NEVER), "unwinding", None),
        (3, said(3), "done", None),
        (3, said(3, "0"), "unwinding", None),
    ],
)
def test_once_it_is_known_the_cycle_goes_on_where_it_was(
    index: int, end: Outcome, state: str, resumes: S | None
) -> None:
    before = [done(one) for one in range(1, index)]
    cycle = outcome_of(at(index, *before), unsaid(index), MARKETS).cycle
    step = outcome_of(cycle, end, MARKETS)
    assert step.cycle.state.value == state
    assert step.cycle.record.resumes is resumes
    assert states(step.cycle)[-1] == end.state.value


def test_what_is_known_at_last_pays_for_the_next_leg() -> None:
    cycle = outcome_of(at(1), unsaid(1), MARKETS).cycle
    (send,) = outcome_of(cycle, said(1, "0.5"), MARKETS).commands
    assert isinstance(send, SendLeg)
    assert (send.index, send.funds) == (2, D("0.5"))


def test_a_doubt_that_does_not_say_what_it_resumes_goes_home() -> None:
    orders = (done(1), order_of(2, O.UNKNOWN))
    cycle = replace(in_state(fresh(), S.RESOLVING), orders=orders)
    assert told(outcome_of(cycle, said(2), MARKETS)) == ("unwinding", (PlanUnwind(),))
    whole = replace(cycle, orders=(done(1), done(2), order_of(3, O.UNKNOWN)))
    assert told(outcome_of(whole, said(3), MARKETS)) == ("unwinding", (PlanUnwind(),))


# --- fills of orders that were over --------------------------------------------------------------


@pytest.mark.parametrize(
    ("was", "more", "state"),
    [
        (done(1, "0"), "0.5", "partial"),
        (done(1, "0"), "1.5", "filled"),
        (done(1, "0.5"), "0.5", "partial"),
        (done(1, "0.5"), "1", "filled"),
        (done(1), "0.5", "filled"),  # more than was ordered
        (order_of(1, O.REJECTED), "0.5", "partial"),
        (order_of(1, O.NEVER), "1.5", "filled"),
    ],
)
@pytest.mark.parametrize("state_of_cycle", [S.DONE, S.FLAT, S.UNWOUND, S.HELD, S.LEG_2])
def test_a_late_fill_wins_and_a_finished_cycle_holds_what_it_brought(
    was: WorkingOrder, more: str, state: str, state_of_cycle: S
) -> None:
    cycle = replace(fresh(state=state_of_cycle), orders=(was,))
    late = trade_of(1, more, "T-late")
    step = late_fill(cycle, late)
    expected = state_of_cycle if state_of_cycle is S.LEG_2 else S.HELD
    assert told(step) == (expected.value, ())
    assert step.cycle.orders[0].trades == (*was.trades, late)
    assert states(step.cycle) == [state]
    assert step.cycle.orders[0].record == replace(was.record, state=O(state))


def test_a_fill_that_is_known_or_of_no_order_of_ours_changes_nothing() -> None:
    cycle = replace(fresh(state=S.DONE), orders=(done(1), done(2)))
    assert late_fill(cycle, done(1).trades[0]) == Step(cycle)
    assert late_fill(cycle, trade_of(3, "1")) == Step(cycle)


# --- after a restart -----------------------------------------------------------------------------


def test_what_was_on_its_way_at_a_restart_is_unknown_and_asked_about() -> None:
    step = restarted(at(2, done(1)), MARKETS)
    assert told(step) == ("resolving", (Resolve(ids(2)),))
    assert states(step.cycle) == ["filled", "unknown"]
    assert step.cycle.recovering
    assert step.cycle.record.resumes is S.LEG_2
    assert step.cycle.orders[0] == done(1)


def test_a_restart_in_the_middle_of_a_doubt_asks_about_all_of_it_again() -> None:
    orders = (done(1), order_of(2, O.UNKNOWN), order_of(3, O.ACKED))
    cycle = in_state(parallel(*orders), S.RESOLVING, resumes=S.LEGS)
    step = restarted(cycle, MARKETS)
    assert told(step) == ("resolving", (Resolve(ids(2, 3)),))
    assert step.cycle.record.resumes is S.LEGS
    assert states(step.cycle) == ["filled", "unknown", "unknown"]


@pytest.mark.parametrize(
    ("cycle", "state", "command"),
    [
        (fresh(), "flat", Close()),
        (at(1, sent=False), "flat", Close()),
        (at(1, done(1, "0"), sent=False), "flat", Close()),
        (parallel(done(1, "0")), "flat", Close()),
        (at(1, done(1), sent=False), "unwinding", PlanUnwind()),  # never gone on with
        (at(2, done(1), done(2), sent=False), "unwinding", PlanUnwind()),
        (at(3, done(1), done(2), done(3), sent=False), "done", Close()),
        (at(3, done(1), done(2), done(3, "14"), sent=False), "unwinding", PlanUnwind()),
        (parallel(done(1), done(2), done(3)), "done", Close()),
        (parallel(done(1), done(2)), "unwinding", PlanUnwind()),
        (parallel(done(1), done(2), done(3, "14.9999")), "unwinding", PlanUnwind()),
        (in_state(at(1, done(1), sent=False), S.UNWINDING), "unwinding", PlanUnwind()),
        (in_state(at(2, sent=False), S.UNWINDING), "unwinding", PlanUnwind()),
    ],
)
def test_a_cycle_found_at_a_restart_is_ended_or_brought_home(
    cycle: Cycle, state: str, command: object
) -> None:
    step = restarted(cycle, MARKETS)
    assert told(step) == (state, (command,))
    assert step.cycle.recovering
    assert step.cycle.orders == cycle.orders


@pytest.mark.parametrize(
    ("resumes", "order", "state", "command"),
    [
        (S.LEG_1, done(1, "0"), "flat", Close()),
        (S.LEG_1, done(1), "unwinding", PlanUnwind()),
        (None, done(1), "unwinding", PlanUnwind()),
    ],
)
def test_a_doubt_that_a_restart_finds_resolved_goes_back_first(
    resumes: S | None, order: WorkingOrder, state: str, command: object
) -> None:
    cycle = in_state(at(1, order, sent=False), S.RESOLVING, resumes=resumes)
    step = resumed(cycle, MARKETS)
    assert told(step) == (state, (command,))
    assert step.cycle.record.resumes is None


def test_once_all_of_a_cycle_found_is_known_it_is_not_gone_on_with() -> None:
    cycle = restarted(at(1), MARKETS).cycle
    assert told(outcome_of(cycle, said(1), MARKETS)) == ("unwinding", (PlanUnwind(),))
    assert told(outcome_of(cycle, said(1, "0"), MARKETS)) == ("flat", (Close(),))
    waiting = outcome_of(cycle, unsaid(1), MARKETS)
    assert told(waiting) == ("resolving", (Resolve(ids(1)),))
    last = restarted(at(3, done(1), done(2)), MARKETS).cycle
    assert told(outcome_of(last, said(3), MARKETS)) == ("done", (Close(),))


@pytest.mark.parametrize("state", [S.DONE, S.FLAT, S.UNWOUND, S.HELD])
def test_a_cycle_that_was_over_is_closed_if_it_was_not(state: S) -> None:
    ended = in_state(at(1, done(1), sent=False), state)
    assert told(restarted(ended, MARKETS)) == (state.value, (Close(),))
    closed = in_state(ended, state, ended_ns=1)
    assert told(restarted(closed, MARKETS)) == (state.value, ())


def test_a_killed_cycle_still_learns_of_its_orders_before_it_is_closed() -> None:
    step = restarted(in_state(at(1), S.HELD), MARKETS)
    assert told(step) == ("held", (Resolve(ids(1)),))
    assert states(step.cycle) == ["unknown"]


# --- the kill switch -----------------------------------------------------------------------------


@pytest.mark.parametrize("index", [1, 2, 3])
def test_a_kill_holds_a_cycle_and_waits_only_for_what_is_out(index: int) -> None:
    cycle = at(index, *(done(one) for one in range(1, index)))
    step = killed(cycle, "operator")
    assert told(step) == ("held", ())
    assert step.cycle.record.detail == "operator"
    assert step.cycle.orders == cycle.orders
    quiet = at(index, *(done(one) for one in range(1, index)), sent=False)
    assert told(killed(quiet, "operator")) == ("held", (Close(),))


def test_a_kill_before_anything_left_is_flat_and_one_in_doubt_resumes_nothing() -> None:
    assert told(killed(fresh(), "operator")) == ("flat", (Close(),))
    doubtful = outcome_of(at(1), unsaid(1), MARKETS).cycle
    step = killed(doubtful, "operator")
    assert told(step) == ("held", ())
    assert step.cycle.record.resumes is None


@pytest.mark.parametrize("state", [S.DONE, S.FLAT, S.UNWOUND, S.HELD])
def test_a_kill_changes_nothing_about_a_cycle_that_is_over(state: S) -> None:
    cycle = in_state(at(1), state, detail="as it ended")
    assert killed(cycle, "operator") == Step(cycle)


def test_after_a_kill_orders_are_learnt_of_and_nothing_else_is_done() -> None:
    cycle = killed(parallel(order_of(1, O.SENT), order_of(2, O.SENT)), "operator").cycle
    asked = outcome_of(cycle, unsaid(1), MARKETS)
    assert told(asked) == ("held", (Resolve(ids(1)),))
    one = outcome_of(asked.cycle, said(1), MARKETS)
    assert told(one) == ("held", ())
    last = outcome_of(one.cycle, said(2, "0"), MARKETS)
    assert told(last) == ("held", (Close(),))
    assert states(last.cycle) == ["filled", "empty"]
