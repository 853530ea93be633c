"""Each rule of the gate, passing and refusing, with its code; and what a refusal leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from arbit.config import RiskSettings, RotationSettings, ScanSettings, Settings
from arbit.config.inventory import Wanted
from arbit.domain.book import Integrity
from arbit.domain.cycle import CycleState, Policy
from arbit.domain.market import MarketStatus
from arbit.domain.order import OrderIntent
from arbit.domain.plan import Plan
from arbit.domain.records import CycleRecord, PlannedRecord, Purpose
from arbit.domain.refusal import RefusalCode, Refused
from arbit.ledger import Reach
from arbit.risk.breaker import Reason
from arbit.risk.envelope import Approved
from arbit.risk.kill import kill
from tests.unit.execution.world import START, World, usual_settings
from tests.unit.risk.gate_world import wanting

D = Decimal
Change = Callable[[World], None]


def limits(scan: dict[str, Any] | None = None, **risk: Any) -> Settings:
    settings = usual_settings(**risk)
    changed = settings.scan.model_copy(update=scan or {})
    return settings.model_copy(update={"scan": changed})


def venue_with(**facts: Any) -> Settings:
    return Settings.model_validate(
        {
            "scan": ScanSettings(max_slippage_bps=D(1000)),
            "risk": RiskSettings(collar_bps=D(300), cooldown_ms=0),
            "venues": {"sandbox": facts},
        }
    )


def budgeted(usd: str) -> Settings:
    """The usual limits, and so many USD for all cycles under way."""
    budgets = RotationSettings(start_budgets={"USD": D(usd)})
    return usual_settings().model_copy(update={"rotation": budgets})


def old_skew(world: World) -> None:
    world.sights.confirmed_ns = (  # type: ignore[method-assign]  # one leg was confirmed long ago
        lambda symbol: 0 if symbol == "ETH/BTC" else world.clock.now_ns
    )


def not_online(world: World) -> None:
    market = world.sights.markets["ETH/BTC"]
    world.sights.markets["ETH/BTC"] = replace(market, status=MarketStatus.CANCEL_ONLY)


def one_sided(world: World) -> None:
    book = world.sights.books["ETH/BTC"]
    world.sights.books["ETH/BTC"] = replace(book, bids=())


def unproved(world: World) -> None:
    world.sights.integrity = Integrity.NONE


def polled(world: World) -> None:
    world.sights.from_rest = lambda symbol: True  # type: ignore[method-assign]  # all of them


def top_moved(world: World) -> None:
    """The plan's limit is now far from what the book shows."""
    book = world.sights.books["BTC/USD"]
    better = replace(book.asks[0], price=D("100.10"))
    world.sights.books["BTC/USD"] = replace(book, asks=(better, *book.asks))


def no_price(world: World) -> None:
    del world.sights.prices["USD"]


def lost_money(world: World) -> None:
    world.day.add(D(-1_000), world.clock.wall_ns())


def no_funds(world: World) -> None:
    world.ledger.hold("somebody", "USD", START["USD"] - 1)


REFUSALS: dict[RefusalCode, tuple[Change, Settings | None]] = {
    RefusalCode.KILL_SWITCH: (lambda w: kill(w.data_dir), None),
    RefusalCode.VENUE_PAUSED: (lambda w: (w.data_dir / "pause.sandbox").touch(), None),
    RefusalCode.BREAKER: (lambda w: w.breaker.trip(Reason.DRIFT, "off by one"), None),
    RefusalCode.GATEWAY_NOT_READY: (lambda w: setattr(w.venue, "why_unready", "no socket"), None),
    RefusalCode.MARKET_STATUS: (not_online, None),
    RefusalCode.INTEGRITY: (unproved, None),
    RefusalCode.REST_BOOK: (polled, None),
    RefusalCode.STALE_BOOK: (one_sided, None),
    RefusalCode.SKEW: (old_skew, None),
    RefusalCode.EDGE: (lambda w: None, limits({"min_edge_bps": D(900)})),
    RefusalCode.SLIPPAGE: (top_moved, limits({"max_slippage_bps": D("0.5")})),
    RefusalCode.MIN_NOTIONAL: (lambda w: None, venue_with(min_notional={"USD": D(100_000)})),
    RefusalCode.MAX_NOTIONAL: (lambda w: None, limits({"max_notional_per_cycle": D(10)})),
    RefusalCode.UNPRICED: (no_price, None),
    RefusalCode.START_BUDGET: (lambda w: None, budgeted("99")),
    RefusalCode.ASSET_CAP: (lambda w: None, limits(asset_caps={"BTC": D("0.01")})),
    RefusalCode.INVENTORY_CAP: (lambda w: None, wanting(caps={"ETH": Wanted(D(31))})),
    RefusalCode.FUNDS: (no_funds, None),
    RefusalCode.RESERVE: (lambda w: None, wanting(reserve_percent={"USD": D(99)})),
    RefusalCode.DAILY_LOSS: (lost_money, None),
    RefusalCode.UNRESOLVED: (lambda w: w.gate.unresolved("x", frozenset({"BTC"})), None),
    RefusalCode.RATE_BUDGET: (lambda w: None, limits(order_rate_per_s=0.01)),
    RefusalCode.COLLAR: (lambda w: None, limits(collar_bps=D(1))),
    RefusalCode.FEES: (lambda w: setattr(w.gate, "fees_doubted", lambda: "dearer"), None),
    RefusalCode.AUDIT: (lambda w: setattr(w.auditor, "accept_balances", True), None),
}


def review(world: World, plan: Plan) -> Approved | Refused:
    return world.gate.review(plan, "c1", world.clock.now_ns)


def test_a_plan_within_every_limit_is_approved_held_and_claimed() -> None:
    world = World()
    plan = world.plan()
    approved = review(world, plan)

    assert isinstance(approved, Approved)
    assert [one.max_qty for one in approved.allowances] == [leg.qty for leg in plan.legs]
    assert world.ledger.held("USD") == plan.legs[0].worst_spend
    assert world.ledger.exposure("BTC") > 0


@pytest.mark.parametrize("code", list(REFUSALS), ids=lambda code: str(code.value))
def test_each_rule_refuses_with_its_own_code_and_leaves_nothing_behind(code: RefusalCode) -> None:
    change, settings = REFUSALS[code]
    world = World(settings=settings)
    if code is RefusalCode.RATE_BUDGET:
        assert isinstance(review(world, world.plan()), Approved)
        for _ in range(6):
            world.gate._rate.take(world.clock.now_ns)
        world.ledger.release("c1")
    plan = world.plan()
    change(world)
    held = {asset: world.ledger.held(asset) for asset in START}
    refused = world.gate.review(plan, "c2", world.clock.now_ns)

    assert isinstance(refused, Refused)
    assert refused.code is code, str(refused)
    if code is not RefusalCode.UNRESOLVED:
        assert refused.figures
    assert {asset: world.ledger.held(asset) for asset in START} == held
    assert world.ledger.exposure("BTC", Reach()) == 0


def test_every_code_that_review_can_give_has_a_test() -> None:
    elsewhere = {
        RefusalCode.DRAINING,  # the engine's own
        RefusalCode.JOURNAL,
        RefusalCode.CLOCK,
        RefusalCode.ENVELOPE,
        RefusalCode.EXPIRED,
        RefusalCode.UNWIND_BUDGET,
        RefusalCode.CONCURRENCY,
        RefusalCode.COOLDOWN,
        RefusalCode.TOTAL_CYCLES,  # of lanes that share: test_gate_shared
        RefusalCode.TOTAL_NOTIONAL,
        RefusalCode.LANE_TURN,
    }
    assert set(REFUSALS) | elsewhere == set(RefusalCode)


def test_no_more_cycles_at_once_than_allowed() -> None:
    world = World(settings=limits({"max_concurrent_cycles": 1}))
    assert isinstance(review(world, world.plan()), Approved)
    refused = world.gate.review(world.plan(), "c2", world.clock.now_ns)
    assert isinstance(refused, Refused)
    assert refused.code is RefusalCode.CONCURRENCY


def test_a_path_rests_after_a_cycle_and_longer_after_one_that_went_wrong() -> None:
    for wrong, rest_ms in ((False, 1_000), (True, 10_000)):
        world = World(settings=limits(cooldown_ms=1_000))
        plan = world.plan()
        assert isinstance(review(world, plan), Approved)
        world.ledger.release("c1")
        rows = [PlannedRecord(o.leg, o.qty, o.limit_price, o.fee_rate) for o in plan.legs]
        record = replace(_record(), plan=(rows[0], rows[1], rows[2]))
        world.gate.finished(record, went_wrong=wrong, now_ns=world.clock.now_ns)
        world.clock.now_ns += (rest_ms - 1) * 1_000_000
        refused = review(world, plan)
        assert isinstance(refused, Refused)
        assert refused.code is RefusalCode.COOLDOWN
        world.clock.now_ns += 1_000_000
        assert isinstance(review(world, plan), Approved)


def _record() -> CycleRecord:
    plan = World().plan()
    rows = [PlannedRecord(o.leg, o.qty, o.limit_price, o.fee_rate) for o in plan.legs]
    return CycleRecord("c1", Policy.SEQUENTIAL, CycleState.DONE, (rows[0], rows[1], rows[2]), 0)


def test_parallel_legs_need_funds_for_each() -> None:
    world = World(settings=limits(policy=Policy.PARALLEL))
    world.ledger.hold("somebody", "ETH", START["ETH"])
    refused = review(world, world.plan())
    assert isinstance(refused, Refused)
    assert (refused.code, refused.figures["asset"]) == (RefusalCode.FUNDS, "ETH")


async def test_the_slippage_guard_refuses_before_leg_1_is_sent() -> None:
    world = World(settings=limits({"max_slippage_bps": D("0.5")}))
    plan = world.plan()
    top_moved(world)
    async with world.running():
        refused = world.engine.take(plan, world.clock.now_ns)
    assert isinstance(refused, Refused)
    assert refused.code is RefusalCode.SLIPPAGE
    assert world.venue.sent == []


# --- the last look before each send ------------------------------------------------------------


def order(world: World, plan: Plan, **changes: Any) -> OrderIntent:
    return replace(plan.legs[0].intent("ab000001-11"), **changes)


def cleared(world: World, intent: OrderIntent, envelope: Approved, funds: Decimal) -> str:
    refused = world.gate.clear(intent, envelope, funds, world.clock.now_ns)
    return "" if refused is None else refused.code.value


def test_clear_lets_an_approved_order_through() -> None:
    world = World()
    plan = world.plan()
    envelope = review(world, plan)
    assert isinstance(envelope, Approved)
    assert cleared(world, order(world, plan), envelope, D(10_000)) == ""


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda i: {"qty": i.qty * 2}, "envelope"),
        (lambda i: {"limit_price": i.limit_price + 1}, "envelope"),
        (lambda i: {"leg": i.leg.reversed()}, "envelope"),
        (lambda i: {"qty": D(0)}, "envelope"),
    ],
)
def test_clear_refuses_an_order_outside_its_envelope(
    change: Callable[[OrderIntent], dict[str, Any]], code: str
) -> None:
    world = World()
    plan = world.plan()
    envelope = review(world, plan)
    assert isinstance(envelope, Approved)
    intent = order(world, plan)
    assert cleared(world, replace(intent, **change(intent)), envelope, D(10_000)) == code


def test_clear_refuses_more_than_the_parent_delivered() -> None:
    world = World()
    plan = world.plan()
    envelope = review(world, plan)
    assert isinstance(envelope, Approved)
    intent = order(world, plan)
    assert cleared(world, intent, envelope, intent.most_spent - D("0.01")) == "funds"


@pytest.mark.parametrize("purpose", list(Purpose))
@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda w: kill(w.data_dir), "kill_switch"),
        (lambda w: w.breaker.trip(Reason.DRIFT, "off"), "breaker"),
        (lambda w: setattr(w.venue, "why_unready", "no socket"), "gateway_not_ready"),
        (lambda w: w.sights.blind.add("BTC/USD"), "stale_book"),
        (lambda w: setattr(w.clock, "now_ns", w.clock.now_ns + 10**12), "expired"),
    ],
)
def test_clear_looks_again_before_every_send_of_any_kind(
    purpose: Purpose, change: Change, code: str
) -> None:
    world = World()
    plan = world.plan()
    envelope = review(world, plan)
    assert isinstance(envelope, Approved)
    envelope = replace(envelope, purpose=purpose)
    change(world)
    assert cleared(world, order(world, plan), envelope, D(10_000)) == code


def test_while_reducing_only_orders_home_are_cleared() -> None:
    world = World()
    plan = world.plan()
    envelope = review(world, plan)
    assert isinstance(envelope, Approved)
    world.breaker.trip(Reason.HELD, "something is left")
    assert cleared(world, order(world, plan), envelope, D(10_000)) == "breaker"
    home = replace(envelope, purpose=Purpose.UNWIND)
    assert cleared(world, order(world, plan), home, D(10_000)) == ""


def test_the_order_rate_is_used_up_by_every_send() -> None:
    world = World(settings=limits(order_rate_per_s=0.01))
    plan = world.plan()
    envelope = review(world, plan)
    assert isinstance(envelope, Approved)
    codes = [cleared(world, order(world, plan), envelope, D(10_000)) for _ in range(7)]
    assert codes == [""] * 6 + ["rate_budget"]


@pytest.mark.parametrize("purpose", list(Purpose))
@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda w: kill(w.data_dir), "kill_switch"),
        (lambda w: w.sights.blind.add("ETH/BTC"), "stale_book"),
        (not_online, "market_status"),
        (polled, "rest_book"),
    ],
)
def test_an_order_that_waited_for_its_turn_may_not_leave_when_its_book_or_market_is_lost(
    purpose: Purpose, change: Change, code: str
) -> None:
    world = World()
    assert world.gate.stops(purpose, "ETH/BTC") == ""
    change(world)
    assert code.replace("_", " ") in world.gate.stops(purpose, "ETH/BTC").replace("_", " ")
