"""Legs one after the other: each from what the one before delivered, until one falls short."""

from __future__ import annotations

from dataclasses import replace

import pytest

from arbit.domain.cycle import CycleState as S  # it is on every line
from arbit.domain.cycle import Policy
from arbit.domain.order import OrderState, Outcome, Trade
from arbit.domain.states import IllegalTransition
from arbit.execution.steps import (
    Close,
    PlanUnwind,
    Resolve,
    SendLeg,
    Step,
    begin,
    not_sent,
    ordered,
    outcome_of,
    unwound,
)
from tests.unit.execution.steps_world import (
    FEE,
    MARKETS,
    PLAN,
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

# --- the beginning -------------------------------------------------------------------------------


def test_a_cycle_begins_with_its_first_leg_as_planned() -> None:
    step = begin(fresh())
    assert told(step) == ("leg_1", (SendLeg(1, PLAN[0].leg, D("1.5"), D(100), FEE, D(150)),))
    assert step.cycle.record == replace(fresh().record, state=S.LEG_1)
    assert step.cycle.orders == ()


def test_parallel_legs_leave_together_each_with_its_own_funds() -> None:
    step = begin(fresh(Policy.PARALLEL))
    assert told(step) == (
        "legs",
        (
            SendLeg(1, PLAN[0].leg, D("1.5"), D(100), FEE, D(150)),
            SendLeg(2, PLAN[1].leg, D(15), D("0.10"), D("0.002"), D("1.5")),
            SendLeg(3, PLAN[2].leg, D(15), D(11), D("0.003"), D(15)),
        ),
    )


def test_an_order_that_is_durable_is_the_cycles_once() -> None:
    sent = order_of(1, OrderState.SENT)
    cycle = ordered(fresh(), sent)
    assert cycle.orders == (sent,)
    again = replace(sent, record=replace(sent.record, order_id="O-9"))
    assert ordered(ordered(cycle, order_of(2, OrderState.SENT)), again).orders == (
        again,
        order_of(2, OrderState.SENT),
    )


# --- a leg is done -------------------------------------------------------------------------------


def test_the_next_leg_spends_what_the_one_before_delivered_and_no_more() -> None:
    step = outcome_of(at(1), said(1, fee="0.0015"), MARKETS)
    funds = D("1.4985")
    assert told(step) == (
        "leg_2",
        (SendLeg(2, PLAN[1].leg, D("14.985"), D("0.10"), D("0.002"), funds),),
    )
    assert states(step.cycle) == ["filled"]


@pytest.mark.parametrize(
    ("index", "symbol", "tick", "limit"),
    [(2, "ETH/BTC", "0.03", "0.09"), (3, "ETH/USD", "3", "12"), (3, "ETH/USD", "0.5", "11")],
)
def test_a_later_leg_stays_on_a_grid_that_has_changed_and_within_its_plan(
    index: int, symbol: str, tick: str, limit: str
) -> None:
    """The venue refuses a price off its grid; a buy goes down to it, a sale up."""
    markets = MARKETS | {symbol: replace(MARKETS[symbol], price_increment=D(tick))}
    before = [done(one) for one in range(1, index - 1)]
    step = outcome_of(at(index - 1, *before), said(index - 1), markets)
    (send,) = step.commands
    assert isinstance(send, SendLeg)
    assert send.limit_price == D(limit)


def test_no_later_leg_leaves_where_the_grid_is_not_known() -> None:
    markets = MARKETS | {"ETH/BTC": replace(MARKETS["ETH/BTC"], price_increment=None)}
    assert told(outcome_of(at(1), said(1), markets)) == ("unwinding", (PlanUnwind(),))


def test_the_next_leg_counts_on_what_the_venue_keeps_of_each_figure() -> None:
    kept = MARKETS | {"ETH/BTC": replace(MARKETS["ETH/BTC"], quote_digits=3, base_digits=8)}
    step = outcome_of(at(1), said(1, fee="0.0015"), kept)
    (send,) = step.commands
    assert isinstance(send, SendLeg)
    assert (send.funds, send.qty) == (D("1.498"), D("14.98"))


def test_the_next_leg_is_never_larger_than_planned() -> None:
    more = replace(said(1), trades=(trade_of(1, "2"),))
    (send,) = outcome_of(at(1), more, MARKETS).commands
    assert isinstance(send, SendLeg)
    assert (send.qty, send.funds) == (D(15), D(2))


def test_a_first_leg_that_filled_in_part_goes_on_with_that_part() -> None:
    step = outcome_of(at(1), said(1, "0.5"), MARKETS)
    assert step.cycle.state is S.LEG_2
    (send,) = step.commands
    assert isinstance(send, SendLeg)
    assert (send.index, send.qty, send.funds) == (2, D(5), D("0.5"))


def test_a_first_leg_that_traded_nothing_ends_the_cycle() -> None:
    assert told(outcome_of(at(1), said(1, "0"), MARKETS)) == ("flat", (Close(),))
    refused = Outcome(id_of(1), OrderState.REJECTED, reason="no funds")
    step = outcome_of(at(1), refused, MARKETS)
    assert told(step) == ("flat", (Close(),))
    assert step.cycle.orders[0].record.reason == "no funds"
    assert states(step.cycle) == ["rejected"]


def test_too_little_for_the_next_leg_is_brought_home() -> None:
    assert told(outcome_of(at(1), said(1, "0.0005"), MARKETS)) == ("unwinding", (PlanUnwind(),))


def test_a_market_that_is_not_listed_any_more_takes_no_leg() -> None:
    gone = {name: one for name, one in MARKETS.items() if name != "ETH/BTC"}
    assert told(outcome_of(at(1), said(1), gone)) == ("unwinding", (PlanUnwind(),))


def test_the_last_leg_sells_whole_lots_of_what_is_there() -> None:
    step = outcome_of(at(2, done(1)), said(2, fee="0.0299"), MARKETS)
    assert told(step) == (
        "leg_3",
        (SendLeg(3, PLAN[2].leg, D("14.970"), D(11), D("0.003"), D("14.9701")),),
    )


@pytest.mark.parametrize(
    ("filled", "state"),
    # What 0.0005 BTC would buy costs too little for that market; 0.1 BTC are more than dust.
    [("14.995", S.LEG_3), ("14", S.UNWINDING), ("0", S.UNWINDING)],
)
def test_a_second_leg_may_leave_dust_and_no_more(filled: str, state: S) -> None:
    step = outcome_of(at(2, done(1)), said(2, filled), MARKETS)
    assert step.cycle.state is state
    if state is S.UNWINDING:
        assert step.commands == (PlanUnwind(),)


def test_a_refused_second_leg_is_brought_home() -> None:
    refused = Outcome(id_of(2), OrderState.REJECTED)
    step = outcome_of(at(2, done(1)), refused, MARKETS)
    assert told(step) == ("unwinding", (PlanUnwind(),))
    assert states(step.cycle) == ["filled", "rejected"]


@pytest.mark.parametrize(
    ("filled", "state", "command"),
    [
        ("", "done", Close()),
        ("14.9995", "done", Close()),  # half a lot is left
        ("14.99", "unwinding", PlanUnwind()),
        ("0", "unwinding", PlanUnwind()),
    ],
)
def test_a_last_leg_completes_the_cycle_when_nothing_tradable_is_left(
    filled: str, state: str, command: object
) -> None:
    before = (done(1), done(2))
    assert told(outcome_of(at(3, *before), said(3, filled), MARKETS)) == (state, (command,))


def test_what_is_left_of_an_earlier_leg_keeps_a_cycle_from_being_complete() -> None:
    bought = done(1, "1.5")
    more = replace(bought, trades=(*bought.trades, trade_of(1, "0.5", "T-over")))
    step = outcome_of(at(3, more, done(2)), said(3), MARKETS)
    assert told(step) == ("unwinding", (PlanUnwind(),))


# --- what an outcome does to its order ------------------------------------------------------------


def test_an_outcome_of_no_order_of_ours_or_of_one_that_is_over_changes_nothing() -> None:
    cycle = at(2, done(1))
    assert outcome_of(cycle, said(3), MARKETS) == Step(cycle)
    assert outcome_of(cycle, said(1, "0.1"), MARKETS) == Step(cycle)


def test_trades_are_added_once_and_the_venues_words_are_kept() -> None:
    known = trade_of(1, "0.5", "T-a")
    cycle = at(1, sent=False)
    cycle = replace(cycle, orders=(order_of(1, OrderState.UNKNOWN, [known]),))
    cycle = cycle.with_record(state=S.RESOLVING, resumes=S.LEG_1)
    more = trade_of(1, "0.5", "T-b")
    told_ = Outcome(
        id_of(1), OrderState.PARTIAL, (known, more), order_id="O-7", reason="user's own"
    )
    (order,) = outcome_of(cycle, told_, MARKETS).cycle.orders
    assert order.trades == (known, more)
    assert (order.record.order_id, order.record.reason) == ("O-7", "user's own")
    assert order.record.state is OrderState.PARTIAL
    assert order.record.intent == order_of(1, OrderState.SENT).record.intent


def test_an_outcome_without_words_leaves_those_that_were_known() -> None:
    cycle = at(1)
    (sent,) = cycle.orders
    named = replace(sent, record=replace(sent.record, order_id="O-3", reason="late"))
    step = outcome_of(
        replace(cycle, orders=(named,)),
        Outcome(id_of(1), OrderState.FILLED, (trade_of(1, "1.5"),)),
        MARKETS,
    )
    record = step.cycle.orders[0].record
    assert (record.order_id, record.reason) == ("O-3", "late")


@pytest.mark.parametrize("state", [OrderState.FILLED, OrderState.PARTIAL, OrderState.EMPTY])
@pytest.mark.parametrize("was", [OrderState.SENT, OrderState.ACKED, OrderState.UNKNOWN])
def test_an_order_that_traded_or_ended_at_the_venue_was_accepted_there(
    was: OrderState, state: OrderState
) -> None:
    trades = () if state is OrderState.EMPTY else (trade_of(1, "1.5"),)
    cycle = replace(at(1, sent=False), orders=(order_of(1, was),))
    step = outcome_of(cycle, Outcome(id_of(1), state, trades), MARKETS)
    assert states(step.cycle) == [state.value]


@pytest.mark.parametrize("state", [OrderState.REJECTED, OrderState.NEVER])
def test_an_accepted_order_can_no_longer_have_been_refused(state: OrderState) -> None:
    cycle = replace(at(1, sent=False), orders=(order_of(1, OrderState.ACKED),))
    with pytest.raises(IllegalTransition):
        outcome_of(cycle, Outcome(id_of(1), state), MARKETS)


# --- refused by our own gate ----------------------------------------------------------------------


def test_a_first_leg_that_was_never_sent_ends_the_cycle() -> None:
    assert told(not_sent(at(1, sent=False), 1, MARKETS)) == ("flat", (Close(),))


def test_a_later_leg_that_was_never_sent_is_brought_home() -> None:
    assert told(not_sent(at(2, done(1), sent=False), 2, MARKETS)) == ("unwinding", (PlanUnwind(),))
    assert told(not_sent(at(2, sent=False), 2, MARKETS)) == ("unwinding", (PlanUnwind(),))
    traded = not_sent(at(1, done(1), sent=False), 1, MARKETS)
    assert told(traded) == ("unwinding", (PlanUnwind(),))


def test_what_is_still_out_is_waited_for_before_anything_is_brought_home() -> None:
    assert told(not_sent(at(1), 1, MARKETS)) == ("unwinding", ())


def test_a_parallel_leg_that_was_never_sent_calls_the_others_back() -> None:
    others = (order_of(1, OrderState.SENT), done(2), order_of(3, OrderState.ACKED))
    step = not_sent(parallel(*others), 2, MARKETS)
    assert step.cycle == parallel(*others)
    assert [type(one).__name__ for one in step.commands] == ["Cancel"]
    assert step.commands[0].client_ids == (id_of(1), id_of(3))  # type: ignore[union-attr]  # a Cancel


def test_parallel_legs_of_which_none_is_out_end_or_come_home() -> None:
    assert told(not_sent(parallel(), 1, MARKETS)) == ("flat", (Close(),))
    assert told(not_sent(parallel(done(1)), 2, MARKETS)) == ("unwinding", (PlanUnwind(),))


# --- on the way home ------------------------------------------------------------------------------


def home(*orders: OrderState) -> Step:
    cycle = replace(fresh(state=S.UNWINDING), orders=(done(1), order_of(0, orders[0])))
    return outcome_of(cycle, said(0), MARKETS)


def test_after_an_order_home_the_way_is_looked_for_again() -> None:
    step = home(OrderState.SENT)
    assert told(step) == ("unwinding", (PlanUnwind(),))
    assert states(step.cycle) == ["filled", "filled"]


def test_while_another_order_is_out_no_way_is_looked_for() -> None:
    out = (order_of(1, OrderState.ACKED), order_of(0, OrderState.SENT))
    cycle = replace(fresh(state=S.UNWINDING), orders=out)
    assert told(outcome_of(cycle, said(0), MARKETS)) == ("unwinding", ())


def test_a_doubt_on_the_way_home_is_resolved_and_the_way_gone_on_with() -> None:
    cycle = replace(fresh(state=S.UNWINDING), orders=(done(1), order_of(0, OrderState.SENT)))
    step = outcome_of(cycle, unsaid(0), MARKETS)
    assert told(step) == ("resolving", (Resolve((id_of(0),)),))
    assert step.cycle.record.resumes is S.UNWINDING
    again = outcome_of(step.cycle, said(0), MARKETS)
    assert told(again) == ("unwinding", (PlanUnwind(),))
    assert again.cycle.record.resumes is None


@pytest.mark.parametrize(("is_home", "state"), [(True, "unwound"), (False, "held")])
def test_a_way_home_ends_at_home_or_held_saying_why(is_home: bool, state: str) -> None:
    cycle = replace(fresh(state=S.UNWINDING), orders=(done(1),))
    step = unwound(cycle, home=is_home, detail="as far as it goes")
    assert told(step) == (state, (Close(),))
    assert step.cycle.record.detail == "as far as it goes"
    assert step.cycle.orders == (done(1),)


def test_a_trade_counts_at_what_it_cost() -> None:
    trade: Trade = trade_of(3, "15")
    assert (trade.cost, trade.moves("ETH", "USD")) == (D(165), (("ETH", D(-15)), ("USD", D(165))))
