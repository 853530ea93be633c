"""What the gate counts: slots, tokens, probes, days, funds and caps, at their worst."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from arbit.config import Settings
from arbit.domain.cycle import CycleState, Policy
from arbit.domain.order import OrderIntent
from arbit.domain.plan import Plan
from arbit.domain.records import CycleRecord, PlannedRecord, Purpose
from arbit.domain.refusal import RefusalCode, Refused
from arbit.domain.triangle import Leg, Side
from arbit.ledger import Reach
from arbit.risk.breaker import BreakerState, Reason
from arbit.risk.envelope import Approved
from tests.unit.execution.world import START, World, usual_settings

D = Decimal


def limits(scan: dict[str, Any] | None = None, **risk: Any) -> Settings:
    settings = usual_settings(**risk)
    changed = settings.scan.model_copy(update=scan or {})
    return settings.model_copy(update={"scan": changed})


def review(world: World, plan: Plan, cycle_id: str = "c1") -> Approved | Refused:
    return world.gate.review(plan, cycle_id, world.clock.now_ns)


def code_of(answer: Approved | Refused | None) -> str:
    return answer.code.value if isinstance(answer, Refused) else ""


def pass_time(world: World, ns: int) -> None:
    """Time passes, and the books were compared meanwhile."""
    world.clock.now_ns += ns
    world.auditor._agreed_ns = world.clock.now_ns


def approved(world: World, plan: Plan, cycle_id: str = "c1") -> Approved:
    answer = review(world, plan, cycle_id)
    assert isinstance(answer, Approved), answer
    return answer


def over(world: World, plan: Plan, cycle_id: str, *, wrong: bool = False) -> None:
    """The cycle has ended, and nothing is held or claimed for it."""
    one, two, three = (PlannedRecord(o.leg, o.qty, o.limit_price, o.fee_rate) for o in plan.legs)
    state = CycleState.UNWOUND if wrong else CycleState.DONE
    record = CycleRecord(cycle_id, Policy.SEQUENTIAL, state, (one, two, three), 0)
    world.ledger.release(cycle_id)
    world.gate.finished(record, went_wrong=wrong, now_ns=world.clock.now_ns)


def first_order(world: World, plan: Plan, envelope: Approved) -> Refused | None:
    intent = plan.legs[0].intent("ab000001-11")
    return world.gate.clear(intent, envelope, intent.most_spent, world.clock.now_ns)


# --- slots and tokens ----------------------------------------------------------------------------


def test_a_refused_cycle_takes_no_slot_and_no_token() -> None:
    world = World(settings=limits({"max_concurrent_cycles": 1}, order_rate_per_s=0.01))
    plan = world.plan()
    world.ledger.hold("somebody", "USD", START["USD"])
    for number in range(20):
        assert code_of(review(world, plan, f"c{number}")) == "funds"
    world.ledger.release("somebody")
    envelope = approved(world, plan)
    assert first_order(world, plan, envelope) is None


def test_an_order_that_is_not_cleared_uses_up_no_token() -> None:
    world = World(settings=limits(order_rate_per_s=0.01))
    plan = world.plan()
    envelope = approved(world, plan)
    intent = replace(plan.legs[0].intent("ab000001-11"), qty=plan.legs[0].qty * 2)
    for _ in range(20):
        refused = world.gate.clear(intent, envelope, D(10_000), world.clock.now_ns)
        assert code_of(refused) == "envelope"
    assert first_order(world, plan, envelope) is None


def test_a_slot_is_free_again_when_its_cycle_is_over() -> None:
    world = World(settings=limits({"max_concurrent_cycles": 1}))
    plan = world.plan()
    approved(world, plan)
    assert code_of(review(world, plan, "c2")) == "concurrency"
    over(world, plan, "c1")
    approved(world, plan, "c2")


def test_a_cycle_at_work_keeps_the_orders_that_it_may_need_to_come_home() -> None:
    """Twelve tokens are two cycles with their ways home; a third would live on theirs."""
    world = World(settings=limits(order_rate_per_s=1.2))
    plan = world.plan("20")
    approved(world, plan, "c1")
    approved(world, plan, "c2")
    assert code_of(review(world, plan, "c3")) == "rate_budget"
    over(world, plan, "c1")
    approved(world, plan, "c3")


# --- a venue that is being probed ----------------------------------------------------------------


def probing(world: World) -> None:
    world.breaker.trip(Reason.LOCKOUT, "locked out")
    pass_time(world, 901 * 1_000_000_000)
    assert world.breaker.state() is BreakerState.PROBING


def test_a_probe_is_one_cycle_whatever_the_limit() -> None:
    world = World()
    probing(world)
    plan = world.plan("20")
    approved(world, plan, "c1")
    assert code_of(review(world, plan, "c2")) == "concurrency"


@pytest.mark.parametrize(("wrong", "state"), [(False, "active"), (True, "reducing")])
def test_a_probe_that_sent_an_order_decides_by_how_it_ends(wrong: bool, state: str) -> None:
    world = World()
    probing(world)
    plan = world.plan("20")
    assert first_order(world, plan, approved(world, plan)) is None
    over(world, plan, "c1", wrong=wrong)
    assert world.breaker.state().value == state


def test_a_probe_of_which_nothing_left_decides_nothing() -> None:
    world = World()
    probing(world)
    plan = world.plan("20")
    approved(world, plan)
    over(world, plan, "c1")
    probing_still = world.breaker.state()
    assert probing_still is BreakerState.PROBING
    assert first_order(world, plan, approved(world, plan, "c2")) is None
    over(world, plan, "c2")
    assert world.breaker.state() is BreakerState.ACTIVE


def test_a_cycle_from_before_the_rest_is_no_probe() -> None:
    world = World()
    plan = world.plan("20")
    assert first_order(world, plan, approved(world, plan, "old")) is None
    probing(world)
    over(world, plan, "old")
    assert world.breaker.state() is BreakerState.PROBING


# --- the day -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("most", "earned", "code"),
    [
        (25, "-24.99", ""),
        (25, "-25", "daily_loss"),
        (25, "100", ""),
        (0, "0", ""),
        (0, "-0.01", "daily_loss"),
    ],
)
def test_a_days_loss_refuses_from_its_limit_on(most: int, earned: str, code: str) -> None:
    world = World(settings=limits(max_daily_loss=D(most)))
    world.day.add(D(earned), world.clock.wall_ns())
    assert code_of(review(world, world.plan())) == code


def test_the_next_day_begins_at_nothing() -> None:
    world = World()
    world.day.add(D(-1_000), world.clock.wall_ns())
    assert code_of(review(world, world.plan())) == "daily_loss"
    pass_time(world, 86_400 * 1_000_000_000)
    approved(world, world.plan())


# --- the price of things, funds and caps ---------------------------------------------------------


@pytest.mark.parametrize("caps", [{}, {"BTC": D(2)}])
def test_an_asset_that_no_own_book_prices_is_refused_with_or_without_a_cap_of_its_own(
    caps: dict[str, Decimal],
) -> None:
    world = World(settings=limits(asset_caps=caps))
    plan = world.plan()
    approved(world, plan, "c1")
    del world.sights.prices["BTC"]
    refused = review(world, plan, "c2")
    assert isinstance(refused, Refused)
    assert (refused.code, refused.figures["asset"]) == (RefusalCode.UNPRICED, "BTC")


@pytest.mark.parametrize(("held", "code"), [("10000", "funds"), ("1", ""), ("0", "")])
def test_what_the_venue_holds_for_others_is_not_spent(held: str, code: str) -> None:
    world = World()
    world.ledger.keep_back({"USD": D(held)})
    assert code_of(review(world, world.plan("20"))) == code


@pytest.mark.parametrize("spent", ["funds", "moved"])
def test_funds_are_enough_to_the_last_digit_and_no_further(spent: str) -> None:
    world = World()
    plan = world.plan()
    needed = plan.legs[0].worst_spend
    world.ledger.hold("somebody", "USD", START["USD"] - needed)
    approved(world, plan)
    world.ledger.release("c1")
    if spent == "funds":
        world.ledger.hold("somebody", "USD", START["USD"] - needed + D("0.00000001"))
        assert code_of(review(world, plan, "c2")) == "funds"


def test_a_cap_counts_what_may_arrive_before_any_fee() -> None:
    """The venue may take its fee in another asset: then the whole of what was bought arrives."""
    world = World()
    plan = world.plan()
    bought = plan.legs[0]
    assert (bought.leg.side, bought.leg.receive) == (Side.BUY, "BTC")
    gross = bought.intent("x").most_received
    assert gross > bought.expected_receive

    approved(world, plan)
    assert world.ledger.exposure("BTC") >= gross
    tight = World(settings=limits(asset_caps={"BTC": gross - D("0.00000001")}))
    assert code_of(review(tight, plan)) == "asset_cap"
    exact = World(settings=limits(asset_caps={"BTC": gross}))
    approved(exact, plan)


def test_a_cap_counts_a_fee_on_top_of_what_is_spent() -> None:
    world = World(policy=Policy.PARALLEL)
    plan = world.plan()
    approved(world, plan)
    for one in plan.legs:
        assert world.ledger.exposure(one.leg.spend) >= one.worst_spend * (1 + one.fee_rate)


def test_a_position_left_behind_counts_against_the_cap() -> None:
    world = World(settings=limits(max_exposure=D(400)))
    plan = world.plan()
    approved(world, plan, "c1")
    over(world, plan, "c1")
    world.ledger.claim("left", {"BTC": Reach(high=D(3))})
    assert code_of(review(world, plan, "c2")) == "asset_cap"


# --- orders home ---------------------------------------------------------------------------------

HOME = Leg("BTC/USD", Side.SELL, "BTC", "USD")


def home(world: World, qty: str = "1", limit: str = "99") -> Approved | Refused:
    step = (HOME, D(qty), D(limit))
    return world.gate.review_unwind([step], "c1", D(10), world.clock.now_ns)


def test_an_order_home_is_approved_as_it_was_asked_for() -> None:
    world = World()
    answer = home(world)
    assert isinstance(answer, Approved)
    assert (answer.purpose, answer.loss_budget) == (Purpose.UNWIND, D(10))
    (allowed,) = answer.allowances
    assert (allowed.symbol, allowed.side) == ("BTC/USD", Side.SELL)
    assert (allowed.max_qty, allowed.worst_price) == (D(1), D(99))
    intent = OrderIntent("ab000001-u1", HOME, D(1), D(99), D("0.001"))
    assert world.gate.clear(intent, answer, D(1), world.clock.now_ns) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.breaker.trip(Reason.HELD, "left behind"),
        lambda w: w.day.add(D(-1_000), w.clock.wall_ns()),
        lambda w: (w.data_dir / "pause.sandbox").touch(),
        lambda w: w.gate.unresolved("x", frozenset({"BTC"})),
        lambda w: over(w, w.plan(), "c0", wrong=True),
    ],
    ids=["reducing", "daily loss", "pause", "unresolved", "cool-down"],
)
def test_what_stops_new_cycles_lets_those_that_are_open_go_home(
    change: Callable[[World], object],
) -> None:
    world = World(settings=limits({"min_edge_bps": D(900)}, cooldown_ms=3_600_000))
    change(world)
    assert isinstance(home(world), Approved)
    assert isinstance(review(world, world.plan(), "c2"), Refused)


@pytest.mark.parametrize(
    ("qty", "limit", "code"),
    [("1", "90", "collar"), ("0.0001", "99", "min_notional"), ("1", "97.1", "")],
)
def test_an_order_home_stays_near_the_books_and_above_the_minima(
    qty: str, limit: str, code: str
) -> None:
    assert code_of(home(World(), qty, limit)) == code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda w: w.breaker.trip(Reason.DRIFT, "off"), "breaker"),
        (lambda w: (w.data_dir / "KILL").touch(), "kill_switch"),
        (lambda w: setattr(w.venue, "why_unready", "no socket"), "gateway_not_ready"),
        (lambda w: setattr(w.engine.keeper, "_why", "full"), "journal"),
        (lambda w: w.sights.blind.add("BTC/USD"), "stale_book"),
        (lambda w: w.sights.markets.pop("BTC/USD"), "market_status"),
    ],
)
def test_what_stops_everything_stops_orders_home_too(
    change: Callable[[World], object], code: str
) -> None:
    world = World()
    change(world)
    assert code_of(home(world)) == code
